"""The Makefile's first step, and the summary of the one gate, where what they call is made up."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/usr/bin/env bash\n{text}\n")
    file.chmod(0o755)
    return file


def ended(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


TOO_OLD = """case "$*" in *version_info*) exit 1;; esac"""
NO_VENV = """case "$*" in *ensurepip*) exit 1;; esac"""
BREAKS_OFF = """case "$*" in *"-m venv"*) mkdir -p .venv/bin; touch .venv/bin/python; exit 1;; esac"""


@pytest.mark.parametrize(
    ("python", "told"),
    [
        (TOO_OLD, "is not Python 3.11 or newer"),
        (NO_VENV, "lacks venv or pip"),
        (BREAKS_OFF, ""),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_make_leaves_no_half_of_a_venv_behind(
    tmp_path: Path, python: str, told: str, *, before: bool
) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements/run.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    if before:  # what an earlier version left, without pip
        script(tmp_path / ".venv" / "bin" / "python", "exit 1")

    made = ended(tmp_path, "make", "demo", f"PYTHON={script(tmp_path / 'python', python)}")

    assert made.returncode == 2
    assert told in made.stderr
    assert not (tmp_path / ".venv" / "run").exists()
    assert (tmp_path / ".venv").exists() == (before and told != "")  # what it didn't make, it doesn't take


@pytest.mark.parametrize(
    ("failing", "last"), [("", "all 9 hold"), ("ruff", "2 of 9 failed: ruff: lint,ruff: format")]
)
def test_the_gate_ends_with_a_count(tmp_path: Path, failing: str, last: str) -> None:
    check = script(tmp_path / "tools" / "check", (ROOT / "tools" / "check").read_text())
    script(tmp_path / "tools" / "stubs", 'mkdir -p "$1/scoregate"')
    for folder in ("scoregate", "requirements"):
        (tmp_path / folder).mkdir()
    for name in ("ruff", "mypy", "lint-imports", "buf", "python"):
        script(tmp_path / ".venv" / "bin" / name, f"exit {int(name == failing)}")

    gate = ended(tmp_path, check)

    assert gate.stdout.splitlines()[-1] == last, gate
    assert gate.returncode == int(bool(failing))
