"""`scoregate audit export`, and `log verify` of what it wrote; a real gateway, and one that breaks off."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway import pki
from gateway.cli.audit.drafts import Draft
from scoregate.audit.v1 import audit_pb2, audit_pb2_grpc
from scoregate.words import Purpose
from tests.cli.conftest import Desk, Ended, terms
from tests.wire import open_channel

FIRST_LEAF = {".zip": b'"leaf":"CAEQ', ".jsonl": b'"raw_data":"CAEQ', ".parquet": b"exported"}
"""What stands in a file where its first leaf does."""
REASON = ("--reason", "a test")


@pytest.fixture(scope="module")
def officer(desk: Desk) -> Path:
    """An officer's certificate, at a desk where a lender asked about two people."""
    lender = desk.lender("exported")
    for subject in ("uci-00001", "uci-00002"):
        invitation = lender.invite(terms())
        desk.terminal.told("consent", "allow", invitation.handle, "--subject", subject)
        consent_id = lender.invitation(invitation.handle).consent_id
        lender.score(consent_id, Purpose.CREDIT_APPLICATION)
    lender.close()
    return desk.enrolled("exporter", "--role", "COMPLIANCE") / "certificate.pem"


@pytest.fixture(scope="module")
def pinned(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    folder = tmp_path_factory.mktemp("pinned")
    jwks, policy = folder / "jwks.json", folder / "policy"
    desk.terminal.told("keys", "export", "--out", jwks, "--policy", policy)
    return ("--keys", jwks, "--policy", policy)


def verify(desk: Desk, file: Path, pinned: tuple[str | Path, ...]) -> Ended:
    return desk.terminal.run("log", "verify", file, *pinned, "-o", "json")


@pytest.mark.parametrize("ending", FIRST_LEAF)
def test_what_is_exported_verifies_and_what_is_bent_does_not(
    desk: Desk, officer: Path, pinned: tuple[str | Path, ...], tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"export{ending}"
    words = ("audit", "export", file, "--partner", "exported", "--private", *REASON, "--cert", officer)
    told = desk.terminal.told(*words)
    assert told["entries"] > told["opened"] >= 6
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {each.name for each in tmp_path.iterdir()} <= {file.name, f"{file.name}.seal"}
    found = verify(desk, file, pinned)
    assert found.code == 0, found
    assert found.told["manifest"]["filter"] == {"partner_id": "exported"}
    assert found.told["manifest"]["log_index"] == told["log_index"]
    shown = desk.terminal.run("log", "verify", file, *pinned)
    assert (shown.code, "The export holds" in shown.out) == (0, True)
    # The same, one byte shorter; and with one byte changed, where the first leaf lies.
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert verify(desk, file, pinned).code == 5
    at = whole.index(FIRST_LEAF[ending]) + len(FIRST_LEAF[ending]) - 1
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert verify(desk, file, pinned).code in {3, 4}


def test_all_filters_have_their_option(
    desk: Desk, officer: Path, pinned: tuple[str | Path, ...], tmp_path: Path
) -> None:
    file = tmp_path / "export.zip"
    told = desk.terminal.told(
        "audit", "export", file, "--partner", "exported", "--since", "2026-01-01", "--until",
        "2199-01-01T00:00:00+08:00", "--decision", "scored", "--purpose", "CREDIT_APPLICATION", "--kind",
        "RELEASE", "--kind", "REPLAY", "--subject", "uci-00001", *REASON, "--cert", officer,
    )  # fmt: skip
    assert (told["entries"], told["opened"]) == (1, 0)
    assert verify(desk, file, pinned).told["manifest"]["filter"] == {
        "about_a_person": True,
        "decisions": ["SCORED"],
        "kinds": ["RELEASE", "REPLAY"],
        "partner_id": "exported",
        "purposes": ["CREDIT_APPLICATION"],
        "since": "2026-01-01T00:00:00.000000Z",
        "until": "2198-12-31T16:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("words", "field", "code"),
    [
        (("export.txt",), "FILE", 2),
        (("taken.zip",), "FILE", 2),
        (("x.zip", "--kind", "NONE"), "--kind", 2),
        (("x.zip", "--partner", "No Such"), "--partner", 1),
        (("x.zip", "--subject", "a b"), "--subject", 1),
    ],
)
def test_what_is_wrong_is_named_and_leaves_nothing_behind(
    desk: Desk, officer: Path, tmp_path: Path, words: tuple[str, ...], field: str, code: int
) -> None:
    (tmp_path / "taken.zip").write_text("something else")
    file, *options = words
    told = desk.terminal.stopped(
        "audit", "export", tmp_path / file, *options, *REASON, "--cert", officer, code=code
    )
    assert told["problems"][0]["field"] == field
    assert (tmp_path / "taken.zip").read_text() == "something else"


def test_a_time_that_is_none_is_told(desk: Desk, officer: Path, tmp_path: Path) -> None:
    ended = desk.terminal.run(
        "audit", "export", tmp_path / "x.zip", "--since", "yesterday", *REASON, "--cert", officer
    )
    assert (ended.code, "YYYY-MM-DD" in ended.err) == (2, True)


def test_an_export_is_not_verified_without_both_kinds_of_keys_or_as_a_log(
    desk: Desk, officer: Path, pinned: tuple[str | Path, ...], tmp_path: Path
) -> None:
    file = tmp_path / "x.zip"
    desk.terminal.told("audit", "export", file, *REASON, "--cert", officer)
    as_a_log = (("--foreign",), ("--trusted", tmp_path / "accepted"), ("--receipts", tmp_path))
    for options in ((), pinned[:2], pinned[2:], *((*pinned, *more) for more in as_a_log)):
        assert desk.terminal.run("log", "verify", file, *options).code == 2
    desk.terminal.told("audit", "pull", tmp_path / "log", "--cert", officer)
    assert desk.terminal.run("log", "verify", tmp_path / "log", *pinned).code == 2


def test_an_officers_export_is_in_the_log_that_is_pulled_next(
    desk: Desk, officer: Path, tmp_path: Path
) -> None:
    told = desk.terminal.told("audit", "export", tmp_path / "x.zip", *REASON, "--cert", officer)
    desk.terminal.told("audit", "pull", tmp_path / "log", "--cert", officer)
    file = tmp_path / "seen.jsonl"
    words = ("--partner", "exporter", "--kind", "EXPORTED")
    desk.terminal.told("audit", "export", file, *words, *REASON, "--cert", officer)
    seen = [json.loads(line) for line in file.read_text().splitlines()]
    (mine,) = [each for each in seen if each["unmapped"]["leaf_index"] == told["log_index"]]
    assert json.loads(mine["status_detail"])["why"] == "a test"
    assert (mine["actor"]["user"]["uid"], mine["activity_name"]) == ("exporter", "Read")


def test_only_an_officer_exports(desk: Desk, tmp_path: Path) -> None:
    told = desk.terminal.stopped("audit", "export", tmp_path / "x.zip", *REASON)
    assert told["reason"] == "METHOD_NOT_ALLOWED"
    assert not list(tmp_path.iterdir())


# --- private parts beside a pulled log


def test_private_parts_open_a_pulled_log_and_are_pulled_further(
    desk: Desk, officer: Path, pinned: tuple[str | Path, ...], tmp_path: Path
) -> None:
    log, parts = tmp_path / "log", tmp_path / "parts"
    words = ("audit", "pull", log, "--private", parts, *REASON, "--cert", officer)
    first = desk.terminal.told(*words)
    assert first["new_private_parts"] >= 6
    file = parts / "parts.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = desk.terminal.told("log", "verify", log, *pinned[2:], "--private", parts)
    assert found["opened"] == first["new_private_parts"]
    # Broken off in the middle of a line, it goes on behind the last one that is whole.
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    again = desk.terminal.told(*words)
    assert again["new_private_parts"] == 1
    assert file.read_bytes() == whole
    found = desk.terminal.told("log", "verify", log, *pinned[2:], "--private", parts)
    assert found["opened"] == first["new_private_parts"]
    # A part that is another's opens nothing.
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[1:]))
    assert desk.terminal.run("log", "verify", log, *pinned[2:], "--private", parts).code == 5
    bent = json.loads(lines[1]) | {"index": json.loads(lines[0])["index"]}
    file.write_bytes(b"".join((json.dumps(bent).encode() + b"\n", *lines[1:])))
    assert desk.terminal.run("log", "verify", log, *pinned[2:], "--private", parts).code == 4


def test_what_was_erased_is_accounted_for_where_all_else_is_pulled(
    desk: Desk, officer: Path, pinned: tuple[str | Path, ...], tmp_path: Path
) -> None:
    lender = desk.lender("forgetful")
    invitation = lender.invite(terms())
    desk.terminal.told("consent", "allow", invitation.handle, "--subject", "uci-00003")
    lender.score(lender.invitation(invitation.handle).consent_id, Purpose.CREDIT_APPLICATION)
    lender.close()
    log, before, after = tmp_path / "log", tmp_path / "before", tmp_path / "after"
    words = ("audit", "pull", log, *REASON, "--cert", officer, "--private")
    there = desk.terminal.told(*words, before)["new_private_parts"]
    erased = desk.terminal.told(
        "audit", "erase", "uci-00003", "--basis", "COURT_ORDER", "--yes", "--cert", officer
    )["entries"]
    assert erased >= 2  # what was allowed, and what was answered
    found = desk.terminal.told(*words, after)
    assert found["new_private_parts"] > there - erased  # the list of what was redacted is among them
    told = desk.terminal.told("log", "verify", log, *pinned[2:], "--private", after)
    assert told["opened"] == found["new_private_parts"]
    assert told["erased"] >= erased  # whoever else was erased at this desk is among them
    # Whoever kept a part that was to be erased is told so.
    desk.terminal.told(*words, before)
    assert desk.terminal.run("log", "verify", log, *pinned[2:], "--private", before).code == 4
    # An export says of each that it is gone.
    exported = desk.terminal.told(
        "audit",
        "export",
        tmp_path / "x.zip",
        "--partner",
        "forgetful",
        "--private",
        *REASON,
        "--cert",
        officer,
    )
    assert exported["erased"] >= erased - 1
    assert verify(desk, tmp_path / "x.zip", pinned).code == 0


@pytest.mark.parametrize("options", [("--private", "parts"), REASON, ("--private", "log/parts", *REASON)])
def test_private_parts_need_a_reason_and_a_folder_of_their_own(
    desk: Desk, officer: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    placed = [tmp_path / each if each.endswith("parts") else each for each in options]
    desk.terminal.stopped("audit", "pull", tmp_path / "log", *placed, "--cert", officer, code=2)
    assert not list(tmp_path.iterdir())


def test_a_draft_keeps_pages_that_came_whole_and_no_others_question(tmp_path: Path) -> None:
    pages = [audit_pb2.ExportBundleResponse(looked_up_to=n, next_page_token=f"t{n}") for n in (1, 2, 3)]
    asked = audit_pb2.ExportBundleRequest(reason="a test")
    path = tmp_path / ".x.draft"
    draft = Draft(path, asked)
    for page in pages:
        draft.append(page)
    draft.close(done=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    whole = path.read_bytes()
    for cut_to, held in ((len(whole), 3), (len(whole) - 1, 2), (len(whole) - 3, 2), (3, 0)):
        path.write_bytes(whole[:cut_to])
        draft = Draft(path, asked)
        assert list(draft.pages()) == pages[:held]
        assert draft.last == (pages[held - 1] if held else None)
        draft.append(pages[2])
        assert list(draft.pages()) == [*pages[:held], pages[2]]
        draft.close(done=False)
    draft = Draft(path, audit_pb2.ExportBundleRequest(reason="another"))
    assert (draft.last, list(draft.pages())) == (None, [])
    draft.close(done=True)
    assert not path.exists()


class BreakingDoor(audit_pb2_grpc.AuditServiceServicer):
    """Stands before a real gateway's door, and hangs up after so many pages of one entry each."""

    def __init__(self, real: audit_pb2_grpc.AuditServiceStub) -> None:
        self.real, self.left = real, 0
        self.opened = 0

    def GetHead(self, request: Any, _: Any) -> Any:
        return self.real.GetHead(request)

    def GetCheckpoint(self, request: Any, _: Any) -> Any:
        return self.real.GetCheckpoint(request)

    def ExportBundle(self, request: Any, context: Any) -> Any:
        if self.left == 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
        self.left -= 1
        self.opened += not request.page_token
        request.page_size = 1
        return self.real.ExportBundle(request)


def test_an_export_that_was_broken_off_goes_on_where_it_stopped(
    desk: Desk, officer: Path, pinned: tuple[str | Path, ...], tmp_path: Path
) -> None:
    folder, port = officer.parent, desk.gateway.admin_port
    real = open_channel(
        port, (folder / "server-ca.pem").read_bytes(), officer.read_bytes(), (folder / "key.pem").read_bytes()
    )
    door = BreakingDoor(audit_pb2_grpc.AuditServiceStub(real))
    server = grpc.server(ThreadPoolExecutor(2))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(door, server)
    now = datetime.now(UTC)
    authority = pki.create_authority(tmp_path / "pki", pki.AuthorityRole.SERVER, now=now)
    certificate, key = authority.issue_server([], now=now, days=1)
    ca = tmp_path / "pki" / "ca.pem"
    ca.write_bytes(authority.certificate_pem)
    address = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    file = tmp_path / "x.zip"
    words = (
        "audit", "export", file, "--partner", "exported", *REASON, "--cert", officer, "--ca", ca,
        "--gateway", f"127.0.0.1:{address}",
    )  # fmt: skip
    try:
        for pages in (2, 1):
            door.left = pages
            assert desk.terminal.run(*words).code == 1
            assert not file.exists()
        door.left = 1_000
        told = desk.terminal.told(*words)
    finally:
        server.stop(0).wait()
        real.close()
    assert door.opened == 1  # all of it is one export, and one entry of the log
    found = verify(desk, file, pinned)
    assert (found.code, found.told["manifest"]["tally"]["entries"]) == (0, told["entries"])
    assert not (tmp_path / ".x.zip.draft").exists()
