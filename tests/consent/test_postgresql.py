"""Statements that travel together to PostgreSQL: what the server makes of them, and what may befall them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from psycopg.abc import PyFormat
from psycopg.adapt import Transformer
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from consent.postgresql import _array
from consent.sql import Array, Question, Row, Select, Update, Write, ask, write
from gateway.store import Store, open_store

shelf = sa.Table(
    "shelf",
    sa.MetaData(),
    sa.Column("name", sa.String(8), primary_key=True),
    sa.Column("count", sa.BigInteger),
)
PUT, COUNT = Write(shelf), Update(shelf.c.name, shelf.c.count)
LOCK = Select("SELECT count FROM shelf WHERE name = 'lock'", for_update=True)
FIND = Select("SELECT name, count FROM shelf WHERE name IN :names ORDER BY name")
PREPARED = "SELECT count(*) FROM pg_prepared_statements"
WAITING = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def store(new_postgres: Callable[[], str]) -> Iterator[Store]:
    opened = open_store(new_postgres())
    with opened.writer.begin() as connection:
        shelf.create(connection)
        PUT.rows(connection, [("lock", 0), ("a", 1)])
    yield opened
    opened.close()


def found(store: Store, *names: str) -> list[Row]:
    with store.reading() as connection:
        return FIND.rows(connection, names=list(names))


def rows(select: Select, **values: Any) -> Question[list[Row]]:
    return Question(list, select.of(**values))


def waiting(store: Store) -> int:
    """How many wait for a lock."""
    with store.reading() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) {WAITING}").scalar_one())


def test_what_stands_behind_a_lock_sees_what_its_holder_committed(store: Store) -> None:
    """The questions left together, while another held the lock; still each was asked in its turn."""
    before, behind = rows(FIND, names=["a"]), rows(FIND, names=["a"])

    def ask_all() -> Any:
        with store.writer.begin() as connection:
            return ask(connection, before, rows(LOCK), behind)

    with ThreadPoolExecutor(1) as pool:
        with store.writer.begin() as holder:
            LOCK.rows(holder)
            asked = pool.submit(ask_all)
            while not waiting(store):
                pass
            write(holder, COUNT.of([(2, "a"), (7, "lock")]))
        assert asked.result() == ([("a", 1)], [(7,)], [("a", 2)])


def test_a_line_cut_while_writes_travel_leaves_nothing_and_says_so(store: Store) -> None:
    def write_all() -> bool:
        with store.writer.connect() as connection:
            with pytest.raises(exc.OperationalError):
                write(connection, PUT.of([("b", 1)]), COUNT.of([(1, "lock")]), PUT.of([("c", 1)]))
            return connection.invalidated

    with ThreadPoolExecutor(1) as pool, store.writer.begin() as holder:
        LOCK.rows(holder)
        writing = pool.submit(write_all)
        while not waiting(store):  # "b" is written by now, the lock is not
            pass
        holder.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {WAITING}").all()
        assert writing.result()
    assert found(store, "b", "c", "lock") == [("lock", 0)]


def test_what_is_broken_off_in_the_middle_ends_the_connection(store: Store) -> None:
    """Nobody is given the answers that were meant for another."""

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    with store.writer.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.wait = break_off
        with pytest.raises(KeyboardInterrupt):
            FIND.rows(connection, names=["a"])
        del driver.wait
        with pytest.raises(exc.OperationalError):
            FIND.rows(connection, names=["a"])
    assert found(store, "a") == [("a", 1)]


def test_a_text_is_prepared_once_and_outlives_a_rollback(store: Store) -> None:
    def prepared(connection: Connection) -> int:
        return int(connection.exec_driver_sql(PREPARED).scalar_one())

    with store.writer.connect() as connection:
        for _ in range(3):
            with connection.begin() as transaction:
                write(connection, PUT.of([("b", 1)]), COUNT.of([(2, "b")]))
                assert rows(FIND, names=["b"]).ask(connection) == [("b", 2)]
                assert prepared(connection) == 4  # BEGIN, and these three
                transaction.rollback()


def test_what_no_longer_fits_its_tables_is_prepared_anew(store: Store) -> None:
    with store.reading() as connection:
        assert FIND.rows(connection, names=["a"]) == [("a", 1)]
        with store.writer.begin() as other:
            other.exec_driver_sql("ALTER TABLE shelf ALTER COLUMN count TYPE integer")
        with pytest.raises(exc.DBAPIError, match="cached plan"):
            FIND.rows(connection, names=["a"])
        assert FIND.rows(connection, names=["a"]) == [("a", 1)]


def test_a_text_too_long_for_its_column_is_refused(store: Store) -> None:
    with pytest.raises(exc.DataError), store.writer.begin() as connection:
        PUT.rows(connection, [("b", 1), ("nine byte", 1)])
    assert found(store, "b") == []


def test_a_young_table_is_not_read_from_end_to_end(store: Store) -> None:
    """Plans are made when there is hardly a row, and kept; left to itself PostgreSQL would read all rows."""
    with store.writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE twin (LIKE shelf INCLUDING ALL)")
    keys = ",".join(map(str, range(40)))
    asked = f"EXPLAIN SELECT * FROM shelf s JOIN twin t ON t.name = s.name WHERE s.name = ANY ('{{{keys}}}')"  # noqa: S608
    usual = sa.create_engine(store.url)
    reads_all = []
    for engine in (store.writer, store.reader, usual):
        with engine.connect() as connection:
            plan = " ".join(connection.exec_driver_sql(asked).scalars().all())
        reads_all.append("Seq Scan" in plan)
    usual.dispose()
    assert reads_all == [False, False, True]


# --- arrays, as another implementation has them

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
INTS = st.integers(2**31, 2**63 - 1) | st.integers(-(2**63), -(2**31) - 1)  # which psycopg, too, calls bigint


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | items, min_size=1).filter(lambda found: found != [None] * len(found))


@given(
    st.tuples(st.just(str), lists(TEXTS))
    | st.tuples(st.just(int), lists(INTS))
    | st.tuples(st.just(bytes), lists(st.binary()))
)
def test_an_array_is_what_psycopg_makes_of_the_list(case: tuple[Any, list[Any]]) -> None:
    kind, items = case
    theirs = Transformer().get_dumper(items, PyFormat.BINARY)
    assert _array(Array(kind, items)) == bytes(theirs.dump(items) or b"")
