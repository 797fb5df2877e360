"""A store that would acknowledge a commit before it is on disk is refused when it is opened."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import Pool

from gateway import founding
from gateway.server import Gateway
from gateway.settings import SettingsInvalid
from gateway.store import StoreUnavailable, open_store
from tests.world import Clock, settings_for


@contextmanager
def on(target: Any, name: str, heard: Callable[..., None]) -> Iterator[None]:
    """While the block runs, ``heard`` hears of it."""
    event.listen(target, name, heard)
    try:
        yield
    finally:
        event.remove(target, name, heard)


def is_open(connection: Any) -> bool:
    try:
        connection.execute("SELECT 1")
    except (sqlite3.ProgrammingError, psycopg.OperationalError):
        return False
    return True


@contextmanager
def connections() -> Iterator[list[Any]]:
    """Those that the block opens; the ones that it leaves open are in the list afterwards, and closed."""
    opened: list[Any] = []
    with on(Pool, "connect", lambda connection, _: opened.append(connection)):
        yield opened
    opened[:] = [connection for connection in opened if is_open(connection)]
    for connection in opened:
        connection.close()


def require_refused(url: str, said: str) -> None:
    with connections(), pytest.raises(StoreUnavailable) as caught:
        open_store(url)
    assert str(caught.value) == said


# --- SQLite

ELSEWHERE = "put it where it can have WAL and FULL, on a disk of this machine"


@pytest.mark.parametrize(
    ("pragma", "said"),
    [
        ("PRAGMA synchronous = OFF", "journal_mode=wal, synchronous=0"),
        ("PRAGMA synchronous = NORMAL", "journal_mode=wal, synchronous=1"),
        ("PRAGMA journal_mode = DELETE", "journal_mode=delete, synchronous=2"),
        ("PRAGMA journal_mode = MEMORY", "journal_mode=memory, synchronous=2"),
    ],
)
def test_an_sqlite_that_does_not_wait_for_the_disk_is_refused(tmp_path: Path, pragma: str, said: str) -> None:
    def hurry(connection: sa.Connection) -> None:
        connection.connection.driver_connection.execute(pragma)  # type: ignore[union-attr]

    url = f"sqlite:///{tmp_path}/ledger.db"
    with on(sa.Engine, "engine_connect", hurry):  # behind the store's own back
        require_refused(
            url, f"SQLite runs with {said}; put it where it can have WAL and FULL, on a disk of this machine"
        )
    open_store(url).close()


def test_an_sqlite_file_where_there_can_be_no_wal_is_refused(tmp_path: Path) -> None:
    # Without locks there is no shared memory, and SQLite goes on with its old journal.
    url = f"sqlite:///file:{tmp_path}/ledger.db?vfs=unix-none&uri=true"
    require_refused(
        url,
        f"SQLite runs with journal_mode=delete, synchronous=2; {ELSEWHERE}",
    )


def test_a_link_to_the_file_is_followed_to_its_write_ahead_log(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/ledger.db").close()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "link.db").symlink_to(tmp_path / "ledger.db")
    store = open_store(f"sqlite:///{tmp_path}/linked/link.db")
    store.require_same_files()
    (tmp_path / "ledger.db-wal").unlink()
    with pytest.raises(StoreUnavailable, match=r"ledger\.db-wal is gone"):
        store.require_same_files()
    store.close()


def test_every_sqlite_connection_waits_for_the_disk_whatever_the_default(tmp_path: Path) -> None:
    def hurry(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")

    careful = [("wal", 2, 1)] * 2
    with on(Pool, "connect", hurry):  # before the store has its say
        store = open_store(f"sqlite:///{tmp_path}/ledger.db")
        for engine in (store.writer, store.reader):
            assert [pragmas(each) for each in two_connections(engine)] == careful
            engine.dispose()  # as after a failed commit
            assert [pragmas(each) for each in two_connections(engine)] == careful
        store.close()


def two_connections(engine: sa.Engine) -> Iterator[sqlite3.Connection]:
    with closing(engine.raw_connection()) as first, closing(engine.raw_connection()) as second:
        for each in (first, second):
            assert isinstance(each.driver_connection, sqlite3.Connection)
            yield each.driver_connection


def pragmas(connection: sqlite3.Connection) -> tuple[object, ...]:
    names = ("journal_mode", "synchronous", "foreign_keys")
    return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)


# --- PostgreSQL


@pytest.fixture
def postgres_url(new_postgres: Callable[[], str]) -> sa.URL:
    return sa.make_url(new_postgres())


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_postgresql_that_acknowledges_too_early_is_refused(postgres_url: sa.URL, value: str) -> None:
    hasty = postgres_url.update_query_dict({"options": f"-csynchronous_commit={value}"})
    require_refused(
        hasty.render_as_string(hide_password=False),
        f"PostgreSQL runs with synchronous_commit={value}; turn it on",
    )


@pytest.mark.parametrize("value", ["on", "remote_write", "remote_apply"])
def test_a_postgresql_that_waits_for_the_disk_is_opened(postgres_url: sa.URL, value: str) -> None:
    waiting = postgres_url.update_query_dict({"options": f"-csynchronous_commit={value}"})
    open_store(waiting.render_as_string(hide_password=False)).close()


@pytest.fixture
def tell(postgres: sa.URL) -> Iterator[Callable[[str, str], None]]:
    """Sets something for the whole server; afterwards it is as before."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def become(statement: str, name: str, value: str) -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(statement)
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:  # the server reads its settings when it gets to it
            with admin.connect() as connection:
                if connection.exec_driver_sql(f"SHOW {name}").scalar_one() == value:
                    return
        raise AssertionError(f"PostgreSQL did not set {name}")

    told = []

    def tell(name: str, value: str) -> None:
        told.append(name)
        become(f"ALTER SYSTEM SET {name} = {value}", name, value)

    yield tell
    for name in told:
        become(f"ALTER SYSTEM RESET {name}", name, "on")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_postgresql_that_a_power_cut_can_ruin_is_refused(
    postgres_url: sa.URL, tell: Callable[[str, str], None], name: str
) -> None:
    url = postgres_url.render_as_string(hide_password=False)
    open_store(url).close()
    tell(name, "off")
    require_refused(url, f"PostgreSQL runs with {name}=off; turn it on")


def test_a_gateway_does_not_start_on_a_postgresql_that_became_hasty(
    postgres_url: sa.URL, tmp_path: Path, engine_folder: Path
) -> None:
    url = postgres_url.render_as_string(hide_password=False)
    settings = settings_for(tmp_path / "home", url, engine_folder)
    founding.found(settings, now=Clock()())
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {postgres_url.database} SET synchronous_commit = off")
    with connections(), pytest.raises(SettingsInvalid) as caught:
        Gateway.start(settings)
    (problem,) = caught.value.problems
    assert (problem.field, problem.problem, problem.remedy) == (
        "database.url",
        "PostgreSQL runs with synchronous_commit=off",
        "Turn it on.",
    )


# --- either


def test_a_refused_store_leaves_no_connection_open(database_url: str) -> None:
    with connections() as left, pytest.raises(StoreUnavailable):
        open_store(hasty(database_url))
    assert left == []


def hasty(url: str) -> str:
    """The same database under a condition that is refused."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return f"sqlite:///file:{parsed.database}?vfs=unix-none&uri=true"
    with_option = parsed.update_query_dict({"options": "-csynchronous_commit=off"})
    return with_option.render_as_string(hide_password=False)


def test_a_checkpoint_brings_the_write_ahead_log_into_the_database_while_others_read_and_write(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.db"
    store = open_store(f"sqlite:///{file}")
    try:
        with store.writer.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE kept (what TEXT)")
            connection.exec_driver_sql("INSERT INTO kept VALUES ('a-word-to-look-for')")
        assert b"a-word-to-look-for" not in file.read_bytes()
        with store.writer.begin() as connection:  # which holds the write lock
            connection.exec_driver_sql("INSERT INTO kept VALUES ('not committed')")
            store.checkpoint()
        assert b"a-word-to-look-for" in file.read_bytes()
        assert b"not committed" not in file.read_bytes()
    finally:
        store.close()


def test_a_checkpoint_of_a_database_that_is_gone_is_left_to_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    store = open_store(f"sqlite:///{file}")
    try:
        file.rename(tmp_path / "elsewhere.db")
        store.checkpoint()
        assert not file.exists()
    finally:
        store.close()
