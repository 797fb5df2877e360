"""From an empty folder to a verified score and a verified log, by commands alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Process, Terminal, client_of, command, environment, terms


def test_a_lender_is_onboarded_and_audited_from_the_command_line_alone(
    tmp_path: Path, start: Callable[..., Process], terminal: Terminal
) -> None:
    env = environment(tmp_path / "home")
    for words in (("init",), ("engine", "train")):
        subprocess.run(command(*words), env=env, capture_output=True, check=True)
    gateway = start("serve", env=env)
    desk = terminal.with_(
        SCOREGATE_LISTEN__ADMIN=gateway.told["admin"], SCOREGATE_LISTEN__HTTP=gateway.told["http"]
    )

    callers = {"acme": ("--daily", "10", "--monthly", "100"), "officer": ("--role", "COMPLIANCE")}
    for name, options in callers.items():
        folder = tmp_path / name
        desk.told("partner", "add", name, "--name", f"{name} Ltd", *options)
        desk.told("partner", "request", name, "--out", folder)
        desk.told("partner", "enroll", name, "--csr", folder / "request.csr", "--out", folder)

    with client_of(tmp_path / "acme", gateway.told["partner"]) as acme:
        handle = acme.invite(terms()).handle
        consent_id = desk.told("consent", "allow", handle, "--subject", "uci-00001")["consent"]["consent_id"]
        answer = acme.score(consent_id, "CREDIT_APPLICATION")
        answer.save(tmp_path / "receipts")
        desk.told("keys", "export", "--out", tmp_path / "jwks.json")
        assert (tmp_path / "jwks.json").read_text() == f"{acme.jwks}\n"
    assert answer.score is not None
    used = {each["limit_name"]: each["used"] for each in desk.told("quota", "show", "acme")["usages"]}
    assert (used["day"], used["month"]) == (1, 1)

    pulled = desk.told("audit", "pull", tmp_path / "log", "--cert", tmp_path / "officer" / "certificate.pem")
    verified = desk.told("log", "verify", tmp_path / "log", "--receipts", tmp_path / "receipts")
    assert verified["root_hash"] == pulled["root_hash"]
    assert (verified["releases"], verified["receipts"]) == (1, 1)
    assert gateway.stop() == 0
    *_, draining, stopped = gateway.errors.read_text().splitlines()
    assert "draining" in draining
    assert "stopped" in stopped
