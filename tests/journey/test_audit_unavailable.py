"""Step 7 with a log that can't be written: nothing leaves, nothing is spent, nothing is lost."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import Pool

from gateway import founding
from gateway.query import GET_SCORE
from gateway.server import Gateway, Seams
from gateway.settings import SettingsInvalid
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained
from tests.wire import outcome, refused, send
from tests.world import Clock, Partner, World, settings_for

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}


def require_unavailable(caller: Partner, request: Any) -> None:
    failure = refused(ask, caller, request)
    require_explained(failure, "AUDIT_UNAVAILABLE", failure.request_id)


def file_of(world: World) -> Path:
    file = world.settings.database.file
    assert file is not None
    return file


# --- the file is gone, and comes back


@pytest.fixture
def moved(own_world: World) -> Callable[[], Any]:
    """Moves the database aside for as long as a block lasts."""

    @contextmanager
    def aside() -> Iterator[None]:
        file = file_of(own_world)
        file.rename(file.with_name("aside.db"))
        try:
            yield
        finally:
            assert not file.exists(), "the gateway made a file of its own, and spoilt the first one's WAL"
            file.with_name("aside.db").rename(file)

    return aside


def test_while_its_file_is_gone_nothing_leaves_and_afterwards_nothing_is_lost(
    own_world: World, engine: ScriptedEngine, moved: Callable[[], Any]
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    done, open_request = acme.query(consent), acme.query(consent)
    first = ask(acme, done)
    asked, size = engine.calls, own_world.log_size()
    with moved():
        for request in (open_request, done, acme.query("a" * 26), acme.threshold_query(consent)):
            require_unavailable(acme, request)
        assert refused(own_world.change, consent, "REVOKE").reason == "AUDIT_UNAVAILABLE"
        assert refused(own_world.partner, "zeta").reason == "AUDIT_UNAVAILABLE"
        assert engine.calls == asked
    assert own_world.log_size() == size
    assert answered(acme, open_request).HasField("scored")
    assert ask(acme, done).body == first.body
    assert acme.spent() == {"day": 2, "month": 2}


def test_a_file_that_goes_while_the_engine_computes_is_noticed(
    own_world: World, engine: ScriptedEngine, moved: Callable[[], Any]
) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    away = moved()
    engine.before = away.__enter__
    require_unavailable(acme, request)
    away.__exit__(None, None, None)
    engine.reset()
    assert answered(acme, request).HasField("scored")
    assert acme.spent() == {"day": 1, "month": 1}


def test_without_the_ledger_the_keys_page_says_so(own_world: World, moved: Callable[[], Any]) -> None:
    url = f"http://127.0.0.1:{own_world.gateway.http_port}/.well-known/jwks.json"
    with moved(), pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=5)
    with closing(caught.value) as page:
        assert (page.code, page.read()) == (503, b"the keys can't be read now; try again\n")


def test_a_copy_in_the_files_place_is_not_written_to(
    new_own_world: Callable[..., World], engine: ScriptedEngine
) -> None:
    world = new_own_world()
    acme = world.partner()
    consent = world.consent(acme, **PERIODIC)
    file = file_of(world)
    shutil.copy(file, file.with_name("copy.db"))
    file.with_name("copy.db").replace(file)
    copied = file.read_bytes()
    for _ in range(3):
        require_unavailable(acme, acme.query(consent))
    assert file.read_bytes() == copied
    assert engine.calls == 0


def test_a_copy_that_takes_the_files_place_while_a_call_awaits_the_lock_gets_nothing(
    new_own_world: Callable[..., World],
) -> None:
    world = new_own_world()
    acme = world.partner()
    request = acme.query(world.consent(acme, **PERIODIC))
    file = file_of(world)
    with world.locked():
        call: Any = acme.scores.GetScore.future(request, timeout=10)
        threading.Event().wait(0.5)  # it stands before the lock by now
        shutil.copy(file, file.with_name("copy.db"))
        file.with_name("copy.db").replace(file)
    assert refused(call.result).reason == "AUDIT_UNAVAILABLE"


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_without_its_write_ahead_log_nothing_leaves_and_nothing_that_left_is_lost(
    new_own_world: Callable[..., World], engine: ScriptedEngine, replaced: bool
) -> None:
    world = new_own_world()
    acme = world.partner()
    consent = world.consent(acme, **PERIODIC)
    request = acme.query(consent)
    first = ask(acme, request)
    log = file_of(world).with_name(f"{file_of(world).name}-wal")
    log.unlink()
    if replaced:
        log.touch()
    calls = engine.calls
    for _ in range(3):
        require_unavailable(acme, acme.query(consent))
    assert engine.calls == calls
    log.unlink(missing_ok=True)
    world.restart(Seams(clock=world.clock, engine=engine))  # SQLite writes back what it still holds
    assert ask(acme.at(world), request).body == first.body
    world.require_balanced()


# --- the file is there and can't be written


class Disk:
    """What every SQLite connection of this process is told, those of today and those to come."""

    def __init__(self) -> None:
        self._connections: list[sqlite3.Connection] = []
        self._pragma = ""

    def connected(self, connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            self._connections.append(connection)
            if self._pragma:
                connection.execute(self._pragma)

    @contextmanager
    def told(self, pragma: str, back: str) -> Iterator[None]:
        self._tell(pragma)
        self._pragma = pragma
        try:
            yield
        finally:
            self._pragma = ""
            self._tell(back)

    def _tell(self, pragma: str) -> None:
        for connection in self._connections:
            try:
                connection.execute(pragma)
            except sqlite3.ProgrammingError:  # closed by now
                continue


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    event.listen(Pool, "connect", made.connected)
    yield made
    event.remove(Pool, "connect", made.connected)


READ_ONLY = ("PRAGMA query_only = ON", "PRAGMA query_only = OFF")
FULL = ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823")


def until_unavailable(caller: Partner, consent: consent_pb2.Consent) -> tuple[score_pb2.GetScoreRequest, int]:
    """Ask until the disk is full; the request that met it, and how many were answered before."""
    for answers in range(200):
        request = caller.query(consent)
        result = outcome(ask, caller, request)
        if not hasattr(result, "body"):
            require_explained(result, "AUDIT_UNAVAILABLE", result.request_id)
            return request, answers
    raise AssertionError("the disk never filled up")


@pytest.mark.parametrize("fault", [READ_ONLY, FULL], ids=["read-only", "full"])
def test_while_the_disk_takes_no_writes_nothing_leaves_and_then_all_goes_on(
    disk: Disk, own_world: World, fault: tuple[str, str]
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    with disk.told(*fault):
        request, answers = until_unavailable(acme, consent)
        assert acme.spent() == {"day": answers, "month": answers}  # what was committed is there
        require_unavailable(acme, request)
    assert answered(acme, request).HasField("scored")
    assert acme.spent() == {"day": answers + 1, "month": answers + 1}
    own_world.require_balanced()


def test_a_refusal_that_can_not_be_recorded_is_not_told(disk: Disk, own_world: World) -> None:
    acme = own_world.partner()
    with disk.told(*READ_ONLY):
        require_unavailable(acme, acme.query("a" * 26))
        failure = refused(send, acme.channel, GET_SCORE, b"\xff")
        assert failure.reason == "AUDIT_UNAVAILABLE"


def test_what_was_turned_away_meanwhile_is_counted_later(disk: Disk, own_world: World) -> None:
    acme = own_world.partner()
    own_world.revoke(acme.fingerprint)
    with disk.told(*READ_ONLY):
        for _ in range(3):
            assert refused(ask, acme, acme.query("a" * 26)).reason == "CERTIFICATE_REVOKED"
    assert own_world.turned_away() == {("acme", GET_SCORE, "CERTIFICATE_REVOKED"): 3}


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses this process any write beyond ``size`` (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_when_commit_fails_nothing_leaves_and_a_repeat_finds_the_truth(own_world: World) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    acme.score(consent)
    request = acme.query(consent)
    wal = file_of(own_world).with_name("ledger.db-wal")
    with files_no_larger_than(wal.stat().st_size):
        require_unavailable(acme, request)
        require_unavailable(acme, request)
    answer = answered(acme, request)
    assert own_world.leaf_bytes()[answer.receipt.leaf_index] == answer.receipt.leaf
    assert acme.spent() == {"day": 2, "month": 2}


# --- PostgreSQL goes away


@pytest.fixture
def on_postgres(
    new_world: Callable[..., World], new_postgres: Callable[[], str], engine: ScriptedEngine
) -> Iterator[tuple[World, Callable[[str], None]]]:
    """An installation on PostgreSQL, and a way to tell that server something as its administrator."""
    url = new_postgres()
    world = new_world(seams=Seams(engine=engine), url=url)
    # From another database: the connection must survive what it does to this one.
    admin = sa.create_engine(sa.make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")

    def tell(statement: str) -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(statement.format(name=sa.make_url(url).database))

    yield world, tell
    admin.dispose()
    world.require_balanced()


HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"


def until_answered(caller: Partner, request: score_pb2.GetScoreRequest) -> score_pb2.GetScoreResponse:
    """Repeat with the same request id; the log may be unavailable a few times, and nothing else."""
    for _ in range(10):
        result = outcome(ask, caller, request)
        if hasattr(result, "body"):
            return score_pb2.GetScoreResponse.FromString(result.body)
        require_explained(result, "AUDIT_UNAVAILABLE", result.request_id)
    raise AssertionError("the gateway has not recovered")


def test_when_postgresql_hangs_up_the_next_calls_connect_again(
    on_postgres: tuple[World, Callable[[str], None]],
) -> None:
    world, tell = on_postgres
    acme = world.partner()
    consent = world.consent(acme, **PERIODIC)
    acme.score(consent)
    tell(HANG_UP)
    assert until_answered(acme, acme.query(consent)).HasField("scored")
    assert acme.spent() == {"day": 2, "month": 2}


def test_when_postgresql_hangs_up_while_the_engine_computes_nothing_is_spent(
    on_postgres: tuple[World, Callable[[str], None]], engine: ScriptedEngine
) -> None:
    world, tell = on_postgres
    acme = world.partner()
    request = acme.query(world.consent(acme))
    engine.before = lambda: tell(HANG_UP)
    require_unavailable(acme, request)
    engine.reset()
    until_answered(acme, request)
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_postgresql_that_turned_read_only_takes_no_releases_until_it_turns_back(
    on_postgres: tuple[World, Callable[[str], None]],
) -> None:
    world, tell = on_postgres
    acme = world.partner()
    request = acme.query(world.consent(acme))
    tell("ALTER DATABASE {name} SET default_transaction_read_only = on")
    tell(HANG_UP)
    for _ in range(4):
        require_unavailable(acme, request)
    tell("ALTER DATABASE {name} RESET default_transaction_read_only")
    tell(HANG_UP)
    until_answered(acme, request)
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_look_up_that_postgresql_cuts_off_is_unavailable_and_no_error_of_ours(
    on_postgres: tuple[World, Callable[[str], None]],
) -> None:
    world, tell = on_postgres
    acme = world.partner()
    consent = world.consent(acme)
    tell(HANG_UP)
    for _ in range(4):
        result = outcome(ask, acme, consent_pb2.GetConsentRequest(consent_id=consent.consent_id))
        assert hasattr(result, "body") or result.reason == "AUDIT_UNAVAILABLE"


# --- a start on something that is no ledger of ours: refused, with a sentence


def rubbish(file: Path) -> None:
    file.write_bytes(b"This is no database, it only lies where one should.\n" * 400)


def torn(file: Path) -> None:
    """Everything behind the first page is overwritten."""
    whole = file.read_bytes()
    file.write_bytes(whole[:4_096] + b"\xa5" * (len(whole) - 4_096))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def gone(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def somebody_elses(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (rubbish, "can't be opened"),
        (torn, "malformed"),
        (cut, "database"),
        (emptied, "the database holds no ledger"),
        (gone, "there is no ledger at"),
        (a_folder, "can't be opened"),
        (newer, "a newer scoregate made"),
        (somebody_elses, "the database holds no ledger"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_database_that_is_not_as_it_should_be_is_not_started_on(
    tmp_path: Path, engine_folder: Path, damage: Callable[[Path], None], said: str
) -> None:
    home = tmp_path / "home"
    settings = settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder)
    founding.found(settings, now=Clock()())
    file = settings.database.file
    assert file is not None
    damage(file)
    with pytest.raises(SettingsInvalid, match=said) as caught:
        Gateway.start(settings)
    (problem,) = caught.value.problems
    assert problem.field == "database.url"
    assert problem.remedy


def test_a_newer_database_is_left_as_it_is(tmp_path: Path, engine_folder: Path) -> None:
    home = tmp_path / "home"
    settings = settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder)
    founding.found(settings, now=Clock()())
    assert settings.database.file is not None
    newer(settings.database.file)
    before = settings.database.file.read_bytes()
    with pytest.raises(SettingsInvalid):
        Gateway.start(settings)
    assert settings.database.file.read_bytes() == before


def test_an_empty_postgresql_database_and_one_that_does_not_answer_are_not_started_on(
    new_postgres: Callable[[], str], tmp_path: Path, engine_folder: Path
) -> None:
    url = sa.make_url(new_postgres())
    home = tmp_path / "home"
    founding.found(settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder), now=Clock()())
    nowhere = url.set(database="nobodys").render_as_string(hide_password=False)
    for wrong, said in (
        (url.render_as_string(hide_password=False), "the database holds no ledger"),
        (nowhere, "can't be opened"),
    ):
        with pytest.raises(SettingsInvalid, match=said):
            Gateway.start(settings_for(home, wrong, engine_folder))
