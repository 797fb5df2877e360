"""Lenders with a single unit or use in a period, who ask on both sides of a midnight and wait for the answer.

What should come of each call is known from the model's own calendar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from scoregate.proof import leaf
from tests.prove.callers import Asked, answers, ask, reasons
from tests.prove.quota.calendar import period
from tests.prove.quota.ways import D, Way


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
            self.broken += way.charged_wrong(leaf.decode(answer.receipt.leaf), at)
