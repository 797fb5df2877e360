"""A person's entries: all of them, newest first, nobody else's, and no other process in the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date

import pytest
import sqlalchemy as sa

from gateway import decisions
from gateway.audit import persons
from gateway.audit.log import private_parts, read_head
from gateway.audit.persons import PersonPage, catch_up, entries_about, entries_of, entry_about
from gateway.audit.private import Vault, data_keys, owner_subject
from gateway.ledger import Refusal, Released, Repeat, Transaction
from gateway.partners import partners
from gateway.query import GET_SCORE
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import types_pb2
from scoregate.proof.leaf import open_commitment
from scoregate.words import Purpose
from scoring.service import EpochOutcome, NotScoredReason
from tests.ledger.conftest import MASTER, Books

ANN, BOB = "uci-00001", "uci-00002"
SCORE = EpochOutcome(date(2005, 10, 6), 612, None)


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    with ExitStack() as closing:
        yield Books(database_url, closing)


def look(books: Books, *subjects: str) -> list[int]:
    """Each of them looks at their own score, in one transaction; the entries' indexes."""

    def all_look(tx: Transaction) -> list[int]:
        return [
            decisions.look_at_own_score(tx, each, SCORE, actor="consumer").leaf_index for each in subjects
        ]

    return books.ledger.change(all_look)


def key_id(books: Books, subject: str) -> str:
    with books.store.reading() as connection:
        owner = owner_subject(subject)
        return books.vault.keys(connection, [owner])[owner].key_id


def own(books: Books, subject: str, before: int | None = None, limit: int = 1_000) -> list[int]:
    with books.store.reading() as connection:
        return entries_of(connection, key_id(books, subject), before=before, limit=limit)


def about(books: Books, subject: str, before: int | None = None, limit: int = 1_000) -> PersonPage:
    with books.store.reading() as connection:
        return entries_about(connection, books.vault, subject, before=before, limit=limit)


def rows(books: Books) -> list[tuple[str, int]]:
    with books.store.reading() as connection:
        found = connection.execute(sa.select(persons.person_entries)).all()
        return sorted((row.key_id, row.leaf_index) for row in found)


def truth(books: Books) -> list[tuple[str, int]]:
    with books.store.reading() as connection:
        query = sa.select(private_parts.c.key_id, private_parts.c.leaf_index)
        return sorted((row.key_id, row.leaf_index) for row in connection.execute(query).all())


# --- where they lie


@pytest.mark.parametrize("indexed", [0, 1, 4, 7], ids="{} in the index".format)
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_every_page_boundary_shows_each_entry_once_newest_first(
    books: Books, indexed: int, limit: int
) -> None:
    subjects = [ANN, BOB, ANN, ANN, BOB, ANN, ANN]
    if indexed:
        look(books, *subjects[:indexed])
    catch_up(books.store)
    if subjects[indexed:]:
        look(books, *subjects[indexed:])
    pages, before = list[list[int]](), None
    while page := own(books, ANN, before, limit):
        pages.append(page)
        before = page[-1]
    assert [index for page in pages for index in page] == [6, 5, 3, 2, 0]
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert own(books, BOB) == [4, 1]


def test_an_index_from_anywhere_is_taken(books: Books) -> None:
    look(books, ANN, ANN)
    for _ in range(2):
        assert own(books, ANN, before=2**70) == own(books, ANN, before=2**63 - 1) == [1, 0]
        assert own(books, ANN, before=-(2**70)) == own(books, ANN, before=0) == []
        catch_up(books.store)


@pytest.mark.parametrize("chunk", [1, 3, 7, 1_000])
def test_catching_up_in_chunks_brings_in_everything_once(books: Books, chunk: int) -> None:
    look(books, *[ANN, BOB] * 4)
    assert catch_up(books.store, chunk=chunk) == 8
    assert rows(books) == truth(books)
    assert catch_up(books.store, chunk=chunk) == 0
    look(books, BOB)
    assert catch_up(books.store, chunk=chunk) == 1
    assert rows(books) == truth(books)


def test_several_at_once_bring_in_everything_once_while_the_log_grows(books: Books) -> None:
    """With no lock on the row two of them take in the same entries, and fail."""
    look(books, *[ANN, BOB] * 300)
    stores = [books.open() for _ in range(3)]
    writing = threading.Event()

    def follow(n: int) -> None:
        while not writing.is_set():
            catch_up(stores[n], chunk=7)
        catch_up(stores[n], chunk=7)

    with ThreadPoolExecutor(3) as pool:
        following = [pool.submit(follow, n) for n in range(3)]
        try:
            for _ in range(20):
                look(books, BOB, ANN, ANN)
                anns = [index for key, index in truth(books) if key == key_id(books, ANN)]
                assert own(books, ANN) == anns[::-1]
        finally:
            writing.set()
        for each in following:
            each.result()
    assert rows(books) == truth(books)


def test_what_a_crash_left_out_is_brought_in_later(books: Books) -> None:
    look(books, *[ANN] * 5)
    with books.store.writer.begin() as connection:
        connection.execute(sa.text("INSERT INTO person_entries (key_id, leaf_index) VALUES ('x', 3)"))
        connection.rollback()
    assert own(books, ANN) == [4, 3, 2, 1, 0]
    catch_up(books.store, chunk=2)
    assert rows(books) == truth(books)


# --- what they say


def test_an_entry_says_who_asked_why_and_what_was_answered(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, ANN)
    [released] = books.submit(books.release(acme, grant))
    assert isinstance(released, Released)
    catch_up(books.store)
    refusal = Refusal(GET_SCORE, acme, "CONSENT_CONSUMED", Purpose.CREDIT_APPLICATION, grant.consent_id)
    books.ledger.submit([refusal])
    with books.store.writer.begin() as connection:
        connection.execute(sa.update(partners).values(legal_name="Acme Renamed Ltd"))
    refused, answered = about(books, ANN).entries
    assert (answered.leaf_index, answered.data) == (released.leaf_index, released.leaf)
    assert answered.time == books.now
    assert (answered.leaf.partner_id, answered.legal_name) == ("acme", "Acme Renamed Ltd")
    assert (answered.leaf.method, answered.leaf.purpose) == (GET_SCORE, types_pb2.PURPOSE_CREDIT_APPLICATION)
    assert (answered.leaf.decision, answered.leaf.cost_units) == (leaf_pb2.DECISION_SCORED, 1)
    assert (refused.leaf.decision, refused.leaf.reason) == (leaf_pb2.DECISION_REFUSED, "CONSENT_CONSUMED")
    for entry in (refused, answered):
        assert entry.part is not None
        assert entry.part.subject == ANN
        open_commitment(entry.leaf.commitment, entry.part.SerializeToString(), entry.blind)


def test_a_repeat_names_the_answer_that_was_given_again(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, ANN)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    books.submit(Repeat(acme, query))
    again, first = about(books, ANN).entries
    assert again.leaf.kind == leaf_pb2.LEAF_KIND_REPLAY
    assert again.leaf.refers_to == first.leaf_index


def test_pages_follow_each_other_and_the_last_says_so(books: Books) -> None:
    look(books, *[ANN] * 5)
    first = about(books, ANN, limit=2)
    second = about(books, ANN, first.before, limit=2)
    third = about(books, ANN, second.before, limit=2)
    shown = [[entry.leaf_index for entry in page.entries] for page in (first, second, third)]
    assert (shown, third.before) == ([[4, 3], [2, 1], [0]], None)
    assert about(books, ANN, limit=5).before is None


def test_nobodys_entries_are_none_and_that_is_said(books: Books) -> None:
    look(books, ANN)
    assert about(books, BOB) == PersonPage((), None, is_known=False)
    assert about(books, ANN).is_known


def test_an_erased_person_has_no_entries_and_that_is_said(books: Books) -> None:
    look(books, ANN, BOB)
    catch_up(books.store)
    mine = key_id(books, ANN)
    with books.store.writer.begin() as connection:
        connection.execute(sa.delete(private_parts).where(private_parts.c.key_id == mine))
        connection.execute(sa.delete(data_keys).where(data_keys.c.key_id == mine))
    assert about(books, ANN).entries == ()  # even by who remembers the key
    books.vault = Vault(MASTER)
    assert about(books, ANN) == PersonPage((), None, is_known=False)
    assert len(about(books, BOB).entries) == 1


@pytest.mark.parametrize("indexed", [False, True])
def test_one_entry_is_found_by_whom_it_is_about_and_by_nobody_else(books: Books, indexed: bool) -> None:
    mine, other = look(books, ANN, BOB)
    if indexed:
        catch_up(books.store)
    with books.store.reading() as connection:
        found = entry_about(connection, books.vault, ANN, mine)
        assert found is not None
        assert found.leaf_index == mine
        for subject, index in (
            (ANN, other),
            (BOB, mine),
            ("nobody", mine),
            (ANN, 99),
            (ANN, -1),
            (ANN, 2**70),
        ):
            assert entry_about(connection, books.vault, subject, index) is None


def test_a_record_that_was_tampered_with_hides_no_other(books: Books) -> None:
    first, second, third = look(books, ANN, ANN, ANN)
    with books.store.writer.begin() as connection:
        parts = private_parts
        [sealed] = connection.execute(sa.select(parts.c.sealed).where(parts.c.leaf_index == first)).scalars()
        for index, data in ((second, sealed), (third, bytes(80))):  # sound, but of another leaf; and rubbish
            connection.execute(sa.update(parts).where(parts.c.leaf_index == index).values(sealed=data))
    entries = about(books, ANN).entries
    assert [(e.leaf_index, e.part is None, len(e.blind)) for e in entries] == [
        (third, True, 0),
        (second, True, 0),
        (first, False, 32),
    ]


# --- one's own look


@pytest.mark.parametrize(
    ("outcome", "decision", "reason", "shown"),
    [
        (SCORE, leaf_pb2.DECISION_SCORED, "", "SCORE"),
        (
            EpochOutcome(SCORE.epoch, None, NotScoredReason.THIN_FILE),
            leaf_pb2.DECISION_NOT_SCORED,
            "THIN_FILE",
            "THIN_FILE",
        ),
    ],
    ids=["scored", "not scored"],
)
def test_a_look_at_ones_own_score_is_a_free_entry_of_nobodys_business(
    books: Books, outcome: EpochOutcome, decision: int, reason: str, shown: str
) -> None:
    acme = books.caller()
    before = books.usage(acme)
    books.ledger.change(lambda tx: decisions.look_at_own_score(tx, ANN, outcome, actor="consumer"))
    [entry] = about(books, ANN).entries
    leaf = entry.leaf
    assert (leaf.kind, leaf.purpose) == (leaf_pb2.LEAF_KIND_SELF_INQUIRY, types_pb2.PURPOSE_CONSUMER_SELF)
    assert (leaf.decision, leaf.reason, leaf.actor) == (decision, reason, "consumer")
    assert (leaf.cost_units, leaf.partner_id, leaf.partner_sequence, entry.legal_name) == (0, "", 0, "")
    assert leaf.attestation_sha256 == b""
    assert entry.part is not None
    assert (entry.part.subject, entry.part.shown) == (ANN, shown)
    assert (entry.part.score if entry.part.HasField("score") else None) == outcome.score
    assert books.usage(acme) == before


def test_somebody_who_looks_for_the_first_time_gets_a_key(books: Books) -> None:
    assert not about(books, ANN).is_known
    look(books, ANN)
    first = key_id(books, ANN)
    look(books, ANN)
    assert key_id(books, ANN) == first
    assert len(about(books, ANN).entries) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_head_is_not_held_while_the_index_is_made(books: Books) -> None:
    """SQLite has one lock for everybody: there a chunk is a short transaction like any other."""
    look(books, *[ANN] * 3)
    with books.store.writer.begin() as connection:
        connection.execute(sa.text("SELECT 1 FROM log_head WHERE id = 1 FOR UPDATE"))
        assert catch_up(books.store) == 3


def test_a_log_that_is_empty_has_nobodys_entries(books: Books) -> None:
    assert catch_up(books.store) == 0
    with books.store.reading() as connection:
        assert read_head(connection).size == 0
        assert entries_of(connection, "x" * 32, before=None, limit=10) == []
