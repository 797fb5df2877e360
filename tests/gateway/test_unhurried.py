"""What is refused unhurriedly: all of it, in order, and never more than the pace allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from gateway.doors.unhurried import A_SECOND, AT_ONCE, MOST_WAITING, Unhurried

SOON = 10.0  # seconds


@pytest.fixture
def unhurried() -> Iterator[Unhurried]:
    made = Unhurried()
    yield made
    made.close()


def test_everything_is_done_in_order_and_no_faster_than_the_pace(unhurried: Unhurried) -> None:
    done, is_over = list[int](), threading.Event()
    count = 20 * AT_ONCE
    started = time.monotonic()
    assert all(unhurried.do(partial(done.append, number)) for number in range(count))
    assert unhurried.do(is_over.set)
    assert is_over.wait(SOON)
    assert done == list(range(count))
    assert time.monotonic() - started >= count / A_SECOND


def test_beyond_the_most_nothing_more_is_taken_on(unhurried: Unhurried) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait(SOON)

    assert unhurried.do(hold)
    assert begun.wait(SOON)
    assert all(unhurried.do(begun.set) for _ in range(MOST_WAITING))
    assert not unhurried.do(begun.set)
    go.set()


def test_closing_hurries_through_what_waits_and_takes_on_nothing() -> None:
    made, done = Unhurried(), list[int]()
    count = 4 * A_SECOND // 2  # two seconds' worth
    waiting = sum(made.do(partial(done.append, number)) for number in range(count))
    started = time.monotonic()
    made.close()
    assert len(done) == waiting == count
    assert time.monotonic() - started < 1.0
    assert not made.do(partial(done.append, -1))


def test_one_that_fails_leaves_the_next_its_turn(unhurried: Unhurried) -> None:
    is_over = threading.Event()
    assert unhurried.do(lambda: [].index(1))
    assert unhurried.do(is_over.set)
    assert is_over.wait(SOON)
