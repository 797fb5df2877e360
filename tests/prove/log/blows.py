"""What is done to a process at a point: sudden death by its own hand, or a disk that refuses for a while.

SQLite's disk is full where its own small one is filled to the last page (or, where none can be mounted, by
PRAGMA max_page_count), and fails by RLIMIT_FSIZE. A PostgreSQL server is made to raise disk_full or io_error
itself, in the very transaction. A file's own disk is the step that raises OSError.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from gateway.store import BUSY
from tests.prove.crashes import driver
from tests.prove.crashes.doom import Doom
from tests.prove.crashes.driver import Line, WatchedServer, Work
from tests.prove.crashes.points import Point
from tests.prove.log.points import Blow, Strike
from tests.prove.storage_faults.disk import PAGE_BYTES, fill

WITHOUT_LIMIT = resource.RLIM_INFINITY
_SQLSTATES = {Blow.FULL: "53100", Blow.FAULT: "58030"}
_NO_DISK = (sqlite3.OperationalError, psycopg.Error)


@dataclass
class Fate:
    """Of one process: at most one strike at a time. ``say`` is told when it falls."""

    say: Callable[[str], None]
    file: Path | None = None  # of an SQLite ledger
    small_disk: bool = False  # the file lies on one, which may be filled
    _strike: Strike | None = None
    _trick: Callable[[Line, str, Work, str], Any] | None = None
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, strike: Strike) -> None:
        """From now on this may fall."""
        self._seen = 0
        self._trick = None
        if isinstance(strike.spot.at, Point):
            doom = self._doom(strike, strike.spot.at)
            doom.arm()
            self._trick = doom.trick
        self._strike = strike

    def _doom(self, strike: Strike, point: Point) -> Doom:
        if strike.blow is Blow.KILL:
            return Doom(point, strike.nth, self.say, self.file)
        return _Refusal(point, strike.nth, self.say, self.file, strike, self.small_disk)

    def trick(self, line: Line, act: str, work: Work, statement: str) -> Any:
        """Around every statement."""
        return work(statement) if self._trick is None else self._trick(line, act, work, statement)

    def reached(self, step: object) -> None:
        """At every step.

        Raises:
            OSError: The disk refuses.
        """
        strike = self._strike
        if strike is None or strike.spot.at != step:
            return
        with self._lock:
            self._seen += 1
            late = self._seen - strike.nth
        if late < 0:
            return
        if strike.blow is Blow.KILL:
            self.say(str(strike.spot))
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
        if late == strike.errors - 1:  # the last of them
            self._strike = None
            self.say(str(strike.spot))
        if late < strike.errors:
            raise OSError(strike.blow.errno, os.strerror(strike.blow.errno))


@dataclass
class _Refusal(Doom):
    """A disk that refuses from a point on, until so many statements have failed."""

    strike: Strike
    small_disk: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        self._left = 0
        self._ill = ExitStack()

    def trick(self, line: Line, act: str, work: Work, statement: str) -> Any:
        """Around every statement."""
        if self._is_due(self.point.when, line, act):
            self._left = self.strike.errors
            if not isinstance(line, WatchedServer):
                self._ill.enter_context(self._no_disk())
        try:
            if self._left and isinstance(line, WatchedServer) and act == self.point.act:
                self._server_refuses(line)
            return work(statement)
        except _NO_DISK as error:
            # PRAGMA is nobody's but housekeeping's; who is only busy has met no disk.
            if act != "PRAGMA" and getattr(error, "sqlite_errorcode", 0) not in BUSY:
                self._one_more()
            raise

    def _one_more(self) -> None:
        with self._lock:
            self._left = max(0, self._left - 1)
            is_over = not self._left
        if is_over and self._seen >= self.nth and self._armed:
            self._armed = False
            self._ill.close()
            self.last_words(self.point.name)

    def _server_refuses(self, line: WatchedServer) -> None:
        code = _SQLSTATES[self.strike.blow]
        psycopg.Cursor(line).execute(f"DO $$BEGIN RAISE EXCEPTION 'no disk' USING ERRCODE = '{code}'; END$$")

    @contextmanager
    def _no_disk(self) -> Iterator[None]:
        if self.strike.blow is Blow.FAULT:
            resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE_BYTES, WITHOUT_LIMIT))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (WITHOUT_LIMIT, WITHOUT_LIMIT))
        elif self.small_disk and self.file is not None:
            with fill(self.file.with_name("ballast")):
                yield
        else:
            driver.tell_files("max_page_count = 1")
            try:
                yield
            finally:
                driver.tell_files("max_page_count = 1073741823")
