"""Exports as lines of OCSF, one event each, with their seal in a file beside it. Not pure: it reads files.

FILE        events (ocsf.py), canonical JSON (RFC 8785), each with its newline, by rising index
FILE.seal   the checkpoint, the signed manifest and the keys of that time (seal.py)
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from scoregate.auditing.exports import ocsf
from scoregate.auditing.exports.entries import BY_WORD, MAX_PROOF_HASHES, Exported, PartState
from scoregate.auditing.exports.lines import decoded
from scoregate.auditing.exports.manifest import Manifest
from scoregate.auditing.exports.seal import MAX_SEAL_BYTES, Seal
from scoregate.errors import JsonRefused
from scoregate.proof import digest, leaf
from scoregate.proof.digest import Json
from scoregate.tlog import files
from scoregate.tlog.faults import LogIncomplete, LogInvalid

MAX_LINE_BYTES = 256 * 1024
_ABSENT = object()


def seal_of(path: Path) -> Path:
    """Where the seal of a file lies."""
    return path.with_name(f"{path.name}.seal")


def write(file: BinaryIO, entries: Iterable[Exported], log: str) -> None:
    """Write the lines of entries in the log of this origin.

    Raises:
        LeafInvalid: A leaf is none.
        OSError: The disk refuses.
    """
    for entry in entries:
        file.write(line(entry, log) + b"\n")


def line(entry: Exported, log: str) -> bytes:
    """Return an entry's line, without its end.

    Raises:
        LeafInvalid: The leaf is none.
    """
    return digest.canonical(ocsf.event(entry, leaf.decode(entry.leaf), log))


@dataclass(frozen=True, slots=True)
class Events:
    """Open lines: an Export, as check.py has it."""

    seal: Seal
    _file: BinaryIO

    def entries(self, manifest: Manifest) -> Iterator[Exported]:
        """As Export has it."""
        number = 0
        while given := self._file.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"line {number:,}"
            if len(given) > MAX_LINE_BYTES:
                raise LogInvalid(f"{where} has more than {MAX_LINE_BYTES:,} bytes")
            if not given.endswith(b"\n"):
                raise LogIncomplete(f"{where} has no end: the file was cut off; export again")
            yield _read(given[:-1], where, manifest.log)


def _read(given: bytes, where: str, log: str) -> Exported:
    try:
        found = digest.parse(given)
    except JsonRefused as error:
        raise LogInvalid(f"{where} is no JSON of an export") from error
    if not isinstance(found, dict) or not isinstance(unmapped := found.get("unmapped"), dict):
        raise LogInvalid(f"{where} is no event of an export")
    entry = _entry(found, unmapped, where)
    index, what = entry.index, f"{where}, entry {entry.index:,}"
    try:
        due = line(entry, log)
    except (leaf.LeafInvalid, JsonRefused) as error:
        raise LogInvalid(f"{what}: {error}", index=index) from error
    except DecodeError as error:
        raise LogInvalid(f"{what}: unmapped.private.part is no private part", index=index) from error
    if due != given:
        differing = _difference(digest.parse(due), found) or "its spelling"
        raise LogInvalid(f"{what}: {differing} is not what follows from raw_data", index=index)
    return entry


def _entry(found: Mapping[str, Json], unmapped: Mapping[str, Json], where: str) -> Exported:
    index, proof = unmapped.get("leaf_index"), unmapped.get("proof")
    if type(index) is not int or index < 0:
        raise LogInvalid(f"{where}: unmapped.leaf_index must be an index")
    state = BY_WORD.get(str(unmapped.get("private_part")))
    if state is None or not isinstance(proof, list) or len(proof) > MAX_PROOF_HASHES:
        raise LogInvalid(
            f"{where}: unmapped.private_part and unmapped.proof must be an export's", index=index
        )
    private = unmapped.get("private")
    given = private if state is PartState.OPENED and isinstance(private, dict) else {"part": "", "blind": ""}
    return Exported(
        index,
        decoded(found.get("raw_data"), where, "raw_data"),
        tuple(decoded(each, where, "unmapped.proof") for each in proof),
        state,
        decoded(given.get("part"), where, "unmapped.private.part"),
        decoded(given.get("blind"), where, "unmapped.private.blind"),
    )


def _difference(due: Json, given: object, name: str = "") -> str:
    """Return the path of the first member that is another, missing, or too many; "" where there is none."""
    if not isinstance(due, Mapping) or not isinstance(given, Mapping):
        return "" if type(due) is type(given) and due == given else name or "the line"
    for member in sorted({*due, *given}):
        path = f"{name}.{member}" if name else str(member)
        if found := _difference(due.get(member), given.get(member, _ABSENT), path[:80]):
            return found
        if member not in due:
            return path[:80]
    return ""


@contextmanager
def opened(path: Path) -> Iterator[Events]:
    """Open a file of lines, with its seal.

    Raises:
        LogInvalid: The seal is none.
        LogIncomplete: One of both is not there, or can't be read.
    """
    beside = seal_of(path)
    try:
        seal = Seal.decode(files.read(beside, str(beside), MAX_SEAL_BYTES), str(beside))
    except FileNotFoundError as error:
        told = f"{beside} is missing, without which nothing shows that {path.name} is whole; put it beside it"
        raise LogIncomplete(told) from error
    except OSError as error:
        raise LogIncomplete(f"{beside} can't be read: {error.strerror}") from error
    try:
        with files.opened(path, str(path)) as file:
            yield Events(seal, file)
    except OSError as error:
        raise LogIncomplete(f"{path} can't be read: {error.strerror}") from error
