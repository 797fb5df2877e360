"""The root over everything that is committed, published or not."""

from __future__ import annotations

from gateway.audit.log import read_head, read_leaves
from gateway.audit.tree.tables import read_tree, tiles_of
from gateway.store import Store
from scoregate.tlog.merkle import leaf_hash
from scoregate.tlog.tree_tiles import Frontier

PIECE = 4_096
"""Entries in memory at a time."""


def committed_head(store: Store) -> tuple[str, int, bytes]:
    """(origin, size, root hash) of what was committed when the call began.

    The published tree is extended in memory by the entries behind it: some seconds' worth, or all of the log
    where nothing has integrated yet.
    """
    with store.reading() as connection:
        tree, head = read_tree(connection), read_head(connection)
        frontier = Frontier.load(tree.size, tiles_of(connection), tree.root)
    while frontier.size < head.size:
        with store.reading() as connection:
            leaves = read_leaves(connection, frontier.size, min(frontier.size + PIECE, head.size))
        frontier = frontier.grow(map(leaf_hash, leaves)).frontier
    return head.origin, head.size, frontier.root()
