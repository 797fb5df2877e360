"""Training: the same bytes every time, from what may be used, within the promised rounding."""

import gzip
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cards import csv_lines, write_csv

from scoring import artefact
from scoring.errors import DataInvalid
from scoring.features import FEATURES
from scoring.records import UCI_CARD
from scoring.scorecard import FACTOR, HIGHEST, LOWEST, OFFSET, band_shares
from scoring.train import REFERENCE_BAD_RATE, Training, fit, scorable, train

ROOT = Path(__file__).parents[2]


def test_another_process_trains_the_same_bytes(training: Training) -> None:
    script = (
        "import hashlib; from scoring.train import train; made = train();"
        "print(hashlib.sha256(made.artefact).hexdigest(), hashlib.sha256(made.population).hexdigest())"
    )
    other = {
        **os.environ,
        "PYTHONHASHSEED": "4711",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "TZ": "Asia/Taipei",
    }
    told = subprocess.run(
        [sys.executable, "-c", script], env=other, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [artefact.digest(training.artefact), artefact.digest(training.population)]


def test_the_model_changes_only_on_purpose(training: Training) -> None:
    # Pinned: whoever changes a feature, a bin or a text sees here that lenders get another model.
    assert f"{training.scorecard.name}@{training.scorecard.version}" == "uci-card@1.418f0e71"


def test_permuting_the_protected_columns_changes_no_byte(training: Training, tmp_path: Path) -> None:
    lines = [line.split(",") for line in gzip.decompress(UCI_CARD.read_bytes()).decode().splitlines()]
    header, people = lines[0], lines[1:]
    for shift, name in enumerate(["SEX", "EDUCATION", "MARRIAGE", "AGE"], start=1):
        column = header.index(name)
        cells = [person[column] for person in people]
        for person, cell in zip(people, cells[shift * 1000 :] + cells[: shift * 1000], strict=True):
            person[column] = cell
    again = train(write_csv(tmp_path / "permuted.csv.gz", [",".join(line) for line in lines]))
    assert again.artefact == training.artefact
    assert again.population == training.population


@pytest.mark.parametrize("protected", [b"SEX", b"AGE", b"MARRIAGE", b"EDUCATION"])
def test_neither_artefact_nor_population_names_a_protected_attribute(
    training: Training, protected: bytes
) -> None:
    assert protected not in training.artefact
    assert protected not in training.population.upper()[:1000]


def test_the_outcome_does_matter(training: Training) -> None:
    values, bad = scorable(training.records)
    assert fit(values, np.roll(bad, 1)).characteristics != fit(values, bad).characteristics


def test_every_feature_earns_its_place(training: Training) -> None:
    assert [each.name for each in training.scorecard.characteristics] == [each.name for each in FEATURES]
    assert all(len(each.points) > 1 for each in training.scorecard.characteristics)


def test_every_band_is_populated(training: Training) -> None:
    shares = band_shares(training.scorecard.scores(scorable(training.records)[0]))
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0.01


def test_rounding_moves_nobody_further_than_half_a_point_for_each_term(training: Training) -> None:
    values, bad = scorable(training.records)
    model = fit(values, bad)
    rounded = training.scorecard.base_points + training.scorecard.points(values).sum(axis=1)
    bound = (len(model.characteristics) + 1) / 2
    assert bound == 4.5
    assert np.abs(rounded - model.exact(values)).max() <= bound
    assert LOWEST < rounded.min() <= rounded.max() < HIGHEST  # so that clamping hides nothing here


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=30))
def test_the_rounding_bound_holds_for_any_terms(terms: list[float]) -> None:
    exact = sum(FACTOR * term for term in terms)
    assert abs(sum(round(FACTOR * term) for term in terms) - exact) <= len(terms) / 2 + 1e-9


def test_the_scale_refers_to_a_portfolio_with_five_percent_bad(training: Training) -> None:
    _, bad = scorable(training.records)
    scale = training.scorecard.calibration
    assert float(scale.sample_log_odds) == pytest.approx(math.log((1 - bad.mean()) / bad.mean()), abs=1e-8)
    assert float(scale.sample_log_odds + scale.shift) == pytest.approx(math.log(0.95 / 0.05), abs=1e-7)
    assert float(scale.reference_bad_rate) == REFERENCE_BAD_RATE
    assert (float(scale.factor), float(scale.offset)) == pytest.approx((FACTOR, OFFSET), abs=1e-8)


def test_without_the_shift_the_score_predicts_the_samples_own_bad_rate(training: Training) -> None:
    values, bad = scorable(training.records)
    log_odds = (fit(values, bad).exact(values) - OFFSET) / FACTOR - float(
        training.scorecard.calibration.shift
    )
    assert (1 / (1 + np.exp(log_odds))).mean() == pytest.approx(bad.mean(), abs=1e-6)


def test_averages_are_the_populations(training: Training) -> None:
    points = training.scorecard.points(scorable(training.records)[0])
    for each, mean in zip(training.scorecard.characteristics, points.mean(axis=0), strict=True):
        assert abs(each.average_points - mean) <= 0.5
        assert each.missing_points == each.average_points


def test_too_few_bad_people_are_too_few(tmp_path: Path) -> None:
    people = [{"default_next_month": int(n < 99), "BILL_AMT1": n} for n in range(400)]
    with pytest.raises(DataInvalid, match="301 good and 99 bad"):
        train(write_csv(tmp_path / "few.csv.gz", csv_lines(people)))
    people[99]["default_next_month"] = 1
    assert train(write_csv(tmp_path / "enough.csv.gz", csv_lines(people))).scorecard.characteristics


def test_training_tells_its_steps(tmp_path: Path) -> None:
    told: list[str] = []
    people = [{"default_next_month": n % 2} for n in range(300)]
    train(write_csv(tmp_path / "cards.csv.gz", csv_lines(people)), progress=told.append)
    assert len(told) == 3
