"""A database of an earlier version: refused until it is upgraded, and whole afterwards."""

from __future__ import annotations

import pytest
from alembic import command

from gateway import migrations
from gateway.settings import SettingsInvalid
from gateway.store import open_store
from tests.journey.conftest import STORES
from tests.journey.rows import answered
from tests.world import World


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_database_of_the_first_version_is_upgraded_with_all_that_it_holds(own_world: World) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    first = answered(acme, request)
    opened = open_store(own_world.settings.database.url)
    with opened.writer.begin() as connection:
        command.downgrade(migrations._config(connection), "0001")
    with pytest.raises(SettingsInvalid, match="older than 0003") as refusal:
        own_world.restart()
    assert "scoregate upgrade" in str(refusal.value)
    migrations.upgrade(opened)
    opened.close()
    own_world.restart()
    acme = acme.at(own_world)
    assert answered(acme, request) == first
    assert answered(acme, acme.query(own_world.consent(acme))).HasField("scored")
    assert own_world.enroll("acme").fingerprint in own_world.fingerprints("acme")
