"""The Merkle tree of the audit log, after RFC 9162, section 2.1, with SHA-256.

Pure: no clock, no disk, no network. A leaf hash is SHA-256(0x00 ‖ entry) and a node hash is
SHA-256(0x01 ‖ left ‖ right), so that no entry can pass for a node. Everything here works on leaf
hashes; `leaf_hash` is the only door from bytes into the tree.

The tree over n leaves is read as levels: level 0 holds the leaf hashes, each level above pairs the
one below, and an odd last node moves up as it is. This gives the same roots as the recursive
definition, and a proof is then the siblings on the way up.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from scoregate.errors import ScoregateError

HASH_BYTES = 32


class ProofInvalid(ScoregateError):
    """A proof, or a stored compact range, does not show what it claims."""


def leaf_hash(data: bytes) -> bytes:
    """Return the 32-byte hash of one entry (2.1.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash over two subtrees (2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def empty_root() -> bytes:
    """Return the root of the tree without leaves: the hash of nothing (2.1.1)."""
    return sha256().digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the Merkle Tree Hash over these leaf hashes, in this order (2.1.1)."""
    tree = CompactRange()
    for leaf in leaf_hashes:
        tree.append(leaf)
    return tree.root()


class CompactRange:
    """A growing tree that remembers only its complete subtrees: one hash for each 1 bit of its size.

    `CompactRange(size, hashes)` goes on from what an earlier one held.

    Raises:
        ProofInvalid: `hashes` can't belong to a tree of `size` leaves.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofInvalid(f"{len(hashes)} stored hashes can't belong to a tree of {size} leaves")
        self._size = size
        self._hashes = [_exact("stored hash", each) for each in hashes]

    @property
    def size(self) -> int:
        """How many leaves the tree holds."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the largest (leftmost) first: store these and the size."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash on the right. It hashes once for each subtree that this completes.

        Raises:
            ProofInvalid: `leaf` is not 32 bytes long: probably an entry instead of its hash.
        """
        if len(leaf) != HASH_BYTES:
            raise ProofInvalid(f"a leaf hash of {len(leaf)} bytes instead of {HASH_BYTES}")
        hashes = self._hashes
        carry = self._size
        while carry & 1:
            # Spelled out instead of node_hash(): this is the log's inner loop.
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            carry >>= 1
        hashes.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._hashes:
            return empty_root()
        *larger, node = self._hashes
        for left in reversed(larger):
            node = node_hash(left, node)
        return node


def prove_inclusion(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree over all of `leaf_hashes` (2.1.3.1).

    Raises:
        ProofInvalid: There is no such leaf.
    """
    _require_index(index, len(leaf_hashes))
    return _path(list(leaf_hashes), index)


def prove_consistency(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree over the first `old_size` leaves grew into the whole (2.1.4.1).

    It is empty when nothing was added.

    Raises:
        ProofInvalid: `old_size` is 0, or larger than the tree.
    """
    _require_growth(old_size, len(leaf_hashes))
    if old_size == len(leaf_hashes):
        return []
    level, node = list(leaf_hashes), old_size - 1
    while node & 1:
        level, node = _climb(level), node >> 1
    # At node 0 the whole old tree is this node, and the verifier has its hash already.
    start = [level[node]] if node else []
    return start + _path(level, node)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Return only if `proof` leads from this leaf hash at `index` to the root of `size` leaves (2.1.3.2).

    Raises:
        ProofInvalid: No such index, a proof of another length, or another root.
    """
    _require_index(index, size)
    inner, border = _shape(index, size)
    _require_length(proof, inner + border)
    node = _exact("leaf hash", leaf)
    for height, sibling in enumerate(proof):
        on_the_left = height >= inner or index >> height & 1
        node = node_hash(sibling, node) if on_the_left else node_hash(node, sibling)
    if node != expected_root:
        raise ProofInvalid(f"the proof of leaf {index} in {size} leads to another root")


def verify_consistency(
    old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, expected_root: bytes
) -> None:
    """Return only if `proof` shows that the old tree is the beginning of the new one (2.1.4.2).

    Raises:
        ProofInvalid: `old_size` is 0 or more than `size`, a proof of another length, or another root
            on either side.
    """
    _require_growth(old_size, size)
    if old_size == size:
        _require_length(proof, 0)
        if old_root != expected_root:
            raise ProofInvalid(f"two different roots for the same size {size}")
        return
    # Begin at the largest complete subtree that ends the old tree; below it both trees are alike.
    skipped = _trailing_ones(old_size - 1)
    node = (old_size - 1) >> skipped
    inner, border = _shape(old_size - 1, size)
    inner -= skipped
    given = 1 if node else 0  # an old tree of 2^k leaves is that subtree itself and is not sent
    _require_length(proof, given + inner + border)
    old = new = proof[0] if given else _exact("old root", old_root)
    for height, sibling in enumerate(proof[given:]):
        if height >= inner or node >> height & 1:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    if old != old_root:
        raise ProofInvalid(f"the proof from {old_size} to {size} leads to another old root")
    if new != expected_root:
        raise ProofInvalid(f"the proof from {old_size} to {size} leads to another new root")


def _climb(level: list[bytes]) -> list[bytes]:
    pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return pairs + level[-1:] if len(level) & 1 else pairs


def _path(level: list[bytes], node: int) -> list[bytes]:
    proof = []
    while len(level) > 1:
        sibling = node ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        level, node = _climb(level), node >> 1
    return proof


def _shape(index: int, size: int) -> tuple[int, int]:
    # Up to where the paths of `index` and of the last leaf meet, every level has a sibling (inner);
    # above it only those on the left exist (border), one for each 1 bit left in the index.
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _trailing_ones(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1


def _exact(what: str, given: bytes) -> bytes:
    if len(given) != HASH_BYTES:
        raise ProofInvalid(f"a {what} of {len(given)} bytes instead of {HASH_BYTES}")
    return given


def _require_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ProofInvalid(f"there is no leaf {index} in a tree of {size}")


def _require_growth(old_size: int, size: int) -> None:
    if not 0 < old_size <= size:
        raise ProofInvalid(f"no consistency proof leads from size {old_size} to size {size}")


def _require_length(proof: Sequence[bytes], length: int) -> None:
    if len(proof) != length:
        raise ProofInvalid(f"a proof of {len(proof)} hashes where exactly {length} belong")
    for each in proof:
        _exact("proof hash", each)
