"""Cells are kept as long as anybody may be asked about their month, and no longer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Connection

from consent.sql import write
from gateway import migrations
from gateway.audit.private import DataKey, Sealed, Unreadable, Vault
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
    return [(cell.basis, subject) for cell in new]


def found(connection: Connection, names: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (basis, subject) that are kept."""
    wanted = set(names)
    months = cells.known({cells.month_of(*name) for name in wanted}).ask(connection)
    return {(basis, subject) for (_, subject), kept in months.items() for basis in kept} & wanted


def test_what_is_kept_is_found_by_its_name_and_opens_under_the_persons_key_alone(
    connection: Connection,
) -> None:
    key, other = (VAULT.ensure(connection, f"subject:uci-{n}") for n in (1, 2))
    outcome = Scored("uci-1", date(2026, 11, 1), 600, ("A", "B"), (Family.HISTORY, Family.SOCIAL), "m@1")
    new = Cell("uci-1", "2026-11/5", cells.sealed(outcome, key), is_new=True)
    write(connection, cells.kept([new]))
    found = cells.known([new.month, ("2026-12", "uci-1"), ("2026-11", "uci-2")]).ask(connection)
    kept = Cell("uci-1", "2026-11/5", new.sealed)
    assert found == {
        ("2026-11", "uci-1"): {"2026-11/5": kept},
        ("2026-12", "uci-1"): {},
        ("2026-11", "uci-2"): {},
    }
    assert cells.opened(kept, key) == outcome
    with pytest.raises(Unreadable):
        cells.opened(kept, other)


def test_a_persons_month_is_found_whole_and_no_other(connection: Connection) -> None:
    keep(connection, "uci-1", "2026-10/", "2026-11/", "2026-11/5", "2026-12/1,2,3,4")
    keep(connection, "uci-2", "2026-11/", "2026-12/5")
    found = cells.known([("2026-11", "uci-1"), ("2026-12", "uci-2")]).ask(connection)
    assert {month: set(bases) for month, bases in found.items()} == {
        ("2026-11", "uci-1"): {"2026-11/", "2026-11/5"},
        ("2026-12", "uci-2"): {"2026-12/5"},
    }


def test_what_rests_on_just_the_same_families_is_found_whatever_was_left_out() -> None:
    key = DataKey("k", AESGCM(bytes(32)))

    def cell(basis: str, *families: Family) -> Cell:
        outcome = Scored("uci-1", date(2026, 11, 1), 600, (), families, "m@1")
        return Cell("uci-1", basis, cells.sealed(outcome, key))

    both, one = (Family.HISTORY, Family.CAPACITY), (Family.HISTORY,)
    month = {each.basis: each for each in (cell("2026-11/5", *both), cell("2026-11/3", *one))}
    assert cells.resting_on(month, both[::-1], key) is month["2026-11/5"]
    assert cells.resting_on(month, one, key) is month["2026-11/3"]
    for families in (Family.CAPACITY,), (*both, Family.SOCIAL), ():
        assert cells.resting_on(month, families, key) is None
    month["2026-11/2"] = cell("2026-11/2", *both)  # as an earlier version let it open
    assert cells.resting_on(month, both, key) is month["2026-11/2"]


def seal(name: str) -> Sealed:
    return Sealed("k", name.encode())


HISTORY, BOTH = frozenset({Family.HISTORY}), frozenset({Family.HISTORY, Family.CAPACITY})
OPENING = Cell("uci-1", "2026-11/5", seal("mine"), is_new=True, families=HISTORY)
SEEN = replace(OPENING, beside=frozenset({b"first"}))
REPEATS = replace(SEEN, sealed=seal("first"), repeats="2026-11/")
KEPT = Cell("uci-1", "2026-11/", seal("first"))
NEW = replace(KEPT, is_new=True)


@pytest.mark.parametrize(
    ("opening", "stands", "opens"),
    [
        (OPENING, (), True),
        (SEEN, (KEPT,), True),  # looked through: it rests on other families
        (OPENING, (KEPT,), False),  # came since, and nobody knows what it rests on
        (OPENING, (replace(NEW, families=HISTORY),), False),  # came since, of the same question
        (OPENING, (replace(NEW, families=BOTH),), True),
        (SEEN, (KEPT, replace(KEPT, basis="2026-11/4")), True),  # which repeats what was looked through
        (SEEN, (KEPT, replace(KEPT, basis="2026-11/4", sealed=seal("else"))), False),
        (REPEATS, (KEPT,), True),
        (REPEATS, (), False),  # a correction has come between
        (REPEATS, (replace(KEPT, sealed=seal("anew")),), False),
        (REPEATS, (KEPT, replace(REPEATS, basis="2026-11/4")), True),
    ],
)
def test_nothing_opens_beside_what_it_may_have_to_rest_on(
    opening: Cell, stands: tuple[Cell, ...], opens: bool
) -> None:
    assert opening.is_first({each.basis: each for each in stands}) == opens


def test_a_correction_forgets_one_person(connection: Connection) -> None:
    keep(connection, "uci-1", "2026-10/", "2026-11/", "2026-11/5")
    others = keep(connection, "uci-2", "2026-11/")
    assert cells.forget(connection, "uci-1") == 3
    assert cells.forget(connection, "uci-1") == 0
    assert found(connection, others) == set(others)


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
    assert found(connection, kept + gone) == set(kept)
    assert cells.sweep(connection, now=NOW + timedelta(days=4_000), limit=9) == 1
