"""The bench's arithmetic, and that it refuses to count what did not happen."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.figures import Arm, Findings, Spread, percentile, quotients
from tests.bench.open_loop import Call, latencies, lateness, poisson
from tests.bench.promises import PROMISES, Promise
from tests.bench.report import Report
from tests.bench.turn import Turn

ANSWER = (0, b"asked", b"came")


@pytest.mark.parametrize(
    ("part", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.505, 51), (0.99, 99), (0.999, 100), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(part: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), part) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_and_so_many_do_not_exceed_it(
    values: list[float], part: float
) -> None:
    found = percentile(values, part)

    assert found in values
    assert sum(value <= found for value in values) >= part * len(values)


def test_latency_runs_from_the_scheduled_time_however_late_the_call_was_sent() -> None:
    late = Call(due=1.0, sent=1.4, ended=1.5)

    assert late.latency_ms == pytest.approx(500)
    assert late.late_ms == pytest.approx(400)


def test_a_refused_call_counts_as_never_answered() -> None:
    calls = [Call(0.0, 0.0, 0.001)] * 98 + [Call(0.0, 0.0, math.inf)] * 2

    found = latencies(calls)

    assert found["p90"] == pytest.approx(1)
    assert found["p99"] == found["max"] == math.inf
    assert lateness(calls)["max"] == 0


def test_a_schedule_is_ordered_repeatable_and_has_the_rate_that_was_asked_for() -> None:
    due = poisson(1_000, 20, Random(1))  # noqa: S311

    assert due == sorted(due)
    assert due == poisson(1_000, 20, Random(1))  # noqa: S311
    assert len(due) / due[-1] == pytest.approx(1_000, rel=0.05)
    gaps = [after - before for before, after in pairwise(due)]
    assert mean(gap > 0.001 for gap in gaps) == pytest.approx(math.exp(-1), abs=0.02)  # no metronome


def test_cpu_is_counted_per_answer_and_a_batch_has_many() -> None:
    arm = Arm([Turn(2.0, 1.0, [ANSWER] * 4, database_cpu_seconds=0.25)], items=100)

    assert arm.cpu_us() == [2_500]
    assert arm.own_cpu_us() == [1_875]
    assert arm.per_second() == [200]
    assert arm.busy() == [0.5]
    assert arm.answers() == 400


def test_a_ratio_is_taken_within_each_round() -> None:
    assert quotients([1, 20, 3], [1, 2, 1]) == Spread(1, 3, 10)
    with pytest.raises(ValueError, match="zip"):
        quotients([1, 2], [1])


def test_a_promise_holds_at_its_bound_and_not_beyond() -> None:
    assert Promise("", least=4).holds(4)
    assert not Promise("", least=4).holds(3.999)
    assert Promise("", most=10).holds(10)
    assert not Promise("", most=10).holds(math.inf)
    assert Promise("").holds(0)


def test_bench_json_holds_each_figure_flat_and_its_spread_beside_it(tmp_path: Path) -> None:
    found = Findings(
        arms={"GetScore": Arm([Turn(1.0, 1.0, [ANSWER])])},
        figures={"p99_ms_at_half_load": Spread(1.0, 2.0, math.inf)},
    ) | Findings(figures={"start_s": Spread.of([1.5])}, details={"growth": {"consents": 5}})

    Report(found, {}, {}, 1, {}).write(tmp_path / "bench.json")

    written = json.loads((tmp_path / "bench.json").read_text())
    assert (written["p99_ms_at_half_load"], written["start_s"]) == (2.0, 1.5)
    assert written["spread"]["p99_ms_at_half_load"] == {"least": 1.0, "median": 2.0, "most": None}
    assert written["growth"] == {"consents": 5}
    assert set(written["meaning"]) == {"p99_ms_at_half_load", "start_s"} <= set(PROMISES)
