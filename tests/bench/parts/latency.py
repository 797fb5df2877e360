"""How long a caller waits for GetScore: at half of saturation, alone and while another lender's batches run.

Saturation is measured first, in the bench's closed loop. Then twelve lenders call on a Poisson schedule, half
as often in all: so many that none meets its own cap of calls under way. In each round they do so alone, then
while one more lender keeps one batch of 1,000 under way all the time, and then half as often beside batches.
An empty echo is asked on the same kind of schedule: what it takes is the machine's and the generator's part.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from threading import Event, Thread
from typing import Any

from gateway.store import open_store
from tests.bench import installation, servers
from tests.bench.contest import ITEMS, Contender, Ground, one_by_one
from tests.bench.figures import JOURNEY, Arm, Findings, Spread
from tests.bench.honesty import Auditor
from tests.bench.installation import CONSENTS, LENDERS, Installation
from tests.bench.load import TIMEOUT_SECONDS, Connections
from tests.bench.open_loop import Call, latencies, lateness, offer, poisson
from tests.bench.servers import running
from tests.bench.turn import Turn

CALLERS = 12  # lenders; the next one sends the batches
SEED = 1
MOST_BATCHES_A_SECOND = 12
ECHO_BYTES = 2_066  # about as many as an answer has
BATCH_CONSENTS = 1_000  # each of which may be asked for a thousand times a day


@dataclass(frozen=True, slots=True)
class Load:
    """One of the loads."""

    key: str
    title: str
    share: float  # of saturation
    has_batches: bool = False
    of_an_echo: bool = False  # control: the same calls, to a server that does nothing


LOADS = (
    Load("p99_ms_at_half_load", "half load", 0.5),
    Load("p99_ms_of_an_echo", "an empty echo at half load", 0.5, of_an_echo=True),
    Load("p99_ms_beside_batches", "half load beside batches", 0.5, has_batches=True),
    Load("p99_ms_beside_batches_at_a_quarter", "a quarter beside batches", 0.25, has_batches=True),
)


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one load in one round."""

    turn: Turn
    calls: Sequence[Call]
    batched: float  # scores a second in batches meanwhile


def latency(ground: Ground) -> Findings:
    """Every load in every round."""
    plan = ground.plan
    lenders = {f"lender-{n:02}": CONSENTS for n in range(CALLERS)} | {"lender-in-batches": BATCH_CONSENTS}
    made = installation.found(ground.folder / "home-latency", ground.engine_folder, lenders=lenders)
    rounds: dict[Load, list[Round]] = {load: [] for load in LOADS}
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(running("gateway", servers.gateway, ground.server_core, made.settings))
        auditor = Auditor(store, made)
        singles = stack.enter_context(Connections([gateway], made, "GetScore"))
        batches = stack.enter_context(Connections([gateway], made, "BatchGetScores"))
        few = replace(made, lenders=made.lenders[: len(LENDERS)])  # as in the rest of the bench
        closed = ground.compete([Contender(JOURNEY, one_by_one(singles, few), auditor.require_singles)])
        saturation = statistics.median(closed[JOURNEY].per_second())
        echo = running("echo", servers.sync_echo, ground.server_core, made, bytes(ECHO_BYTES))
        echoes = stack.enter_context(Connections([stack.enter_context(echo)], made, "GetScore"))
        chance = Random(SEED)  # noqa: S311  # chance, not a secret
        with ground.bar(len(LOADS) * plan.rounds) as step:
            for number in range(plan.rounds):
                for load in LOADS:
                    step(f"on a schedule: round {number + 1} of {plan.rounds}, {load.title}")
                    due = poisson(load.share * saturation, plan.open_seconds, chance)
                    bodies = _bodies(made, len(due))
                    with _batches(made, plan.open_seconds, batches.calls, wanted=load.has_batches) as answers:
                        turn, calls = offer(echoes if load.of_an_echo else singles, bodies, due)
                    if not load.of_an_echo:
                        auditor.require_both(turn, answers)
                    rounds[load].append(Round(turn, calls, len(answers) * ITEMS / turn.seconds))
    return _found(rounds, saturation)


def _found(rounds: dict[Load, list[Round]], saturation: float) -> Findings:
    figures, notes = dict[str, Spread](), dict[str, str]()
    details: dict[str, Any] = {"saturation_calls_per_second": round(saturation)}
    for load, made in rounds.items():
        figures[load.key] = Spread.of([latencies(each.calls)["p99"] for each in made])
        whole = [call for each in made for call in each.calls]
        told = details[load.key.removeprefix("p99_")] = {
            "latency_ms": _plain(latencies(whole)),
            "generator_late_ms": _plain(lateness(whole)),
            "calls": len(whole),
            "refused": sum(each.turn.refused for each in made),
            "calls_per_second": round(load.share * saturation),
            "batch_scores_per_second_meanwhile": round(statistics.median(each.batched for each in made)),
            "server_core_busy": round(statistics.median(Arm([each.turn for each in made]).busy()), 3),
        }
        notes[f"latency, {load.title}"] = _told(told)
    notes["latency, load"] = (
        f"shares of the {saturation:,.0f} calls a second just measured in a closed loop; on a Poisson "
        f"schedule, from {CALLERS} lenders; one more keeps a batch of {ITEMS:,} under way"
    )
    return Findings({}, figures, notes, {"latency": details})


def _told(detail: dict[str, Any]) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in detail["latency_ms"].items())
    late = detail["generator_late_ms"]
    batched = detail["batch_scores_per_second_meanwhile"]
    return (
        f"ms: {figures}; {detail['calls']:,} calls at {detail['calls_per_second']:,} a second, "
        f"{detail['refused']} refused{f', {batched:,} scores a second in batches' if batched else ''}; "
        f"server core busy {detail['server_core_busy']:.0%}; "
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
def _batches(
    made: Installation, seconds: float, calls: Sequence[Any], *, wanted: bool
) -> Iterator[list[tuple[int, bytes, bytes]]]:
    """One batch after the other, if wanted, until the block ends; those that were answered."""
    count = int(MOST_BATCHES_A_SECOND * (seconds + 2)) if wanted else 0
    bodies = installation.batches(cycle(made.lenders[CALLERS].consent_ids), count, ITEMS)
    answers: list[tuple[int, bytes, bytes]] = []
    enough = Event()

    def run() -> None:
        for body in bodies:
            if enough.is_set():
                return
            answers.append((CALLERS, body, calls[CALLERS](body, timeout=TIMEOUT_SECONDS)))

    running_batches = Thread(target=run)
    running_batches.start()
    try:
        yield answers
    finally:
        enough.set()
        running_batches.join()
