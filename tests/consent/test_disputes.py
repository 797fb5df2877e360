"""Disputes on both stores: kept, found, resolved once, few at a time; a person's marks follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from consent import register
from consent.register import NotFound, disputes
from consent.register.disputes import (
    AlreadyResolved,
    Dispute,
    DisputeKind,
    TooManyOpen,
    WordsRefused,
    plain_words,
)
from consent.register.grants import MARKS
from consent.register.tables import subjects
from gateway.store import open_store
from scoregate.admin.v1 import consent_admin_pb2
from scoregate.words import Mark
from tests.agreed import ONE_TIME

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DISPUTE, REVIEW = DisputeKind.DISPUTE, DisputeKind.REVIEW


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    store = open_store(database_url)
    with store.writer.begin() as connection:
        register.metadata.create_all(connection)
        yield connection
    store.close()


def opened(connection: Connection, subject: str = "uci-1", kind: DisputeKind = DISPUTE, **at: Any) -> Dispute:
    fields: dict[str, Any] = {"key_id": "k" * 32, "words": b"sealed", "now": NOON}
    return disputes.open_dispute(connection, subject, kind, **(fields | at))


def resolved(connection: Connection, dispute: Dispute, now: datetime = NOON + DAY) -> Dispute:
    return disputes.resolve_dispute(connection, dispute.reference, outcome=b"sealed too", now=now)


def marks(connection: Connection, subject: str = "uci-1") -> tuple[Mark, ...]:
    """As answers get them: from the grant, and again under the lock."""
    handle = register.invite(
        connection,
        partner_id="acme",
        request_id=f"for {subject}",
        request_sha256=bytes(32),
        terms=ONE_TIME,
        partner_reference="",
        now=NOON,
        decide_within=DAY,
    )[0]
    if handle.consent_id is None:
        register.allow(connection, handle.handle, subject=subject, subject_ref="s1", now=NOON)
    [entry] = register.entries_of_subject(connection, subject, after="", limit=9)
    consent_id, bits = entry.grant.consent_id, {entry.grant.marks}
    bits |= {each.marks for each in register.grants_owned([("acme", consent_id)]).ask(connection).values()}
    bits |= {each.marks for each in register.standings({consent_id: subject}).ask(connection).values()}
    (found,) = bits
    return found


# --- the register


@pytest.mark.parametrize(("kind", "days"), [(DISPUTE, 20), (REVIEW, 15)])
def test_a_dispute_is_found_as_it_was_opened(connection: Connection, kind: DisputeKind, days: int) -> None:
    made = opened(connection, kind=kind)
    assert made == Dispute(made.reference, "uci-1", kind, NOON, NOON + days * DAY, "k" * 32, b"sealed")
    assert disputes.dispute(connection, made.reference) == made
    assert disputes.disputes_of_subject(connection, "uci-1") == [made]
    assert disputes.disputes_of_subject(connection, "uci-2") == []


def test_a_reference_is_ten_letters_that_nobody_mistakes_or_guesses(connection: Connection) -> None:
    references = [opened(connection, f"uci-{number}").reference for number in range(50)]
    assert all(re.fullmatch("[2-9A-HJKMNP-Z]{10}", each) for each in references)
    assert len(set(references)) == 50
    assert all(len({each[place] for each in references}) > 5 for place in range(10))


def test_one_is_resolved_once_and_keeps_that_outcome(connection: Connection) -> None:
    made, other = opened(connection), opened(connection)
    after = resolved(connection, made)
    assert after == replace(made, resolved_at=NOON + DAY, outcome=b"sealed too")
    assert disputes.dispute(connection, made.reference) == after
    assert disputes.dispute(connection, other.reference) == other
    with pytest.raises(AlreadyResolved) as again:
        disputes.resolve_dispute(connection, made.reference, outcome=b"another", now=NOON + 2 * DAY)
    assert again.value.reason == "STATE_CONFLICT"
    assert disputes.dispute(connection, made.reference) == after


def test_what_is_not_there_is_neither_found_nor_resolved(connection: Connection) -> None:
    opened(connection)
    with pytest.raises(NotFound):
        disputes.dispute(connection, "K7QM2XW9RT")
    with pytest.raises(NotFound):
        disputes.resolve_dispute(connection, "K7QM2XW9RT", outcome=b"x", now=NOON)


def test_the_sixth_open_one_of_a_person_is_refused_and_changes_nothing(connection: Connection) -> None:
    mine = [opened(connection, kind=kind) for kind in (DISPUTE, REVIEW, DISPUTE, REVIEW, DISPUTE)]
    with pytest.raises(TooManyOpen, match=r"^5 are open already; Wait until one of your 5") as refused:
        opened(connection)
    assert refused.value.remedy.startswith("Wait")
    assert len(disputes.disputes_of_subject(connection, "uci-1")) == 5
    opened(connection, "uci-2")  # nobody else waits for it
    resolved(connection, mine[0])
    opened(connection)


def test_a_persons_own_come_newest_first(connection: Connection) -> None:
    made = [opened(connection, now=NOON + number * DAY) for number in range(3)]
    resolved(connection, made[1])
    found = disputes.disputes_of_subject(connection, "uci-1")
    assert [each.reference for each in found] == [each.reference for each in reversed(made)]
    assert disputes.disputes_of_subject(connection, "uci-1", limit=2) == found[:2]


# --- everybody's, by due date


@pytest.mark.parametrize("size", [1, 2, 3, 9])
@pytest.mark.parametrize("with_resolved", [False, True])
def test_all_come_once_by_due_date_in_pages_of_any_size(
    connection: Connection, size: int, with_resolved: bool
) -> None:
    late = opened(connection, "uci-1", now=NOON + DAY)
    soon = opened(connection, "uci-2", REVIEW)
    twins = sorted((opened(connection, f"uci-{n}") for n in (3, 4)), key=lambda each: each.reference)
    done = [resolved(connection, opened(connection, "uci-5", kind)) for kind in (REVIEW, DISPUTE)]
    found, behind = list[Dispute](), None
    while page := disputes.disputes_by_due(
        connection, behind=behind, limit=size, with_resolved=with_resolved
    ):
        assert len(page) <= size
        found += page
        behind = disputes.place_of(page[-1])
    assert found == [soon, *twins, late, *(done if with_resolved else [])]


# --- marks


def test_a_person_bears_the_marks_of_what_is_open_and_of_nothing_else(connection: Connection) -> None:
    assert marks(connection) == ()
    first, second = opened(connection), opened(connection)
    assert marks(connection) == (Mark.DISPUTED,)
    review = opened(connection, kind=REVIEW)
    assert marks(connection) == (Mark.DISPUTED, Mark.UNDER_REVIEW)
    resolved(connection, first)
    assert marks(connection) == (Mark.DISPUTED, Mark.UNDER_REVIEW)  # the second holds it
    resolved(connection, second)
    assert marks(connection) == (Mark.UNDER_REVIEW,)
    assert marks(connection, "uci-2") == ()
    resolved(connection, review)
    assert marks(connection) == ()


def test_marks_and_a_freeze_leave_each_other_alone(connection: Connection) -> None:
    register.set_freeze(connection, "uci-1", frozen=True, now=NOON)
    made = opened(connection)
    assert register.frozen_at(connection, "uci-1") == NOON
    register.set_freeze(connection, "uci-1", frozen=False, now=NOON)
    assert marks(connection) == (Mark.DISPUTED,)
    resolved(connection, made)
    opened(connection, "uci-2", REVIEW)
    register.set_freeze(connection, "uci-2", frozen=True, now=NOON)
    bits = sa.select(subjects.c.marks).where(subjects.c.subject == "uci-2")
    assert connection.execute(bits).scalar_one() == 2


def test_each_bit_of_the_column_is_one_mark() -> None:
    both = (Mark.DISPUTED, Mark.UNDER_REVIEW)
    assert {None: (), 0: (), 1: both[:1], 2: both[1:], 3: both} == MARKS


def test_the_kinds_are_those_of_the_contract() -> None:
    named = {f"DISPUTE_KIND_{kind}": kind.number for kind in DisputeKind}
    assert named | {"DISPUTE_KIND_UNSPECIFIED": 0} == dict(consent_admin_pb2.DisputeKind.items())


# --- words


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x", "x"),
        ("x" * 2_000, "x" * 2_000),
        ("  Not mine.\r\nReally.\n\n", "Not mine.\nReally."),
        ("a\tb\u3000c\u00a0d", "a b c d"),
        ("这不是我的。\n请更正", "这不是我的。\n请更正"),
        ("ünï 🙂", "ünï 🙂"),
    ],
)
def test_words_are_kept_as_they_were_meant(text: str, kept: str) -> None:
    assert plain_words(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "x" * 2_001,
        "a\x00b",
        "a\x1b[31mb",
        "a\rb",
        "a\u202eb",
        "\u200b\u200d",
        "a\u2028b",
        "a\ud800b",
    ],
)
def test_words_that_are_none_are_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(WordsRefused, match=r"^words: Say in 1 to 2,000 characters what is wrong"):
        plain_words(text)


@given(st.text(max_size=50))
def test_kept_words_are_kept_as_they_are_and_can_be_shown(text: str) -> None:
    try:
        kept = plain_words(text)
    except WordsRefused:
        return
    assert plain_words(kept) == kept
    assert all(line.isprintable() for line in kept.split("\n"))
    assert kept.encode()
