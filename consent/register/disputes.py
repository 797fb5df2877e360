"""What people say is wrong about them, and the reviews that they asked for.

What they wrote, and what they were answered, comes here sealed and leaves sealed. The person's marks follow
from what is open, in the same transaction.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent.register.grants import NotFound
from consent.register.tables import disputes, subjects
from scoregate.instants import micros, moment
from scoregate.words import Mark, Word


class DisputeKind(Word):
    """What a person asks for. Source: protos/scoregate/admin/v1/consent_admin.proto."""

    DISPUTE = "DISPUTE", 1
    REVIEW = "REVIEW", 2


ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Of references: read out over a phone, none of these is taken for another, as 0 and O or 1, I and L are."""

REFERENCE_LENGTH = 10  # 49 unguessable bits, for a name that opens nothing by itself
REFERENCE = re.compile(f"[{ALPHABET}]{{{REFERENCE_LENGTH}}}")

DUE_WITHIN = {
    # Whoever reported the item must be asked, and answer. The strictest rule that we know of gives 20 days
    # (China's Regulation on the Administration of the Credit Reporting Industry, article 25); 15 U.S.C. 1681i
    # gives 30, GDPR 12 (3) a month.
    DisputeKind.DISPUTE: timedelta(days=20),
    # Nobody outside has to be asked, and a lender's decision may be waiting: sooner than that.
    DisputeKind.REVIEW: timedelta(days=15),
}

MOST_OPEN = 5
"""Per person. Each is read by somebody, and a flood of them would delay everybody's."""

MOST_CHARACTERS = 2_000

_MARKS = {DisputeKind.DISPUTE: Mark.DISPUTED, DisputeKind.REVIEW: Mark.UNDER_REVIEW}
_JOINERS = str.maketrans(dict.fromkeys("\u200c\u200d"))  # within words of Persian, and within emoji
_UNSEEN = dict.fromkeys("\u00ad\u200b\u200e\u200f\u2060\ufeff")  # what comes along with pasted text
_SPACES = dict.fromkeys("\t\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " ")
_PLAIN = str.maketrans(_UNSEEN | _SPACES)


class WordsRefused(Exception):
    """The words can't be taken; ``remedy`` says what would be right, and repeats none of them."""

    def __init__(self) -> None:
        self.remedy = (
            f"Say in 1 to {MOST_CHARACTERS:,} characters what is wrong; letters, digits, signs and line "
            "breaks, without control or invisible characters."
        )
        super().__init__(f"words: {self.remedy}")


class TooManyOpen(Exception):
    """This person has as many open ones as they may; ``remedy`` says what to do."""

    def __init__(self) -> None:
        self.remedy = f"Wait until one of your {MOST_OPEN} open cases is answered, then open another."
        super().__init__(f"{MOST_OPEN} are open already; {self.remedy}")


class AlreadyResolved(Exception):
    """It was resolved before; that answer stands."""

    reason = "STATE_CONFLICT"


@dataclass(frozen=True, slots=True)
class Dispute:
    """Something that a person says is wrong, or a review that they asked for."""

    reference: str
    subject: str
    kind: DisputeKind
    opened_at: datetime  # UTC
    due_at: datetime  # UTC; by when they were promised an answer
    key_id: str  # of the person's key, which sealed what follows
    words: bytes = field(repr=False)
    resolved_at: datetime | None = None
    outcome: bytes | None = field(default=None, repr=False)


def plain_words(text: str) -> str:
    """A person's words as they are kept: line ends as one character, blanks as spaces, none around them.

    What pasted text brings along unseen is left out; joiners stay, for words are written with them.

    Raises:
        WordsRefused: Too few, too many, or not printable.
    """
    kept = text.replace("\r\n", "\n").translate(_PLAIN).strip()
    seen = kept.replace("\n", "").translate(_JOINERS)
    if not 0 < len(kept) <= MOST_CHARACTERS or not seen or not seen.isprintable():
        raise WordsRefused
    return kept


def open_dispute(
    connection: Connection, subject: str, kind: DisputeKind, *, key_id: str, words: bytes, now: datetime
) -> Dispute:
    """Keep a new one, whose sealed words these are; the person is marked from now on.

    Raises:
        TooManyOpen: The person has ``MOST_OPEN`` of them.
    """
    mine = (disputes.c.subject == subject, disputes.c.resolved_at_us.is_(None))
    if connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one() >= MOST_OPEN:
        raise TooManyOpen
    opened = Dispute(_new_reference(), subject, kind, now, now + DUE_WITHIN[kind], key_id, words)
    connection.execute(
        sa.insert(disputes).values(
            reference=opened.reference,
            subject=subject,
            kind=kind.value,
            opened_at_us=micros(now),
            due_at_us=micros(opened.due_at),
            key_id=key_id,
            words=words,
        )
    )
    _mark(connection, subject)
    return opened


def dispute(connection: Connection, reference: str) -> Dispute:
    """The one of this reference.

    Raises:
        NotFound: There is none.
    """
    row = connection.execute(sa.select(disputes).where(disputes.c.reference == reference)).one_or_none()
    if row is None:
        raise NotFound
    return _dispute(row)


def resolve_dispute(connection: Connection, reference: str, *, outcome: bytes, now: datetime) -> Dispute:
    """Keep the sealed outcome; the mark goes, unless another open one of its kind holds it.

    Raises:
        NotFound: There is none of this reference.
        AlreadyResolved: It has an outcome.
    """
    found = dispute(connection, reference)
    if found.resolved_at is not None:
        raise AlreadyResolved
    connection.execute(
        sa.update(disputes)
        .where(disputes.c.reference == reference)
        .values(resolved_at_us=micros(now), outcome=outcome)
    )
    _mark(connection, found.subject)
    return dispute(connection, reference)


def disputes_of_subject(
    connection: Connection, subject: str, *, before: str = "", limit: int = 100, open_only: bool = False
) -> list[Dispute]:
    """A person's own, the newest first; those that come after the one of the reference ``before``.

    Raises:
        NotFound: They have none of that reference.
    """
    place = sa.tuple_(disputes.c.opened_at_us, disputes.c.reference)
    query = sa.select(disputes).where(disputes.c.subject == subject)
    if open_only:
        query = query.where(disputes.c.resolved_at_us.is_(None))
    if before:
        last = dispute(connection, before)
        if last.subject != subject:
            raise NotFound
        query = query.where(place < sa.tuple_(sa.literal(micros(last.opened_at)), sa.literal(before)))
    order = (disputes.c.opened_at_us.desc(), disputes.c.reference.desc())
    return [_dispute(row) for row in connection.execute(query.order_by(*order).limit(limit)).all()]


Place = tuple[bool, int, str]
"""Where one stands in the listing: whether it is resolved, when it is due in microseconds, its reference."""


def place_of(dispute: Dispute) -> Place:
    """Where this one stands."""
    return dispute.resolved_at is not None, micros(dispute.due_at), dispute.reference


def disputes_by_due(
    connection: Connection, *, behind: Place | None, limit: int, with_resolved: bool = False
) -> list[Dispute]:
    """Everybody's, by due date, those resolved last; behind that place, None for the first."""
    resolved = sa.case((disputes.c.resolved_at_us.is_(None), 0), else_=1)
    place = (resolved, disputes.c.due_at_us, disputes.c.reference)
    query = sa.select(disputes).order_by(*place).limit(limit)
    if not with_resolved:
        query = query.where(disputes.c.resolved_at_us.is_(None))
    if behind is not None:
        query = query.where(sa.tuple_(*place) > sa.tuple_(*map(sa.literal, (int(behind[0]), *behind[1:]))))
    return [_dispute(row) for row in connection.execute(query).all()]


def _new_reference() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(REFERENCE_LENGTH))


def _mark(connection: Connection, subject: str) -> None:
    """Let the person's marks follow from what is open."""
    kinds = sa.select(disputes.c.kind).where(
        disputes.c.subject == subject, disputes.c.resolved_at_us.is_(None)
    )
    marked = {_MARKS[DisputeKind.read(kind)] for kind in connection.execute(kinds.distinct()).scalars()}
    bits = sum(1 << mark.number - 1 for mark in marked)
    updated = connection.execute(sa.update(subjects).where(subjects.c.subject == subject).values(marks=bits))
    if updated.rowcount == 0:
        connection.execute(sa.insert(subjects).values(subject=subject, marks=bits))


def _dispute(row: Row[Any]) -> Dispute:
    return Dispute(
        reference=row.reference,
        subject=row.subject,
        kind=DisputeKind.read(row.kind),
        opened_at=moment(row.opened_at_us),
        due_at=moment(row.due_at_us),
        key_id=row.key_id,
        words=bytes(row.words),
        resolved_at=None if row.resolved_at_us is None else moment(row.resolved_at_us),
        outcome=None if row.outcome is None else bytes(row.outcome),
    )
