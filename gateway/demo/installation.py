"""An installation of the demo's own and the processes that serve it, by the commands that an operator uses.

It is an ordinary one in development mode, on loopback ports that were free a moment ago. Of the caller's own
SCOREGATE_* variables none reaches it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.demo.page import StepFailed
from gateway.demo.people import Credentials
from gateway.settings import Settings, load

SCOREGATE = (sys.executable, "-m", "scoregate")
LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
COMMAND_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.05
SHOWN_CHARACTERS = 400


_NO_FRAMES = dict.fromkeys(map(ord, "╭╮╰╯│─"))  # rich puts some messages into one
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


class Installation:
    """One SCOREGATE_HOME."""

    def __init__(self, home: Path, *, engine: Path) -> None:
        self.home = home
        self.settings: Settings  # once it is founded
        self._engine = engine
        self._environ = {**_environment(home, os.environ), "SCOREGATE_ENGINE__FOLDER": str(engine)}
        self._log = home.with_name("gateway.log")
        self._processes: list[subprocess.Popen[bytes]] = []  # the gateway, and then the pages

    @property
    def partner_address(self) -> str:
        """The partner door."""
        return str(self.settings.listen.partner)

    @property
    def admin_address(self) -> str:
        """The admin door."""
        return str(self.settings.listen.admin)

    @property
    def ledger(self) -> Path:
        """The SQLite file."""
        return self.home / "ledger.db"

    @property
    def process_id(self) -> int:
        """Of the running gateway; 0 without one."""
        return self._processes[0].pid if self._processes else 0

    @property
    def pages_process_id(self) -> int:
        """Of the running pages; 0 without them."""
        return self._processes[1].pid if len(self._processes) > 1 else 0

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
        command, step = (*SCOREGATE, *map(str, arguments), "-o", "json"), f"scoregate {arguments[0]}"
        try:
            ended = subprocess.run(  # noqa: S603
                command,
                env=self._environ,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
            result: dict[str, Any] = json.loads(ended.stdout)
        except subprocess.TimeoutExpired as error:
            raise StepFailed(step, f"it took over {COMMAND_SECONDS:.0f} s") from error
        except ValueError as error:
            raise StepFailed(
                step, f"it ended with {ended.returncode}: {_last_words(ended.stderr)}"
            ) from error
        return ended.returncode, result

    def found(self) -> None:
        """Run `scoregate init`.

        Raises:
            StepFailed: It refused.
        """
        code, result = self.run("init")
        if code:
            raise StepFailed("scoregate init", f"it ended with {code}: {json.dumps(result)}")
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
        started = [(options, self._begin(*options), str(address)) for options, address in processes.items()]
        for options, process, address in started:
            self._await(" ".join(("scoregate serve", *options)), process, address)

    def _begin(self, *options: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                (*SCOREGATE, "serve", *options),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops them
            )
        self._processes.append(process)
        return process

    def _await(self, step: str, process: subprocess.Popen[bytes], address: str) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not self._serves(address):
            if process.poll() is not None:
                raise StepFailed(step, f"it ended at once: {self._said()}")
            if time.monotonic() > give_up:
                raise StepFailed(step, f"not serving after {START_SECONDS:.0f} s: {self._said()}")
            time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """Have pages and gateway drain and end."""
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

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
            raise StepFailed("the gateway's pages answer", f"they do not; it said: {self._said()}") from error

    def _serves(self, address: str) -> bool:
        try:
            return self.fetch("/healthz", address)[0] == 200
        except StepFailed:
            return False

    def _said(self) -> str:
        return _last_words(self._log.read_text(errors="replace"))


def _last_words(text: str) -> str:
    return " ".join(text.translate(_NO_FRAMES).split())[-SHOWN_CHARACTERS:] or "(nothing)"


def _environment(home: Path, caller: Mapping[str, str]) -> dict[str, str]:
    partner, admin, http, pages = _free_ports(4)
    kept = {name: value for name, value in caller.items() if not name.upper().startswith("SCOREGATE_")}
    return {
        **kept,
        "SCOREGATE_HOME": str(home),
        "SCOREGATE_LISTEN__PARTNER": f"{LOOPBACK}:{partner}",
        "SCOREGATE_LISTEN__ADMIN": f"{LOOPBACK}:{admin}",
        "SCOREGATE_LISTEN__HTTP": f"{LOOPBACK}:{http}",
        "SCOREGATE_LISTEN__PAGES": f"{LOOPBACK}:{pages}",
        "SCOREGATE_PUBLIC_URL": f"http://{LOOPBACK}:{http}",
        "SCOREGATE_PAGES__URL": f"http://{LOOPBACK}:{pages}",
    }


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
