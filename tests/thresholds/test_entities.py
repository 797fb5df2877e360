"""What a legal entity has registered is found as it was registered, by whoever asks for that entity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Connection

from gateway import migrations
from gateway.store import open_store
from gateway.thresholds import entities
from gateway.thresholds.policy import Registered

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(microseconds=1)
LATER = NOON.replace(year=2027)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    store = open_store(database_url)
    migrations.upgrade(store)
    with store.writer.begin() as connection:
        yield connection
    store.close()


def test_a_legal_entity_that_nobody_has_registered_for_has_none(connection: Connection) -> None:
    assert entities.registered(connection, "acme-group") == Registered()


def test_each_legal_entity_has_its_own_and_they_are_replaced_whole(connection: Connection) -> None:
    acme, bravo = Registered(frozenset({650, 600}), NOON), Registered(frozenset({400}), LATER)
    entities.register(connection, "acme-group", acme)
    entities.register(connection, "bravo", bravo)
    assert entities.registered(connection, "acme-group") == acme
    changed = Registered(frozenset({700}), LATER)
    entities.register(connection, "acme-group", changed)
    assert entities.registered(connection, "acme-group") == changed
    assert entities.registered(connection, "bravo") == bravo


def test_listing_none_where_none_ever_were_begins_no_year(connection: Connection) -> None:
    entities.register(connection, "acme-group", Registered().listing([], [], now=NOON))
    assert entities.registered(connection, "acme-group").changed_at is None
