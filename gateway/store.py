"""Opens the one database that holds consents, quotas, answers and the audit log.

SQLite on one machine, PostgreSQL on many; SQLAlchemy Core for both. A ``Store`` has
two engines over the same database: ``writer`` begins every transaction with the
write lock already in mind, ``reader`` runs single statements that each see the
newest commit. Durability settings are asserted when the store is opened: a store
that would acknowledge a commit before it is on disk is refused.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

if TYPE_CHECKING:
    import psycopg  # nine megabytes, which a gateway over SQLite need not have

metadata = sa.MetaData()
"""The gateway's tables; the consent room keeps its own."""

PATIENCE_SECONDS = 10
"""How long a lock or an answer may take, unless the settings say otherwise."""

GRACE_SECONDS = 2
"""A server that is there refuses a lock by itself; one that is silent for so much longer is not."""

READER_CONNECTIONS = 16

POLL_MS = 1
"""How long SQLite waits for the write lock before we look again."""

WRITER_CACHE_KIB = 8 * 1_024
"""Pages that the writing connection keeps: all that answers touch among a million consents but leaves."""

MOST_WAL_PAGES = 10_000
"""Forty megabytes: the writer itself checkpoints there, where ``checkpoint`` did not come round before."""

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_BUSY_SNAPSHOT})


class StoreUnavailable(Exception):
    """The database can't be read or written, or is not the one that was opened."""

    reason = "AUDIT_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Store:
    """One open database."""

    url: URL
    writer: Engine
    reader: Engine
    patience: int  # seconds
    inodes: Mapping[Path, int]  # of the SQLite file and its write-ahead log when they were opened
    anchor: PoolProxiedConnection | None  # keeps the write-ahead log where it is
    _lock: Lock = field(default_factory=Lock)  # guards the next; what is in there is not closed meanwhile
    _out: dict[object, tuple[float, Any]] = field(default_factory=dict)  # until when, driver's connection

    @property
    def is_file(self) -> bool:
        """Whether it is SQLite's."""
        return bool(self.inodes)

    def require_same_files(self) -> None:
        """Return only if the paths still name the files that were opened.

        Commits to an unlinked or replaced file, or write-ahead log, go on succeeding, and are
        lost when the process ends.

        Raises:
            StoreUnavailable: A file was removed or replaced.
        """
        for path, inode in self.inodes.items():
            try:
                found = path.stat().st_ino
            except OSError as error:
                raise StoreUnavailable(f"{path.name} is gone; put it back and restart") from error
            if found != inode:
                raise StoreUnavailable(f"{path.name} was replaced; restart the gateway")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every statement sees the newest commit.

        Read a result to its end (``.all()``) before making anything of its rows: what is left half read
        goes back to the pool with its snapshot, and shows the next caller a world gone by.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        self.require_same_files()
        try:
            with self.reader.connect() as connection, self.timed(connection):
                yield connection
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable("the database does not answer") from error

    @contextmanager
    def timed(self, connection: Connection) -> Iterator[None]:
        """While the block runs, ``cut_overdue`` may cut this connection to a PostgreSQL that is silent."""
        if self.is_file:
            yield
            return
        key = object()
        due = time.monotonic() + self.patience + GRACE_SECONDS
        with self._lock:
            self._out[key] = due, connection.connection.driver_connection
        try:
            yield
        finally:
            with self._lock:
                del self._out[key]

    def cut_overdue(self) -> int:
        """Cut connections that have waited for too long; returns how many. Called about once a second.

        No timeout of a server's helps against one that has stopped, and the driver has none.
        """
        now = time.monotonic()
        with self._lock:
            overdue = [driver for due, driver in self._out.values() if due <= now]
            for driver in overdue:
                closed = self.writer.dialect.loaded_dbapi.Error
                with suppress(OSError, closed), socket.socket(fileno=os.dup(driver.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
        return len(overdue)

    def checkpoint(self) -> None:
        """Bring what is in SQLite's write-ahead log into the database; nobody waits for it.

        A writer that did it between two commits would keep every call waiting meanwhile, and write pages
        that it changes again at once. Where the database does not answer, the ledger says so.
        """
        if self.is_file:
            with suppress(StoreUnavailable), self.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()

    def forget(self, tables: Iterable[str]) -> None:
        """Let the database's own files hold nothing of rows of these tables that were deleted or changed.

        SQLite: freed bytes are overwritten as they are freed (``secure_delete``), and the write-ahead log,
        which has them still, is emptied into the database and cut to nothing. PostgreSQL: VACUUM lets the
        rows' places be used again; its write-ahead log and what was archived of it are the operator's
        (docs/erasure.md).

        Raises:
            StoreUnavailable: The database does not answer, or a reader kept the write-ahead log in use.
        """
        if self.is_file:
            self._cut_log()
            return
        try:
            with self.reader.connect() as connection:  # it may take long, and nobody waits for it
                for table in tables:
                    connection.exec_driver_sql(f"VACUUM {table}")
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable("the database does not answer") from error

    def _cut_log(self) -> None:
        give_up = time.monotonic() + self.patience
        while True:
            with self.reading() as connection:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()[0][0]
            if not busy:
                return
            if time.monotonic() > give_up:
                raise StoreUnavailable("the write-ahead log can't be emptied: somebody reads in it")
            time.sleep(POLL_MS / 1_000)

    def close(self) -> None:
        """Close every connection."""
        if self.anchor is not None:
            self.anchor.close()
        self.writer.dispose()
        self.reader.dispose()


def open_store(url: str, *, patience: int = PATIENCE_SECONDS, readers: int = READER_CONNECTIONS) -> Store:
    """Open the database at ``url`` (``sqlite:///FILE`` or ``postgresql+psycopg://…``).

    Raises:
        StoreUnavailable: It does not answer, or would acknowledge commits that are not on disk.
    """
    parsed = make_url(url)
    file = _sqlite_file(parsed)
    pool = {"pool_size": readers, "max_overflow": readers, "pool_timeout": patience}
    # READ COMMITTED by name: each statement under the head lock must see what was committed before it.
    level = {} if file else {"isolation_level": "READ COMMITTED"}
    line: dict[str, Any] = {} if file else {"connect_timeout": patience}
    writer = sa.create_engine(parsed, connect_args=line, **level, **pool)
    reader = sa.create_engine(
        parsed, connect_args=line, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **pool
    )
    if file is not None:
        event.listen(writer, "connect", partial(_set_up_sqlite, POLL_MS))
        event.listen(writer, "connect", _set_up_writer)
        event.listen(reader, "connect", partial(_set_up_sqlite, patience * 1_000))
        event.listen(writer, "begin", partial(_begin_immediate, patience))
    else:
        event.listen(writer, "connect", partial(_set_up_postgresql, patience))
        for engine in (writer, reader):
            event.listen(engine, "do_connect", _connect_postgresql)
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
    anchor = _drop_anchor(reader) if file is not None else None
    files = [] if file is None else [file, _write_ahead_log(file)]
    inodes = {path: path.stat().st_ino for path in files}
    return Store(parsed, writer, reader, patience, inodes, anchor)


def _write_ahead_log(file: Path) -> Path:
    real = file.resolve()  # SQLite keeps it beside the file itself, not beside a link to it
    return real.with_name(f"{real.name}-wal")


def _drop_anchor(reader: Engine) -> PoolProxiedConnection:
    """A connection that stays: SQLite removes the write-ahead log when the last one closes."""
    anchor = reader.raw_connection()
    anchor.cursor().execute("SELECT count(*) FROM sqlite_master").fetchone()
    return anchor


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() == "postgresql":
        return None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise StoreUnavailable("database.url must be sqlite:///FILE or postgresql+psycopg://…")
    return Path(url.database)


def _set_up_sqlite(busy_ms: int, connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where the "begin" event says
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {busy_ms}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _set_up_writer(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint = {MOST_WAL_PAGES}")
    cursor.execute("PRAGMA secure_delete = ON")  # what was erased is overwritten, not only let go of
    cursor.close()


def _connect_postgresql(_: object, __: object, arguments: Any, options: Any) -> psycopg.Connection[Any]:
    from consent import postgresql  # and with it psycopg

    return postgresql.Connection.connect(*arguments, **options)


def _set_up_postgresql(patience: int, connection: psycopg.Connection[Any], _: ConnectionPoolEntry) -> None:
    # A head lock that is held elsewhere for good must not hold every call for good.
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = '{patience}s'")
    for name in ("fsync", "synchronous_commit", "full_page_writes"):  # anew: a server can be told otherwise
        row = connection.execute(f"SHOW {name}").fetchone()
        if row is None or row[0] in {"off", "local"}:
            connection.close()
            raise StoreUnavailable(f"PostgreSQL runs with {name}={row and row[0]}; turn it on")
    connection.autocommit = False


def _begin_immediate(patience: int, connection: Connection) -> None:
    # A deferred BEGIN would take the write lock at the first write: too late for
    # a decision that rests on what was read before it.
    give_up = time.monotonic() + patience
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except exc.OperationalError as error:
            # SQLite looks ever more rarely for a lock that it waits for, so whoever has waited longest gets
            # it last. A revocation must not stand behind another process's scores: look all the time.
            if getattr(error.orig, "sqlite_errorcode", None) not in BUSY or time.monotonic() > give_up:
                raise
        else:
            return


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
