"""The generic cell rate algorithm (ITU-T I.371, annex A), and the calls under way. Burst part pure.

GCRA keeps one number per key: the theoretical arrival time of the next conforming
call. Times are integer microseconds, so that waiting exactly as told is enough.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from scoregate.values import value

MICROS = 1_000_000


class Pace(Protocol):
    """What GCRA measures calls by."""

    @property
    def interval_us(self) -> int:
        """Between conforming calls, when they keep coming."""

    @property
    def burst_calls(self) -> int:
        """How many may come at once, after a rest."""


@value
class Limit:
    """``calls_per_second`` sustained, ``burst_calls`` at once after a rest. Both at least 1."""

    calls_per_second: int
    burst_calls: int

    @property
    def interval_us(self) -> int:
        """Between conforming calls; rounded up, so that the rate is never exceeded."""
        return -(-MICROS // self.calls_per_second)


@value
class Verdict:
    """What GCRA says of one call."""

    allowed: bool
    arrival_us: int  # the new theoretical arrival time; unchanged by a refusal
    remaining: int  # whole calls that would be allowed right now
    retry_after_us: int  # 0 when allowed; waiting exactly so long is enough
    full_after_us: int  # until the whole burst is there again


def decide(limit: Pace, arrival_us: int, now_us: int) -> Verdict:
    """Whether one call at ``now_us`` conforms, given the stored arrival time (0 for a new key)."""
    interval = limit.interval_us
    tolerance = interval * limit.burst_calls
    base = max(arrival_us, now_us)
    wanted = base + interval
    if wanted - now_us > tolerance:
        return Verdict(False, arrival_us, 0, wanted - now_us - tolerance, base - now_us)
    left = (tolerance - (wanted - now_us)) // interval
    return Verdict(True, wanted, left, 0, wanted - now_us)


class BurstExceeded(Exception):
    """Calls came faster than the contract allows."""

    reason = "BURST_EXCEEDED"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(self.reason)
        self.verdict = verdict


class ConcurrencyExceeded(Exception):
    """Too many calls of one partner are under way."""

    reason = "CONCURRENCY_EXCEEDED"

    def __init__(self, in_flight: int) -> None:
        super().__init__(self.reason)
        self.in_flight = in_flight


class Admission:
    """Burst and in-flight limits of every partner, in this process.

    Failure mode: the state lives in memory, so it can't fail apart from the process;
    each gateway process allows its own burst.
    """

    def __init__(self, *, max_in_flight: int, monotonic_us: Callable[[], int]) -> None:
        self._max_in_flight = max_in_flight
        self._monotonic_us = monotonic_us
        self._lock = threading.Lock()  # guards both maps
        self._arrival_us: dict[str, int] = {}
        self._in_flight: defaultdict[str, int] = defaultdict(int)

    def enter(self, partner_id: str, limit: Limit, *, max_in_flight: int | None = None) -> Verdict:
        """Count one call until it leaves; ``max_in_flight`` may be less than everybody's.

        Raises:
            BurstExceeded: Too fast; nothing is counted.
            ConcurrencyExceeded: Too many at once; nothing is counted.
        """
        with self._lock:
            in_flight = self._in_flight[partner_id]
            if in_flight >= min(self._max_in_flight, max_in_flight or self._max_in_flight):
                raise ConcurrencyExceeded(in_flight)
            verdict = decide(limit, self._arrival_us.get(partner_id, 0), self._monotonic_us())
            if not verdict.allowed:
                raise BurstExceeded(verdict)
            self._arrival_us[partner_id] = verdict.arrival_us
            self._in_flight[partner_id] = in_flight + 1
        return verdict

    def leave(self, partner_id: str) -> None:
        """One call fewer."""
        with self._lock:
            self._in_flight[partner_id] -= 1

    def look(self, partner_id: str, limit: Limit) -> Verdict:
        """The burst as it stands, spending nothing."""
        now = self._monotonic_us()
        with self._lock:
            base = max(self._arrival_us.get(partner_id, 0), now)
        interval = limit.interval_us
        free = interval * limit.burst_calls - (base - now)  # below 0 where the limit was cut
        remaining = max(0, free // interval)
        return Verdict(remaining > 0, base, remaining, max(0, interval - free), base - now)
