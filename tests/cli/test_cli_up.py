"""`scoregate up`: from an empty folder to a call that is answered."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Process, Terminal, command, content, environment, pages_at
from tests.pages.browser import Browser, text_of
from tests.pages.place import free_port

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
    told = answered(["bash", "-c", pasted[1]], folder=tmp_path)
    assert "scored" in told
    assert gateway.stop() == 0
    if shutil.which("jq") is None:
        pytest.skip("what the README says of such an answer is read with jq (apt-get install jq)")
    (tmp_path / "ANSWER").write_text(json.dumps(told))
    claims, leaf = (
        answered(["bash", "-c", line.replace("ANSWER", shlex.quote(str(tmp_path / "ANSWER")))])
        for line in re.findall(r"^jq .* ANSWER .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    )
    digest = base64.b64encode(hashlib.sha256(told["attestation"].encode()).digest()).decode()
    assert (claims["aud"], leaf["attestationSha256"]) == ("demo-lender", digest)


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


def test_its_link_asks_the_person_whom_it_names_for_a_yes(
    tmp_path: Path, engine_folder: Path, start: Callable[..., Process]
) -> None:
    places = pages_at(free_port())
    env = environment(tmp_path / "home", SCOREGATE_ENGINE__FOLDER=str(engine_folder), **places)
    first = start("up", env=env)
    link, pages = first.told["invitation"]["url"], places["SCOREGATE_PAGES__URL"]
    assert first.told["pages"] == places["SCOREGATE_LISTEN__PAGES"]
    assert link.startswith(f"{pages}/i/")
    assert first.told["invitation"]["sign_in_as"] == "Ada Example (uci-00001)"
    with Browser(pages) as browser:
        asked = browser.sign_in("uci-00001", then=link.removeprefix(pages))
        assert "Demo Lender Ltd would like to see your credit score" in text_of(asked)
        assert "You allowed it" in text_of(browser.press(asked, "/allow"))
    before = answered(first.told["call"])
    assert first.stop() == 0
    second = start("up", env=env)
    assert second.told["invitation"]["url"] != link
    # What was allowed by the link is no consent of the call's.
    assert answered(second.told["call"])["consentId"] == before["consentId"]
    assert second.stop() == 0


def test_a_taken_address_of_the_pages_leaves_no_gateway_behind(
    tmp_path: Path, engine_folder: Path, start: Callable[..., Process]
) -> None:
    env = environment(tmp_path / "home", SCOREGATE_ENGINE__FOLDER=str(engine_folder))
    first = start("up", env=env)
    taken = first.told["pages"]
    ended = subprocess.run(
        command("up", "-o", "json"),
        env=environment(
            tmp_path / "other", SCOREGATE_ENGINE__FOLDER=str(engine_folder), SCOREGATE_LISTEN__PAGES=taken
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    (told,) = json.loads(ended.stdout)["problems"]
    assert (told["field"], told["problem"]) == ("listen.pages", f"can't listen on {taken}.")
    assert first.stop() == 0


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
        "SCOREGATE_PAGES__URL": "https://me.scores.example",
    }
    told = terminal.stopped("up", code=2, **(sound | changes))
    assert [each["field"] for each in told["problems"]] == [field]
