"""`scoregate audit open`: a token in a private file, with which the log is checked where it is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoregate.bearer import read_token
from tests.cli.conftest import Desk


@pytest.fixture(scope="module")
def officer(desk: Desk) -> Path:
    return desk.enrolled("opening-officer", "--role", "COMPLIANCE") / "certificate.pem"


def test_the_whole_log_is_checked_at_its_address(desk: Desk, officer: Path, tmp_path: Path) -> None:
    token, policy = tmp_path / "token", tmp_path / "policy"
    desk.terminal.told("keys", "export", "--out", tmp_path / "jwks", "--policy", policy)
    url = f"http://127.0.0.1:{desk.gateway.http_port}/log/2026h2"
    terminal = desk.terminal.with_(XDG_STATE_HOME=str(tmp_path / "state"))
    told = terminal.stopped("log", "verify", url, "--policy", policy, code=5)
    assert "--token-file FILE" in told["message"]

    opened = terminal.told("audit", "open", "--out", token, "--cert", officer)

    assert (token.stat().st_mode & 0o777, opened["start_index"], opened["end_index"]) == (0o600, 0, None)
    secret = read_token(token)
    assert secret not in str(opened)
    for output in ("table", "json"):
        ended = terminal.run("log", "verify", url, "--policy", policy, "--token-file", token, "-o", output)
        assert (ended.code, ended.err) == (0, "")
        assert secret not in ended.out


def test_a_token_is_replaced_and_nothing_else_is(desk: Desk, officer: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    words = ("audit", "open", "--cert", officer, "--out")
    desk.terminal.told(*words, token)
    first = read_token(token)
    shown = desk.terminal.run(*words, token, "--from", "0", "--to", "256")
    assert (shown.code, "0 to 256" in shown.out, first in shown.out) == (0, True, False)
    assert read_token(token) != first
    assert [each.name for each in tmp_path.iterdir()] == ["token"]
    key = tmp_path / "key.pem"
    key.write_text("a key")
    for out in (key, tmp_path / "nowhere" / "token"):
        assert desk.terminal.stopped(*words, out, code=2)["problems"][0]["field"] == "--out"
    assert key.read_text() == "a key"


def test_a_range_that_is_none_and_an_operator_get_no_token(desk: Desk, officer: Path, tmp_path: Path) -> None:
    out = tmp_path / "token"
    told = desk.terminal.stopped("audit", "open", "--out", out, "--cert", officer, "--from", "7", "--to", "7")
    assert [each["field"] for each in told["problems"]] == ["--to"]
    assert desk.terminal.stopped("audit", "open", "--out", out)["reason"] == "METHOD_NOT_ALLOWED"
    assert not out.exists()
