"""Races between writers that share nothing but the database. Each has a control arm that must fail.

Every ledger here has connections and a thread of its own, as gateway processes have. The
protection is switched off by a constructor argument that no configuration reaches.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from consent import register
from consent.grant import Change
from gateway import partners
from gateway.ledger import Denied, Guards, Ledger, Released, Transaction
from scoregate.words import CalendarUnit
from tests.agreed import ONE_TIME, periodic
from tests.ledger.conftest import Books

STORES = pytest.mark.parametrize("store", ["sqlite", "postgresql"])
OFTEN = periodic(1_000, CalendarUnit.DAY)
RACES = 12
CALLS = 30

Ending = Callable[[Books, str, str], Callable[[Transaction], object]]


def revoke_grant(books: Books, consent_id: str, _: str) -> Callable[[Transaction], object]:
    return lambda tx: register.change(tx.connection, consent_id, Change.REVOKE, now=tx.now)


def revoke_certificate(books: Books, _: str, fingerprint: str) -> Callable[[Transaction], object]:
    return lambda tx: partners.revoke(tx.connection, fingerprint, now=tx.now)


def pause(books: Books, consent_id: str, _: str) -> Callable[[Transaction], object]:
    return lambda tx: register.change(tx.connection, consent_id, Change.PAUSE, now=tx.now)


def freeze(books: Books, _: str, __: str) -> Callable[[Transaction], object]:
    return lambda tx: register.set_freeze(tx.connection, "uci-00001", frozen=True, now=tx.now)


def suspend(books: Books, _: str, __: str) -> Callable[[Transaction], object]:
    return lambda tx: partners.set_suspended(tx.connection, "acme", suspended=True)


ENDINGS = [revoke_grant, pause, freeze, revoke_certificate, suspend]


def race_an_ending(books: Books, ending: Ending, guards: Guards) -> tuple[int, int, int]:
    """One race: (released before the acknowledgement, refused, released after it)."""
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    asking, ending_ledger = books.new_ledger(guards), books.new_ledger()
    attempts = [books.release(acme, grant) for _ in range(CALLS)]
    begun, acknowledged = threading.Event(), threading.Event()
    end_after = random.randrange(1, 6)  # noqa: S311

    def end() -> None:
        assert begun.wait(10)
        ending_ledger.change(ending(books, grant.consent_id, acme.fingerprint))
        acknowledged.set()

    before = refused = after = 0
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end)
        for n, attempt in enumerate(attempts):
            if n == end_after:
                begun.set()
            if n == CALLS - 5:
                assert acknowledged.wait(10)  # the last calls are late in every race
            late = acknowledged.is_set()  # read before the call's first byte
            [outcome] = asking.submit([attempt])
            refused += isinstance(outcome, Denied)
            before += isinstance(outcome, Released) and not late
            after += isinstance(outcome, Released) and late
        ended.result()
    return before, refused, after


@STORES
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_ended_before_a_call_gives_it_nothing(
    new_books: Callable[[str], Books], store: str, ending: Ending
) -> None:
    for _ in range(RACES // 3):
        before, refused, after = race_an_ending(new_books(store), ending, Guards())
        assert after == 0
        assert before > 0, "no call came first: this was no race"
        assert refused >= 5


@STORES
@pytest.mark.parametrize("ending", ENDINGS)
def test_control_without_the_recheck_late_calls_are_answered(
    new_books: Callable[[str], Books], store: str, ending: Ending
) -> None:
    _, _, after = race_an_ending(new_books(store), ending, Guards(recheck=False))
    assert after > 0


def stampede(books: Books, ledgers: list[Ledger], terms: object, attempts_each: int) -> int:
    """Many callers at once over several writers, one grant; returns how many were answered."""
    acme = books.caller(daily_units=10_000)
    grant = books.grant(acme, terms=terms)  # type: ignore[arg-type]
    attempts = [books.release(acme, grant) for _ in range(len(ledgers) * attempts_each)]
    barrier = threading.Barrier(len(attempts))

    def ask(n: int) -> bool:
        barrier.wait(10)
        [outcome] = ledgers[n % len(ledgers)].submit([attempts[n]])
        return isinstance(outcome, Released)

    with ThreadPoolExecutor(len(attempts)) as pool:
        return sum(pool.map(ask, range(len(attempts))))


@STORES
def test_a_one_time_grant_answers_one_of_many(new_books: Callable[[str], Books], store: str) -> None:

    for _ in range(3):
        books = new_books(store)
        assert stampede(books, [books.new_ledger() for _ in range(2)], ONE_TIME, 16) == 1


@STORES
def test_control_without_the_recheck_a_one_time_grant_answers_many(
    new_books: Callable[[str], Books], store: str
) -> None:

    books = new_books(store)
    off = Guards(recheck=False)
    assert stampede(books, [books.new_ledger(off) for _ in range(2)], ONE_TIME, 16) > 1


@STORES
def test_with_one_use_left_one_of_many_is_answered(new_books: Callable[[str], Books], store: str) -> None:
    books = new_books(store)
    once_a_day = periodic(1, CalendarUnit.DAY)
    assert stampede(books, [books.new_ledger() for _ in range(2)], once_a_day, 32) == 1


def drain_a_contract(books: Books, guards: Guards, units: int) -> tuple[int, int]:
    """Twice as many callers as units, over two writers: (answered, units spent)."""
    acme = books.caller(daily_units=units)
    grant = books.grant(acme, terms=OFTEN)
    ledgers = [books.new_ledger(guards) for _ in range(2)]
    attempts = [books.release(acme, grant) for _ in range(units * 2)]

    def ask(n: int) -> bool:
        [outcome] = ledgers[n % 2].submit([attempts[n]])
        return isinstance(outcome, Released)

    with ThreadPoolExecutor(16) as pool:
        answered = sum(pool.map(ask, range(len(attempts))))
    return answered, books.usage(acme).used_day


@STORES
def test_a_contract_of_so_many_units_gives_exactly_so_many_answers(
    new_books: Callable[[str], Books], store: str
) -> None:
    assert drain_a_contract(new_books(store), Guards(), 40) == (40, 40)


@STORES
def test_control_a_debit_outside_the_lock_loses_count(new_books: Callable[[str], Books], store: str) -> None:
    answered, _ = drain_a_contract(new_books(store), Guards(debit_under_lock=False), 40)
    assert answered > 40


@STORES
def test_concurrent_twins_get_one_answer(new_books: Callable[[str], Books], store: str) -> None:
    books = new_books(store)
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    ledgers = [books.new_ledger() for _ in range(2)]
    attempts = [books.release(acme, grant, query=query, answer=b"%d" % n) for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda n: ledgers[n % 2].submit([attempts[n]])[0], range(16)))
    assert sum(isinstance(outcome, Released) for outcome in outcomes) == 1
    assert len({outcome.leaf_index for outcome in outcomes if hasattr(outcome, "leaf_index")}) == 1
    assert books.usage(acme).used_day == 1


@STORES
def test_two_writers_keep_indexes_consecutive(new_books: Callable[[str], Books], store: str) -> None:
    books = new_books(store)
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    ledgers = [books.new_ledger() for _ in range(3)]
    attempts = [books.release(acme, grant) for _ in range(60)]
    with ThreadPoolExecutor(12) as pool:
        placed = list(pool.map(lambda n: ledgers[n % 3].submit([attempts[n]])[0], range(60)))
    indexes = sorted(outcome.leaf_index for outcome in placed if isinstance(outcome, Released))
    assert indexes == list(range(60))
    assert [entry.partner_sequence for entry in books.leaves()] == list(range(1, 61))


@STORES
def test_a_revocation_does_not_wait_behind_the_scores_it_ends(
    new_books: Callable[[str], Books], store: str
) -> None:
    books = new_books(store)
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    attempts = [books.release(acme, grant) for _ in range(300)]
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(books.ledger.submit, [attempt]) for attempt in attempts]
        started = time.monotonic()
        books.change(grant, Change.REVOKE)
        taken = time.monotonic() - started
        outcomes = [each.result()[0] for each in waiting]
    assert any(isinstance(outcome, Denied) for outcome in outcomes)
    assert taken < 5  # a bound on a queue that never ends, not a measurement
