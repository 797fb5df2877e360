"""`scoregate`, as a person runs it: a command that ends, or one that serves until it is stopped."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.demo.page import StepFailed

SCOREGATE = (sys.executable, "-m", "scoregate")
LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
COMMAND_SECONDS = 60.0
CONNECT_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.05
SHOWN_CHARACTERS = 400

_NO_FRAMES = dict.fromkeys(map(ord, "╭╮╰╯│─"))  # rich puts some messages into one


def run(*arguments: str | Path, environ: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Run `scoregate ARGUMENTS -o json`; return its exit code and its result.

    Raises:
        StepFailed: It does not end, or says nothing that is JSON.
    """
    command, step = (*SCOREGATE, *map(str, arguments), "-o", "json"), f"scoregate {arguments[0]}"
    try:
        ended = subprocess.run(  # noqa: S603
            command,
            env=environ,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        result: dict[str, Any] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired as error:
        raise StepFailed(step, f"it took over {COMMAND_SECONDS:.0f} s") from error
    except ValueError as error:
        raise StepFailed(step, f"it ended with {ended.returncode}: {_last_words(ended.stderr)}") from error
    return ended.returncode, result


def why(result: dict[str, Any]) -> str:
    """Return the sentence of a command that did not end well."""
    problems = [f"{each['problem']} {each['remedy']}".strip() for each in result.get("problems", ())]
    return str(result.get("message") or " ".join(problems) or result)


class Serving:
    """A command that serves. What it says goes into ``log``, but for stdout if ``out`` is given."""

    def __init__(
        self, *arguments: str | Path, environ: Mapping[str, str], log: Path, out: Path | None = None
    ) -> None:
        self._step = " ".join(("scoregate", *map(str, arguments[:2])))
        self._log = log
        with log.open("ab") as told, (out or log).open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603
                (*SCOREGATE, *map(str, arguments)),
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=told,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops them
            )

    @property
    def process_id(self) -> int:
        """Of the process, which may have ended."""
        return self._process.pid

    def wait_until(self, serves: Callable[[], bool]) -> None:
        """Return once it serves.

        Raises:
            StepFailed: It ended, or did not serve in time.
        """
        give_up = time.monotonic() + START_SECONDS
        while not serves():
            if self._process.poll() is not None:
                raise StepFailed(self._step, f"it ended at once: {last_words(self._log)}")
            if time.monotonic() > give_up:
                raise StepFailed(
                    self._step, f"not serving after {START_SECONDS:.0f} s: {last_words(self._log)}"
                )
            time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """Have it drain and end; does nothing the second time."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def is_listening(address: str) -> bool:
    """Whether anybody takes a connection at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def last_words(file: Path) -> str:
    """Return the end of what a command said."""
    return _last_words(file.read_text(errors="replace"))


def _last_words(text: str) -> str:
    return " ".join(text.translate(_NO_FRAMES).split())[-SHOWN_CHARACTERS:] or "(nothing)"
