"""The signed bundle: a ZIP archive that holds an export whole. Not pure: it reads and writes files.

manifest.json   what the manifest says, for whoever reads it
manifest.jws    the same, signed (manifest.py)
checkpoint      the signed note that all proofs lead to (C2SP tlog-checkpoint)
policy          the log's keys and witnesses then (C2SP tlog-policy)
jwks.json       the issuer's keys then
entries.jsonl   the entries with their proofs (lines.py)
private.jsonl   private parts, where they were asked for
"""

import base64
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from scoregate.auditing.exports import archive
from scoregate.auditing.exports.archive import Member
from scoregate.auditing.exports.entries import Exported, PartState
from scoregate.auditing.exports.lines import (
    MAX_ENTRY_LINE_BYTES,
    MAX_PRIVATE_LINE_BYTES,
    entry_line,
    private_line,
    read_entry,
    read_private,
)
from scoregate.auditing.exports.manifest import Manifest
from scoregate.auditing.exports.seal import LIMITS, Seal
from scoregate.tlog import files
from scoregate.tlog.faults import LogIncomplete, LogInvalid

NAMES = (
    "manifest.json",
    "manifest.jws",
    "checkpoint",
    "policy",
    "jwks.json",
    "entries.jsonl",
    "private.jsonl",
)
_NEEDED = len(NAMES) - 1
_SEAL = {"manifest": "manifest.jws", "checkpoint": "checkpoint", "policy": "policy", "jwks": "jwks.json"}


def write(
    file: BinaryIO, seal: Seal, entries: Callable[[], Iterable[Exported]], *, private_parts: bool
) -> None:
    """Write a bundle. `entries` begins with the first one each time that it is called.

    Raises:
        ArchiveTooLong: It would have 4 GiB or more.
        OSError: The disk refuses.
    """
    archive.write(file, _members(seal, entries, private_parts=private_parts))


def _members(
    seal: Seal, entries: Callable[[], Iterable[Exported]], *, private_parts: bool
) -> Iterator[tuple[str, Iterable[bytes]]]:
    yield "manifest.json", [payload_of(seal.manifest)]
    for member, name in _SEAL.items():
        yield name, [getattr(seal, member)]
    yield "entries.jsonl", (entry_line(entry) + b"\n" for entry in entries())
    if private_parts:
        opened = (entry for entry in entries() if entry.state is PartState.OPENED)
        yield "private.jsonl", (private_line(entry) + b"\n" for entry in opened)


def payload_of(compact: bytes) -> bytes:
    """Return the payload of a compact JWS, unverified; nothing where it is none."""
    parts = compact.split(b".")
    payload = parts[1] if len(parts) == 3 else b""
    try:
        return base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    except ValueError:
        return b""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An open bundle: an Export, as check.py has it."""

    seal: Seal
    _file: BinaryIO
    _entries: Member
    _private: Member | None

    def entries(self, manifest: Manifest) -> Iterator[Exported]:
        """As Export has it."""
        if manifest.private_parts != (self._private is not None):
            told = "is missing" if manifest.private_parts else "is there, and nobody asked for it"
            fault = LogIncomplete if manifest.private_parts else LogInvalid
            raise fault(f"private.jsonl {told}; export again")
        parts = self._parts()
        following = next(parts, None)
        for number, line in enumerate(archive.lines(self._file, self._entries, MAX_ENTRY_LINE_BYTES), 1):
            entry = read_entry(line, f"entries.jsonl, line {number:,}")
            if entry.state is PartState.OPENED:
                if following is None or following[0] > entry.index:
                    told = f"the private part of entry {entry.index:,} is not in private.jsonl; export again"
                    raise LogIncomplete(told, index=entry.index)
                if following[0] < entry.index:
                    break
                entry = replace(entry, part=following[1], blind=following[2])
                following = next(parts, None)
            yield entry
        if following is not None:
            raise LogInvalid(
                f"private.jsonl holds a part of entry {following[0]:,} that does not belong there",
                index=following[0],
            )

    def _parts(self) -> Iterator[tuple[int, bytes, bytes]]:
        if self._private is not None:
            read = archive.lines(self._file, self._private, MAX_PRIVATE_LINE_BYTES)
            for number, line in enumerate(read, 1):
                yield read_private(line, f"private.jsonl, line {number:,}")


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Open a bundle.

    Raises:
        LogInvalid: It is none.
        LogIncomplete: It ends early, or can't be read.
    """
    try:
        with files.opened(path, str(path)) as file:
            yield _open(file)
    except OSError as error:
        raise LogIncomplete(f"{path} can't be read: {error.strerror}") from error


def _open(file: BinaryIO) -> Bundle:
    size = os.fstat(file.fileno()).st_size
    found = {each.name: each for each in archive.read(file, size, NAMES, needed=_NEEDED)}
    seal = Seal(
        **{member: archive.whole(file, found[name], LIMITS[member]) for member, name in _SEAL.items()}
    )
    if archive.whole(file, found["manifest.json"], LIMITS["manifest"]) != payload_of(seal.manifest):
        raise LogInvalid("manifest.json is not what manifest.jws signs; export again")
    return Bundle(seal, file, found["entries.jsonl"], found.get("private.jsonl"))
