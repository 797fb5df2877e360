"""How long a caller waits for GetScore: at half of saturation, alone and while another lender's batches run.

Saturation is measured first, in the bench's closed loop. Then twelve lenders call on a Poisson schedule, half
as often in all: so many that none meets its own cap of calls under way. In the second half of each round one
more lender keeps one batch of 1,000 under way all the time.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle
from random import Random
from threading import Event, Thread
from typing import Any

from gateway.store import open_store
from tests.bench import installation, servers
from tests.bench.contest import ITEMS, Contender, Ground, one_by_one
from tests.bench.figures import JOURNEY, Arm, Findings, Spread
from tests.bench.honesty import Auditor
from tests.bench.installation import LENDERS, Installation
from tests.bench.load import TIMEOUT_SECONDS, Connections
from tests.bench.open_loop import Call, latencies, lateness, offer, poisson
from tests.bench.servers import running
from tests.bench.turn import Turn

SHARE = 0.5  # of saturation
CALLERS = 12  # lenders; the next one sends the batches
SEED = 1
MOST_BATCHES_A_SECOND = 12
ALONE, BESIDE = f"{JOURNEY}, open loop", f"{JOURNEY}, open loop beside batches"


def latency(ground: Ground) -> Findings:
    """Both, in every round."""
    plan = ground.plan
    names = [f"lender-{n:02}" for n in range(CALLERS + 1)]
    made = installation.found(ground.folder / "home-latency", ground.engine_folder, lenders=names)
    rounds: dict[str, list[tuple[Turn, list[Call]]]] = {ALONE: [], BESIDE: []}
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(running("gateway", servers.gateway, ground.server_core, made.settings))
        auditor = Auditor(store, made)
        singles = stack.enter_context(Connections([gateway], made, "GetScore"))
        batches = stack.enter_context(Connections([gateway], made, "BatchGetScores"))
        few = replace(made, lenders=made.lenders[: len(LENDERS)])  # as in the rest of the bench
        saturated = ground.compete([Contender(JOURNEY, one_by_one(singles, few), auditor.require_singles)])
        rate = SHARE * statistics.median(saturated[JOURNEY].per_second())
        chance, batched = Random(SEED), []  # noqa: S311  # chance, not a secret
        with ground.bar(2 * plan.rounds) as step:
            for number in range(plan.rounds):
                due = poisson(rate, plan.open_seconds, chance)
                step(f"on a schedule: round {number + 1}, alone")
                rounds[ALONE].append(offer(singles, _bodies(made, len(due)), due))
                auditor.require_singles(rounds[ALONE][-1][0])
                step(f"on a schedule: round {number + 1}, beside batches")
                with _batches(made, plan.open_seconds, batches.calls[CALLERS]) as answers:
                    rounds[BESIDE].append(offer(singles, _bodies(made, len(due)), due))
                auditor.require_both(rounds[BESIDE][-1][0], answers)
                batched.append(len(answers) * ITEMS / rounds[BESIDE][-1][0].seconds)
    return _found(rounds, saturated[JOURNEY], rate, batched)


def _found(
    rounds: dict[str, list[tuple[Turn, list[Call]]]], saturated: Arm, rate: float, batched: Sequence[float]
) -> Findings:
    figures, details = dict[str, Spread](), dict[str, Any]()
    for key, name in (("p99_ms_at_half_load", ALONE), ("p99_ms_beside_batches", BESIDE)):
        figures[key] = Spread.of([latencies(calls)["p99"] for _, calls in rounds[name]])
        whole = [call for _, calls in rounds[name] for call in calls]
        details[key.removeprefix("p99_")] = {
            "latency_ms": _plain(latencies(whole)),
            "generator_late_ms": _plain(lateness(whole)),
            "calls": len(whole),
            "refused": sum(turn.refused for turn, _ in rounds[name]),
            "calls_per_second": round(rate),
            "server_core_busy": round(statistics.median(Arm([t for t, _ in rounds[name]]).busy()), 3),
        }
    details["ms_beside_batches"]["batch_scores_per_second_meanwhile"] = round(statistics.median(batched))
    details["saturation_calls_per_second"] = round(statistics.median(saturated.per_second()))
    notes = {
        f"latency, {title}": _told(details[key])
        for title, key in (("alone", "ms_at_half_load"), ("beside batches", "ms_beside_batches"))
    }
    notes["latency, load"] = (
        f"{rate:,.0f} calls a second, half of the saturation just measured, on a Poisson schedule, from "
        f"{CALLERS} lenders; batches: another lender keeps one of {ITEMS:,} under way"
        f" ({details['ms_beside_batches']['batch_scores_per_second_meanwhile']:,} scores a second)"
    )
    return Findings({}, figures, notes, {"latency": details})


def _told(detail: dict[str, Any]) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in detail["latency_ms"].items())
    late = detail["generator_late_ms"]
    return (
        f"ms: {figures}; {detail['calls']:,} calls, {detail['refused']} refused; "
        f"the generator late by p50 {late['p50']}, p99 {late['p99']}, max {late['max']}"
    )


def _plain(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def _bodies(made: Installation, count: int) -> list[tuple[int, bytes]]:
    each = -(-count // CALLERS)
    lenders = made.lenders[:CALLERS]
    bodies = [iter(installation.singles(cycle(lender.consent_ids), each)) for lender in lenders]
    return [
        (lender, next(bodies[lender])) for lender, _ in zip(cycle(range(CALLERS)), range(count), strict=False)
    ]


@contextmanager
def _batches(made: Installation, seconds: float, call: Any) -> Iterator[list[tuple[int, bytes, bytes]]]:
    """One batch after the other, until the block ends; those that were answered."""
    count = int(MOST_BATCHES_A_SECOND * (seconds + 2))
    bodies = installation.batches(cycle(made.lenders[CALLERS].consent_ids), count, ITEMS)
    answers: list[tuple[int, bytes, bytes]] = []
    enough = Event()

    def run() -> None:
        for body in bodies:
            if enough.is_set():
                return
            answers.append((CALLERS, body, call(body, timeout=TIMEOUT_SECONDS)))

    running_batches = Thread(target=run)
    running_batches.start()
    try:
        yield answers
    finally:
        enough.set()
        running_batches.join()
