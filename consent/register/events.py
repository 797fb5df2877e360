"""What happened to grants, in the order of the log, and the grants whose time is up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent.grant import OPEN
from consent.register.tables import consent_events, grants, standings
from consent.sql import Write, Writing
from scoregate.instants import micros, moment
from scoregate.words import ConsentEventKind


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one grant."""

    partner_id: str
    leaf_index: int  # the log's entry that says so
    consent_id: str
    what: ConsentEventKind
    at: datetime  # UTC; the entry's time


_record = Write(consent_events)
_OPEN = sorted(state.value for state in OPEN)


def happened(events: Iterable[Event]) -> Writing:
    """What happened, to be written in the transaction of its entry."""
    return _record.of(
        [(e.partner_id, e.leaf_index, e.consent_id, e.what.value, micros(e.at)) for e in events]
    )


def events_of_partner(
    connection: Connection, partner_id: str, *, behind: tuple[int, str], limit: int
) -> list[Event]:
    """What happened to a partner's grants, behind (leaf index, consent id), in that order."""
    place = sa.tuple_(consent_events.c.leaf_index, consent_events.c.consent_id)
    query = (
        sa.select(consent_events)
        .where(consent_events.c.partner_id == partner_id, place > sa.tuple_(*map(sa.literal, behind)))
        .order_by(consent_events.c.leaf_index, consent_events.c.consent_id)
    )
    return [_event(row) for row in connection.execute(query.limit(limit)).all()]


def latest_events_of_consent(
    connection: Connection, partner_id: str, consent_id: str, *, limit: int
) -> list[Event]:
    """What happened to one grant of this partner, as many as ``limit`` of the latest, the latest first."""
    query = (
        sa.select(consent_events)
        .where(consent_events.c.partner_id == partner_id, consent_events.c.consent_id == consent_id)
        .order_by(consent_events.c.leaf_index.desc())
    )
    return [_event(row) for row in connection.execute(query.limit(limit)).all()]


def open_grants(connection: Connection, subject: str) -> list[tuple[str, str]]:
    """(partner, consent id) of a person's grants that have not ended."""
    query = sa.select(grants.c.partner_id, grants.c.consent_id).join(standings)
    found = query.where(grants.c.subject == subject, standings.c.state.in_(_OPEN))
    return [(row.partner_id, row.consent_id) for row in connection.execute(found).all()]


def overdue(
    connection: Connection, *, behind: tuple[datetime, str], now: datetime, limit: int
) -> list[tuple[datetime, str]]:
    """(end, consent id) of grants whose window has closed by ``now``, unmarked so far, behind that place."""
    place = sa.tuple_(grants.c.expires_at_us, grants.c.consent_id)
    begin = sa.tuple_(sa.literal(micros(behind[0])), sa.literal(behind[1]))
    query = (
        sa.select(grants.c.expires_at_us, grants.c.consent_id)
        .join(standings)
        .where(place > begin, grants.c.expires_at_us <= micros(now), standings.c.state.in_(_OPEN))
        .order_by(grants.c.expires_at_us, grants.c.consent_id)
    )
    return [(moment(at_us), consent_id) for at_us, consent_id in connection.execute(query.limit(limit)).all()]


def _event(row: Row[Any]) -> Event:
    what, at = ConsentEventKind.read(row.what), moment(row.at_us)
    return Event(row.partner_id, row.leaf_index, row.consent_id, what, at)
