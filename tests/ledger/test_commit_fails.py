"""COMMIT itself fails, so nobody knows what became of the group: nobody is told more than that.

The server decides nothing a second time. Whoever asks again under the same request id
finds the truth, whichever it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Change, State
from gateway.audit.log import read_head
from gateway.ledger import Attempt, Gone, LedgerUnavailable, Refusal, Released, Repeat, Replayed, Transaction
from gateway.ledger.answers import answers
from gateway.query import GET_SCORE
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import CalendarUnit
from tests.agreed import periodic
from tests.ledger.conftest import Books, Commits, one_commit

OFTEN = periodic(100, CalendarUnit.DAY)
UNKNOWN = "the outcome of COMMIT is unknown"
Fate = Callable[[Connection], None]


def lost(connection: Connection) -> None:
    """The line breaks before COMMIT arrives: the database rolls back."""
    driver: Any = connection.connection.driver_connection
    driver.close()


def done(connection: Connection) -> None:
    """The line breaks when COMMIT is durable, before anybody hears of it."""
    driver: Any = connection.connection.driver_connection
    driver.commit()
    driver.close()


EITHER_WAY = pytest.mark.parametrize("fate", [lost, done], ids=lambda fate: fate.__name__)


@pytest.fixture
def commits(books: Books) -> Commits:
    """Those of the ledger under test, which has a store of its own."""
    store = books.open()
    books.ledger = books.new_ledger(store=store)
    return Commits(store)


@contextmanager
def fated(books: Books, commits: Commits, fate: Fate) -> Iterator[None]:
    """The first COMMIT that brings entries meets its fate, and no other one comes."""
    size, met = len(books.leaves()), list[Connection]()

    def befall(connection: Connection) -> None:
        if read_head(connection).size > size:
            met.append(connection)
            if len(met) == 1:
                fate(connection)

    commits.befalls = befall
    yield
    commits.befalls = lambda _: None
    assert len(met) == 1, "a group of unknown outcome was run again"


@EITHER_WAY
@pytest.mark.parametrize("together", [True, False], ids=["of many callers", "of one batch"])
def test_nobody_in_the_group_is_answered_and_a_repeat_finds_the_truth(
    books: Books, commits: Commits, fate: Fate, together: bool
) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    queries = [books.query(acme, grant) for _ in range(2)]
    # No request id protects a refusal: run again, it would be a second entry.
    group: list[Attempt] = [
        *(books.release(acme, grant, query=query, answer=b"the first") for query in queries),
        Refusal(GET_SCORE, acme, "FIELD_INVALID"),
    ]
    with fated(books, commits, fate):
        if together:
            assert [str(error) for error in one_commit(books, group)] == [
                "the outcome of COMMIT is unknown"
            ] * 3
        else:
            with pytest.raises(LedgerUnavailable, match="the outcome of COMMIT is unknown"):
                books.ledger.submit(group)
    committed = books.leaves()
    assert len(committed) == (3 if fate is done else 0)
    assert books.usage(acme).used_day == (2 if fate is done else 0)

    repeats = books.submit(
        *(books.release(acme, grant, query=query, answer=b"the second") for query in queries)
    )
    assert {type(outcome) for outcome in repeats} == {Replayed if fate is done else Released}
    releases = [i for i, e in enumerate(books.leaves()) if e.kind == leaf_pb2.LEAF_KIND_RELEASE]
    assert sorted(outcome.leaf_index for outcome in repeats if hasattr(outcome, "leaf_index")) == releases
    assert books.leaves()[: len(committed)] == committed
    assert books.usage(acme).used_day == 2


@EITHER_WAY
def test_a_repeat_that_brings_no_new_answer_gets_the_first_one_or_starts_over(
    books: Books, commits: Commits, fate: Fate
) -> None:
    acme = books.caller()
    grant = books.grant(acme)  # for one answer
    attempt = books.release(acme, grant)
    with fated(books, commits, fate), pytest.raises(LedgerUnavailable):
        books.submit(attempt)
    [outcome] = books.submit(Repeat(acme, attempt.query))
    assert type(outcome) is (Replayed if fate is done else Gone)
    if isinstance(outcome, Replayed):
        assert outcome.sealed == attempt.answer


@EITHER_WAY
def test_a_change_is_made_once_or_not_at_all(books: Books, commits: Commits, fate: Fate) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    made = 0

    def revoke(tx: Transaction) -> None:
        nonlocal made
        made += 1
        register.change(tx.connection, grant.consent_id, Change.REVOKE, now=tx.now)
        tx.append(leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_CONSENT_REVOKED, partner_id="acme"))

    with fated(books, commits, fate), pytest.raises(LedgerUnavailable):
        books.ledger.change(revoke)
    assert made == 1
    assert len(books.leaves()) == (1 if fate is done else 0)
    with books.store.reading() as connection:
        state = register.entry(connection, grant.consent_id).grant.state
    assert state == (State.REVOKED if fate is done else State.ACTIVE)


# --- COMMIT arrives, and the database refuses it


SPOIL = (
    "CREATE TABLE absent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE spoilt (id INTEGER REFERENCES absent (id) DEFERRABLE INITIALLY DEFERRED)",
)
SPOIL_SQLITE = (
    *SPOIL,
    "CREATE TRIGGER spoil AFTER INSERT ON entries BEGIN INSERT INTO spoilt VALUES (1); END",
)
SPOIL_POSTGRESQL = (
    *SPOIL,
    "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN INSERT INTO spoilt VALUES (1); RETURN NEW; END'",
    "CREATE TRIGGER spoil AFTER INSERT ON entries FOR EACH ROW EXECUTE FUNCTION spoil()",
)


@contextmanager
def commits_refused(books: Books) -> Iterator[None]:
    """Whoever appends an entry breaks a constraint that the database looks at in COMMIT only."""
    on_sqlite = bool(books.store.inodes)
    with books.store.writer.begin() as connection:
        for statement in SPOIL_SQLITE if on_sqlite else SPOIL_POSTGRESQL:
            connection.exec_driver_sql(statement)
    yield
    with books.store.writer.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER spoil" if on_sqlite else "DROP TRIGGER spoil ON entries")


def test_of_a_refused_commit_nothing_is_there(books: Books, commits: Commits) -> None:
    acme = books.caller()
    grants = [books.grant(acme, f"uci-{n:05}") for n in range(3)]
    attempts = [books.release(acme, grant) for grant in grants]
    with commits_refused(books):
        outcomes = one_commit(books, attempts)
        assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
        for outcome in outcomes:
            assert isinstance(outcome, LedgerUnavailable)
            assert isinstance(outcome.__cause__, exc.IntegrityError), "it was not COMMIT that failed"
        assert books.leaves() == []
        assert books.usage(acme).used_day == 0
        with books.store.reading() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(answers)).scalar_one() == 0
            states = [register.entry(connection, grant.consent_id).grant.state for grant in grants]
        assert states == [State.ACTIVE] * 3
    assert {type(outcome) for outcome in books.submit(*attempts)} == {Released}
    assert [entry.partner_sequence for entry in books.leaves()] == [1, 2, 3]


def test_a_refused_commit_leaves_no_lock_behind(books: Books, commits: Commits) -> None:
    acme = books.caller()
    attempt = books.release(acme, books.grant(acme))
    elsewhere = books.new_ledger()
    with commits_refused(books):
        with pytest.raises(LedgerUnavailable):
            books.submit(attempt)
        elsewhere.change(lambda tx: tx.head)  # a lock would be waited for ten seconds, and in vain
    [outcome] = elsewhere.submit([attempt])
    assert isinstance(outcome, Released)
