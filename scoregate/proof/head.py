"""head.json: what the server says its log is, as `scoregate audit pull` records it.

Pure. The head is not signed: it tells a verifier what to look for, and proves nothing by itself. A
signed checkpoint (C2SP tlog-checkpoint) takes its place when the log is published.
"""

import json
from dataclasses import dataclass
from typing import Self

from scoregate.proof.faults import PULL_AGAIN, LogDiverged, LogInvalid, LogRolledBack
from scoregate.proof.merkle import HASH_BYTES

HEAD_NAME = "head.json"
MAX_HEAD_BYTES = 4096
MAX_TREE_SIZE = 2**63 - 1

_FIELDS = {"origin", "tree_size", "root_hash"}
_HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Head:
    """An origin, a size and the root over that many entries."""

    origin: str  # one line of printable text
    tree_size: int  # entries; 0 to 2^63 - 1
    root_hash: bytes  # 32 bytes

    def encode(self) -> bytes:
        """Return the bytes of head.json."""
        fields = {"origin": self.origin, "tree_size": self.tree_size, "root_hash": self.root_hash.hex()}
        return json.dumps(fields, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the head that these bytes of head.json hold.

        Raises:
            LogInvalid: They hold none; the message names the field.
        """
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise LogInvalid(f"{HEAD_NAME} is not JSON; {PULL_AGAIN}") from error
        if not isinstance(fields, dict) or fields.keys() != _FIELDS:
            raise LogInvalid(
                f"{HEAD_NAME} does not hold exactly origin, tree_size and root_hash; {PULL_AGAIN}"
            )
        origin, size, root = fields["origin"], fields["tree_size"], fields["root_hash"]
        if not isinstance(origin, str) or not origin or not origin.isprintable():
            raise LogInvalid(f"{HEAD_NAME}: origin is not a line of printable text; {PULL_AGAIN}")
        if type(size) is not int or not 0 <= size <= MAX_TREE_SIZE:
            raise LogInvalid(f"{HEAD_NAME}: tree_size is not a number of entries; {PULL_AGAIN}")
        if not isinstance(root, str) or len(root) != 2 * HASH_BYTES or not _HEX_DIGITS.issuperset(root):
            raise LogInvalid(f"{HEAD_NAME}: root_hash is not 64 lower-case hex digits; {PULL_AGAIN}")
        return cls(origin, size, bytes.fromhex(root))

    def require_successor(self, later: "Head") -> None:
        """Return only if `later` can be this log at a later time, as far as heads alone can tell.

        Raises:
            LogRolledBack: It is smaller.
            LogDiverged: It has another origin, or another root at the same size.
        """
        if later.origin != self.origin:
            raise LogDiverged(
                f"the folder holds the log {self.origin}, not {later.origin}; pull into another folder"
            )
        if later.tree_size < self.tree_size:
            raise LogRolledBack(
                f"the log had {self.tree_size:,} entries and now has {later.tree_size:,}: it was rolled back."
                " Keep this folder as evidence and ask the operator",
                index=later.tree_size,
            )
        if later.tree_size == self.tree_size and later.root_hash != self.root_hash:
            raise LogDiverged(
                f"the log shows two roots for the same {self.tree_size:,} entries."
                " Keep this folder as evidence and ask the operator"
            )
