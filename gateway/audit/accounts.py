"""Each partner's own entries, and what they come to: an index and running sums, made behind the log.

An answer doesn't write them, so that answers stay fast. They reach as far as they were brought, at most to
the end of the published tree: what is stated from them can be proved. Entries never change, so a chunk of
them is read and added up outside any lock, and written in one short transaction.

Sums are kept by the quarter of an hour in which an entry was made, and by the day that it debited, if any:
from these the days of any time zone follow, for all zones' clocks differ by quarters.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from consent.sql import Write
from gateway.audit.log import read_leaves
from gateway.store import Store, StoreUnavailable, metadata
from scoregate.audit.v1 import leaf_pb2
from scoregate.values import value

CHUNK = 500
"""Entries in one transaction: over SQLite, whoever waits for the lock meanwhile waits some milliseconds."""

PAUSE_SECONDS = 0.002
"""Between two over SQLite: who waits there looks for the lock each millisecond, and must find it free."""

QUARTER_MICROS = 900_000_000

_TWO_DAYS = 2 * 24 * 4
"""In quarters: what was debited in a month was made no further from it, in whatever time zone."""

partner_entries = sa.Table(
    "partner_entries",
    metadata,
    sa.Column("partner_id", sa.String(40), primary_key=True),
    sa.Column("partner_sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("leaf_index", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

partner_sums = sa.Table(
    "partner_sums",
    metadata,
    sa.Column("partner_id", sa.String(40), primary_key=True),
    sa.Column("quarter", sa.BigInteger, primary_key=True, autoincrement=False),  # of an hour, since 1970
    sa.Column("day", sa.String(10), primary_key=True),  # that was debited; empty: none was
    sa.Column("kind", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("method", sa.String(255), primary_key=True),
    sa.Column("purpose", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("decision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("first_sequence", sa.BigInteger, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("first_index", sa.BigInteger, nullable=False),
    sa.Column("last_index", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

partner_sums_upto = sa.Table(
    "partner_sums_upto",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),  # entries below this index are in both
)

_KEYS = 7
_insert_entries = Write(partner_entries)
_put_sums = Write(partner_sums, replace=True)
_Sums = dict[tuple[Any, ...], tuple[int, ...]]


@value
class Account:
    """Entries of one partner that are alike, and were made in one quarter of an hour."""

    quarter: int  # since 1970
    day: str  # that they debited; empty: none
    kind: int
    method: str
    purpose: int
    decision: int
    entries: int
    calls: int
    units: int
    first_sequence: int
    last_sequence: int
    first_index: int
    last_index: int


@value
class Accounts:
    """What a partner's entries below an index come to."""

    size: int  # that index
    rows: tuple[Account, ...]


# --- made behind the log


MOST = 20_000
"""Entries that are brought in at one time, under a second's work: no caller, and no stop, waits longer."""


def catch_up(store: Store, goal: int, *, chunk: int = CHUNK, most: int = MOST) -> None:
    """Bring both up to ``goal`` entries, which are committed, or so many nearer; never back.

    As many processes as like may do it at once.

    Raises:
        StoreUnavailable: The database can't be read or written; what was brought in stays.
    """
    with store.reading() as connection:
        size = reach(connection)
    goal = min(goal, size + most)
    try:
        while size < goal:
            with store.reading() as connection:
                leaves = read_leaves(connection, size, min(size + chunk, goal))
            size = _take_in(store, size, leaves)
            if store.is_file and size < goal:
                time.sleep(PAUSE_SECONDS)
    except exc.SQLAlchemyError as error:
        raise StoreUnavailable("the partners' accounts can't be written") from error


def _take_in(store: Store, begin: int, leaves: list[bytes]) -> int:
    """Take in some entries; returns up to where both reach now."""
    entries, sums = _added_up(begin, leaves)
    store.require_same_files()
    with store.writer.connect() as connection, store.timed(connection), connection.begin():
        # SQLite has the lock already, by BEGIN IMMEDIATE.
        upto = reach(connection, for_update=True)
        if upto != begin:  # somebody else has brought them in, or some of them
            return upto
        _insert_entries.rows(connection, entries)
        _put_sums.rows(connection, _joined(connection, sums))
        connection.execute(sa.update(partner_sums_upto).values(size=begin + len(leaves)))
        return begin + len(leaves)


def _added_up(begin: int, leaves: Iterable[bytes]) -> tuple[list[tuple[Any, ...]], _Sums]:
    entries: list[tuple[Any, ...]] = []
    sums: _Sums = {}
    for index, data in enumerate(leaves, begin):
        leaf = leaf_pb2.Leaf.FromString(data)
        if not leaf.partner_id:
            continue
        sequence, cost = leaf.partner_sequence, leaf.cost_units
        entries.append((leaf.partner_id, sequence, index))
        key = (
            leaf.partner_id,
            leaf.time_micros // QUARTER_MICROS,
            leaf.quota_periods[0] if cost and leaf.quota_periods else "",
            leaf.kind,
            leaf.method,
            leaf.purpose,
            leaf.decision,
        )
        calls = leaf.count if leaf.kind == leaf_pb2.LEAF_KIND_COUNTED_REFUSALS else 1
        one = (1, calls, cost, sequence, sequence, index, index)
        sums[key] = _sum(sums[key], one) if key in sums else one
    return entries, sums


def _sum(one: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    """The sums of both; ``more`` is of later entries."""
    counted = (a + b for a, b in zip(one[:3], more[:3], strict=True))
    return (*counted, one[3], more[4], one[5], more[6])


def _joined(connection: Connection, sums: _Sums) -> list[tuple[Any, ...]]:
    """The rows as they will stand, with what is there of them already."""
    column = partner_sums.c
    mine = sa.select(partner_sums).where(
        column.partner_id.in_({key[0] for key in sums}), column.quarter.in_({key[1] for key in sums})
    )
    there = {tuple(row[:_KEYS]): tuple(row[_KEYS:]) for row in connection.execute(mine).all()} if sums else {}
    return [(*key, *(_sum(there[key], new) if key in there else new)) for key, new in sums.items()]


def reach(connection: Connection, *, for_update: bool = False) -> int:
    """Entries below this index are in both."""
    query = sa.select(partner_sums_upto.c.size)
    size: int = connection.execute(query.with_for_update() if for_update else query).scalar_one()
    return size


# --- read


def accounts(connection: Connection, partner_id: str, *, month: str, begin: int, end: int) -> Accounts:
    """What belongs to a month: debited then, or made from quarter ``begin`` to ``end`` and debited nothing.

    One statement: it sees what reached so far, and what that comes to.
    """
    column, upto = partner_sums.c, partner_sums_upto.c
    near = column.quarter.between(begin - _TWO_DAYS, end + _TWO_DAYS)
    made = sa.and_(column.day == "", column.quarter >= begin, column.quarter < end)
    belongs = sa.or_(column.day.startswith(f"{month}-"), made)
    joined = partner_sums_upto.outerjoin(
        partner_sums, sa.and_(column.partner_id == partner_id, near, belongs)
    )
    rows = connection.execute(sa.select(upto.size, *list(column)[1:]).select_from(joined)).all()
    return Accounts(rows[0].size, tuple(Account(*row[1:]) for row in rows if row.quarter is not None))


def first_quarter(connection: Connection, partner_id: str) -> int | None:
    """When the partner's first entry was made; None where none is in the index."""
    mine = sa.select(sa.func.min(partner_sums.c.quarter)).where(partner_sums.c.partner_id == partner_id)
    quarter: int | None = connection.execute(mine).scalar_one()
    return quarter


def first_month(connection: Connection, partner_id: str) -> str | None:
    """The first month in which the partner was debited, as it was called then; None: it never was."""
    column = partner_sums.c
    debited = sa.and_(column.partner_id == partner_id, column.day != "")
    day: str | None = connection.execute(sa.select(sa.func.min(column.day)).where(debited)).scalar_one()
    return None if day is None else day[:7]


def last_sequence(connection: Connection, partner_id: str, before: int) -> int:
    """The number of the partner's last entry that was made before a quarter; 0: none was."""
    column = partner_sums.c
    mine = sa.select(sa.func.max(column.last_sequence)).where(
        column.partner_id == partner_id, column.quarter < before
    )
    return connection.execute(mine).scalar_one() or 0


def own_indexes(
    connection: Connection, partner_id: str, first: int, last: int, *, below: int, limit: int
) -> list[int]:
    """Where the partner's entries numbered ``first`` to ``last`` lie, below an index; at most ``limit``."""
    column = partner_entries.c
    query = sa.select(column.leaf_index).where(
        column.partner_id == partner_id,
        column.partner_sequence >= first,
        column.partner_sequence <= last,
        column.leaf_index < below,
    )
    return list(connection.execute(query.order_by(column.partner_sequence).limit(limit)).scalars().all())
