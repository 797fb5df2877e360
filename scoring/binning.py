"""Monotone bins and their weight of evidence. Pure.

A value's range is cut at twenty quantiles; then neighbours are pooled until the bad rate moves one way only
(pool adjacent violators, the isotonic regression of Ayer et al., 1955), every bin holds its least share of
people, and every bin has both good and bad people in it, so that every logarithm exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.scorecard import Trend

CUTS = 20
LEAST_SHARE = 0.02


@dataclass(slots=True)
class _Pool:
    start: int  # the first cut's position
    good: int
    bad: int

    def take(self, other: _Pool) -> None:
        self.good += other.good
        self.bad += other.bad


@dataclass(frozen=True, slots=True)
class Bins:
    """Bin i holds the values from edges[i-1], included, to edges[i], excluded."""

    edges: tuple[int, ...]  # strictly rising; may be empty
    evidence: tuple[float, ...]  # one more than edges: ln(good : bad in the bin) − ln(good : bad overall)

    def weigh(self, values: NDArray[np.int32]) -> NDArray[np.float64]:
        """The weight of evidence of each value."""
        edges = np.array(self.edges, dtype=np.int32)
        return np.array(self.evidence)[np.searchsorted(edges, values, side="right")]


def bins(values: NDArray[np.int32], bad: NDArray[np.int64], trend: Trend) -> Bins:
    """Bins of `values` whose evidence never moves against `trend`.

    `bad` is 1 or 0 for each value, and both must occur.
    """
    cuts = np.unique(np.quantile(values, np.arange(1, CUTS) / CUTS, method="higher"))
    cuts = cuts[cuts > values.min()]
    places = np.searchsorted(cuts, values, side="right")
    people = np.bincount(places, minlength=len(cuts) + 1)
    bads = np.bincount(places, weights=bad, minlength=len(cuts) + 1).astype(np.int64)
    pools = _pool((people - bads).tolist(), bads.tolist(), trend, least=math.ceil(LEAST_SHARE * len(values)))
    overall = math.log((len(values) - bad.sum()) / bad.sum())
    return Bins(
        edges=tuple(int(cuts[pool.start - 1]) for pool in pools[1:]),
        evidence=tuple(math.log(pool.good / pool.bad) - overall for pool in pools),
    )


def _pool(goods: list[int], bads: list[int], trend: Trend, least: int) -> list[_Pool]:
    """Neighbouring counts pooled as the module says; one pool if nothing else will do."""

    def small(pool: _Pool) -> bool:
        return pool.good + pool.bad < least or not pool.good or not pool.bad

    def against(left: _Pool, right: _Pool) -> bool:
        # Odds compared by cross multiplication, in whole numbers. Equal odds are one bin.
        rise = right.good * left.bad - left.good * right.bad
        return rise <= 0 if trend is Trend.RISING else rise >= 0

    pools: list[_Pool] = []
    for start, (good, bad) in enumerate(zip(goods, bads, strict=True)):
        pools.append(_Pool(start, good, bad))
        while len(pools) > 1 and (small(pools[-2]) or against(pools[-2], pools[-1])):
            last = pools.pop()
            pools[-1].take(last)
    # Only the last pool can still be small. Pooled with its neighbour it keeps the order.
    while len(pools) > 1 and small(pools[-1]):
        last = pools.pop()
        pools[-1].take(last)
    return pools
