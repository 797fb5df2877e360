"""The published log: what was acknowledged is proved in the end, and nobody is ever shown two histories.

``crashing`` strikes ledger, tree and witness at each of their steps; ``racing`` lets several gateways publish
one log; ``restoring`` puts an older backup back.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.prove.campaign import Finding, Stage
from tests.prove.log.crashing import crashing
from tests.prove.log.racing import racing
from tests.prove.log.restoring import restoring


def log(stage: Stage) -> Iterator[Finding]:
    """Yields a few rows of each."""
    yield from crashing(stage)
    with ThreadPoolExecutor(1) as beside:  # whoever restores mostly waits
        restored = beside.submit(lambda: list(restoring(stage)))
        yield from racing(stage)
        yield from restored.result()
