"""`make demo` that fails, is interrupted, or may not begin: it says why, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.running import DEMO, PROMISED_SECONDS, environment, is_running, processes, run


@pytest.mark.parametrize(
    ("what", "chapter", "step", "why"),
    [
        ("log", "15  Compliance recomputes the log", "the pulled log recomputes", "another hash than entry"),
        ("file", "16  From the lender's file to the witness", "the lender's file holds", "another root"),
    ],
)
def test_what_was_changed_fails_the_step_by_name(
    tmp_path: Path, what: str, chapter: str, step: str, why: str
) -> None:
    script = str(Path(__file__).parent / "spoilt_demo.py")
    (tmp_path / "place").mkdir()
    ended = run(sys.executable, script, what, str(tmp_path / "place"), tmp=tmp_path)
    assert ended.code == 1
    failure = ended.text.partition("Failed ─")[2]
    assert re.search(rf"chapter +{chapter}", failure)
    assert re.search(rf"step +{step}", failure)
    assert why in " ".join(failure.split())
    assert "What was checked" not in ended.text
    assert not any(map(is_running, processes(ended.text)))


def test_a_folder_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    ended = run(*DEMO, "--home", str(tmp_path / "mine"), tmp=tmp_path)
    assert ended.code == 1
    assert "a fresh folder" in ended.text
    assert list((tmp_path / "mine").iterdir()) == []


def test_interrupted_it_stops_the_gateway_and_cleans_up(tmp_path: Path) -> None:
    process = subprocess.Popen(
        DEMO,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = ""
    while "as process" not in line:
        line = process.stdout.readline()
        assert line, "the demo ended before it had a gateway"
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=PROMISED_SECONDS)
    assert (process.returncode, errors) == (130, "\nInterrupted; the gateway was stopped.\n")
    assert not any(map(is_running, processes(line + rest)))
    assert list(tmp_path.iterdir()) == []
