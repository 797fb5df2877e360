"""The characteristics: exact at their boundaries, and blind to the future."""

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest

from scoring.features import FEATURES, active_months, measure
from scoring.records import EPOCHS, Known, Records
from scoring.scorecard import MISSING, Family
from scoring.train import MINIMUM_MONTHS, Training


def person(
    limit: int = 1000,
    status: tuple[int, ...] = (0, 0, 0),
    bill: tuple[int, ...] = (0, 0, 0),
    paid: tuple[int, ...] = (0, 0, 0),
) -> Known:
    return Known(np.array([limit]), np.array([status]), np.array([bill]), np.array([paid]))


def value(name: str, known: Known) -> int:
    return int(next(each for each in FEATURES if each.name == name).measure(known)[0])


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        *(("behind_now", person(status=(n, 0, 8)), max(n, 0)) for n in (-2, -1, 0, 1, 8)),
        ("behind_before", person(status=(8, 8, 3, 5, -2)), 5),
        ("behind_before", person(status=(8, 8, -2)), 0),
        ("behind_before", person(status=(8, 8)), MISSING),
        ("late_share", person(status=(1, 0, -1, 2, -2, 0)), 3333),
        ("late_share", person(status=(0, -1, -2)), 0),
        ("late_share", person(status=(1, 2, 8)), 10_000),
        ("paid_now", person(paid=(7, 9, 9)), 7),
        ("paid_before", person(paid=(1000, 10, 5)), 7),
        ("paid_before", person(paid=(1000,)), MISSING),
        ("unpaid_share", person(paid=(0, 1, 0)), 6666),
        ("limit", person(limit=12345), 12345),
        ("peak_use", person(limit=3000, bill=(0, 1000, -5)), 3333),
        ("peak_use", person(limit=1000, bill=(1500, 0, 0)), 15_000),
        ("peak_use", person(limit=1000, bill=(-1, -5, -9)), -10),
        ("peak_use", person(limit=1, bill=(999_999_999, 0, 0)), 10**9),
    ],
)
def test_a_characteristic_by_hand(name: str, known: Known, expected: int) -> None:
    assert value(name, known) == expected


@pytest.mark.parametrize(
    ("known", "months"),
    [
        (person(status=(-2, -2, -2)), 0),
        (person(status=(-2, -1, -2)), 1),
        (person(status=(-2, -2, -2), bill=(0, 0, -3)), 1),
        (person(status=(-2, -2, -2), paid=(1, 0, 0)), 1),
        (person(status=(-2, -2, -2), bill=(1, 0, 0), paid=(1, 0, 0)), 1),
        (person(status=(0, 0, 0)), 3),
    ],
)
def test_a_month_is_active_by_bill_payment_or_status(known: Known, months: int) -> None:
    assert active_months(known).tolist() == [months]


def scrambled_after(records: Records, epoch: date) -> Records:
    """The same records with every month that the epoch does not know replaced by something else."""
    unknown = len(EPOCHS) - 1 - EPOCHS.index(epoch)
    latest = records.latest
    changed = {}
    for name in ("status", "bill", "paid"):
        months = getattr(latest, name).copy()
        months[:, :unknown] = months[::-1, :unknown] + 7
        changed[name] = months
    return replace(records, latest=replace(latest, **changed), bad=1 - records.bad)


@pytest.mark.parametrize("epoch", EPOCHS)
def test_changing_later_months_changes_no_earlier_epoch(training: Training, epoch: date) -> None:
    now, other = training.records, scrambled_after(training.records, epoch)
    assert np.array_equal(measure(now.as_of(epoch)), measure(other.as_of(epoch)))
    assert np.array_equal(active_months(now.as_of(epoch)), active_months(other.as_of(epoch)))


@pytest.mark.parametrize("epoch", EPOCHS[:-1])
def test_the_control_changes_the_next_epoch(training: Training, epoch: date) -> None:
    now, other = training.records, scrambled_after(training.records, epoch)
    after = EPOCHS[EPOCHS.index(epoch) + 1]
    assert not np.array_equal(measure(now.as_of(after)), measure(other.as_of(after)))


def test_older_months_are_missing_at_early_epochs_and_known_at_the_last(training: Training) -> None:
    column = [each.name for each in FEATURES].index("behind_before")
    missing = [measure(training.records.as_of(epoch))[:, column] == MISSING for epoch in EPOCHS]
    assert [bool(each.all()) for each in missing] == [True, True, False, False, False, False]
    assert not (measure(training.records.latest) == MISSING).any()


def test_everybody_is_thin_at_the_first_epoch_and_some_at_the_last(training: Training) -> None:
    thin = [int((active_months(training.records.as_of(epoch)) < MINIMUM_MONTHS).sum()) for epoch in EPOCHS]
    assert thin[0] == 30_000
    assert thin[-1] == 897


def test_every_feature_is_of_one_of_the_two_dimensions_and_has_its_own_code() -> None:
    assert {each.family for each in FEATURES} == {Family.HISTORY, Family.CAPACITY}
    assert (
        len({each.reason_code for each in FEATURES}) == len({each.name for each in FEATURES}) == len(FEATURES)
    )


def test_what_a_feature_is_handed_holds_nothing_protected() -> None:
    assert [field.name for field in fields(Known)] == ["limit", "status", "bill", "paid"]
