"""Where a day, a week, a month or a year ends, by the calendar of the contract or of the grant.

The gateways' clocks are moved through the next thirteen months: to the last microsecond before, and to the
first of, every month and every day that follows on or is one without 24 hours, in zones east and west, with
half hours and quarters, and with midnights that don't exist. At each some lenders ask in the quiet
(``quiet``), others have calls under way as it passes (``crossing``).

In the control arm of the quiet, contracts and grants are made out for UTC instead of their zone. In that of
the crossings gateways decide and debit by what they read before the lock, on the other side of midnight
(``Guards(recheck=False, debit_under_lock=False)``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.prove.campaign import Finding, Stage
from tests.prove.latch import Latch
from tests.prove.quota.calendar import (
    FEW_ZONES,
    HOUR,
    INSTANT,
    ZONES,
    Midnight,
    first_of_each_kind,
    midnights,
)
from tests.prove.quota.clock import MovedClock
from tests.prove.quota.crossing import Crossing
from tests.prove.quota.quiet import Quiet
from tests.prove.quota.ways import several_uses, single_uses
from tests.world import World

AHEAD = timedelta(days=394)  # certificates are good for 397
RUSHED_ZONES = ZONES[:7]
USES = 6  # in a period, of those whose calls are under way
EVIDENCE = 5  # lines


@dataclass(frozen=True, slots=True)
class Year:
    """What came of all midnights that were visited with guarded gateways."""

    quiet: Quiet
    wrong: Quiet  # made out for UTC
    crossing: Crossing
    visited: Counter[str]  # why


def pass_a_year(
    stage: Stage, store: str, worlds: Sequence[World], clocks: Sequence[MovedClock], latch: Latch
) -> Year:
    """Visit midnight after midnight. The clocks are in the next year then."""
    zones = ZONES if stage.full else FEW_ZONES
    rushed = RUSHED_ZONES if stage.full else FEW_ZONES
    quiet = Quiet(single_uses(stage, worlds, zones, "quiet"))
    wrong = Quiet(single_uses(stage, worlds, FEW_ZONES, "wrong", made_out="UTC"))
    crossing = Crossing(worlds, clocks, latch, several_uses(stage, worlds, rushed, USES))
    visits = _visits(zones, full=stage.full)
    for n, together in enumerate(visits):
        at, where = together[0].at, {each.zone for each in together}
        for clock in clocks:
            clock.set(at - INSTANT)
        for each in (quiet, wrong):
            each.ask(at - INSTANT, where)
        crossing.cross(at, where)
        for each in (quiet, wrong):
            each.ask(at, where)
        stage.step(f"midnights, {store}", n + 1, len(visits))
    crossing.look_into_books()
    return Year(quiet, wrong, crossing, Counter(each.why for together in visits for each in together))


def cross_unguarded(
    stage: Stage, store: str, worlds: Sequence[World], clocks: Sequence[MovedClock], latch: Latch
) -> Crossing:
    """The control arm: a few midnights."""
    crossing = Crossing(worlds, clocks, latch, several_uses(stage, worlds, FEW_ZONES, USES))
    visits = _visits(FEW_ZONES, full=False)[: stage.size(full=6, small=3)]
    for n, together in enumerate(visits):
        for clock in clocks:
            clock.set(together[0].at - INSTANT)
        crossing.cross(together[0].at, {each.zone for each in together})
        stage.step(f"control arm, midnights, {store}", n + 1, len(visits))
    crossing.look_into_books()
    return crossing


def of_calendars(store: str, year: Year) -> Finding:
    """Each side of a midnight to its own period."""
    zones = len({way.zone for way in year.quiet.ways})
    return Finding(
        law=f"each side of a midnight is charged to its own day, week, month and year ({zones} zones)",
        store=store,
        runs=year.quiet.seen.total(),
        violations=len(year.quiet.broken),
        control="contracts and grants made out for UTC",
        control_runs=year.wrong.seen.total(),
        control_violations=len(year.wrong.broken),
        outcomes=dict(year.quiet.seen) | dict(year.visited),
        evidence=tuple(year.quiet.broken[:EVIDENCE]),
    )


def of_crossings(store: str, crossing: Crossing, control: Crossing) -> Finding:
    """No period has more than its own, whatever is under way."""
    return Finding(
        law=f"with calls under way at midnight a period of {USES} gives {USES}, to entries of its own time",
        store=store,
        runs=crossing.calls,
        violations=len(crossing.broken),
        control="decided and debited by what was read before the lock",
        control_runs=control.calls,
        control_violations=len(control.broken),
        outcomes=dict(crossing.seen),
        evidence=tuple(crossing.broken[:EVIDENCE]),
    )


def _visits(zones: Sequence[str], *, full: bool) -> list[list[Midnight]]:
    found = midnights(zones, datetime.now(UTC) + HOUR, AHEAD)
    return found if full else first_of_each_kind(found)
