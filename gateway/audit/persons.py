"""A person's entries in the log: where they lie, and what they say to whoever holds the person's key.

Where they lie is an index that is made behind the log. An answer doesn't write it, so that answers stay
fast: whoever shows people their entries brings it up to date, and looks through the entries that came
since by themselves. So nothing is missing at any time; a long tail only takes longer to look through.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from gateway.audit.log import entries, private_parts, read_head
from gateway.audit.private import DataKey, Sealed, Unreadable, Vault, owner_subject
from gateway.store import Store, StoreUnavailable, metadata
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import moment
from scoregate.proof.leaf import CommitmentInvalid, open_commitment
from scoregate.values import value

CHUNK = 200
"""Entries in one transaction: over SQLite, whoever waits for the lock meanwhile waits some milliseconds."""

PAUSE_SECONDS = 0.002
"""Between two over SQLite: who waits there looks for the lock each millisecond, and must find it free."""

_BEHIND_ALL = 2**63 - 1  # no column holds more

person_entries = sa.Table(
    "person_entries",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),  # of data_keys: one for each person
    sa.Column("leaf_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

person_entries_upto = sa.Table(
    "person_entries_upto",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),  # entries below this index are in it
)

# The partners' room stands above this one; of its table only the names are needed.
_partners = sa.table("partners", sa.column("partner_id"), sa.column("legal_name"))


@value
class PersonEntry:
    """One entry about one person, with what only the person's key opens."""

    leaf_index: int
    data: bytes  # the leaf as the log holds it, to be proved
    leaf: leaf_pb2.Leaf
    legal_name: str  # the partner's as it is today; empty where the entry concerns none
    part: leaf_pb2.PrivatePart | None  # None: it does not open, or is not what the leaf commits to
    blind: bytes  # opens the commitment, with the part as serialised; empty without a part

    @property
    def time(self) -> datetime:
        """When it was written, UTC."""
        return moment(self.leaf.time_micros)


@value
class PersonPage:
    """Some of a person's entries, the newest first."""

    entries: tuple[PersonEntry, ...]
    before: int | None  # of the next page; None: this was the last
    is_known: bool  # False: nothing was ever kept about this person, or all of it was erased


# --- where they lie


def catch_up(store: Store, *, chunk: int = CHUNK) -> int:
    """Bring the index up to what is the log's head now; returns how many entries it was behind.

    A transaction for each chunk, and the lock of one row: the log's own is not held meanwhile. As many
    processes as like may do it at once.

    Raises:
        StoreUnavailable: The database can't be written; what was brought in stays.
    """
    with store.reading() as connection:
        goal, size = read_head(connection).size, _upto(connection)
    behind = max(goal - size, 0)
    try:
        while size < goal:
            size = _take_in(store, goal, chunk)
            if store.is_file and size < goal:
                time.sleep(PAUSE_SECONDS)
    except exc.SQLAlchemyError as error:
        raise StoreUnavailable("the index of people's entries can't be written") from error
    return behind


def _take_in(store: Store, goal: int, chunk: int) -> int:
    """Take in one chunk; returns up to where the index reaches now."""
    store.require_same_files()
    with store.writer.connect() as connection, store.timed(connection), connection.begin():
        # Two that took in the same entries would fail: SQLite has the lock already, by BEGIN IMMEDIATE.
        begin = _upto(connection, for_update=True)
        end = min(begin + chunk, goal)
        if begin >= end:
            return begin
        index = private_parts.c.leaf_index
        new = sa.select(private_parts.c.key_id, index).where(index >= begin, index < end)
        ordered = new.order_by(private_parts.c.key_id, index)  # as they will lie
        connection.execute(sa.insert(person_entries).from_select(["key_id", "leaf_index"], ordered))
        connection.execute(sa.update(person_entries_upto).values(size=end))
        return end


def _upto(connection: Connection, *, for_update: bool = False) -> int:
    query = sa.select(person_entries_upto.c.size)
    size: int = connection.execute(query.with_for_update() if for_update else query).scalar_one()
    return size


def indexed_upto(connection: Connection) -> int:
    """Entries below this index are in the index."""
    return _upto(connection)


def entries_of(connection: Connection, key_id: str, *, before: int | None, limit: int) -> list[int]:
    """The indexes of a key's entries below ``before`` (None: of all), the newest first, at most ``limit``.

    Those that came since the index was made are among them.
    """
    if before is not None:
        before = min(max(before, 0), _BEHIND_ALL)  # who asks may have it from anywhere
    # What lies below this is in the index for good, and the rest in the log, even if it moves on meanwhile.
    upto = _upto(connection)
    end = upto if before is None else min(before, upto)
    found: list[int] = []
    if before is None or before > upto:
        part = private_parts.c
        tail = sa.select(part.leaf_index).where(part.leaf_index >= upto, part.key_id == key_id)
        found = _newest(connection, tail, part.leaf_index, before, limit)
    if len(found) < limit:
        indexed = person_entries.c
        rest = sa.select(indexed.leaf_index).where(indexed.key_id == key_id)
        found += _newest(connection, rest, indexed.leaf_index, end, limit - len(found))
    return found


def indexes_from(
    connection: Connection, key_id: str, *, begin: int, end: int, limit: int, window: int
) -> tuple[list[int], int]:
    """The indexes of a key's entries with begin ≤ index < end, rising, at most ``limit``; how far it looked.

    What came since the index was made is looked through too, so many entries of it (``window``) at a time.
    """
    upto = _upto(connection)
    found: list[int] = []
    if begin < upto:
        indexed = person_entries.c
        known = sa.select(indexed.leaf_index).where(
            indexed.key_id == key_id, indexed.leaf_index >= begin, indexed.leaf_index < min(end, upto)
        )
        query = known.order_by(indexed.leaf_index).limit(limit)
        found = [row.leaf_index for row in connection.execute(query).all()]
        if len(found) == limit:
            return found, found[-1] + 1
        begin = min(end, upto)
    last = min(begin + window, end)
    part = private_parts.c
    tail = sa.select(part.leaf_index).where(
        part.leaf_index >= begin, part.leaf_index < last, part.key_id == key_id
    )
    query = tail.order_by(part.leaf_index).limit(limit - len(found))
    newer = [row.leaf_index for row in connection.execute(query).all()]
    found += newer
    return found, (found[-1] + 1 if newer and len(found) == limit else last)


def _newest(
    connection: Connection,
    query: sa.Select[tuple[int]],
    index: sa.Column[int],
    before: int | None,
    limit: int,
) -> list[int]:
    if before is not None:
        query = query.where(index < before)
    return [row.leaf_index for row in connection.execute(query.order_by(index.desc()).limit(limit)).all()]


# --- what they say


def entries_about(
    connection: Connection, vault: Vault, subject: str, *, before: int | None = None, limit: int
) -> PersonPage:
    """A page of a person's entries with their private parts open, the newest first."""
    key = key_of(connection, vault, subject)
    if key is None:
        return PersonPage((), None, is_known=False)
    indexes = entries_of(connection, key.key_id, before=before, limit=limit + 1)
    shown = indexes[:limit]
    more = shown[-1] if len(indexes) > limit else None
    return PersonPage(_opened(connection, key, shown), more, is_known=True)


def entry_about(connection: Connection, vault: Vault, subject: str, leaf_index: int) -> PersonEntry | None:
    """One entry of a person's own; None for any other, be it somebody else's or none at all."""
    key = key_of(connection, vault, subject)
    own = key is not None and entries_of(connection, key.key_id, before=leaf_index + 1, limit=1)
    return _opened(connection, key, own)[0] if key and own == [leaf_index] else None


def key_of(connection: Connection, vault: Vault, subject: str) -> DataKey | None:
    """The key of a person; None where nothing was ever kept about them, or all of it was erased."""
    owner = owner_subject(subject)
    return vault.fresh(connection, [owner]).get(owner)


def _opened(connection: Connection, key: DataKey, indexes: Collection[int]) -> tuple[PersonEntry, ...]:
    query = (
        sa.select(entries.c.leaf_index, entries.c.leaf, private_parts.c.sealed)
        .join(private_parts, private_parts.c.leaf_index == entries.c.leaf_index)
        .where(entries.c.leaf_index.in_(indexes))
        .order_by(entries.c.leaf_index.desc())
    )
    rows = connection.execute(query).all()
    leaves = [leaf_pb2.Leaf.FromString(row.leaf) for row in rows]
    names = _legal_names(connection, {leaf.partner_id for leaf in leaves} - {""})
    return tuple(
        PersonEntry(
            row.leaf_index,
            row.leaf,
            leaf,
            names.get(leaf.partner_id, ""),
            *_unbound(key, Sealed(key.key_id, row.sealed), leaf.commitment),
        )
        for row, leaf in zip(rows, leaves, strict=True)
    )


def _unbound(key: DataKey, sealed: Sealed, commitment: bytes) -> tuple[leaf_pb2.PrivatePart | None, bytes]:
    # One record that was tampered with must not hide all others from the person.
    try:
        part, blind = key.unbind(sealed)
        open_commitment(commitment, part, blind)
    except (Unreadable, CommitmentInvalid):
        return None, b""
    return leaf_pb2.PrivatePart.FromString(part), blind


def _legal_names(connection: Connection, partner_ids: Collection[str]) -> dict[str, str]:
    if not partner_ids:
        return {}
    query = sa.select(_partners).where(_partners.c.partner_id.in_(partner_ids))
    return {row.partner_id: row.legal_name for row in connection.execute(query).all()}
