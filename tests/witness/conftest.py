"""Real witnesses: their folders, their doors on loopback, their processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.note import Note, VerifierKey, decode_signatures
from scoregate.witness.call import Patience
from scoregate.witness.door import Door
from scoregate.witness.folder import Folder
from scoregate.witness.logs import Log
from scoregate.witness.witness import Witness
from tests.witness.made_log import Caller, MadeLog

NAME = "witness.example/compliance"
START = datetime(2026, 11, 30, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@dataclass
class Clock:
    """It moves when told to, also back."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    @property
    def seconds(self) -> int:
        return int(self.now.timestamp())


@dataclass
class Place:
    """A witness's folder that trusts one log, and whoever works on it."""

    path: Path
    log: MadeLog = field(default_factory=MadeLog)
    clock: Clock = field(default_factory=Clock)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        folder = Folder.make(self.path, NAME)
        Log.of(folder, self.log.origin).trust(self.log.vkey, beside=False)

    @property
    def folder(self) -> Folder:
        return Folder.open(self.path)

    @property
    def vkey(self) -> VerifierKey:
        return self.folder.vkey

    def witness(self) -> Witness:
        """One more of them, as a start makes it."""
        return Witness.open(self.path, clock=self.clock, tell=self.told.append)

    def evidence(self) -> list[Path]:
        return sorted(self.folder.evidence.iterdir())

    def times(self, note: bytes, lines: bytes) -> list[int]:
        """When each of these cosignature lines says that this note was cosigned; each is verified."""
        text = Note.decode(note).text
        found = [cosigned_at(Note(text, (line,)), self.vkey) for line in decode_signatures(lines)]
        assert None not in found
        return found  # type: ignore[return-value]


@contextmanager
def opened(witness: Witness, *, patience: Patience | None = None, callers: int = 64) -> Iterator[Caller]:
    """The witness behind a real door."""
    door = Door(witness, "127.0.0.1", 0, patience=patience, callers=callers)
    serving = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield Caller(door.port)
    finally:
        door.stop(timedelta(seconds=5))
        serving.join()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "witness")


@pytest.fixture
def caller(place: Place) -> Iterator[Caller]:
    with opened(place.witness()) as caller:
        yield caller


@dataclass(frozen=True)
class Running:
    """A witness in another process."""

    process: subprocess.Popen[str]
    caller: Caller

    def end(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


Starts = Callable[..., Running]


@pytest.fixture
def start(place: Place) -> Iterator[Starts]:
    """Starts `scoregate witness run`, or one that dies by itself at a step."""
    with ExitStack() as ends:

        def begin(*, dies_at: str = "", visits: int = 1) -> Running:
            if dies_at:
                words = ["tests.witness.dying_witness", str(place.path), dies_at, str(visits)]
            else:
                words = [
                    "scoregate",
                    "witness",
                    "run",
                    str(place.path),
                    "--listen",
                    "127.0.0.1:0",
                    "-o",
                    "json",
                ]
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                env=dict(os.environ),
                stdout=subprocess.PIPE,
                text=True,
            )
            ends.callback(_end, process)
            return Running(process, Caller(int(_told(process)["url"].rpartition(":")[2])))

        yield begin


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            told: dict[str, Any] = json.loads(text)
            return told
    raise AssertionError(f"it ended with {process.wait()}: {text}")


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
