"""Pages of a person's consents: nothing is lost or repeated, whenever the consents were given."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Connection

from consent import register
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


def _allow(connection: Connection) -> str:
    invitation, _ = register.invite(
        connection,
        partner_id="acme",
        request_id=str(uuid.uuid4()),
        request_sha256=bytes(32),
        terms=ONE_TIME,
        partner_reference="",
        now=NOW,
        decide_within=timedelta(days=1),
    )
    entry = register.allow(connection, invitation.handle, subject="uci-00001", subject_ref="s1-x", now=NOW)
    return entry.grant.consent_id
