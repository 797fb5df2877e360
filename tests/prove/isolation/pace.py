"""A lender who asks at a steady pace, whatever becomes of it (open loop), and how long each answer took.

Latency counts from the moment at which a call was due, so that a call held up by the one before it shows.
Somebody's trouble is measured beside the lender's own p99: windows alone and windows beside take turns.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import cycle
from queue import SimpleQueue
from typing import Any

import grpc

from tests.prove.callers import share
from tests.prove.campaign import Stage
from tests.undisturbed import undisturbed
from tests.wire import failure_of
from tests.world import Partner

CALLS_A_SECOND = 100
"""A stall of 160 ms is then as many calls as one lender may have under way, and the next is refused."""

CALLS_A_SECOND_IN_A_TEST = 40
CALL_SECONDS = 10.0
GET_SCORE = "/scoregate.partner.v1.ScoreService/GetScore"


Trouble = Callable[[], AbstractContextManager[Any]]
"""Lasts as long as its block."""


@dataclass
class Samples:
    """What calls took, in milliseconds; those that failed count as endless."""

    took_ms: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Samples) -> None:
        """Take in another window."""
        self.took_ms += other.took_ms
        self.failed += other.failed

    @property
    def p99_ms(self) -> float:
        """99 % of the calls took no longer."""
        return share(self.took_ms, 0.99)

    @property
    def median_ms(self) -> float:
        """Half of the calls took no longer."""
        return share(self.took_ms, 0.5)


@dataclass
class Compared:
    """A lender alone, and beside somebody."""

    alone: Samples = field(default_factory=Samples)
    beside: Samples = field(default_factory=Samples)
    least_ms: float = 0.0

    @property
    def allowed_ms(self) -> float:
        """Twice its own p99."""
        return max(2 * self.alone.p99_ms, self.least_ms)

    @property
    def violations(self) -> int:
        """Calls that failed, and slow ones beyond the one in a hundred that may be."""
        slow = sum(took > self.allowed_ms for took in self.beside.took_ms)
        return max(sum(self.beside.failed.values()), slow - len(self.beside.took_ms) // 100, 0)

    @property
    def told(self) -> str:
        """What was wrong, in a line."""
        failed = ", ".join(f"{count} x {why}" for why, count in self.beside.failed.items())
        slow = sum(took > self.allowed_ms for took in self.beside.took_ms)
        count = len(self.beside.took_ms)
        return f"{slow} of {count} calls over {self.allowed_ms:.1f} ms; failed: {failed or 'none'}"

    def figures(self) -> dict[str, float]:
        """p99s and medians, in milliseconds."""
        return {
            "p99_alone_ms": round(self.alone.p99_ms, 2),
            "p99_beside_ms": round(self.beside.p99_ms, 2),
            "median_alone_ms": round(self.alone.median_ms, 2),
            "median_beside_ms": round(self.beside.median_ms, 2),
        }


LEAST_MS_IN_A_TEST = 250.0
"""What is slow in a test run, which shares its cores with anything and has few samples. At full size a
lender's own p99 is the only measure."""


class Pace:
    """One lender's calls, each about the next of its consents."""

    def __init__(self, lender: Partner, consents: Sequence[str], stage: Stage) -> None:
        self._lender = lender
        self._call: Any = lender.channel.unary_unary(GET_SCORE)
        self._consents = cycle(consents)
        self._rate = CALLS_A_SECOND if stage.full else CALLS_A_SECOND_IN_A_TEST
        self._settling = 0.5 if stage.full else 0.2  # seconds
        self.least_ms = 0.0 if stage.full else LEAST_MS_IN_A_TEST

    def keep(self, seconds: float) -> Samples:
        """Ask for so long, and wait for the last answer."""
        with undisturbed():
            return self._keep(seconds)

    def _keep(self, seconds: float) -> Samples:
        count = int(seconds * self._rate)
        bodies = [self._lender.query(next(self._consents)).SerializeToString() for _ in range(count)]
        done: SimpleQueue[tuple[float, Any]] = SimpleQueue()
        start = time.perf_counter() + 0.05
        for number, body in enumerate(bodies):
            due = start + number / self._rate
            time.sleep(max(0.0, due - time.perf_counter()))
            future = self._call.future(body, timeout=CALL_SECONDS)
            future.add_done_callback(lambda ended, due=due: done.put((time.perf_counter() - due, ended)))
        samples = Samples()
        for _ in bodies:
            took, ended = done.get()
            error = ended.exception()
            samples.took_ms.append(took * 1_000 if error is None else float("inf"))
            samples.failed.update([_why(error)] if error is not None else [])
        return samples

    def compare(self, trouble: Trouble, *, seconds: float, rounds: int) -> Compared:
        """As long alone as beside the trouble, in turns."""
        compared, window = Compared(least_ms=self.least_ms), seconds / rounds
        for _ in range(rounds):
            compared.alone.add(self.keep(window / 2))
            compared.beside.add(self.beside(trouble, window))
            compared.alone.add(self.keep(window / 2))
        return compared

    def beside(self, trouble: Trouble, seconds: float) -> Samples:
        """So long beside the trouble, once it is under way."""
        with trouble():
            time.sleep(self._settling)
            samples = self.keep(seconds)
        time.sleep(self._settling)
        return samples


def _why(error: grpc.RpcError) -> str:
    failure = failure_of(error)
    return failure.reason or failure.status.name
