"""SQL for the hot path: texts that SQLite and PostgreSQL share, run on the driver's own cursor.

SQLAlchemy opens the connections, begins and commits; what runs once for a group of calls is
compiled here, once. A list of keys is one parameter (JSON in SQLite, an array in PostgreSQL), and
rows are written with one statement, so that a group of any size has the same text.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

Row = tuple[Any, ...]

_LIST = re.compile(r"IN :(\w+)")
_PAIRS = re.compile(r"\(([\w.]+), ([\w.]+)\) IN PAIRS :(\w+)")
_NAME = re.compile(r":(\w+)")


class Select:
    """A SELECT with ``:name`` for a value, ``IN :name`` for a list of texts, and ``(a, b) IN PAIRS :name``
    for a list of pairs of texts, the first without a space.

    Raises:
        sqlalchemy.exc.DBAPIError: On running, whatever the driver raises, without the values.
    """

    def __init__(self, text: str, *, for_update: bool = False) -> None:
        self._pairs = frozenset(name for _, _, name in _PAIRS.findall(text))
        self._lists = frozenset(_LIST.findall(text)) | self._pairs
        # Names are the code's own, values are bound.
        pairs = r"(\1, \2) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:\3))"
        self._sqlite = _LIST.sub(r"IN (SELECT value FROM json_each(:\1))", _PAIRS.sub(pairs, text))
        suffix = " FOR UPDATE" if for_update else ""
        # Found by the second alone, which PostgreSQL looks up the same way whatever it has planned for.
        pairs = r"\2 = ANY(:\3_second) AND \1 || ' ' || \2 = ANY(:\3)"
        self._postgresql = _NAME.sub(r"%(\1)s", _LIST.sub(r"= ANY(:\1)", _PAIRS.sub(pairs, text))) + suffix

    def rows(self, connection: Connection, **values: Any) -> list[Row]:
        """Every row; all of them are read, so no snapshot stays open."""
        if connection.dialect.name == "postgresql":
            for name in self._pairs:
                values[f"{name}_second"] = [second for _, second in values[name]]
                values[name] = [f"{first} {second}" for first, second in values[name]]
            return _run(connection, self._postgresql, values)
        for name in self._lists:
            values[name] = json.dumps(values[name])
        return _run(connection, self._sqlite, values)


class _Rows(ABC):
    """A statement that is given many rows at once."""

    def rows(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for all of them."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            _run(connection, self._postgresql, [list(column) for column in zip(*rows, strict=True)])
        else:
            _run_many(connection, self._sqlite, rows)

    @property
    @abstractmethod
    def _sqlite(self) -> str:
        """Takes one row."""

    @property
    @abstractmethod
    def _postgresql(self) -> str:
        """Takes each column as an array."""


class Write(_Rows):
    """Rows for a table, each with its values in the order of the columns.

    With ``replace`` a row whose key is taken gets the new values.
    """

    def __init__(self, table: sa.Table, *, replace: bool = False) -> None:
        self._table = table
        self._replace = replace

    @cached_property
    def _sqlite(self) -> str:
        columns = self._table.columns
        return self._text(f"VALUES ({', '.join('?' for _ in columns)})")

    @cached_property
    def _postgresql(self) -> str:
        return self._text(f"SELECT * FROM unnest({_arrays(self._table.columns)})")  # noqa: S608

    def _text(self, source: str) -> str:
        table = self._table
        names = [column.name for column in table.columns]
        text = f"INSERT INTO {table.name} ({', '.join(names)}) {source}"
        if not self._replace:
            return text
        key = [column.name for column in table.primary_key]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
        return f"{text} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


class Update(_Rows):
    """New values of some columns for rows that are found by their key: each row is values and a key."""

    def __init__(self, key: sa.Column[Any], *columns: sa.Column[Any]) -> None:
        self._key = key
        self._columns = columns

    @cached_property
    def _sqlite(self) -> str:
        changes = ", ".join(f"{column.name} = ?" for column in self._columns)
        return f"UPDATE {self._key.table} SET {changes} WHERE {self._key.name} = ?"  # noqa: S608

    @cached_property
    def _postgresql(self) -> str:
        table, key = self._key.table, self._key.name
        names = [column.name for column in (*self._columns, self._key)]
        changes = ", ".join(f"{column.name} = new.{column.name}" for column in self._columns)
        source = f"unnest({_arrays((*self._columns, self._key))}) AS new({', '.join(names)})"
        return f"UPDATE {table} SET {changes} FROM {source} WHERE {table}.{key} = new.{key}"  # noqa: S608


def _arrays(columns: Any) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"%s::{column.type.compile(dialect)}[]" for column in columns)


def _run(connection: Connection, text: str, values: Any) -> list[Row]:
    with _as_sqlalchemys(connection, text):
        cursor = _driver(connection).execute(text, values)
        rows: list[Row] = cursor.fetchall() if cursor.description else []
    return rows


def _run_many(connection: Connection, text: str, rows: Sequence[Row]) -> None:
    with _as_sqlalchemys(connection, text):
        _driver(connection).executemany(text, rows)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


@contextmanager
def _as_sqlalchemys(connection: Connection, text: str) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy would. Their words may quote a row: for causes only."""
    dialect = connection.dialect
    base = dialect.loaded_dbapi.Error
    try:
        yield
    except base as error:
        if dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
            connection.invalidate(error)
        raise exc.DBAPIError.instance(
            text, None, error, base, hide_parameters=True, dialect=dialect
        ) from error
