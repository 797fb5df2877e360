"""One proof for many leaves: it holds for exactly these, in exactly this tree."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog import merkle, together, tree_tiles
from scoregate.tlog.merkle import ProofInvalid
from scoregate.tlog.tree_tiles import Frontier, ReadTile

LEAVES = [merkle.leaf_hash(bytes([number & 255, number >> 8])) for number in range(1_200)]
TREE = Frontier().grow(LEAVES)
MORE = 777  # a tree that has grown since


def read(level: int, number: int, width: int) -> bytes:
    return TREE.tiles[level, number]


@st.composite
def pages(draw: st.DrawFn) -> tuple[int, list[int]]:
    size = draw(st.one_of(st.integers(1, 40), st.sampled_from([255, 256, 257, 512, 1_023, 1_200])))
    runs = draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(1, 30)), max_size=6))
    return size, sorted(
        {index for begin, length in runs for index in range(begin, min(begin + length, size))}
    )


def leaves_at(indexes: list[int]) -> list[tuple[int, bytes]]:
    return [(index, LEAVES[index]) for index in indexes]


@given(pages())
def test_a_proof_from_the_tiles_leads_to_the_root_of_any_size(page: tuple[int, list[int]]) -> None:
    size, indexes = page
    hashes = together.prove(indexes, size, read)
    together.verify(leaves_at(indexes), size, hashes, merkle.root(LEAVES[:size]))


@given(pages(), st.data())
def test_anything_changed_is_found(page: tuple[int, list[int]], data: st.DataObject) -> None:
    size, indexes = page
    root, hashes = merkle.root(LEAVES[:size]), together.prove(indexes, size, read)
    leaves = leaves_at(indexes)
    wrong = [(leaves, [*hashes, LEAVES[0]], root), (leaves, hashes, sha256(root).digest())]
    if hashes:
        at = data.draw(st.integers(0, len(hashes) - 1))
        wrong.append((leaves, [*hashes[:at], sha256(hashes[at]).digest(), *hashes[at + 1 :]], root))
        wrong.append((leaves, hashes[:-1], root))
    if leaves:
        at = data.draw(st.integers(0, len(leaves) - 1))
        index, leaf = leaves[at]
        wrong.append(([*leaves[:at], (index, sha256(leaf).digest()), *leaves[at + 1 :]], hashes, root))
        wrong.append(([*leaves[:at], *leaves[at + 1 :]], hashes, root))
        wrong.append(([*leaves, leaves[-1]], hashes, root))
        if index + 1 < size and index + 1 not in indexes:
            wrong.append(([*leaves[:at], (index + 1, leaf), *leaves[at + 1 :]], hashes, root))
    for some, given_hashes, expected in wrong:
        with pytest.raises(ProofInvalid):
            together.verify(some, size, given_hashes, expected)


def test_one_leaf_is_proved_by_the_hashes_of_its_inclusion_proof() -> None:
    for index in (0, 1, 500, 776):
        alone = tree_tiles.inclusion(index, MORE, read)
        assert sorted(together.prove([index], MORE, read)) == sorted(alone)


def test_a_tree_without_leaves_of_ours_is_its_root_alone() -> None:
    assert together.prove([], 1_024, read) == [merkle.root(LEAVES[:1_024])]
    assert len(together.prove([], MORE, read)) == 1
    together.verify([], 0, [], merkle.empty_root())


@pytest.mark.parametrize("indexes", [[3, 3], [4, 3], [-1], [MORE]])
def test_indexes_that_no_tree_has_are_refused(indexes: list[int]) -> None:
    with pytest.raises(ProofInvalid):
        together.prove(indexes, MORE, read)
    with pytest.raises(ProofInvalid):
        together.verify([(index, LEAVES[0]) for index in indexes], MORE, [], bytes(32))


def test_a_page_of_neighbours_takes_hardly_a_hash_and_each_tile_once() -> None:
    asked: list[tuple[int, int]] = []

    def counting(level: int, number: int, width: int) -> bytes:
        asked.append((level, number))
        return read(level, number, width)

    reader: ReadTile = counting
    assert len(together.prove(list(range(200, 1_200)), 1_200, reader)) < 10
    assert len(together.prove(list(range(0, 1_200, 2)), 1_200, reader)) == 600
    assert len(asked) <= 2 * (5 + 1) * 2
