"""Erasing somebody from a terminal: what it would do, that it is done, and that kept answers still verify."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.audit.log import private_parts
from gateway.audit.private import Sealed, data_keys
from gateway.cli.audit.erasing import Basis
from gateway.erasing import LegalBasis
from gateway.masters import Masters
from gateway.settings import load
from gateway.store import open_store
from scoregate.audit.v1 import audit_pb2
from scoregate.words import Purpose
from tests.cli.conftest import Desk, client_of
from tests.cli.test_cli_commands import consented
from tests.cli.test_cli_kept import vkey_of

PERSON = "uci-00777"


def export_private(desk: Desk, folder: Path) -> int:
    """Every private part that anybody can open, as an officer would be handed them; returns how many."""
    settings = load(desk.terminal.environ)
    store, lines = open_store(settings.database.url), list[str]()
    with store.reading() as connection:
        vault = Masters(settings.secrets.master_key).open(connection)
        query = sa.select(private_parts, data_keys.c.owner).join(data_keys)
        rows = connection.execute(query.order_by(private_parts.c.leaf_index)).all()
        keys = vault.fresh(connection, {row.owner for row in rows})
        for row in rows:
            part, blind = keys[row.owner].unbind(Sealed(row.key_id, row.sealed))
            spelled = {name: b64encode(data).decode() for name, data in (("part", part), ("blind", blind))}
            lines.append(json.dumps({"index": row.leaf_index, **spelled}))
    store.close()
    folder.mkdir()
    (folder / "parts.jsonl").write_text("\n".join(lines) + "\n")
    return len(lines)


def test_the_legal_bases_are_the_contracts_but_for_the_schedules_own() -> None:
    assert [basis.value for basis in Basis] == [each for each in LegalBasis if each != "RETENTION_ENDED"]
    names = {name.removeprefix("LEGAL_BASIS_"): number for name, number in audit_pb2.LegalBasis.items()}
    assert {each.value: each.number for each in LegalBasis} | {"UNSPECIFIED": 0} == names


def test_an_erased_persons_answers_still_verify_and_the_log_says_what_is_missing(
    desk: Desk, tmp_path: Path
) -> None:
    terminal = desk.terminal
    with desk.lender("erasing") as lender:
        consent_id, origin = consented(desk, lender, PERSON), lender.keys().log_origin
        other_id = consented(desk, lender, "uci-00778")
        (tmp_path / "jwks.json").write_text(lender.jwks)
        answer = lender.score(consent_id, Purpose.CREDIT_APPLICATION)
    vkey = vkey_of(desk, origin)
    with client_of(desk.folder / "erasing", f"127.0.0.1:{desk.gateway.partner_port}", log=vkey) as keeper:
        file = keeper.keep(answer, tmp_path / "receipts")
    officer = desk.enrolled("erasing-officer", "--role", "COMPLIANCE") / "certificate.pem"
    pull = ("audit", "pull", tmp_path / "log", "--cert", officer)
    whole = ("log", "verify", tmp_path / "log", "--vkey", vkey, "--receipts", tmp_path / "receipts")
    kept = ("verify", file, "--jwks", tmp_path / "jwks.json", "--vkey", vkey, "--audience", "erasing")
    terminal.told(*pull)
    export_private(desk, tmp_path / "before")

    def verify(*words: str | Path) -> int:
        """What only the log and files of before say; parts exported later are for a log pulled later."""
        ended = terminal.run(*whole, *words, "-o", "json")
        return ended.code

    # Whatever was pulled before the export holds, as the export holds more.
    assert terminal.told(*kept)["leaf_index"] == answer.receipt.leaf_index
    terminal.told(*whole)

    # What it would do, and nothing done.
    words = ("audit", "erase", PERSON, "--basis", "GDPR_ART_17_1_B", "--reason", "asked by letter")
    preview = terminal.told(*words)
    assert (preview["erased"], preview["open_consents"], preview["open_disputes"]) == (False, 0, 0)
    shown = " ".join(terminal.run(*words).out.split())
    assert "Nothing was erased. To erase for good, run it again with --yes." in shown
    assert terminal.told(*words)["entries"] == preview["entries"] + 2  # each look is an entry itself

    # Done.
    erased = terminal.told(*words, "--yes", "--cert", officer)
    assert (erased["erased"], erased["entries"], erased["rows_left"]) == (True, preview["entries"] + 2, 0)
    told = terminal.stopped(*words)
    assert (told["reason"], told["problems"][0]["problem"]) == (
        "NOT_FOUND",
        "Nothing is kept about this person, or all of it was erased.",
    )
    assert export_private(desk, tmp_path / "after") > 0

    # Every kept file verifies as before, and so does the whole log; the missing parts are accounted for.
    assert terminal.told(*kept)["leaf_index"] == answer.receipt.leaf_index
    terminal.told(*pull)
    told = terminal.told(*whole)
    assert (told["receipts"], told["erased"]) == (1, None)
    told = terminal.told(*whole, "--private", tmp_path / "after")
    assert told["erased"] >= erased["entries"]  # whoever else was erased at this desk is among them
    # With what was kept of before, or with one part more withheld, it does not hold.
    both = tmp_path / "both"
    both.mkdir()
    mine = json.loads(file.read_text())["leaf_index"]
    old = (tmp_path / "before" / "parts.jsonl").read_text().splitlines()
    new = (tmp_path / "after" / "parts.jsonl").read_text().splitlines()
    (both / "a.jsonl").write_text("\n".join(new) + "\n")
    (both / "b.jsonl").write_text(next(line for line in old if json.loads(line)["index"] == mine) + "\n")
    assert verify("--private", both) == 4
    (both / "b.jsonl").unlink()
    (both / "a.jsonl").write_text("\n".join(new[:1] + new[2:]) + "\n")
    assert verify("--private", both) == 5
    # The other person was left alone.
    with client_of(desk.folder / "erasing", f"127.0.0.1:{desk.gateway.partner_port}") as lender:
        assert lender.score(other_id, Purpose.CREDIT_APPLICATION).score is not None


@pytest.mark.parametrize("columns", [60, 160])
def test_an_erasure_is_shown_to_people(desk: Desk, columns: int) -> None:
    person = f"uci-008{columns}"
    with desk.lender(f"shown-{columns}") as lender:
        consented(desk, lender, person)
    words = ("audit", "erase", person, "--basis", "PIPL_ART_47")
    for more, told in ((), "1 consents that are open"), (("--yes",), "1 revoked; their partners are told"):
        ended = desk.terminal.run(*words, *more, COLUMNS=str(columns))
        assert (ended.code, ended.err) == (0, "")
        assert told in " ".join(ended.out.split())
        assert max(map(len, ended.out.splitlines())) <= max(columns, 110)


def test_a_basis_that_is_none_is_told_all_of_them(desk: Desk) -> None:
    ended = desk.terminal.run("audit", "erase", PERSON, "--basis", "GDPR")
    assert ended.code == 2
    assert "is not one of" in ended.err


def test_the_schedule_is_shown(desk: Desk) -> None:
    told = desk.terminal.told("audit", "retention")
    days = {each["purpose"]: each["days"] for each in told["purposes"]}
    assert set(days) == {*Purpose, "OTHER"}
    assert (days["CREDIT_APPLICATION"], told["backup_days"]) == (1_826, 35)
    shown = desk.terminal.run("audit", "retention").out
    assert "Backups of the database are to be destroyed after 35 days." in shown


def test_the_master_key_is_turned_from_a_terminal_and_the_old_one_can_go(desk: Desk) -> None:
    with desk.lender("turning") as lender:
        consent_id = consented(desk, lender, "uci-00790")
        before = desk.terminal.told("keys", "master")
        told = desk.terminal.told("keys", "rotate-master", "--reason", "yearly")
        assert (told["version"], told["oldest_version"]) == (before["version"] + 1,) * 2
        assert before["file"] in told["older_files"]
        assert (desk.home / "keys" / told["file"]).stat().st_mode & 0o777 == 0o600
        assert lender.score(consent_id, Purpose.CREDIT_APPLICATION).score is not None
    ended = desk.terminal.run("keys", "master")
    shown = " ".join(ended.out.split())
    assert (
        f"Next: copy {told['file']} to a safe place, then destroy {before['file']} and every copy." in shown
    )
    told = desk.terminal.stopped("keys", "rotate-master", "--reason", "")
    assert told["problems"][0]["field"] == "--reason"
