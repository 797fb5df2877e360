"""The time that calls which share a commit are given."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gateway.ledger import Released
from scoregate.words import CalendarUnit
from tests.agreed import periodic
from tests.ledger.conftest import Books

OFTEN = periodic(100, CalendarUnit.DAY)
# --- time


def entered(books: Books) -> list[int]:
    return [entry.time_micros for entry in books.leaves()]


def test_with_a_clock_set_back_the_ledgers_now_is_its_latest_entrys(books: Books) -> None:
    acme = books.caller()
    began = books.now
    [_] = books.submit(books.release(acme, books.grant(acme, terms=OFTEN)))
    books.now = began - timedelta(hours=1)
    assert books.ledger.now() == began
    books.now = began + timedelta(microseconds=1)
    assert books.ledger.now() == books.now


@pytest.mark.parametrize("back", [timedelta(microseconds=1), timedelta(hours=1), timedelta(days=40)])
def test_a_ledger_that_starts_with_a_clock_set_back_goes_on_from_its_latest_entry(
    books: Books, back: timedelta
) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    first = books.release(acme, grant)
    books.submit(first)
    began: datetime = books.now

    books.ledger.close()
    books.now = began - back
    heir = books.new_ledger()
    assert heir.now() == began  # before any transaction of its own
    assert heir.change(lambda tx: tx.now) == began
    assert heir.now() == began
    [outcome] = heir.submit([books.release(acme, grant)])
    assert isinstance(outcome, Released)
    assert (outcome.usage.used_day, outcome.usage.used_month) == (2, 2)  # on the day of the first
    assert len(set(entered(books))) == 1

    books.now = began + timedelta(seconds=1)
    heir.submit([books.release(acme, grant)])
    assert entered(books)[2] - entered(books)[1] == 1_000_000


def test_ledgers_whose_clocks_differ_give_one_time_that_only_grows(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    ahead, behind = books.ledger, books.new_ledger()
    began = books.now
    for ledger, clock, latest in (
        (ahead, 3, 3),
        (behind, 0, 3),
        (ahead, 2, 3),
        (behind, 4, 4),
        (ahead, 1, 4),
    ):
        books.now = began + timedelta(minutes=clock)
        ledger.submit([books.release(acme, grant)])
        assert ledger.now() == began + timedelta(minutes=latest)
    minutes = [(time - entered(books)[0]) // 60_000_000 for time in entered(books)]
    assert minutes == [0, 0, 0, 1, 1]
