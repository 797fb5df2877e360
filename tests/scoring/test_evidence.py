"""The measure of the scorecard: exact, on people it has not seen, and able to say no."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import DataInvalid
from scoring.evidence import FOLDS, deal, evaluate, rank
from scoring.train import Training, scorable

scores_and_outcomes = st.lists(
    st.tuples(st.integers(350, 370), st.booleans()), min_size=4, max_size=60
).filter(lambda made: 2 <= sum(bad for _, bad in made) <= len(made) - 2)


@given(scores_and_outcomes)
def test_the_auc_is_the_chance_that_good_scores_above_bad(made: list[tuple[int, bool]]) -> None:
    good = [score for score, bad in made if not bad]
    bad = [score for score, is_bad in made if is_bad]
    # Placements as DeLong defines them, pair by pair.
    wins = np.array([[(g > b) + (g == b) / 2 for b in bad] for g in good])
    found = rank(np.array([score for score, _ in made]), np.array([int(is_bad) for _, is_bad in made]))
    assert found.auc == pytest.approx(wins.mean())
    of_good, of_bad = wins.mean(axis=1).var(ddof=1), wins.mean(axis=0).var(ddof=1)
    assert found.variance == pytest.approx(of_good / len(good) + of_bad / len(bad))


def test_folds_share_the_bad_out_evenly() -> None:
    bad = np.array([1] * 1003 + [0] * 4001)
    folds = deal(bad, seed=1)
    assert np.ptp(np.bincount(folds[bad == 1], minlength=FOLDS)) <= 1
    assert np.ptp(np.bincount(folds[bad == 0], minlength=FOLDS)) <= 1
    assert not np.array_equal(folds, deal(bad, seed=2))


def test_ten_repeats_reach_the_promised_auc(training: Training) -> None:
    told: list[tuple[int, int]] = []
    found = evaluate(training.records, repeats=10, progress=lambda *step: told.append(step))
    low, high = found.interval
    assert found.mean >= 0.765
    assert low < found.mean < high
    assert high - low < 0.02
    assert (found.people, len(found.aucs), len(set(found.aucs))) == (29_103, 10, 10)
    assert 0 < found.spread < found.standard_error
    assert told == [(n, 50) for n in range(1, 51)]


def test_taking_thin_files_too_still_reaches_it(training: Training) -> None:
    found = evaluate(training.records, repeats=2, least_months=0)
    assert found.people == 30_000
    assert found.mean >= 0.765


def test_shuffled_outcomes_teach_nothing(training: Training) -> None:
    # The negative control: any leak from the held-out fold would show here.
    shuffled = np.random.default_rng(5).permutation(training.records.bad)
    found = evaluate(replace(training.records, bad=shuffled), repeats=1)
    assert found.mean == pytest.approx(0.5, abs=0.015)


def test_the_shipped_card_ranks_its_own_sample_a_little_better_than_strangers(training: Training) -> None:
    values, bad = scorable(training.records)
    own = rank(training.scorecard.scores(values), bad).auc
    strangers = evaluate(training.records, repeats=1).mean
    assert 0 < own - strangers < 0.005


def test_too_few_people_for_five_folds_are_refused(training: Training) -> None:
    few_bad = (np.arange(30_000) < 110).astype(np.int64)
    with pytest.raises(DataInvalid, match="bad people"):
        evaluate(replace(training.records, bad=few_bad), repeats=1)
