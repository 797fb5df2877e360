"""Consents are listed page by page, none lost or repeated; and looked up by partner and id, nobody else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection

from consent import register
from consent.register.grants import _owned
from gateway import migrations
from gateway.store import open_store
from tests.agreed import ONE_TIME

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_consents_of_one_microsecond_are_each_on_one_page(database_url: str, size: int) -> None:
    store = open_store(database_url)
    migrations.upgrade(store)
    with store.writer.begin() as connection:
        given = {_allow(connection) for _ in range(7)}
    listed: list[str] = []
    with store.reading() as connection:
        while page := register.entries_of_subject(
            connection, "uci-00001", after=listed[-1] if listed else "", limit=size
        ):
            listed += [entry.grant.consent_id for entry in page]
    store.close()
    assert len(listed) == 7
    assert set(listed) == given


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    store = open_store(database_url)
    migrations.upgrade(store)
    with store.writer.begin() as connection:
        yield connection
    store.close()


def test_each_partner_finds_its_own_consents_and_no_other(connection: Connection) -> None:
    acmes, zetas = _allow(connection, "acme"), _allow(connection, "zeta")
    found = register.grants_owned([("acme", acmes), ("acme", zetas), ("zeta", "b" * 26)]).ask(connection)
    assert {consent_id: grant.partner_id for consent_id, grant in found.items()} == {acmes: "acme"}
    assert register.grants_owned([("zeta", acmes)]).ask(connection) == {}
    assert set(register.grants_owned([("zeta", zetas), ("acme", acmes)]).ask(connection)) == {acmes, zetas}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_finds_a_consent_by_an_index_of_both(connection: Connection) -> None:
    """By the id alone it would read another partner's row, and be measurably slower where there is one."""
    plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {_owned._sqlite}"), {"owned": "[]"}).all()
    steps = [row[-1] for row in plan if row[-1].startswith("SEARCH")]
    assert steps[0] == "SEARCH g USING INDEX ix_grants_owner (partner_id=? AND consent_id=?)"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_shows_a_consent_by_the_same_index(connection: Connection) -> None:
    asked: list[tuple[str, object]] = []
    event.listen(
        connection, "before_cursor_execute", lambda _, __, text, values, *___: asked.append((text, values))
    )
    register.entry(connection, _allow(connection), partner_id="acme")
    text, values = asked[-1]
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
    steps = [row[-1] for row in plan if row[-1].startswith("SEARCH")]
    assert steps[0] == "SEARCH grants USING INDEX ix_grants_owner (partner_id=? AND consent_id=?)"


def _allow(connection: Connection, partner_id: str = "acme") -> str:
    invitation, _ = register.invite(
        connection,
        partner_id=partner_id,
        request_id=str(uuid.uuid4()),
        request_sha256=bytes(32),
        terms=ONE_TIME,
        partner_reference="",
        now=NOW,
        decide_within=timedelta(days=1),
    )
    entry = register.allow(connection, invitation.handle, subject="uci-00001", subject_ref="s1-x", now=NOW)
    return entry.grant.consent_id
