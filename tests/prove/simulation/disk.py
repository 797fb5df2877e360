"""What stands between a simulated gateway and its database: the driver's own connection, which may fail.

Each gateway has a real SQLite database, through real connections. ``Line`` is such a connection; before every
statement and around every COMMIT it asks the play what happens there. Full and read-only disks are SQLite's
own doing (``max_page_count``, ``query_only``), a cut line is a closed connection; an I/O error is SQLite's
exception with its code. A gateway that is killed loses all its lines in the middle of whatever it does, as
the system closes the files of a killed process.
"""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.engine import make_url

from gateway.store import Store, open_store


class Killed(BaseException):
    """The gateway that ran here is dead; nothing that it still does reaches anybody."""


class Fault(StrEnum):
    """What can go wrong at a statement or at COMMIT."""

    NONE = "nothing"
    IO = "an I/O error"
    CUT = "the connection is cut"
    BEFORE = "COMMIT fails, and has done nothing"
    AFTER = "COMMIT fails, and has been done"
    LOST = "COMMIT succeeds, and is lost"  # planted: no store that is sound does it


class Mood(StrEnum):
    """How a disk is until it is well again."""

    WELL = "well"
    FULL = "full"
    READ_ONLY = "read-only"


class Fate(Protocol):
    """Whoever decides what happens to a gateway's lines."""

    is_dead: bool
    mood: Mood

    def at_statement(self, line: Line, text: str) -> Fault:
        """Called before each statement. Raises Killed."""

    def at_commit(self) -> Fault:
        """Called before COMMIT. Raises Killed."""

    def committed(self, *, lost: bool) -> None:
        """Called behind COMMIT. Raises Killed."""


class Over:
    """The fate of what is left of a play that has ended."""

    is_dead = True
    mood = Mood.WELL

    def at_statement(self, line: Line, text: str) -> Fault:
        """Never asked: it is dead."""
        raise Killed

    def at_commit(self) -> Fault:
        """Never asked: it is dead."""
        raise Killed

    def committed(self, *, lost: bool) -> None:
        """Never asked: it is dead."""
        raise Killed


OVER = Over()


def io_error() -> sqlite3.OperationalError:
    """As SQLite says it."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    error.sqlite_errorname = "SQLITE_IOERR"
    return error


class Reel(sqlite3.Cursor):
    """A cursor that may fail."""

    def execute(self, sql: str, parameters: Any = ()) -> Reel:  # the driver's
        self.connection.before(sql)  # type: ignore[attr-defined]
        done = super().execute(sql, parameters)
        self.connection.is_writing |= sql.startswith("BEGIN")  # type: ignore[attr-defined]
        return done

    def executemany(self, sql: str, parameters: Any) -> Reel:  # the driver's
        self.connection.before(sql)  # type: ignore[attr-defined]
        return super().executemany(sql, parameters)


class Line(sqlite3.Connection):
    """One connection of a gateway."""

    def __init__(self, fate: Fate, lines: list[Line], *args: Any, **kwargs: Any) -> None:
        if fate.is_dead:
            raise Killed
        super().__init__(*args, **kwargs)
        self.fate = fate
        self.is_writing = False  # it holds the lock
        lines.append(self)

    def cursor(self, factory: Any = None) -> Any:  # the driver's
        return super().cursor(factory or Reel)

    def before(self, text: str) -> None:
        """What happens before a statement."""
        if self.fate.is_dead:
            raise Killed
        if text.startswith("PRAGMA"):
            return
        fault = self.fate.at_statement(self, text)
        if fault is Fault.IO:
            raise io_error()
        if fault is Fault.CUT:
            self.close()
        elif text.startswith("BEGIN"):
            self._be(self.fate.mood)

    def _be(self, mood: Mood) -> None:
        plain = sqlite3.Cursor(self)
        plain.execute(f"PRAGMA query_only = {int(mood is Mood.READ_ONLY)}")
        most = 1 if mood is Mood.FULL else 1_000_000  # never fewer than there are
        plain.execute(f"PRAGMA max_page_count = {most}")

    def close(self) -> None:  # the driver's
        self.is_writing = False
        super().close()

    def commit(self) -> None:  # the driver's
        if self.fate.is_dead:
            raise Killed
        fault = self.fate.at_commit()
        if fault is Fault.BEFORE:
            raise io_error()
        if fault is Fault.LOST:
            super().rollback()
        else:
            super().commit()
        self.is_writing = False
        self.fate.committed(lost=fault is Fault.LOST)
        if fault is Fault.AFTER:
            raise io_error()

    def rollback(self) -> None:  # the driver's
        self.is_writing = False
        if not self.fate.is_dead:
            super().rollback()


class Stall:
    """A pair of SQLAlchemy's engines. A stall is used by one gateway after the other, since what an engine
    has compiled is half of a short play's work; connections are each gateway's own.
    """

    def __init__(self, url: str) -> None:
        made = open_store(url, patience=0)
        made.close()
        self.writer, self.reader = made.writer, made.reader
        self._gateway: tuple[Fate, Path, list[Line]] | None = None
        for engine in (self.writer, self.reader):
            event.listen(engine, "do_connect", self._connect)

    def open(self, file: Path, fate: Fate, lines: list[Line]) -> Store:
        """The store of another gateway."""
        self._gateway = fate, file, lines
        anchor = self.reader.raw_connection()
        anchor.cursor().execute("SELECT size FROM log_head").fetchall()
        files = (file, file.with_name(f"{file.name}-wal"))
        inodes = {each: each.stat().st_ino for each in files}
        return Store(make_url(f"sqlite:///{file}"), self.writer, self.reader, 0, inodes, anchor)

    def _connect(self, _: Any, __: Any, ___: Any, kwargs: dict[str, Any]) -> Line | None:
        if self._gateway is None:
            return None
        fate, file, lines = self._gateway
        return Line(fate, lines, file, **kwargs)


_empty: list[Stall] = []


def take_stall(url: str) -> Stall:
    """One that nobody uses."""
    return _empty.pop() if _empty else Stall(url)


def leave_stall(stall: Stall) -> None:
    """Let another gateway have it."""
    _empty.append(stall)


__all__ = ["OVER", "Fate", "Fault", "Killed", "Line", "Mood", "Stall", "leave_stall", "take_stall"]
