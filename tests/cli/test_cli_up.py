"""`scoregate up`: from an empty folder to a call that is answered."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Process, Terminal, content, environment

ROOT = Path(__file__).parents[2]  # where make runs it: the protos lie there


def answered(call: list[str], folder: Path = ROOT) -> dict[str, Any]:
    ended = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_up_needs_nothing_and_its_call_is_answered_and_replayed(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    home = tmp_path / "home"
    first = start("up", env=environment(home))
    assert "Training the engine" in first.errors.read_text()
    answer = answered(first.told["call"])
    assert 350 <= answer["scored"]["score"] <= 950
    assert answered(first.told["call"]) == answer  # the same paste is a replay
    assert first.stop(signal.SIGINT) == 0

    before = content(home / "demo-lender")
    second = start("up", env=environment(home))
    again = answered(second.told["call"])
    assert again["eventId"] != answer["eventId"]  # each start asks anew
    assert (again["consentId"], again["subjectRef"]) == (answer["consentId"], answer["subjectRef"])
    assert content(home / "demo-lender") == before
    assert second.stop() == 0


def test_what_is_printed_can_be_pasted_anywhere(
    tmp_path: Path, engine_folder: Path, start: Callable[..., Process]
) -> None:
    env = environment(tmp_path / "a home", SCOREGATE_ENGINE__FOLDER=str(engine_folder))
    gateway = start("up", env=env, until="Ctrl-C", cwd=tmp_path)
    assert "development only" in gateway.text
    assert "a replay" in gateway.text
    pasted = re.search(r"score:\n\n(.*?)\n\n", gateway.text, re.DOTALL)
    assert pasted is not None
    assert "'a home/demo-lender/key.pem'" in pasted[1]
    # Away from the protos, buf learns the contract from the gateway itself.
    assert "scored" in answered(["bash", "-c", pasted[1]], folder=tmp_path)
    assert gateway.stop() == 0


def test_a_lender_that_was_stopped_leaves_the_gateway_up_and_no_call(
    tmp_path: Path, engine_folder: Path, start: Callable[..., Process], terminal: Terminal
) -> None:
    env = environment(tmp_path / "home", SCOREGATE_ENGINE__FOLDER=str(engine_folder))
    first = start("up", env=env)
    operator = terminal.with_(SCOREGATE_LISTEN__ADMIN=first.told["admin"])
    operator.told("partner", "suspend", "demo-lender", "--reason", "a test")
    first.stop()
    second = start("up", env=env)
    assert second.told["call"] is None
    assert "suspended" in second.told["problem"]
    operator = terminal.with_(SCOREGATE_LISTEN__ADMIN=second.told["admin"])
    operator.told("partner", "resume", "demo-lender", "--reason", "a test")
    second.stop()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"SCOREGATE_MODE": "production"}, "mode"),
        ({"SCOREGATE_LISTEN__PARTNER": "nowhere"}, "listen.partner"),
    ],
)
def test_up_is_for_development_and_for_sound_settings(
    terminal: Terminal, changes: dict[str, str], field: str
) -> None:
    assert terminal.run("init").code == 0
    sound = {
        "SCOREGATE_TRUST_DOMAIN": "scores.example",
        "SCOREGATE_ISSUER": "https://scores.example",
        "SCOREGATE_LOG_ORIGIN": "scores.example/log",
        "SCOREGATE_PUBLIC_URL": "https://scores.example",
    }
    told = terminal.stopped("up", code=2, **(sound | changes))
    assert [each["field"] for each in told["problems"]] == [field]
