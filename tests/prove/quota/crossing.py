"""Lenders with several uses in a period, whose calls are under way on both sides of a midnight.

Some are answered at the last instant; more come then, and wait, for a stranger holds the ledger's lock; the
clocks of half of the gateways move on, still more calls come, and the lock is let go; then the other clocks
follow, and calls come until the new period is used up as well. Whatever the mix, an entry names the periods
of its own time, no period has more answers than it may, and the new one exactly as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from scoregate.instants import moment
from scoregate.proof import leaf
from tests.prove.callers import Asked, answers, ask, reasons
from tests.prove.latch import Latch
from tests.prove.quota.books import Books, open_books, unbalanced
from tests.prove.quota.calendar import period, today
from tests.prove.quota.clock import MovedClock
from tests.prove.quota.ways import D, Way
from tests.world import World

WAVE = 8  # calls of each, four times at a midnight
OUTCOMES = (
    "asked before, answered before",
    "asked before, answered behind",
    "asked behind, answered behind",
    "refused before",
    "refused behind",
)


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
        self.broken += unbalanced(self._world)
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
            yield from way.charged_wrong(entry, moment(entry.time_micros))
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
