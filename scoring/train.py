"""Trains the scorecard: monotone bins → weight of evidence → logistic → integer points. No clock.

Two trainings on the same records give identical bytes: nothing here depends on time, chance, hash order or
the machine's name. The outcome is default in the month after the last epoch; the people are those with enough
months on record, the very people who get a score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring import artefact, binning, logistic, population, records
from scoring.errors import DataInvalid
from scoring.features import FEATURES, Feature, active_months, measure
from scoring.scorecard import FACTOR, OFFSET, Calibration, Characteristic, Scorecard, Values

NAME = "uci-card"
# A development model on old records. A constant, so that training does not depend on the day it runs.
SUNSET = date(2030, 12, 31)
# One month shows no conduct over time. With two as the least, 897 of the 30,000 are thin at the last epoch
# (one month or none, and 35 % of them default: to score them low would be to score their absence), and
# everybody is thin at the first epoch, when one month is known.
MINIMUM_MONTHS = 2
# The portfolio that the scale's odds refer to. The sample, at 22 % bad, would put most people below 550.
REFERENCE_BAD_RATE = 0.05
# Below this, bins and odds would be noise.
LEAST_GOOD = LEAST_BAD = 100

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model before and after rounding; the two differ by at most (k + 1) / 2 points."""

    intercept: float  # ln(odds of good) at zero evidence, on the reference portfolio
    weights: tuple[float, ...]
    bins: tuple[binning.Bins, ...]
    base_points: int
    calibration: Calibration
    characteristics: tuple[Characteristic, ...]

    def exact(self, values: Values) -> NDArray[np.float64]:
        """The real-valued score before rounding and clamping."""
        evidence = [each.weigh(values[:, n]) for n, each in enumerate(self.bins)]
        log_odds: NDArray[np.float64] = self.intercept + np.stack(evidence, axis=1) @ np.array(self.weights)
        return OFFSET + FACTOR * log_odds


@dataclass(frozen=True, slots=True)
class Training:
    """What one training made."""

    records: records.Records
    scorecard: Scorecard
    artefact: bytes  # the scorecard's canonical JSON
    population: bytes  # everybody's values at every epoch, for serving


def train(csv_path: Path = records.UCI_CARD, progress: Callable[[str], None] | None = None) -> Training:
    """Train on a file of UCI card records; `progress` is told each step in a few words.

    Raises:
        DataInvalid: The file cannot be read, or holds too few good or bad people.
    """
    tell = progress or (lambda _: None)
    tell("Reading the records")
    known = records.read(csv_path)
    tell("Fitting the scorecard")
    scorecard = card(fit(*scorable(known)), known.sha256)
    tell("Packing the population at every epoch")
    return Training(known, scorecard, artefact.encode(scorecard), population.pack(scorecard, known))


def card(model: Model, training_data_sha256: str) -> Scorecard:
    """The scorecard that ships: the model's points with all that must be known to use them."""
    return artefact.versioned(
        Scorecard(
            name=NAME,
            version="",
            characteristics=model.characteristics,
            base_points=model.base_points,
            calibration=model.calibration,
            minimum_months=MINIMUM_MONTHS,
            epochs=records.EPOCHS,
            first_month=min(records.MONTHS),
            last_month=max(records.MONTHS),
            training_data_sha256=training_data_sha256,
            sunset=SUNSET,
        )
    )


def scorable(known: records.Records, least_months: int = MINIMUM_MONTHS) -> tuple[Values, Labels]:
    """Values and outcomes at the last epoch, of the people with enough months."""
    thick = active_months(known.latest) >= least_months
    return measure(known.latest)[thick], known.bad[thick]


def fit(values: Values, bad: Labels, features: Sequence[Feature] = FEATURES) -> Model:
    """Fit the model to people's values (in the features' order) and outcomes."""
    bads, goods = int(bad.sum()), int(len(bad) - bad.sum())
    if goods < LEAST_GOOD or bads < LEAST_BAD:
        raise DataInvalid(
            f"{goods} good and {bads} bad people with enough months on record; "
            f"training needs {LEAST_GOOD} and {LEAST_BAD}",
            "Give it more records",
        )
    bins = tuple(binning.bins(values[:, n], bad, each.trend) for n, each in enumerate(features))
    evidence = np.stack([each.weigh(values[:, n]) for n, each in enumerate(bins)], axis=1)
    intercept, weights = logistic.fit_nonnegative(evidence, (1 - bad).astype(np.float64))
    sample = math.log(goods / bads)
    shift = math.log((1 - REFERENCE_BAD_RATE) / REFERENCE_BAD_RATE) - sample
    return Model(
        intercept=intercept + shift,
        weights=tuple(weights.tolist()),
        bins=bins,
        base_points=round(OFFSET + FACTOR * (intercept + shift)),
        calibration=Calibration(
            factor=_decimal(FACTOR),
            offset=_decimal(OFFSET),
            sample_log_odds=_decimal(sample),
            reference_bad_rate=_decimal(REFERENCE_BAD_RATE),
            shift=_decimal(shift),
        ),
        characteristics=tuple(
            _characteristic(each, bins[n], float(weights[n]), values[:, n]) for n, each in enumerate(features)
        ),
    )


def _characteristic(
    feature: Feature, bins: binning.Bins, weight: float, values: NDArray[np.int32]
) -> Characteristic:
    points = tuple(round(FACTOR * weight * evidence) for evidence in bins.evidence)
    counts = np.bincount(np.searchsorted(np.array(bins.edges), values, side="right"), minlength=len(points))
    total = sum(count * each for count, each in zip(counts.tolist(), points, strict=True))
    average = (2 * total + len(values)) // (2 * len(values))  # the mean, rounded half up, in whole numbers
    # Neighbours whose points round to the same are one bin from here on.
    steps = [n for n in range(1, len(points)) if points[n] != points[n - 1]]
    return Characteristic(
        name=feature.name,
        family=feature.family,
        trend=feature.trend,
        edges=tuple(bins.edges[n - 1] for n in steps),
        points=(points[0], *(points[n] for n in steps)),
        # The training rows know every month, so nothing can be learnt about a missing value: it is neutral.
        missing_points=average,
        average_points=average,
        reason_code=feature.reason_code,
        reason_text=feature.reason_text,
    )


def _decimal(number: float) -> Decimal:
    return Decimal(f"{number:.8f}")
