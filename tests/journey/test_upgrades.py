"""A database of an earlier version: refused until it is upgraded, and whole afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alembic import command

from consent import register
from consent.grant import State
from gateway import founding, migrations
from gateway.settings import SettingsInvalid
from gateway.store import Store, open_store
from tests.journey.conftest import STORES
from tests.journey.rows import answered
from tests.world import World


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _upgrade(world: World, store: Store) -> None:
    """As ``scoregate upgrade`` does where an earlier version ran, which published no log."""
    log = world.settings.log
    for path in (log.checkpoint, log.policy, *log.key_folder.glob("*")):
        path.unlink(missing_ok=True)
    migrations.upgrade(store)
    founding.publish_what_is_there(store, world.settings)


def test_a_database_of_the_first_version_is_upgraded_with_all_that_it_holds(own_world: World) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    first = answered(acme, request)
    opened = open_store(own_world.settings.database.url)
    with opened.writer.begin() as connection:
        command.downgrade(migrations._config(connection), "0001")
        contracts = connection.exec_driver_sql("SELECT contract FROM partners").scalars().all()
        assert "return_addresses" not in "".join(contracts)  # that version knows none
    with pytest.raises(SettingsInvalid, match="older than 0013") as refusal:
        own_world.restart()
    assert "scoregate upgrade" in str(refusal.value)
    _upgrade(own_world, opened)
    opened.close()
    own_world.restart()
    acme = acme.at(own_world)
    assert answered(acme, request) == first
    assert answered(acme, acme.query(own_world.consent(acme))).HasField("scored")
    assert own_world.enroll("acme").fingerprint in own_world.fingerprints("acme")


def test_how_grants_stand_is_carried_over_both_ways(own_world: World) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, mode="CONSENT_MODE_PERIODIC")
    for _ in range(3):
        answered(acme, acme.query(consent))
    once = own_world.consent(acme)
    answered(acme, acme.query(once))
    paused = own_world.consent(acme, mode="CONSENT_MODE_PERIODIC")
    own_world.change(paused, "PAUSE")
    owned = [(acme.partner_id, each.consent_id) for each in (consent, once, paused)]
    opened = open_store(own_world.settings.database.url)
    with opened.reading() as connection:
        before = register.grants_owned(owned).ask(connection)
    with opened.writer.begin() as connection:
        command.downgrade(migrations._config(connection), "0002")
    own_world.gateway.stop(timedelta(seconds=1))
    _upgrade(own_world, opened)
    with opened.reading() as connection:
        assert register.grants_owned(owned).ask(connection) == before
    opened.close()
    assert before[consent.consent_id].uses == 3
    assert [before[each].state for _, each in owned] == [State.ACTIVE, State.CONSUMED, State.PAUSED]
    own_world.restart()
