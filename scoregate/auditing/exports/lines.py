"""The lines of a bundle: entries, and private parts. Pure.

    entries.jsonl   {"index":7,"leaf":"(base64)","part":"opened","proof":["(base64)",…]}
    private.jsonl   {"blind":"(base64)","index":7,"part":"(base64 of a scoregate.audit.v1.PrivatePart)"}

Canonical JSON (RFC 8785), each line with its newline, by rising index. Lines of private parts are such as
`scoregate log verify --private` takes, too (openings.py).
"""

from collections.abc import Mapping
from typing import Any

from scoregate.auditing.exports.entries import BY_WORD, MAX_PROOF_HASHES, Exported, PartState
from scoregate.auditing.openings import MAX_LINE_BYTES
from scoregate.errors import JsonRefused
from scoregate.proof import digest
from scoregate.proof.digest import Json
from scoregate.proof.leaf import MAX_LEAF_BYTES
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.lines import read_base64, write_base64

MAX_ENTRY_LINE_BYTES = 2 * MAX_LEAF_BYTES + MAX_PROOF_HASHES * 48 + 128
MAX_PRIVATE_LINE_BYTES = MAX_LINE_BYTES


def entry_line(entry: Exported) -> bytes:
    """Return an entry's line, without its end."""
    return digest.canonical(
        {
            "index": entry.index,
            "leaf": write_base64(entry.leaf),
            "part": entry.state.word,
            "proof": [write_base64(each) for each in entry.hashes],
        }
    )


def private_line(entry: Exported) -> bytes:
    """Return the line of an entry's private part, without its end."""
    return digest.canonical(
        {"index": entry.index, "part": write_base64(entry.part), "blind": write_base64(entry.blind)}
    )


def read_entry(line: bytes, where: str) -> Exported:
    """Return the entry of a line, without its private part.

    Raises:
        LogInvalid: It is none, or not spelled as `entry_line` does.
    """
    found = members(line, {"index": int, "leaf": str, "part": str, "proof": list}, where)
    state = BY_WORD.get(found["part"])
    if state is None:
        raise LogInvalid(f"{where}: part must be one of {', '.join(BY_WORD)}")
    hashes = tuple(decoded(each, where, "proof") for each in found["proof"])
    entry = Exported(found["index"], decoded(found["leaf"], where, "leaf"), hashes, state)
    if entry_line(entry) != line:
        raise LogInvalid(f"{where} is not in the one form that an export has", index=entry.index)
    return entry


def read_private(line: bytes, where: str) -> tuple[int, bytes, bytes]:
    """Return (index, part, blind) of a line.

    Raises:
        LogInvalid: It is none, or not spelled as `private_line` does.
    """
    found = members(line, {"index": int, "part": str, "blind": str}, where)
    index = found["index"]
    part, blind = decoded(found["part"], where, "part"), decoded(found["blind"], where, "blind")
    if private_line(Exported(index, b"", (), PartState.OPENED, part, blind)) != line:
        raise LogInvalid(f"{where} is not in the one form that an export has", index=index)
    return index, part, blind


def members(line: bytes, kinds: Mapping[str, type], where: str) -> dict[str, Any]:
    """Return a line's members, which are these, each of its type; ints are no less than 0.

    Raises:
        LogInvalid: They are not.
    """
    try:
        found: Json = digest.parse(line)
    except JsonRefused as error:
        raise LogInvalid(f"{where} is no JSON of an export") from error
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        raise LogInvalid(f"{where}: {', '.join(kinds)} belong there, and nothing else")
    for name, kind in kinds.items():
        value = found[name]
        if type(value) is not kind or (isinstance(value, int) and value < 0):
            raise LogInvalid(f"{where}: {name} is of another type")
    return found


def decoded(text: object, where: str, name: str) -> bytes:
    """Return the bytes that a member spells in base64.

    Raises:
        LogInvalid: It spells none.
    """
    try:
        return read_base64(text if isinstance(text, str) else "?")
    except ValueError as error:
        raise LogInvalid(f"{where}: {name}: {error}") from error
