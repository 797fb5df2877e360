"""Processes that are born ready, and may be killed: forked from a server that has imported everything.

A start from nothing takes a second, nearly all of it imports. The server is ``multiprocessing``'s own; it
has no thread and no connection, so what it bears is as good as started from nothing. Whoever is born ends
with the campaign.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gateway.cli.logs import configure

PATIENCE_SECONDS = 30.0
KILLED = -signal.SIGKILL
PRELOADED = [f"tests.prove.log.{name}" for name in ("works", "guarding", "serving")]


@dataclass(frozen=True, slots=True)
class Ready:
    """It has begun, or has done what it was told."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Words:
    """Said at the point, just before the blow, or once a disk has refused and is well again."""

    of: str


@dataclass
class Talk:
    """The child's end of the line. Any thread may talk."""

    pipe: Connection
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, what: object) -> None:
        """Say it; whoever has nobody to talk to any more ends."""
        with self._lock:
            try:
                self.pipe.send(what)
            except OSError:
                os._exit(0)

    def told(self) -> tuple[Any, ...]:
        """What it is told next; it ends with whoever tells."""
        try:
            words: tuple[Any, ...] = self.pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        return words


Living = Callable[..., None]  # (talk, *what it was born with)


class Life:
    """One process. ``hear`` is told what it says, in a thread of this process."""

    def __init__(self, log: Path, hear: Callable[[object], None], living: Living, *born_with: object) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs, log, living, *born_with), daemon=True)
        self._process.start()
        theirs.close()
        self._log, self._hear = log, hear
        self._came = threading.Condition()
        self._ready: list[Ready] = []
        self._words: list[str] = []
        self._ended = False
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def begun(self) -> Any:
        """What it says of itself once it has begun.

        Raises:
            RuntimeError: It has ended, or says nothing; the message has what is in its log.
        """
        return self._await_ready()

    def tell(self, *words: object) -> Any:
        """Tell it something; returns what came of it, once it has."""
        try:
            self._pipe.send(words)
        except OSError as error:
            raise RuntimeError(f"it has ended: {self._said()}") from error
        return self._await_ready()

    def order(self, *words: object) -> None:
        """Tell it something that it may not survive, if it lives; nobody asks what came of it."""
        with suppress(OSError):
            self._pipe.send(words)
        with self._came:
            self._came.wait_for(lambda: self._ready or self._ended, PATIENCE_SECONDS)
            self._ready.clear()

    def last_words(self, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait for its words at a point; "" where none came in time."""
        with self._came:
            self._came.wait_for(lambda: self._words or self._ended, seconds)
            return self._words.pop(0) if self._words else ""

    def end(self, seconds: float = PATIENCE_SECONDS) -> int | None:
        """Wait for its end, and for everything that it said; its exit code, None where it lives on."""
        self._process.join(seconds)
        if self._process.exitcode is not None:
            self._listening.join(seconds)
        return self._process.exitcode

    def stop(self) -> None:
        """Kill it, and wait for its end."""
        self._process.kill()
        self._process.join()
        self._listening.join()
        self._pipe.close()

    def _await_ready(self) -> Any:
        with self._came:
            self._came.wait_for(lambda: self._ready or self._ended, PATIENCE_SECONDS)
            if self._ready:
                return self._ready.pop(0).value
        raise RuntimeError(f"it says nothing any more: {self._said()}")

    def _said(self) -> str:
        return self._log.read_text()[-2_000:] if self._log.exists() else "nothing"

    def _listen(self) -> None:
        try:
            while True:
                said = self._pipe.recv()
                with self._came:
                    if isinstance(said, Ready):
                        self._ready.append(said)
                    elif isinstance(said, Words):
                        self._words.append(said.of)
                    self._came.notify_all()
                if not isinstance(said, Ready | Words):
                    self._hear(said)
        except (EOFError, OSError):
            with self._came:
                self._ended = True
                self._came.notify_all()


def _live(pipe: Connection, log: Path, living: Living, *born_with: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the campaign, which then ends this
    with log.open("ab", buffering=0) as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    configure(development=False)
    try:
        living(Talk(pipe), *born_with)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def await_(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it comes in time."""
    give_up = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > give_up:
            return False
        pause.wait(0.005)
    return True
