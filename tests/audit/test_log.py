"""Writing the log: consecutive indexes, time that never goes back, one head, and its root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Connection
from sqlalchemy.exc import NoResultFound

from consent.sql import write
from gateway import migrations
from gateway.audit import log
from gateway.audit.log import Appended, Appender, Head
from gateway.audit.private import Bound, Sealed, Vault
from gateway.store import Store, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros, moment
from scoregate.proof import leaf as codec

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
ORIGIN, KID, CHECK = "scoregate.test/log/2026h2", "k" * 43, b"c" * 32
NEW = Head(0, moment(1), ORIGIN, KID, CHECK)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    migrations.upgrade(opened)
    with opened.writer.begin() as connection:
        log.create_head(connection, origin=ORIGIN, signing_kid=KID, pairwise_check=CHECK)
    yield opened
    opened.close()


def model_changed(partner_id: str = "") -> leaf_pb2.Leaf:
    return leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED, partner_id=partner_id)


class Numbers:
    """Each partner's next number, from 1."""

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()

    def __call__(self, partner_id: str) -> int:
        self.given[partner_id] += 1
        return self.given[partner_id]


def append(store: Store, count: int, *, now: datetime = NOON) -> list[Appended]:
    with store.writer.begin() as connection:
        appender = Appender(log.lock_head(connection), now, Numbers())
        placed = [appender.append(model_changed()) for _ in range(count)]
        write(connection, *appender.appended())
    return placed


def test_a_new_log_is_empty_and_names_itself(store: Store) -> None:
    with store.writer.begin() as connection:
        assert log.read_head(connection) == log.lock_head(connection) == NEW


def test_a_log_without_a_head_is_no_log(database_url: str) -> None:
    store = open_store(database_url)
    migrations.upgrade(store)
    with store.reading() as connection, pytest.raises(NoResultFound, match=r"^the log has no head$"):
        log.read_head(connection)
    store.close()


def test_an_entry_gets_all_that_a_leaf_needs(store: Store) -> None:
    with store.writer.begin() as connection:
        appender = Appender(log.lock_head(connection), NOON, Numbers())
        assert appender.now == NOON
        places = [appender.append(model_changed(partner)) for partner in ("acme", "", "acme", "rival")]
    leaves = [codec.decode(each.leaf) for each in places]
    assert [each.leaf_index for each in places] == [0, 1, 2, 3]
    assert [each.partner_sequence for each in leaves] == [1, 0, 2, 1]
    assert {(each.version, each.time_micros) for each in leaves} == {(1, micros(NOON))}
    assert {len(each.salt) for each in leaves} == {16}
    assert len({each.salt for each in leaves}) == 4
    assert {each.commitment for each in leaves} == {b""}


def test_a_flush_writes_every_entry_and_moves_the_head_on(store: Store) -> None:
    placed = [*append(store, 3), *append(store, 2, now=NOON + TICK)]
    with store.reading() as connection:
        assert log.read_head(connection) == Head(5, NOON + TICK, ORIGIN, KID, CHECK)
        assert log.read_leaves(connection, 0, 5) == [each.leaf for each in placed]
        assert log.read_leaves(connection, 1, 3) == [each.leaf for each in placed[1:3]]
        assert log.read_leaves(connection, 5, 9) == []
    assert [each.leaf_index for each in placed] == [0, 1, 2, 3, 4]


def test_with_nothing_appended_the_head_stays_where_it_is(store: Store) -> None:
    append(store, 1)
    append(store, 0, now=NOON + TICK)
    with store.reading() as connection:
        assert log.read_head(connection) == Head(1, NOON, ORIGIN, KID, CHECK)


def test_nothing_is_written_before_the_flush(store: Store) -> None:
    with store.writer.begin() as connection:
        Appender(log.lock_head(connection), NOON, Numbers()).append(model_changed())
        assert log.read_leaves(connection, 0, 9) == []
        assert log.read_head(connection) == NEW


def test_a_clock_that_was_set_back_does_not_turn_the_log_back(store: Store) -> None:
    append(store, 1)
    late = append(store, 1, now=NOON - timedelta(days=1))[0]
    assert codec.decode(late.leaf).time_micros == micros(NOON)


def test_a_private_part_lies_beside_its_entry_and_nowhere_in_it(store: Store) -> None:
    with store.writer.begin() as connection:
        key = Vault(bytes(32)).ensure(connection, "subject:a")
        bound = key.bind(b"about a person")
        appender = Appender(log.lock_head(connection), NOON, Numbers())
        placed = [appender.append(model_changed()), appender.append(model_changed(), bound)]
        write(connection, *appender.appended())
    with store.reading() as connection:
        rows = connection.execute(log.private_parts.select()).all()
    assert [tuple(row) for row in rows] == [(1, key.key_id, bound.sealed.data)]
    assert codec.decode(placed[1].leaf).commitment == bound.commitment
    assert codec.decode(placed[0].leaf).commitment == b""
    assert not any(b"about a person" in each.leaf for each in placed)


def test_an_entry_that_is_no_leaf_is_not_placed(store: Store) -> None:
    with store.reading() as connection:
        appender = Appender(log.read_head(connection), NOON, Numbers())
    with pytest.raises(codec.LeafInvalid, match="commitment"):
        appender.append(model_changed(), Bound(Sealed("k", b""), b"short"))
    assert appender.append(model_changed()).leaf_index == 0


def test_a_log_holds_what_was_appended_at_its_index_and_to_the_byte(store: Store) -> None:
    first, second = append(store, 2)
    with store.reading() as connection:
        assert log.holds(connection, first)
        assert log.holds(connection, second)
        assert not log.holds(connection, Appended(1, first.leaf))
        assert not log.holds(connection, Appended(2, second.leaf))
        assert not log.holds(connection, Appended(0, first.leaf + b"!"))


def test_todays_signing_key_is_the_heads(store: Store) -> None:
    with store.writer.begin() as connection:
        log.set_signing_kid(connection, "l" * 43)
        assert log.read_head(connection) == Head(0, moment(1), ORIGIN, "l" * 43, CHECK)


def _forget_check(connection: Connection) -> None:
    connection.execute(log.log_head.update().values(pairwise_check=None))


def test_the_first_pairwise_check_is_the_one_that_is_kept(store: Store) -> None:
    with store.writer.begin() as connection:
        assert log.keep_pairwise_check(connection, b"d" * 32) == CHECK
        assert log.read_head(connection) == NEW
        _forget_check(connection)
        assert log.read_head(connection).pairwise_check is None
        assert log.keep_pairwise_check(connection, b"d" * 32) == b"d" * 32
        assert log.read_head(connection).pairwise_check == b"d" * 32
