"""One proof that many leaves are in a tree: what their inclusion proofs have in common is there once.

Pure. After RFC 9162, section 2.1. Leaves that lie side by side need hardly a hash, so a page of a
partner's own entries takes a few kilobytes where a proof for each would take hundreds.

A tree is split as 2.1.1 splits it. A part without any of the leaves is one hash; a part with some is split
on, down to the leaves themselves, whose hashes the verifier has. The hashes are the former, from left to
right. Their number follows from the indexes and the size alone, so there is one proof and no other:

    size 7, leaves 2 and 3          ┌─────────┴────────┐
    proof: a, b                 ┌───┴──┐               b
                                a     2,3
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from scoregate.tlog.merkle import HASH_BYTES, ProofInvalid, empty_root, node_hash
from scoregate.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, tile_hashes
from scoregate.tlog.tree_tiles import ReadTile


def prove(indexes: Sequence[int], size: int, read: ReadTile) -> list[bytes]:
    """Return the proof that the leaves at these indexes are in the tree of `size` leaves.

    The tree may have grown since. Each tile is read once at most.

    Raises:
        ProofInvalid: The indexes don't ascend, or there is no such leaf.
        TileInvalid: A tile is shorter than it must be, or is none.
    """
    _require(indexes, size)
    tiles: dict[tuple[int, int], bytes] = {}

    def whole(level: int, number: int, width: int) -> bytes:
        place = (level, number)
        if len(tiles.get(place, b"")) < width * HASH_BYTES:
            tiles[place] = read(level, number, width)
        return tile_hashes(tiles[place], level, number, width)

    return [_subtree(begin, end, whole) for begin, end in _others(indexes, 0, size)]


def verify(
    leaves: Sequence[tuple[int, bytes]], size: int, hashes: Sequence[bytes], expected_root: bytes
) -> None:
    """Return only if these leaf hashes, at these indexes, are in the tree with this root.

    Raises:
        ProofInvalid: The indexes don't ascend, there is no such leaf, hashes are missing, too many or too
            short, or they lead to another root.
    """
    _require([index for index, _ in leaves], size)
    if wrong := {len(each) for each in (*hashes, *(leaf for _, leaf in leaves))} - {HASH_BYTES}:
        raise ProofInvalid(f"a hash of {min(wrong)} bytes instead of {HASH_BYTES}")
    given = iter(hashes)
    try:
        found = _root(leaves, 0, size, given) if size else empty_root()
    except StopIteration:
        raise ProofInvalid(f"a proof of {len(hashes)} hashes lacks some") from None
    if next(given, None) is not None:
        raise ProofInvalid(f"a proof of {len(hashes)} hashes has some too many")
    if found != expected_root:
        raise ProofInvalid(f"the proof of {len(leaves)} leaves in {size} leads to another root")


def _require(indexes: Sequence[int], size: int) -> None:
    if any(after <= before for before, after in pairwise(indexes)):
        raise ProofInvalid("the leaves' indexes don't ascend")
    if indexes and not (indexes[0] >= 0 and indexes[-1] < size):
        raise ProofInvalid(f"there is no leaf {indexes[-1]} in a tree of {size}")


def _others(indexes: Sequence[int], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest parts of the tree without any of the leaves, from left to right."""
    if not indexes:
        if end > begin:
            yield begin, end
    elif end - begin > 1:
        middle = _middle(begin, end)
        cut = _cut(indexes, middle)
        yield from _others(indexes[:cut], begin, middle)
        yield from _others(indexes[cut:], middle, end)


def _root(leaves: Sequence[tuple[int, bytes]], begin: int, end: int, given: Iterator[bytes]) -> bytes:
    if not leaves:
        return next(given)
    if end - begin == 1:
        return leaves[0][1]
    middle = _middle(begin, end)
    cut = _cut([index for index, _ in leaves], middle)
    left = _root(leaves[:cut], begin, middle, given)
    return node_hash(left, _root(leaves[cut:], middle, end, given))


def _middle(begin: int, end: int) -> int:
    # The largest power of two smaller than their number goes left (2.1.1).
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def _cut(indexes: Sequence[int], middle: int) -> int:
    low, high = 0, len(indexes)
    while low < high:
        at = (low + high) // 2
        low, high = (at + 1, high) if indexes[at] < middle else (low, at)
    return low


def _subtree(begin: int, end: int, read: ReadTile) -> bytes:
    width = end - begin
    if width & (width - 1):  # at the tree's edge
        middle = _middle(begin, end)
        return node_hash(_subtree(begin, middle, read), _subtree(middle, end, read))
    level, up = divmod(width.bit_length() - 1, TILE_HEIGHT)
    number, place = divmod(begin >> level * TILE_HEIGHT, TILE_WIDTH)
    count = 1 << up  # hashes of one tile, below a node of ours
    hashes = read(level, number, place + count)
    row = [hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(place, place + count)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
