"""Grants, freezes and use counts in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row as Named

from consent.grant import OPEN, Change, Grant, Standing, State
from consent.register import tables
from consent.register.tables import grants, subjects
from consent.register.terms import is_intact, load
from consent.sql import Question, Row, Select, Update, Writing
from scoregate.instants import micros, moment
from scoregate.words import Mark


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


# Each grant has its standing. The joins are LEFT all the same, so that SQLite begins with the grant's index:
# begun with the standing, another partner's consent would take longer to miss than one that is nowhere.
_HELD = (
    "SELECT g.consent_id, g.partner_id, g.subject, g.subject_ref, g.terms, g.sha256, g.granted_at_us, "
    "g.not_before_us, g.expires_at_us, n.state, n.consumed_by, s.frozen_at_us, n.used_in, n.uses, "
    "g.lifts_us, s.marks, g.notice_version FROM grants g "
    "LEFT JOIN standings n ON n.consent_id = g.consent_id LEFT JOIN subjects s ON s.subject = g.subject "
)
_standing_now = [column for column in tables.standings.c if column.name != "consent_id"]
_whole = sa.select(grants, *_standing_now, subjects.c.frozen_at_us, subjects.c.marks).select_from(
    grants.outerjoin(tables.standings).outerjoin(subjects, grants.c.subject == subjects.c.subject)
)
_owned = Select(f"{_HELD} WHERE (g.partner_id, g.consent_id) IN PAIRS :owned")
_standing = Select(
    "SELECT consent_id, state, consumed_by, used_in, uses FROM standings WHERE consent_id IN :ids"
)
_persons = Select("SELECT subject, frozen_at_us, marks FROM subjects WHERE subject IN :subjects")


def grants_owned(owned: Iterable[tuple[str, str]]) -> Question[dict[str, Grant]]:
    """Whole grants by consent id, with freeze and marks, for those (partner, consent id) that exist.

    Another partner's grant is never read: to read it and then refuse would take measurably longer than to
    find nothing, and so tell its asker that there is one.
    """
    return Question(
        lambda rows: {row[0]: _held(row) for row in rows},
        _owned.of(owned=list(owned)),
    )


def standings(whose: Mapping[str, str]) -> Question[dict[str, Standing]]:
    """How those grants stand now that exist; ``whose`` gives each consent id its person.

    What was agreed to, and by whom, never changes.
    """

    def read(persons: list[Row], standings: list[Row]) -> dict[str, Standing]:
        known = {row[0]: row for row in persons}
        found = {}
        for consent_id, state, consumed_by, used_in, uses in standings:
            _, frozen_at_us, marks = known.get(whose[consent_id], _NO_PERSON)
            found[consent_id] = Standing(
                _STATES[state], consumed_by, _moment(frozen_at_us), used_in, uses, MARKS[marks]
            )
        return found

    return Question(read, _persons.of(subjects=list(set(whose.values()))), _standing.of(ids=list(whose)))


def any_grants(connection: Connection) -> list[Grant]:
    """The grants at both ends of the register, which ids in no order make two of any age."""
    ends = (grants.c.consent_id.asc(), grants.c.consent_id.desc())
    rows = [connection.execute(_whole.order_by(end).limit(1)).one_or_none() for end in ends]
    return [_grant(row) for row in rows if row is not None]


def entry(connection: Connection, consent_id: str, *, partner_id: str | None = None) -> Entry:
    """One grant; ``partner_id`` None means any partner's (operators only).

    Raises:
        NotFound: Missing, or another partner's.
    """
    query = _whole.where(grants.c.consent_id == consent_id)
    if partner_id is not None:
        query = query.where(grants.c.partner_id == partner_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound
    return _entry(row)


def entries_of_partner(connection: Connection, partner_id: str, *, after: int, limit: int) -> list[Entry]:
    """A partner's grants numbered above ``after``, in order."""
    query = _whole.where(grants.c.partner_id == partner_id, grants.c.number > after)
    return [_entry(row) for row in connection.execute(query.order_by(grants.c.number).limit(limit)).all()]


def entries_of_subject(connection: Connection, subject: str, *, after: str, limit: int) -> list[Entry]:
    """A person's grants with all partners, oldest first, behind the consent id ``after``."""
    query = _whole.where(grants.c.subject == subject)
    if after:
        last = sa.select(grants.c.granted_at_us).where(grants.c.consent_id == after).scalar_subquery()
        key = sa.tuple_(grants.c.granted_at_us, grants.c.consent_id)
        query = query.where(key > sa.tuple_(last, sa.literal(after)))
    order = (grants.c.granted_at_us, grants.c.consent_id)
    return [_entry(row) for row in connection.execute(query.order_by(*order).limit(limit)).all()]


def latest_of_subject(connection: Connection, subject: str, *, before: str, limit: int) -> list[Entry]:
    """A person's grants with all partners, newest first, older than the consent id ``before`` ("": all)."""
    query = _whole.where(grants.c.subject == subject)
    if before:
        last = sa.select(grants.c.granted_at_us).where(
            grants.c.consent_id == before, grants.c.subject == subject
        )
        key = sa.tuple_(grants.c.granted_at_us, grants.c.consent_id)
        query = query.where(key < sa.tuple_(last.scalar_subquery(), sa.literal(before)))
    order = (grants.c.granted_at_us.desc(), grants.c.consent_id.desc())
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
    sa.update(tables.standings)
    .where(tables.standings.c.consent_id == sa.bindparam("id"))
    .values(state=sa.bindparam("new_state"))
)


def set_states(connection: Connection, states: dict[str, State]) -> None:
    """Store new states; the caller has decided that they are lawful."""
    connection.execute(
        _set_state, [{"id": consent_id, "new_state": state.value} for consent_id, state in states.items()]
    )


_use = Update(tables.standings.c.consent_id, *_standing_now)


def uses(used: Mapping[str, Standing]) -> Writing:
    """What answers have done to their grants, by consent id; written under the head lock."""
    return _use.of(
        [(s.state.value, s.consumed_by, s.used_in, s.uses, consent_id) for consent_id, s in used.items()]
    )


# --- freezes


def lifted_of_subject(connection: Connection, subject: str, *, limit: int) -> list[Entry]:
    """The open grants for which the person lifted the freeze that holds now, newest first."""
    query = _whole.where(
        grants.c.subject == subject,
        grants.c.lifts_us == subjects.c.frozen_at_us,
        tables.standings.c.state.in_([state.value for state in OPEN]),
    )
    order = (grants.c.granted_at_us.desc(), grants.c.consent_id.desc())
    return [_entry(row) for row in connection.execute(query.order_by(*order).limit(limit)).all()]


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
    if not frozen:
        # What was lifted goes with the freeze: the next may have its very time, where a clock was set back.
        lifted = grants.c.subject == subject, grants.c.lifts_us.is_not(None)
        connection.execute(sa.update(grants).where(*lifted).values(lifts_us=None))
    value = micros(now) if frozen else None
    updated = connection.execute(
        sa.update(subjects).where(subjects.c.subject == subject).values(frozen_at_us=value)
    )
    if updated.rowcount == 0:
        connection.execute(sa.insert(subjects).values(subject=subject, frozen_at_us=value))
    return True


_STATES = {state.value: state for state in State}
_NO_PERSON = ("", None, None)  # who neither froze nor marked anything has no row


class _Marks(dict[int | None, tuple[Mark, ...]]):
    """By what the column holds: a bit for each, None where a person has no row. Other bits say nothing."""

    def __missing__(self, bits: int | None) -> tuple[Mark, ...]:
        marks = tuple(mark for mark in Mark if (bits or 0) >> mark.number - 1 & 1)
        return self.setdefault(bits, marks)


MARKS = _Marks()


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else moment(micros)


def _held(row: Row) -> Grant:
    consent_id, partner_id, subject, subject_ref, text, sha256, granted_us, begins_us, ends_us, *standing = (
        row
    )
    state, consumed_by, frozen_at_us, used_in, uses, lifts_us, marks, notice = standing
    return Grant(
        consent_id,
        partner_id,
        subject,
        subject_ref,
        load(text),
        sha256,
        moment(granted_us),
        moment(begins_us),
        moment(ends_us),
        _STATES[state],
        consumed_by,
        _moment(frozen_at_us),
        used_in,
        uses,
        _moment(lifts_us),
        MARKS[marks],
        is_intact(consent_id, partner_id, subject_ref, text, notice, sha256, granted_us, begins_us, ends_us),
    )


def _grant(row: Named[Any]) -> Grant:
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
        frozen_at=_moment(row.frozen_at_us),
        used_in=row.used_in,
        uses=row.uses,
        lifts=_moment(row.lifts_us),
        marks=MARKS[row.marks],
        is_intact=is_intact(
            row.consent_id,
            row.partner_id,
            row.subject_ref,
            row.terms,
            row.notice_version,
            row.sha256,
            row.granted_at_us,
            row.not_before_us,
            row.expires_at_us,
        ),
    )


def _entry(row: Named[Any]) -> Entry:
    return Entry(_grant(row), row.number, row.handle, row.partner_reference, row.notice_version)
