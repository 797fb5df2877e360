"""Help that teaches, quickly, and where only the client is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import gateway
from gateway.cli.failures import stopped
from scoregate.cli import INSTALL
from tests.cli.conftest import Desk, Terminal

SERVER_ONLY = frozenset(
    {
        *("sqlalchemy", "alembic", "pydantic_settings", "uvicorn", "starlette", "structlog"),
        *("numpy", "sklearn", "scipy"),
    }
)
Runs = Callable[..., subprocess.CompletedProcess[str]]


def commands(app: typer.Typer) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every command that ends a line, with its help."""

    def walk(group: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        for name, each in getattr(group, "commands", {}).items():
            if getattr(each, "commands", None):
                yield from walk(each, (*path, name))
            else:
                yield (*path, name), each.help or ""

    return walk(get_command(app), ())


def test_every_command_of_ours_shows_an_example_of_itself(app: typer.Typer) -> None:
    ours = {path: text for path, text in commands(app) if path[0] != "log"}
    assert len(ours) == 45
    for path, text in ours.items():
        assert f"scoregate {' '.join(path)}" in text.partition("Example:")[2], path


def test_no_line_of_help_breaks_in_a_terminal_of_80_columns(app: typer.Typer) -> None:
    for path, text in commands(app):
        _, _, below = text.partition("\n\n")  # the first paragraph is set anew for each terminal
        assert [line for line in below.splitlines() if len(line) > 78] == [], path


def test_the_help_says_when_another_algorithm_takes_effect(terminal: Terminal) -> None:
    shown = terminal.run("keys", "rotate", "--help").out
    assert "attestation.algorithm" in shown
    assert "two rotations" in shown


def test_every_command_takes_json(app: typer.Typer, terminal: Terminal) -> None:
    for path, _ in commands(app):
        assert "--output" in terminal.run(*path, "--help").out, path


def test_the_base_command_finds_every_room() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "scoregate", "--help"], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[1] for line in shown.splitlines() if line.startswith("│ ")}
    rooms = {
        "partner",
        "consent",
        "dispute",
        "quota",
        "keys",
        "audit",
        "engine",
        "log",
        "consent-receipt",
        "witness",
    }
    assert {"version", "init", "serve", "up", "upgrade"} | rooms <= names


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, gateway.cli, typer\n"
        "gateway.cli.extend(typer.Typer())\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(loaded.stdout.split()) & (SERVER_ONLY | {"grpc", "cryptography"})


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a partner installs: our distribution, and every package but the server's."""
    site = tmp_path_factory.mktemp("client-site")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name.split("-")[0] not in SERVER_ONLY and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    return site


@pytest.fixture
def partner_runs(site: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command where only the client is installed."""
    paths = f"{site}{os.pathsep}{Path(gateway.__file__).parents[1]}"

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "scoregate", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": paths, "COLUMNS": "160"},
        )

    return run


def test_a_lender_makes_its_request_with_the_client_alone(partner_runs: Runs, tmp_path: Path) -> None:
    ended = partner_runs("partner", "request", "acme", "--out", tmp_path / "acme", "-o", "json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert Path(json.loads(ended.stdout)["key"]).exists()


def test_an_officer_pulls_the_log_with_the_client_alone(
    desk: Desk, partner_runs: Runs, tmp_path: Path
) -> None:
    certificate = desk.enrolled("visitor", "--role", "COMPLIANCE") / "certificate.pem"
    door = ("--gateway", f"127.0.0.1:{desk.gateway.admin_port}", "--cert", certificate)
    ended = partner_runs("audit", "pull", tmp_path / "log", *door, "-o", "json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert partner_runs("log", "verify", tmp_path / "log").returncode == 0


@pytest.mark.parametrize(
    ("words", "option", "remedy"),
    [
        (
            ("audit", "pull", "log"),
            "--gateway",
            "Add --gateway HOST:PORT, and with it --cert, --key and --ca.",
        ),
        (("keys", "export"), "--http", "Add --http HOST:PORT."),
    ],
)
def test_without_settings_the_address_must_be_named(
    partner_runs: Runs, words: tuple[str, ...], option: str, remedy: str
) -> None:
    ended = partner_runs(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"Failed: {option}: must be named where only the client is installed. {remedy}\n"


def test_what_is_not_installed_comes_with_the_extras() -> None:
    ended = stopped(ModuleNotFoundError(name="alembic.context"))
    assert ended is not None
    assert ended.sentence() == (
        'This needs alembic, which is not installed. Install scoregate with its extras "server" and "engine".'
    )
    assert stopped(ModuleNotFoundError(name="gateway.nothing")) is None  # a bug


def test_without_the_server_the_help_leaves_it_out_and_says_how_to_get_it(partner_runs: Runs) -> None:
    shown = partner_runs("--help").stdout
    assert f"What calls a gateway, and what checks its proofs. {INSTALL} for what runs one." in shown
    assert "audit" in shown
    assert "serve " not in shown
