"""The root over everything that is committed, published or not."""

from __future__ import annotations

from gateway.audit.log import read_head, read_leaves
from gateway.audit.tree.tables import read_tile, read_tree
from gateway.store import Store
from scoregate.proof import tree_tiles
from scoregate.proof.merkle import leaf_hash


def committed_head(store: Store) -> tuple[str, int, bytes]:
    """(origin, size, root hash) of what was committed when the call began.

    The published tree is extended in memory by the entries behind it: some seconds' worth, or all of the log
    where nothing has integrated yet.
    """
    with store.reading() as connection:
        tree, head = read_tree(connection), read_head(connection)
        leaves = read_leaves(connection, tree.size, head.size)

        def read(level: int, number: int, _: int) -> bytes:
            return read_tile(connection, level, number)

        tiles = tree_tiles.grow(tree.size, read, [leaf_hash(leaf) for leaf in leaves])
        root = tree_tiles.root(head.size, tree_tiles.over(read, tiles))
    return head.origin, head.size, root
