"""`scoregate engine`: results that programs read like those of every other command."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.store import CURRENT
from tests.cli.conftest import Terminal


@pytest.fixture
def trained(terminal: Terminal, engine_folder: Path) -> Terminal:
    assert terminal.run("init").code == 0
    return terminal.with_(SCOREGATE_ENGINE__FOLDER=str(engine_folder))


def test_show_names_the_folder_that_it_looked_into(trained: Terminal, engine_folder: Path) -> None:
    assert trained.told("engine", "show")["folder"] == str(engine_folder)
    assert str(engine_folder) in trained.run("engine", "show").out


def test_evaluate_says_that_it_worked(trained: Terminal) -> None:
    assert trained.told("engine", "evaluate", "--repeats", "1")["scored"]["people"] == 29_103


def test_a_failure_lists_its_problems_like_any_other(terminal: Terminal, tmp_path: Path) -> None:
    told = terminal.stopped("engine", "show", "--folder", tmp_path, code=1)
    assert CURRENT in told["problems"][0]["problem"]
    assert "scoregate engine train" in told["problems"][0]["remedy"]


@pytest.mark.parametrize("words", [("show",), ("evaluate", "--repeats", "1"), ("train",)])
def test_nothing_is_broken_in_a_terminal_of_80_columns(
    trained: Terminal, tmp_path: Path, words: tuple[str, ...]
) -> None:
    here = ("--out", tmp_path / "engine") if words[0] == "train" else ()
    shown = trained.run("engine", *words, *here, COLUMNS="80").out
    assert max(map(len, shown.splitlines())) <= 80
    if words[0] != "evaluate":
        assert trained.told("engine", "show")["artefact_sha256"] in shown
