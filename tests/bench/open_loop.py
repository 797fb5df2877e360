"""The open loop: calls leave when a schedule says so, whatever has become of the ones before.

A call's latency runs from its scheduled time, so a call that the generator sent late, or that waited
behind others, is not made to look fast. How late the generator was is measured with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from queue import SimpleQueue
from random import Random
from typing import Any

from tests.bench.figures import percentile
from tests.bench.load import TIMEOUT_SECONDS, Connections, is_answered
from tests.bench.turn import Turn
from tests.undisturbed import undisturbed

SPIN_SECONDS = 0.0002  # a sleep is late by about as much
PARTS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999, "max": 1.0}


def poisson(calls_a_second: float, seconds: float, chance: Random) -> list[float]:
    """When calls are due, in seconds from the start: as many strangers would call, each by themself."""
    gaps = (chance.expovariate(calls_a_second) for _ in range(math.ceil(calls_a_second * seconds)))
    return list(accumulate(gaps))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an open loop; seconds from its start."""

    due: float
    sent: float
    ended: float  # never, if it was refused

    @property
    def latency_ms(self) -> float:
        """From its scheduled time."""
        return (self.ended - self.due) * 1e3

    @property
    def late_ms(self) -> float:
        """How late the generator was."""
        return (self.sent - self.due) * 1e3


def latencies(calls: Sequence[Call]) -> dict[str, float]:
    """Percentiles of the latency, ms; refused calls count as never answered."""
    values = [call.latency_ms for call in calls]
    return {name: percentile(values, part) for name, part in PARTS.items()}


def lateness(calls: Sequence[Call]) -> dict[str, float]:
    """The same of the generator's own lateness."""
    values = [call.late_ms for call in calls]
    return {name: percentile(values, part) for name, part in PARTS.items()}


def offer(
    connections: Connections, bodies: Sequence[tuple[int, bytes]], due: Sequence[float]
) -> tuple[Turn, list[Call]]:
    """Send each body, of its lender, when it is due; returns once all have ended.

    Raises:
        BenchFailed: A call was refused for anything but too many under way.
    """
    ended: SimpleQueue[tuple[int, float, Any]] = SimpleQueue()
    sent = []
    with undisturbed():
        before, started = connections.used(), time.perf_counter()
        for number, ((lender, body), when) in enumerate(zip(bodies, due, strict=True)):
            _wait_until(started + when)
            sent.append(time.perf_counter() - started)
            future = connections.calls[lender].future(body, timeout=TIMEOUT_SECONDS)
            future.add_done_callback(_noting(ended, number, started))
        ends = [ended.get(timeout=TIMEOUT_SECONDS * 2) for _ in bodies]
        took, after = time.perf_counter() - started, connections.used()
    calls, answers = [], []
    for number, at, future in sorted(ends, key=lambda each: each[0]):
        calls.append(Call(due[number], sent[number], at if is_answered(future) else math.inf))
        if math.isfinite(calls[-1].ended):
            answers.append((*bodies[number], future.result()))
    refused = len(bodies) - len(answers)
    return Turn(took, after[0] - before[0], answers, after[1] - before[1], refused), calls


def _noting(ended: SimpleQueue[tuple[int, float, Any]], number: int, started: float) -> Any:
    return lambda future: ended.put((number, time.perf_counter() - started, future))


def _wait_until(when: float) -> None:
    while (left := when - time.perf_counter()) > 0:
        if left > SPIN_SECONDS:
            time.sleep(left - SPIN_SECONDS)
        else:
            time.sleep(0)  # lets the thread run that takes in answers
