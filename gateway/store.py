"""Opens the one database that holds consents, quotas, answers and the audit log.

SQLite on one machine, PostgreSQL on many; SQLAlchemy Core for both. A ``Store`` has
two engines over the same database: ``writer`` begins every transaction with the
write lock already in mind, ``reader`` runs single statements that each see the
newest commit. Durability settings are asserted when the store is opened: a store
that would acknowledge a commit before it is on disk is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry

metadata = sa.MetaData()
"""The gateway's tables; the consent room keeps its own."""

BUSY_TIMEOUT_SECONDS = 10.0
READER_CONNECTIONS = 16


class StoreUnavailable(Exception):
    """The database can't be read or written, or is not the one that was opened."""

    reason = "AUDIT_UNAVAILABLE"


def upsert(table: sa.Table) -> sa.TextClause:
    """INSERT, or UPDATE where the primary key is taken: the form that SQLite and PostgreSQL share."""
    key = [column.name for column in table.primary_key]
    names = [column.name for column in table.columns]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    # Names are the code's own, values are bound.
    return sa.text(
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )


@dataclass(frozen=True, slots=True)
class Store:
    """One open database."""

    url: URL
    writer: Engine
    reader: Engine
    file: Path | None  # the SQLite file; None for PostgreSQL
    inode: int | None  # of `file` when it was opened

    def require_same_file(self) -> None:
        """Return only if the path still names the file that was opened.

        In WAL mode commits to an unlinked or replaced file go on succeeding, and
        are lost when the process ends.

        Raises:
            StoreUnavailable: The file was removed or replaced.
        """
        if self.file is None:
            return
        try:
            inode = self.file.stat().st_ino
        except OSError as error:
            raise StoreUnavailable("the database file is gone; put it back and restart") from error
        if inode != self.inode:
            raise StoreUnavailable("the database file was replaced; restart the gateway")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every statement sees the newest commit.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        self.require_same_file()
        try:
            with self.reader.connect() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable("the database does not answer") from error

    def close(self) -> None:
        """Close every connection."""
        self.writer.dispose()
        self.reader.dispose()


def open_store(url: str, *, readers: int = READER_CONNECTIONS) -> Store:
    """Open the database at ``url`` (``sqlite:///FILE`` or ``postgresql+psycopg://…``).

    Raises:
        StoreUnavailable: It does not answer, or would acknowledge commits that are not on disk.
    """
    parsed = make_url(url)
    file = _sqlite_file(parsed)
    pool = {"pool_size": readers, "max_overflow": readers, "pool_timeout": BUSY_TIMEOUT_SECONDS}
    # READ COMMITTED by name: each statement under the head lock must see what was committed before it.
    level = {} if file else {"isolation_level": "READ COMMITTED"}
    writer = sa.create_engine(parsed, **level, **pool)
    reader = sa.create_engine(parsed, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **pool)
    if file is not None:
        event.listen(writer, "connect", _set_up_sqlite)
        event.listen(reader, "connect", _set_up_sqlite)
        event.listen(writer, "begin", _begin_immediate)
    else:
        event.listen(writer, "connect", _set_up_postgresql)
    try:
        with writer.begin() as connection:
            if file is not None:
                _require_durable(connection)
    except StoreUnavailable:
        writer.dispose()
        raise
    except exc.SQLAlchemyError as error:
        writer.dispose()
        remedy = "restore it from its backup" if file else "start it"
        raise StoreUnavailable(
            f"the database can't be opened ({_cause(error)}); {remedy}, or correct the address"
        ) from error
    inode = file.stat().st_ino if file is not None else None
    return Store(url=parsed, writer=writer, reader=reader, file=file, inode=inode)


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() == "postgresql":
        return None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise StoreUnavailable("database.url must be sqlite:///FILE or postgresql+psycopg://…")
    return Path(url.database)


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where the "begin" event says
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _set_up_postgresql(connection: psycopg.Connection[Any], _: ConnectionPoolEntry) -> None:
    # A head lock that is held elsewhere for good must not hold every call for good.
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = '{int(BUSY_TIMEOUT_SECONDS)}s'")
    for name in ("fsync", "synchronous_commit", "full_page_writes"):  # anew: a server can be told otherwise
        row = connection.execute(f"SHOW {name}").fetchone()
        if row is None or row[0] in {"off", "local"}:
            connection.close()
            raise StoreUnavailable(f"PostgreSQL runs with {name}={row and row[0]}; turn it on")
    connection.autocommit = False


def _begin_immediate(connection: Connection) -> None:
    # A deferred BEGIN would take the write lock at the first write: too late for
    # a decision that rests on what was read before it.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _require_durable(connection: Connection) -> None:
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    if mode != "wal" or level != 2:
        raise StoreUnavailable(
            f"SQLite runs with journal_mode={mode}, synchronous={level}; "
            "put it where it can have WAL and FULL, on a disk of this machine"
        )


def _cause(error: exc.SQLAlchemyError) -> str:
    # The driver's text names files and hosts, never rows: safe for an operator's terminal.
    return str(getattr(error, "orig", None) or error).splitlines()[0]
