"""SQL on the driver's own cursor: the same promises on both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from consent.sql import Question, Row, Select, Update, Wanted, Write, ask, write
from gateway.store import Store, open_store

shelf = sa.Table(
    "shelf",
    sa.MetaData(),
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("count", sa.BigInteger),
)
PUT, REPLACE = Write(shelf), Write(shelf, replace=True)
COUNT = Update(shelf.c.name, shelf.c.content, shelf.c.count)
FIND = Select("SELECT name, content, count FROM shelf WHERE name IN :names AND name <> :but ORDER BY name")
ODD = ["", "it's", '"', "\\", "a,b", "{}", "NULL", "\u00e9\u4e2d", "%s", ":name", "[]"]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    with opened.writer.begin() as connection:
        shelf.create(connection)
    yield opened
    opened.close()


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    with store.writer.begin() as connection:
        yield connection


def test_rows_come_back_as_they_were_written(connection: Connection) -> None:
    rows = [(name, name.encode() + bytes([0, 255]), n) for n, name in enumerate(sorted(ODD))]
    PUT.rows(connection, rows)
    assert sorted(FIND.rows(connection, names=ODD, but="none")) == sorted(rows)
    assert FIND.rows(connection, names=["it's", "absent"], but="none") == [r for r in rows if r[0] == "it's"]


def test_a_list_of_none_finds_and_writes_nothing(connection: Connection) -> None:
    PUT.rows(connection, [])
    COUNT.rows(connection, [])
    assert FIND.rows(connection, names=[], but="x") == []


PAIRED = Select("SELECT name FROM shelf WHERE (name, note) IN PAIRS :both AND name <> :but ORDER BY name")


def test_a_pair_is_found_only_where_both_are_right(connection: Connection) -> None:
    connection.execute(sa.text("ALTER TABLE shelf ADD COLUMN note VARCHAR(80)"))
    for name, note in (("a", "1 2"), ("b", "it's"), ("c", "1 2")):
        added = sa.text("INSERT INTO shelf (name, content, note) VALUES (:name, '', :note)")
        connection.execute(added, {"name": name, "note": note})
    both = [("a", "1 2"), ("b", "1 2"), ("c", "it's"), ("b", "it's"), ("a", "2")]
    assert PAIRED.rows(connection, both=both, but="") == [("a",), ("b",)]
    assert PAIRED.rows(connection, both=both, but="a") == [("b",)]
    assert PAIRED.rows(connection, both=[], but="") == []


def test_a_null_is_a_null(connection: Connection) -> None:
    PUT.rows(connection, [("a", b"", None)])
    assert FIND.rows(connection, names=["a"], but="") == [("a", b"", None)]


def test_a_taken_key_is_refused_or_replaced_as_was_asked(store: Store) -> None:
    with store.writer.begin() as connection:
        PUT.rows(connection, [("a", b"1", 1), ("b", b"2", 2)])
        REPLACE.rows(connection, [("b", b"3", 3), ("c", b"4", 4)])
    with pytest.raises(exc.IntegrityError), store.writer.begin() as connection:
        PUT.rows(connection, [("d", b"", 0), ("a", b"", 0)])
    with store.reading() as connection:
        found = FIND.rows(connection, names=list("abcd"), but="")
    assert found == [("a", b"1", 1), ("b", b"3", 3), ("c", b"4", 4)]


def names_of(*wanted: Wanted) -> Question[list[list[str]]]:
    def read(*found: list[Row]) -> list[list[str]]:
        return [[name for name, _, _ in rows] for rows in found]

    return Question(read, *wanted)


def test_each_question_gets_its_own_answer(connection: Connection) -> None:
    PUT.rows(connection, [(name, b"", 1) for name in "abcd"])
    first = names_of(FIND.of(names=["a"], but=""), FIND.of(names=["b", "c"], but="c"))
    nobody, last = names_of(FIND.of(names=[], but="")), names_of(FIND.of(names=["d", "c"], but=""))
    assert ask(connection, first, nobody, last) == ([["a"], ["b"]], [[]], [["c", "d"]])
    assert first.ask(connection) == [["a"], ["b"]]


def test_what_is_written_together_is_written_in_its_order(connection: Connection) -> None:
    write(
        connection,
        PUT.of([("a", b"1", 1), ("b", b"1", 1)]),
        COUNT.of([(b"2", 2, "a")]),
        PUT.of([]),
        REPLACE.of([("a", b"3", 3)]),
        COUNT.of([(b"4", None, "b")]),
    )
    assert FIND.rows(connection, names=["a", "b"], but="") == [("a", b"3", 3), ("b", b"4", None)]


def test_of_what_is_written_together_one_failure_leaves_nothing(store: Store) -> None:
    with store.writer.connect() as connection:
        with connection.begin():
            PUT.rows(connection, [("taken", b"", 0)])
        with pytest.raises(exc.IntegrityError, match="INSERT INTO shelf") as refused, connection.begin():
            write(
                connection,
                COUNT.of([(b"", 1, "taken")]),
                PUT.of([("taken", b"", 2)]),
                COUNT.of([(b"", 3, "taken")]),
            )
        assert "UPDATE" not in str(refused.value)  # the one that failed, and no other
        with connection.begin():  # over the same connection
            PUT.rows(connection, [("free", b"", 4)])
    with store.reading() as reading:
        assert FIND.rows(reading, names=["taken", "free"], but="") == [("free", b"", 4), ("taken", b"", 0)]


def test_an_update_touches_its_own_rows_alone(connection: Connection) -> None:
    PUT.rows(connection, [(name, b"old", 1) for name in "abc"])
    COUNT.rows(connection, [(b"new", 2, "a"), (b"newer", None, "c"), (b"nobody's", 9, "x")])
    assert FIND.rows(connection, names=list("abcx"), but="") == [
        ("a", b"new", 2),
        ("b", b"old", 1),
        ("c", b"newer", None),
    ]


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=80)))
def test_any_texts_at_all_are_found_again(names: list[str]) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        shelf.create(connection)
        PUT.rows(connection, [(name, b"", 0) for name in set(names)])
        assert {row[0] for row in FIND.rows(connection, names=names, but="\0")} == set(names)
    engine.dispose()


def test_a_drivers_error_is_sqlalchemys_and_tells_no_value(store: Store) -> None:
    secret = "uci-00001-is-a-person"
    with pytest.raises(exc.IntegrityError) as refused, store.writer.begin() as connection:
        PUT.rows(connection, [(secret, b"", 1), (secret, b"", 1)])
    assert secret not in str(refused.value).split("DETAIL")[0]
    assert "INSERT INTO shelf" in str(refused.value)


def test_a_cut_line_is_an_operational_error_and_the_connection_is_done_with(store: Store) -> None:
    with store.writer.connect() as connection:
        connection.begin()
        connection.connection.driver_connection.close()  # type: ignore[union-attr]
        with pytest.raises(exc.SQLAlchemyError):
            FIND.rows(connection, names=["a"], but="")
        connection.invalidate()
