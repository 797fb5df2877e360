"""The Merkle tree against RFC 9162's own definitions, known roots, and every small size."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.tlog import merkle
from scoregate.tlog.merkle import CompactRange, ProofInvalid

# The eight entries that Certificate Transparency implementations have long been tested with, and the
# root after each of them.
CT_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_LEAVES = [merkle.leaf_hash(entry) for entry in CT_ENTRIES]


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


# --- the RFC's recursive definitions, as the oracle -------------------------------------------------


def split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def mth(tree: list[bytes]) -> bytes:
    """2.1.1, over leaf hashes."""
    if not tree:
        return sha256(b"").digest()
    if len(tree) == 1:
        return tree[0]
    k = split(len(tree))
    return sha256(b"\x01" + mth(tree[:k]) + mth(tree[k:])).digest()


def path(index: int, tree: list[bytes]) -> list[bytes]:
    """2.1.3.1."""
    if len(tree) == 1:
        return []
    k = split(len(tree))
    if index < k:
        return [*path(index, tree[:k]), mth(tree[k:])]
    return [*path(index - k, tree[k:]), mth(tree[:k])]


def subproof(old: int, tree: list[bytes], whole: bool = True) -> list[bytes]:
    """2.1.4.1."""
    if old == len(tree):
        return [] if whole else [mth(tree)]
    k = split(len(tree))
    if old <= k:
        return [*subproof(old, tree[:k], whole), mth(tree[k:])]
    return [*subproof(old - k, tree[k:], False), mth(tree[:k])]


# --- roots ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size: int) -> None:
    assert merkle.root(CT_LEAVES[:size]).hex() == CT_ROOTS[size]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.empty_root().hex() == CT_ROOTS[0]
    assert CompactRange().root() == merkle.empty_root()


def test_a_leaf_never_hashes_like_a_node() -> None:
    left, right = leaves(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_a_compact_range_stopped_and_restored_anywhere_ends_at_the_defined_root(size: int, stop: int) -> None:
    tree = leaves(size)
    first = CompactRange()
    for leaf in tree[:stop]:
        first.append(leaf)
    second = CompactRange(first.size, first.hashes)
    for leaf in tree[stop:]:
        second.append(leaf)
    assert (second.size, second.root()) == (size, mth(tree))
    assert len(second.hashes) == size.bit_count()


def test_a_range_hands_out_a_copy_of_its_hashes() -> None:
    tree = CompactRange()
    tree.append(CT_LEAVES[0])
    kept = tree.hashes
    tree.append(CT_LEAVES[1])
    assert kept == (CT_LEAVES[0],)


@pytest.mark.parametrize(
    ("size", "hashes"),
    [
        (-1, []),
        (-1, [CT_LEAVES[0]]),
        (0, [CT_LEAVES[0]]),
        (3, [CT_LEAVES[0]]),
        (1, [b"short"]),
        (2, [CT_LEAVES[0]] * 2),
    ],
)
def test_a_range_restored_from_the_wrong_hashes_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ProofInvalid):
        CompactRange(size, hashes)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_an_entry_appended_in_place_of_its_hash_is_refused_and_changes_nothing(length: int) -> None:
    tree = CompactRange()
    with pytest.raises(ProofInvalid):
        tree.append(bytes(length))
    assert tree.size == 0


# --- proofs -----------------------------------------------------------------------------------------


def test_every_proof_of_every_size_up_to_130_verifies() -> None:
    all_leaves = leaves(130)
    roots = [mth(all_leaves[:size]) for size in range(131)]
    for size in range(1, 131):
        tree = all_leaves[:size]
        assert merkle.root(tree) == roots[size]
        for index in range(size):
            proof = merkle.prove_inclusion(tree, index)
            merkle.verify_inclusion(tree[index], index, size, proof, roots[size])
        for old in range(1, size + 1):
            proof = merkle.prove_consistency(tree, old)
            merkle.verify_consistency(old, size, proof, roots[old], roots[size])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_proofs_equal_the_recursive_definition(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    tree = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    assert merkle.prove_inclusion(tree, index) == path(index, tree)
    assert merkle.prove_consistency(tree, index + 1) == subproof(index + 1, tree)


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << bit % (len(data) * 8))).to_bytes(len(data), "big")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_in_an_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 130))
    index = data.draw(st.integers(0, size - 1))
    tree = leaves(size)
    parts = [tree[index], merkle.root(tree), *merkle.prove_inclusion(tree, index)]
    victim = data.draw(st.integers(0, len(parts) - 1))
    parts[victim] = flipped(parts[victim], data.draw(st.integers(0, 255)))
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_in_a_consistency_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 130))
    old = data.draw(st.integers(1, size))
    tree = leaves(size)
    parts = [merkle.root(tree[:old]), merkle.root(tree), *merkle.prove_consistency(tree, old)]
    victim = data.draw(st.integers(0, len(parts) - 1))
    parts[victim] = flipped(parts[victim], data.draw(st.integers(0, 255)))
    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(old, size, parts[2:], parts[0], parts[1])


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_leaf_proves_no_other_index(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 130))
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    tree = leaves(size)
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(
            tree[index], other, size, merkle.prove_inclusion(tree, index), merkle.root(tree)
        )


@pytest.mark.parametrize("index", [0, 3, 6])
def test_a_proof_has_exactly_one_length(index: int) -> None:
    tree = leaves(7)
    proof = merkle.prove_inclusion(tree, index)
    for wrong in (proof[:-1], proof[1:], [*proof, tree[0]], [tree[0], *proof], []):
        with pytest.raises(ProofInvalid, match="exactly"):
            merkle.verify_inclusion(tree[index], index, 7, wrong, merkle.root(tree))


@pytest.mark.parametrize("old", [1, 4, 6, 7])
def test_a_consistency_proof_has_exactly_one_length(old: int) -> None:
    tree = leaves(7)
    proof = merkle.prove_consistency(tree, old)
    for wrong in ([*proof, tree[0]], [tree[0], *proof], *([proof[:-1], proof[1:]] if proof else [])):
        with pytest.raises(ProofInvalid, match="exactly"):
            merkle.verify_consistency(old, 7, wrong, merkle.root(tree[:old]), merkle.root(tree))


def test_a_proof_hash_of_another_length_is_refused() -> None:
    tree = leaves(2)
    joined = sha256(b"\x01" + tree[0] + tree[1] + b"!").digest()
    with pytest.raises(ProofInvalid, match="33 bytes"):
        merkle.verify_inclusion(tree[0], 0, 2, [tree[1] + b"!"], joined)
    with pytest.raises(ProofInvalid, match="33 bytes"):
        merkle.verify_consistency(1, 2, [tree[1] + b"!"], tree[0], joined)


@pytest.mark.parametrize(("index", "size"), [(-1, 7), (7, 7), (0, 0), (8, 7)])
def test_there_is_no_proof_outside_the_tree(index: int, size: int) -> None:
    tree = leaves(size)
    with pytest.raises(ProofInvalid, match="no leaf"):
        merkle.prove_inclusion(tree, index)
    with pytest.raises(ProofInvalid, match="no leaf"):
        merkle.verify_inclusion(leaves(1)[0], index, size, [], merkle.root(tree))


@pytest.mark.parametrize(("old", "size"), [(0, 0), (0, 7), (8, 7), (-1, 7)])
def test_consistency_from_nothing_or_backwards_is_an_error(old: int, size: int) -> None:
    tree = leaves(size)
    with pytest.raises(ProofInvalid, match="no consistency proof"):
        merkle.prove_consistency(tree, old)
    with pytest.raises(ProofInvalid, match="no consistency proof"):
        merkle.verify_consistency(old, size, [], merkle.empty_root(), merkle.root(tree))


def test_one_size_with_two_roots_is_refused() -> None:
    with pytest.raises(ProofInvalid, match="two different roots"):
        merkle.verify_consistency(7, 7, [], merkle.root(leaves(7)), CT_LEAVES[0])
