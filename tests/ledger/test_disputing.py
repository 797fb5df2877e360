"""A dispute, its entry and its person's marks are one transaction; no answer leaves with older marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from consent import register
from consent.register import NotFound
from consent.register.disputes import (
    AlreadyResolved,
    Dispute,
    DisputeKind,
    TooManyOpen,
    WordsRefused,
    disputes_of_subject,
)
from gateway import decisions
from gateway.audit.log import private_parts
from gateway.audit.private import Sealed, data_keys, owner_subject
from gateway.disputes import told
from gateway.ledger import Guards, Overtaken, Released, Repeat, Replayed
from scoregate.audit.v1 import leaf_pb2
from scoregate.proof import leaf
from scoregate.words import Mark
from tests.ledger.conftest import Books

WORDS = "The card of March 2005 was never mine.\n请更正。"
PERSON = "uci-00001"
OPENED, RESOLVED = leaf_pb2.LEAF_KIND_DISPUTE_OPENED, leaf_pb2.LEAF_KIND_DISPUTE_RESOLVED
DISPUTE, REVIEW = DisputeKind.DISPUTE, DisputeKind.REVIEW


def opened(books: Books, kind: DisputeKind = DISPUTE, words: str = WORDS, subject: str = PERSON) -> Dispute:
    return books.ledger.change(lambda tx: decisions.open_dispute(tx, subject, kind, words, actor="consumer"))


def resolved(books: Books, reference: str, outcome: str = "It was removed.") -> Dispute:
    return books.ledger.change(lambda tx: decisions.resolve_dispute(tx, reference, outcome, actor="operator"))


def kept(books: Books, subject: str = PERSON) -> list[Dispute]:
    with books.store.reading() as connection:
        return disputes_of_subject(connection, subject)


def private_part(books: Books, index: int, subject: str = PERSON) -> leaf_pb2.PrivatePart:
    """Opened with the person's key, and held against its commitment."""
    with books.store.reading() as connection:
        row = connection.execute(sa.select(private_parts).where(private_parts.c.leaf_index == index)).one()
        key = books.vault.keys(connection, [owner_subject(subject)])[owner_subject(subject)]
    part, blind = key.unbind(Sealed(row.key_id, row.sealed))
    leaf.open_commitment(books.leaves()[index].commitment, part, blind)
    return leaf_pb2.PrivatePart.FromString(part)


@pytest.mark.parametrize("kind", DisputeKind)
def test_opening_and_resolving_leave_an_entry_each_under_the_persons_key(
    books: Books, kind: DisputeKind
) -> None:
    made = opened(books, kind)
    resolved(books, made.reference)
    first, second = books.leaves()[-2:]
    for entry, what, actor in ((first, OPENED, "consumer"), (second, RESOLVED, "operator")):
        assert (entry.kind, entry.object_id, entry.reason) == (what, made.reference, kind.value)
        assert (entry.actor, entry.partner_id) == (actor, "")
    size = len(books.leaves())
    for index in (size - 2, size - 1):
        assert private_part(books, index) == leaf_pb2.PrivatePart(subject=PERSON)


def test_words_and_outcome_lie_sealed_and_are_told_to_who_has_the_vault(books: Books) -> None:
    made = opened(books)
    resolved(books, made.reference, "It was removed.")
    [row] = kept(books)
    for sealed in (row.words, row.outcome or b""):
        assert b"card" not in sealed
        assert b"removed" not in sealed
    assert WORDS not in repr(row)
    with books.store.reading() as connection:
        [shown] = told(connection, books.vault, [row])
    assert (shown.words, shown.outcome) == (WORDS, "It was removed.")
    assert WORDS not in repr(shown)
    for entry in books.leaves():
        assert b"card" not in entry.SerializeToString()


def test_of_a_person_who_was_erased_nothing_is_told(books: Books) -> None:
    lost = opened(books)
    with books.store.writer.begin() as connection:
        connection.execute(sa.delete(private_parts))  # an entry's lies under the key, and is erased with it
        connection.execute(sa.delete(data_keys).where(data_keys.c.owner == owner_subject(PERSON)))
    for makes_another_key in (False, True):
        if makes_another_key:
            opened(books)
        with books.store.reading() as connection:
            shown = told(connection, books.vault, [lost])
        assert [(each.words, each.outcome) for each in shown] == [("", "")]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda books: opened(books, words="\x00"), WordsRefused),
        (lambda books: [opened(books, words=f"No. {n}") for n in range(6)], TooManyOpen),
        (lambda books: resolved(books, "K7QM2XW9RT"), NotFound),
    ],
)
def test_what_is_refused_leaves_nothing(
    books: Books, spoil: Callable[[Books], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        spoil(books)
    references = [entry.object_id for entry in books.leaves() if entry.kind in (OPENED, RESOLVED)]
    assert sorted(references) == sorted(each.reference for each in kept(books))


def test_a_second_resolution_is_refused_and_leaves_no_entry(books: Books) -> None:
    made = opened(books)
    after = resolved(books, made.reference)
    with pytest.raises(AlreadyResolved):
        resolved(books, made.reference, "Something else.")
    assert kept(books) == [after]
    assert [entry.kind for entry in books.leaves()].count(RESOLVED) == 1


# --- no answer leaves with marks that have changed since it was signed


@pytest.mark.parametrize("subject", [PERSON, "uci-00002"])
def test_an_answer_signed_before_a_dispute_starts_over_and_another_persons_does_not(
    books: Books, subject: str
) -> None:
    acme = books.caller()
    signed = books.release(acme, books.grant(acme, subject=subject))
    opened(books)
    [outcome] = books.submit(signed)
    assert isinstance(outcome, Overtaken if subject == PERSON else Released)


def test_an_answer_signed_before_a_resolution_starts_over(books: Books) -> None:
    acme = books.caller()
    grant, made = books.grant(acme), opened(books)
    signed = books.release(acme, replace(grant, marks=(Mark.DISPUTED,)))
    resolved(books, made.reference)
    assert [type(each) for each in books.submit(signed)] == [Overtaken]
    assert books.usage(acme).used_day == 0
    assert [type(each) for each in books.submit(books.release(acme, grant))] == [Released]


def test_without_the_recheck_it_would_leave(new_books: Callable[[str], Books]) -> None:
    books = new_books("sqlite")
    acme = books.caller()
    signed = books.release(acme, books.grant(acme))
    opened(books)
    [outcome] = books.new_ledger(Guards(recheck=False)).submit([signed])
    assert isinstance(outcome, Released)


def test_a_replay_is_the_first_answer_whatever_was_marked_since(books: Books) -> None:
    acme = books.caller()
    signed = books.release(acme, books.grant(acme))
    [first] = books.submit(signed)
    assert isinstance(first, Released)
    opened(books)
    for again in (signed, Repeat(acme, signed.query)):
        [outcome] = books.submit(again)
        assert isinstance(outcome, Replayed)
        assert (outcome.leaf_index, outcome.sealed) == (first.leaf_index, signed.answer)


def test_a_mark_is_the_same_to_every_partner_of_that_person(books: Books) -> None:
    grants = [books.grant(books.caller(partner_id)) for partner_id in ("acme", "zeta")]
    opened(books, REVIEW)
    with books.store.reading() as connection:
        for grant in grants:
            assert register.entry(connection, grant.consent_id).grant.marks == (Mark.UNDER_REVIEW,)
