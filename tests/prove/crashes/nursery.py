"""Gateways that are born ready and may be killed: one process imports everything, and forks one per order.

A start from nothing takes a second, nearly all of it imports; a fork and a start take a twentieth. Nothing of
gRPC and no thread exists in a nursery, so what it bears is as good as started from nothing. It bears one at
a time, and reports how each ended. Whoever is born ends when the campaign is gone.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gateway.cli.logs import configure
from gateway.server import Gateway, Seams, wall_clock
from gateway.settings import Settings
from tests.prove.crashes import doom, driver
from tests.prove.crashes.points import Point

PATIENCE_SECONDS = 60.0
KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Order:
    """What kind of gateway."""

    settings: Settings
    point: Point | None = None  # where it is to die
    nth: int = 1
    armed: bool = False  # from birth on; else when told to "arm"
    variant: str = ""  # a "hasty" or "credulous" driver, once it is told "on"; a store "blind" from birth
    ahead: timedelta = timedelta()  # of its clock
    silent: bool = False  # writes no log lines: a limit on its files' sizes would meet them


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, as wait(2) says it."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class Words:
    """The last ones of a process."""

    point: str


@dataclass
class Life:
    """A gateway in another process. Stands where a test's world has its gateway."""

    pipe: Connection
    order: Order
    pid: int
    partner_port: int = 0
    admin_port: int = 0
    http_port: int = 0
    last_words: str = ""
    exit_code: int | None = None

    def await_serving(self) -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: It has ended; the message has what it said.
        """
        self._hear(PATIENCE_SECONDS)
        if not self.partner_port:
            log = self.order.settings.home / "gateway.log"
            said = log.read_text()[-2_000:] if log.exists() else "nothing"
            raise RuntimeError(f"A gateway did not start (exit code {self.exit_code}), and said: {said}")

    def tell(self, *words: str) -> None:
        """Such as ("arm",), ("on",), ("pragma", "query_only = ON"); returns once it has taken effect."""
        self.pipe.send(words)
        self._hear(PATIENCE_SECONDS)

    def kill(self) -> None:
        """No drain, no last words."""
        if self.exit_code is None:
            with suppress(ProcessLookupError):  # a named point has killed it, a moment ago
                os.kill(self.pid, signal.SIGKILL)

    def end(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end; returns its exit code.

        Raises:
            TimeoutError: It lives on.
        """
        until = time.monotonic() + seconds
        while self.exit_code is None:
            self._hear(until - time.monotonic())
        return self.exit_code

    def has_ended(self) -> bool:
        """Whether it has come to an end by itself."""
        while self.exit_code is None and self.pipe.poll():
            self._hear(0.0)
        return self.exit_code is not None

    def stop(self, _: timedelta = timedelta()) -> None:
        """Kill it, and wait for its end."""
        self.kill()
        self.end()

    def _hear(self, seconds: float) -> object:
        if not self.pipe.poll(max(0.0, seconds)):
            raise TimeoutError
        said = self.pipe.recv()
        if isinstance(said, Ended):
            self.exit_code = said.exit_code
        elif isinstance(said, Words):
            self.last_words = said.point
        elif isinstance(said, tuple):
            self.partner_port, self.admin_port, self.http_port = said
        return said


@dataclass(frozen=True, slots=True)
class Nursery:
    """Bears gateways, one at a time."""

    pipe: Connection

    def bear(self, order: Order) -> Life:
        """A gateway that is about to start."""
        self.pipe.send(order)
        return Life(self.pipe, order, self.pipe.recv())


@contextmanager
def open_nursery() -> Iterator[Nursery]:
    """A nursery until the block ends, and with it whoever is alive there."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_rear, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Nursery(ours)
    finally:
        ours.close()  # whoever lives there hears of it
        process.join(PATIENCE_SECONDS)
        process.kill()
        process.join()


# --- in the nursery's process


def _rear(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the campaign, which then ends this
    if threading.active_count() > 1:
        raise RuntimeError("a nursery with threads can't fork")
    with suppress(EOFError, BrokenPipeError):
        while True:
            order = pipe.recv()
            if not isinstance(order, Order):
                continue  # it was meant for one who has died
            child = os.fork()
            if not child:
                _live(pipe, order)
            _, status = os.waitpid(child, 0)
            pipe.send(Ended(os.waitstatus_to_exitcode(status)))


def _live(pipe: Connection, order: Order) -> None:
    """In the child: serve until killed, or until the campaign is gone."""
    try:
        pipe.send(os.getpid())
        log = Path(os.devnull) if order.silent else order.settings.home / "gateway.log"
        with log.open("ab", buffering=0) as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        configure(development=False)
        _Tricked(pipe, order).serve()
    except EOFError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


@dataclass
class _Tricked:
    """A gateway and the tricks that are played on it."""

    pipe: Connection
    order: Order
    said: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        order = self.order
        self.doom = self._doom()
        if self.doom is not None:
            driver.play(self.doom.trick)
        self.driver = doom.Credulous() if order.variant == "credulous" else doom.Hasty()
        driver.play(self.driver.trick)
        if order.variant == "blind":
            doom.blind()
        driver.install()
        if self.doom is not None and order.armed:
            self.doom.arm()
        gateway = Gateway.start(order.settings, Seams(clock=self._clock))
        self._say((gateway.partner_port, gateway.admin_port, gateway.http_port))
        while True:
            self._obey(*self.pipe.recv())
            self._say(None)

    def _doom(self) -> doom.Doom | None:
        order = self.order
        if order.point is None or order.point.is_outside:
            return None
        file = order.settings.database.file
        return doom.Doom(order.point, order.nth, lambda name: self._say(Words(name)), file)

    def _clock(self) -> datetime:
        return wall_clock() + self.order.ahead

    def _say(self, what: Any) -> None:
        with self.said:  # threads meet their doom while another answers
            self.pipe.send(what)

    def _obey(self, word: str, text: str = "") -> None:
        if word == "arm" and self.doom is not None:
            self.doom.arm()
        elif word == "on":
            self.driver.is_on = True
        elif word == "pragma":
            driver.tell_files(text)
