"""A terminal, and what it works on: a real installation with a running gateway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import extend
from gateway.server import Gateway
from gateway.settings import load
from scoregate.cli import log_app, receipt_app
from scoregate.client import Client, Terms
from scoregate.verify_command import verify_file
from scoregate.witness.cli import app as witness_app
from scoregate.words import Disclosure, Purpose

ANY_PORTS = {f"SCOREGATE_LISTEN__{door}": "127.0.0.1:0" for door in ("PARTNER", "ADMIN", "HTTP", "PAGES")}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out)
        return told


@dataclass(frozen=True)
class Terminal:
    """Runs commands in this process, as if typed with these variables set."""

    app: typer.Typer
    environ: dict[str, str]

    def run(self, *words: str | Path, **environ: str) -> Ended:
        variables = {"COLUMNS": "160"} | self.environ | environ
        result = CliRunner().invoke(self.app, [str(word) for word in words], env=variables)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception  # a traceback is a bug
        return Ended(result.exit_code, result.stdout, result.stderr)

    def told(self, *words: str | Path) -> dict[str, Any]:
        """The JSON of a command that works."""
        ended = self.run(*words, "-o", "json")
        assert ended.code == 0, ended
        assert ended.err == ""
        assert ended.told["result"] == "ok"
        return ended.told

    def stopped(self, *words: str | Path, code: int = 1, **environ: str) -> dict[str, Any]:
        """The JSON of a command that does not; the same failure for people is a sentence on stderr."""
        ended = self.run(*words, "-o", "json", **environ)
        assert ended.code == code, ended
        shown = self.run(*words, **environ)
        assert (shown.code, shown.out) == (code, "")
        assert "Traceback" not in shown.err
        assert shown.err.strip().endswith((".", "`")), shown.err
        return ended.told

    def with_(self, **environ: str) -> Terminal:
        return replace(self, environ=self.environ | environ)


@dataclass(frozen=True)
class Desk:
    """An operator's desk: a terminal, and a gateway that runs."""

    terminal: Terminal
    gateway: Gateway
    home: Path
    folder: Path  # for what commands write

    def enrolled(self, partner_id: str, *options: str) -> Path:
        """A caller that was onboarded by commands alone; returns its folder."""
        folder = self.folder / partner_id
        self.terminal.told("partner", "add", partner_id, "--name", f"{partner_id} Ltd", *options)
        self.terminal.told("partner", "request", partner_id, "--out", folder)
        self.terminal.told("partner", "enroll", partner_id, "--csr", folder / "request.csr", "--out", folder)
        return folder

    def lender(self, partner_id: str) -> Client:
        folder = self.enrolled(partner_id, "--daily", "100", "--monthly", "1000", "--threshold", "600")
        return client_of(folder, f"127.0.0.1:{self.gateway.partner_port}")


def client_of(folder: Path, target: str, log: str | None = None) -> Client:
    return Client.trusting_first_use(
        target,
        log=log,
        certificate=folder / "certificate.pem",
        key=folder / "key.pem",
        server_ca=folder / "server-ca.pem",
    )


def terms() -> Terms:
    return Terms(
        purpose=Purpose.CREDIT_APPLICATION,
        disclosures=(Disclosure.SCORE, Disclosure.REASONS),
        valid_for=30 * DAY,
        data_life=90 * DAY,
    )


@pytest.fixture(scope="session")
def app() -> typer.Typer:
    return whole_app()


def whole_app() -> typer.Typer:
    """The command with all that is installed beside it."""
    made = typer.Typer(name="scoregate", add_completion=False, pretty_exceptions_enable=False)
    made.command("verify")(verify_file)
    made.add_typer(log_app)
    made.add_typer(receipt_app)
    made.add_typer(witness_app)
    extend(made)
    return made


@pytest.fixture
def terminal(app: typer.Typer, tmp_path: Path) -> Terminal:
    """A terminal of a machine on which nothing was made yet."""
    return Terminal(app, {"SCOREGATE_HOME": str(tmp_path / "home"), **ANY_PORTS})


@pytest.fixture(scope="session")
def desk(app: typer.Typer, tmp_path_factory: pytest.TempPathFactory, engine_folder: Path) -> Iterator[Desk]:
    """One for all tests; each makes partners of its own."""
    folder = tmp_path_factory.mktemp("desk")
    home = folder / "home"
    environ = {"SCOREGATE_HOME": str(home), "SCOREGATE_ENGINE__FOLDER": str(engine_folder)}
    assert Terminal(app, environ | ANY_PORTS).run("init").code == 0
    gateway = Gateway.start(load(environ | ANY_PORTS))
    doors = {
        "SCOREGATE_LISTEN__PARTNER": f"127.0.0.1:{gateway.partner_port}",
        "SCOREGATE_LISTEN__ADMIN": f"127.0.0.1:{gateway.admin_port}",
        "SCOREGATE_LISTEN__HTTP": f"127.0.0.1:{gateway.http_port}",
    }
    yield Desk(Terminal(app, environ | doors), gateway, home, folder)
    gateway.stop(timedelta(seconds=1))


@dataclass
class Process:
    """A command that keeps running, and what it said when it was ready."""

    process: subprocess.Popen[str]
    errors: Path
    told: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "scoregate", *map(str, words)]


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a shell would hand to a process: this one's variables, and the installation's."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("SCOREGATE_")}
    return mine | {"SCOREGATE_HOME": str(home), "COLUMNS": "160", **ANY_PORTS} | more


def pages_at(port: int) -> dict[str, str]:
    """The variables that put the consumers' pages there: links name their address, so port 0 will not do."""
    address = f"127.0.0.1:{port}"
    return {"SCOREGATE_LISTEN__PAGES": address, "SCOREGATE_PAGES__URL": f"http://{address}"}


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Whatever a test starts; it ends with the test, whichever way that goes."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def start(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> Callable[..., Process]:
    """Starts commands that keep running, and waits until they say that they are ready.

    Without ``until`` they say so in JSON; with it, in text for people that ends with a line holding it.
    """

    def begin(*words: str, env: dict[str, str], until: str = "", cwd: Path | None = None) -> Process:
        errors = tmp_path / f"stderr-{len(processes)}"
        line = command(*words) if until else command(*words, "-o", "json")
        with errors.open("w") as sink:
            process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=sink, text=True, env=env, cwd=cwd)
        processes.append(process)
        assert process.stdout is not None
        text = ""
        for said in process.stdout:
            text += said
            if until and until in said:
                return Process(process, errors, text=text)
            if not until and said == "}\n":
                return Process(process, errors, told=json.loads(text))
        raise AssertionError(f"it ended with {process.wait()}: {text}{errors.read_text()}")

    return begin


@contextmanager
def interrupted_in(function: Callable[..., Any]) -> Iterator[None]:
    """Somebody presses Ctrl-C as soon as this function is called."""

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(watch)
    yield
    assert sys.getprofile() is None, "it was never called"


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    before = content(folder)
    yield
    assert content(folder) == before


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path from there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
