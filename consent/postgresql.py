"""PostgreSQL for the hot path: several statements to a round trip, prepared, in the binary format.

psycopg opens connections, commits and rolls back. What runs for every group of calls goes past its cursors to
libpq (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html): a cursor costs more than most of
these statements do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Self

import psycopg
from psycopg import errors, generators
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from consent.sql import Array, Kind, Row, Statement
from scoregate.values import value

_BY_KEY = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
"""Rows are found by their keys, whatever the server believes of a table: a plan is kept until the rows are
counted anew, and one made while there were few would go on reading all of what has become a large table."""

_DONE = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}


@value
class _Sent:
    """What one result comes for: a statement is prepared, or it is run."""

    key: tuple[str, tuple[int, ...]]  # text, and its parameters' types
    prepares: bytes | None  # under this name


class Connection(psycopg.Connection[Row]):
    """psycopg's, which also takes statements by the sequence."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}  # of what the server has prepared
        self._named = 0
        self._loader = Transformer(self)

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect, as psycopg does, but let it prepare nothing by itself.

        After a rollback it would have the server forget all that is prepared on this connection.
        """
        kwargs |= {"prepare_threshold": None, "client_encoding": "utf8"}
        options = f"{_BY_KEY} {kwargs.pop('options', '')}"
        return super().connect(conninfo, options=options, **kwargs)

    def exchange(self, statements: Sequence[Statement]) -> Iterator[list[Row]]:
        """Each statement's rows. All are sent, and everything has come back, before the first are given.

        The server runs one after the other, each on what was committed when its turn came. Behind one that
        fails it runs none, and the transaction can only be rolled back. Outside autocommit the first begins
        a transaction, as with psycopg's cursors.

        Raises:
            psycopg.Error: This statement failed; or the line is lost, and the connection closed.
        """
        begins = not self.autocommit and self.pgconn.transaction_status == TransactionStatus.IDLE
        ready = [_Ready.of(each) for each in ([self._begin(), *statements] if begins else statements)]
        try:
            self.pgconn.enter_pipeline_mode()
            sent = self._send(ready)
            results = self.wait(_results(self.pgconn, len(sent)))
            self.pgconn.exit_pipeline_mode()
        except BaseException:
            self.close()  # whoever came next would be given what is still under way
            raise
        rows = self._read(sent, results)
        if begins:
            next(rows)
        yield from rows

    def _begin(self) -> Statement:
        level = self.isolation_level
        return Statement(f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}" if level else "BEGIN")

    def _send(self, ready: Sequence[_Ready]) -> list[_Sent]:
        pgconn, sent, new = self.pgconn, list[_Sent](), dict[tuple[str, tuple[int, ...]], bytes]()
        for each in ready:
            key = each.text, each.types
            name = self._names.get(key) or new.get(key)
            if name is None:
                self._named += 1
                name = new[key] = b"s%d" % self._named
                pgconn.send_prepare(name, each.text.encode(), each.types)
                sent.append(_Sent(key, name))
            pgconn.send_query_prepared(name, each.values, each.formats, Format.BINARY)
            sent.append(_Sent(key, None))
        pgconn.pipeline_sync()
        return sent

    def _read(self, sent: Sequence[_Sent], results: Sequence[PGresult]) -> Iterator[list[Row]]:
        for each, result in zip(sent, results, strict=True):
            if result.status not in _DONE:
                self._names.pop(each.key, None)  # a plan that fits its tables no more is made anew
                raise errors.error_from_result(result)
            if each.prepares:
                self._names[each.key] = each.prepares
            else:
                self._loader.set_pgresult(result)
                yield self._loader.load_rows(0, result.ntuples, tuple)


def _results(pgconn: PGconn, count: int) -> PQGen[list[PGresult]]:
    """As many as were sent for. Takes them in while it sends what the socket does not hold."""
    yield from generators.send(pgconn)
    results = list[PGresult]()
    for _ in range(count + 1):  # the last is of the sync
        results += yield from generators.fetch_many(pgconn)
    return results[:-1]


# --- parameters, as PostgreSQL takes them in binary

_TYPES = {str: 25, int: 20, bytes: 17}  # text, bigint, bytea: their numbers in pg_type
_ARRAYS = {str: 1009, int: 1016, bytes: 1001}

_HEAD = struct.Struct("!iiiii")  # dimensions, is any null, type of the items; how many, number of the first
_SIZE = struct.Struct("!i")
_NULL = _SIZE.pack(-1)
_INT = struct.Struct("!q")
_SIZED_INT = struct.Struct("!iq")


@value
class _Ready:
    """A statement with its parameters in bytes."""

    text: str
    types: tuple[int, ...]
    values: Sequence[bytes]
    formats: Sequence[Format]

    @classmethod
    def of(cls, statement: Statement) -> _Ready:
        values = statement.values
        return cls(
            statement.text,
            tuple(_ARRAYS[each.kind] if isinstance(each, Array) else _TYPES[type(each)] for each in values),
            [_array(each) if isinstance(each, Array) else _scalar(each) for each in values],
            [Format.BINARY] * len(values),
        )


def _scalar(value: str | int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else _INT.pack(value)


def _array(array: Array) -> bytes:
    head = _HEAD.pack(1, None in array.items, _TYPES[array.kind], len(array.items), 1)
    return head + b"".join(_sized(array.kind, array.items))


def _sized(kind: Kind, items: Sequence[Any]) -> list[bytes]:
    """Each item behind its size. A list at a time, for an answer brings some thirty items."""
    if kind is int:
        return [_NULL if item is None else _SIZED_INT.pack(8, item) for item in items]
    if kind is str:
        items = [None if item is None else item.encode() for item in items]
    return [_NULL if item is None else _SIZE.pack(len(item)) + item for item in items]
