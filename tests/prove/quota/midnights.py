"""Where a day, a week, a month or a year ends, by the calendar of the contract or of the grant.

The gateways' clocks are moved through the next thirteen months: to the last microsecond before, and to the
first of, every month and every day that follows on or is one without 24 hours, in zones east and west, with
half hours and quarters, and with midnights that don't exist.

In the quiet (``Quiet``) lenders with a single unit or use in a period ask at each of these instants. What
should come of it is known from a calendar of the model's own. In the control arm contracts and grants are
made out for UTC instead of their zone.

Across a midnight (``Crossing``) lenders with six have calls under way on both sides: some are answered at the
last instant; more come then, and wait, for a stranger holds the ledger's lock; the clocks of half of the
gateways move on, still more calls come, and the lock is let go; then the other clocks follow, and calls come
until the new period is used up as well. Whatever the mix, an entry names the periods of its own time, none
has more than six, the new one exactly six. The control arm decides and debits by what was read before the
lock, on the other side of midnight (``Guards(recheck=False, debit_under_lock=False)``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import moment
from scoregate.proof import leaf
from tests.prove.callers import Asked, answers, ask, reasons
from tests.prove.campaign import Finding, Stage
from tests.prove.quota.books import Books, open_books
from tests.prove.quota.calendar import (
    FEW_ZONES,
    HOUR,
    INSTANT,
    ZONES,
    Midnight,
    first_of_each_kind,
    midnights,
    period,
    today,
)
from tests.prove.quota.clock import MovedClock
from tests.prove.quota.latch import Latch
from tests.prove.quota.ways import D, M, Way, several_uses, single_uses
from tests.world import World

AHEAD = timedelta(days=394)  # certificates are good for 397
RUSHED_ZONES = ZONES[:7]
USES = 6  # in a period, of those who rush
WAVE = 8  # calls of each, four times at a midnight
EVIDENCE = 5  # lines
OUTCOMES = (
    "asked before, answered before",
    "asked before, answered behind",
    "asked behind, answered behind",
    "refused before",
    "refused behind",
)


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


@dataclass(slots=True)
class Quiet:
    """Lenders with a single use in a period, and what should come of their calls."""

    ways: Sequence[Way]
    seen: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    _used: set[tuple[Way, str]] = field(default_factory=set)

    def ask(self, at: datetime, zones: Iterable[str]) -> None:
        """All of these zones ask at once, and then the daily ones once more; the clocks show ``at``."""
        asking = [way for way in self.ways if way.zone in zones]
        for wave in (asking, [way for way in asking if way.unit is D]):
            calls = [(way, ask(way.places[0].channel, way.places[0].query(way.consent_id))) for way in wave]
            for way, call in calls:
                self._judge(way, at, call)

    def _judge(self, way: Way, at: datetime, call: Asked) -> None:
        now = period(way.unit, at, way.zone)
        expected = way.refusal if (way, now) in self._used else "answered"
        self._used.add((way, now))
        outcome = call.answer()
        [came] = reasons(outcome) or ["answered"]
        self.seen[came] += 1
        where = f"{way.lender} by the {way.unit} at {at.isoformat()} in {way.zone}"
        if came != expected:
            self.broken.append(f"{where}: {came}, where {expected} was due")
        for answer in answers(outcome):
            self.broken += _charged_wrong(way, leaf.decode(answer.receipt.leaf), at)


class Crossing:
    """Lenders with several uses in a period, whose calls are under way when midnight comes."""

    def __init__(
        self, worlds: Sequence[World], clocks: Sequence[MovedClock], latch: Latch, ways: list[Way]
    ) -> None:
        self._world, self._clocks, self._latch, self._ways = worlds[0], clocks, latch, ways
        self._begin = self._world.log_size()
        self._held: dict[str, list[int]] = {way.lender: [] for way in ways}
        self._refused: Counter[str] = Counter()  # by lender
        self._crossed: dict[Way, list[datetime]] = {way: [] for way in ways}
        self.calls = 0
        self.seen: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.broken: list[str] = []

    def cross(self, at: datetime, zones: Iterable[str]) -> None:
        """All that have a period of these zones end at ``at``; the clocks show the instant before."""
        ways = [
            way for way in self._ways if way.zone in zones and (way.unit is D or today(at, way.zone).day == 1)
        ]
        first = self._send(ways)
        for way, call in first[: len(ways) * WAVE // 2]:
            self._take(way, call, at, "before")
        with self._latch.held():
            second = self._send(ways)
            self._latch.let_them_come()
            for clock in self._clocks[::2]:
                clock.set(at)
            third = self._send(ways)
            self._latch.let_them_come()
        for way, call in first[len(ways) * WAVE // 2 :] + second:
            self._take(way, call, at, "before")
        for way, call in third:
            self._take(way, call, at, "behind")
        for clock in self._clocks:
            clock.set(at)
        for way, call in self._send(ways):
            self._take(way, call, at, "behind")
        for way in ways:
            self._crossed[way].append(at)

    def _send(self, ways: Sequence[Way]) -> list[tuple[Way, Asked]]:
        places = [(way, way.places[n % len(way.places)]) for n in range(WAVE) for way in ways]
        return [(way, ask(place.channel, place.query(way.consent_id))) for way, place in places]

    def _take(self, way: Way, call: Asked, at: datetime, asked: str) -> None:
        outcome = call.answer()
        self.calls += 1
        for reason in reasons(outcome):
            self._refused[way.lender] += 1
            if reason != way.refusal:
                self.broken.append(f"{way.lender} at {at.isoformat()}: refused for {reason}")
        for answer in answers(outcome):
            self._held[way.lender].append(answer.receipt.leaf_index)
            is_behind = moment(leaf.decode(answer.receipt.leaf).time_micros) >= at
            self.seen[f"asked {asked}, answered {'behind' if is_behind else 'before'}"] += 1

    def look_into_books(self) -> None:
        """Hold what the log and the meters say against the calendar, and against what lenders have."""
        books = open_books(self._world, [way.lender for way in self._ways], self._begin)
        for way in self._ways:
            self.broken += self._wrong(way, books[way.lender])
            ends = self._crossed[way]
            for entry in books[way.lender].refused:
                side = "behind" if moment(entry.time_micros) in ends else "before"
                self.seen[f"refused {side}"] += 1

    def _wrong(self, way: Way, books: Books) -> Iterator[str]:
        who = f"{way.lender} by the {way.unit} in {way.zone}"
        counts: Counter[str] = Counter()
        for entry in books.released.values():
            counts[period(way.unit, moment(entry.time_micros), way.zone)] += 1
            yield from _charged_wrong(way, entry, moment(entry.time_micros))
        for name, count in counts.items():
            if count > way.limit:
                yield f"{who}: {count} answers in {name}"
        for at in self._crossed[way]:
            if counts[period(way.unit, at, way.zone)] < way.limit:
                yield f"{who}: only {counts[period(way.unit, at, way.zone)]} answers from {at.isoformat()} on"
        if books.metered != books.charged:
            yield f"{who}: the meters say {books.metered}, the entries {books.charged}"
        if sorted(self._held[way.lender]) != sorted(books.released):
            yield f"{who}: {len(self._held[way.lender])} answers, {len(books.released)} entries"
        if self._refused[way.lender] != len(books.refused):
            yield f"{who}: {self._refused[way.lender]} refusals, {len(books.refused)} entries"


def _charged_wrong(way: Way, entry: leaf_pb2.Leaf, at: datetime) -> Iterator[str]:
    due = [period(D, at, way.meter), period(M, at, way.meter)]
    if list(entry.quota_periods) != due:
        charged = list(entry.quota_periods)
        yield f"{way.lender} at {at.isoformat()}: charged to {charged}, where {due} were due"
