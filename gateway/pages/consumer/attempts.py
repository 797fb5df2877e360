"""How often an address or a person may do what costs: sign in, guess, leave entries in the log.

By the generic cell rate algorithm.

Failure mode: the state lives in memory, so it can't fail apart from the process; each process allows its own.
Behind a proxy the address is what that says, if uvicorn was told to believe it (FORWARDED_ALLOW_IPS).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from gateway.quota.burst import MICROS, BurstExceeded, Limit, Pace, decide
from scoregate.values import value

LOGINS = Limit(calls_per_second=1, burst_calls=20)
"""A login takes two: its beginning and its return. Many people may share an address, as phones do."""

HOUR_US = 3_600 * MICROS

KEPT = 10_000


def monotonic_us() -> int:
    """Microseconds since some moment."""
    return time.monotonic_ns() // 1_000


@value
class Hourly:
    """So many an hour, all at once after a rest; at least 1."""

    burst_calls: int

    @property
    def interval_us(self) -> int:
        """Between those that keep coming."""
        return -(-HOUR_US // self.burst_calls)


class Attempts:
    """Attempts of every address or person, in this process."""

    def __init__(self, limit: Pace = LOGINS, *, monotonic_us: Callable[[], int] = monotonic_us) -> None:
        self._limit = limit
        self._monotonic_us = monotonic_us
        self._lock = Lock()  # guards both below
        self._arrival_us: dict[str, int] = {}
        self._most = KEPT

    def spend(self, whose: str) -> None:
        """Count one attempt of an address or a person.

        Raises:
            BurstExceeded: Too many; nothing is counted.
        """
        key = _network(whose)
        now = self._monotonic_us()
        with self._lock:
            verdict = decide(self._limit, self._arrival_us.get(key, 0), now)
            if not verdict.allowed:
                raise BurstExceeded(verdict)
            self._arrival_us[key] = verdict.arrival_us
            if len(self._arrival_us) > self._most:
                # Whose whole burst is there again is as if never seen.
                self._arrival_us = {each: due for each, due in self._arrival_us.items() if due > now}
                self._most = max(KEPT, 2 * len(self._arrival_us))

    def require(self, whose: str) -> None:
        """Return only if another attempt would be allowed; nothing is counted.

        Raises:
            BurstExceeded: Not yet.
        """
        with self._lock:
            verdict = decide(self._limit, self._arrival_us.get(_network(whose), 0), self._monotonic_us())
        if not verdict.allowed:
            raise BurstExceeded(verdict)


def _network(whose: str) -> str:
    """What one subscriber has: an IPv4 address, or a /64 of IPv6 (RFC 6177). A person is themself."""
    with suppress(ValueError):
        found = ipaddress.ip_address(whose)
        if isinstance(found, ipaddress.IPv4Address):
            return str(found)
        # All of IPv4 lies in one /64 (RFC 4291, 2.5.5.2), which is nobody's: a proxy writes each address so.
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found.packed[:8] + bytes(8), 64)))
    return whose
