"""Strangers stay strangers: whoever may not see a thing cannot tell whether it exists.

Three ways to tell, each with control arms of its own: by what is answered (``methods``), by how long that
takes (``timing``), and by what leaks on the way, into logs, metrics and errors (``canaries``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.stagehands import GUARDED, open_house
from tests.prove.strangers.canaries import canaries
from tests.prove.strangers.careless import asks_not_whose, careless, reads_on, says_whose
from tests.prove.strangers.methods import matrix
from tests.prove.strangers.timing import timing


def strangers(stage: Stage) -> Iterator[Finding]:
    """Yields the matrix and the canaries on each store, and latencies on SQLite, where least is between."""
    stores = stage.stores if stage.full else (SQLITE,)
    kinds = (asks_not_whose, says_whose) if stage.full else (asks_not_whose,)
    for store in stores:
        with open_house(stage, store, [GUARDED]) as [world], ExitStack() as started:
            broken = {kind.__name__: started.enter_context(careless(world, kind)) for kind in kinds}
            yield matrix(stage, store, world, broken)
            if store == SQLITE:
                slow = started.enter_context(careless(world, reads_on)) if stage.full else broken.popitem()[1]
                yield from timing(stage, world, slow)
    for store in stores:
        yield canaries(stage, store)


__all__ = ["strangers"]
