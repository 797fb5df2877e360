"""How calls share a commit, and the time that they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.ledger import Denied, Ledger, Refusal, Released
from gateway.ledger.group import MAX_GROUP
from gateway.query import GET_SCORE, Caller
from scoregate.words import CalendarUnit
from tests.ledger.conftest import Books, Commits, periodic

OFTEN = periodic(100, CalendarUnit.DAY)
FOREVER = timedelta(hours=1)
"""A linger that no test waits for: whoever lingers has not answered by the end."""
SOON = 10.0
"""Seconds, for what does not wait at all."""


# --- linger


@dataclass
class Desk:
    """A ledger, and callers that each wait for theirs in a thread."""

    ledger: Ledger
    commits: Commits
    acme: Caller
    callers: ThreadPoolExecutor

    def submit(self, refusals: int = 1) -> Future[Any]:
        return self.callers.submit(
            self.ledger.submit, [Refusal(GET_SCORE, self.acme, "FIELD_INVALID")] * refusals
        )


@pytest.fixture
def desk(new_books: Callable[[str], Books], request: pytest.FixtureRequest) -> Iterator[Desk]:
    """With a ledger that lingers as long as the test says; to a linger all stores are alike."""
    books = new_books("sqlite")
    store = books.open()
    with ThreadPoolExecutor(2) as callers:
        ledger = books.new_ledger(store=store, linger=request.param)
        yield Desk(ledger, Commits(store), books.caller(), callers)
        ledger.close()  # ends any linger, before the callers are waited for


def lingering(linger: timedelta) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("desk", [linger], indirect=True, ids=[f"{linger}"])


@lingering(FOREVER)
def test_an_idle_ledger_commits_without_waiting_for_company(desk: Desk) -> None:
    assert desk.submit().result(SOON) == [Denied("FIELD_INVALID")]  # nobody said that it would come
    with desk.ledger.expecting():
        desk.submit().result(SOON)  # the call that was expected is the one that came
    desk.submit().result(SOON)
    assert desk.commits.count == 3


@lingering(FOREVER)
def test_a_change_does_not_wait_for_company_when_idle(desk: Desk) -> None:
    desk.callers.submit(desk.ledger.change, lambda tx: None).result(SOON)


@lingering(FOREVER)
def test_while_another_call_is_on_its_way_the_first_waits_and_both_share_a_commit(desk: Desk) -> None:
    with ExitStack() as under_way:
        for _ in range(2):
            under_way.enter_context(desk.ledger.expecting())
        first = desk.submit()
        with pytest.raises(TimeoutError):
            first.result(0.2)
        second = desk.submit()
        assert first.result(SOON) == second.result(SOON) == [Denied("FIELD_INVALID")]
    assert desk.commits.count == 1


@lingering(timedelta(milliseconds=5))
def test_company_that_never_comes_is_waited_for_no_longer_than_the_linger(desk: Desk) -> None:
    with desk.ledger.expecting(), desk.ledger.expecting():
        desk.submit().result(SOON)


@lingering(timedelta(0))
def test_control_without_a_linger_nobody_waits_for_company(desk: Desk) -> None:
    with desk.ledger.expecting(), desk.ledger.expecting():
        desk.submit().result(SOON)
        desk.submit().result(SOON)
    assert desk.commits.count == 2


@lingering(FOREVER)
def test_a_full_group_waits_for_nobody(desk: Desk) -> None:
    with desk.ledger.expecting(), desk.ledger.expecting():
        assert len(desk.submit(MAX_GROUP).result(SOON)) == MAX_GROUP
        with pytest.raises(TimeoutError):  # one fewer has room for the call on its way
            desk.submit(MAX_GROUP - 1).result(0.1)


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
