"""Guests come unprepared and are told later; whoever waits for the ledger is told something, and once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from consent.grant import Grant
from gateway.ledger import (
    Attempt,
    Dropped,
    Failed,
    Ledger,
    LedgerBusy,
    LedgerUnavailable,
    Outcome,
    Refusal,
    Released,
    Transaction,
)
from gateway.ledger.waiting import FEW, MAX_GROUP, Waiting
from gateway.metrics import UNWRITABLE
from gateway.query import GET_SCORE, Caller
from gateway.store import open_store
from scoregate.proof.leaf import LeafInvalid
from scoregate.words import CalendarUnit
from tests.agreed import periodic
from tests.ledger.conftest import Books, Commits

OFTEN = periodic(1_000, CalendarUnit.DAY)


class Visitor:
    """One query that wants an answer. It is given ``ready`` when the host prepares it."""

    def __init__(self, ready: Attempt | None = None, source: str = "") -> None:
        self.ready = ready
        self.source = source
        self.attempt: Attempt | None = None
        self.wanted = True
        self.told: Future[Outcome] = Future()

    def is_wanted(self) -> bool:
        return self.wanted

    def conclude(self, outcome: Outcome) -> None:
        if not self.told.done():
            self.told.set_result(outcome)

    def outcome(self) -> Outcome:
        return self.told.result(5)


class Host:
    """Gives every guest its attempt, and remembers who came together."""

    def __init__(self, ledger: Ledger) -> None:
        self.prepared: list[list[Visitor]] = []
        ledger.host(self.prepare)

    def prepare(self, guests: Sequence[Visitor]) -> None:
        self.prepared.append(list(guests))
        for guest in guests:
            guest.attempt = guest.ready


@contextmanager
def busy(ledger: Ledger) -> Iterator[None]:
    """The ledger's thread is kept busy by a change while the block runs."""
    begun, go = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        begun.set()
        assert go.wait(20)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(ledger.change, hold)
        assert begun.wait(10)
        try:
            yield
        finally:
            go.set()
        holding.result()


@pytest.fixture
def acme(books: Books) -> Caller:
    return books.caller()


@pytest.fixture
def grant(books: Books, acme: Caller) -> Grant:
    return books.grant(acme, terms=OFTEN)


@pytest.fixture
def host(books: Books) -> Host:
    return Host(books.ledger)


@pytest.fixture
def visitors(books: Books, acme: Caller, grant: Grant) -> Callable[[int], list[Visitor]]:
    def make(count: int) -> list[Visitor]:
        release = books.release(acme, grant)
        return [Visitor(replace(release, query=books.query(acme, grant))) for _ in range(count)]

    return make


def refusals(acme: Caller, count: int) -> list[Visitor]:
    return [Visitor(Refusal(GET_SCORE, acme, "FIELD_INVALID")) for _ in range(count)]


def come_together(books: Books, guests: Sequence[Visitor]) -> None:
    """All wait when the ledger's thread is free, and all have been told."""
    with busy(books.ledger):
        for guest in guests:
            books.ledger.hand_in(guest)
    for guest in guests:
        guest.outcome()


def indexes(guests: Sequence[Visitor]) -> list[Any]:
    return [getattr(guest.outcome(), "leaf_index", None) for guest in guests]


Visitors = Callable[[int], list[Visitor]]


def test_a_guest_is_prepared_and_hears_what_was_committed(
    books: Books, host: Host, visitors: Visitors
) -> None:
    [guest] = visitors(1)
    books.ledger.hand_in(guest)
    outcome = guest.outcome()
    assert isinstance(outcome, Released)
    assert host.prepared == [[guest]]
    assert books.ledger.conclude_overdue() == 0


def test_a_party_is_prepared_at_once_and_entered_in_order(
    books: Books, host: Host, visitors: Visitors
) -> None:
    guests = visitors(5)
    books.ledger.hand_in_party(guests)
    assert indexes(guests) == [0, 1, 2, 3, 4]
    assert host.prepared == [guests]


def test_who_has_left_is_neither_prepared_nor_entered(books: Books, host: Host, visitors: Visitors) -> None:
    gone, here = visitors(2)
    gone.wanted = False
    books.ledger.hand_in_party([gone, here])
    assert gone.outcome() == Dropped()
    assert isinstance(here.outcome(), Released)
    assert host.prepared == [[here]]
    assert len(books.leaves()) == 1


def test_where_all_have_left_nobody_is_prepared(books: Books, host: Host, visitors: Visitors) -> None:
    guests = visitors(2)
    for guest in guests:
        guest.wanted = False
        books.ledger.hand_in(guest)
    assert [guest.outcome() for guest in guests] == [Dropped(), Dropped()]
    assert host.prepared == []


def test_a_guest_that_gets_no_attempt_may_come_back_with_one(
    books: Books, host: Host, visitors: Visitors
) -> None:
    late, prompt = visitors(2)
    ready, late.ready = late.ready, None
    books.ledger.hand_in_party([late, prompt])
    assert isinstance(prompt.outcome(), Released)
    assert not late.told.done()
    late.ready = ready
    books.ledger.hand_in(late)
    assert indexes([prompt, late]) == [0, 1]


def test_a_poisoned_guest_fails_alone(books: Books, host: Host, visitors: Visitors) -> None:
    guests = visitors(7)
    guests[4].ready = replace(guests[4].ready, attestation_sha256=b"short")  # type: ignore[arg-type]
    books.ledger.hand_in_party(guests)
    failed = guests[4].outcome()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LeafInvalid)
    assert indexes(guests) == [0, 1, 2, 3, None, 4, 5]


# --- who shares a commit


@pytest.fixture
def commits(books: Books) -> Commits:
    store = books.open()
    books.ledger = books.new_ledger(store=store)
    return Commits(store)


def test_what_waits_together_is_committed_together(
    books: Books, commits: Commits, acme: Caller, visitors: Visitors
) -> None:
    host = Host(books.ledger)
    singles, party = visitors(3), visitors(4)
    with ThreadPoolExecutor(1) as pool:
        with busy(books.ledger):
            commits.count = 0
            for guest in singles:
                books.ledger.hand_in(guest)
            books.ledger.hand_in_party(party)
            ticket = pool.submit(books.ledger.submit, [Refusal(GET_SCORE, acme, "FIELD_INVALID")])
            while books.ledger.waiting < 5:
                pass
        ticket.result()
    assert sorted(indexes([*singles, *party])) == list(range(1, 8))  # behind the ticket's entry
    assert commits.count == 2  # the change's own, and one for everybody else
    assert host.prepared == [[*singles, *party]]


def test_a_group_is_bounded_so_that_no_change_waits_for_long(
    books: Books, commits: Commits, acme: Caller
) -> None:
    host = Host(books.ledger)
    guests = refusals(acme, MAX_GROUP + 2)
    with busy(books.ledger):
        commits.count = 0
        for guest in guests:
            books.ledger.hand_in(guest)
        assert books.ledger.waiting == MAX_GROUP + 2
    for guest in guests:
        guest.outcome()
    assert [len(each) for each in host.prepared] == [MAX_GROUP, 2]
    assert commits.count == 3


def test_parties_take_turns_with_whoever_comes_alone(books: Books, commits: Commits, acme: Caller) -> None:
    host = Host(books.ledger)
    first, second, alone = refusals(acme, 3), refusals(acme, 3), refusals(acme, 1)
    with busy(books.ledger):
        books.ledger.hand_in_party(first)
        books.ledger.hand_in_party(second)
        books.ledger.hand_in(alone[0])
    for guest in [*first, *second, *alone]:
        guest.outcome()
    assert host.prepared == [[*alone, *first], second]


# --- who is not served


def test_a_full_ledger_takes_no_guest_and_forgets_it(books: Books, acme: Caller) -> None:
    ledger = books.new_ledger(max_waiting=2)
    Host(ledger)
    taken, refused = refusals(acme, 2), refusals(acme, 3)
    with busy(ledger):
        ledger.hand_in(taken[0])
        ledger.hand_in(taken[1])
        with pytest.raises(LedgerBusy):
            ledger.hand_in(refused[0])
        with pytest.raises(LedgerBusy):
            ledger.hand_in_party(refused[1:])
    for guest in taken:
        guest.outcome()
    assert not any(guest.told.done() for guest in refused)
    assert len(books.leaves()) == 2


def test_a_closing_ledger_finishes_what_waits_and_takes_no_more(books: Books, acme: Caller) -> None:
    ledger = books.new_ledger()
    Host(ledger)
    alone, party, late = refusals(acme, 1), refusals(acme, 3), refusals(acme, 1)
    with ThreadPoolExecutor(1) as pool:
        with busy(ledger):
            ledger.hand_in_party(party)
            ledger.hand_in(alone[0])
            closing = pool.submit(ledger.close)
            while ledger.waiting < 3:
                pass
            with pytest.raises(LedgerBusy):
                ledger.hand_in(late[0])
            with pytest.raises(LedgerBusy):
                ledger.change(lambda tx: tx.now)
            assert not closing.done()
        closing.result()
    assert all(guest.told.done() for guest in [*alone, *party])
    ledger.close()  # twice is once
    with pytest.raises(LedgerBusy):
        ledger.submit([])


def test_whoever_waits_in_vain_is_told_so(books: Books, acme: Caller) -> None:
    store = open_store(books.url, patience=0)  # 2 × (0 + 2) seconds, then
    books.closing.callback(store.close)
    ledger = books.new_ledger(store=store)
    Host(ledger)
    guests, begun, go = refusals(acme, 3), threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        begun.set()
        assert go.wait(20)

    with ThreadPoolExecutor(2) as pool:
        tickets = [pool.submit(ledger.change, hold)]
        assert begun.wait(10)
        ledger.hand_in(guests[0])
        ledger.hand_in_party(guests[1:])
        assert ledger.conclude_overdue() == 0
        tickets.append(pool.submit(ledger.submit, [Refusal(GET_SCORE, acme, "FIELD_INVALID")]))
        for ticket in tickets:
            with pytest.raises(LedgerUnavailable, match=r"^the ledger does not answer$"):
                ticket.result(8)
        assert ledger.conclude_overdue() == 3
        assert ledger.conclude_overdue() == 0
        go.set()
    for guest in guests:
        outcome = guest.outcome()
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, LedgerUnavailable)
        assert str(outcome.error) == "the ledger does not answer"


# --- a store in trouble


def unwritable() -> float:
    return sum(sample.value for metric in UNWRITABLE.collect() for sample in metric.samples[:1])


def test_what_cannot_be_written_is_counted_and_the_next_is_written(
    books: Books, host: Host, acme: Caller, grant: Grant, visitors: Visitors
) -> None:
    def rename(old: str, new: str) -> None:
        with books.store.writer.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    [guest], before = visitors(1), unwritable()
    rename("entries", "hidden")
    try:
        with pytest.raises(LedgerUnavailable, match=r"^the ledger can't be written$") as refused:
            books.ledger.submit([Refusal(GET_SCORE, acme, "FIELD_INVALID")])
        assert refused.value.__cause__ is not None
        books.ledger.hand_in(guest)
        failed = guest.outcome()
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, LedgerUnavailable)
        assert unwritable() == before + 2
    finally:
        rename("hidden", "entries")
    assert [type(outcome) for outcome in books.submit(*(books.release(acme, grant) for _ in range(2)))] == [
        Released
    ] * 2
    assert unwritable() == before + 2


def test_a_lock_that_nobody_gives_back_is_given_up(books: Books, acme: Caller) -> None:
    store = open_store(books.url, patience=1)
    books.closing.callback(store.close)
    ledger, elsewhere, before = books.new_ledger(store=store), books.new_ledger(), unwritable()
    refusal = Refusal(GET_SCORE, acme, "FIELD_INVALID")
    with busy(elsewhere):
        with pytest.raises(LedgerUnavailable, match=r"^the ledger can't be locked$") as refused:
            ledger.submit([refusal])
        assert refused.value.__cause__ is not None
    assert unwritable() == before + 1
    assert len(ledger.submit([refusal])) == 1


@pytest.mark.parametrize(("is_connected", "what"), [(True, "locked"), (False, "reached")])
def test_a_ledger_whose_file_is_gone_writes_to_no_other(
    tmp_path: Path, is_connected: bool, what: str
) -> None:
    with ExitStack() as closing:
        books = Books(f"sqlite:///{tmp_path}/ledger.db", closing)
        refusal = Refusal(GET_SCORE, books.caller(), "FIELD_INVALID")
        ledger = books.ledger if is_connected else books.new_ledger()
        (tmp_path / "ledger.db").rename(tmp_path / "elsewhere.db")
        with pytest.raises(LedgerUnavailable, match=rf"^the ledger can't be {what}$"):
            ledger.submit([refusal])
        assert not (tmp_path / "ledger.db").exists()
        (tmp_path / "elsewhere.db").rename(tmp_path / "ledger.db")
        assert len(ledger.submit([refusal])) == 1


def test_beside_single_guests_a_party_takes_its_seats_a_few_at_a_time(
    books: Books, commits: Commits, acme: Caller
) -> None:
    host = Host(books.ledger)
    party, alone = refusals(acme, FEW + 2), refusals(acme, 1)
    with busy(books.ledger):
        books.ledger.hand_in_party(party)
        books.ledger.hand_in(alone[0])
    for guest in [*party, *alone]:
        guest.outcome()
    assert host.prepared == [[*alone, *party[:FEW]], party[FEW:]]


def test_beside_others_few_of_one_callers_are_seated_and_the_others_come_first(
    books: Books, acme: Caller
) -> None:
    host = Host(books.ledger)
    greedy, steady = refusals(acme, 2 * FEW + 1), refusals(acme, 1)
    steady[0].source = "steady"
    come_together(books, [*greedy, *steady])
    assert host.prepared == [[*steady, *greedy[:FEW]], greedy[FEW:]]


def test_a_caller_who_is_alone_has_every_seat(books: Books, acme: Caller) -> None:
    host = Host(books.ledger)
    guests = refusals(acme, 2 * FEW)
    come_together(books, guests)
    assert host.prepared == [guests]


def test_where_all_callers_have_many_nobody_waits_for_a_later_turn(books: Books, acme: Caller) -> None:
    host = Host(books.ledger)
    guests = refusals(acme, 4 * FEW)
    for number, guest in enumerate(guests):
        guest.source = f"caller {number % 2}"
    come_together(books, guests)
    assert host.prepared == [guests]


def test_who_was_held_back_still_counts_as_waiting_and_is_served_before_the_end(
    books: Books, acme: Caller
) -> None:
    waiting = Waiting(100, monotonic)
    greedy, steady = refusals(acme, FEW + 3), refusals(acme, 1)
    steady[0].source = "steady"
    for guest in [*greedy, *steady]:
        waiting.add(guest, (guest,))
    assert waiting.take() == ([], [*steady, *greedy[:FEW]])
    assert waiting.count == 3
    waiting.close()
    assert waiting.take() == ([], greedy[FEW:])
    assert waiting.is_over
