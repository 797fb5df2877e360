"""Prints what one score and one batch row cost in the engine itself: no transport, consent or ledger.

Run as `python tests/bench/engine_speed.py` from the project's root. Each figure is the best of several
rounds, which is what the engine costs when nothing else runs.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scoring import store
from scoring.service import Engine, Query
from scoring.train import train

ROUNDS = 7
BATCH = 1000


def best_seconds(work: Callable[[], object]) -> float:
    """The shortest of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        rounds.append(time.perf_counter() - started)
    return min(rounds)


def main() -> None:
    """Train into a temporary folder, open it, score everybody both ways."""
    started = time.perf_counter()
    made = train()
    trained = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        store.write(Path(folder), made.artefact, made.population)
        opened = best_seconds(lambda: Engine.open(Path(folder)))
        engine = Engine.open(Path(folder))
    as_of = engine.model().latest_epoch
    queries = [Query(subject) for subject in made.records.subjects]
    singles = [[query] for query in queries[:BATCH]]
    batches = [queries[n : n + BATCH] for n in range(0, len(queries), BATCH)]
    one = best_seconds(lambda: [engine.score(single, as_of=as_of) for single in singles])
    many = best_seconds(lambda: [engine.score(batch, as_of=as_of) for batch in batches])
    print(f"train             {trained:8.2f} s")
    print(f"open              {opened * 1e3:8.1f} ms")
    print(f"one score         {one / len(singles) * 1e6:8.2f} µs   promised: under 20")
    print(f"row in a batch    {many / len(queries) * 1e6:8.2f} µs   promised: under 3")


if __name__ == "__main__":
    main()
