"""Strangers stay strangers: whoever may not see a thing cannot tell whether it exists.

Three ways to tell, each with control arms of its own: by what is answered (``methods``), by how long that
takes (``timing``), and by what leaks on the way, into logs, metrics and errors (``canaries``).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.stagehands import GUARDED, open_house
from tests.prove.strangers.canaries import canaries
from tests.prove.strangers.methods import matrix
from tests.prove.strangers.timing import timing


def strangers(stage: Stage) -> Iterator[Finding]:
    """Yields the matrix and the canaries on each store, and latencies on SQLite, where least is between."""
    stores = stage.stores if stage.full else (SQLITE,)
    for store in stores:
        with open_house(stage, store, [GUARDED]) as [world]:
            yield matrix(stage, store, world)
            if store == SQLITE:
                yield from timing(stage, world)
    for store in stores:
        yield canaries(stage, store)


__all__ = ["strangers"]
