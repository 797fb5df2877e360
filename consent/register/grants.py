"""Grants, freezes and use counts in SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent.grant import Change, Grant, State
from consent.register.tables import grant_uses, grants, subjects
from consent.register.terms import load
from scoregate.instants import micros, moment


class NotFound(Exception):
    """Nothing of this name for this caller."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A grant as the register lists it."""

    grant: Grant
    number: int
    handle: str
    partner_reference: str
    notice_version: str


_with_freeze = sa.select(grants, subjects.c.frozen_at_us).select_from(
    grants.outerjoin(subjects, grants.c.subject == subjects.c.subject)
)
_by_id = _with_freeze.where(grants.c.consent_id.in_(sa.bindparam("ids", expanding=True)))


def grants_by_id(connection: Connection, consent_ids: Iterable[str]) -> dict[str, Grant]:
    """Whole grants with the person's freeze, for those ids that exist."""
    rows = connection.execute(_by_id, {"ids": list(consent_ids)}).all()
    return {row.consent_id: _grant(row) for row in rows}


def any_grants(connection: Connection) -> list[Grant]:
    """The grants at both ends of the register, which ids in no order make two of any age."""
    ends = (grants.c.consent_id.asc(), grants.c.consent_id.desc())
    rows = [connection.execute(_with_freeze.order_by(end).limit(1)).one_or_none() for end in ends]
    return [_grant(row) for row in rows if row is not None]


def entry(connection: Connection, consent_id: str, *, partner_id: str | None = None) -> Entry:
    """One grant; ``partner_id`` None means any partner's (operators only).

    Raises:
        NotFound: Missing, or another partner's.
    """
    query = _with_freeze.where(grants.c.consent_id == consent_id)
    if partner_id is not None:
        query = query.where(grants.c.partner_id == partner_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound
    return _entry(row)


def entries_of_partner(connection: Connection, partner_id: str, *, after: int, limit: int) -> list[Entry]:
    """A partner's grants numbered above ``after``, in order."""
    query = _with_freeze.where(grants.c.partner_id == partner_id, grants.c.number > after)
    return [_entry(row) for row in connection.execute(query.order_by(grants.c.number).limit(limit)).all()]


def entries_of_subject(connection: Connection, subject: str, *, after: str, limit: int) -> list[Entry]:
    """A person's grants with all partners, oldest first, behind the consent id ``after``."""
    query = _with_freeze.where(grants.c.subject == subject)
    if after:
        last = sa.select(grants.c.granted_at_us).where(grants.c.consent_id == after).scalar_subquery()
        key = sa.tuple_(grants.c.granted_at_us, grants.c.consent_id)
        query = query.where(key > sa.tuple_(last, sa.literal(after)))
    order = (grants.c.granted_at_us, grants.c.consent_id)
    return [_entry(row) for row in connection.execute(query.order_by(*order).limit(limit)).all()]


def change(
    connection: Connection, consent_id: str, what: Change, *, now: datetime, partner_id: str | None = None
) -> Entry:
    """Pause, resume or revoke.

    Raises:
        NotFound: No such consent.
        MoveRefused: Its state does not allow it.
    """
    found = entry(connection, consent_id, partner_id=partner_id)
    state = found.grant.moved(what, now=now)
    set_states(connection, {consent_id: state})
    return replace(found, grant=replace(found.grant, state=state))


_set_state = (
    sa.update(grants).where(grants.c.consent_id == sa.bindparam("id")).values(state=sa.bindparam("new_state"))
)


def set_states(connection: Connection, states: dict[str, State]) -> None:
    """Store new states; the caller has decided that they are lawful."""
    connection.execute(
        _set_state, [{"id": consent_id, "new_state": state.value} for consent_id, state in states.items()]
    )


_consume = (
    sa.update(grants)
    .where(grants.c.consent_id == sa.bindparam("id"))
    .values(state=State.CONSUMED.value, consumed_by=sa.bindparam("leaf"))
)


def consume(connection: Connection, answered: dict[str, int]) -> None:
    """Store that one-time grants were used up, each by the answer at a leaf index."""
    connection.execute(
        _consume, [{"id": consent_id, "leaf": leaf_index} for consent_id, leaf_index in answered.items()]
    )


# --- freezes


def frozen_at(connection: Connection, subject: str) -> datetime | None:
    """When the person froze their file; None: not frozen."""
    value = connection.execute(
        sa.select(subjects.c.frozen_at_us).where(subjects.c.subject == subject)
    ).scalar_one_or_none()
    return None if value is None else moment(value)


def set_freeze(connection: Connection, subject: str, *, frozen: bool, now: datetime) -> bool:
    """Freeze or unfreeze; returns False where nothing changed (the first freeze keeps its time)."""
    if (frozen_at(connection, subject) is not None) == frozen:
        return False
    value = micros(now) if frozen else None
    updated = connection.execute(
        sa.update(subjects).where(subjects.c.subject == subject).values(frozen_at_us=value)
    )
    if updated.rowcount == 0:
        connection.execute(sa.insert(subjects).values(subject=subject, frozen_at_us=value))
    return True


# --- frequency

Use = tuple[str, str]  # consent id, period id

_uses = sa.select(grant_uses).where(
    grant_uses.c.consent_id.in_(sa.bindparam("ids", expanding=True)),
    grant_uses.c.period.in_(sa.bindparam("periods", expanding=True)),
)
# The form of an upsert that SQLite and PostgreSQL share.
_store_uses = sa.text(
    "INSERT INTO grant_uses (consent_id, period, uses) VALUES (:consent_id, :period, :uses) "
    "ON CONFLICT (consent_id, period) DO UPDATE SET uses = excluded.uses"
)


def uses(connection: Connection, wanted: Iterable[Use]) -> dict[Use, int]:
    """How often each grant was used in each period; 0 where never."""
    keys = list(wanted)
    if not keys:
        return {}
    rows = connection.execute(
        _uses, {"ids": list({key[0] for key in keys}), "periods": list({key[1] for key in keys})}
    ).all()
    found = {(row.consent_id, row.period): row.uses for row in rows}
    return {key: found.get(key, 0) for key in keys}


def store_uses(connection: Connection, counts: dict[Use, int]) -> None:
    """Store new counts; called under the head lock, so the last writer is the only one."""
    rows = [
        {"consent_id": consent_id, "period": period, "uses": count}
        for (consent_id, period), count in counts.items()
    ]
    connection.execute(_store_uses, rows)


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        consent_id=row.consent_id,
        partner_id=row.partner_id,
        subject=row.subject,
        subject_ref=row.subject_ref,
        terms=load(row.terms),
        sha256=row.sha256,
        granted_at=moment(row.granted_at_us),
        not_before=moment(row.not_before_us),
        expires_at=moment(row.expires_at_us),
        state=State(row.state),
        consumed_by=row.consumed_by,
        frozen_at=None if row.frozen_at_us is None else moment(row.frozen_at_us),
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(_grant(row), row.number, row.handle, row.partner_reference, row.notice_version)
