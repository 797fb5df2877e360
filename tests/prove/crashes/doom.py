"""The tricks that are played on a gateway, inside its process: sudden death, and drivers that break promises.

``Doom`` strikes the process dead (SIGKILL, by its own hand) at one point. ``hasty``, ``credulous`` and
``blind`` are the control arms: known-broken variants that a campaign must catch.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from gateway.server import parts
from gateway.store import Store, open_store
from tests.prove.crashes.driver import CHANGES, COMMIT, LOCK, LOCKING, ROLLBACK, Line, WatchedServer, Work
from tests.prove.crashes.points import CHECKPOINT, Point, When

COMMIT_SECONDS = 0.001
"""A blow during COMMIT falls within about as long as one takes."""


@dataclass
class Doom:
    """Death at a point, once the process is told that it may come."""

    point: Point
    nth: int  # occurrence of the point
    last_words: Callable[[str], None]  # told just before
    file: Path | None  # of an SQLite ledger

    def __post_init__(self) -> None:
        self._armed = False
        self._seen = 0
        self._lock = threading.Lock()

    def arm(self) -> None:
        """From now on it may strike."""
        self._armed = True
        if self.point.act == CHECKPOINT and self.point.when is When.DURING:
            threading.Thread(target=self._watch_file, daemon=True).start()

    def trick(self, line: Line, act: str, work: Work, statement: str) -> Any:
        """Around every statement."""
        if self._is_due(When.BEFORE, line, act):
            self._strike()
        if self._is_due(When.DURING, line, act):
            self._strike_during(line)
        written_at = self._written_at()
        result = work(statement)
        if self._is_due(When.AFTER, line, act):
            self._strike()
        if act == COMMIT and self._written_at() != written_at and self._is_due(When.AFTER, line, CHECKPOINT):
            self._strike()
        return result

    def _is_due(self, when: When, line: Line, act: str) -> bool:
        point = self.point
        if (
            not self._armed
            or (when, act) != (point.when, point.act)
            or not line.done.issuperset(point.having)
            or not line.done.isdisjoint(point.lacking)
        ):
            return False
        with self._lock:
            self._seen += 1
            return self._seen == self.nth

    def _strike_during(self, line: Line) -> None:
        if isinstance(line, WatchedServer):  # sent, and never heard of again
            line.pgconn.send_query(COMMIT.encode())
            while line.pgconn.flush():
                pass
            self._strike()
        delay = random.uniform(0, COMMIT_SECONDS)  # noqa: S311
        threading.Thread(target=self._strike_in, args=(delay,), daemon=True).start()

    def _strike_in(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        self._strike()

    def _watch_file(self) -> None:
        """Nothing but a checkpoint writes to the file itself; its first page is enough."""
        written_at = self._written_at()
        while self._written_at() == written_at:
            pass
        self._strike()

    def _written_at(self) -> int:
        return self.file.stat().st_mtime_ns if self.file is not None and self.point.act == CHECKPOINT else 0

    def _strike(self) -> None:
        self.last_words(self.point.name)
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()


class Hasty:
    """A driver that says COMMIT is done, and does it with the next statement."""

    is_on = False

    def trick(self, line: Line, act: str, work: Work, statement: str) -> Any:
        """Around every statement."""
        if line.owes_commit:
            line.owes_commit = False
            line.commit_now()
        if self.is_on and act == COMMIT:
            line.owes_commit = True
            return None
        return work(statement)


class Credulous:
    """A driver that takes the store's errors for success, from the lock to COMMIT."""

    is_on = False

    def trick(self, line: Line, act: str, work: Work, statement: str) -> Any:
        """Around every statement."""
        if line.is_void:
            return self._pretend(line, act, work, statement)
        try:
            return work(statement)
        except (sqlite3.OperationalError, psycopg.Error):
            if not self.is_on or not (act in {LOCK, COMMIT} or act.startswith(CHANGES)):
                raise
        with suppress(sqlite3.Error, psycopg.Error):
            line.abandon()
        line.is_void = act != COMMIT
        return self._pretend(line, act, work, statement) if line.is_void else None

    def _pretend(self, line: Line, act: str, work: Work, statement: str) -> Any:
        if act in {COMMIT, ROLLBACK}:
            line.is_void = False
            return line.abandon()
        if act == LOCK and statement.startswith("SELECT"):
            return work(statement[: statement.rindex(LOCKING.strip())])
        return None if act == LOCK or act.startswith(CHANGES) else work(statement)


class _Unseen(dict[Path, int]):
    """The files' inodes, which nobody gets to compare."""

    def items(self) -> Any:
        """None."""
        return ()


def blind() -> None:
    """From now on a store that is opened doesn't notice that its file is gone, or another one."""

    def open_blind(url: str, **options: Any) -> Store:
        store = open_store(url, **options)
        return replace(store, inodes=_Unseen(store.inodes))

    setattr(parts, "open_store", open_blind)  # noqa: B010  # the one known-broken part that no seam takes
