"""The scorecard's arithmetic: exact, monotone, neutral to what is left out."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cards import VECTORS, card, cards_and_rows, characteristic, families

from scoring import artefact
from scoring.scorecard import BANDS, FACTOR, HIGHEST, LOWEST, MISSING, OFFSET, Family, Scorecard, Trend


@given(cards_and_rows(), st.data())
def test_one_row_and_a_batch_agree_to_the_point(
    made: tuple[Scorecard, list[list[int]]], data: st.DataObject
) -> None:
    scorecard, rows = made
    excluded = [data.draw(families) for _ in rows]
    singly = [scorecard.score_row(row, out) for row, out in zip(rows, excluded, strict=True)]
    scores, reasons = scorecard.score_rows(np.array(rows, dtype=np.int32), excluded)
    assert list(zip(scores, reasons, strict=True)) == singly
    assert all(type(score) is int for score in scores)


@given(cards_and_rows())
def test_scores_alone_are_the_scores_with_reasons(made: tuple[Scorecard, list[list[int]]]) -> None:
    scorecard, rows = made
    alone = scorecard.scores(np.array(rows, dtype=np.int32))
    assert alone.tolist() == [scorecard.score_row(row)[0] for row in rows]


@given(cards_and_rows(most=1), families)
def test_no_score_leaves_the_scale(
    made: tuple[Scorecard, list[list[int]]], excluded: frozenset[Family]
) -> None:
    scorecard, [row] = made
    assert LOWEST <= scorecard.score_row(row, excluded)[0] <= HIGHEST


@pytest.mark.parametrize(
    ("total", "score"), [(-900, 350), (349, 350), (350, 350), (351, 351), (949, 949), (950, 950), (951, 950)]
)
def test_the_scale_ends_at_350_and_950(total: int, score: int) -> None:
    scorecard = card(characteristic(0, points=(0, 0)), base_points=total)
    assert scorecard.score_row([5])[0] == score
    assert scorecard.score_rows(np.array([[5]], dtype=np.int32), [frozenset()])[0] == [score]


@pytest.mark.parametrize(
    ("value", "points"), [(-1, 1), (9, 1), (10, 2), (11, 2), (19, 2), (20, 3), (2**31 - 1, 3), (MISSING, 7)]
)
def test_a_bin_holds_its_lower_edge_and_not_its_upper(value: int, points: int) -> None:
    made = characteristic(0, edges=(10, 20), points=(1, 2, 3), missing_points=7)
    assert made.points_for(value) == points
    assert made.points_for_all(np.array([value], dtype=np.int32)).tolist() == [points]


@given(cards_and_rows(most=1), st.data())
def test_a_value_moved_with_its_trend_never_costs_points(
    made: tuple[Scorecard, list[list[int]]], data: st.DataObject
) -> None:
    scorecard, [row] = made
    place = data.draw(st.integers(0, len(row) - 1))
    low, high = sorted(data.draw(st.tuples(st.integers(-60, 60), st.integers(-60, 60))))
    better, worse = (high, low) if scorecard.characteristics[place].trend is Trend.RISING else (low, high)
    scores = [scorecard.score_row([*row[:place], value, *row[place + 1 :]])[0] for value in (better, worse)]
    assert scores[0] >= scores[1]


@given(cards_and_rows(most=2), families)
def test_what_is_left_out_moves_neither_score_nor_reasons(
    made: tuple[Scorecard, list[list[int]]], excluded: frozenset[Family]
) -> None:
    scorecard, rows = made
    one, other = rows[0], rows[-1]
    out = [each.family in excluded for each in scorecard.characteristics]
    swapped = [there if gone else here for here, there, gone in zip(one, other, out, strict=True)]
    score, reasons = scorecard.score_row(one, excluded)
    assert scorecard.score_row(swapped, excluded) == (score, reasons)
    gone_codes = {each.reason_code for each in scorecard.characteristics if each.family in excluded}
    assert not gone_codes.intersection(reasons)


@given(cards_and_rows(most=1), families)
def test_a_family_left_out_counts_the_populations_average(
    made: tuple[Scorecard, list[list[int]]], excluded: frozenset[Family]
) -> None:
    scorecard, [row] = made
    total = scorecard.base_points + sum(
        each.average_points if each.family in excluded else each.points_for(value)
        for each, value in zip(scorecard.characteristics, row, strict=True)
    )
    assert scorecard.score_row(row, excluded)[0] == min(max(total, LOWEST), HIGHEST)


@given(cards_and_rows(most=1))
def test_reasons_are_the_four_largest_real_shortfalls_in_order(
    made: tuple[Scorecard, list[list[int]]],
) -> None:
    scorecard, [row] = made
    short = {
        each.reason_code: each.average_points - each.points_for(value)
        for each, value in zip(scorecard.characteristics, row, strict=True)
    }
    _, reasons = scorecard.score_row(row)
    # sorted() is stable and a dict keeps its order: ties stand in the scorecard's order.
    expected = [code for code in sorted(short, key=lambda code: -short[code]) if short[code] > 0]
    assert list(reasons) == expected[:4]


@given(cards_and_rows(most=1))
def test_base_averages_and_contributions_make_the_score(made: tuple[Scorecard, list[list[int]]]) -> None:
    scorecard, [row] = made
    averages = sum(each.average_points for each in scorecard.characteristics)
    total = scorecard.base_points + averages + sum(scorecard.contributions(row))
    assert scorecard.score_row(row)[0] == min(max(total, LOWEST), HIGHEST)


@given(cards_and_rows(most=1))
def test_reasons_are_the_contributions_that_lower(made: tuple[Scorecard, list[list[int]]]) -> None:
    scorecard, [row] = made
    codes = [each.reason_code for each in scorecard.characteristics]
    lowering = {code for code, points in zip(codes, scorecard.contributions(row), strict=True) if points < 0}
    reasons = scorecard.score_row(row)[1]
    assert lowering.issuperset(reasons)
    assert len(reasons) == min(4, len(lowering))


def test_somebody_exactly_average_has_no_reason() -> None:
    scorecard = card(characteristic(0, points=(5, 5), average_points=5))
    assert scorecard.score_row([1])[1] == ()


def test_600_is_twenty_to_one_and_50_points_halve_the_odds_of_bad() -> None:
    assert math.exp((600 - OFFSET) / FACTOR) == pytest.approx(20)
    assert math.exp((650 - OFFSET) / FACTOR) == pytest.approx(40)
    assert (round(OFFSET, 4), round(FACTOR, 5)) == (383.9036, 72.13475)


def test_the_bands_cover_the_scale_without_gap_or_overlap() -> None:
    assert [score for low, high in BANDS for score in range(low, high + 1)] == list(
        range(LOWEST, HIGHEST + 1)
    )


def test_families_used_are_those_of_the_card_without_those_left_out() -> None:
    scorecard = card(characteristic(0, family=Family.CAPACITY), characteristic(1, family=Family.HISTORY))
    assert scorecard.families() == (Family.HISTORY, Family.CAPACITY)
    assert scorecard.families(frozenset({Family.HISTORY, Family.SOCIAL})) == (Family.CAPACITY,)


def test_the_golden_people_keep_their_scores_and_reasons() -> None:
    data = (VECTORS / "small_card.json").read_bytes()
    scorecard = artefact.decode(data, artefact.digest(data))
    for person in json.loads((VECTORS / "small_card_people.json").read_bytes()):
        values = [MISSING if value is None else value for value in person["values"]]
        excluded = frozenset(Family[name] for name in person["excluded"])
        expected = (person["score"], tuple(person["reasons"]))
        assert scorecard.score_row(values, excluded) == expected, person
        scores, reasons = scorecard.score_rows(np.array([values], dtype=np.int32), [excluded])
        assert (scores[0], reasons[0]) == expected, person
