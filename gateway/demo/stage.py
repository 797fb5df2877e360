"""Where the story happens: a folder, an installation in it, and its gateway in a process of its own.

    HOME/installation/   SCOREGATE_HOME: settings, authorities, keys, ledger, engine, gateway.log
    HOME/<who>/          what one lender or officer keeps: key, certificate, receipts, the pulled log

The installation is an ordinary one in development mode, on loopback ports that were free. Of the caller's
environment no SCOREGATE_* variable reaches it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway import founding
from gateway.demo.people import Credentials, Lender, Operator, close
from gateway.settings import Settings, load, template
from scoregate.admin.v1 import partner_admin_pb2
from scoregate.client import Client, Consent, ScoreAnswer, ScoreQuery
from scoregate.client.connection import Connection

SERVE = (sys.executable, "-m", "gateway.demo.serve")
LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
LOOK_EVERY_SECONDS = 0.05
LOG_LINES = 3


class GatewayFailed(Exception):
    """The gateway's process did not start, or ended. The text says what it said last."""


class Gateway:
    """An installation, founded in an empty folder, and the process that serves it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._environ = dict(_environment(home, os.environ))
        home.mkdir(mode=0o700)
        (home / "scoregate.toml").write_text(template(home))
        self.settings: Settings = load(self._environ)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def partner_address(self) -> str:
        """The partner door."""
        return str(self.settings.listen.partner)

    @property
    def admin_address(self) -> str:
        """The admin door."""
        return str(self.settings.listen.admin)

    @property
    def process_id(self) -> int:
        """Of the running gateway; 0 without one."""
        return self._process.pid if self._process else 0

    def found(self) -> Credentials:
        """Lay the foundation, as `scoregate init` does, and return the first operator's credentials."""
        made = founding.found(self.settings, now=datetime.now(UTC))
        return Credentials(made.certificate, made.key, made.server_ca)

    def start(self) -> None:
        """Start the process, and return once it serves.

        Raises:
            GatewayFailed: It ended, or did not serve in time.
        """
        with (self.home / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                SERVE,
                env=self._environ,
                stdin=subprocess.PIPE,  # it ends with this, so it never outlives the demo
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the gateway
            )
        give_up = time.monotonic() + START_SECONDS
        while not self._serves():
            if self._process.poll() is not None:
                raise GatewayFailed(f"the gateway ended at once: {self._said()}")
            if time.monotonic() > give_up:
                raise GatewayFailed(f"the gateway did not serve within {START_SECONDS:.0f} s: {self._said()}")
            time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> int | None:
        """Have it drain and end; return its exit code, None if there was no process."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()

    def fetch(self, path: str) -> tuple[int, bytes]:
        """Return status and body of one of its public pages.

        Raises:
            GatewayFailed: It does not answer.
        """
        try:
            # The address is our own settings', loopback and http.
            with urllib.request.urlopen(f"{self.settings.public_url}{path}", timeout=5) as response:  # noqa: S310
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, b""
        except OSError as error:
            raise GatewayFailed(f"the gateway's pages do not answer: {self._said()}") from error

    def _serves(self) -> bool:
        try:
            return self.fetch("/healthz")[0] == 200
        except GatewayFailed:
            return False

    def _said(self) -> str:
        lines = (self.home / "gateway.log").read_text(errors="replace").split("\n")
        return " ".join(line.strip() for line in lines if line.strip())[-400:] or "it said nothing"


class Stage:
    """What the chapters share. An attribute without a value is set by the chapter that is about it.

    ``after_pull`` is called with the folder of the pulled log before it is verified; a test puts something in
    that spoils it, to see the demo notice.
    """

    gateway: Gateway
    operator: Operator
    meadow: Lender  # the lender of the story
    harbour: Lender  # another one
    consent: Consent  # the borrower's, to meadow
    query: ScoreQuery  # the first question
    answer: ScoreAnswer  # and its answer

    def __init__(
        self, home: Path, *, people: int = 1_000, after_pull: Callable[[Path], None] = lambda _: None
    ) -> None:
        self.home = home
        self.people = people
        self.after_pull = after_pull
        self._open: list[Connection | Client] = []

    def connect(self, credentials: Credentials) -> Connection:
        """Open a connection to the admin door; the stage closes it."""
        connection = credentials.connect(self.gateway.admin_address)
        self._open.append(connection)
        return connection

    def client(self, credentials: Credentials, jwks: Path) -> Client:
        """Open a lender's client; the stage closes it."""
        client = Client(
            self.gateway.partner_address,
            certificate=credentials.certificate,
            key=credentials.key,
            server_ca=credentials.server_ca,
            issuer=self.gateway.settings.issuer,
            jwks=jwks,
        )
        self._open.append(client)
        return client

    def units(self) -> int:
        """Return the contract units that both lenders have spent this month, by the gateway's meters."""
        return sum(self.operator.units(lender.partner_id) for lender in (self.meadow, self.harbour))

    def close(self) -> int | None:
        """Close every connection and stop the gateway; return its exit code."""
        connections, self._open = self._open, []
        close(connections)
        return self.gateway.stop() if hasattr(self, "gateway") else None


def contract(**changes: int) -> partner_admin_pb2.Contract:
    """Return a lender's contract: 5,000 units a day, 50,000 a month, thresholds 600 and 650."""
    units = {"daily_units": 5_000, "monthly_units": 50_000, "calls_per_second": 5_000, "burst_calls": 5_000}
    return partner_admin_pb2.Contract(**(units | changes), thresholds=[600, 650])


def _environment(home: Path, caller: Mapping[str, str]) -> Mapping[str, str]:
    partner, admin, http = _free_ports(3)
    kept = {name: value for name, value in caller.items() if not name.upper().startswith("SCOREGATE_")}
    return kept | {
        "SCOREGATE_HOME": str(home),
        "SCOREGATE_LISTEN__PARTNER": f"{LOOPBACK}:{partner}",
        "SCOREGATE_LISTEN__ADMIN": f"{LOOPBACK}:{admin}",
        "SCOREGATE_LISTEN__HTTP": f"{LOOPBACK}:{http}",
        "SCOREGATE_PUBLIC_URL": f"http://{LOOPBACK}:{http}",
    }


def _free_ports(count: int) -> list[int]:
    # All are held at once, so that they differ; the gateway takes them a moment later.
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
