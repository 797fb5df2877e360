"""What a feature is: a named whole number, its dimension, trend and reason. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.records import Known, Whole
from scoring.scorecard import MISSING, Family, Trend

WHOLE_SHARE = 10_000  # shares are in basis points, rounded down
_LARGEST = 10**9  # keeps every value within 32 bits


@dataclass(frozen=True, slots=True)
class Feature:
    """One input, before any points."""

    name: str
    family: Family
    trend: Trend
    reason_code: str
    reason_text: str
    measure: Callable[[Known], Whole]  # [people]; MISSING where the months known do not tell


def share(part: Whole, whole: Whole | int) -> Whole:
    """`part` of a positive `whole` in basis points, rounded down."""
    points: Whole = part * WHOLE_SHARE // whole
    return points.clip(-_LARGEST, _LARGEST)


def count(where: NDArray[np.bool_]) -> Whole:
    """How many months are true for each person."""
    months: Whole = where.sum(axis=1, dtype=np.int64)
    return months


def missing(known: Known) -> Whole:
    """MISSING for everybody."""
    return np.full(len(known.limit), MISSING, dtype=np.int64)
