"""An installation of the demo's own and the processes that serve it, by the commands that an operator uses.

It is an ordinary one in development mode, on loopback ports that were free a moment ago. Of the caller's own
SCOREGATE_* variables none reaches it.
"""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.demo import commands
from gateway.demo.commands import LOOPBACK, Serving
from gateway.demo.page import StepFailed
from gateway.demo.people import Credentials
from gateway.pages.log import prefix_of
from gateway.settings import Settings, load
from gateway.settings.schema import DEVELOPMENT_DOMAIN

WITNESS_MS = 5_000  # a checkpoint waits for its witness as long as this, on a machine that has much to do

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


class Installation:
    """One SCOREGATE_HOME."""

    def __init__(self, home: Path, *, engine: Path) -> None:
        self.home = home
        self.settings: Settings  # once it is founded
        self._engine = engine
        self._environ = {**_environment(home, os.environ), "SCOREGATE_ENGINE__FOLDER": str(engine)}
        self._log = home.with_name("gateway.log")
        self._processes: list[Serving] = []  # the gateway, and then the pages

    @property
    def partner_address(self) -> str:
        """The partner door."""
        return str(self.settings.listen.partner)

    @property
    def admin_address(self) -> str:
        """The admin door."""
        return str(self.settings.listen.admin)

    @property
    def addresses(self) -> list[str]:
        """Where its processes listen: HOST:PORT each."""
        listen = self.settings.listen
        served = [listen.partner, listen.admin, listen.http]
        return [str(each) for each in (*served, *([listen.pages] if self.pages_process_id else []))]

    @property
    def log_path(self) -> str:
        """Where the published log begins, below the public address."""
        return f"/{prefix_of(self.settings.log_origin)}"

    @property
    def ledger(self) -> Path:
        """The SQLite file."""
        return self.home / "ledger.db"

    @property
    def process_id(self) -> int:
        """Of the running gateway; 0 without one."""
        return self._processes[0].process_id if self._processes else 0

    @property
    def pages_process_id(self) -> int:
        """Of the running pages; 0 without them."""
        return self._processes[1].process_id if len(self._processes) > 1 else 0

    @property
    def operator(self) -> Credentials:
        """The first operator's certificate, key and server CA."""
        folder = self.home / "operator"
        return Credentials(folder / "operator.pem", folder / "operator.key", folder / "server-ca.pem")

    def run(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        """Run `scoregate ARGUMENTS -o json` here; return its exit code and its result.

        Raises:
            StepFailed: It does not end, or says nothing that is JSON.
        """
        return commands.run(*arguments, environ=self._environ)

    def found(self) -> None:
        """Run `scoregate init`.

        Raises:
            StepFailed: It refused.
        """
        code, result = self.run("init")
        if code:
            raise StepFailed("scoregate init", f"it ended with {code}: {commands.why(result)}")
        self.settings = load(self._environ)

    def second(self, **changes: str) -> Installation:
        """Return another gateway on the same files, with ports and these settings of its own; not started."""
        other = Installation(self.home, engine=self._engine)
        told = self.settings
        other._environ |= {"SCOREGATE_PUBLIC_URL": told.public_url, "SCOREGATE_PAGES__URL": told.pages.url}
        other._environ |= changes
        other._log = self._log.with_name("second-gateway.log")
        other.settings = load(other._environ)
        return other

    def start(self, *, with_pages: bool = False) -> None:
        """Run `scoregate serve`, and `scoregate serve --pages` beside it; return once they serve.

        Raises:
            StepFailed: One of them ended, or did not serve in time.
        """
        listen = self.settings.listen
        processes = {(): listen.http, ("--pages",): listen.pages} if with_pages else {(): listen.http}
        started = [(self._begin(*options), str(address)) for options, address in processes.items()]
        for process, address in started:
            process.wait_until(partial(self._serves, address))

    def _begin(self, *options: str) -> Serving:
        self._processes.append(Serving("serve", *options, environ=self._environ, log=self._log))
        return self._processes[-1]

    def stop(self) -> None:
        """Have pages and gateway drain and end."""
        while self._processes:
            self._processes.pop().stop()

    def fetch(self, path: str, address: str = "") -> tuple[int, bytes]:
        """Return status and body of one of the gateway's public pages, or of what is at another address.

        Raises:
            StepFailed: It does not answer.
        """
        try:
            with _DIRECT.open(f"http://{address or self.settings.listen.http}{path}", timeout=5) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, b""
        except OSError as error:
            said = commands.last_words(self._log)
            raise StepFailed("the gateway's pages answer", f"they do not; it said: {said}") from error

    def _serves(self, address: str) -> bool:
        try:
            return self.fetch("/healthz", address)[0] == 200
        except StepFailed:
            return False


def own_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's variables without Scoregate's own; loopback needs no proxy."""
    kept = {name: value for name, value in caller.items() if not name.upper().startswith("SCOREGATE_")}
    return {**kept, "no_proxy": LOOPBACK}


def _environment(home: Path, caller: Mapping[str, str]) -> dict[str, str]:
    partner, admin, http, pages = _free_ports(4)
    return {
        **own_environment(caller),
        "SCOREGATE_HOME": str(home),
        "SCOREGATE_LISTEN__PARTNER": f"{LOOPBACK}:{partner}",
        "SCOREGATE_LISTEN__ADMIN": f"{LOOPBACK}:{admin}",
        "SCOREGATE_LISTEN__HTTP": f"{LOOPBACK}:{http}",
        "SCOREGATE_LISTEN__PAGES": f"{LOOPBACK}:{pages}",
        "SCOREGATE_PUBLIC_URL": f"http://{LOOPBACK}:{http}",
        "SCOREGATE_PAGES__URL": f"http://{LOOPBACK}:{pages}",
        "SCOREGATE_LOG_ORIGIN": _log_name(datetime.now(UTC)),
        "SCOREGATE_LOG__WITNESS_TIMEOUT_MS": f"{WITNESS_MS}",
    }


def _log_name(now: datetime) -> str:
    # This half-year's, so that it keeps its key: under an earlier name it would go on under another at once.
    return f"{DEVELOPMENT_DOMAIN}/log/{now.year}h{1 if now.month <= 6 else 2}"


def _free_ports(count: int) -> list[int]:
    # All are held at once, so that they differ.
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
