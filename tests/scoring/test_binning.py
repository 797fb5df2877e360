"""Bins that move one way, and weights that never turn against their evidence."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from scoring import logistic
from scoring.binning import LEAST_SHARE, bins
from scoring.scorecard import Trend

people = st.lists(st.tuples(st.integers(-30, 30), st.booleans()), min_size=2, max_size=300).filter(
    lambda made: len({bad for _, bad in made}) == 2
)


def arrays(made: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.array([value for value, _ in made], dtype=np.int32),
        np.array([bad for _, bad in made], dtype=np.int64),
    )


@given(people, st.sampled_from(Trend))
def test_bins_follow_their_trend_and_hold_enough_of_both(made: list[tuple[int, bool]], trend: Trend) -> None:
    values, bad = arrays(made)
    found = bins(values, bad, trend)
    steps = [after - before for before, after in itertools.pairwise(found.evidence)]
    assert all(step > 0 if trend is Trend.RISING else step < 0 for step in steps)
    assert all(before < after for before, after in itertools.pairwise(found.edges))
    place = np.searchsorted(np.array(found.edges), values, side="right")
    for n in range(len(found.evidence)):
        here = place == n
        assert here.sum() >= LEAST_SHARE * len(values)
        assert 0 < bad[here].sum() < here.sum()


@given(people, st.sampled_from(Trend))
def test_evidence_is_the_log_odds_of_the_bin_against_all(made: list[tuple[int, bool]], trend: Trend) -> None:
    values, bad = arrays(made)
    found = bins(values, bad, trend)
    overall = math.log((len(bad) - bad.sum()) / bad.sum())
    for evidence in found.evidence:
        inside = bad[found.weigh(values) == evidence]
        assert evidence == pytest.approx(math.log((len(inside) - inside.sum()) / inside.sum()) - overall)


def test_one_value_makes_one_bin_without_evidence() -> None:
    found = bins(np.full(10, 7, dtype=np.int32), np.array([0, 1] * 5), Trend.RISING)
    assert (found.edges, found.evidence) == ((), (0.0,))


def test_a_trend_against_the_data_makes_one_bin() -> None:
    values, bad = (
        np.arange(1000, dtype=np.int32),
        (np.arange(1000) % 10 < np.arange(1000) // 100).astype(np.int64),
    )
    assert len(bins(values, bad, Trend.FALLING).edges) > 1
    assert bins(values, bad, Trend.RISING).edges == ()


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    columns = chance.normal(size=(800, 4))
    odds = columns @ np.array([1.0, 0.5, -0.7, 0.0]) + 0.3
    return columns, (chance.random(800) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def test_the_logistic_agrees_with_scikit_learn() -> None:
    columns, outcome = sample(1)
    intercept, weights = logistic.fit(columns, outcome)
    theirs = LogisticRegression(C=1 / logistic.PENALTY, tol=1e-10, max_iter=1000).fit(columns, outcome)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-6)
    assert weights == pytest.approx(theirs.coef_[0], abs=1e-6)


def test_no_weight_is_negative_and_the_rest_is_fitted_without_it() -> None:
    columns, outcome = sample(2)
    assert logistic.fit(columns, outcome)[1][2] < 0
    _, weights = logistic.fit_nonnegative(columns, outcome)
    assert weights.min() == 0
    kept = weights > 0
    assert weights[kept] == pytest.approx(logistic.fit(columns[:, kept], outcome)[1])


def test_evidence_that_only_misleads_is_left_out_altogether() -> None:
    columns, outcome = sample(3)
    intercept, weights = logistic.fit_nonnegative(-columns[:, :2], outcome)
    assert weights.tolist() == [0, 0]
    assert intercept == pytest.approx(math.log(outcome.mean() / (1 - outcome.mean())))
