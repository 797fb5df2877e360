"""Revocation: what was ended gives nobody a score any more. Three rooms, each with a control arm of its own:
the races on each store, revocations under saturation, and PostgreSQL's word that none of it was a deadlock.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.ledger import Guards
from tests.prove.campaign import POSTGRESQL, Finding, Stage
from tests.prove.revocation.deadlocks import Deadlocks
from tests.prove.revocation.races import race
from tests.prove.revocation.saturation import saturate
from tests.prove.revocation.visitors import visitors
from tests.prove.stagehands import GUARDED, open_house, people

WITHOUT = Guards(recheck=False)
CROWD = 30  # people


def revocation(stage: Stage) -> Iterator[Finding]:
    """Yields the races and the saturation of each store, and PostgreSQL's deadlocks in all of it."""
    deadlocks = Deadlocks(stage.new_database(POSTGRESQL)) if POSTGRESQL in stage.stores else None
    for store in stage.stores:
        with open_house(stage, store, (GUARDED, GUARDED, WITHOUT)) as (asked, other, bare):
            with visitors(asked.settings, people(stage.engine_folder, CROWD)) as crowd:
                yield race(stage, store, asked, other, bare, crowd)
            yield saturate(stage, store, asked, other)
    if deadlocks is not None:
        yield deadlocks.found()


__all__ = ["revocation"]
