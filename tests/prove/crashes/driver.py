"""The two drivers, seen from inside: every statement of a gateway's connections goes through ``run``.

Installed in a process of its own before the gateway starts (``nursery``). The connections are subclasses
of the drivers' own, handed out through SQLAlchemy's ``do_connect`` event, so whoever writes SQL, through
SQLAlchemy or past it, is seen, and no line of the gateway is touched. What is done about a statement is a
``Trick``: strike the process dead at a point, or be a driver that breaks a promise.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from consent import postgresql
from consent.sql import Row, Statement

Work = Callable[[str], Any]
"""Does what the statement says; the statement is the argument."""

Trick = Callable[["Line", str, Work, str], Any]
"""What to do about (line, act, work, statement)."""

COMMIT, ROLLBACK, LOCK = "COMMIT", "ROLLBACK", "LOCK"
LOCKING = " FOR UPDATE"
CHANGES = ("INSERT", "UPDATE", "DELETE")

_tricks: list[Trick] = []
_pragmas: list[str] = []


def act_of(statement: str) -> str:
    """What a statement does, as both stores would say it: "LOCK", "COMMIT", "INSERT entries", …

    LOCK takes the ledger's one lock: BEGIN IMMEDIATE in SQLite, SELECT … FOR UPDATE in PostgreSQL.
    """
    words = " ".join(statement.split())
    if words.startswith("BEGIN") or LOCKING in words:
        return LOCK
    for verb, table in _TABLES:
        if verb == words[: len(verb)].upper() and (found := table.search(words)):
            return f"{verb} {found[1]}"
    return words.partition(" ")[0].upper()


_TABLES = [
    ("INSERT", re.compile(r"\bINTO \"?(\w+)", re.IGNORECASE)),
    ("UPDATE", re.compile(r"^UPDATE \"?(\w+)", re.IGNORECASE)),
    ("DELETE", re.compile(r"\bFROM \"?(\w+)", re.IGNORECASE)),
]


class Line:
    """What a connection has done in its transaction; beside the driver's own class."""

    done: set[str]
    owes_commit = False  # a hasty driver's
    is_void = False  # a credulous driver's: the transaction has failed without anybody's notice
    commit_now: Callable[[], None]  # as the driver itself does it
    abandon: Callable[[], None]

    def obey(self) -> None:
        """Do what all connections were told since the last statement."""

    def begin_anew(self) -> None:
        """After COMMIT and ROLLBACK."""
        self.done = set()


def run(line: Line, statement: str, work: Work) -> Any:
    """Do what a statement says, with every trick around it."""
    act = act_of(statement)
    line.obey()
    for trick in _tricks:
        work = partial(trick, line, act, work)
    result = work(statement)
    line.begin_anew() if act in {COMMIT, ROLLBACK} else line.done.add(act)
    return result


def play(trick: Trick) -> None:
    """From now on, around everything that is played already."""
    _tricks.append(trick)


# --- SQLite


class _FileCursor(sqlite3.Cursor):
    connection: WatchedFile

    def execute(self, statement: str, parameters: Any = ()) -> _FileCursor:
        run(self.connection, statement, lambda sql: super(_FileCursor, self).execute(sql, parameters))
        return self

    def executemany(self, statement: str, parameters: Any) -> _FileCursor:
        run(self.connection, statement, lambda sql: super(_FileCursor, self).executemany(sql, parameters))
        return self


class WatchedFile(sqlite3.Connection, Line):
    """A connection to SQLite."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.begin_anew()
        self.commit_now, self.abandon = super().commit, super().rollback
        self._obeyed = 0

    def cursor(self, factory: Any = _FileCursor) -> Any:
        return super().cursor(factory)

    def execute(
        self, statement: str, parameters: Any = (), /
    ) -> Any:  # which the driver would do past a cursor
        return self.cursor().execute(statement, parameters)

    def executemany(self, statement: str, parameters: Any, /) -> Any:
        return self.cursor().executemany(statement, parameters)

    def commit(self) -> None:
        run(self, COMMIT, lambda _: super(WatchedFile, self).commit())

    def rollback(self) -> None:
        run(self, ROLLBACK, lambda _: super(WatchedFile, self).rollback())

    def obey(self) -> None:
        """Do what all connections were told meanwhile."""
        while self._obeyed < len(_pragmas):
            self._obeyed += 1
            super().cursor(sqlite3.Cursor).execute(_pragmas[self._obeyed - 1])


def tell_files(pragma: str) -> None:
    """Tell every connection to SQLite something, those of today and those to come.

    Each does it before its next statement, in the thread that uses it: a connection that is told by another
    thread while it is closed takes the process with it.
    """
    _pragmas.append(f"PRAGMA {pragma}")


# --- PostgreSQL


class _ServerCursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else query
        line: Any = self.connection
        run(line, text, lambda sql: super(_ServerCursor, self).execute(sql, *args, **kwargs))
        return self

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        line: Any = self.connection
        run(line, query, lambda sql: super(_ServerCursor, self).executemany(sql, *args, **kwargs))


class WatchedServer(postgresql.Connection, Line):
    """A connection to PostgreSQL. Statements that travel together go one by one, or none could be last."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.begin_anew()
        self.commit_now, self.abandon = super().commit, super().rollback
        self.cursor_factory = _ServerCursor

    def exchange(self, statements: Sequence[Statement]) -> Iterator[list[Row]]:
        return (run(self, each.text, partial(self._alone, each.values)) for each in statements)

    def _alone(self, values: Sequence[Any], text: str) -> list[Row]:
        return next(super().exchange([Statement(text, values)]))

    def commit(self) -> None:
        run(self, COMMIT, lambda _: super(WatchedServer, self).commit())

    def rollback(self) -> None:
        run(self, ROLLBACK, lambda _: super(WatchedServer, self).rollback())


# --- installed


def install() -> None:
    """Every connection that SQLAlchemy opens in this process is one of these from now on."""
    event.listen(sa.Engine, "do_connect", _connect)


def _connect(dialect: Any, _: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    if dialect.name == "sqlite":
        options["factory"] = WatchedFile
        return None  # the dialect connects
    return WatchedServer.connect(*arguments, **options)
