"""Turns: calls that arrive while another one is at work are worked on together, in the next turn.

Leader and followers. The first to arrive leads: its thread works for all that waited. Before
it sits down to wait for something itself it goes on, and the first of those who arrived
meanwhile leads the next turn. An idle server adds no delay and no thread; a busy one pays
what a turn costs once for many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Work = Callable[[Sequence[T], Callable[[], None]], Sequence[R]]
"""Works on items that came together; calls its second argument once the next turn may begin."""


class _Seat(Generic[T, R]):
    """One caller's items, and the lock that it waits on."""

    __slots__ = ("error", "items", "leads", "results", "woken")

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self.leads = False
        self.results: Sequence[R] = ()
        self.error: BaseException | None = None
        self.woken = Lock()
        self.woken.acquire()


class Turns(Generic[T, R]):
    """Shares turns of ``work`` among the threads that call ``take``, at most about ``most`` items in one."""

    def __init__(self, work: Work[T, R], *, most: int) -> None:
        self._work = work
        self._most = most
        self._lock = Lock()  # guards the two below
        self._waiting: deque[_Seat[T, R]] = deque()
        self._led = False
        self.arrived = 0  # callers so far

    def take(self, items: Sequence[T]) -> Sequence[R]:
        """Return the results of one's own items, in order.

        Whatever ``work`` raises is raised in every caller of that turn.
        """
        seat = _Seat[T, R](items)
        with self._lock:
            self._waiting.append(seat)
            self.arrived += 1
            seat.leads, self._led = not self._led, True
        if not seat.leads:
            seat.woken.acquire()
        if seat.leads:
            self._lead()
        if seat.error is not None:
            raise seat.error
        return seat.results

    def _lead(self) -> None:
        seats = self._seated()
        gone_on = False

        def go_on() -> None:
            nonlocal gone_on
            if not gone_on:
                gone_on = True
                self._pass_on()

        try:
            results = self._work([item for seat in seats for item in seat.items], go_on)
        except BaseException as error:
            for seat in seats:
                seat.error = error
        else:
            begin = 0
            for seat in seats:
                seat.results = results[begin : begin + len(seat.items)]
                begin += len(seat.items)
        finally:
            go_on()
            for seat in seats[1:]:  # the first one is the leader's own
                seat.woken.release()

    def _seated(self) -> list[_Seat[T, R]]:
        seats, size = list[_Seat[T, R]](), 0
        with self._lock:
            while self._waiting and (not seats or size + len(self._waiting[0].items) <= self._most):
                seats.append(self._waiting.popleft())
                size += len(seats[-1].items)
        return seats

    def _pass_on(self) -> None:
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._led = heir is not None
        if heir is not None:
            heir.leads = True
            heir.woken.release()
