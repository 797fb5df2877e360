"""Invitations in SQL, and how one becomes a grant."""

from __future__ import annotations

import json
import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent.grant import Grant, State, Terms, window
from consent.identity import Trait
from consent.register.grants import Entry, NotFound, entry, frozen_at
from consent.register.tables import grants, invitations, standings
from consent.register.terms import NOTICE_VERSION, consent_digest, dump, load
from scoregate.instants import micros, moment
from scoregate.words import Disclosure, InputFamily

ID = re.compile(r"[a-z2-7]{26}")
"""Of handles and of consents: what ``new_id`` makes."""


class InvitationClosed(Exception):
    """The invitation was decided or has expired."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the invitation is {state}")
        self.state = state


class SubjectIsFrozen(Exception):
    """The person froze their file: a new consent needs an unfreeze first."""


class NothingLeft(Exception):
    """Every input family would be excluded: a score needs one at least."""


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
    return_address: str = ""  # of the partner's contract; empty: people are not sent back
    return_state: str = ""
    # Whom the partner expects, as keyed digests; empty: whoever has the handle.
    identity: Mapping[Trait, bytes] = field(default_factory=dict, repr=False)

    def state_at(self, now: datetime) -> str:
        """PENDING, APPROVED, REJECTED, MISMATCH or EXPIRED as the clock has it."""
        return "EXPIRED" if self.state == "PENDING" and now >= self.expires_at else self.state


def new_id() -> str:
    """26 characters of base32: 130 unguessable bits."""
    return b32encode(secrets.token_bytes(17)).decode().rstrip("=").lower()[:26]


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
    return_address: str = "",
    return_state: str = "",
    identity: Mapping[Trait, bytes] | None = None,
) -> tuple[Invitation, bool]:
    """Record an invitation; on a repeat return the first, with False.

    ``identity``: keyed digests of whom the partner expects (consent.identity).

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
        handle=new_id(),
        partner_id=partner_id,
        terms=terms,
        partner_reference=partner_reference,
        state="PENDING",
        expires_at=now + decide_within,
        consent_id=None,
        return_address=return_address,
        return_state=return_state,
        identity=identity or {},
    )
    connection.execute(
        sa.insert(invitations).values(
            handle=invitation.handle,
            partner_id=partner_id,
            request_id=request_id,
            request_sha256=request_sha256,
            terms=dump(terms),
            partner_reference=partner_reference,
            state="PENDING",
            created_at_us=micros(now),
            expires_at_us=micros(invitation.expires_at),
            return_address=return_address,
            return_state=return_state,
            identity=_dump_identity(invitation.identity),
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


def mismatch(connection: Connection, handle: str, *, now: datetime) -> Invitation:
    """Record that somebody else opened it than whom the partner had named.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
    """
    pending = _pending(connection, handle, now)
    _decide(connection, handle, state="MISMATCH", consent_id=None)
    return replace(pending, state="MISMATCH")


def allow(
    connection: Connection,
    handle: str,
    *,
    subject: str,
    subject_ref: str,
    now: datetime,
    lift_freeze: bool = False,
    excluded: frozenset[InputFamily] = frozenset(),
    thresholds: tuple[int, ...] | None = None,
    notice_version: str = NOTICE_VERSION,
) -> Entry:
    """Record a person's yes; a grant comes of it.

    ``lift_freeze``: where their file is frozen, they lift that freeze for this grant alone. ``excluded``:
    input families that they exclude beyond those of the invitation. ``thresholds``: the lines that
    they read, kept where the invitation asks for a yes or no. ``notice_version``: of the words that they saw,
    1 to 16 characters.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
        SubjectIsFrozen: The person's file is frozen, and they lift nothing.
        NothingLeft: Every input family would be excluded.
    """
    pending = _pending(connection, handle, now)
    frozen = frozen_at(connection, subject)
    if frozen is not None and not lift_freeze:
        raise SubjectIsFrozen
    lines = thresholds if Disclosure.THRESHOLD in pending.terms.disclosures else None
    terms = replace(
        pending.terms, excluded_families=pending.terms.excluded_families | excluded, thresholds=lines
    )
    if terms.excluded_families == frozenset(InputFamily):
        raise NothingLeft
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
        sha256=b"",  # covers the rest, so it comes last
        granted_at=now,
        not_before=not_before,
        expires_at=expires_at,
        state=State.ACTIVE,
        lifts=frozen,
    )
    grant = replace(grant, sha256=consent_digest(grant, notice_version))
    connection.execute(
        sa.insert(grants).values(
            consent_id=grant.consent_id,
            number=number.scalar_subquery(),
            partner_id=grant.partner_id,
            subject=subject,
            subject_ref=subject_ref,
            handle=handle,
            partner_reference=pending.partner_reference,
            terms=dump(terms),
            notice_version=notice_version,
            sha256=grant.sha256,
            granted_at_us=micros(now),
            not_before_us=micros(not_before),
            expires_at_us=micros(expires_at),
            lifts_us=None if frozen is None else micros(frozen),
        )
    )
    connection.execute(sa.insert(standings).values(consent_id=grant.consent_id, state=grant.state.value))
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


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        handle=row.handle,
        partner_id=row.partner_id,
        terms=load(row.terms),
        partner_reference=row.partner_reference,
        state=row.state,
        expires_at=moment(row.expires_at_us),
        consent_id=row.consent_id,
        return_address=row.return_address,
        return_state=row.return_state,
        identity=_load_identity(row.identity),
    )


def _dump_identity(digests: Mapping[Trait, bytes]) -> str:
    return json.dumps({trait: digest.hex() for trait, digest in digests.items()}) if digests else ""


def _load_identity(text: str) -> dict[Trait, bytes]:
    raw: dict[str, str] = json.loads(text or "{}")
    return {Trait(name): bytes.fromhex(digest) for name, digest in raw.items()}
