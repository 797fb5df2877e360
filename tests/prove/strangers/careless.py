"""Known-broken gateways, for control arms: each forgets for real what keeps strangers strangers.

Each is called in a gateway's own process, before it starts. No seam takes these parts, so they are put
where the rooms look for their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Ask, Grant
from consent.register import Entry, Invitation, NotFound
from consent.register.tables import grants
from gateway.audit.private import owner_subject
from gateway.doors.consent import consent_message, invitation_message
from gateway.errors import Refused, Violation
from gateway.journey import look
from gateway.journey.inquiry import Consented, Inquiry
from gateway.server import Seams, wall_clock

_require, _entry, _invitation, _check = Grant.require, register.entry, register.invitation, look._check
_owned = register.grants_owned


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


def looks_first(seams: Seams) -> Seams:
    """Everything is read and made ready first, and whose it is, is asked at the end.

    Scores are asked for and signed before the ledger refuses; a consent is made a message of before the door
    does. Every answer stays the same to the byte: it only takes longer.
    """
    _look_by_id_alone()
    _put(look, "_check", _check_nothing)
    _put(register, "entry", _read_first(_entry, lambda e: consent_message(e, now=wall_clock()), _owner))
    message = _read_first(
        _invitation, lambda i: invitation_message(i, "", now=wall_clock()), lambda i: i.partner_id
    )
    _put(register, "invitation", message)
    return seams


def _put(place: Any, name: str, part: Any) -> None:
    setattr(place, name, part)


def _look_by_id_alone() -> None:
    _put(register, "grants_owned", _anybodys)
    _put(look, "_own", lambda found, inquiry: found.get(inquiry.query.consent_id))


def _anybodys(connection: Connection, owned: Iterable[tuple[str, str]]) -> Mapping[str, Grant]:
    ids = [consent_id for _, consent_id in owned]
    owners = sa.select(grants.c.partner_id, grants.c.consent_id).where(grants.c.consent_id.in_(ids))
    return _owned(
        connection, [(partner_id, consent_id) for partner_id, consent_id in connection.execute(owners)]
    )


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


def _check_nothing(inquiry: Inquiry, grant: Grant | None, keys: Any, usage: Any, first: Any, _: Any) -> None:
    key = keys.get(owner_subject(grant.subject)) if grant else None
    if grant is None or key is None:
        raise Refused("CONSENT_NOT_USABLE")
    inquiry.consented = Consented(grant, key, usage)
    inquiry.repeats = first is not None


def _owner(entry: Entry) -> str:
    return entry.grant.partner_id


def _read_first(
    find: Callable[..., Any], show: Callable[[Any], object], owner: Callable[[Any], str]
) -> Callable[..., Any]:
    def found(connection: Connection, name: str, *, partner_id: str | None = None) -> Any:
        thing: Entry | Invitation = find(connection, name)
        show(thing)
        if partner_id is not None and owner(thing) != partner_id:
            raise NotFound
        return thing

    return found
