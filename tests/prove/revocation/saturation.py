"""Revocations while a gateway is as busy as it can be.

Two lenders keep every place that they may have at one gateway filled with GetScore calls, from a process of
their own. Meanwhile an operator revokes one grant after the other, each at its appointed time, in turn at
that gateway's own admin door and at another gateway's over the same store. The law is broken by as many of
either door's revocations as take longer than 250 ms, or are turned away, beyond one in a hundred; the time
runs from the appointed instant to the acknowledgement.

The control arm holds the ledger's lock for longer than that, again and again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from scoregate.admin.v1 import consent_admin_pb2
from scoregate.words import CalendarUnit
from tests.prove.callers import Loaded, ask, cpu_seconds, load, share
from tests.prove.campaign import Finding, Stage
from tests.prove.latch import Latch
from tests.prove.stagehands import ENDLESS, allow, people, periodic
from tests.wire import failure_of
from tests.world import World

MOST_MS = 250.0
REVOCATIONS_A_SECOND = 20.0
LENDERS = ("load-a", "load-b")
IN_FLIGHT = 16  # of each lender: all that one may have under way
CONSENTS = 50
WARM_UP_SECONDS = 0.5
HELD_SECONDS, FREE_SECONDS = 0.4, 0.2


@dataclass(frozen=True, slots=True)
class Door:
    """What became of the revocations at one admin door."""

    taken_ms: list[float] = field(default_factory=list)  # until the acknowledgement
    turned_away: list[str] = field(default_factory=list)  # why: the operator may have only so many under way

    @property
    def runs(self) -> int:
        """All of them."""
        return len(self.taken_ms) + len(self.turned_away)

    @property
    def late(self) -> int:
        """Those that took too long, beyond the one in a hundred that may (or one, where they are few)."""
        late = sum(each > MOST_MS for each in self.taken_ms) + len(self.turned_away)
        return max(0, late - max(1, self.runs // 100))

    def told(self) -> str:
        """In a line."""
        slow = sorted(round(each) for each in self.taken_ms if each > MOST_MS)
        return f"{self.runs} revocations, too slow {slow} ms, turned away {dict(Counter(self.turned_away))}"


@dataclass(frozen=True, slots=True)
class Busy:
    """One run: how long each revocation took, and how busy the gateway was."""

    own: Door
    other: Door
    answered_per_second: float
    refused: int  # of the lenders' calls
    core: float  # share of one core that the busy gateway used

    @property
    def runs(self) -> int:
        """Revocations, at both doors."""
        return self.own.runs + self.other.runs

    @property
    def late(self) -> int:
        """Those that took too long, beyond the one in a hundred that may."""
        return self.own.late + self.other.late


def saturate(stage: Stage, store: str, busy: World, other: World) -> Finding:
    """As many revocations as it takes to know their p99, and the control arm."""
    with _saturated(stage, store, (busy, other)) as crowd:
        found = crowd.revoke(stage.size(full=500, small=24), "revocations")
        with crowd.held():
            control = crowd.revoke(stage.size(full=100, small=16), "revocations behind a held lock")
    return Finding(
        law="under saturation a revocation is acknowledged within 250 ms at p99",
        store=store,
        runs=found.runs,
        violations=found.late,
        control=f"the ledger's lock held for {HELD_SECONDS * 1e3:.0f} ms at a time",
        control_runs=control.runs,
        control_violations=control.late,
        outcomes={"calls answered meanwhile, a second": round(found.answered_per_second)},
        figures={
            "revoke_p99_ms": share(found.own.taken_ms, 0.99),
            "revoke_p50_ms": share(found.own.taken_ms, 0.5),
            "revoke_elsewhere_p99_ms": share(found.other.taken_ms, 0.99),
            "revoke_elsewhere_p50_ms": share(found.other.taken_ms, 0.5),
            "revocations_turned_away": len(found.own.turned_away) + len(found.other.turned_away),
            "gateway_core_busy": found.core,
            "calls_refused": found.refused,
        },
        evidence=tuple(
            f"{where}: {door.told()}"
            for where, door in (("at its own door", found.own), ("at the other gateway's", found.other))
            if door.late
        ),
    )


class Crowd:
    """A busy gateway, another one beside it, and grants to revoke."""

    def __init__(
        self, stage: Stage, store: str, worlds: Sequence[World], loaded: Loaded, victims: list[str]
    ) -> None:
        self._stage, self._store, self._loaded, self._victims = stage, store, loaded, victims
        self._busy = worlds[0]
        self._doors = [each.admin_channel(each.operator_certificate, each.operator_key) for each in worlds]
        for door in self._doors:
            grpc.channel_ready_future(door).result(10)  # a handshake is no revocation

    def revoke(self, times: int, what: str) -> Busy:
        """So many, in turn at both doors."""
        doors = Door(), Door()
        process = self._busy.gateway.process  # type: ignore[attr-defined]  # it is elsewhere
        before, cpu, started = self._loaded.told(), cpu_seconds(process), time.perf_counter()
        under_way = []
        for n in range(times):
            due = started + n / REVOCATIONS_A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            under_way.append(self._revoke(n % 2, due, doors[n % 2]))
            self._stage.step(f"{what}, {self._store}", n + 1, times)
        for each in under_way:
            each.result()
        seconds = time.perf_counter() - started
        counts = self._loaded.told() - before
        answered = counts.pop("", 0)
        core = (cpu_seconds(process) - cpu) / seconds
        return Busy(*doors, answered / seconds, counts.total(), core)

    def _revoke(self, where: int, due: float, door: Door) -> Future[None]:
        request = consent_admin_pb2.ChangeConsentRequest(
            consent_id=self._victims.pop(), change="CONSENT_CHANGE_REVOKE"
        )
        over: Future[None] = Future()

        def ended(call: Any) -> None:
            if error := call.exception():
                door.turned_away.append(failure_of(error).reason)
            else:
                door.taken_ms.append((time.perf_counter() - due) * 1e3)
            over.set_result(None)

        ask(self._doors[where], request).future.add_done_callback(ended)
        return over

    @contextmanager
    def held(self) -> Iterator[None]:
        """Somebody takes the ledger's lock, and keeps it for too long, again and again."""
        with closing(Latch(self._busy.settings)) as latch, latch.stuttering(HELD_SECONDS, FREE_SECONDS):
            yield


@contextmanager
def _saturated(stage: Stage, store: str, worlds: Sequence[World]) -> Iterator[Crowd]:
    often, folks = periodic(1_000_000, CalendarUnit.DAY), people(stage.engine_folder, 2 * CONSENTS)
    callers = []
    for n, name in enumerate(LENDERS):
        lender = worlds[0].partner(name, **ENDLESS)
        wanted = [(name, subject, often) for subject in folks[n :: len(LENDERS)]]
        callers.append((lender, allow(worlds[0].settings, wanted)))
    worlds[0].add("bystander")
    victims = stage.size(full=600, small=40)
    grants = [("bystander", folks[n % len(folks)], often) for n in range(victims)]
    consent_ids = allow(worlds[0].settings, grants)
    with load(callers, IN_FLIGHT) as loaded:
        time.sleep(WARM_UP_SECONDS)
        yield Crowd(stage, store, worlds, loaded, consent_ids)
