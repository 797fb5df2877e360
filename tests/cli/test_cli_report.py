"""`scoregate audit report`: a person's file that an officer writes, and anybody checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scoregate.words import Purpose
from tests.cli.conftest import Desk, terms

PERSON = "uci-00017"


@pytest.fixture(scope="module")
def officer(desk: Desk) -> Path:
    """Their certificate; somebody has asked about the person before."""
    client = desk.lender("report-lender")
    invitation = client.invite(terms())
    desk.terminal.told("consent", "allow", invitation.handle, "--subject", PERSON)
    consent_id = client.invitation(invitation.handle).consent_id
    assert consent_id
    client.score(consent_id, Purpose.CREDIT_APPLICATION)
    client.close()
    return desk.enrolled("report-officer", "--role", "COMPLIANCE") / "certificate.pem"


@pytest.fixture(scope="module")
def policy(desk: Desk) -> Path:
    file = desk.folder / "report.policy"
    desk.terminal.told("keys", "export", "--out", desk.folder / "report.jwks", "--policy", file)
    return file


def test_a_report_is_written_for_its_owner_alone_and_checked_offline(
    desk: Desk, officer: Path, policy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    told = desk.terminal.told("audit", "report", PERSON, "--out", out, "--cert", officer)
    assert out.stat().st_mode & 0o777 == 0o600
    assert (told["is_held"], told["subject"]) == (True, PERSON)
    checked = desk.terminal.told("verify", out, "--policy", policy)
    assert (checked["kind"], checked["subject"]) == ("subject-access-report", PERSON)
    assert len(checked["entries"]) == told["entries"] >= 2
    assert [each["legal_name"] for each in checked["entries"]] == ["report-lender Ltd"] * told["entries"]
    assert checked["opening"]["actor"] == "report-officer"

    document = json.loads(out.read_text())
    document["entries"][0]["legal_name"] = "Somebody Else Ltd"
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_text(json.dumps(document))
    assert desk.terminal.stopped("verify", spoilt, "--policy", policy, code=3)["result"] == "invalid"


def test_nothing_held_is_said_and_written(desk: Desk, officer: Path, policy: Path, tmp_path: Path) -> None:
    words = ("audit", "report", "nobody-here", "--cert", officer, "--out")
    shown = desk.terminal.run(*words, tmp_path / "first.json")
    assert (shown.code, "nothing is held about this id" in shown.out) == (0, True)
    assert desk.terminal.told("verify", tmp_path / "first.json", "--policy", policy)["entries"] == []
    later = desk.terminal.run(*words, tmp_path / "second.json", "--until", "2020-01-01")
    assert (later.code, "none in this period" in later.out) == (0, True)


def test_a_file_that_is_there_is_kept_and_nobody_is_asked(desk: Desk, officer: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    out.write_text("evidence")
    before = _reads(desk, officer, tmp_path / "a.json")
    for place in (out, tmp_path / "nowhere" / "report.json"):
        told = desk.terminal.stopped("audit", "report", PERSON, "--out", place, "--cert", officer, code=2)
        assert told["problems"][0]["field"] == "--out"
    assert out.read_text() == "evidence"
    assert _reads(desk, officer, tmp_path / "b.json") == before + 1  # the first count itself


def _reads(desk: Desk, officer: Path, out: Path) -> int:
    """How often officers had read about the person before this report."""
    desk.terminal.told("audit", "report", PERSON, "--out", out, "--cert", officer)
    return sum(each["kind"] == "OFFICER_READ" for each in json.loads(out.read_text())["entries"])


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "2026-01-01T00:00:00", "1999-01-01", ""])
def test_a_time_that_is_none_is_wrong_usage(desk: Desk, officer: Path, tmp_path: Path, time: str) -> None:
    words = ("audit", "report", PERSON, "--out", tmp_path / "x.json", "--cert", officer)
    ended = desk.terminal.run(*words, "--since", time)
    assert (ended.code, "--since" in ended.err) == (2, True)


def test_whoever_is_no_officer_has_no_report(desk: Desk, tmp_path: Path) -> None:
    told = desk.terminal.stopped("audit", "report", PERSON, "--out", tmp_path / "report.json")
    assert told["reason"] == "METHOD_NOT_ALLOWED"
    assert not (tmp_path / "report.json").exists()


def test_a_wrong_question_names_the_option(desk: Desk, officer: Path, tmp_path: Path) -> None:
    words = ("audit", "report", PERSON, "--out", tmp_path / "x.json", "--cert", officer)
    told = desk.terminal.stopped(*words, "--since", "2026-02-01", "--until", "2026-01-01")
    assert [each["field"] for each in told["problems"]] == ["--until"]
