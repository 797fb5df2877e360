"""`scoregate log verify`: every way to tamper with a pulled folder has its exit code and its sentence."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import scoregate
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.pulled import PulledLog
from scoregate.cli import app
from scoregate.proof import leaf
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.tiles import decode_bundle, encode_bundle
from tests.signing import WITNESSES, log_vkey, policy_text, signed

OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5
FULL, PARTIAL = "tile/entries/000", "tile/entries/001.p/44"


@dataclass
class Folder:
    """A pulled log of 300 entries with its receipts, and ways to break it."""

    log: Any
    path: Path
    receipts: Path

    def verify(self, *arguments: str, receipts: bool = True, policy: bool = True) -> Result:
        extra = ["--receipts", str(self.receipts)] if receipts else []
        pinned = ["--policy", str(self.path.parent / "policy")] if policy else []
        return CliRunner().invoke(app, ["log", "verify", str(self.path), *pinned, *extra, *arguments])

    def rewrite(self, bundle: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
        path = self.path / bundle
        path.write_bytes(encode_bundle(change(decode_bundle(path.read_bytes()))))

    def change_leaf(self, index: int, **fields: object) -> None:
        """Rewrite one leaf so that it is well formed, and lies about something."""

        def change(entries: list[bytes]) -> list[bytes]:
            lie = leaf.decode(entries[index % 256])
            lie.MergeFrom(leaf_pb2.Leaf(**fields))  # type: ignore[arg-type]
            return [
                *entries[: index % 256],
                lie.SerializeToString(deterministic=True),
                *entries[index % 256 + 1 :],
            ]

        self.rewrite(FULL if index < 256 else PARTIAL, change)

    def repull(self, leaves: list[leaf_pb2.Leaf]) -> None:
        """Let the whole folder be of another log, with tiles of its own, signed and cosigned."""
        shutil.rmtree(self.path)
        self.log.leaves = leaves
        entries = [each.SerializeToString(deterministic=True) for each in leaves]
        pulled = PulledLog(self.path)
        pulled.append(entries)
        pulled.write_tiles()
        self.sign(size=len(entries), root=merkle.root(map(merkle.leaf_hash, entries)))

    def sign(self, witnesses: tuple[str, ...] = WITNESSES, by: str = "", **changes: Any) -> None:
        """Let the log sign a checkpoint that says something else, and witnesses believe it."""
        said = Checkpoint.decode((self.path.parent / "said").read_text())
        fields = {"origin": said.origin, "size": said.size, "root": said.root} | changes
        checkpoint = Checkpoint(**fields)
        (self.path.parent / "said").write_text(checkpoint.text())
        (self.path / "checkpoint").write_bytes(signed(checkpoint, witnesses, by=by))

    def rewrite_checkpoint(self, old: bytes, new: bytes) -> None:
        """Change what was signed, without a key."""
        data = (self.path / "checkpoint").read_bytes()
        assert old in data
        (self.path / "checkpoint").write_bytes(data.replace(old, new, 1))


@pytest.fixture
def folder(log: Any, tmp_path: Path) -> Folder:
    (tmp_path / "policy").write_text(policy_text("all"))
    (tmp_path / "said").write_text(log.checkpoint().text())
    return Folder(log, log.pull(tmp_path / "log", WITNESSES), log.file_receipts(tmp_path / "receipts"))


# --- what holds -------------------------------------------------------------------------------------


def test_an_untouched_log_holds(folder: Folder) -> None:
    result = folder.verify()
    assert result.exit_code == OK
    assert "The log holds" in result.stdout
    assert folder.log.entries
    shown = " ".join(result.stdout.split())
    for expected in (
        "300 in 2 bundles",
        "scoregate.example/log/2026h2",
        "3; each one's entries count from 1",
        "w1.example on 2026-11-23T09:30:02Z, w2.example on",
        "3; each hash follows from the entries",
        "nothing was accepted before; kept in",
    ):
        assert expected in shown
    held = len(folder.log.attestations)
    assert f"{held}; each one's entry and attestation are in the log, and {held} hold the request" in shown
    assert result.stderr == ""


def test_the_whole_root_is_shown_on_one_line(folder: Folder) -> None:
    root = merkle.root(map(merkle.leaf_hash, folder.log.entries)).hex()
    assert root in folder.verify().stdout


def test_without_receipts_it_says_that_none_were_looked_at(folder: Folder) -> None:
    result = folder.verify(receipts=False)
    assert result.exit_code == OK
    assert "not looked at; add --receipts DIR" in result.stdout


def test_without_a_key_it_says_plainly_that_no_signature_was_checked(folder: Folder) -> None:
    result = folder.verify(policy=False)
    assert result.exit_code == OK
    shown = " ".join(result.stdout.split())
    assert "The log holds; no signature was checked" in shown
    assert "NOT CHECKED: anybody can have made this checkpoint; add --vkey or --policy" in shown
    assert "without a key, nothing is accepted now" in shown
    assert not (folder.path / ".accepted").exists()
    assert json.loads(folder.verify("-o", "json", policy=False).stdout)["signed_by"] is None


def test_an_empty_log_holds(make_log: Callable[[int], Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["log", "verify", str(make_log(0).pull(tmp_path))])
    assert result.exit_code == OK
    assert "no entries yet" in result.stdout


def test_json_holds_what_the_table_says(folder: Folder) -> None:
    result = folder.verify("-o", "json")
    releases = len(folder.log.attestations)
    assert json.loads(result.stdout) == {
        "result": "ok",
        "origin": "scoregate.example/log/2026h2",
        "tree_size": 300,
        "root_hash": merkle.root(map(merkle.leaf_hash, folder.log.entries)).hex(),
        "signed_by": str(log_vkey()),
        "cosigned": dict.fromkeys(WITNESSES, "2026-11-23T09:30:02Z"),
        "accepted_size": None,
        "foreign": False,
        "bundles": 2,
        "hash_tiles": 3,
        "first_time": "2026-11-23T02:13:20.000000Z",
        "last_time": "2026-11-23T02:13:20.149000Z",
        "partners": 3,
        "releases": releases,
        "replays": 43,
        "units": releases,
        "receipts": releases,
        "requests": releases,
        "opened": None,
        "erased": None,
    }
    assert result.stderr == ""


# --- tampering --------------------------------------------------------------------------------------


def swapped(items: list[bytes], one: int, other: int) -> list[bytes]:
    items = list(items)
    items[one], items[other] = items[other], items[one]
    return items


def flip_the_version(f: Folder) -> None:
    data = bytearray((f.path / FULL).read_bytes())
    assert data[2:4] == b"\x08\x01"
    data[3] ^= 2
    (f.path / FULL).write_bytes(data)


def hide_bytes(f: Folder) -> None:
    f.rewrite(FULL, lambda e: [*e[:5], e[5] + b"\xa0\x06\x01", *e[6:]])


def delete(f: Folder, index: int) -> None:
    f.rewrite(FULL, lambda e: [*e[:index], *e[index + 1 :]])


def delete_and_move_up(f: Folder) -> None:
    f.repull([*f.log.leaves[:1], *f.log.leaves[2:]])


def cut_partial(f: Folder, left: int) -> None:
    f.rewrite(PARTIAL, lambda e: e[:left])
    (f.path / PARTIAL).rename(f.path / f"tile/entries/001.p/{left}")


def append_bytes(f: Folder, data: bytes) -> None:
    (f.path / FULL).write_bytes((f.path / FULL).read_bytes() + data)


def insert_and_push_out(f: Folder) -> None:
    f.rewrite(FULL, lambda e: [*e[:2], e[1], *e[2:-1]])


def add_entry(f: Folder) -> None:
    extra = leaf.decode(f.log.entries[-6])  # a free entry without a partner
    extra.time_micros = f.log.leaves[-1].time_micros
    f.rewrite(PARTIAL, lambda e: [*e, leaf.encode(extra)])
    (f.path / PARTIAL).rename(f.path / "tile/entries/001.p/45")


def swap_bundles(f: Folder) -> None:
    first, second = (f.path / FULL).read_bytes(), (f.path / PARTIAL).read_bytes()
    (f.path / FULL).write_bytes(second)
    (f.path / PARTIAL).write_bytes(first)


def cut_a_byte(f: Folder) -> None:
    (f.path / FULL).write_bytes((f.path / FULL).read_bytes()[:-1])


def write_receipt(f: Folder, index: int, **changes: object) -> None:
    (f.receipts / f"{index}.json").write_bytes(f.log.receipt(index, **changes))


def other_leaf(f: Folder) -> bytes:
    other = leaf.decode(f.log.entries[1])
    other.reason = "NO_DATA"
    return leaf.encode(other)


def receipt_with_another_leaf(f: Folder) -> None:
    write_receipt(f, 1, leaf=b64encode(other_leaf(f)).decode())


def remove_receipts(f: Folder) -> None:
    for path in f.receipts.iterdir():
        path.unlink()


def checkpoint_becomes_a_folder(f: Folder) -> None:
    (f.path / "checkpoint").unlink()
    (f.path / "checkpoint").mkdir()


def cut_checkpoint(f: Folder, left: int) -> None:
    (f.path / "checkpoint").write_bytes((f.path / "checkpoint").read_bytes()[:left])


def without_line(f: Folder, name: str) -> None:
    lines = (f.path / "checkpoint").read_text().splitlines(keepends=True)
    (f.path / "checkpoint").write_text("".join(line for line in lines if f"\u2014 {name} " not in line))


def change_line(f: Folder, name: str, change: Callable[[str], str]) -> None:
    lines = (f.path / "checkpoint").read_text().splitlines(keepends=True)
    (f.path / "checkpoint").write_text(
        "".join(change(line) if f"\u2014 {name} " in line else line for line in lines)
    )


def flip_signature(f: Folder, name: str) -> None:
    """One character, in the middle of the base64 of this name's line."""
    change_line(f, name, lambda line: line[:-20] + ("A" if line[-20] != "A" else "B") + line[-19:])


def flip_tile(f: Folder, path: str, place: int) -> None:
    data = bytearray((f.path / path).read_bytes())
    data[place * 32 + 7] ^= 1
    (f.path / path).write_bytes(data)


def swap_hashes(f: Folder, path: str, one: int, other: int) -> None:
    data = (f.path / path).read_bytes()
    hashes = swapped([data[at : at + 32] for at in range(0, len(data), 32)], one, other)
    (f.path / path).write_bytes(b"".join(hashes))


def put(f: Folder, path: str, data: bytes) -> None:
    (f.path / path).parent.mkdir(parents=True, exist_ok=True)
    (f.path / path).write_bytes(data)


def change_tile(f: Folder, path: str, change: Callable[[bytes], bytes]) -> None:
    (f.path / path).write_bytes(change((f.path / path).read_bytes()))


def change_with_its_hash(f: Folder) -> None:
    f.change_leaf(3, reason="NO_DATA")
    hashes = [merkle.leaf_hash(entry) for entry in decode_bundle((f.path / FULL).read_bytes())]
    (f.path / "tile/0/000").write_bytes(b"".join(hashes))


def fork(f: Folder) -> None:
    forge(f)
    f.sign(())


def forge(f: Folder) -> None:
    f.repull([f.log.leaves[0], leaf.decode(other_leaf(f)), *f.log.leaves[2:]])


# What was done, the exit code, the entry that is named, and how it is done.
TAMPERED: list[tuple[str, int, int | None, Callable[[Folder], object]]] = [
    # flip
    ("a flipped bit", INVALID, 0, flip_the_version),
    ("a field that lies within the rules", DIVERGED, 3, lambda f: f.change_leaf(3, reason="NO_DATA")),
    ("another salt", DIVERGED, 299, lambda f: f.change_leaf(299, salt=bytes(16))),
    ("a leaf of another version", INVALID, 7, lambda f: f.change_leaf(7, version=2)),
    ("a leaf of an unknown kind", INVALID, 299, lambda f: f.change_leaf(299, kind=99)),
    ("a leaf with hidden bytes", INVALID, 5, hide_bytes),
    ("time that goes back", INVALID, 257, lambda f: f.change_leaf(257, time_micros=1)),
    ("a unit on a refusal", INVALID, 3, lambda f: f.change_leaf(3, cost_units=1)),
    ("a replay of a later entry", INVALID, 5, lambda f: f.change_leaf(5, refers_to=9)),
    ("a replay of another partner's release", INVALID, 12, lambda f: f.change_leaf(12, refers_to=1)),
    # delete
    ("an entry deleted", INVALID, 1, lambda f: delete(f, 1)),
    ("a partnerless entry deleted", DIVERGED, 252, lambda f: delete(f, 252)),
    ("the last entry deleted", INCOMPLETE, 299, lambda f: f.rewrite(PARTIAL, lambda e: e[:-1])),
    ("a full bundle deleted", INCOMPLETE, 0, lambda f: (f.path / FULL).unlink()),
    ("the partial bundle deleted", INCOMPLETE, 256, lambda f: (f.path / PARTIAL).unlink()),
    ("every bundle deleted", INCOMPLETE, 0, lambda f: (f.path / "tile").rename(f.path.parent / "gone")),
    ("an entry deleted and the rest moved up", INVALID, 1, delete_and_move_up),
    # insert
    ("an entry inserted and the last pushed out", INVALID, 2, insert_and_push_out),
    ("an entry too many in a full bundle", INVALID, 256, lambda f: append_bytes(f, b"\0\1x")),
    ("an entry too many in the partial", INVALID, 300, lambda f: f.rewrite(PARTIAL, lambda e: [*e, e[0]])),
    ("an entry added, and its bundle renamed", DIVERGED, 300, add_entry),
    # reorder
    ("two entries of a partner swapped", INVALID, 1, lambda f: f.rewrite(FULL, lambda e: swapped(e, 1, 2))),
    ("two of one instant swapped", DIVERGED, 12, lambda f: f.rewrite(FULL, lambda e: swapped(e, 12, 13))),
    ("two bundles swapped", INVALID, 0, swap_bundles),
    # truncate
    ("a bundle cut short", INVALID, 255, cut_a_byte),
    ("an empty bundle", INVALID, 256, lambda f: (f.path / PARTIAL).write_bytes(b"")),
    ("a huge bundle", INVALID, 256, lambda f: (f.path / PARTIAL).write_bytes(bytes(1_100_000))),
    ("the log cut short, but not its checkpoint", INCOMPLETE, 290, lambda f: cut_partial(f, 34)),
    # hash tiles
    ("a flipped hash", DIVERGED, 7, lambda f: flip_tile(f, "tile/0/000", 7)),
    ("a flipped hash of a partial tile", DIVERGED, 299, lambda f: flip_tile(f, "tile/0/001.p/44", 43)),
    ("a flipped hash higher up", DIVERGED, 0, lambda f: flip_tile(f, "tile/1/000.p/1", 0)),
    ("a hash tile deleted", INCOMPLETE, 0, lambda f: (f.path / "tile/0/000").unlink()),
    ("a partial hash tile deleted", INCOMPLETE, 256, lambda f: (f.path / "tile/0/001.p/44").unlink()),
    ("a hash tile deleted higher up", INCOMPLETE, 0, lambda f: (f.path / "tile/1/000.p/1").unlink()),
    ("every hash tile of a level deleted", INCOMPLETE, 0, lambda f: shutil.rmtree(f.path / "tile/0")),
    ("a hash inserted", INVALID, 256, lambda f: change_tile(f, "tile/0/001.p/44", lambda it: it[:32] + it)),
    ("a hash tile added", DIVERGED, 300, lambda f: put(f, "tile/0/002", bytes(8192))),
    ("a hash tile added higher up", DIVERGED, 300, lambda f: put(f, "tile/1/000.p/2", bytes(64))),
    ("a fuller bundle added", DIVERGED, 300, lambda f: put(f, "tile/entries/001", b"\0\1a" * 256)),
    ("a bundle added far away", DIVERGED, 300, lambda f: put(f, "tile/entries/x001/000.p/1", b"\0\1a")),
    ("an earlier bundle of other entries", DIVERGED, 0, lambda f: put(f, "tile/entries/000.p/1", b"\0\1a")),
    (
        "an earlier hash tile of other entries",
        DIVERGED,
        1,
        lambda f: put(f, "tile/0/000.p/2", (f.path / "tile/0/000").read_bytes()[:32] + bytes(32)),
    ),
    ("two hashes swapped", DIVERGED, 12, lambda f: swap_hashes(f, "tile/0/000", 12, 13)),
    ("a hash tile cut short", INVALID, 0, lambda f: change_tile(f, "tile/0/000", lambda it: it[:-1])),
    ("a hash tile emptied", INVALID, 256, lambda f: put(f, "tile/0/001.p/44", b"")),
    ("a huge hash tile", INVALID, 0, lambda f: put(f, "tile/0/000", bytes(8193))),
    ("an entry changed, and its hash with it", DIVERGED, 0, change_with_its_hash),
    # checkpoint
    ("no checkpoint", INCOMPLETE, None, lambda f: (f.path / "checkpoint").unlink()),
    ("half a checkpoint", INVALID, None, lambda f: cut_checkpoint(f, 60)),
    ("a checkpoint cut in a signature", INVALID, None, lambda f: cut_checkpoint(f, -7)),
    ("an empty checkpoint", INVALID, None, lambda f: cut_checkpoint(f, 0)),
    ("a huge checkpoint", INVALID, None, lambda f: put(f, "checkpoint", b" " * 131_073)),
    ("a folder in place of the checkpoint", INCOMPLETE, None, checkpoint_becomes_a_folder),
    ("a changed size", INVALID, None, lambda f: f.rewrite_checkpoint(b"\n300\n", b"\n301\n")),
    ("a line inserted", INVALID, None, lambda f: f.rewrite_checkpoint(b"=\n\n", b"=\nextension\n\n")),
    ("a flipped signature", INVALID, None, lambda f: flip_signature(f, "scoregate.example/log/2026h2")),
    ("no signature of the log", INVALID, None, lambda f: without_line(f, "scoregate.example/log/2026h2")),
    ("signed by another log", INVALID, None, lambda f: f.sign(by="other/log")),
    (
        "of another log, signed by this",
        INVALID,
        None,
        lambda f: f.sign(by="scoregate.example/log/2026h2", origin="other/log"),
    ),
    ("of another log", INVALID, None, lambda f: f.sign(origin="other/log")),
    ("a signed checkpoint of another root", DIVERGED, None, lambda f: f.sign(root=bytes(32))),
    ("a larger one, signed", INCOMPLETE, 300, lambda f: f.sign(size=301)),
    ("a much larger one, signed", INCOMPLETE, 300, lambda f: f.sign(size=10_000)),
    ("a smaller one, signed", DIVERGED, 299, lambda f: f.sign(size=299)),
    # cosignatures
    ("a flipped cosignature", INVALID, None, lambda f: flip_signature(f, "w2.example")),
    (
        "a cosignature cut short",
        INVALID,
        None,
        lambda f: change_line(f, "w2.example", lambda line: line[:-9] + "\n"),
    ),
    ("a cosignature deleted", INCOMPLETE, None, lambda f: without_line(f, "w1.example")),
    ("every cosignature deleted", INCOMPLETE, None, lambda f: f.sign(())),
    (
        "a cosignature of something else",
        INVALID,
        None,
        lambda f: change_line(
            f,
            "w2.example",
            lambda line: signed(f.log.checkpoint(299), ("w2.example",)).decode().splitlines()[-1] + "\n",
        ),
    ),
    (
        "a witness's name changed",
        INCOMPLETE,
        None,
        lambda f: f.rewrite_checkpoint(b"w1.example", b"w3.example"),
    ),
    ("a fork that no witness saw", DIVERGED, 1, fork),
    # receipts
    ("a receipt for another entry", DIVERGED, 2, lambda f: write_receipt(f, 1, leaf_index=2)),
    ("a receipt with another leaf", DIVERGED, 1, receipt_with_another_leaf),
    ("a request that was not answered", DIVERGED, 1, lambda f: write_receipt(f, 1, request=f.log.request(2))),
    ("a swapped attestation", DIVERGED, 1, lambda f: write_receipt(f, 1, attestation=f.log.attestations[2])),
    ("a receipt of another log", DIVERGED, 1, lambda f: write_receipt(f, 1, log_origin="other/log")),
    ("a receipt beyond the log", INCOMPLETE, 300, lambda f: write_receipt(f, 1, leaf_index=300)),
    ("a receipt that is no JSON", INVALID, None, lambda f: (f.receipts / "1.json").write_bytes(b"{")),
    ("no receipts at all", INCOMPLETE, None, remove_receipts),
    ("a whole log forged, signed and cosigned", DIVERGED, 1, forge),
]


@pytest.mark.parametrize(("what", "code", "index", "tamper"), TAMPERED, ids=[row[0] for row in TAMPERED])
def test_tampering_is_found(
    folder: Folder, what: str, code: int, index: int | None, tamper: Callable[[Folder], object]
) -> None:
    tamper(folder)
    table, machine = folder.verify(), folder.verify("-o", "json")
    assert table.exit_code == machine.exit_code == code
    name = {INVALID: "invalid", DIVERGED: "diverged", INCOMPLETE: "incomplete"}[code]
    # One calm sentence on stderr, nothing on stdout, and no traceback.
    assert re.fullmatch(rf"{name.capitalize()}: [^\n]+\.\n", table.stderr)
    assert table.stdout == ""
    answer = json.loads(machine.stdout)
    assert (answer["result"], answer["index"]) == (name, index)
    assert answer["message"] in table.stderr
    assert machine.stderr == ""


def test_a_deleted_entry_that_nothing_refers_to_is_missed_where_it_was(folder: Folder) -> None:
    delete(folder, 252)
    result = folder.verify("-o", "json", receipts=False)
    assert result.exit_code == DIVERGED
    assert json.loads(result.stdout)["index"] == 252


def test_a_forged_log_holds_where_nobody_brings_a_receipt(folder: Folder) -> None:
    # The control arm, and the reason for receipts: whoever has the log's key and every witness can forge.
    forge(folder)
    assert folder.verify(receipts=False).exit_code == OK


def test_a_forged_log_holds_for_whoever_checks_no_signature(folder: Folder) -> None:
    # The other control arm, and the reason for keys: without any, the tree alone proves nothing.
    forge(folder)
    folder.sign((), by="somebody/else")
    assert folder.verify(receipts=False).exit_code == INVALID
    assert folder.verify(receipts=False, policy=False).exit_code == OK


def test_an_earlier_size_that_was_left_beside_is_no_fault(folder: Folder) -> None:
    put(folder, "tile/entries/000.p/2", encode_bundle(folder.log.entries[:2]))
    put(folder, "tile/0/000.p/2", (folder.path / "tile/0/000").read_bytes()[:64])
    put(folder, "tile/0/001.p/3", (folder.path / "tile/0/001.p/44").read_bytes()[:96])
    put(folder, "tile/nonsense", b"")
    result = folder.verify("-o", "json")
    assert result.exit_code == OK
    assert json.loads(result.stdout)["hash_tiles"] == 5


def test_a_hostile_partner_name_reaches_the_terminal_escaped(folder: Folder) -> None:
    folder.change_leaf(1, partner_id="\x1b[31m[bold]evil", partner_sequence=7)
    result = folder.verify()
    assert result.exit_code == INVALID
    assert r"\x1b[31m[bold]evil" in result.stderr
    assert "\x1b" not in result.stderr


# --- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["log", "verify"],
        ["log", "verify", "no/such/folder"],
        ["log", "verify", str(Path(__file__))],
        ["log", "verify", ".", "--receipts", "no/such/folder"],
        ["log", "verify", ".", "-o", "yaml"],
        ["log", "verify", ".", "--vkey", "rubbish"],
        ["log", "verify", ".", "--policy", "no/such/file"],
        ["log", "verify", ".", "--private", "no/such/folder"],
        ["log", "verify", ".", "--foreign", "--receipts", "."],
        ["log", "verify", "ftp://scoregate.example/log"],
        ["log", "verify", "https://"],
        ["log", "verify", "https://scoregate.example/log?x=1"],
        ["log", "verify", "https://me:secret@scoregate.example/log"],
        ["log", "nonsense"],
        ["nonsense"],
    ],
)
def test_a_wrong_call_exits_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == USAGE
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_help_lists_every_exit_code() -> None:
    shown = CliRunner().invoke(app, ["log", "verify", "--help"]).stdout
    for line in (
        "Exit codes",
        "0 All of it holds",
        "2 The command",
        "3 Invalid",
        "4 Diverged",
        "5 Incomplete",
    ):
        assert line in " ".join(shown.split())


def test_version_is_one_line() -> None:
    for asked in ("version", "--version"):
        result = CliRunner().invoke(app, [asked])
        assert result.exit_code == OK
        assert re.fullmatch(r"scoregate .+\n", result.stdout)


# --- as a process of its own ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every installed package but our own metadata, so that only a test says which extensions there are."""
    site = tmp_path_factory.mktemp("site")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("scoregate", "_scoregate")) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    return site


def run(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python on our sources and the packages in `site` alone."""
    paths = f"{site}{os.pathsep}{Path(scoregate.__file__).parents[1]}"
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment | {"PYTHONPATH": paths},
    )


@pytest.fixture
def extended(site: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Install a package beside ours whose entry point lies in a module with this text."""

    def extend(text: str) -> Path:
        extended = tmp_path / "site"
        extended.mkdir()
        for path in site.iterdir():
            (extended / path.name).symlink_to(path.resolve())
        (extended / "extra_commands.py").write_text(text)
        metadata = extended / "extra-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[scoregate.commands]\nextra = extra_commands:extend\n")
        return extended

    return extend


def test_the_command_runs_as_a_process(folder: Folder, site: Path) -> None:
    verify = ("-m", "scoregate", "log", "verify", str(folder.path))
    good = run(site, *verify, "--vkey", str(log_vkey()), "--receipts", str(folder.receipts))
    assert (good.returncode, good.stderr) == (OK, "")
    assert "The log holds" in good.stdout
    (folder.path / PARTIAL).unlink()
    bad = run(site, *verify)
    assert (bad.returncode, bad.stdout) == (INCOMPLETE, "")
    assert bad.stderr == (
        "Incomplete: tile/entries/001.p/44 is missing: 256 entries of 300 are there; "
        "run `scoregate audit pull` again.\n"
    )


def test_a_terminal_without_a_letter_shows_its_escape(folder: Folder, site: Path) -> None:
    folder.sign(origin="ürün/log")
    result = run(site, "-m", "scoregate", "log", "verify", str(folder.path), PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (OK, "")
    assert r"\xfcr\xfcn/log" in result.stdout


def test_an_installed_extension_adds_its_commands(extended: Callable[[str], Path]) -> None:
    site = extended(
        "from scoregate.cli import log_app\n"
        "def extend(app):\n"
        "    app.command('hello')(lambda: print('hello'))\n"
        "    log_app.command('more')(lambda: print('more'))\n"
    )
    assert run(site, "-m", "scoregate", "hello").stdout == "hello\n"
    assert run(site, "-m", "scoregate", "log", "more").stdout == "more\n"


def test_without_the_server_extra_the_base_works_and_says_how_to_get_it(
    folder: Folder, extended: Callable[[str], Path]
) -> None:
    site = extended("import a_package_that_is_not_installed.deeply\n")
    help_shown = run(site, "-m", "scoregate", "--help", COLUMNS="160")
    assert (help_shown.returncode, help_shown.stderr) == (OK, "")
    assert 'Install it with its extras "server" and "engine" for what runs one.' in help_shown.stdout
    assert run(site, "-m", "scoregate", "log", "verify", str(folder.path)).returncode == OK
    served = run(site, "-m", "scoregate", "serve", COLUMNS="160")
    assert (served.returncode, served.stdout) == (USAGE, "")
    assert (
        """no command 'serve' here. Install it with its extras "server" and "engine" for""" in served.stderr
    )


def test_with_nothing_missing_an_unknown_command_is_just_that(site: Path) -> None:
    result = run(site, "-m", "scoregate", "serve")
    assert result.returncode == USAGE
    assert "No such command 'serve'" in result.stderr
    assert "nstall" not in result.stderr


def test_with_nothing_missing_the_help_asks_for_nothing(site: Path) -> None:
    assert "nstall" not in run(site, "-m", "scoregate", "--help").stdout


def test_ctrl_c_while_the_commands_are_loaded_is_one_line(extended: Callable[[str], Path]) -> None:
    site = extended("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    interrupted = run(site, "-m", "scoregate", "--help")
    assert (interrupted.returncode, interrupted.stdout) == (130, "")
    assert interrupted.stderr == "Interrupted.\n"


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("import scoregate.no_such_room", "ModuleNotFoundError"),
        ("import gateway.no_such_room", "ModuleNotFoundError"),
        ("raise ModuleNotFoundError('a bug')", "ModuleNotFoundError"),
        ("raise ImportError('a bug')", "ImportError"),
        ("from json import no_such_name", "ImportError"),
        ("raise RuntimeError('a bug')", "RuntimeError"),
        ("def extend(app): raise RuntimeError('a bug')", "RuntimeError"),
    ],
)
def test_a_bug_in_an_installed_extension_is_not_taken_for_absence(
    extended: Callable[[str], Path], program: str, error: str
) -> None:
    result = run(extended(program), "-m", "scoregate", "--help")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith(error)


def test_the_command_and_the_proofs_import_nothing_of_the_server() -> None:
    program = (
        "import sys, pkgutil, importlib, scoregate.cli\n"
        "from scoregate import auditing, proof, tlog\n"
        "for room in (auditing, proof, tlog):\n"
        "  for module in pkgutil.iter_modules(room.__path__, f'{room.__name__}.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert {"scoregate", "typer", "google"} <= loaded
    forbidden = {"sqlalchemy", "alembic", "pydantic", "starlette", "numpy", "gateway", "consent", "scoring"}
    assert not loaded & forbidden
