"""Invitations and grants in SQL.

Every function works inside the caller's transaction; changes are only called under the
ledger's head lock, so what is read here can't change before it is written. Look-ups on
behalf of a partner are keyed by (partner, id): missing and foreign are one answer.
"""

from __future__ import annotations

import json
import secrets
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent.grant import Change, Frequency, Grant, State, Terms, window
from scoregate.instants import micros, moment
from scoregate.proof.digest import consent_terms, terms_sha256
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose

metadata = sa.MetaData()

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("handle", sa.String(26), primary_key=True),
    sa.Column("partner_id", sa.String(40), nullable=False),
    sa.Column("request_id", sa.String(36), nullable=False),
    sa.Column("request_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("partner_reference", sa.String(64), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # PENDING, APPROVED, REJECTED
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("consent_id", sa.String(26)),
    sa.UniqueConstraint("partner_id", "request_id", name="uq_invitations_request"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("consent_id", sa.String(26), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),  # per partner from 1: the order of listing
    sa.Column("partner_id", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("subject_ref", sa.String(40), nullable=False),
    sa.Column("handle", sa.String(26), nullable=False),
    sa.Column("partner_reference", sa.String(64), nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("granted_at_us", sa.BigInteger, nullable=False),
    sa.Column("not_before_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.UniqueConstraint("partner_id", "number", name="uq_grants_number"),
    sa.Index("ix_grants_subject", "subject", "granted_at_us"),
)

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("frozen_at_us", sa.BigInteger),
)

grant_uses = sa.Table(
    "grant_uses",
    metadata,
    sa.Column("consent_id", sa.String(26), primary_key=True),
    sa.Column("period", sa.String(10), primary_key=True),
    sa.Column("uses", sa.Integer, nullable=False),
)

NOTICE_VERSION = "2026-11"
"""The version of the words that the person saw."""


class NotFound(Exception):
    """Nothing of this name for this caller."""


class InvitationClosed(Exception):
    """The invitation was decided or has expired."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the invitation is {state}")
        self.state = state


class SubjectIsFrozen(Exception):
    """The person froze their file: a new consent needs an unfreeze first."""


class RequestIdReused(Exception):
    """This request id made another invitation."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """One partner's question to one person."""

    handle: str
    partner_id: str
    terms: Terms
    partner_reference: str
    state: str
    expires_at: datetime
    consent_id: str | None

    def state_at(self, now: datetime) -> str:
        """PENDING, APPROVED, REJECTED or EXPIRED as the clock has it."""
        return "EXPIRED" if self.state == "PENDING" and now >= self.expires_at else self.state


@dataclass(frozen=True, slots=True)
class Entry:
    """A grant as the register lists it."""

    grant: Grant
    number: int
    handle: str
    partner_reference: str


def new_id() -> str:
    """26 characters of base32: 130 unguessable bits."""
    return b32encode(secrets.token_bytes(17)).decode().rstrip("=").lower()[:26]


# --- invitations


def invite(
    connection: Connection,
    *,
    partner_id: str,
    request_id: str,
    request_sha256: bytes,
    terms: Terms,
    partner_reference: str,
    now: datetime,
    decide_within: timedelta,
) -> tuple[Invitation, bool]:
    """Record an invitation; on a repeat return the first, with False.

    Raises:
        RequestIdReused: The same request id came with another body.
    """
    earlier = connection.execute(
        sa.select(invitations).where(
            invitations.c.partner_id == partner_id, invitations.c.request_id == request_id
        )
    ).one_or_none()
    if earlier is not None:
        if earlier.request_sha256 != request_sha256:
            raise RequestIdReused
        return _invitation(earlier), False
    invitation = Invitation(
        new_id(), partner_id, terms, partner_reference, "PENDING", now + decide_within, None
    )
    connection.execute(
        sa.insert(invitations).values(
            handle=invitation.handle,
            partner_id=partner_id,
            request_id=request_id,
            request_sha256=request_sha256,
            terms=_dump(terms),
            partner_reference=partner_reference,
            state="PENDING",
            created_at_us=micros(now),
            expires_at_us=micros(invitation.expires_at),
        )
    )
    return invitation, True


def invitation(connection: Connection, handle: str, *, partner_id: str | None = None) -> Invitation:
    """The invitation of this handle; ``partner_id`` None means any partner's (operators only).

    Raises:
        NotFound: Missing, or another partner's.
    """
    query = sa.select(invitations).where(invitations.c.handle == handle)
    if partner_id is not None:
        query = query.where(invitations.c.partner_id == partner_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound
    return _invitation(row)


def reject(connection: Connection, handle: str, *, now: datetime) -> Invitation:
    """Record a person's no.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
    """
    pending = _pending(connection, handle, now)
    _decide(connection, handle, state="REJECTED", consent_id=None)
    return replace(pending, state="REJECTED")


def allow(connection: Connection, handle: str, *, subject: str, subject_ref: str, now: datetime) -> Entry:
    """Record a person's yes; a grant comes of it.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
        SubjectIsFrozen: The person's file is frozen.
    """
    pending = _pending(connection, handle, now)
    if frozen_at(connection, subject) is not None:
        raise SubjectIsFrozen
    terms = pending.terms
    not_before, expires_at = window(terms, now)
    number = sa.select(sa.func.coalesce(sa.func.max(grants.c.number), 0) + 1).where(
        grants.c.partner_id == pending.partner_id
    )
    grant = Grant(
        consent_id=new_id(),
        partner_id=pending.partner_id,
        subject=subject,
        subject_ref=subject_ref,
        terms=terms,
        sha256=terms_digest(terms, not_before, expires_at),
        granted_at=now,
        not_before=not_before,
        expires_at=expires_at,
        state=State.ACTIVE,
    )
    connection.execute(
        sa.insert(grants).values(
            consent_id=grant.consent_id,
            number=number.scalar_subquery(),
            partner_id=grant.partner_id,
            subject=subject,
            subject_ref=subject_ref,
            handle=handle,
            partner_reference=pending.partner_reference,
            terms=_dump(terms),
            sha256=grant.sha256,
            granted_at_us=micros(now),
            not_before_us=micros(not_before),
            expires_at_us=micros(expires_at),
            state=grant.state.value,
        )
    )
    _decide(connection, handle, state="APPROVED", consent_id=grant.consent_id)
    return entry(connection, grant.consent_id)


def _pending(connection: Connection, handle: str, now: datetime) -> Invitation:
    found = invitation(connection, handle)
    if found.state_at(now) != "PENDING":
        raise InvitationClosed(found.state_at(now))
    return found


def _decide(connection: Connection, handle: str, *, state: str, consent_id: str | None) -> None:
    connection.execute(
        sa.update(invitations)
        .where(invitations.c.handle == handle)
        .values(state=state, consent_id=consent_id)
    )


# --- grants

_with_freeze = sa.select(grants, subjects.c.frozen_at_us).select_from(
    grants.outerjoin(subjects, grants.c.subject == subjects.c.subject)
)
_by_id = _with_freeze.where(grants.c.consent_id.in_(sa.bindparam("ids", expanding=True)))


def grants_by_id(connection: Connection, consent_ids: Iterable[str]) -> dict[str, Grant]:
    """Whole grants with the person's freeze, for those ids that exist."""
    rows = connection.execute(_by_id, {"ids": list(consent_ids)})
    return {row.consent_id: _grant(row) for row in rows}


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
    return [_entry(row) for row in connection.execute(query.order_by(grants.c.number).limit(limit))]


def entries_of_subject(connection: Connection, subject: str, *, after: str, limit: int) -> list[Entry]:
    """A person's grants with all partners, oldest first, behind the consent id ``after``."""
    query = _with_freeze.where(grants.c.subject == subject)
    if after:
        last = sa.select(grants.c.granted_at_us).where(grants.c.consent_id == after).scalar_subquery()
        key = sa.tuple_(grants.c.granted_at_us, grants.c.consent_id)
        query = query.where(key > sa.tuple_(last, sa.literal(after)))
    order = (grants.c.granted_at_us, grants.c.consent_id)
    return [_entry(row) for row in connection.execute(query.order_by(*order).limit(limit))]


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

_uses = sa.select(grant_uses).where(grant_uses.c.consent_id.in_(sa.bindparam("ids", expanding=True)))


def uses(connection: Connection, wanted: Iterable[Use]) -> dict[Use, int]:
    """How often each grant was used in each period; 0 where never."""
    keys = list(wanted)
    if not keys:
        return {}
    rows = connection.execute(
        _uses.where(grant_uses.c.period.in_(sa.bindparam("periods", expanding=True))),
        {"ids": list({key[0] for key in keys}), "periods": list({key[1] for key in keys})},
    )
    found = {(row.consent_id, row.period): row.uses for row in rows}
    return {key: found.get(key, 0) for key in keys}


def store_uses(connection: Connection, counts: dict[Use, int]) -> None:
    """Store new counts; called under the head lock, so the last writer is the only one."""
    update = (
        sa.update(grant_uses)
        .where(grant_uses.c.consent_id == sa.bindparam("id"), grant_uses.c.period == sa.bindparam("p"))
        .values(uses=sa.bindparam("n"))
    )
    for (consent_id, period), count in counts.items():
        if connection.execute(update, {"id": consent_id, "p": period, "n": count}).rowcount == 0:
            connection.execute(sa.insert(grant_uses).values(consent_id=consent_id, period=period, uses=count))


# --- rows ↔ values


def terms_digest(terms: Terms, not_before: datetime, expires_at: datetime) -> bytes:
    """SHA-256 over the RFC 8785 form of what the person agreed to."""
    return terms_sha256(
        consent_terms(
            purpose=terms.purpose,
            disclosures=terms.disclosures,
            mode=terms.mode,
            not_before=not_before,
            expires_at=expires_at,
            frequency=(terms.frequency.uses, terms.frequency.unit) if terms.frequency else None,
            time_zone=terms.time_zone,
            data_life=terms.data_life,
            excluded_families=terms.excluded_families,
            notice_version=NOTICE_VERSION,
        )
    )


def _dump(terms: Terms) -> str:
    return json.dumps(
        {
            "purpose": terms.purpose,
            "disclosures": sorted(terms.disclosures),
            "mode": terms.mode,
            "not_before_us": micros(terms.not_before) if terms.not_before else None,
            "valid_for_s": int(terms.valid_for.total_seconds()),
            "frequency": [terms.frequency.uses, terms.frequency.unit] if terms.frequency else None,
            "time_zone": terms.time_zone,
            "data_life_s": int(terms.data_life.total_seconds()),
            "excluded_families": sorted(terms.excluded_families),
        }
    )


def _load(text: str) -> Terms:
    raw = json.loads(text)
    return Terms(
        purpose=Purpose.read(raw["purpose"]),
        disclosures=frozenset(map(Disclosure.read, raw["disclosures"])),
        mode=ConsentMode.read(raw["mode"]),
        not_before=None if raw["not_before_us"] is None else moment(raw["not_before_us"]),
        valid_for=timedelta(seconds=raw["valid_for_s"]),
        frequency=_frequency(raw["frequency"]),
        time_zone=raw["time_zone"],
        data_life=timedelta(seconds=raw["data_life_s"]),
        excluded_families=frozenset(map(InputFamily.read, raw["excluded_families"])),
    )


def _frequency(raw: tuple[int, str] | None) -> Frequency | None:
    return Frequency(raw[0], CalendarUnit.read(raw[1])) if raw else None


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        handle=row.handle,
        partner_id=row.partner_id,
        terms=_load(row.terms),
        partner_reference=row.partner_reference,
        state=row.state,
        expires_at=moment(row.expires_at_us),
        consent_id=row.consent_id,
    )


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        consent_id=row.consent_id,
        partner_id=row.partner_id,
        subject=row.subject,
        subject_ref=row.subject_ref,
        terms=_load(row.terms),
        sha256=row.sha256,
        granted_at=moment(row.granted_at_us),
        not_before=moment(row.not_before_us),
        expires_at=moment(row.expires_at_us),
        state=State(row.state),
        frozen_at=None if row.frozen_at_us is None else moment(row.frozen_at_us),
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(_grant(row), row.number, row.handle, row.partner_reference)
