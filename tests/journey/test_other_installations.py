"""A gateway starts on its own keys and its whole database, or says which is another's."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.migrations import ALL
from gateway.settings import SettingsInvalid
from tests.journey.conftest import STORES
from tests.world import World

TABLES = sorted(table.name for each in ALL for table in each.sorted_tables)


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def problem(world: World) -> tuple[str, str]:
    """Field and text of the one mistake that keeps the gateway from starting."""
    with pytest.raises(SettingsInvalid) as refusal:
        world.restart()
    [found] = refusal.value.problems
    return found.field, f"{found.problem}: {found.remedy}"


def execute(world: World, *statements: str) -> None:
    engine = sa.create_engine(world.settings.database.url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def exchange(file: Path) -> bytes:
    """Put another valid secret into a file; returns the one before."""
    before = file.read_bytes()
    file.write_text(secrets.token_hex(32) + "\n")
    return before


def test_another_master_key_is_refused_and_the_right_one_starts(own_world: World) -> None:
    acme = own_world.partner()
    file = own_world.settings.secrets.master_key
    before = exchange(file)
    field, text = problem(own_world)
    assert field == "secrets.master_key"
    assert "restore" in text.lower()
    file.write_bytes(before)
    own_world.restart()
    assert acme.at(own_world).scores.GetScore(acme.query(own_world.consent(acme.at(own_world)))).event_id


def test_another_pairwise_key_is_refused_before_anybody_has_a_reference(own_world: World) -> None:
    file = own_world.settings.secrets.pairwise_key
    before = exchange(file)
    field, text = problem(own_world)
    assert field == "secrets.pairwise_key"
    assert "restore" in text.lower()
    file.write_bytes(before)
    own_world.restart()


def test_a_database_that_keeps_no_check_value_is_checked_by_its_references(own_world: World) -> None:
    consent = own_world.consent(own_world.partner())
    execute(own_world, "UPDATE log_head SET pairwise_check = NULL")  # as revision 0001 leaves it
    file = own_world.settings.secrets.pairwise_key
    before = exchange(file)
    field, text = problem(own_world)
    assert field == "secrets.pairwise_key"
    assert consent.subject_ref not in text
    file.write_bytes(before)
    own_world.restart()  # and keeps one from now on
    execute(own_world, "DELETE FROM consent_events")
    execute(own_world, "DELETE FROM standings")
    execute(own_world, "DELETE FROM grants")
    exchange(file)
    assert problem(own_world)[0] == "secrets.pairwise_key"


@pytest.mark.parametrize("table", TABLES)
def test_a_dropped_table_is_named(own_world: World, store: str, table: str) -> None:
    execute(own_world, f"ALTER TABLE {table} RENAME TO elsewhere")
    field, text = problem(own_world)
    execute(own_world, f"ALTER TABLE elsewhere RENAME TO {table}")
    assert field == "database.url"
    assert f"lacks {table}:" in text
    assert "backup" in text
    own_world.restart()


def test_a_dropped_column_is_named(own_world: World) -> None:
    execute(own_world, "ALTER TABLE partners RENAME COLUMN role TO elsewhere")
    field, text = problem(own_world)
    execute(own_world, "ALTER TABLE partners RENAME COLUMN elsewhere TO role")
    assert field == "database.url"
    assert "lacks partners.role:" in text
    own_world.restart()


@pytest.mark.parametrize("state", ["CURRENT", "NEXT"])
def test_a_key_whose_file_is_gone_is_missed_at_the_start(own_world: World, state: str) -> None:
    kid = own_world.keys()[state]
    [file] = [each for each in own_world.settings.attestation.key_folder.iterdir() if kid in each.name]
    away = file.rename(own_world.settings.home / "away")
    field, text = problem(own_world)
    assert field == "attestation.key_folder"
    assert kid in text
    away.rename(file)
    own_world.restart()


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM signing_keys",
        "UPDATE signing_keys SET state = 'RETIRED' WHERE state = 'CURRENT'",
        "UPDATE signing_keys SET state = 'RETIRED' WHERE state = 'NEXT'",
    ],
)
def test_a_ring_without_a_key_is_named(own_world: World, loss: str) -> None:
    execute(own_world, loss)
    field, text = problem(own_world)
    assert field == "database.url"
    assert "signing_keys" in text
