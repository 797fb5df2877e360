"""A witness beside the gateway, in compliance's hands: a process with a folder and a key of its own.

It runs by the commands that a compliance officer uses, and knows of the gateway nothing but the log's vkey.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.demo.commands import LOOPBACK, Serving, run, why
from gateway.demo.page import StepFailed

NAME = "witness.example"


class Witness:
    """One witness's folder, and the process that serves it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.vkey = ""
        self.url = ""  # both once it is started
        self._folder = folder
        self._environ = environ
        self._said = folder.with_name("witness.json")
        self._serving: Serving | None = None

    @property
    def address(self) -> str:
        """Where it listens: HOST:PORT."""
        return self.url.partition("://")[2]

    @property
    def policy(self) -> str:
        """The lines that make it needed (C2SP tlog-policy)."""
        return f"witness {NAME} {self.vkey} {self.url}\nquorum {NAME}\n"

    @property
    def process_id(self) -> int:
        """Of the running witness; 0 without one."""
        return self._serving.process_id if self._serving else 0

    def start(self) -> None:
        """Make it and run it, on a port that is free; return once it serves.

        Raises:
            StepFailed: A command failed.
        """
        self._told("init", self._folder, "--name", NAME)
        self._serving = Serving(
            *("witness", "run", self._folder, "--listen", f"{LOOPBACK}:0", "-o", "json"),
            environ=self._environ,
            log=self._folder.with_name("witness.log"),
            out=self._said,
        )
        self._serving.wait_until(self._has_said_where)

    def trust(self, vkey: str) -> None:
        """Cosign the log of this key from now on.

        Raises:
            StepFailed: It refused.
        """
        self._told("trust", self._folder, vkey)

    def stop(self) -> None:
        """Have it end."""
        if self._serving:
            self._serving.stop()

    def _told(self, *arguments: str | Path) -> dict[str, Any]:
        code, result = run("witness", *arguments, environ=self._environ)
        if code:
            raise StepFailed(f"scoregate witness {arguments[0]}", f"it ended with {code}: {why(result)}")
        return result

    def _has_said_where(self) -> bool:
        try:
            told = json.loads(self._said.read_text())
        except ValueError:  # not yet, or not all of it
            return False
        self.vkey, self.url = told["vkey"], told["url"]
        return True
