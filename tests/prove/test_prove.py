"""The frame itself: what holds, what does not and why, and what is written of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.prove.__main__ import Databases, Ground, Interrupted, prove
from tests.prove.campaign import SQLITE, Campaign, Finding, Stage
from tests.prove.table import Record, Row, show

KEPT = Finding("it is kept", SQLITE, 10, 0, "the lock off", 5, 2, {"first": 3, "second": 7}, {"p99_ms": 4.25})


def yielding(*findings: Finding) -> Campaign:
    def campaign(stage: Stage) -> Iterator[Finding]:
        stage.step("trying", 1, 2)
        yield from findings

    return campaign


@pytest.fixture
def on(tmp_path: Path) -> Ground:
    return Ground(False, 1, tmp_path, tmp_path, Databases(tmp_path, ExitStack()))


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "build" / "prove.json", ["one", "two"])


def silent() -> Console:
    return Console(file=io.StringIO(), width=200)


def told(*rows: Row) -> str:
    console = silent()
    show(rows, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_row_has_these_fields_and_no_others(on: Ground, record: Record) -> None:
    prove({"one": yielding(KEPT)}, on, record, silent())

    [row] = json.loads(record.path.read_text())
    assert row.pop("seconds") >= 0
    assert row == {
        "campaign": "one",
        "law": "it is kept",
        "store": "sqlite",
        "runs": 10,
        "violations": 0,
        "control": "the lock off",
        "control_runs": 5,
        "control_violations": 2,
        "outcomes": {"first": 3, "second": 7},
        "figures": {"p99_ms": 4.25},
    }


def test_a_figure_of_calls_that_failed_is_shown_as_a_dash_and_written_as_none(
    on: Ground, record: Record
) -> None:
    rows = prove({"one": yielding(replace(KEPT, figures={"p99_ms": float("inf")}))}, on, record, silent())

    [row] = json.loads(record.path.read_text())
    assert row["figures"] == {"p99_ms": None}
    assert "p99_ms –" in told(*rows)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (replace(KEPT, runs=0), "Nothing was tried."),
        (replace(KEPT, violations=3), "The law was broken 3 times in 10 runs."),
        (replace(KEPT, control_violations=0), "The control arm (the lock off) found nothing in 5 runs"),
        (replace(KEPT, outcomes={"first": 10, "second": 0}), "It never occurred: second."),
        (replace(KEPT, violations=1, evidence=("seed 7",)), "seed 7"),
    ],
)
def test_a_row_that_does_not_hold_says_why_and_is_written(
    on: Ground, record: Record, broken: Finding, why: str
) -> None:
    rows = prove({"one": yielding(KEPT, broken)}, on, record, silent())

    assert [row.finding.holds for row in rows] == [True, False]
    assert why in told(*rows)
    assert "1 of 2 rows hold" in told(*rows)
    assert len(json.loads(record.path.read_text())) == 2


def test_a_campaign_that_breaks_off_is_a_row_that_does_not_hold(on: Ground, record: Record) -> None:
    def breaking(stage: Stage) -> Iterator[Finding]:
        yield KEPT
        raise RuntimeError("no more file handles")

    rows = prove({"one": breaking, "two": yielding(KEPT)}, on, record, silent())

    assert [row.finding.holds for row in rows] == [True, False, True]
    assert "no more file handles" in told(*rows)
    assert [row["campaign"] for row in json.loads(record.path.read_text())] == ["one", "one", "two"]


def test_one_campaign_replaces_its_own_rows_and_keeps_the_others(
    on: Ground, record: Record, tmp_path: Path
) -> None:
    prove({"two": yielding(KEPT, KEPT), "one": yielding(KEPT)}, on, record, silent())
    again = replace(on, folder=tmp_path / "again")
    again.folder.mkdir()

    prove({"two": yielding(replace(KEPT, runs=99))}, again, record, silent())

    found = [(row["campaign"], row["runs"]) for row in json.loads(record.path.read_text())]
    assert found == [("one", 10), ("two", 99)]


def test_an_interrupted_campaign_is_not_written_and_is_named(on: Ground, record: Record) -> None:
    def interrupted(stage: Stage) -> Iterator[Finding]:
        yield KEPT
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^Interrupted: nothing of two is written\.$") as raised:
        prove({"one": yielding(KEPT), "two": interrupted}, on, record, silent())

    assert [row.campaign for row in raised.value.rows] == ["one"]
    assert [row["campaign"] for row in json.loads(record.path.read_text())] == ["one"]


def test_each_database_is_a_fresh_one(tmp_path: Path) -> None:
    databases = Databases(tmp_path, ExitStack())

    first, second = databases.new(SQLITE), databases.new(SQLITE)

    assert first != second
    assert not Path(first.removeprefix("sqlite:///")).exists()
