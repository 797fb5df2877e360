"""The scorecard: integer points, the score, its reasons. Pure: no database, network or clock.

    score = clamp(350, 950, base + Σ points)      points ≈ 72.13475 · weighted evidence

The scale: 600 stands for odds of 20 good to 1 bad, and every 50 points halve the odds of bad, so

    score = 383.9036 + 72.13475 · ln(odds)        72.13475 = 50 / ln 2,  383.9036 = 600 − 72.13475 · ln 20

Rounding bound: the base and each of k characteristics are rounded once, each by at most ½ point, so an
unclamped score lies within (k + 1) / 2 points of the real-valued model: 4.5 points for eight of them,
which moves the odds by less than 7 %.

Everything is integer, so a sum does not depend on its order: one row through the standard library and a
batch through numpy give identical results, on every machine.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 350, 950
BANDS = ((350, 549), (550, 599), (600, 649), (650, 699), (700, 950))  # both ends belong to the band

FACTOR = 50 / math.log(2)
OFFSET = 600 - FACTOR * math.log(20)

MISSING = -(2**31)  # the value of a characteristic that is not known; every other value is above it
MOST_REASONS = 4

Values = NDArray[np.int32]  # [people, characteristics], in the scorecard's order
Points = NDArray[np.int64]


class Family(IntEnum):
    """A family of inputs that can be excluded; the values are those of the contract's InputFamily."""

    HISTORY = 1
    BEHAVIOUR = 2
    CAPACITY = 3
    IDENTITY = 4
    SOCIAL = 5


NONE_EXCLUDED: frozenset[Family] = frozenset()


class Trend(Enum):
    """How points move as the value grows: fixed by sense beforehand, never learnt from the sample."""

    RISING = "RISING"
    FALLING = "FALLING"


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One input and its points. Bin i holds the values from edges[i-1], included, to edges[i], excluded."""

    name: str
    family: Family
    trend: Trend
    edges: tuple[int, ...]  # strictly rising
    points: tuple[int, ...]  # one more than edges; never against the trend
    missing_points: int
    average_points: int  # the population's mean, rounded; stands in when the family is excluded
    reason_code: str  # this characteristic's alone
    reason_text: str  # a sentence for lenders

    def points_for(self, value: int) -> int:
        """Points for one value; MISSING has its own."""
        if value == MISSING:
            return self.missing_points
        return self.points[bisect_right(self.edges, value)]

    def points_for_all(self, values: NDArray[np.int32]) -> Points:
        """The same for a column of values."""
        bins = np.searchsorted(np.array(self.edges, dtype=np.int32), values, side="right")
        points = np.array(self.points, dtype=np.int64)[bins]
        return np.where(values == MISSING, self.missing_points, points)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the sample's odds became the scale's. Decimals, so that the artefact's text is exact."""

    factor: Decimal
    offset: Decimal
    sample_log_odds: Decimal  # ln(good : bad) of the people it was trained on
    reference_bad_rate: Decimal  # of the portfolio that the scale's odds refer to
    shift: Decimal  # added to the intercept: ln(odds of the reference) − sample_log_odds


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A trained, additive scorecard and what must be known to use it."""

    name: str
    version: str
    characteristics: tuple[Characteristic, ...]
    base_points: int
    calibration: Calibration
    minimum_months: int  # fewer active months than this is a thin file
    epochs: tuple[date, ...]  # rising; the days as of which people can be scored
    first_month: str  # of the training window, "2005-04"
    last_month: str
    training_data_sha256: str
    sunset: date  # the last day on which it may be used

    def score_row(
        self, values: Sequence[int], excluded: frozenset[Family] = NONE_EXCLUDED
    ) -> tuple[int, tuple[str, ...]]:
        """The score of one person and at most four reason codes, strongest first.

        An excluded family contributes its average points, and never a reason.
        """
        total = self.base_points
        short: list[tuple[int, int]] = []
        for position, (each, value) in enumerate(zip(self.characteristics, values, strict=True)):
            if each.family in excluded:
                total += each.average_points
                continue
            points = each.points_for(value)
            total += points
            if points < each.average_points:
                short.append((points - each.average_points, position))
        short.sort()
        codes = tuple(self.characteristics[position].reason_code for _, position in short[:MOST_REASONS])
        return min(max(total, LOWEST), HIGHEST), codes

    def score_rows(
        self, values: Values, excluded: Sequence[frozenset[Family]]
    ) -> tuple[list[int], list[tuple[str, ...]]]:
        """What score_row gives, for many people at once; `excluded` holds one set a row."""
        averages = np.array([each.average_points for each in self.characteristics], dtype=np.int64)
        points = self.points(values)
        if any(excluded):
            points = np.where(self._left_out(excluded), averages, points)
        return self._clamped(points).tolist(), self._reasons(averages - points)

    def scores(self, values: Values) -> Points:
        """The scores alone, with nothing excluded."""
        return self._clamped(self.points(values))

    def points(self, values: Values) -> Points:
        """Points for each person and characteristic, with nothing excluded."""
        columns = (each.points_for_all(values[:, i]) for i, each in enumerate(self.characteristics))
        return np.stack(list(columns), axis=1)

    def contributions(self, values: Sequence[int]) -> tuple[int, ...]:
        """Points above (or, negative, below) the population's average, one for each characteristic, in order.

        Base, averages and contributions together are the score before it is held to the scale's ends.
        """
        return tuple(
            each.points_for(value) - each.average_points
            for each, value in zip(self.characteristics, values, strict=True)
        )

    def families(self, excluded: frozenset[Family] = NONE_EXCLUDED) -> tuple[Family, ...]:
        """The families that a score rests on, in the contract's order."""
        return tuple(sorted({each.family for each in self.characteristics} - excluded))

    def _clamped(self, points: Points) -> Points:
        total: Points = self.base_points + points.sum(axis=1)
        return total.clip(LOWEST, HIGHEST)

    def _left_out(self, excluded: Sequence[frozenset[Family]]) -> NDArray[np.bool_]:
        # Few different sets occur in one batch: one mask for each, then one look-up a row.
        masks = {one: n for n, one in enumerate(dict.fromkeys(excluded))}
        table = [[each.family in one for each in self.characteristics] for one in masks]
        return np.array(table, dtype=np.bool_)[[masks[one] for one in excluded]]

    def _reasons(self, short: Points) -> list[tuple[str, ...]]:
        # The sort is stable, so ties stand in the scorecard's order, as in score_row.
        order = np.argsort(-short, axis=1, kind="stable")[:, :MOST_REASONS]
        nothing = len(self.characteristics)
        order[np.take_along_axis(short, order, axis=1) <= 0] = nothing
        codes = [each.reason_code for each in self.characteristics]
        found: dict[tuple[int, ...], tuple[str, ...]] = {}
        reasons = []
        for row in map(tuple, order.tolist()):
            if (known := found.get(row)) is None:
                known = found[row] = tuple(codes[i] for i in row if i != nothing)
            reasons.append(known)
        return reasons


def band_shares(scores: Points) -> tuple[float, ...]:
    """The share of people in each of BANDS."""
    counts = [int(np.count_nonzero((scores >= low) & (scores <= high))) for low, high in BANDS]
    return tuple(count / len(scores) for count in counts)
