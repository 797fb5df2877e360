"""`scoregate engine`: what a person sees, and what a program reads."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.engine import app
from scoring.service import Engine
from scoring.train import Training


def run(*arguments: str, home: Path | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, arguments, env={"SCOREGATE_HOME": str(home or "/nonexistent"), "COLUMNS": "200"}
    )
    return result.exit_code, result.stdout, result.stderr


def test_train_leaves_an_engine_that_opens(tmp_path: Path, training: Training) -> None:
    code, shown, _ = run("train", home=tmp_path)
    assert code == 0
    engine = Engine.open(tmp_path / "engine")
    assert engine.model().artefact_sha256.hex() in shown
    for words in (
        "30,000",
        "897",
        "21.7%",
        "0.77",
        "350–549",
        "700–950",
        "Taiwan",
        "Not out of time",
        "DeLong",
        "dealt once",
    ):
        assert words in shown
    assert engine.model().name == f"uci-card@{training.scorecard.version}"


def test_train_in_json_is_json_alone(tmp_path: Path) -> None:
    code, shown, _ = run("train", "--out", str(tmp_path / "there"), "-o", "json")
    told = json.loads(shown)
    assert code == 0
    assert (told["rows"], told["thin_files"], told["auc"]["people"]) == (30_000, 897, 29_103)
    assert sum(band["share"] for band in told["bands"]) == pytest.approx(1, abs=1e-4)
    assert Engine.open(tmp_path / "there").model().artefact_sha256.hex() == told["artefact_sha256"]


def test_evaluate_gives_mean_and_interval_for_both_sets_of_people() -> None:
    code, shown, _ = run("evaluate", "--repeats", "1", "-o", "json")
    told = json.loads(shown)
    assert code == 0
    assert (told["scored"]["people"], told["everybody"]["people"]) == (29_103, 30_000)
    for each in (told["scored"], told["everybody"]):
        assert each["interval"][0] < each["mean"] < each["interval"][1]


def test_evaluate_shows_a_table_with_its_caveats() -> None:
    code, shown, _ = run("evaluate", "--repeats", "1")
    assert code == 0
    for words in (
        "29,103",
        "30,000",
        "95 %, DeLong",
        "Not out of time",
        "--repeats 1, each dealt anew",
    ):
        assert words in shown


def test_show_lists_every_bin(engine_folder: Path, training: Training) -> None:
    code, shown, _ = run("show", "--folder", str(engine_folder))
    assert code == 0
    for each in training.scorecard.characteristics:
        assert f"{each.name}: {each.reason_text}" in shown
    assert "596 points" in shown


def test_show_in_json_is_the_artefact(engine_folder: Path, training: Training) -> None:
    code, shown, _ = run("show", "--folder", str(engine_folder), "-o", "json")
    assert code == 0
    assert json.loads(shown)["scorecard"] == json.loads(training.artefact)


def test_show_without_an_engine_says_how_to_get_one(tmp_path: Path) -> None:
    code, shown, error = run("show", home=tmp_path)
    assert (code, shown) == (1, "")
    assert "scoregate engine train" in error


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_bad_records_are_one_calm_line(tmp_path: Path, command: str) -> None:
    bad = tmp_path / "[bold]bad.csv"
    bad.write_bytes(b"ID\n")
    code, shown, error = run(command, "--data", str(bad), home=tmp_path)
    assert (code, shown) == (1, "")
    assert error.startswith("Failed: [bold]bad.csv is not a gzip file.")
    assert len(error.splitlines()) == 1


def test_a_failure_in_json_is_json(tmp_path: Path) -> None:
    code, shown, _ = run("show", "-o", "json", home=tmp_path)
    assert code == 1
    assert json.loads(shown)["result"] == "failed"


def test_help_teaches_each_command() -> None:
    code, shown, _ = run("--help")
    assert code == 0
    for command in ("train", "evaluate", "show"):
        assert command in shown
        assert run(command, "--help")[0] == 0
