"""What is posted to /add-checkpoint, after C2SP tlog-witness.

Pure. Lines, each with its newline:

    old 20852014                                        the size that the sender takes to be cosigned last
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=        the consistency proof from there: a hash a line, at
    …                                                   most 63 of them, none where the old size is 0
                                                        an empty line
    example.com/behind-the-sofa                         the checkpoint, a signed note, to the end
    …
"""

from dataclasses import dataclass
from typing import Self

from scoregate.tlog.lines import read_base64, read_decimal
from scoregate.tlog.merkle import HASH_BYTES
from scoregate.witness.faults import RequestMalformed

MAX_REQUEST_BYTES = 64 * 1024
MAX_PROOF_HASHES = 63

_OLD = "old "


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint, and what shall show that it contains the one before. Nobody has signed it yet."""

    old_size: int  # entries; 0 to 2^63 - 1
    proof: tuple[bytes, ...]  # 32 bytes each, at most 63
    note: bytes  # as they came: whether they are a signed note, only the log's keys say

    @property
    def origin(self) -> str:
        """Which log the checkpoint says it is of: its first line."""
        return self.note.partition(b"\n")[0].decode(errors="replace")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return what this body submits.

        Raises:
            RequestMalformed: It is not one of these; the message names the part.
        """
        if len(data) > MAX_REQUEST_BYTES:
            raise RequestMalformed(f"the request has over {MAX_REQUEST_BYTES:,} bytes")
        head, blank, note = data.partition(b"\n\n")
        if not blank:
            raise RequestMalformed("an empty line between the proof and the checkpoint is missing")
        first, *hashes = head.decode("ascii", "replace").split("\n")
        if len(hashes) > MAX_PROOF_HASHES:
            raise RequestMalformed(f"the proof has over {MAX_PROOF_HASHES} lines")
        return cls(_old_size(first), tuple(map(_hash, hashes)), note)


def _old_size(line: str) -> int:
    if not line.startswith(_OLD):
        raise RequestMalformed("the first line is `old`, a space and a size")
    try:
        return read_decimal(line.removeprefix(_OLD))
    except ValueError as error:
        raise RequestMalformed(f"the old size: {error}") from error


def _hash(line: str) -> bytes:
    try:
        found = read_base64(line)
    except ValueError as error:
        raise RequestMalformed(f"a proof line: {error}") from error
    if len(found) != HASH_BYTES:
        raise RequestMalformed(f"a proof line holds {HASH_BYTES} bytes, not {len(found)}")
    return found
