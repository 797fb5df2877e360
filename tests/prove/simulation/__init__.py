"""Simulation: a seed decides everything that happens to a few gateways, and every law holds after every step.

The service layer is the real one, over a real database, driven by one thread: clients, ledgers' turns,
engines' answers, clocks, operators, failing stores and killed processes come in the order that the seed
draws (``play``), and a model written from the laws judges every COMMIT and everything that is told
(``model``, ``held``). The same seed plays the same again, and ``python -m tests.prove.simulation SEED`` says
what happens in it.

The idea of testing a store this way is FoundationDB's (Zhou et al., SIGMOD 2021, section 4).
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.simulation.arms import ARMS, GUARDED, grounds, play_arm
from tests.prove.simulation.ground import Ground
from tests.prove.simulation.occurred import occurred
from tests.prove.simulation.play import Played

PROCESSES = 2
TOGETHER = 20  # seeds that a process is given at a time
LAST_LINES = 25
MOST_EVIDENCE = 3
SEEDS_OF_A_STAGE = 1_000_000

Plays = Callable[[str, Sequence[int], Callable[[int], None]], Iterator[Played]]
"""Plays these seeds of an arm, and says how many are done."""


def simulation(stage: Stage) -> Iterator[Finding]:
    """Yields the laws, and that a seed plays the same again."""
    with grounds() as (ground, folder), _players(stage, ground, folder) as plays:
        yield _laws(stage, plays)
        yield _again(stage, plays)


def _seeds(stage: Stage, count: int) -> range:
    begin = (stage.seed - 1) * SEEDS_OF_A_STAGE
    return range(begin, begin + count)


def _laws(stage: Stage, plays: Plays) -> Finding:
    seeds = _seeds(stage, stage.size(full=10_000, small=18))
    outcomes, broken, steps = Counter[str](), list[Played](), 0
    began = time.monotonic()

    def step(done: int) -> None:
        stage.step(f"seeds, {len(broken)} broken," if broken else "seeds", done, len(seeds))

    for played in plays(GUARDED, seeds, step):
        outcomes.update(played.outcomes)
        steps += len(played.lines)
        if played.broken:
            broken.append(played)
    seconds = time.monotonic() - began
    controls = _seeds(stage, stage.size(full=200, small=8))
    arms = [arm for arm in ARMS if arm != GUARDED]
    found = {
        arm: [
            p.seed
            for p in plays(arm, controls, partial(_step, stage, f"without {arm}", len(controls)))
            if p.broken
        ]
        for arm in arms
    }
    return Finding(
        law="every law holds after every step",
        store=SQLITE,
        runs=len(seeds),
        violations=sum(len(each.broken) for each in broken),
        control=f"one of these at a time: {', '.join(arms)}",
        control_runs=len(arms) * len(controls),
        control_violations=sum(map(len, found.values())),
        outcomes=occurred(outcomes, full=stage.full)
        | {f"seen without {a}": len(s) for a, s in found.items()},
        figures={
            "seeds_per_second": len(seeds) / seconds,
            "lines_per_seed": steps / len(seeds),
            **{f"first_seed_without_{arm}": float(seeds[0]) for arm, seeds in found.items() if seeds},
        },
        evidence=tuple(line for each in broken[:MOST_EVIDENCE] for line in _evidence(each)),
    )


def _evidence(played: Played) -> Iterator[str]:
    yield f"seed {played.seed}: {'; '.join(played.broken)} (python -m tests.prove.simulation {played.seed})"
    yield from (f"    {line}" for line in played.lines[-LAST_LINES:])


def _again(stage: Stage, plays: Plays) -> Finding:
    """A seed that played otherwise the second time could not be found again."""
    seeds = _seeds(stage, stage.size(full=200, small=3))
    silent = partial(_step, stage, "seeds again", len(seeds))
    first = [played.trace for played in plays(GUARDED, seeds, silent)]
    second = [played.trace for played in plays(GUARDED, seeds[::-1], silent)][::-1]
    other = first[1:] + first[:1]
    return Finding(
        law="a seed plays the same again",
        store=SQLITE,
        runs=len(seeds),
        violations=sum(one != two for one, two in zip(first, second, strict=True)),
        control="another seed in its place",
        control_runs=len(seeds),
        control_violations=sum(one != two for one, two in zip(first, other, strict=True)),
    )


def _step(stage: Stage, what: str, total: int, done: int) -> None:
    stage.step(what, done, total)


@contextmanager
def _players(stage: Stage, ground: Ground, folder: Path) -> Iterator[Plays]:
    """In this process for a few seeds, and in processes of their own for many."""
    if not stage.full:
        yield partial(_here, ground, folder)
        return
    pool = ProcessPoolExecutor(PROCESSES, get_context("spawn"), initializer=_collect_seldom)
    try:
        yield partial(_elsewhere, pool, ground, folder)
    finally:
        pool.shutdown(cancel_futures=True)


def _collect_seldom() -> None:
    """What is imported stays: to walk over it after every few hundred objects took a tenth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _here(
    ground: Ground, folder: Path, arm: str, seeds: Sequence[int], step: Callable[[int], None]
) -> Iterator[Played]:
    for done, seed in enumerate(seeds, 1):
        yield play_arm(ground, folder, arm, seed)
        step(done)


def _elsewhere(
    pool: ProcessPoolExecutor,
    ground: Ground,
    folder: Path,
    arm: str,
    seeds: Sequence[int],
    step: Callable[[int], None],
) -> Iterator[Played]:
    chunks = [seeds[start : start + TOGETHER] for start in range(0, len(seeds), TOGETHER)]
    done = 0
    for chunk in pool.map(partial(_play_all, ground, folder, arm), chunks):
        yield from chunk
        done += len(chunk)
        step(done)


def _play_all(ground: Ground, folder: Path, arm: str, seeds: Sequence[int]) -> list[Played]:
    return [play_arm(ground, folder, arm, seed) for seed in seeds]


__all__ = ["simulation"]
