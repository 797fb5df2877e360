"""Hash tiles, the checkpoint and its cosignatures, tampered with in each way: the command's exit code tells.

Entries are in ``test_log_tampering`` and ``test_log_verify``, private parts in ``test_openings``, and what a
log that was cut short looks like with and without a witness in ``test_log_accepted``.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoregate.cli import app
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import HASH_BYTES
from tests.sample_log import SampleLog
from tests.signing import WITNESSES, policy_text, signed

OK, INVALID, DIVERGED, INCOMPLETE = 0, 3, 4, 5
LOG = SampleLog().fill(600)
BELOW, PARTIAL, ABOVE = "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"

Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("matrix")
    for quorum in ("all", "any"):
        (place / quorum).write_text(policy_text(quorum))
    return LOG.pull(place / "log", WITNESSES)


@contextmanager
def tampered(path: Path, change: Change) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)


def code(folder: Path, quorum: str = "all") -> int:
    accepted = folder.parent / "accepted"
    accepted.unlink(missing_ok=True)  # nobody remembers anything: what is told is told by the files
    policy = ["--policy", str(folder.parent / quorum), "--trusted", str(accepted)]
    return CliRunner().invoke(app, ["log", "verify", str(folder), *policy]).exit_code


# --- hash tiles


def hashes(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    def apply(data: bytes) -> bytes:
        return b"".join(change([data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]))

    return apply


TILES: list[tuple[str, int, Change]] = [
    ("flipped", DIVERGED, lambda data: bytes([data[0] ^ 1]) + data[1:]),
    ("first hash deleted", INVALID, hashes(lambda it: it[1:])),
    ("last hash deleted", INVALID, hashes(lambda it: it[:-1])),
    ("first hash deleted, another behind", DIVERGED, hashes(lambda it: [*it[1:], bytes(32)])),
    ("a hash inserted before", INVALID, hashes(lambda it: [bytes(32), *it])),
    ("a hash inserted, the last gone", DIVERGED, hashes(lambda it: [bytes(32), *it][:-1])),
    ("a hash inserted behind", INVALID, hashes(lambda it: [*it, bytes(32)])),
    ("reversed", DIVERGED, hashes(lambda it: it[::-1])),
    ("two neighbours swapped", DIVERGED, hashes(lambda it: [it[1], it[0], *it[2:]])),
    ("cut within a hash", INVALID, lambda data: data[:-1]),
    ("a byte behind", INVALID, lambda data: data + b"\0"),
    ("emptied", INVALID, lambda _: b""),
]


@pytest.mark.parametrize("name", [BELOW, PARTIAL, ABOVE])
@pytest.mark.parametrize(("what", "expected", "change"), TILES, ids=[row[0] for row in TILES])
def test_a_tile_that_was_tampered_with_is_found(
    folder: Path, name: str, what: str, expected: int, change: Change
) -> None:
    with tampered(folder / name, change):
        assert code(folder) == expected
    assert code(folder) == OK


def test_tiles_in_each_others_place_are_found(folder: Path) -> None:
    one, other = folder / BELOW, folder / "tile/0/001"
    mine, theirs = one.read_bytes(), other.read_bytes()
    with tampered(one, lambda _: theirs), tampered(other, lambda _: mine):
        assert code(folder) == DIVERGED


# --- the checkpoint and its cosignatures


def lines(change: Callable[[list[str]], list[str]]) -> Change:
    """Of the note: origin, size, root, an empty one, the log's signature, w1's and w2's."""

    def apply(data: bytes) -> bytes:
        return "".join(f"{line}\n" for line in change(data.decode().split("\n")[:-1])).encode()

    return apply


def flipped(at: int, byte: int) -> Change:
    """One byte of a signature's base64, decoded."""

    def flip(it: list[str]) -> list[str]:
        head, _, text = it[at].rpartition(" ")
        data = bytearray(b64decode(text))
        data[byte] ^= 1
        return [*it[:at], f"{head} {b64encode(data).decode()}", *it[at + 1 :]]

    return lines(flip)


def of_another(at: int) -> Change:
    """The line that this signer gave for a shorter tree."""
    other = signed(LOG.checkpoint(599), WITNESSES).decode().split("\n")
    return lines(lambda it: [*it[:at], other[at], *it[at + 1 :]])


def renamed(it: list[str]) -> list[str]:
    """w2's signature under w1's name."""
    return [*it[:5], it[6].replace("w2.example", "w1.example")]


NOTE: list[tuple[str, int, int, Change]] = [
    # what, exit code where both witnesses are asked for, and where either is
    ("another size", INVALID, INVALID, lines(lambda it: [it[0], "599", *it[2:]])),
    ("another root", INVALID, INVALID, lines(lambda it: [*it[:2], b64encode(bytes(32)).decode(), *it[3:]])),
    ("another origin", INVALID, INVALID, lines(lambda it: ["example.org/log", *it[1:]])),
    ("size and root swapped", INVALID, INVALID, lines(lambda it: [it[0], it[2], it[1], *it[3:]])),
    ("the root deleted", INVALID, INVALID, lines(lambda it: [*it[:2], *it[3:]])),
    ("a line inserted", INVALID, INVALID, lines(lambda it: [*it[:3], "more", *it[3:]])),
    ("emptied", INVALID, INVALID, lambda _: b""),
    ("cut within a signature", INVALID, INVALID, lambda data: data[:-9]),
    ("the log's signature flipped", INVALID, INVALID, flipped(4, 20)),
    ("the log's signature deleted", INVALID, INVALID, lines(lambda it: [*it[:4], *it[5:]])),
    ("the log's signature of another tree", INVALID, INVALID, of_another(4)),
    ("a cosignature flipped", INVALID, INVALID, flipped(5, 40)),
    ("a cosignature's time flipped", INVALID, INVALID, flipped(5, 11)),
    ("a cosignature's key flipped", INCOMPLETE, OK, flipped(5, 0)),
    ("a cosignature of another tree", INVALID, INVALID, of_another(6)),
    ("a cosignature deleted", INCOMPLETE, OK, lines(lambda it: it[:6])),
    ("every cosignature deleted", INCOMPLETE, INCOMPLETE, lines(lambda it: it[:5])),
    ("a cosignature under another's name", INCOMPLETE, INCOMPLETE, lines(renamed)),
    ("signatures reordered, which says nothing", OK, OK, lines(lambda it: [*it[:4], *it[:3:-1]])),
]


@pytest.mark.parametrize(("what", "both", "either", "change"), NOTE, ids=[row[0] for row in NOTE])
def test_a_checkpoint_that_was_tampered_with_is_found(
    folder: Path, what: str, both: int, either: int, change: Change
) -> None:
    with tampered(folder / "checkpoint", change):
        assert (code(folder, "all"), code(folder, "any")) == (both, either)


def test_a_tail_that_its_operator_cut_off_is_told_by_the_witnesses_alone(folder: Path) -> None:
    cut = Checkpoint(LOG.checkpoint().origin, 512, LOG.checkpoint(512).root)
    partial = [folder / "tile/entries/002.p/88", folder / PARTIAL]
    for path in partial:
        path.rename(path.with_suffix(".aside"))
    try:
        with tampered(folder / "checkpoint", lambda _: signed(cut)):
            assert code(folder) == INCOMPLETE
            (folder.parent / "none").write_text("\n".join([policy_text().split("\n")[0], "quorum none", ""]))
            assert code(folder, "none") == OK, "nobody but a witness can tell"
    finally:
        for path in partial:
            path.with_suffix(".aside").rename(path)
    assert code(folder) == OK
