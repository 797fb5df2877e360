"""Which thresholds a legal entity may have, and when; what an answer in cells rests on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.quota.contract import Contract
from gateway.thresholds.cells import basis_of
from gateway.thresholds.policy import (
    Registered,
    ThresholdNotRegistered,
    ThresholdsFixed,
    TooManyThresholds,
    in_its_cell,
    is_threshold,
    require_listed,
    year_after,
)
from scoregate.proof.results import band_of
from scoregate.words import InputFamily
from scoring.service import Family, Scored

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HAS_TWO = Registered(frozenset({600, 650}), NOON)

thresholds = st.sampled_from(range(400, 901, 50))


def scored(score: int) -> Scored:
    return Scored("uci-1", date(2026, 11, 1), score, ("A",), (Family.HISTORY,), "m@1")


def test_the_thresholds_are_the_multiples_of_50_from_400_to_900() -> None:
    assert [points for points in range(-100, 1_101) if is_threshold(points)] == list(range(400, 901, 50))


@pytest.mark.parametrize("threshold", [None, 600, 650])
def test_what_the_contract_lists_may_be_asked(threshold: int | None) -> None:
    require_listed(threshold, Contract(thresholds=(600, 650)))


def test_what_the_contract_does_not_list_may_not() -> None:
    with pytest.raises(ThresholdNotRegistered) as refusal:
        require_listed(700, Contract(thresholds=(600, 650)))
    assert refusal.value.reason == "THRESHOLD_NOT_REGISTERED"


def test_the_first_thresholds_may_come_at_any_time_and_begin_the_year() -> None:
    assert Registered().listing([650, 600], [], now=NOON) == HAS_TWO


def test_no_thresholds_begin_no_year() -> None:
    assert Registered().listing([], [], now=NOON) == Registered()


@pytest.mark.parametrize("listed", [(), (600,), (650, 600)])
def test_to_list_fewer_or_the_same_changes_nothing(listed: tuple[int, ...]) -> None:
    assert HAS_TWO.listing(listed, [], now=NOON + TICK) == HAS_TWO


def test_a_new_one_waits_for_a_year() -> None:
    again = NOON.replace(year=2027)
    with pytest.raises(ThresholdsFixed) as refusal:
        HAS_TWO.listing([600, 700], [], now=again - TICK)
    assert (refusal.value.registered, refusal.value.again) == (HAS_TWO, again)
    assert HAS_TWO.listing([600, 700], [], now=again) == Registered(frozenset({600, 700}), again)


def test_all_partners_of_a_legal_entity_have_three_together() -> None:
    later = NOON.replace(year=2028)
    assert HAS_TWO.listing([700], [600, 650], now=later).thresholds == {600, 650, 700}
    with pytest.raises(TooManyThresholds) as refusal:
        HAS_TWO.listing([700, 750], [600, 650], now=later)
    assert refusal.value.thresholds == {600, 650, 700, 750}


def test_a_year_is_a_calendar_year() -> None:
    assert year_after(NOON) == NOON.replace(year=2027)
    leap = datetime(2028, 2, 29, 23, 59, tzinfo=UTC)
    assert year_after(leap) == datetime(2029, 3, 1, 23, 59, tzinfo=UTC)


@given(st.lists(st.tuples(st.frozensets(thresholds, max_size=3), st.integers(0, 800)), max_size=30))
def test_whatever_is_tried_a_year_has_one_change_and_three_thresholds(
    tries: list[tuple[frozenset[int], int]],
) -> None:
    state, now, changes = Registered(), NOON, list[datetime]()
    for wanted, days in tries:
        now += timedelta(days=days)
        try:
            after = state.listing(wanted, [], now=now)
        except (ThresholdsFixed, TooManyThresholds):
            continue
        assert wanted <= after.thresholds
        if after != state:
            changes.append(now)
        state = after
        assert len(state.thresholds) <= 3
    assert all(later >= year_after(earlier) for earlier, later in pairwise(changes))


@given(st.integers(350, 950), thresholds)
def test_a_cell_says_of_every_threshold_and_band_what_the_score_says(score: int, threshold: int) -> None:
    cell = in_its_cell(scored(score))
    assert (cell.score >= threshold) == (score >= threshold)
    assert band_of(cell.score) == band_of(score)


def test_a_cell_has_fifty_points_or_more_and_keeps_all_but_the_score() -> None:
    members: dict[int, list[int]] = {}
    for score in range(350, 951):
        cell = in_its_cell(scored(score))
        members.setdefault(cell.score, []).append(score)
        assert scored(cell.score) == cell
    assert [len(scores) for scores in members.values()] == [50] * 11 + [51]


def test_a_basis_is_the_month_and_what_is_left_out_in_any_order() -> None:
    left_out = frozenset({InputFamily.SOCIAL, InputFamily.BEHAVIOUR})
    assert basis_of(date(2026, 11, 1), left_out) == basis_of(date(2026, 11, 30), left_out) == "2026-11/2,5"
    assert basis_of(date(2026, 12, 1), frozenset()) == "2026-12/"
