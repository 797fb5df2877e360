"""A tree of hash tiles: its root, its proofs, and how it grows, after C2SP tlog-tiles and RFC 9162, 2.1.

Pure: whoever calls brings the tiles, as a callable that reads one. Stored are the tiles alone. The
nodes between two levels of them are computed here, from the hashes of one tile, and only along the path
that is asked for.

What is right of the full tiles, the edge, is at most one partial tile a level. No partial tile has a
hash in the tile above, but what all of the edge below hashes to is one more node, behind the hashes of
the partial tile: a tree of 70,000 has 112 leaf hashes in its partial tile on level 0; over them stands
one node behind the 17 hashes of level 1, and over these 18 one behind the only hash of level 2. An odd
last node moves up as it is, as in merkle.py.

Growing. One row a tile holds a tree: level and number the key, the last of each level overwritten as it
grows. Whoever integrates does this, about once a second:

    frontier = Frontier.load(size, read, stored_root)
    growth = frontier.grow(leaf_hashes)
    # One transaction: write growth.tiles; compare and swap size and root. A crash before its commit, or
    # a rollback, costs nothing: a Frontier never changes.
    frontier = growth.frontier

That reads one tile a level and writes at most 2 a level and one for 255 leaves. Whoever keeps the
frontier from one time to the next need not load it, as long as size and root are still those stored.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from scoregate.tlog.merkle import HASH_BYTES, ProofInvalid, empty_root
from scoregate.tlog.tiles import TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, edges, tile_hashes

_PAIR_BYTES = 2 * HASH_BYTES

# Given level, number and width: the hashes of that tile, or of a fuller one. It raises where there is none.
ReadTile = Callable[[int, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The edge of a tree, all that growing needs: at most 255 hashes a level, however large the tree.

    Raises:
        ProofInvalid: `partials` can't belong to a tree of `size` leaves.
        ValueError: `size` is negative.
    """

    size: int = 0
    partials: tuple[bytes, ...] = ()  # for each level the hashes of its partial tile, b"" where it has none

    def __post_init__(self) -> None:
        if [len(each) for each in self.partials] != [width * HASH_BYTES for _, width in edges(self.size)]:
            raise ProofInvalid(f"these partial tiles can't belong to a tree of {self.size} leaves")

    @classmethod
    def load(cls, size: int, read: ReadTile, expected_root: bytes) -> Self:
        """Return the edge of a stored tree, once it leads to the root that is known of that tree.

        It reads the partial tiles only. The full ones are not looked at: growing never touches them, and a
        proof that takes a changed hash from one leads to another root.

        Raises:
            ProofInvalid: The tiles lead to another root.
            TileInvalid: A tile is shorter than it must be, or is none.
            ValueError: `size` is negative.
        """
        frontier = cls(size, _edge(size, read))
        if frontier.root() != expected_root:
            raise ProofInvalid(f"the tiles of the tree of {size} leaves lead to another root")
        return frontier

    def root(self) -> bytes:
        """Return the root over all leaves."""
        node = b""
        for partial in self.partials:
            node = _top(partial + node)
        return node or empty_root()

    def grow(self, leaf_hashes: Iterable[bytes]) -> "Growth":
        """Return what the tree becomes with these leaf hashes behind it, and which tiles that touches.

        Memory is a small multiple of what is given: give a long log in pieces.

        Raises:
            ProofInvalid: One is not 32 bytes long: probably an entry instead of its hash.
        """
        added = list(leaf_hashes)
        if wrong := {len(each) for each in added} - {HASH_BYTES}:
            raise ProofInvalid(f"a leaf hash of {min(wrong)} bytes instead of {HASH_BYTES}")
        tiles: dict[tuple[int, int], bytes] = {}
        partials = list(self.partials)
        arriving, level = b"".join(added), 0
        while arriving:
            if level == len(partials):
                partials.append(b"")
            first = self.size >> TILE_HEIGHT * (level + 1)
            fresh = _cut(partials[level] + arriving)
            tiles.update({(level, first + at): tile for at, tile in enumerate(fresh)})
            partials[level] = b"" if len(fresh[-1]) == TILE_BYTES else fresh.pop()
            arriving, level = b"".join([_top(tile) for tile in fresh]), level + 1
        return Growth(Frontier(self.size + len(added), tuple(partials)), tiles)


@dataclass(frozen=True, slots=True)
class Growth:
    """A tree after it grew."""

    frontier: Frontier
    # Every tile that is new or changed, by level and number, whole: what a partial tile held before included.
    tiles: dict[tuple[int, int], bytes]


def root(size: int, read: ReadTile) -> bytes:
    """Return the root of the tree of `size` leaves, from at most one tile a level.

    The tree may have grown since: any size that the tiles hold will do.

    Raises:
        ValueError: `size` is negative.
        TileInvalid: A tile is shorter than it must be, or is none.
    """
    return Frontier(size, _edge(size, read)).root()


def inclusion(index: int, size: int, read: ReadTile) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree of `size` leaves (RFC 9162, 2.1.3.1).

    It reads at most two tiles a level: the one on the path, and the partial one. A changed hash in the proof
    leads to another root: `verify_inclusion` finds it at a fraction of the cost.

    Raises:
        ProofInvalid: There is no such leaf.
        TileInvalid: A tile is shorter than it must be, or is none.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"there is no leaf {index} in a tree of {size}")
    return _path(index, 0, size, read)[1:]


def consistency(old_size: int, size: int, read: ReadTile) -> list[bytes]:
    """Return the proof that the tree of `old_size` leaves grew into that of `size` (RFC 9162, 2.1.4.1).

    It is empty when nothing was added. It reads what an inclusion proof does.

    Raises:
        ProofInvalid: `old_size` is 0, or larger than the tree.
        TileInvalid: A tile is shorter than it must be, or is none.
    """
    if not 0 < old_size <= size:
        raise ProofInvalid(f"no consistency proof leads from size {old_size} to size {size}")
    if old_size == size:
        return []
    # The largest complete subtree that ends the old tree; below it both trees are alike.
    height = (old_size & -old_size).bit_length() - 1
    start = old_size - (1 << height)
    path = _path(start, height, size, read)
    # Where it begins at leaf 0 it is the whole old tree, and the verifier has its hash already.
    return path if start else path[1:]


def _path(leaf: int, height: int, size: int, read: ReadTile) -> list[bytes]:
    """The node of this height whose first leaf is `leaf`, and the siblings from there to the root."""
    path: list[bytes] = []
    beyond = b""  # what the edge below this level hashes to
    for level, partial in enumerate(_edge(size, read)):
        rows = _rows(partial + beyond)
        beyond = rows[-1]
        bottom = level * TILE_HEIGHT
        number, place = divmod(leaf >> bottom, TILE_WIDTH)
        if bottom + TILE_HEIGHT <= height:
            continue
        if number < size >> bottom + TILE_HEIGHT:
            rows = _rows(tile_hashes(read(level, number, TILE_WIDTH), level, number, TILE_WIDTH))
        # The root over a full tile is not needed here: it is a hash in the tile above.
        for up, row in enumerate(rows[:TILE_HEIGHT]):
            node = place >> up
            if bottom + up == height:
                path.append(_at(row, node))
            if bottom + up >= height and (sibling := _at(row, node ^ 1)):
                path.append(sibling)
    return path


def _edge(size: int, read: ReadTile) -> tuple[bytes, ...]:
    return tuple(
        tile_hashes(read(level, number, width), level, number, width) if width else b""
        for level, (number, width) in enumerate(edges(size))
    )


def _rows(hashes: bytes) -> list[bytes]:
    """These hashes, and above them each row of nodes up to the one over all."""
    rows = [hashes]
    while len(hashes) > HASH_BYTES:
        hashes = _climb(hashes)
        rows.append(hashes)
    return rows


def _top(hashes: bytes) -> bytes:
    while len(hashes) > HASH_BYTES:
        hashes = _climb(hashes)
    return hashes


def _climb(row: bytes) -> bytes:
    # On joined bytes, and spelled out instead of node_hash(): this is the inner loop of all here.
    pairs = len(row) & -_PAIR_BYTES
    nodes = [sha256(b"\x01" + row[at : at + _PAIR_BYTES]).digest() for at in range(0, pairs, _PAIR_BYTES)]
    return b"".join(nodes) + row[pairs:]


def _at(row: bytes, place: int) -> bytes:
    return row[place * HASH_BYTES : (place + 1) * HASH_BYTES]


def _cut(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + TILE_BYTES] for at in range(0, len(hashes), TILE_BYTES)]
