"""What is left of a person in the register once they are erased.

Of each consent: what its partner was allowed, and how it ended. Partners are told of that by their events,
and whoever answers for a release can say that there was a consent. It names nobody: neither the person nor
the partner's references to them stay, so its digest is no longer that of the row, and nothing is answered
under it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent.grant import OPEN
from consent.identity import Trait
from consent.register.tables import disputes, grants, invitations, standings, subjects
from scoregate.instants import micros

NOBODY = json.dumps({Trait.NAME: hashlib.sha256(b"scoregate: nobody").hexdigest()})
"""What stands where an invitation named somebody. No keyed digest is like it: whoever opens the link is
somebody else, and reads nothing, as before."""

_OPEN = sorted(state.value for state in OPEN)


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much the register holds about one person."""

    open_consents: int
    ended_consents: int
    open_disputes: int
    resolved_disputes: int
    frozen: bool

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all."""
        return self == Holdings(0, 0, 0, 0, frozen=False)


def holdings(connection: Connection, subject: str) -> Holdings:
    """What the register holds about this person now."""
    of_subject = grants.c.subject == subject
    every = sa.select(sa.func.count()).select_from(grants).where(of_subject)
    is_open = standings.c.state.in_(_OPEN)
    opened = sa.select(sa.func.count()).select_from(grants.join(standings)).where(of_subject, is_open)
    said = sa.select(sa.func.count(), sa.func.count(disputes.c.resolved_at_us))
    frozen = sa.select(subjects.c.frozen_at_us).where(subjects.c.subject == subject)
    consents: int = connection.execute(every).scalar_one()
    running: int = connection.execute(opened).scalar_one()
    told, resolved = connection.execute(said.where(disputes.c.subject == subject)).one()
    frozen_at_us = connection.execute(frozen).scalar_one_or_none()
    return Holdings(running, consents - running, told - resolved, resolved, frozen_at_us is not None)


def forget(connection: Connection, subject: str) -> None:
    """Let nothing in the register lead to this person. The caller has ended their consents."""
    mine = grants.c.subject == subject
    handles = list(connection.execute(sa.select(grants.c.handle).where(mine)).scalars().all())
    unname(connection, handles)
    theirs = invitations.c.handle.in_(handles)
    connection.execute(sa.update(invitations).where(theirs).values(partner_reference="", return_state=""))
    connection.execute(sa.update(grants).where(mine).values(subject="", subject_ref="", partner_reference=""))
    for table in (disputes, subjects):
        connection.execute(sa.delete(table).where(table.c.subject == subject))


# --- whom invitations named


def named_before(connection: Connection, moment: datetime, *, limit: int) -> list[str]:
    """Invitations whose time was over before that moment, and that still say whom they were for."""
    query = sa.select(invitations.c.handle).where(
        invitations.c.expires_at_us < micros(moment), invitations.c.identity.not_in(["", NOBODY])
    )
    return list(connection.execute(query.limit(limit)).scalars().all())


def unname(connection: Connection, handles: Sequence[str]) -> None:
    """Let these invitations say no more whom they were for."""
    somebody = invitations.c.handle.in_(handles), invitations.c.identity != ""
    connection.execute(sa.update(invitations).where(*somebody).values(identity=NOBODY))


# --- what keeps something from being forgotten


def disputing(connection: Connection) -> set[str]:
    """The people who have an open dispute or review."""
    query = sa.select(disputes.c.subject).where(disputes.c.resolved_at_us.is_(None)).distinct()
    return set(connection.execute(query).scalars().all())


def running(connection: Connection, consent_ids: Iterable[str], *, now: datetime) -> set[str]:
    """Those of these consents that have not ended by ``now``."""
    query = (
        sa.select(grants.c.consent_id)
        .join(standings)
        .where(grants.c.consent_id.in_(list(consent_ids)), grants.c.expires_at_us > micros(now))
        .where(standings.c.state.in_(_OPEN))
    )
    return set(connection.execute(query).scalars().all())
