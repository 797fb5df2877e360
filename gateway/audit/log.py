"""Appends leaves at consecutive indexes, and knows the log's head.

One row, the head, is the lock of the whole ledger: whoever holds it is the only
writer, so indexes have no gaps, time never goes back, and a partner's entries are
numbered without gaps, across replicas too. (A SEQUENCE would leave a hole wherever a
transaction rolls back.)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import NoResultFound

from consent.sql import Row, Select, Update, Write, Writing
from gateway.audit.private import Bound, data_keys
from gateway.store import metadata
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros, moment
from scoregate.proof.leaf import encode
from scoregate.values import value

LEAF_VERSION = 1
SALT_BYTES = 16

log_head = sa.Table(
    "log_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("signing_kid", sa.String(43), nullable=False),
    sa.Column("pairwise_check", sa.LargeBinary(32)),  # of the secret behind subject references
    # Each transaction reads these with its lock: what any process remembers of keys is held against them.
    sa.Column("erasures", sa.BigInteger, nullable=False, server_default="0"),  # how many keys were erased
    sa.Column("master_version", sa.Integer, nullable=False, server_default="1"),  # which one wraps
    sa.Column(
        "oldest_master", sa.Integer, nullable=False, server_default="1"
    ),  # that something is wrapped by
)

# INTEGER, and no other word, is SQLite's row id: entries then lie in their own order, with no second tree.
INDEX = sa.BigInteger().with_variant(sa.Integer, "sqlite")

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("leaf_index", INDEX, primary_key=True, autoincrement=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
)

private_parts = sa.Table(
    "private_parts",
    metadata,
    sa.Column("leaf_index", INDEX, primary_key=True, autoincrement=False),
    sa.Column("key_id", sa.String(32), sa.ForeignKey(data_keys.c.key_id), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)


@value
class Head:
    """The log's head under its lock."""

    size: int
    time: datetime  # of the last entry
    origin: str
    signing_kid: str
    pairwise_check: bytes | None  # None: begun before revision 0002, and not started since
    erasures: int = 0  # how many keys were erased so far
    master_version: int = 1  # which master key wraps
    oldest_master: int = 1  # the oldest by which something is wrapped


@value
class Appended:
    """An entry in its place. Durable only once the transaction has committed."""

    leaf_index: int
    leaf: bytes


_HEAD = (
    "SELECT size, time_us, origin, signing_kid, pairwise_check, erasures, master_version, oldest_master "
    "FROM log_head WHERE id = 1"
)
_read_head, _lock_head = Select(_HEAD), Select(_HEAD, for_update=True)


def _head(rows: list[Row]) -> Head:
    if not rows:
        raise NoResultFound("the log has no head")
    size, time_us, *rest = rows[0]
    return Head(size, moment(time_us), *rest)


def lock_head(connection: Connection) -> Head:
    """Take the ledger's one lock and return what it protects.

    SQLite has it already, by BEGIN IMMEDIATE; PostgreSQL takes it on the row here.
    """
    return _head(_lock_head.rows(connection))


def create_head(connection: Connection, *, origin: str, signing_kid: str, pairwise_check: bytes) -> None:
    """Begin an empty log."""
    connection.execute(
        sa.insert(log_head).values(
            id=1, size=0, time_us=1, origin=origin, signing_kid=signing_kid, pairwise_check=pairwise_check
        )
    )


def keep_pairwise_check(connection: Connection, check_value: bytes) -> bytes:
    """Keep a check value where there is none yet, under the head's lock; returns the one that is kept."""
    kept = lock_head(connection).pairwise_check
    if kept is None:
        connection.execute(sa.update(log_head).values(pairwise_check=check_value))
    return kept or check_value


_insert_entries = Write(entries)
_insert_parts = Write(private_parts)
_move_head = Update(log_head.c.id, log_head.c.size, log_head.c.time_us)


class Appender:
    """Collects one transaction's entries. ``next_sequence`` gives a partner's next number."""

    def __init__(self, head: Head, now: datetime, next_sequence: Callable[[str], int]) -> None:
        self.now = max(now, head.time)  # a clock that was set back does not turn the log back
        self._before = head.time
        self._now_us = micros(self.now)
        self._size = head.size
        self._next_sequence = next_sequence
        self._rows = list[Row]()
        self._parts = list[Row]()

    @property
    def latest(self) -> datetime:
        """The time of the log's last entry, what was appended included."""
        return self.now if self._rows else self._before

    def append(self, leaf: leaf_pb2.Leaf, private: Bound | None = None) -> Appended:
        """Place one leaf; fills version, time, partner sequence, salt and commitment."""
        leaf.version = LEAF_VERSION
        leaf.time_micros = self._now_us
        leaf.salt = secrets.token_bytes(SALT_BYTES)
        if leaf.partner_id:
            leaf.partner_sequence = self._next_sequence(leaf.partner_id)
        if private is not None:
            leaf.commitment = private.commitment
        placed = Appended(self._size, encode(leaf))
        if private is not None:
            self._parts.append((self._size, private.sealed.key_id, private.sealed.data))
        self._rows.append((placed.leaf_index, placed.leaf))
        self._size += 1
        return placed

    def appended(self) -> list[Writing]:
        """What was appended, and the new head, to be written."""
        if not self._rows:
            return []
        head = [(self._size, self._now_us, 1)]
        return [_insert_entries.of(self._rows), _insert_parts.of(self._parts), _move_head.of(head)]


def set_signing_kid(connection: Connection, kid: str) -> None:
    """Remember which key signs, where every release compares it."""
    connection.execute(sa.update(log_head).where(log_head.c.id == 1).values(signing_kid=kid))


def count_erasure(connection: Connection) -> None:
    """Let every process forget the keys that it remembers, under the head's lock."""
    connection.execute(sa.update(log_head).values(erasures=log_head.c.erasures + 1))


def set_master(connection: Connection, *, version: int, oldest: int) -> None:
    """Remember which master key wraps, and the oldest by which something is wrapped."""
    connection.execute(sa.update(log_head).values(master_version=version, oldest_master=oldest))


def read_head(connection: Connection) -> Head:
    """The head as committed, without the lock."""
    return _head(_read_head.rows(connection))


def holds(connection: Connection, placed: Appended) -> bool:
    """Whether an entry is in the log, at its index and to the byte."""
    return read_leaves(connection, placed.leaf_index, placed.leaf_index + 1) == [placed.leaf]


def first_since(connection: Connection, since: datetime) -> int:
    """The index of the first entry that is no older than ``since``; the log's size if all are.

    Times never go back along the log, so a few entries tell; of a time to come the newest one alone.
    """
    low, high, wanted = 0, read_head(connection).size, micros(since)
    middle = high - 1
    while low < high:
        (leaf,) = read_leaves(connection, middle, middle + 1)
        if leaf_pb2.Leaf.FromString(leaf).time_micros < wanted:
            low = middle + 1
        else:
            high = middle
        middle = (low + high) // 2
    return low


def read_leaves(connection: Connection, begin: int, end: int) -> list[bytes]:
    """The leaves with begin ≤ index < end, in order."""
    query = sa.select(entries.c.leaf).where(entries.c.leaf_index >= begin, entries.c.leaf_index < end)
    return list(connection.execute(query.order_by(entries.c.leaf_index)).scalars().all())


_read_entries = Select("SELECT leaf_index, leaf FROM entries WHERE leaf_index IN :indexes")


def read_entries(connection: Connection, indexes: Sequence[int]) -> dict[int, bytes]:
    """The leaves at these indexes, of those that are there."""
    return {index: bytes(leaf) for index, leaf in _read_entries.rows(connection, indexes=list(indexes))}
