"""Known-broken gateways, for control arms: each forgets for real what keeps strangers strangers.

Each kind is called in a gateway's own process, before it starts. No seam takes these parts, so they are put
where the rooms look for their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Ask, Grant
from consent.register import NotFound
from consent.register.grants import _HELD, _held
from consent.register.tables import grants, invitations
from consent.sql import Question, Select, ask
from gateway.errors import Refused, Violation
from gateway.journey import look
from gateway.journey.inquiry import Inquiry
from gateway.server import Seams
from tests.prove.stagehands import GUARDED, gateways, hang_up, meet
from tests.world import World

Kind = Callable[[Seams], Seams]

_require, _entry, _invitation, _check = Grant.require, register.entry, register.invitation, look._check
_owned = register.grants_owned


@contextmanager
def careless(world: World, kind: Kind) -> Iterator[World]:
    """Another gateway of the same installation, broken in this way."""
    with gateways(world.settings, [GUARDED], set_up=kind) as [started]:
        other = meet(world.settings, started)
        try:
            yield other
        finally:
            hang_up(other)


def asks_not_whose(seams: Seams) -> Seams:
    """No look-up asks whose it is (OWASP API1): whoever names an id gets what it names."""
    _look_by_id_alone()
    _put(Grant, "require", _require_of_anybody)
    _put(register, "entry", lambda connection, consent_id, **_: _entry(connection, consent_id))
    _put(register, "invitation", lambda connection, handle, **_: _invitation(connection, handle))
    return seams


def says_whose(seams: Seams) -> Seams:
    """A foreign id is refused as a missing one is, with one detail more."""
    _look_by_id_alone()
    _put(look, "_check", _check_telling)
    _put(register, "entry", _telling("consent_id", _entry))
    _put(register, "invitation", _telling("handle", _invitation))
    return seams


def reads_on(seams: Seams) -> Seams:
    """Whose a thing is, is asked once a page of what its owner has was read.

    Every answer stays the same to the byte: it only takes longer, and only where there is an owner.
    """
    _put(register, "grants_owned", _owned_noted)
    _put(look, "ask", _ask_and_read_on)
    _put(register, "entry", _reading_on(grants, "consent_id", _entry))
    _put(register, "invitation", _reading_on(invitations, "handle", _invitation))
    return seams


def _put(place: Any, name: str, part: Any) -> None:
    setattr(place, name, part)


def _look_by_id_alone() -> None:
    _put(register, "grants_owned", _anybodys)
    _put(look, "_own", lambda found, inquiry: found.get(inquiry.query.consent_id))


_by_id_alone = Select(f"{_HELD} WHERE g.consent_id IN :ids")


def _anybodys(owned: Iterable[tuple[str, str]]) -> Question[dict[str, Grant]]:
    ids = [consent_id for _, consent_id in owned]
    return Question(lambda rows: {row[0]: _held(row) for row in rows}, _by_id_alone.of(ids=ids))


def _require_of_anybody(grant: Grant, ask: Ask, **when: Any) -> None:
    _require(grant, replace(ask, partner_id=grant.partner_id), **when)


def _check_telling(inquiry: Inquiry, grant: Grant | None, *rest: Any) -> None:
    if grant is not None and grant.partner_id != inquiry.caller.partner_id:
        raise Refused("CONSENT_NOT_USABLE", violations=_hint("consent_id"))
    _check(inquiry, grant, *rest)


def _telling(field: str, find: Callable[..., Any]) -> Callable[..., Any]:
    def found(connection: Connection, name: str, *, partner_id: str | None = None) -> Any:
        try:
            return find(connection, name, partner_id=partner_id)
        except NotFound:
            find(connection, name)  # it goes on only where there is such a thing
            raise Refused("NOT_FOUND", violations=_hint(field)) from None

    return found


def _hint(field: str) -> tuple[Violation, ...]:
    return (Violation(field, "must be yours"),)


_noted: list[tuple[str, str]] = []
"""What was asked about last."""


def _owned_noted(owned: Iterable[tuple[str, str]]) -> Question[dict[str, Grant]]:
    _noted[:] = list(owned)
    return _owned(_noted)


def _ask_and_read_on(connection: Connection, *questions: Question[Any]) -> tuple[Any, ...]:
    for partner_id, consent_id in _noted:
        _read_on(connection, grants, grants.c.consent_id == consent_id, partner_id)
    found: tuple[Any, ...] = ask(connection, *questions)  # type: ignore[call-overload]
    return found


def _reading_on(table: sa.Table, key: str, find: Callable[..., Any]) -> Callable[..., Any]:
    def found(connection: Connection, name: str, *, partner_id: str | None = None) -> Any:
        if partner_id is not None:
            _read_on(connection, table, table.c[key] == name, partner_id)
        return find(connection, name, partner_id=partner_id)

    return found


def _read_on(connection: Connection, table: sa.Table, named: sa.ColumnElement[bool], partner_id: str) -> None:
    owner = connection.execute(sa.select(table.c.partner_id).where(named)).scalar_one_or_none()
    if owner not in (None, partner_id):
        register.entries_of_partner(connection, str(owner), after=0, limit=50)
