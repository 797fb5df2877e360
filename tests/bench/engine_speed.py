"""What one score and one batch row cost in the engine itself: no transport, consent or ledger.

Each figure is the best of several rounds, which is what the engine costs when nothing else runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scoring import store
from scoring.service import Engine, Query
from scoring.train import train

ROUNDS = 7
BATCH = 1000


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """Seconds."""

    train: float
    open: float
    score: float  # worked out, for somebody who excluded a family
    batch_row: float
    kept_score: float  # of the newest epoch, worked out for everybody when the engine opened


def measure(folder: Path) -> EngineSpeed:
    """Train into ``folder``, open it, score everybody both ways."""
    started = time.perf_counter()
    made = train()
    trained = time.perf_counter() - started
    store.write(folder, made.artefact, made.population)
    opened = _best_seconds(lambda: Engine.open(folder))
    engine = Engine.open(folder)
    as_of = engine.model().latest_epoch
    one_family = frozenset(made.scorecard.families()[:1])
    queries = [Query(subject, one_family) for subject in made.records.subjects]
    singles = [[query] for query in queries[:BATCH]]
    kept = [[Query(query.subject)] for query in queries[:BATCH]]
    batches = [queries[n : n + BATCH] for n in range(0, len(queries), BATCH)]
    one = _best_seconds(lambda: [engine.score(single, as_of=as_of) for single in singles])
    many = _best_seconds(lambda: [engine.score(batch, as_of=as_of) for batch in batches])
    known = _best_seconds(lambda: [engine.score(single, as_of=as_of) for single in kept])
    return EngineSpeed(trained, opened, one / BATCH, many / len(queries), known / BATCH)


def _best_seconds(work: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        rounds.append(time.perf_counter() - started)
    return min(rounds)
