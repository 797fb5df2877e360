"""`scoregate init` and `scoregate upgrade`."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import founding, migrations
from gateway.audit.tree import signing
from gateway.settings import check_files, load
from scoregate.proof.jwk import VerificationKeys
from scoregate.tlog.policy import Policy
from tests.cli.conftest import Terminal, command, content, environment, interrupted_in, unchanged


@pytest.fixture
def home(terminal: Terminal) -> Path:
    """A new installation."""
    assert terminal.run("init").code == 0
    return Path(terminal.environ["SCOREGATE_HOME"])


def test_init_makes_an_installation_that_every_check_accepts(home: Path) -> None:
    settings = load({"SCOREGATE_HOME": str(home)})
    assert settings.mode == "development"
    assert check_files(settings, now=datetime.now(UTC)) == []


def test_every_key_and_secret_and_the_ledger_are_for_their_owner_alone(home: Path) -> None:
    private = [*home.rglob("*.key"), *(home / "keys" / "attestation").iterdir(), home / "ledger.db"]
    assert len(private) == 3 + 3 + 2 + 1 + 2 + 1  # authorities, TLS, secrets, operator, signing keys, ledger
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_the_keys_and_the_logs_are_exported_before_the_first_start(
    terminal: Terminal, home: Path, tmp_path: Path
) -> None:
    jwks, policy = tmp_path / "jwks.json", tmp_path / "policy"
    silent = terminal.with_(SCOREGATE_LISTEN__HTTP="127.0.0.1:1")
    told = silent.told("keys", "export", "--out", jwks, "--policy", policy)
    made = [each.stem for each in (home / "keys" / "attestation").iterdir()]
    assert sorted(told["kids"]) == sorted(VerificationKeys.from_jwks(jwks.read_text()).by_kid)
    assert len(made) == len(told["kids"]) == 2
    (log,) = Policy.parse(policy.read_bytes()).logs
    assert signing.load(load({"SCOREGATE_HOME": str(home)}).log.key_folder, log.vkey).verifier == log.vkey
    # Whoever names a gateway means that one; and what is not there is not made.
    assert silent.stopped("keys", "export", "--http", "127.0.0.1:1")["problems"][0]["field"] == "--http"
    (home / "ledger.db").unlink()
    assert silent.stopped("keys", "export")["problems"][0]["field"] == "--http"
    assert not (home / "ledger.db").exists()


def test_init_says_where_things_lie_and_what_comes_next(terminal: Terminal) -> None:
    shown = terminal.run("init").out
    for words in ("scoregate.toml", "ledger.db", "operator.pem", "master.key"):
        assert words in shown
    for following in ("scoregate engine train", "scoregate serve", "scoregate partner add"):
        assert following in shown


def test_init_elsewhere_says_how_later_commands_find_it(terminal: Terminal, tmp_path: Path) -> None:
    shown = terminal.run("init", "--home", tmp_path / "elsewhere").out
    assert f"export SCOREGATE_HOME={tmp_path}/elsewhere" in shown
    assert (tmp_path / "elsewhere" / "scoregate.toml").is_file()


def test_a_second_init_says_so_and_touches_nothing(terminal: Terminal, home: Path) -> None:
    with unchanged(home):
        problem = terminal.stopped("init")["problems"][0]
    assert problem["problem"].startswith("There is an installation: ")
    assert problem["remedy"] == "Go on with `scoregate serve`, or found another with --home DIR."


@pytest.mark.parametrize(
    "words",
    [
        ("init", "--home", ""),
        ("partner", "request", "acme", "--out", ""),
        ("engine", "train", "--out", ""),
        ("audit", "pull", ""),
    ],
)
def test_an_empty_name_is_not_the_folder_here(
    terminal: Terminal, tmp_path: Path, words: tuple[str, ...]
) -> None:
    with contextlib.chdir(tmp_path), unchanged(tmp_path):
        ended = terminal.run(*words)
    assert ended.code == 2
    assert "it must name a folder." in ended.err


def test_an_empty_variable_is_like_none(terminal: Terminal, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        assert terminal.run("init", SCOREGATE_HOME="").code == 0
    assert (tmp_path / ".scoregate" / "scoregate.toml").is_file()


def test_an_interrupted_init_says_what_it_left(terminal: Terminal, tmp_path: Path) -> None:
    with interrupted_in(founding.found):
        early = terminal.run("init")
    assert (early.code, content(tmp_path / "home")) == (130, {})
    assert early.err == "Interrupted: There is no installation yet. Nothing was made.\n"

    with interrupted_in(migrations.upgrade):
        late = terminal.run("init", "-o", "json")
    (told,) = late.told["problems"]
    assert (late.code, told["problem"]) == (130, "There is no installation yet.")
    left = told["remedy"].removeprefix("Remove ").removesuffix(", and run it again.").split(", ")
    assert {str(each) for each in (tmp_path / "home").iterdir()} == set(left)
    for each in map(Path, left):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    assert terminal.run("init").code == 0


def entries(home: Path, size: int) -> sqlite3.Connection:
    """The ledger, as a gateway left it that has written so many entries."""
    connection = sqlite3.connect(home / "ledger.db")
    connection.execute("UPDATE log_head SET size = ?", (size,))
    connection.commit()
    return connection


@pytest.mark.parametrize("running", [True, False])
def test_an_installation_in_use_that_lost_its_settings_is_not_to_be_removed(
    terminal: Terminal, home: Path, *, running: bool
) -> None:
    (home / "scoregate.toml").unlink()
    assert "remove" in terminal.stopped("init")["problems"][0]["remedy"]  # nobody has used it
    ledger = entries(home, 5)  # while it runs, the entry may lie in the WAL alone
    if not running:
        ledger.close()
    before = content(home)
    remedy = terminal.stopped("init")["problems"][0]["remedy"]
    # A reader's mark in the shared memory of a ledger that is open is all that may change.
    assert content(home) | {"ledger.db-shm": b""} == before | {"ledger.db-shm": b""}
    assert running or "ledger.db-shm" not in content(home)
    ledger.close()
    assert remedy.startswith("Remove none of them")
    assert "Put the settings file back" in remedy


@pytest.mark.parametrize("what", ["lost", "no database", "elsewhere"])
def test_where_use_cannot_be_told_nothing_is_to_be_removed(terminal: Terminal, home: Path, what: str) -> None:
    (home / "scoregate.toml").unlink()
    if what == "no database":
        (home / "ledger.db").write_bytes(b"not a database, but long enough to look at" * 100)
    else:
        (home / "ledger.db").unlink()
    url = "postgresql+psycopg://me@127.0.0.1:1/ledger"
    elsewhere = {"SCOREGATE_DATABASE__URL": url} if what == "elsewhere" else {}
    assert terminal.stopped("init", **elsewhere)["problems"][0]["remedy"].startswith("Remove none of them")


def test_the_settings_of_another_home_serve_an_installation_that_lost_its_own(
    terminal: Terminal, home: Path, tmp_path: Path
) -> None:
    (home / "scoregate.toml").unlink()
    assert terminal.run("init", "--home", tmp_path / "other").code == 0
    (tmp_path / "other" / "scoregate.toml").rename(home / "scoregate.toml")
    assert check_files(load({"SCOREGATE_HOME": str(home)}), now=datetime.now(UTC)) == []


def test_init_keeps_an_engine_that_was_trained_before(terminal: Terminal, tmp_path: Path) -> None:
    engine = tmp_path / "home" / "engine"
    engine.mkdir(parents=True)
    (engine / "engine.json").write_text("here")
    assert terminal.run("init").code == 0
    assert (engine / "engine.json").read_text() == "here"


def test_an_init_that_broke_off_leaves_nothing_that_starts_and_says_what_to_remove(
    terminal: Terminal, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    # The ledger doesn't fit on this disk: founding breaks off after keys were made.
    broken = subprocess.run(
        ["bash", "-c", 'ulimit -f 40; exec "$@"', "-", *command("init")],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (broken.returncode, broken.stdout) == (2, "")
    assert broken.stderr.startswith("Failed: database.url: ")
    assert (home / "keys" / "master.key").exists()

    assert "Run `scoregate init`" in terminal.stopped("serve", code=2)["problems"][0]["remedy"]
    with unchanged(home):
        remedy = terminal.stopped("init")["problems"][0]["remedy"]
    pieces = remedy.partition("remove ")[2].partition(", and run it again")[0].split(", ")
    for piece in map(Path, pieces):
        shutil.rmtree(piece) if piece.is_dir() else piece.unlink()
    assert {Path(piece).name for piece in pieces} == {"keys", "ledger.db", "operator", "pki"}
    assert terminal.run("init").code == 0


def test_a_database_in_use_is_not_founded_again(
    terminal: Terminal, new_postgres: Callable[[], str], tmp_path: Path
) -> None:
    one = terminal.with_(SCOREGATE_DATABASE__URL=new_postgres())
    assert one.run("init").code == 0
    problem = one.stopped("init", "--home", tmp_path / "second")["problems"][0]
    assert (problem["field"], "holds an installation" in problem["problem"]) == ("database.url", True)
    assert content(tmp_path / "second") == {}


def test_a_home_that_cannot_be_made_is_a_sentence(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    problem = terminal.stopped("init", "--home", tmp_path / "file" / "home", code=2)["problems"][0]
    assert problem["remedy"] == "Name another --home."


def test_init_refuses_settings_that_make_no_sense(terminal: Terminal, tmp_path: Path) -> None:
    told = terminal.stopped(
        "init", code=2, SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS="-1", SCOREGATE_NO__SUCH="1"
    )
    assert [each["field"] for each in told["problems"]] == [
        "SCOREGATE_NO__SUCH",
        "limits.default_deadline_ms",
    ]
    assert content(tmp_path / "home") == {}


def test_an_upgrade_leaves_a_current_database_as_it_is(terminal: Terminal, home: Path) -> None:
    told = terminal.told("upgrade")
    assert told["before"] == told["after"]
    assert "was up to date" in terminal.run("upgrade").out


def test_an_upgrade_of_a_lost_ledger_says_that_only_a_copy_helps(terminal: Terminal, home: Path) -> None:
    (home / "ledger.db").unlink()
    lost = terminal.stopped("upgrade", code=2)["problems"][0]
    assert lost["remedy"].startswith("Restore it from your copy")
    assert not (home / "ledger.db").exists()
    (home / "ledger.db").touch()
    empty = terminal.stopped("upgrade", code=2)["problems"][0]
    assert (empty["problem"], empty["remedy"]) == ("the database is empty.", lost["remedy"])


def test_an_upgrade_refuses_a_database_of_a_newer_version(terminal: Terminal, home: Path) -> None:
    connection = sqlite3.connect(home / "ledger.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    problem = terminal.stopped("upgrade", code=2)["problems"][0]
    assert "newer" in problem["problem"]
    assert problem["remedy"] == "Install that version."


def test_an_upgrade_refuses_what_is_no_database(terminal: Terminal, home: Path) -> None:
    (home / "ledger.db").write_bytes(b"not a database, but long enough to look at" * 100)
    problem = terminal.stopped("upgrade", code=2)["problems"][0]
    assert (problem["field"], problem["remedy"][:7]) == ("database.url", "Restore")


def test_a_database_server_that_is_not_there_is_to_be_started(terminal: Terminal, home: Path) -> None:
    nobody = "postgresql+psycopg://me:secret@127.0.0.1:1/ledger"
    problem = terminal.stopped("upgrade", code=2, SCOREGATE_DATABASE__URL=nobody)["problems"][0]
    assert problem["remedy"] == "Start it, or correct the address."
    assert "secret" not in str(problem)
