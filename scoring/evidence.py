"""How well the scorecard ranks people whom it has not seen. Pure; folds are dealt by a fixed seed.

Each repeat deals the people into five folds, bad and good alike. For each fold everything is learnt again
from the other four: cuts, bins, evidence, weights and the rounding to points. So each person is scored once,
by a scorecard of the very form that ships and that has not seen them. The AUC is that of the pooled scores.

The interval is DeLong's (DeLong, DeLong and Clarke-Pearson, 1988) around the mean, with the mean of the
repeats' variances: it covers the sampling of people, not that of training sets. The spread over repeats,
which is the chance in the dealing alone, is far smaller and given apart.

It is not out of time: all outcomes are of one month. And the characteristics were chosen on these records.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring import train
from scoring.records import Records
from scoring.scorecard import Points

FOLDS = 5
_TWO_SIDED_95 = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Ranking:
    """An area under the ROC curve and its variance."""

    auc: float
    variance: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Out-of-fold AUC over repeats."""

    people: int
    bad_rate: float
    aucs: tuple[float, ...]  # one a repeat
    standard_error: float  # DeLong's

    @property
    def mean(self) -> float:
        """The mean over repeats."""
        return statistics.fmean(self.aucs)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, two-sided."""
        reach = _TWO_SIDED_95 * self.standard_error
        return self.mean - reach, self.mean + reach

    @property
    def spread(self) -> float:
        """The standard deviation over repeats; 0 for one."""
        return statistics.pstdev(self.aucs)


def evaluate(
    records: Records,
    repeats: int = 10,
    progress: Callable[[int, int], None] | None = None,
    *,
    least_months: int = train.MINIMUM_MONTHS,
) -> Evaluation:
    """Repeat the five-fold evaluation, at least once; `progress` is told folds done and folds in all.

    The people are those who get a score; `least_months=0` takes thin files too, to show what that changes.

    Raises:
        DataInvalid: Too few good or bad people to train four fifths of them.
    """
    values, bad = train.scorable(records, least_months)
    rankings = []
    for repeat in range(repeats):
        scores = np.empty(len(bad), dtype=np.int64)
        folds = deal(bad, seed=repeat)
        for fold in range(FOLDS):
            held_out = folds == fold
            model = train.fit(values[~held_out], bad[~held_out])
            scores[held_out] = train.card(model, records.sha256).scores(values[held_out])
            if progress:
                progress(repeat * FOLDS + fold + 1, repeats * FOLDS)
        rankings.append(rank(scores, bad))
    return Evaluation(
        people=len(bad),
        bad_rate=float(bad.mean()),
        aucs=tuple(each.auc for each in rankings),
        standard_error=math.sqrt(statistics.fmean(each.variance for each in rankings)),
    )


def deal(bad: train.Labels, seed: int) -> NDArray[np.int64]:
    """A fold for each person; the folds' shares of bad differ by one person at most."""
    chance = np.random.default_rng(seed)
    folds = np.empty(len(bad), dtype=np.int64)
    for outcome in (0, 1):
        people = chance.permutation(np.flatnonzero(bad == outcome))
        folds[people] = np.arange(len(people)) % FOLDS
    return folds


def rank(scores: Points, bad: train.Labels) -> Ranking:
    """The chance that a good person scores above a bad one, ties counting half, and its variance.

    There must be at least two of each.
    """
    levels, level = np.unique(scores, return_inverse=True)
    goods = np.bincount(level[bad == 0], minlength=len(levels))
    bads = np.bincount(level[bad == 1], minlength=len(levels))
    good, ill = int(goods.sum()), int(bads.sum())
    # Per level of score: the share of bad below it, and of good above it, ties halved.
    beats = (np.cumsum(bads) - bads / 2) / ill
    beaten = 1 - (np.cumsum(goods) - goods / 2) / good
    auc = float(goods @ beats / good)
    variance_good = float(goods @ (beats - auc) ** 2 / (good - 1))
    variance_bad = float(bads @ (beaten - auc) ** 2 / (ill - 1))
    return Ranking(auc, variance_good / good + variance_bad / ill)
