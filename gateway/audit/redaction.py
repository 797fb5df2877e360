"""Erasure by key: what was sealed under a person's key is gone for good when that key is.

A redaction is atomic and small, however much was sealed: the wrapped key is overwritten, and entries of the
kind REDACTED say of which entries the private parts are gone. What nobody can open any more is deleted
afterwards, a few rows at a time (``sweep``); whoever finds an erasure that was broken off goes on with it.

The key's row stays, empty and under a name of its own, for rows that are still to go refer to it. Which
entries were redacted is a secret of the log's own: said openly, it would tell that they are about one person.
So each REDACTED entry commits to its list, and the list is sealed under the log's own key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.audit import persons
from gateway.audit.log import count_erasure, private_parts, read_head, read_leaves
from gateway.audit.private import LOG, Bound, Vault, data_keys
from gateway.store import metadata
from scoregate.audit.v1 import leaf_pb2
from scoregate.values import value

MOST_LISTED = 8_192
"""In one REDACTED entry: its private part stays below what a line of a bundle may have."""

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),  # of data_keys
    sa.Column("erased_at_us", sa.BigInteger, nullable=False),
    sa.Column("swept_at_us", sa.BigInteger),  # None: rows of it may still be there
)


@value
class Holding:
    """A person's key, and the entries below ``size`` that it sealed the private parts of, rising."""

    key_id: str
    size: int
    indexes: Sequence[int]


def sealed_by(connection: Connection, owner: str) -> Holding | None:
    """What this owner's key has sealed so far; None: there is no key.

    Looked through before the head's lock is taken; ``erase_key`` adds what came since.
    """
    key_id = _key_id(connection, owner)
    if key_id is None:
        return None
    size = read_head(connection).size
    upto = persons.indexed_upto(connection)  # first: what lies below it is in the index for good
    part, listed = private_parts.c, persons.person_entries.c
    # A row of the index may be of a part that retention took while the index was made.
    indexed = (
        sa.select(part.leaf_index)
        .join(persons.person_entries, listed.leaf_index == part.leaf_index)
        .where(listed.key_id == key_id, part.key_id == key_id, part.leaf_index < size)
    )
    tail = sa.select(part.leaf_index).where(
        part.leaf_index >= upto, part.leaf_index < size, part.key_id == key_id
    )
    found = {index for query in (indexed, tail) for index in connection.execute(query).scalars().all()}
    return Holding(key_id, size, sorted(found))


def erase_key(
    connection: Connection, owner: str, seen: Holding | None, *, erased_at_us: int
) -> list[int] | None:
    """Overwrite an owner's key, under the head's lock; returns the entries that it sealed, rising.

    None: there is no key. ``seen`` is what ``sealed_by`` found.
    """
    key_id = _key_id(connection, owner)
    if key_id is None:
        return None
    if seen is None or seen.key_id != key_id or _redacted_since(connection, seen.size):
        seen = sealed_by(connection, owner)  # begun anew since it was looked for, or not all of it is left
    known, since = (list(seen.indexes), seen.size) if seen else ([], 0)
    tail = sa.select(private_parts.c.leaf_index).where(
        private_parts.c.leaf_index >= since, private_parts.c.key_id == key_id
    )
    known += connection.execute(tail.order_by(private_parts.c.leaf_index)).scalars().all()
    connection.execute(
        sa.update(data_keys)
        .where(data_keys.c.key_id == key_id)
        .values(owner=f"erased:{key_id}", wrapped=b"", master_version=0)
    )
    connection.execute(sa.insert(erasures).values(key_id=key_id, erased_at_us=erased_at_us))
    count_erasure(connection)
    return known


def _redacted_since(connection: Connection, size: int) -> bool:
    leaves = read_leaves(connection, size, read_head(connection).size)
    return any(leaf_pb2.Leaf.FromString(leaf).kind == leaf_pb2.LEAF_KIND_REDACTED for leaf in leaves)


def lists(vault: Vault, connection: Connection, indexes: Sequence[int]) -> list[tuple[int, Bound]]:
    """For each REDACTED entry that it takes, one at least: how many it lists, and its private part."""
    key = vault.ensure(connection, LOG)
    pieces = [indexes[at : at + MOST_LISTED] for at in range(0, len(indexes), MOST_LISTED)] or [[]]
    return [
        (len(piece), key.bind(leaf_pb2.PrivatePart(redacted=_gaps(piece)).SerializeToString()))
        for piece in pieces
    ]


def _gaps(indexes: Iterable[int]) -> list[int]:
    gaps, last = [], 0
    for place, index in enumerate(indexes):
        gaps.append(index - last if place else index)
        last = index
    return gaps


def unswept(connection: Connection) -> list[str]:
    """The keys that were erased, and of which rows may still be there."""
    query = sa.select(erasures.c.key_id).where(erasures.c.swept_at_us.is_(None))
    return list(connection.execute(query.order_by(erasures.c.erased_at_us)).scalars().all())


def sweep(connection: Connection, key_id: str, *, limit: int) -> int:
    """Delete up to ``limit`` private parts that an erased key sealed; returns how many.

    The index of people's entries must have been brought up to where it was erased, or some are missed.
    """
    listed = persons.person_entries
    query = sa.select(listed.c.leaf_index).where(listed.c.key_id == key_id).limit(limit)
    indexes = list(connection.execute(query).scalars().all())
    if indexes:
        connection.execute(sa.delete(private_parts).where(private_parts.c.leaf_index.in_(indexes)))
        mine = listed.c.key_id == key_id, listed.c.leaf_index.in_(indexes)
        connection.execute(sa.delete(listed).where(*mine))
    return len(indexes)


def left(connection: Connection, key_id: str) -> int:
    """How many private parts of this key are still to be swept."""
    listed = persons.person_entries
    query = sa.select(sa.func.count()).select_from(listed).where(listed.c.key_id == key_id)
    count: int = connection.execute(query).scalar_one()
    return count


def set_swept(connection: Connection, key_id: str, *, swept_at_us: int) -> None:
    """Remember that nothing of it is left, in the database's files neither."""
    connection.execute(sa.update(erasures).where(erasures.c.key_id == key_id).values(swept_at_us=swept_at_us))


def _key_id(connection: Connection, owner: str) -> str | None:
    query = sa.select(data_keys.c.key_id).where(data_keys.c.owner == owner)
    key_id: str | None = connection.execute(query).scalar_one_or_none()
    return key_id
