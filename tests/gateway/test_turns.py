"""Turns: who arrives while others are worked on shares the next one, and nobody is left behind."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from gateway.turns import Turns


@dataclass
class Work:
    """Doubles its items; keeps the turns that it was given, and stops in each until it is let go."""

    turns: list[list[int]] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    goes_on_first: bool = False

    def __call__(self, items: Sequence[int], go_on: Callable[[], None]) -> list[int]:
        self.turns.append(list(items))
        if self.goes_on_first:
            go_on()
            go_on()  # which changes nothing
        self.begun.release()
        assert self.go.acquire(timeout=10)
        if any(item < 0 for item in items):
            raise ValueError("poison")
        return [2 * item for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


class Crowd:
    """Callers in threads of their own, each known to have arrived before the next one comes."""

    def __init__(self, turns: Turns[int, int]) -> None:
        self._turns = turns
        self._pool = ThreadPoolExecutor(32)

    def arrive(self, *items: int) -> Future[Sequence[int]]:
        before = self._turns.arrived
        future = self._pool.submit(self._turns.take, items)
        while self._turns.arrived == before:
            threading.Event().wait(0.001)
        return future


def test_one_who_comes_alone_is_worked_on_at_once(work: Work) -> None:
    work.go.release()
    assert Turns(work, most=8).take([1, 2, 3]) == [2, 4, 6]
    assert work.turns == [[1, 2, 3]]


def test_those_who_come_meanwhile_share_the_next_turn_and_get_their_own(work: Work) -> None:
    crowd = Crowd(Turns(work, most=8))
    first = crowd.arrive(1)
    assert work.begun.acquire(timeout=10)
    others = [crowd.arrive(10), crowd.arrive(20, 21), crowd.arrive(30)]
    work.go.release(2)
    assert first.result(10) == [2]
    assert [other.result(10) for other in others] == [[20], [40, 42], [60]]
    assert work.turns == [[1], [10, 20, 21, 30]]


def test_a_turn_that_went_on_keeps_nobody_waiting(work: Work) -> None:
    work.goes_on_first = True
    crowd = Crowd(Turns(work, most=8))
    first = crowd.arrive(1)
    assert work.begun.acquire(timeout=10)
    second = crowd.arrive(2)
    assert work.begun.acquire(timeout=10)  # while the first is still at it
    assert not first.done()
    work.go.release(2)
    assert (first.result(10), second.result(10)) == ([2], [4])


def test_a_turn_has_its_limit_and_who_is_larger_goes_alone(work: Work) -> None:
    crowd = Crowd(Turns(work, most=3))
    first = crowd.arrive(0)
    assert work.begun.acquire(timeout=10)
    others = [crowd.arrive(1, 2), crowd.arrive(3), crowd.arrive(4), crowd.arrive(5, 6, 7, 8), crowd.arrive(9)]
    work.go.release(5)
    for future in (first, *others):
        future.result(10)
    assert work.turns == [[0], [1, 2, 3], [4], [5, 6, 7, 8], [9]]


def test_what_goes_wrong_in_a_turn_is_that_turns_own(work: Work) -> None:
    crowd = Crowd(Turns(work, most=8))
    first = crowd.arrive(1)
    assert work.begun.acquire(timeout=10)
    poisoned = [crowd.arrive(2), crowd.arrive(-3)]
    work.go.release(3)
    assert first.result(10) == [2]
    for future in poisoned:
        with pytest.raises(ValueError, match="poison"):
            future.result(10)
    assert crowd.arrive(4).result(10) == [8]


def test_of_many_nobody_is_left_behind() -> None:
    together: list[int] = []
    dice = random.Random(7)  # noqa: S311

    def double(items: Sequence[int], go_on: Callable[[], None]) -> list[int]:
        together.append(len(items))
        if dice.random() < 0.5:
            go_on()
        if dice.random() < 0.1:
            threading.Event().wait(0.001)
        return [2 * item for item in items]

    turns = Turns(double, most=16)

    def come(caller: int) -> None:
        for number in range(200):
            items = [caller * 1_000 + number] * dice.choice((1, 1, 1, 5))
            assert turns.take(items) == [2 * item for item in items]

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(come, range(32)))
    assert max(together) > 1  # some did share
