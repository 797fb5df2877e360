"""Cells are kept as long as anybody may be asked about their month, and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.engine import Connection

from consent.sql import write
from gateway import migrations
from gateway.audit.private import Unreadable, Vault
from gateway.store import open_store
from gateway.thresholds import cells
from gateway.thresholds.cells import Cell
from scoring.service import Family, Scored

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VAULT = Vault(bytes(range(32)))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    store = open_store(database_url)
    migrations.upgrade(store)
    with store.writer.begin() as connection:
        yield connection
    store.close()


def keep(connection: Connection, subject: str, *bases: str) -> list[tuple[str, str]]:
    key = VAULT.ensure(connection, f"subject:{subject}")
    new = [Cell(subject, basis, key.seal(basis.encode())) for basis in bases]
    write(connection, cells.kept(new))
    return [cell.name for cell in new]


def test_what_is_kept_is_found_by_its_name_and_opens_under_the_persons_key_alone(
    connection: Connection,
) -> None:
    key, other = (VAULT.ensure(connection, f"subject:uci-{n}") for n in (1, 2))
    outcome = Scored("uci-1", date(2026, 11, 1), 600, ("A", "B"), (Family.HISTORY, Family.SOCIAL), "m@1")
    new = Cell("uci-1", "2026-11/5", cells.sealed(outcome, key), is_new=True)
    write(connection, cells.kept([new]))
    found = cells.known([new.name, ("2026-11/", "uci-1"), ("2026-11/5", "uci-2")]).ask(connection)
    assert found == {new.name: Cell("uci-1", "2026-11/5", new.sealed)}
    assert cells.opened(found[new.name], key) == outcome
    with pytest.raises(Unreadable):
        cells.opened(found[new.name], other)


def test_a_correction_forgets_one_person(connection: Connection) -> None:
    keep(connection, "uci-1", "2026-10/", "2026-11/", "2026-11/5")
    others = keep(connection, "uci-2", "2026-11/")
    assert cells.forget(connection, "uci-1") == 3
    assert cells.forget(connection, "uci-1") == 0
    assert set(cells.known(others).ask(connection)) == set(others)


def test_old_months_go_and_a_persons_newest_stays_however_old(connection: Connection) -> None:
    kept = [
        *keep(connection, "uci-1", "2026-11/", "2025-11/"),
        *keep(connection, "uci-2", "2019-03/", "2019-03/5"),  # of an engine that has no later epoch
        *keep(connection, "uci-3", "2020-01/"),
    ]
    gone = [*keep(connection, "uci-1", "2025-09/", "2024-01/5"), *keep(connection, "uci-3", "2019-12/")]
    assert cells.sweep(connection, now=NOW, limit=2) == 2
    assert cells.sweep(connection, now=NOW, limit=2) == 1
    assert cells.sweep(connection, now=NOW, limit=2) == 0
    assert set(cells.known(kept + gone).ask(connection)) == set(kept)
    assert cells.sweep(connection, now=NOW + timedelta(days=4_000), limit=9) == 1
