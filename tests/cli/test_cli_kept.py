"""From a lender's answer to the log that an officer pulls: every check holds, and a flipped byte is found."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path

import pytest

from scoregate.errors import ReceiptConflict
from scoregate.words import Purpose
from tests.cli.conftest import Desk, client_of
from tests.cli.test_cli_commands import consented


def vkey_of(desk: Desk, origin: str) -> str:
    """The log's key, as it is served to anybody; a real lender gets it over another channel."""
    connection = HTTPConnection("127.0.0.1", desk.gateway.http_port, timeout=5)
    try:
        connection.request("GET", f"/{origin.partition('/')[2]}/vkey")
        return connection.getresponse().read().decode().strip()
    finally:
        connection.close()


def test_an_answer_is_kept_and_verified_and_found_in_the_pulled_log(desk: Desk, tmp_path: Path) -> None:
    with desk.lender("keeper") as lender:
        consent_id, origin, jwks = consented(desk, lender, "uci-00001"), lender.keys().log_origin, lender.jwks
        answer = lender.score(consent_id, Purpose.CREDIT_APPLICATION)
    vkey = vkey_of(desk, origin)
    target = f"127.0.0.1:{desk.gateway.partner_port}"
    with client_of(desk.folder / "keeper", target, log=vkey) as keeper:
        file = keeper.keep(answer, tmp_path / "receipts")
    (tmp_path / "jwks.json").write_text(jwks)
    words = ("verify", file, "--jwks", tmp_path / "jwks.json", "--vkey", vkey, "--audience", "keeper")
    told = desk.terminal.told(*words)
    assert (told["leaf_index"], told["log_origin"]) == (answer.receipt.leaf_index, origin)
    assert told["tree_size"] > answer.receipt.leaf_index

    # An officer's copy of the log holds the entry, and begins with the very tree that the lender was shown.
    officer = desk.enrolled("keepers-officer", "--role", "COMPLIANCE") / "certificate.pem"
    pulled = desk.terminal.told("audit", "pull", tmp_path / "log", "--cert", officer)
    verify = ("log", "verify", tmp_path / "log", "--vkey", vkey, "--receipts", tmp_path / "receipts")
    found = desk.terminal.told(*verify)
    assert (found["tree_size"], found["receipts"], found["signed_by"]) == (pulled["tree_size"], 1, vkey)
    assert (tmp_path / "log" / ".accepted").read_bytes() == (tmp_path / "log" / "checkpoint").read_bytes()

    # One flipped byte, and neither holds.
    members = json.loads(file.read_bytes())
    proof = members["proof"]
    at = proof.index("\n", proof.index("index ")) + 5
    members["proof"] = proof[:at] + ("A" if proof[at] != "A" else "B") + proof[at + 1 :]
    file.write_text(json.dumps(members))
    for each in (words, verify):
        assert desk.terminal.run(*each, "-o", "json").code == 3


def test_what_lies_there_of_another_answer_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    with desk.lender("careful") as lender:
        consent_id = consented(desk, lender, "uci-00002")
        answer = lender.score(consent_id, Purpose.CREDIT_APPLICATION)
        vkey = vkey_of(desk, lender.keys().log_origin)
    (tmp_path / f"{answer.receipt.leaf_index}.json").write_text("{}")
    target = f"127.0.0.1:{desk.gateway.partner_port}"
    with client_of(desk.folder / "careful", target, log=vkey) as keeper, pytest.raises(ReceiptConflict):
        keeper.keep(answer, tmp_path)
    assert (tmp_path / f"{answer.receipt.leaf_index}.json").read_text() == "{}"
