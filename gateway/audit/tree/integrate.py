"""Extends the published tree and signs checkpoints: the steps that ``gateway.audit.tree`` lists.

One integrator at a time gets anywhere, across processes and machines: what another one did in between makes
the compare-and-swap of size and root fail, and the step is taken anew from what that one left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import exc
from sqlalchemy.engine import Connection

from gateway.audit.log import read_head, read_leaves
from gateway.audit.tree import signing
from gateway.audit.tree.outside import Outside
from gateway.audit.tree.signing import LogKey
from gateway.audit.tree.steps import Reached, Step, nobody
from gateway.audit.tree.tables import (
    Origin,
    Tree,
    put_tiles,
    read_origins,
    read_tree,
    swap,
    tiles_of,
)
from gateway.store import Store, StoreUnavailable
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import ProofInvalid, leaf_hash
from scoregate.tlog.note import VerifierKey
from scoregate.tlog.tiles import TileInvalid
from scoregate.tlog.tree_tiles import Frontier, root

STEP = 8_192
"""Entries in one step: bounds what a step holds in memory, and how long its transaction has SQLite's lock."""


class TreeRefused(Exception):
    """Nothing may be signed: what is stored contradicts itself, or what was signed before.

    The text says what to do.
    """


@dataclass(frozen=True, slots=True)
class Integrated:
    """What one step did."""

    checkpoint: Checkpoint
    note: bytes  # signed
    is_behind: bool  # more entries are waiting


class Integrator:
    """Takes the steps, one call each. Not safe to share between threads.

    Raises:
        FileRefused: The log's key can't be used.
        TreeRefused: Nothing may be signed with this database; see ``outside``.
        StoreUnavailable: The database does not answer.
    """

    def __init__(
        self, store: Store, *, key_folder: Path, outside: Outside, reached: Reached = nobody
    ) -> None:
        self._store = store
        self._reached = reached
        self._key_folder = key_folder
        self._outside = outside
        self._keys: dict[str, LogKey] = {}
        with store.reading() as connection:
            for origin in read_origins(connection):
                self._key(origin)  # better missed now than when it is to sign
        self.require_sound()

    def require_sound(self) -> None:
        """Return only if the stored tree is whole, and nothing was signed that it does not hold.

        Raises:
            TreeRefused: It is not.
            OutsideUnusable: The last checkpoint can't be read.
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            tree, origins = read_tree(connection), read_origins(connection)
            frontier = _frontier(connection, tree)
            said = self._said(tree, origins)
            if said is None:
                return
            committed = read_head(connection).size
            if said.size > committed:
                raise _below(self._outside, said, f"the ledger has only {committed:,} entries")
            if said.size <= tree.size:
                _require_same(self._outside, said, root(said.size, tiles_of(connection)))
            else:  # by a crash before the tree was swapped, or the ledger was put back and has grown again
                _require_same(self._outside, said, _grown(connection, frontier, said.size))

    def step(self) -> Integrated | None:
        """Extend the tree by what was committed, and sign it; None: nothing to do, or another one does it.

        Raises:
            TreeRefused, OutsideUnusable: Nothing is signed until an operator has looked.
            StoreUnavailable: The database can't be read or written; the next step begins anew.
        """
        with self._outside.held() as is_ours:
            return self._step() if is_ours else None

    def _step(self) -> Integrated | None:
        with self._store.reading() as connection:
            # 1 read: the tree first, so that the log's head is never behind it
            tree, origins = read_tree(connection), read_origins(connection)
            origin = _signing_now(origins)
            goal = read_head(connection).size if origin.ends is None else origin.ends
            if tree.size == goal and _is_signed(tree, origin):
                return None
            frontier = _frontier(connection, tree)
            said = self._said(tree, origins)
            self._reached(Step.READ)  # A crash before the transaction costs the step, which is taken anew.
            # 2 extend
            size = min(goal, tree.size + STEP)
            leaves = _leaves(connection, tree.size, size)
        hashes = [leaf_hash(leaf) for leaf in leaves]
        growth = frontier.grow(hashes)
        new_root = growth.frontier.root()
        self._reached(Step.EXTENDED)
        # 3 compare
        if said is not None and tree.size < said.size <= size:
            _require_same(self._outside, said, frontier.grow(hashes[: said.size - tree.size]).frontier.root())
        self._reached(Step.COMPARED)
        # Below what was signed already there is nothing new to say: only the tiles move on.
        is_new = said is None or said.origin != origin.name or size >= said.size
        checkpoint = Checkpoint(origin.name, size, new_root)
        note = tree.checkpoint
        if is_new:
            note = self._key(origin).sign(checkpoint)  # 4 sign
            self._reached(Step.SIGNED)  # A crash costs the signature; Ed25519 makes the same one again.
            self._outside.write(note, reached=self._reached)  # 5 remember
            self._reached(Step.REMEMBERED)
        # From here the checkpoint may be known to somebody; whoever comes next finds it outside, and a crash
        # costs nothing but that it is compared. Shown once witnesses have seen it.
        after = Tree(size, new_root, note, tree.published)
        if not self._swap(tree, after, growth.tiles):  # 6 publish
            return None  # another integrator was faster
        self._reached(Step.INTEGRATED)  # A crash costs witnesses a second: the next start asks them.
        return Integrated(checkpoint, note, is_behind=size < goal or not is_new)

    def _swap(self, before: Tree, after: Tree, tiles: dict[tuple[int, int], bytes]) -> bool:
        self._store.require_same_files()
        try:
            with (
                self._store.writer.connect() as connection,
                self._store.timed(connection),
                connection.begin(),
            ):
                swapped = swap(connection, before, after)
                if swapped:
                    self._reached(Step.SWAPPED)  # Size, root and tiles commit together: none of them is lost.
                    put_tiles(connection, tiles)
                    self._reached(Step.WRITTEN)
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable("the tree can't be written") from error
        return swapped

    def _said(self, tree: Tree, origins: list[Origin]) -> Checkpoint | None:
        """What the last checkpoint outside says, as far as it binds: that of the name that signs now."""
        said = self._outside.read([VerifierKey.parse(origin.vkey) for origin in origins])
        if said is None and tree.size:
            raise TreeRefused(
                f"{self._outside.path} is missing, and with it what was signed last; restore it, or, if "
                "it is lost for good, let an operator open a new origin"
            )
        return said

    def _key(self, origin: Origin) -> LogKey:
        if origin.name not in self._keys:
            self._keys[origin.name] = signing.load(self._key_folder, VerifierKey.parse(origin.vkey))
        return self._keys[origin.name]


def _signing_now(origins: list[Origin]) -> Origin:
    """The name under which the next checkpoint is signed: the oldest that has not had its last one."""
    return next(origin for origin in origins if origin.ends is None or origin.final is None)


def _is_signed(tree: Tree, origin: Origin) -> bool:
    return tree.checkpoint.startswith(f"{origin.name}\n".encode())


def _frontier(connection: Connection, tree: Tree) -> Frontier:
    """The tree's edge, whose root is computed anew: a tree that was tampered with is extended by nobody."""
    try:
        return Frontier.load(tree.size, tiles_of(connection), tree.root)
    except (ProofInvalid, TileInvalid) as error:
        raise TreeRefused(
            f"the stored tree is broken ({error}); restore the ledger from its newest backup"
        ) from error


def _leaves(connection: Connection, begin: int, end: int) -> list[bytes]:
    leaves = read_leaves(connection, begin, end)
    if len(leaves) != end - begin:
        raise TreeRefused(
            f"entries are missing behind index {begin + len(leaves):,}; restore the ledger from its newest "
            "backup"
        )
    return leaves


def _grown(connection: Connection, frontier: Frontier, size: int) -> bytes:
    """The root that the tree has at a size that it has not reached, by the committed entries."""
    while frontier.size < size:
        leaves = _leaves(connection, frontier.size, min(size, frontier.size + STEP))
        frontier = frontier.grow(map(leaf_hash, leaves)).frontier
    return frontier.root()


def _require_same(outside: Outside, said: Checkpoint, found: bytes) -> None:
    if found != said.root:
        raise _below(outside, said, f"its first {said.size:,} entries are not those that were signed")


def _below(outside: Outside, said: Checkpoint, why: str) -> TreeRefused:
    return TreeRefused(
        f"{outside.path} says that {said.size:,} entries were signed, and {why}: this database was restored "
        "from an older backup, or is another one; restore the newest, or let an operator open a new origin"
    )
