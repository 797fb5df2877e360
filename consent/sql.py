"""SQL for the hot path: texts that SQLite and PostgreSQL share, run on the driver's own connection.

SQLAlchemy opens the connections, begins and commits; what runs once for a group of calls is
compiled here, once. A list of keys is one parameter (JSON in SQLite, an array in PostgreSQL), and
rows are written with one statement, so that a group of any size has the same text. What is asked, or
written, together is one round trip to PostgreSQL, and runs there in the order in which it is named.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar, overload

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from scoregate.values import value

Row = tuple[Any, ...]
Kind = type[str] | type[int] | type[bytes]
"""What a list holds, and the columns of rows that are written."""

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")

_LIST = re.compile(r"IN :(\w+)")
_PAIRS = re.compile(r"\(([\w.]+), ([\w.]+)\) IN PAIRS :(\w+)")
_NAME = re.compile(r":(\w+)")


# --- reading


class Select:
    """A SELECT with ``:name`` for a value, ``IN :name`` for a list of texts or of integers, and
    ``(a, b) IN PAIRS :name`` for a list of pairs of texts, the first without a space.

    A list of none finds nothing, and nobody is asked.

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
        named = _LIST.sub(r"= ANY(:\1)", _PAIRS.sub(pairs, text)) + suffix
        self._names = list(dict.fromkeys(_NAME.findall(named)))
        self._postgresql = _NAME.sub(lambda found: f"${self._names.index(found[1]) + 1}", named)

    def of(self, **values: Any) -> Wanted:
        """Its rows for these values, still to be asked for."""
        return Wanted(self, values)

    def rows(self, connection: Connection, **values: Any) -> list[Row]:
        """Every row; all of them are read, so no snapshot stays open."""
        (rows,) = _find(connection, [self.of(**values)])
        return rows

    def finds_nothing(self, values: Mapping[str, Any]) -> bool:
        """Whether a list of none is among the values."""
        return not all(values[name] for name in self._lists)

    def on_sqlite(self, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Text and parameters."""
        return self._sqlite, values | {name: json.dumps(values[name]) for name in self._lists}

    def on_postgresql(self, values: dict[str, Any]) -> Statement:
        """Text and parameters."""
        for name in self._pairs:
            both = values[name]
            values = values | {
                name: [f"{first} {second}" for first, second in both],
                f"{name}_second": [second for _, second in both],
            }
        parameters = (values[name] for name in self._names)
        return Statement(self._postgresql, [_as_array(each) for each in parameters])


@value
class Wanted:
    """What one SELECT finds for some values."""

    select: Select
    values: dict[str, Any]


class Question(Generic[T]):
    """What is to be read, and what is made of the rows of each SELECT."""

    def __init__(self, read: Callable[..., T], *wanted: Wanted) -> None:
        self.read = read
        self.wanted = wanted

    def ask(self, connection: Connection) -> T:
        """The answer, asked for alone."""
        return self.read(*_find(connection, self.wanted))


@overload
def ask(
    connection: Connection, a: Question[T1], b: Question[T2], c: Question[T3], /
) -> tuple[T1, T2, T3]: ...


@overload
def ask(
    connection: Connection,
    a: Question[T1],
    b: Question[T2],
    c: Question[T3],
    d: Question[T4],
    e: Question[T5],
    /,
) -> tuple[T1, T2, T3, T4, T5]: ...


def ask(connection: Connection, *questions: Question[Any]) -> tuple[Any, ...]:
    """The answer to each. They are asked in order, and each sees what was committed when its turn came."""
    rows = iter(_find(connection, [each for question in questions for each in question.wanted]))
    return tuple(question.read(*(next(rows) for _ in question.wanted)) for question in questions)


# --- writing


class Rows(ABC):
    """A statement that is given many rows at once."""

    def of(self, rows: Sequence[Row]) -> Writing:
        """These rows, still to be written."""
        return Writing(self, rows)

    def rows(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for all of them."""
        write(connection, self.of(rows))

    @property
    @abstractmethod
    def sqlite(self) -> str:
        """Takes one row."""

    @property
    @abstractmethod
    def postgresql(self) -> str:
        """Takes each column as an array."""

    @property
    @abstractmethod
    def kinds(self) -> Sequence[Kind]:
        """Of the columns."""


class Write(Rows):
    """Rows for a table, each with its values in the order of the columns.

    With ``replace`` a row whose key is taken gets the new values.
    """

    def __init__(self, table: sa.Table, *, replace: bool = False) -> None:
        self._table = table
        self._replace = replace

    @cached_property
    def sqlite(self) -> str:
        """Takes one row."""
        return self._text(f"VALUES ({', '.join('?' for _ in self._table.columns)})")

    @cached_property
    def postgresql(self) -> str:
        """Takes each column as an array."""
        return self._text(f"SELECT * FROM unnest({_places(self.kinds)})")  # noqa: S608

    @cached_property
    def kinds(self) -> Sequence[Kind]:
        """Of the columns."""
        return _kinds(self._table.columns)

    def _text(self, source: str) -> str:
        table = self._table
        names = [column.name for column in table.columns]
        text = f"INSERT INTO {table.name} ({', '.join(names)}) {source}"
        if not self._replace:
            return text
        key = [column.name for column in table.primary_key]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
        return f"{text} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


class Update(Rows):
    """New values of some columns for rows that are found by their key: each row is values and a key."""

    def __init__(self, key: sa.Column[Any], *columns: sa.Column[Any]) -> None:
        self._key = key
        self._columns = columns

    @cached_property
    def sqlite(self) -> str:
        """Takes one row."""
        changes = ", ".join(f"{column.name} = ?" for column in self._columns)
        return f"UPDATE {self._key.table} SET {changes} WHERE {self._key.name} = ?"  # noqa: S608

    @cached_property
    def postgresql(self) -> str:
        """Takes each column as an array."""
        table, key = self._key.table, self._key.name
        names = [column.name for column in (*self._columns, self._key)]
        changes = ", ".join(f"{column.name} = new.{column.name}" for column in self._columns)
        source = f"unnest({_places(self.kinds)}) AS new({', '.join(names)})"
        return f"UPDATE {table} SET {changes} FROM {source} WHERE {table}.{key} = new.{key}"  # noqa: S608

    @cached_property
    def kinds(self) -> Sequence[Kind]:
        """Of the columns."""
        return _kinds((*self._columns, self._key))


@value
class Writing:
    """Rows, and the statement that they are for."""

    statement: Rows
    rows: Sequence[Row]

    def on_postgresql(self) -> Statement:
        """Text and parameters."""
        columns = zip(self.statement.kinds, zip(*self.rows, strict=True), strict=True)
        return Statement(self.statement.postgresql, [Array(kind, items) for kind, items in columns])


def write(connection: Connection, *writings: Writing) -> None:
    """Write all rows, in order; returns once the database has taken every one."""
    some = [each for each in writings if each.rows]
    if connection.dialect.name == "postgresql":
        _exchange(connection, [each.on_postgresql() for each in some])
        return
    driver = _driver(connection)
    for each in some:
        text = each.statement.sqlite
        try:
            driver.executemany(text, each.rows)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemys(connection, text, error) from error


# --- running


@value
class Array:
    """A list as one parameter: of what kind its items are, those that are not None."""

    kind: Kind
    items: Sequence[Any]


@value
class Statement:
    """What PostgreSQL is to run, and what stands for $1, $2 and so on: texts, integers, bytes and arrays."""

    text: str
    values: Sequence[Any] = ()


def _as_array(parameter: Any) -> Any:
    return Array(type(parameter[0]), parameter) if isinstance(parameter, list) else parameter


def _kinds(columns: Any) -> Sequence[Kind]:
    return [column.type.python_type for column in columns]


def _places(kinds: Sequence[Kind]) -> str:
    return ", ".join(f"${number + 1}" for number in range(len(kinds)))


def _find(connection: Connection, wanted: Sequence[Wanted]) -> list[list[Row]]:
    """The rows of each."""
    some = [each for each in wanted if not each.select.finds_nothing(each.values)]
    if connection.dialect.name == "postgresql":
        found = _exchange(connection, [each.select.on_postgresql(each.values) for each in some])
    else:
        found = [_fetch(connection, *each.select.on_sqlite(each.values)) for each in some]
    if len(some) == len(wanted):
        return found
    left = iter(found)
    return [[] if each.select.finds_nothing(each.values) else next(left) for each in wanted]


def _fetch(connection: Connection, text: str, values: dict[str, Any]) -> list[Row]:
    try:
        rows: list[Row] = _driver(connection).execute(text, values).fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemys(connection, text, error) from error
    return rows


def _exchange(connection: Connection, statements: Sequence[Statement]) -> list[list[Row]]:
    """One round trip; ``consent.postgresql`` says what it is."""
    if not statements:
        return []
    rows, told = list[list[Row]](), _driver(connection).exchange(statements)
    for statement in statements:
        try:
            rows.append(next(told))
        except connection.dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemys(connection, statement.text, error) from error
    return rows


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _as_sqlalchemys(connection: Connection, text: str, error: Any) -> Exception:
    """The driver's error as SQLAlchemy would raise it. Its words may quote a row: for causes only."""
    dialect = connection.dialect
    if dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
        connection.invalidate(error)
    base = dialect.loaded_dbapi.Error
    made: Exception = exc.DBAPIError.instance(text, None, error, base, hide_parameters=True, dialect=dialect)
    return made
