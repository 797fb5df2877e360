"""Proofs over the published tree, for whoever may have them. Reads alone; nothing here signs.

Every proof ends in the published checkpoint, so that it can be verified with what comes along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy.engine import Connection

from gateway.audit.log import read_entries, read_leaves
from gateway.audit.tree.tables import Origin, read_origins, read_tile, read_tree, tiles_of
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoregate.tlog import together, tree_tiles
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import HASH_BYTES
from scoregate.tlog.note import Note
from scoregate.tlog.proof import TlogProof
from scoregate.tlog.tiles import BUNDLE_WIDTH, TILE_HEIGHT, TILE_WIDTH, encode_bundle
from scoregate.values import value


class EntryMissing(Exception):
    """There is no such entry, or it is not the asker's: nobody is told which."""

    reason = "NOT_FOUND"


class EntryNotPublished(Exception):
    """The entry is committed, and no published checkpoint covers it yet."""

    reason = "ENTRY_NOT_PUBLISHED"


class SizeUnknown(Exception):
    """No published tree began with so many entries."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size  # of the published tree


@value
class Published:
    """The published checkpoint, opened."""

    note: bytes
    checkpoint: Checkpoint


@value
class Proof:
    """Hashes that end in a published checkpoint."""

    published: Published
    hashes: list[bytes]


class Proofs:
    """Answers from the tree as it stands."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def published(self) -> Published:
        """The latest published checkpoint.

        Raises:
            EntryNotPublished: There is none yet.
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            return _published(connection)

    def inclusion(self, index: int, *, partner_id: str | None = None) -> Proof:
        """The proof that an entry is in the published tree; of a partner's own entries where one is named.

        It ends in a checkpoint of the name that the log had when the entry was made, as receipts say it.

        Raises:
            EntryMissing: No such entry, or somebody else's.
            EntryNotPublished: Not yet.
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            leaf = read_entries(connection, [index]).get(index)
            if leaf is None or partner_id not in (None, leaf_pb2.Leaf.FromString(leaf).partner_id):
                raise EntryMissing
            published = _published_for(connection, index)
            size = published.checkpoint.size
            if index >= size:
                raise EntryNotPublished
            return Proof(published, tree_tiles.inclusion(index, size, tiles_of(connection)))

    def together(self, indexes: Sequence[int], size: int) -> list[bytes]:
        """The one proof that all these entries are in the tree of ``size``, which is published or was.

        Raises:
            SizeUnknown: No published tree had so many entries.
            EntryNotPublished: Nothing is published yet.
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            published = _published(connection).checkpoint.size
            if not 0 < size <= published:
                raise SizeUnknown(published)
            return together.prove(indexes, size, tiles_of(connection))

    def tlog_proof(self, index: int) -> str:
        """The same for an entry, whosever it is, as one text that stands alone (C2SP tlog-proof).

        Raises:
            EntryMissing, EntryNotPublished, StoreUnavailable: As ``inclusion``.
        """
        proof = self.inclusion(index)
        return TlogProof(index, tuple(proof.hashes), proof.published.note).encode()

    def inclusions(self, indexes: Iterable[int], size: int) -> dict[int, list[bytes]]:
        """Proofs of several entries in one tree of ``size`` entries, by index; those behind it are left out.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            read = tiles_of(connection)
            once = lru_cache(maxsize=None)(lambda level, number: read(level, number, TILE_WIDTH))
            return {
                index: tree_tiles.inclusion(index, size, lambda level, number, _: once(level, number))
                for index in indexes
                if index < size
            }

    def consistency(self, old_size: int) -> Proof:
        """The proof that the tree of ``old_size`` entries is the beginning of the published one.

        Raises:
            SizeUnknown: It is not 1 to the published size.
            EntryNotPublished: Nothing is published yet.
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            published = _published(connection)
            size = published.checkpoint.size
            if not 0 < old_size <= size:
                raise SizeUnknown(size)
            return Proof(published, tree_tiles.consistency(old_size, size, tiles_of(connection)))

    def origins(self) -> list[Origin]:
        """Every name that the log has had, the newest last.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            return read_origins(connection)

    def checkpoint_of(self, origin: Origin) -> bytes:
        """The latest checkpoint that was published under a name: a former name's is its last.

        Raises:
            EntryNotPublished: There is none yet.
            StoreUnavailable: The database does not answer.
        """
        if origin.final is not None:
            return origin.final
        published = self.published()
        if published.checkpoint.origin != origin.name:
            raise EntryNotPublished
        return published.note

    def tile(self, origin: Origin, level: int, number: int, width: int) -> bytes | None:
        """A hash tile of the tree that was published under a name; None where it has none of this width.

        Raises:
            EntryNotPublished: Nothing is published yet.
            StoreUnavailable: The database does not answer.
        """
        with self._store.reading() as connection:
            size = _size_under(connection, origin)
            if number * TILE_WIDTH + width > size >> (TILE_HEIGHT * level):
                return None
            return read_tile(connection, level, number)[: width * HASH_BYTES]

    def bundle(self, origin: Origin, number: int, width: int) -> bytes | None:
        """An entry bundle of the tree that was published under a name; None where it has none of this width.

        Raises:
            EntryNotPublished: Nothing is published yet.
            StoreUnavailable: The database does not answer.
        """
        begin = number * BUNDLE_WIDTH
        with self._store.reading() as connection:
            if begin + width > _size_under(connection, origin):
                return None
            return encode_bundle(read_leaves(connection, begin, begin + width))


def _size_under(connection: Connection, origin: Origin) -> int:
    """How many entries are published under a name: a former name's stay what they were."""
    size = _published(connection).checkpoint.size
    return size if origin.ends is None else min(size, origin.ends)


def _published(connection: Connection) -> Published:
    return _opened(read_tree(connection).published)


def _published_for(connection: Connection, index: int) -> Published:
    """The checkpoint for an entry: the last one of a former name, if it was made under that."""
    former = (each for each in read_origins(connection) if each.ends is not None and index < each.ends)
    origin = next(former, None)
    return _published(connection) if origin is None else _opened(origin.final or b"")


def _opened(note: bytes) -> Published:
    if not note:
        raise EntryNotPublished
    return Published(note, Checkpoint.decode(Note.decode(note).text))
