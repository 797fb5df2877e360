"""A gateway that must not start: it names the field and the remedy, and leaves no door ajar."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from gateway import founding
from gateway.server import Gateway
from gateway.settings import Problem, Settings, SettingsInvalid
from tests.world import Clock, settings_for

DOORS = ("partner", "admin", "http")


def free_addresses() -> dict[str, str]:
    """An address for each door, as its setting; nobody listens there."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in DOORS]
        return {
            f"SCOREGATE_LISTEN__{door.upper()}": f"127.0.0.1:{each.getsockname()[1]}"
            for door, each in zip(DOORS, sockets, strict=True)
        }


@pytest.fixture
def settings(tmp_path: Path, engine_folder: Path) -> Settings:
    """A founded installation that could start."""
    home = tmp_path / "home"
    made = settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder, **free_addresses())
    founding.found(made, now=Clock()())
    return made


def require_not_started(settings: Settings) -> Problem:
    """Try to start; return the one problem, once nothing of the gateway is left."""
    before = set(threading.enumerate())
    with pytest.raises(SettingsInvalid) as caught:
        Gateway.start(settings)
    assert set(threading.enumerate()) <= before
    assert listening(settings) == []
    (problem,) = caught.value.problems
    return problem


def listening(settings: Settings) -> list[str]:
    """The doors where somebody answers."""
    found = []
    for door in DOORS:
        address = getattr(settings.listen, door)
        with suppress(ConnectionRefusedError), socket.create_connection((address.host, address.port), 5):
            found.append(door)
    return found


def in_the_ledger(settings: Settings, statement: str) -> None:
    assert settings.database.file is not None
    with closing(sqlite3.connect(settings.database.file)) as connection, connection:
        connection.execute(statement)


def no_server_ca(settings: Settings) -> None:
    settings.tls.server_ca.unlink()


def rubbish_for_a_server_ca(settings: Settings) -> None:
    settings.tls.server_ca.write_bytes(b"\x00\xff rubbish\n")


def half_a_server_ca(settings: Settings) -> None:
    whole = settings.tls.server_ca.read_bytes()
    settings.tls.server_ca.write_bytes(whole[: len(whole) // 2])


def a_key_for_a_server_ca(settings: Settings) -> None:
    settings.tls.server_ca.write_bytes((settings.tls.authorities / "server-ca.key").read_bytes())


def another_doors_ca(settings: Settings) -> None:
    settings.tls.server_ca.write_bytes(settings.tls.staff_ca.read_bytes())


def a_log_without_a_head(settings: Settings) -> None:
    in_the_ledger(settings, "DELETE FROM log_head")


def a_log_of_another_name(settings: Settings) -> None:
    in_the_ledger(settings, "UPDATE log_head SET origin = 'credit.example/log'")
    in_the_ledger(settings, "UPDATE log_origins SET origin = 'credit.example/log'")


def a_log_of_two_names(settings: Settings) -> None:
    in_the_ledger(settings, "UPDATE log_head SET origin = 'credit.example/log'")


NO_CERTIFICATE = "isn't a certificate in PEM"


@pytest.mark.parametrize(
    ("spoil", "field", "said", "remedy"),
    [
        (no_server_ca, "tls.server_ca", "is missing", "Restore it from your copy, or correct its path."),
        (rubbish_for_a_server_ca, "tls.server_ca", NO_CERTIFICATE, "Write the whole certificate."),
        (half_a_server_ca, "tls.server_ca", NO_CERTIFICATE, "Write the whole certificate."),
        (a_key_for_a_server_ca, "tls.server_ca", NO_CERTIFICATE, "Write the whole certificate."),
        (another_doors_ca, "tls.server_ca", "is the staff CA", "Name the server CA here."),
        (a_log_without_a_head, "database.url", "the log has no head", "Restore it from its backup."),
        (a_log_of_another_name, "log_origin", "the log began as credit.example/log", "Set it to that."),
        (a_log_of_two_names, "database.url", ", and credit.example/log", "Restore it from its backup."),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_stops_a_start_is_named_with_its_remedy_and_nothing_listens(
    settings: Settings, spoil: Callable[[Settings], None], field: str, said: str, remedy: str
) -> None:
    spoil(settings)
    problem = require_not_started(settings)
    assert (problem.field, problem.remedy) == (field, remedy)
    assert problem.problem.endswith(said)


@pytest.mark.parametrize("taken", ["partner", "admin", "http"])
def test_a_start_that_finds_an_address_taken_leaves_the_others_free(settings: Settings, taken: str) -> None:
    address = getattr(settings.listen, taken)
    with socket.create_server((address.host, address.port)):
        assert refused_fields(settings) == [f"listen.{taken}"]
        assert listening(settings) == [taken]
    Gateway.start(settings).stop()


def refused_fields(settings: Settings) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        Gateway.start(settings)
    return [problem.field for problem in caught.value.problems]


def test_what_was_put_right_starts(settings: Settings) -> None:
    ca = settings.tls.server_ca.read_bytes()
    no_server_ca(settings)
    require_not_started(settings)
    settings.tls.server_ca.write_bytes(ca)
    Gateway.start(settings).stop()
