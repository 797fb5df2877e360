"""One exported entry, and the running tally by which a manifest binds all of them, in their order. Pure.

    chain of nothing    32 zero bytes
    chain of one more   SHA-256(chain before ‖ index ‖ state ‖ leaf hash)

The index has 8 bytes, big-endian, the state one, and the leaf hash, which is RFC 9162's, 32. What an entry's
proof says follows from the tree, and its private part opens the leaf's own commitment: so neither is in the
chain, and the state says which private parts belong there.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256
from typing import Self

from scoregate.proof import shapes
from scoregate.proof.digest import MAX_INTEGER, Json
from scoregate.tlog import merkle

MAX_PROOF_HASHES = 64  # of a tree of 2^63 entries

_NUMBERS = ("entries", "opened", "absent", "unreadable")
_MEMBERS = frozenset({*_NUMBERS, "chain_sha256"})


class PartState(IntEnum):
    """What became of an entry's private part; numbers as in scoregate.audit.v1.PrivatePartState."""

    NONE = 0  # nobody asked for it, or there never was one
    OPENED = 1
    ABSENT = 2  # erased
    UNREADABLE = 3  # it is there, and does not open

    @property
    def word(self) -> str:
        """As exports spell it."""
        return self.name.lower()


BY_WORD = {state.word: state for state in PartState}


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry with what proves it."""

    index: int
    leaf: bytes  # as hashed
    hashes: tuple[bytes, ...]  # the inclusion proof in the export's checkpoint
    state: PartState = PartState.NONE
    part: bytes = b""  # a serialised PrivatePart, where it was OPENED
    blind: bytes = b""


@dataclass(frozen=True, slots=True)
class Tally:
    """So many entries so far, and the chain over them."""

    entries: int = 0
    opened: int = 0  # private parts, by what became of them
    absent: int = 0
    unreadable: int = 0
    chain: bytes = bytes(32)

    def add(self, entry: Exported) -> Self:
        """Return the tally with one more entry."""
        head = entry.index.to_bytes(8) + bytes([entry.state])
        grown = replace(
            self,
            entries=self.entries + 1,
            chain=sha256(self.chain + head + merkle.leaf_hash(entry.leaf)).digest(),
        )
        if entry.state is PartState.NONE:
            return grown
        return replace(grown, **{entry.state.word: getattr(self, entry.state.word) + 1})

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {name: getattr(self, name) for name in _NUMBERS} | {"chain_sha256": self.chain.hex()}

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the tally that a JSON object is.

        Raises:
            ClaimInvalid: It is none.
        """
        given = shapes.members("tally", value, _MEMBERS, _MEMBERS)
        for name in _NUMBERS:
            shapes.require_integer(f"tally.{name}", given[name], 0, MAX_INTEGER)
        chain = shapes.sha256("tally.chain_sha256", given["chain_sha256"])
        return cls(**{name: given[name] for name in _NUMBERS}, chain=chain)
