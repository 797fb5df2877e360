"""`scoregate audit pull`: resumable, the same bytes either way, and calm about a gateway that talks rubbish.

A scripted log door stands in for a gateway here: a real server with real certificates, whose pages break
off or lie where a test wants them to. The real gateway's log is pulled at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from gateway import pki
from scoregate.audit.v1 import audit_pb2, audit_pb2_grpc
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note
from tests.cli.conftest import Desk, Terminal, content, unchanged
from tests.client.scripted_gateway import refuse
from tests.signing import log_vkey, signed

ORIGIN = "scripted.example/log"
Page = audit_pb2.ListEntriesResponse


@dataclass
class LogDoor(audit_pb2_grpc.AuditServiceServicer):
    """Serves made-up leaves, 100 to a page; ``answer_with`` bends a page, after ``pages`` it breaks off."""

    leaves: list[bytes]
    address: str = ""
    pages: int | None = None
    answer_with: Callable[[Page], Page] = lambda page: page
    head: audit_pb2.GetHeadResponse | None = None
    # What is published: the next each time it is asked for, the last for ever; None: nothing yet.
    published: list[bytes | None] | None = None
    cursors: list[int] = field(default_factory=list)

    def GetHead(self, request, context):
        return self.head or head_of(self.leaves)

    def GetCheckpoint(self, request, context):
        shown = self.published or [checkpoint_of(self.leaves)]
        note = shown.pop(0) if len(shown) > 1 else shown[0]
        if note is None:
            refuse(grpc.StatusCode.UNAVAILABLE, "ENTRY_NOT_PUBLISHED")(request, context)
        return audit_pb2.GetCheckpointResponse(checkpoint=note)

    def ListEntries(self, request, context):
        if self.pages == 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
        if self.pages is not None:
            self.pages -= 1
        if not request.page_token:
            self.cursors.append(request.start_index)
        begin = int(request.page_token or request.start_index)
        last = min(begin + 100, request.tree_size)
        page = Page(first_index=begin, leaves=self.leaves[begin:last])
        page.next_page_token = str(last) if last < request.tree_size else ""
        return self.answer_with(page)


def head_of(leaves: list[bytes], **changes: object) -> audit_pb2.GetHeadResponse:
    tree = merkle.CompactRange()
    for leaf in leaves:
        tree.append(merkle.leaf_hash(leaf))
    told = {"log_origin": ORIGIN, "tree_size": len(leaves), "root_hash": tree.root()} | changes
    return audit_pb2.GetHeadResponse(**told)


def checkpoint_of(leaves: list[bytes], **changes: object) -> bytes:
    root = merkle.root(map(merkle.leaf_hash, leaves))
    said = {"origin": ORIGIN, "size": len(leaves), "root": root} | changes
    return signed(Checkpoint(**said))


@pytest.fixture(scope="module")
def officer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an officer's certificate and the scripted door's own."""
    folder = tmp_path_factory.mktemp("officer")
    now = datetime.now(UTC)
    server = pki.create_authority(folder / "pki", pki.AuthorityRole.SERVER, now=now)
    staff = pki.create_authority(folder / "pki", pki.AuthorityRole.STAFF, now=now)
    certificate, key = server.issue_server([], now=now, days=1)
    (folder / "door.pem").write_bytes(certificate)
    (folder / "door.key").write_bytes(key)
    key, csr = pki.new_key_and_request("officer")
    pki.create_private(folder / "key.pem", key)
    uri = pki.spiffe_uri("scoregate.local", "staff", "officer")
    (folder / "certificate.pem").write_bytes(staff.sign_request(csr, spiffe_uri=uri, now=now, days=1))
    (folder / "server-ca.pem").write_bytes(server.certificate_pem)
    return folder


@pytest.fixture
def door(officer: Path) -> Iterator[LogDoor]:
    """A log of 777 entries: three full bundles and nine entries more."""
    made = LogDoor([f"entry {number}".encode() for number in range(777)])
    server = grpc.server(ThreadPoolExecutor(2))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(made, server)
    pair = [((officer / "door.key").read_bytes(), (officer / "door.pem").read_bytes())]
    roots = (officer / "pki" / "staff-ca.pem").read_bytes()
    credentials = grpc.ssl_server_credentials(pair, root_certificates=roots, require_client_auth=True)
    made.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    yield made
    server.stop(0).wait()


@dataclass(frozen=True)
class Puller:
    terminal: Terminal
    officer: Path
    door: LogDoor

    def words(self, folder: Path) -> tuple[str | Path, ...]:
        certificate = self.officer / "certificate.pem"
        return ("audit", "pull", folder, "--gateway", self.door.address, "--cert", certificate)


@pytest.fixture
def puller(terminal: Terminal, officer: Path, door: LogDoor) -> Puller:
    return Puller(terminal, officer, door)


def test_a_pull_that_was_broken_off_and_resumed_leaves_the_bytes_of_one_pull(
    puller: Puller, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    puller.terminal.told(*puller.words(whole))
    for pages, held in ((3, 300), (1, 400), (0, 400)):
        puller.door.pages = pages
        ended = puller.terminal.run(*puller.words(broken))
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("Refused: --gateway: No answer from ")
        assert sum(file.startswith("tile/") for file in content(broken)) == -(-held // 256)
        # Broken off, it reads as incomplete: nothing in it is wrong, and where it ends is told.
        read = puller.terminal.run("log", "verify", broken, "--foreign", "-o", "json")
        assert (read.code, json.loads(read.out)["index"]) == (5, 0)  # no hash tile is there yet
    puller.door.pages = None
    told = puller.terminal.told(*puller.words(broken))
    assert (told["tree_size"], told["new_entries"]) == (777, 377)
    assert content(broken) == content(whole)
    assert puller.door.cursors[-1] == 400  # it asked for nothing that it held


def test_a_second_pull_brings_what_is_new_and_a_third_nothing(puller: Puller, tmp_path: Path) -> None:
    all_leaves = puller.door.leaves
    puller.door.leaves = all_leaves[:513]
    puller.terminal.told(*puller.words(tmp_path / "log"))
    puller.door.leaves = all_leaves
    assert puller.terminal.told(*puller.words(tmp_path / "log"))["new_entries"] == 264
    cursors = list(puller.door.cursors)
    with unchanged(tmp_path / "log"):
        assert puller.terminal.told(*puller.words(tmp_path / "log"))["new_entries"] == 0
    assert puller.door.cursors == cursors  # nothing was read, so nothing had to be recorded
    puller.terminal.told(*puller.words(tmp_path / "once"))
    assert content(tmp_path / "log") == content(tmp_path / "once")


def test_a_pull_says_what_to_do_next(puller: Puller, tmp_path: Path) -> None:
    shown = puller.terminal.run(*puller.words(tmp_path / "log")).out
    assert f"scoregate log verify {tmp_path}/log --vkey VKEY" in shown
    assert "777, 777 of them new" in shown


def shifted(page: Page) -> Page:
    page.first_index += 1
    return page


def emptied(page: Page) -> Page:
    del page.leaves[:]
    return page


def overlong(page: Page) -> Page:
    page.leaves.extend([b"one more"] * 700)
    return page


def broken_off(page: Page) -> Page:
    page.next_page_token = ""
    return page


def giant(page: Page) -> Page:
    page.leaves[0] = b"x" * 65_536
    return page


@pytest.mark.parametrize("bend", [shifted, emptied, overlong, broken_off, giant])
def test_pages_that_do_not_follow_each_other_are_of_no_use(
    puller: Puller, tmp_path: Path, bend: Callable[[Page], Page]
) -> None:
    puller.door.answer_with = bend
    told = puller.terminal.stopped(*puller.words(tmp_path / "log"))
    assert told["reason"] == "ANSWER_UNUSABLE"
    assert "keep DIR" in told["problems"][0]["remedy"]


@pytest.mark.parametrize(
    "note", [b"", b"no note", b"a/log\n7\n\n", b"\xff", checkpoint_of([]).replace(b"\n0\n", b"\n00\n")]
)
def test_a_checkpoint_that_is_none_is_of_no_use(puller: Puller, tmp_path: Path, note: bytes) -> None:
    puller.door.published = [note]
    told = puller.terminal.stopped(*puller.words(tmp_path / "log"))
    assert told["reason"] == "ANSWER_UNUSABLE"
    assert content(tmp_path / "log") == {}


def test_a_head_that_no_log_can_have_is_of_no_use(puller: Puller, tmp_path: Path) -> None:
    puller.door.head = head_of(puller.door.leaves, tree_size=2**64 - 1)
    assert puller.terminal.stopped(*puller.words(tmp_path / "log"))["reason"] == "ANSWER_UNUSABLE"


def test_what_is_committed_and_not_published_yet_is_waited_for(puller: Puller, tmp_path: Path) -> None:
    before = checkpoint_of(puller.door.leaves[:700])
    puller.door.published = [None, before, checkpoint_of(puller.door.leaves)]
    assert puller.terminal.told(*puller.words(tmp_path / "log"))["tree_size"] == 777


def test_a_log_that_goes_on_meanwhile_is_pulled_as_far_as_it_is_published(
    puller: Puller, tmp_path: Path
) -> None:
    puller.door.head = head_of(puller.door.leaves[:700])
    assert puller.terminal.told(*puller.words(tmp_path / "log"))["tree_size"] == 777


@pytest.mark.parametrize(("published", "words"), [(700, "of 700 entries"), (None, "none at all")])
def test_what_is_not_published_in_time_is_refused_and_nothing_is_written(
    puller: Puller, tmp_path: Path, published: int | None, words: str
) -> None:
    puller.door.published = [None if published is None else checkpoint_of(puller.door.leaves[:published])]
    told = puller.terminal.stopped(*puller.words(tmp_path / "log"), "--wait", "0.5")
    assert told["reason"] == "ENTRY_NOT_PUBLISHED"
    assert words in told["problems"][0]["problem"]
    assert content(tmp_path / "log") == {}


def test_a_head_and_a_checkpoint_of_two_roots_are_evidence(puller: Puller, tmp_path: Path) -> None:
    puller.door.published = [checkpoint_of(puller.door.leaves, root=bytes(32))]
    told = puller.terminal.stopped(*puller.words(tmp_path / "log"), code=4)
    assert "two roots for the same 777 entries" in told["problems"][0]["problem"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 776}, "rolled back"),
        ({"root": bytes(32)}, "two roots"),
        ({"origin": "another.example/log"}, "into another folder"),
    ],
)
def test_a_log_that_contradicts_itself_is_evidence_and_ends_like_verify(
    puller: Puller, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    puller.terminal.told(*puller.words(tmp_path / "log"))
    # A server that stands behind what it says: head and checkpoint agree with each other.
    note = checkpoint_of(puller.door.leaves, **changes)
    said = Checkpoint.decode(Note.decode(note).text)
    puller.door.published = [note]
    puller.door.head = audit_pb2.GetHeadResponse(
        log_origin=said.origin, tree_size=said.size, root_hash=said.root
    )
    with unchanged(tmp_path / "log"):
        told = puller.terminal.stopped(*puller.words(tmp_path / "log"), code=4)
    assert told["result"] == "diverged"
    assert words in told["problems"][0]["problem"]
    # With one name for both, it may as well be another installation.
    assert ("another installation" in told["problems"][0]["remedy"]) == ("origin" not in changes)


def test_a_damaged_folder_ends_like_verify(puller: Puller, tmp_path: Path) -> None:
    puller.terminal.told(*puller.words(tmp_path / "log"))
    (tmp_path / "log" / "checkpoint").write_text("{}")
    assert puller.terminal.stopped(*puller.words(tmp_path / "log"), code=3)["result"] == "invalid"


def test_a_folder_of_other_things_is_not_pulled_into(puller: Puller, tmp_path: Path) -> None:
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / ".writing").touch()  # what a first pull leaves that was broken off at once
    (folder / "9.json").write_text("{}")
    with unchanged(folder):
        (told,) = puller.terminal.stopped(*puller.words(folder), code=2)["problems"]
    assert (told["field"], told["problem"]) == ("DIR", f"{folder} holds other things than a pulled log.")
    (folder / "9.json").unlink()
    assert puller.terminal.told(*puller.words(folder))["new_entries"] == 777


def test_a_folder_of_the_old_form_is_kept_and_not_pulled_into(puller: Puller, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "head.json").write_text("{}")
    with unchanged(tmp_path / "old"):
        (told,) = puller.terminal.stopped(*puller.words(tmp_path / "old"), code=2)["problems"]
    assert (told["field"], told["remedy"]) == ("DIR", "Keep it, and name a new folder.")


def test_what_was_accepted_is_no_hindrance(puller: Puller, tmp_path: Path) -> None:
    puller.terminal.told(*puller.words(tmp_path / "log"))
    vkey = log_vkey(ORIGIN)
    puller.terminal.told("log", "verify", tmp_path / "log", "--foreign", "--vkey", vkey)
    puller.terminal.told(*puller.words(tmp_path / "log"))
    told = puller.terminal.told("log", "verify", tmp_path / "log", "--foreign", "--vkey", vkey)
    assert told["accepted_size"] == 777


def test_a_folder_that_cannot_be_written_is_a_sentence(puller: Puller, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = puller.terminal.stopped(*puller.words(tmp_path / "file"), code=2)
    assert told["problems"][0]["field"] == "DIR"


def test_the_gateways_own_log_is_pulled_twice_and_holds(desk: Desk, tmp_path: Path) -> None:
    certificate = desk.enrolled("officer", "--role", "COMPLIANCE") / "certificate.pem"
    words = ("audit", "pull", tmp_path / "log", "--cert", certificate)
    first = desk.terminal.told(*words)
    desk.enrolled("late")
    second = desk.terminal.told(*words)
    # The first reading is an entry itself; so are the late partner and its certificate.
    assert second["new_entries"] == second["tree_size"] - first["tree_size"] == 3
    verified = desk.terminal.told("log", "verify", tmp_path / "log")
    assert (verified["tree_size"], verified["root_hash"]) == (second["tree_size"], second["root_hash"])


def test_only_an_officer_pulls_the_log(desk: Desk, tmp_path: Path) -> None:
    operator = desk.terminal.stopped("audit", "pull", tmp_path / "log")
    assert operator["reason"] == "METHOD_NOT_ALLOWED"
    lender = desk.enrolled("curious") / "certificate.pem"
    assert (
        desk.terminal.stopped("audit", "pull", tmp_path / "log", "--cert", lender)["reason"] == "UNAVAILABLE"
    )
    assert content(tmp_path / "log") == {}
