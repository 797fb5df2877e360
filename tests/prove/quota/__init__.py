"""Quota: a contract of so many units gives so many answers, a grant as many as it says, and each is charged
to the period that it falls into.

Five laws a store, each with a control arm of its own: a contract used up by a crowd (``contracts``), one-time
grants and frequencies that are rushed (``grants``), and midnights, quiet and with calls under way
(``midnights``). All are tried in one installation for each store; a second one has the guards off. ``latch``
makes gateways race, ``clock`` moves their clocks, ``books`` counts by SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from gateway.ledger import Guards
from tests.prove.campaign import Finding, Stage
from tests.prove.latch import Latch
from tests.prove.quota.clock import MovedClock
from tests.prove.quota.contracts import Round, of_contracts, size_of, use_up_contracts
from tests.prove.quota.crossing import Crossing
from tests.prove.quota.grants import OFTEN, ONCE, Tried, of_grants, use_up
from tests.prove.quota.midnights import Year, cross_unguarded, of_calendars, of_crossings, pass_a_year
from tests.prove.stagehands import GUARDED, open_house
from tests.world import World

THREADS = 72  # of a gateway, all but one of them for one lender: 64 calls at once are no crowd, even for one
LIMITS = {"worker_threads": THREADS, "max_in_flight_per_partner": THREADS - 1}
WITHOUT = Guards(recheck=False, debit_under_lock=False)

Found = tuple[list[Round], Tried, Tried]


def quota(stage: Stage) -> Iterator[Finding]:
    """Yields contracts, one-time grants, frequencies, calendars and crossings on each store."""
    for store in stage.stores:
        (contracts, once, often), year = _guarded(stage, store)
        (contracts_bare, once_bare, often_bare), crossing_bare = _unguarded(stage, store)
        yield of_contracts(stage, store, contracts, contracts_bare)
        yield of_grants(store, ONCE, once, once_bare)
        yield of_grants(store, OFTEN, often, often_bare)
        yield of_calendars(store, year)
        yield of_crossings(store, year.crossing, crossing_bare)


def _guarded(stage: Stage, store: str) -> tuple[Found, Year]:
    with _gateways(stage, store, GUARDED, size_of(stage).processes) as (worlds, clocks, latch):
        found = (
            use_up_contracts(stage, store, worlds, latch, control=False),
            use_up(stage, store, worlds, latch, ONCE, stage.size(full=300, small=6), control=False),
            use_up(stage, store, worlds, latch, OFTEN, stage.size(full=51, small=3), control=False),
        )
        return found, pass_a_year(stage, store, worlds, clocks, latch)


def _unguarded(stage: Stage, store: str) -> tuple[Found, Crossing]:
    processes = stage.size(full=4, small=1)  # rushes come in groups: even one will do
    with _gateways(stage, store, WITHOUT, processes) as (worlds, clocks, latch):
        found = (
            use_up_contracts(stage, store, worlds, latch, control=True),
            use_up(stage, store, worlds, latch, ONCE, stage.size(full=50, small=2), control=True),
            use_up(stage, store, worlds, latch, OFTEN, stage.size(full=6, small=2), control=True),
        )
        return found, cross_unguarded(stage, store, worlds, clocks, latch)


@contextmanager
def _gateways(
    stage: Stage, store: str, guards: Guards, processes: int
) -> Iterator[tuple[list[World], list[MovedClock], Latch]]:
    clocks = [MovedClock() for _ in range(processes)]
    with (
        open_house(stage, store, [guards] * processes, clocks, **LIMITS) as worlds,
        closing(Latch(worlds[0].settings)) as latch,
    ):
        yield worlds, clocks, latch


__all__ = ["quota"]
