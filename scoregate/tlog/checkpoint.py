"""Checkpoints, after C2SP tlog-checkpoint: what a log says that it holds, as the text of a signed note.

Pure. A line each, and at least these three:

    scoregate.example/log/2026h2                        origin: which log it is
    20852163                                            how many entries it has
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=        root over them, base64

Lines after these are extensions. They are kept, for they are signed, and mean nothing here.
"""

from dataclasses import dataclass
from typing import Self

from scoregate.tlog.faults import LogDiverged, LogInvalid, LogRolledBack
from scoregate.tlog.lines import MAX_NUMBER, read_base64, read_decimal, require_characters, write_base64
from scoregate.tlog.merkle import HASH_BYTES
from scoregate.tlog.note import Note, VerifierKey

_KEEP = "Keep both checkpoints as evidence and ask the operator"


class CheckpointInvalid(LogInvalid):
    """Not a checkpoint, or not of this log, or not signed by it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An origin, a size and the root over that many entries. Only a verified note makes it worth anything."""

    origin: str  # one line, never empty
    size: int  # entries; 0 to 2^63 - 1
    root: bytes  # 32 bytes
    extensions: tuple[str, ...] = ()  # one line each, never empty

    def __post_init__(self) -> None:
        _require_line("origin", self.origin)
        if not 0 <= self.size <= MAX_NUMBER:
            raise CheckpointInvalid(f"checkpoint size: {self.size} is not within 0 to 2^63 - 1")
        if len(self.root) != HASH_BYTES:
            raise CheckpointInvalid(f"checkpoint root: {len(self.root)} bytes instead of {HASH_BYTES}")
        for number, line in enumerate(self.extensions, 4):
            _require_line(f"extension in line {number}", line)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the checkpoint that a note's text is (Note text).

        Raises:
            CheckpointInvalid: It is none, or `text` would write it otherwise; the message names the line.
        """
        *lines, rest = text.split("\n")
        if rest:
            raise CheckpointInvalid("checkpoint: the last newline is missing: it broke off")
        if len(lines) < 3:
            raise CheckpointInvalid("checkpoint: origin, size and root belong here, in a line each")
        origin, size, root, *extensions = lines
        return cls(origin, _size(size), _root(root), tuple(extensions))

    def text(self) -> str:
        """Return the lines, each with its newline: what `note.sign` signs."""
        return "".join(
            f"{line}\n" for line in (self.origin, str(self.size), write_base64(self.root), *self.extensions)
        )

    def require_successor(self, later: "Checkpoint") -> None:
        """Return only if `later` can be this log at a later time, as far as checkpoints alone can tell.

        Raises:
            LogRolledBack: It is smaller.
            LogDiverged: It has another origin, or another root at the same size.
        """
        if later.origin != self.origin:
            raise LogDiverged(
                f"a checkpoint of the log {later.origin} where {self.origin} belongs; use that log's own"
            )
        if later.size < self.size:
            raise LogRolledBack(
                f"the log had {self.size:,} entries and now has {later.size:,}: it was rolled back. {_KEEP}",
                index=later.size,
            )
        if later.size == self.size and later.root != self.root:
            raise LogDiverged(f"the log shows two roots for the same {self.size:,} entries. {_KEEP}")


def open_checkpoint(data: bytes, log: VerifierKey) -> tuple[Checkpoint, Note]:
    """Return the checkpoint that `log` signed, and the note that holds it.

    The key's name is the log's origin.

    Raises:
        NoteInvalid: Not a signed note, or the log's signature does not hold.
        CheckpointInvalid: Not signed by the log, not a checkpoint, or of another origin.
    """
    note = Note.decode(data)
    # No word of the text counts before somebody who is trusted signed it (signed-note, Note).
    if not note.verified_by(log):
        raise CheckpointInvalid(
            f"the checkpoint is not signed by {log}; ask the log's operator over another channel for its vkey"
        )
    checkpoint = Checkpoint.decode(note.text)
    if checkpoint.origin != log.name:
        raise CheckpointInvalid(
            f"checkpoint origin: {checkpoint.origin[:64]!r}, where the key is of the log {log.name}"
        )
    return checkpoint, note


def _size(line: str) -> int:
    try:
        return read_decimal(line)
    except ValueError as error:
        raise CheckpointInvalid(f"checkpoint size, in line 2: {error}") from error


def _root(line: str) -> bytes:
    try:
        return read_base64(line)
    except ValueError as error:
        raise CheckpointInvalid(f"checkpoint root, in line 3: {error}") from error


def _require_line(what: str, line: str) -> None:
    if not line or "\n" in line:
        raise CheckpointInvalid(f"checkpoint {what}: exactly one line belongs here, and it is not empty")
    try:
        require_characters(line)
    except ValueError as error:
        raise CheckpointInvalid(f"checkpoint {what}: {error}") from error
