"""Proofs that need nobody to be asked, after C2SP tlog-proof: an entry's place, its path, a checkpoint.

Pure.

    c2sp.org/tlog-proof@v1
    extra YWdlLXYxLjIuMS1k…                             maybe; opaque, and authenticated by nothing
    index 73894                                         the entry's, from 0
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=        the inclusion proof, from the leaf up: hashes,
    …                                                   one a line, of which there may be none

    example.com/fancylog                                the signed checkpoint, as it is
    …

`decode` reads the form; whether any of it holds is what `require` finds out, checkpoint and all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.lines import MAX_NUMBER, read_base64, read_decimal, require_characters, write_base64
from scoregate.tlog.note import MAX_NOTE_BYTES
from scoregate.tlog.policy import Judged, Policy

MAX_HASHES = 63  # for trees of up to 2^63 - 1 entries
MAX_EXTRA_BYTES = 65_536
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES  # extra data grows by a third in base64

_HEADER = "c2sp.org/tlog-proof@v1"

T = TypeVar("T")


class TlogProofInvalid(LogInvalid):
    """Not a tlog-proof, or one that does not show what it claims."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That an entry is in a log, for whoever has the entry and a policy."""

    index: int  # 0 to 2^63 - 1
    hashes: tuple[bytes, ...]  # 32 bytes each; at most 63
    checkpoint: bytes  # a signed note; nobody has looked into it yet
    extra: bytes | None = None  # never empty, at most 64 KiB; not authenticated

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_NUMBER:
            raise TlogProofInvalid(f"proof index: {self.index} is not within 0 to 2^63 - 1")
        if len(self.hashes) > MAX_HASHES:
            raise TlogProofInvalid(f"proof: {len(self.hashes)} hashes are over {MAX_HASHES}")
        for number, each in enumerate(self.hashes, 1):
            if len(each) != merkle.HASH_BYTES:
                raise TlogProofInvalid(
                    f"proof hash {number}: {len(each)} bytes instead of {merkle.HASH_BYTES}"
                )
        if self.extra is not None and not 1 <= len(self.extra) <= MAX_EXTRA_BYTES:
            raise TlogProofInvalid(
                f"proof extra: 1 to {MAX_EXTRA_BYTES:,} bytes, not {len(self.extra):,}; its line is left out"
                " where there is none"
            )
        if len(self.checkpoint) > MAX_NOTE_BYTES:
            raise TlogProofInvalid(
                f"proof checkpoint: {len(self.checkpoint):,} bytes are over {MAX_NOTE_BYTES:,}"
            )
        if not self.checkpoint.endswith(b"\n"):
            raise TlogProofInvalid("proof checkpoint: the last newline is missing: it broke off")
        _characters(self.checkpoint, "checkpoint")

    @classmethod
    def decode(cls, data: str | bytes) -> Self:
        """Return the proof that these lines are.

        Give a file's bytes: what reads files as text may have changed their newlines on the way.

        Raises:
            TlogProofInvalid: They are none, or `encode` would write them otherwise.
        """
        if len(data) > MAX_PROOF_BYTES:
            raise TlogProofInvalid(f"proof: {len(data):,} are over {MAX_PROOF_BYTES:,} bytes")
        head, blank, checkpoint = _characters(data, "file").partition("\n\n")
        if not blank:
            raise TlogProofInvalid("proof: an empty line belongs before the checkpoint; copy it whole")
        header, *lines = head.split("\n")
        if header != _HEADER:
            raise TlogProofInvalid(f"proof: its first line is {_HEADER}, not {header[:64]!r}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _read("extra", read_base64, lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise TlogProofInvalid("proof: a line `index <number>` belongs after the first, or after `extra`")
        index = _read("index", read_decimal, lines[0].removeprefix("index "))
        if len(lines) - 1 > MAX_HASHES:  # before each of them costs anything
            raise TlogProofInvalid(f"proof: {len(lines) - 1} hashes are over {MAX_HASHES}")
        hashes = tuple(_read(f"hash {at}", read_base64, line) for at, line in enumerate(lines[1:], 1))
        return cls(index, hashes, checkpoint.encode(), extra)

    def encode(self) -> str:
        """Return the lines: what a file with the extension `.tlog-proof` holds, in UTF-8."""
        extra = [] if self.extra is None else [f"extra {write_base64(self.extra)}"]
        hashes = map(write_base64, self.hashes)
        head = "\n".join((_HEADER, *extra, f"index {self.index}", *hashes))
        return f"{head}\n\n{self.checkpoint.decode()}"

    def require(self, leaf_hash: bytes, policy: Policy) -> Judged:
        """Return the checkpoint, only if `policy` accepts it and this leaf is in its tree (Verifying).

        `leaf_hash` is the caller's own, of the entry that the proof is about.

        Raises:
            NoteInvalid, CheckpointInvalid, QuorumMissing: As `Policy.judge` has it.
            TlogProofInvalid: The leaf is not at this index of that tree.
        """
        judged = policy.judge(self.checkpoint)
        self.require_in(leaf_hash, judged.checkpoint)
        return judged

    def require_in(self, leaf_hash: bytes, checkpoint: Checkpoint) -> None:
        """Return only if this leaf is in the tree of a checkpoint, which is this proof's own, judged before.

        Raises:
            TlogProofInvalid: It is not, at this index.
        """
        try:
            merkle.verify_inclusion(leaf_hash, self.index, checkpoint.size, self.hashes, checkpoint.root)
        except merkle.ProofInvalid as error:
            raise TlogProofInvalid(
                f"proof: {error}. It is not of this entry; ask again, and keep both as evidence",
                index=self.index,
            ) from error


def _characters(data: str | bytes, what: str) -> str:
    try:
        text = data if isinstance(data, str) else data.decode()
        require_characters(text)
    except UnicodeDecodeError as error:
        raise TlogProofInvalid(f"proof {what}: byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise TlogProofInvalid(f"proof {what}: {error}") from error
    return text


def _read(part: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise TlogProofInvalid(f"proof {part}: {error}") from error
