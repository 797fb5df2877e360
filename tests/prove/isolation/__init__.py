"""Isolation: nobody's trouble is his neighbour's.

Three laws, each with control arms of its own: a poisoned call in a batch fails alone (``poison``), twins get
one answer (``twins``), and a lender's p99 stays its own beside floods, hung engines, slow readers and slow
bodies (``neighbours``). All are tried in one installation for each store: two gateway processes, and an
engine behind gRPC that has whims (``house``, ``engine``); p99s on SQLite alone, where the machine is least
in the way.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.isolation.house import open_house
from tests.prove.isolation.neighbours import neighbours
from tests.prove.isolation.poison import poison
from tests.prove.isolation.twins import twins


def isolation(stage: Stage) -> Iterator[Finding]:
    """Yields batches and twins on each store, and neighbours on SQLite."""
    for store in stage.stores:
        with open_house(stage, store) as house:
            yield poison(stage, store, house)
            yield twins(stage, store, house)
            if store == SQLITE:
                yield from neighbours(stage, house)


__all__ = ["isolation"]
