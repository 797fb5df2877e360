"""Trees of tiles against the specification's own definition, published vectors, and the verifier.

The judges are the formal definition of a tile (C2SP tlog-tiles, "Merkle Tree") over MTH (RFC 9162, 2.1.1),
written down here as it stands, and scoregate.tlog.merkle, which knows no tiles. The published vectors
and where they come from are in tests/vectors/tlog/rfc6962.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.tlog import merkle
from scoregate.tlog.merkle import ProofInvalid, leaf_hash
from scoregate.tlog.tiles import TileInvalid, tile_width, tiles_of
from scoregate.tlog.tree_tiles import Frontier, ReadTile, consistency, inclusion, root

VECTORS = Path(__file__).parents[1] / "vectors" / "tlog" / "rfc6962"
Tiles = dict[tuple[int, int], bytes]


def vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def reader(tiles: Tiles, size: int, log: list[tuple[int, int, int]] | None = None) -> ReadTile:
    """Reads what is stored; fails where a tree of `size` has no tile of exactly this width."""

    def read(level: int, number: int, width: int) -> bytes:
        # "Clients MUST NOT fetch arbitrary partial tiles without verifying a checkpoint with a size that
        # requires their existence": nothing else is ever asked for.
        assert 0 < width == tile_width(level, number, size)
        if log is not None:
            log.append((level, number, width))
        return tiles[level, number]

    return read


class Sparse:
    """A tree of any size by definition: a few leaves are given, and all others are alike."""

    def __init__(self, given: dict[int, bytes]) -> None:
        self._given = given
        self._places = sorted(given)
        self._known: dict[tuple[int, int], bytes] = {}

    def leaf(self, index: int) -> bytes:
        return self._given.get(index, leaf_hash(b"alike"))

    def mth(self, start: int, end: int) -> bytes:
        """RFC 9162, 2.1.1: MTH(D[start:end])."""
        length = end - start
        if length == 1:
            return self.leaf(start)
        first = bisect_left(self._places, start)
        alike = first == len(self._places) or self._places[first] >= end
        key = (-1, length) if alike else (start, end)
        if key not in self._known:
            k = split(length)
            pair = self.mth(start, start + k) + self.mth(start + k, end)
            self._known[key] = sha256(b"\x01" + pair).digest()
        return self._known[key]

    def read(self, level: int, number: int, width: int) -> bytes:
        """The sequence of MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])."""
        span, first = 256**level, number * 256
        return b"".join(self.mth((first + i) * span, (first + i + 1) * span) for i in range(width))

    def reader(self, size: int) -> ReadTile:
        def read(level: int, number: int, width: int) -> bytes:
            assert 0 < width == tile_width(level, number, size)
            return self.read(level, number, width)

        return read


def split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


@cache
def grown(count: int = 70_000) -> tuple[list[bytes], Tiles, Frontier]:
    """The specification's example: a tree of 70,000, over 65,536."""
    hashes = leaves(count)
    growth = Frontier().grow(hashes)
    return hashes, growth.tiles, growth.frontier


# --- vectors that nobody here wrote -----------------------------------------------------------------


def test_the_published_nodes_and_roots_of_eight_entries_come_out() -> None:
    tree = vectors("tree.json")
    frontier = Frontier()
    assert frontier.root().hex() == tree["roots"][0]
    for size, entry in enumerate(tree["entries"], 1):
        frontier = frontier.grow([leaf_hash(bytes.fromhex(entry))]).frontier
        assert frontier.root().hex() == tree["roots"][size]
    assert frontier.partials[0].hex() == "".join(tree["nodes"][0])
    complete = {
        (height, number): node for height, row in enumerate(tree["nodes"]) for number, node in enumerate(row)
    }
    for (height, number), node in complete.items():
        first, last = number << height, (number + 1) << height
        part = Frontier().grow(map(bytes.fromhex, tree["nodes"][0][first:last])).frontier
        assert part.root().hex() == node


@pytest.mark.parametrize(("size", "expected"), vectors("tree.json")["larger_roots"].items())
def test_the_published_roots_of_larger_trees_come_out(size: str, expected: str) -> None:
    growth = Frontier().grow(leaf_hash(index.to_bytes(2, "little")) for index in range(int(size)))
    assert root(int(size), reader(growth.tiles, int(size))).hex() == expected


def test_the_published_digests_over_all_subtrees_of_130_and_their_proofs_come_out() -> None:
    tree, hashes = vectors("tree.json"), [leaf_hash(bytes([index])) for index in range(130)]
    roots, proofs = sha256(), sha256()
    for end in range(131):
        for start in range(end + 1):
            length = end - start
            if length and start % (1 << (length - 1).bit_length()):
                continue  # no subtree begins there
            growth = Frontier().grow(hashes[start:end])
            roots.update(f"[{start}, {end}) {growth.frontier.root().hex()}\n".encode())
            read = reader(growth.tiles, length)
            for index in range(length):
                told = [
                    f"{start + index} [{start}, {end})",
                    *(each.hex() for each in inclusion(index, length, read)),
                ]
                proofs.update((" ".join(told) + "\n").encode())
    assert roots.hexdigest() == tree["subtree_hashes_sha256"]
    assert proofs.hexdigest() == tree["subtree_inclusion_proofs_sha256"]


def folded(nodes: list[list[int]], tree: Sparse) -> bytes:
    """Nodes by height and number, the rightmost first, hashed into one."""
    hashes = [tree.mth(number << height, (number + 1) << height) for height, number in nodes]
    node = hashes[0]
    for left in hashes[1:]:
        node = merkle.node_hash(left, node)
    return node


@pytest.mark.parametrize("case", vectors("shapes.json")["inclusion"], ids=str)
def test_inclusion_proofs_consist_of_the_published_nodes(case: dict[str, Any]) -> None:
    size, index, tree = case["size"], case["index"], Sparse(dict(enumerate(leaves(100))))
    if case["nodes"] is None:
        with pytest.raises(ProofInvalid, match="no leaf"):
            inclusion(index, size, tree.reader(size))
        return
    assert inclusion(index, size, tree.reader(size)) == [folded(each, tree) for each in case["nodes"]]


@pytest.mark.parametrize("case", vectors("shapes.json")["consistency"], ids=str)
def test_consistency_proofs_consist_of_the_published_nodes(case: dict[str, Any]) -> None:
    old, size, tree = case["old_size"], case["size"], Sparse(dict(enumerate(leaves(100))))
    if case["nodes"] is None:
        with pytest.raises(ProofInvalid, match="no consistency proof"):
            consistency(old, size, tree.reader(size))
        return
    assert consistency(old, size, tree.reader(size)) == [folded(each, tree) for each in case["nodes"]]


def hexed(case: dict[str, Any], *names: str) -> Iterator[bytes]:
    return (bytes.fromhex(case[name]) for name in names)


@pytest.mark.parametrize("case", vectors("inclusion.json"), ids=lambda case: case["file"])
def test_published_inclusion_proofs_are_judged_as_published(case: dict[str, Any]) -> None:
    leaf, expected = hexed(case, "leaf", "root")
    proof = [bytes.fromhex(each) for each in case["proof"]]
    told = rejected(merkle.verify_inclusion, leaf, case["index"], case["size"], proof, expected)
    assert told is not case["valid"]
    if case["valid"] and case["size"] <= 8 and "happy" in case["file"]:
        tiles = eight()
        assert inclusion(case["index"], case["size"], lambda *tile: tiles[tile[:2]]) == proof


@pytest.mark.parametrize("case", vectors("consistency.json"), ids=lambda case: case["file"])
def test_published_consistency_proofs_are_judged_as_published(case: dict[str, Any]) -> None:
    old_root, expected = hexed(case, "old_root", "root")
    proof = [bytes.fromhex(each) for each in case["proof"]]
    told = rejected(merkle.verify_consistency, case["old_size"], case["size"], proof, old_root, expected)
    assert told is not case["valid"]
    if case["valid"]:
        tiles = eight()
        assert consistency(case["old_size"], case["size"], lambda *tile: tiles[tile[:2]]) == proof


def eight() -> Tiles:
    return Frontier().grow(leaf_hash(bytes.fromhex(entry)) for entry in vectors("tree.json")["entries"]).tiles


# --- every proof of every size up to 130, and everything that can be wrong with one hash --------------


def rejected(verify: Callable[..., None], *claim: Any) -> bool:
    try:
        verify(*claim)
    except ProofInvalid:
        return True
    return False


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << bit % 256)).to_bytes(32, "big")


def corrupted(proof: list[bytes], seed: int) -> Iterator[list[bytes]]:
    """One bit of each hash turned, each dropped, each twice, one added at each place, neighbours swapped."""
    for at, each in enumerate(proof):
        yield [*proof[:at], flipped(each, seed + at * 37), *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], each, each, *proof[at + 1 :]]
        yield [*proof[:at], bytes(32), *proof[at:]]
        if at:
            yield [*proof[: at - 1], each, proof[at - 1], *proof[at + 1 :]]
    yield [*proof, bytes(32)]


@cache
def route(index: int, size: int) -> str:
    """On which side each sibling stands, from the leaf up, after 2.1.3.1."""
    if size == 1:
        return ""
    k = split(size)
    return route(index, k) + "R" if index < k else route(index - k, size - k) + "L"


@cache
def old_route(old: int, size: int, whole: bool = True) -> str:
    """The same for a consistency proof, after 2.1.4.1; it begins with whether the first node is sent."""
    if old == size:
        return "." if whole else "+"
    k = split(size)
    return old_route(old, k, whole) + "R" if old <= k else old_route(old - k, size - k, False) + "L"


def test_every_inclusion_proof_up_to_130_is_the_same_from_tiles_and_no_corruption_of_it_passes() -> None:
    hashes = leaves(130)
    read = reader(Frontier().grow(hashes).tiles, 130)
    verify = merkle.verify_inclusion
    for size in range(1, 131):
        top = merkle.root(hashes[:size])
        for index in range(size):
            proof, leaf = inclusion(index, size, narrower(read, size)), hashes[index]
            assert proof == merkle.prove_inclusion(hashes[:size], index)
            verify(leaf, index, size, proof, top)
            for wrong in corrupted(proof, seed=size * index):
                assert rejected(verify, leaf, index, size, wrong, top)
            assert rejected(verify, flipped(leaf, index), index, size, proof, top)
            assert rejected(verify, leaf, index, size, proof, flipped(top, index))
            assert rejected(verify, leaf, index - 1, size, proof, top)
            assert rejected(verify, leaf, index + 1, size, proof, top)
            for other in (size - 1, size + 1):
                # Where the way up turns alike in a tree of another size, no proof can tell the two apart: a
                # root is a claim only together with its size, and a checkpoint signs both.
                alike = index < other and route(index, other) == route(index, size)
                assert rejected(verify, leaf, index, other, proof, top) is not alike


def test_every_consistency_proof_up_to_130_is_the_same_from_tiles_and_no_corruption_of_it_passes() -> None:
    hashes = leaves(130)
    read = reader(Frontier().grow(hashes).tiles, 130)
    tops = [merkle.root(hashes[:size]) for size in range(131)]
    verify = merkle.verify_consistency
    for size in range(1, 131):
        for old in range(1, size + 1):
            proof, before, after = consistency(old, size, narrower(read, size)), tops[old], tops[size]
            assert proof == merkle.prove_consistency(hashes[:size], old)
            verify(old, size, proof, before, after)
            for wrong in corrupted(proof, seed=size * old):
                assert rejected(verify, old, size, wrong, before, after)
            assert rejected(verify, old, size, proof, flipped(before, old), after)
            assert rejected(verify, old, size, proof, before, flipped(after, old))
            assert old == size or rejected(verify, old, size, proof, after, before)
            assert rejected(verify, old - 1, size, proof, before, after)
            assert rejected(verify, old + 1, size, proof, before, after)
            for other in (size - 1, size + 1):
                alike = old <= other and old_route(old, other) == old_route(old, size)
                assert rejected(verify, old, other, proof, before, after) is not alike


def narrower(read: ReadTile, size: int) -> ReadTile:
    """Asked for the tiles of a smaller tree, the reader has only the fuller ones of 130 leaves."""

    def fuller(level: int, number: int, width: int) -> bytes:
        assert 0 < width == tile_width(level, number, size)
        return read(level, number, 130)

    return fuller


# --- proofs across tiles ----------------------------------------------------------------------------

BORDERS = [1, 255, 256, 257, 511, 512, 513, 65_279, 65_280, 65_535, 65_536, 65_537, 65_792, 65_793, 70_000]


@pytest.mark.parametrize("size", BORDERS)
def test_proofs_at_the_borders_of_tiles_are_those_of_the_whole_tree(size: int) -> None:
    hashes, tiles, _ = grown()
    tree, read = hashes[:size], reader(tiles, size)
    top = merkle.root(tree)
    assert root(size, read) == top
    for index in {0, 1, 255, 256, 257, 65_535, 65_536, size // 2, size - 2, size - 1} & set(range(size)):
        merkle.verify_inclusion(hashes[index], index, size, inclusion(index, size, read), top)
    for old in {*BORDERS, size - 1} & set(range(1, size + 1)):
        proof = consistency(old, size, read)
        merkle.verify_consistency(old, size, proof, root(old, reader(tiles, old)), top)
    assert inclusion(size - 1, size, read) == merkle.prove_inclusion(tree, size - 1)
    assert consistency(size // 2 or 1, size, read) == merkle.prove_consistency(tree, size // 2 or 1)


@given(st.data())
@settings(max_examples=200)
def test_every_size_that_the_tiles_hold_has_its_root_and_proofs(data: st.DataObject) -> None:
    hashes, tiles, _ = grown()
    size = data.draw(st.integers(1, 70_000))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    read = reader(tiles, size)
    top = root(size, read)
    merkle.verify_inclusion(hashes[index], index, size, inclusion(index, size, read), top)
    merkle.verify_consistency(old, size, consistency(old, size, read), root(old, reader(tiles, old)), top)


@given(st.data())
@settings(max_examples=60)
def test_a_tree_of_billions_is_as_defined(data: st.DataObject) -> None:
    # No test can hold it: all leaves are alike but a few, and every tile is made as it is defined.
    size = data.draw(st.integers(1, 2**40))
    places = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=4))
    tree = Sparse({place: leaf_hash(b"%d" % place) for place in places})
    read, top = tree.reader(size), tree.mth(0, size)
    assert root(size, read) == top
    for place in places:
        merkle.verify_inclusion(tree.leaf(place), place, size, inclusion(place, size, read), top)
        proof = consistency(place + 1, size, read)
        merkle.verify_consistency(place + 1, size, proof, tree.mth(0, place + 1), top)


@pytest.mark.parametrize("size", [65_535, 65_536, 70_000])
def test_a_proof_reads_the_tiles_on_its_path_and_the_partial_ones_and_each_once(size: int) -> None:
    _, tiles, _ = grown()
    partials = {tile for tile in tiles_of(size) if tile[2] < 256}
    for index in (0, 300, 65_000, size - 1):
        log: list[tuple[int, int, int]] = []
        inclusion(index, size, reader(tiles, size, log))
        path = {(level, index >> 8 * (level + 1)) for level in range(3)} & {
            tile[:2] for tile in tiles_of(size)
        }
        assert sorted(tile[:2] for tile in log) == sorted(path | {tile[:2] for tile in partials})
        log.clear()
        consistency(index + 1, size, reader(tiles, size, log))
        assert len(log) == len(set(log)) <= 5
    log.clear()
    root(size, reader(tiles, size, log))
    assert set(log) == partials
    assert len(log) == len(partials)


def test_at_equal_sizes_nothing_is_read() -> None:
    log: list[tuple[int, int, int]] = []
    assert consistency(70_000, 70_000, reader({}, 70_000, log)) == []
    assert log == []


@pytest.mark.parametrize(("index", "size"), [(-1, 7), (7, 7), (0, 0), (8, 7)])
def test_there_is_no_proof_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ProofInvalid, match=f"no leaf {index} in a tree of {size}"):
        inclusion(index, size, reader({}, size))


@pytest.mark.parametrize(("old", "size"), [(0, 0), (0, 7), (8, 7), (-1, 7)])
def test_consistency_from_nothing_or_backwards_is_an_error(old: int, size: int) -> None:
    with pytest.raises(ProofInvalid, match=f"size {old} to size {size}"):
        consistency(old, size, reader({}, size))


@pytest.mark.parametrize("bad", [(0, 273), (1, 1), (2, 0), (0, 5), (1, 0)])
def test_a_tile_that_lost_a_byte_is_named(bad: tuple[int, int]) -> None:
    _, tiles, _ = grown()
    read = reader(tiles | {bad: tiles[bad][:-1]}, 70_000)
    with pytest.raises(TileInvalid) as caught:
        inclusion(5 * 256, 70_000, read)
    assert (caught.value.level, caught.value.number) == bad


def test_what_a_reader_raises_comes_through() -> None:
    with pytest.raises(KeyError):
        root(3, reader({}, 3))


def test_one_bit_in_any_hash_that_a_proof_needs_leads_it_to_another_root() -> None:
    hashes, tiles, frontier = grown()
    index = 5 * 256
    # What lies on the path itself, from the leaf up, is computed by the verifier and no part of the proof.
    path = {(0, 5): 0, (1, 0): 5, (2, 0): 0}
    for bad in [(0, 5), (1, 0), (2, 0), (0, 273), (1, 1)]:
        for at in range(len(tiles[bad]) // 32):
            changed = bytearray(tiles[bad])
            changed[at * 32 + at % 32] ^= 1 << at % 8
            proof = inclusion(index, 70_000, reader(tiles | {bad: bytes(changed)}, 70_000))
            claim = hashes[index], index, 70_000, proof, frontier.root()
            assert rejected(merkle.verify_inclusion, *claim) is not (path.get(bad) == at)


# --- growth -----------------------------------------------------------------------------------------


def by_definition(hashes: Sequence[bytes]) -> Tiles:
    tree = Sparse(dict(enumerate(hashes)))
    return {
        (level, number): tree.read(level, number, width) for level, number, width in tiles_of(len(hashes))
    }


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 512, 767, 1000, 65_535, 65_536, 66_000])
def test_the_tiles_are_those_of_the_formal_definition(size: int) -> None:
    hashes = leaves(size)
    growth = Frontier().grow(hashes)
    assert growth.tiles == by_definition(hashes)
    assert growth.frontier.size == size
    assert growth.frontier.root() == merkle.root(hashes)


@given(st.lists(st.integers(0, 700), max_size=8))
@settings(max_examples=40)
def test_growth_in_pieces_is_growth_at_once_and_tells_exactly_what_changed(pieces: list[int]) -> None:
    hashes = leaves(sum(pieces))
    frontier, tiles, at = Frontier(), Tiles(), 0
    for piece in pieces:
        before = frontier, dict(tiles)
        growth = frontier.grow(hashes[at : at + piece])
        at += piece
        tiles.update(growth.tiles)
        assert growth.tiles == {key: tile for key, tile in tiles.items() if before[1].get(key) != tile}
        assert len(growth.tiles) <= 2 * 3 + piece / 255
        assert (frontier, frontier.size) == (before[0], at - piece)  # the old one is untouched
        frontier = growth.frontier
        assert frontier == Frontier.load(at, reader(tiles, at), merkle.root(hashes[:at]))
    assert tiles == Frontier().grow(hashes).tiles == by_definition(hashes)


@given(st.integers(0, 70_000), st.integers(0, 70_000))
@settings(max_examples=10)
def test_the_example_of_the_specification_grows_from_any_two_sizes(first: int, second: int) -> None:
    hashes, expected, frontier = grown()
    first, second = sorted((first, second))
    tiles, part = Tiles(), Frontier()
    for start, end in ((0, first), (first, second), (second, 70_000)):
        growth = part.grow(hashes[start:end])
        part = growth.frontier
        tiles.update(growth.tiles)
    assert (tiles, part) == (expected, frontier)
    assert {key: len(tile) // 32 for key, tile in tiles.items()} == {
        (level, number): width for level, number, width in tiles_of(70_000)
    }


@pytest.mark.parametrize("border", [256, 65_536, 2**24, 2**32])
@pytest.mark.parametrize(("before", "after"), [(1, 0), (1, 1), (0, 1), (3, 2), (300, 300), (0, 256)])
def test_growth_across_a_border_touches_the_tiles_that_it_must(border: int, before: int, after: int) -> None:
    old, size = max(border - before, 0), border + after
    tree = Sparse({place: leaf_hash(b"%d" % place) for place in {0, border // 3, *range(old, size)}})
    frontier = Frontier.load(old, tree.reader(old), tree.mth(0, old) if old else merkle.empty_root())
    growth = frontier.grow(tree.leaf(index) for index in range(old, size))
    changed = {
        (level, number): tree.read(level, number, width)
        for level in range(5)
        for number in range(old >> 8 * (level + 1), (size >> 8 * (level + 1)) + 1)
        if (width := tile_width(level, number, size)) and width != tile_width(level, number, old)
    }
    assert growth.tiles == changed
    assert growth.frontier == Frontier.load(size, tree.reader(size), tree.mth(0, size))
    assert len(growth.frontier.partials) == len({level for level, _, _ in edge_of(size)})


def edge_of(size: int) -> Iterator[tuple[int, int, int]]:
    """One tile of each level."""
    level = 0
    while size >> 8 * level:
        yield level, size >> 8 * (level + 1), tile_width(level, size >> 8 * (level + 1), size)
        level += 1


def test_nothing_added_changes_nothing() -> None:
    _, _, frontier = grown()
    growth = frontier.grow([])
    assert (growth.frontier, growth.tiles) == (frontier, {})


def test_the_empty_tree_has_no_tiles_and_the_hash_of_nothing() -> None:
    assert (Frontier().size, Frontier().partials) == (0, ())
    assert Frontier().root() == root(0, reader({}, 0)) == merkle.empty_root()
    assert Frontier.load(0, reader({}, 0), merkle.empty_root()) == Frontier()


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_an_entry_in_place_of_its_hash_is_refused(length: int) -> None:
    with pytest.raises(ProofInvalid, match=f"leaf hash of {length} bytes instead of 32"):
        Frontier().grow([*leaves(2), bytes(length)])


# --- the stored root is checked before the tree grows ------------------------------------------------


def test_a_stored_tree_is_loaded_by_its_root_alone() -> None:
    _, tiles, frontier = grown()
    log: list[tuple[int, int, int]] = []
    assert Frontier.load(70_000, reader(tiles, 70_000, log), frontier.root()) == frontier
    assert log == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


def test_one_bit_in_any_hash_of_the_edge_keeps_a_tree_from_being_loaded() -> None:
    _, tiles, frontier = grown()
    for level, number, width in [(0, 273, 112), (1, 1, 17), (2, 0, 1)]:
        for at in range(width):
            changed = bytearray(tiles[level, number])
            changed[at * 32 + at % 32] ^= 1 << at % 8
            read = reader(tiles | {(level, number): bytes(changed)}, 70_000)
            with pytest.raises(ProofInvalid, match="tree of 70000 leaves lead to another root"):
                Frontier.load(70_000, read, frontier.root())


def test_a_tree_of_another_size_is_not_loaded_under_this_root() -> None:
    _, tiles, frontier = grown()
    for size in (69_999, 69_888, 65_536, 256, 1, 0):
        with pytest.raises(ProofInvalid, match="another root"):
            Frontier.load(size, reader(tiles, size), frontier.root())


@pytest.mark.parametrize(
    ("size", "partials"),
    [
        (0, (bytes(32),)),
        (1, ()),
        (1, (bytes(31),)),
        (1, (bytes(64),)),
        (256, (bytes(32),)),
        (256, (b"",)),
        (257, (bytes(32),)),
        (1, (bytes(32), b"")),
    ],
)
def test_an_edge_of_another_shape_is_refused(size: int, partials: tuple[bytes, ...]) -> None:
    with pytest.raises(ProofInvalid, match=f"can't belong to a tree of {size} leaves"):
        Frontier(size, partials)


def test_there_is_no_tree_of_fewer_than_no_leaves() -> None:
    with pytest.raises(ValueError, match="no tree has -1 leaves"):
        Frontier(-1)
    with pytest.raises(ValueError, match="no tree has -1 leaves"):
        root(-1, reader({}, 0))
    with pytest.raises(ValueError, match="no tree has -1 leaves"):
        Frontier.load(-1, reader({}, 0), merkle.empty_root())
