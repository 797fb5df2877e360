"""From an empty folder to a verified score and a verified log, by commands alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Process, client_of, command, environment, terms


def test_a_lender_is_onboarded_and_audited_from_the_command_line_alone(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    home, there = tmp_path / "home", tmp_path
    env = environment(home)

    def told(*words: str | Path) -> dict[str, Any]:
        ended = subprocess.run(
            command(*words, "-o", "json"), env=env, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    assert told("init")["home"] == str(home)
    told("engine", "train")
    gateway = start("serve", env=env)
    env |= {
        "SCOREGATE_LISTEN__ADMIN": gateway.told["admin"],
        "SCOREGATE_LISTEN__HTTP": gateway.told["http"],
    }

    for name, options in (
        ("acme", ("--daily", "10", "--monthly", "100")),
        ("officer", ("--role", "COMPLIANCE")),
    ):
        told("partner", "add", name, "--name", f"{name} Ltd", *options)
        told("partner", "request", name, "--out", there / name)
        told("partner", "enroll", name, "--csr", there / name / "request.csr", "--out", there / name)

    with client_of(there / "acme", gateway.told["partner"]) as acme:
        handle = acme.invite(terms()).handle
        consent_id = told("consent", "allow", handle, "--subject", "uci-00001")["consent"]["consent_id"]
        answer = acme.score(consent_id, "CREDIT_APPLICATION")
        answer.save(there / "receipts")
    assert answer.score is not None
    used = {each["limit_name"]: each["used"] for each in told("quota", "show", "acme")["usages"]}
    assert (used["day"], used["month"]) == (1, 1)

    pulled = told("audit", "pull", there / "log", "--cert", there / "officer" / "certificate.pem")
    verified = told("log", "verify", there / "log", "--receipts", there / "receipts")
    assert verified["root_hash"] == pulled["root_hash"]
    assert (verified["releases"], verified["receipts"]) == (1, 1)
    assert gateway.stop() == 0
    assert "draining" in gateway.errors.read_text()
