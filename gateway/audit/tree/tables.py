"""The tree in SQL: how far it reaches, its tiles, and the names that the log has had.

Hash tiles are C2SP tlog-tiles': 256 hashes of 32 bytes, the last of each level shorter. Entry bundles are not
kept: they are the entries themselves.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent.sql import Select, Write
from gateway.audit.log import log_head
from gateway.store import metadata
from scoregate.tlog.merkle import HASH_BYTES
from scoregate.tlog.note import VerifierKey
from scoregate.tlog.tree_tiles import ReadTile
from scoregate.values import value

log_tree = sa.Table(
    "log_tree",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),  # entries that it holds
    sa.Column("root", sa.LargeBinary(HASH_BYTES), nullable=False),
    # Signed notes. Empty before the first; the published one has cosignatures, and may be a little older.
    sa.Column("checkpoint", sa.LargeBinary, nullable=False),
    sa.Column("published", sa.LargeBinary, nullable=False),
)

log_tiles = sa.Table(
    "log_tiles",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)

log_origins = sa.Table(
    "log_origins",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("begins", sa.BigInteger, nullable=False),  # its first checkpoint is of so many entries, or more
    sa.Column("vkey", sa.String(400), nullable=False),  # C2SP signed-note
    sa.Column("ends", sa.BigInteger),  # its last checkpoint is of so many; empty: it is the log's name now
    sa.Column("final", sa.LargeBinary),  # its last checkpoint, once it is signed
)


@value
class Tree:
    """How far the published tree reaches."""

    size: int
    root: bytes
    checkpoint: bytes
    published: bytes


@value
class Origin:
    """One of the log's names, with the entries that it vouches for."""

    name: str
    begins: int
    vkey: str
    ends: int | None
    final: bytes | None


_tree = Select("SELECT size, root, checkpoint, published FROM log_tree WHERE id = 1")
_tile = Select("SELECT hashes FROM log_tiles WHERE level = :level AND number = :number")
_put_tiles = Write(log_tiles, replace=True)


def begin_tree(connection: Connection, key: VerifierKey, *, begins: int = 0) -> None:
    """Give the tree a name from so many entries on: that of the key which signs for it."""
    connection.execute(
        sa.insert(log_origins).values(origin=key.name, begins=begins, vkey=str(key), ends=None, final=None)
    )


def succeed(
    connection: Connection, before: str, key: VerifierKey, *, ends: int, final: bytes | None = None
) -> None:
    """Put the key's name in place of one that vouches for so many entries; ``final``: its last checkpoint."""
    whose = log_origins.c.origin == before
    connection.execute(sa.update(log_origins).where(whose).values(ends=ends, final=final))
    begin_tree(connection, key, begins=ends)
    connection.execute(sa.update(log_head).values(origin=key.name))


def read_tree(connection: Connection) -> Tree:
    """The tree as committed."""
    ((size, root, checkpoint, published),) = _tree.rows(connection)
    return Tree(size, bytes(root), bytes(checkpoint), bytes(published))


def read_tile(connection: Connection, level: int, number: int) -> bytes:
    """A tile's hashes as they stand; none where there is no such tile."""
    rows = _tile.rows(connection, level=level, number=number)
    return bytes(rows[0][0]) if rows else b""


def tiles_of(connection: Connection) -> ReadTile:
    """Reads tiles for ``scoregate.tlog.tree_tiles``."""
    return lambda level, number, _: read_tile(connection, level, number)


def put_tiles(connection: Connection, tiles: dict[tuple[int, int], bytes]) -> None:
    """Write tiles that are new, or fuller than they were."""
    _put_tiles.rows(connection, [(*place, hashes) for place, hashes in sorted(tiles.items())])


def swap(connection: Connection, before: Tree, after: Tree) -> bool:
    """Put ``after`` in place of ``before``; False, and nothing is done, where that is not there any more.

    What is shown stays as it is: another gateway may have shown a later one meanwhile.
    """
    done = connection.execute(
        sa.update(log_tree)
        .where(log_tree.c.size == before.size, log_tree.c.root == before.root)
        .values(size=after.size, root=after.root, checkpoint=after.checkpoint)
    )
    return done.rowcount == 1


def publish(connection: Connection, before: Tree, published: bytes) -> bool:
    """Show ``published``, the checkpoint of ``before`` with cosignatures.

    False where a later one is there, or another gateway has shown this one with the signatures that it has.
    """
    done = connection.execute(
        sa.update(log_tree)
        .where(log_tree.c.checkpoint == before.checkpoint, log_tree.c.published == before.published)
        .values(published=published)
    )
    return done.rowcount == 1


def read_origins(connection: Connection) -> list[Origin]:
    """Every name that the log has had, the newest last."""
    ends = log_origins.c.ends
    query = sa.select(log_origins).order_by(ends.is_(None), ends, log_origins.c.begins)
    rows = connection.execute(query).all()
    return [Origin(row.origin, row.begins, row.vkey, row.ends, row.final) for row in rows]
