"""The ledger's lock in a stranger's hand, so that gateways race at the one place where they can.

A gateway reads a call's quota and grant, signs its answer, and only then waits for the lock of the log's
head. While somebody else has it, every gateway gets as far as that with what it has read, and further calls
pile up behind; once it is let go, the gateways decide one after the other on what they have read, or read
anew. Nothing of this can be seen from outside until it is over: who waits for SQLite's lock leaves no trace.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.audit.log import lock_head
from gateway.settings import Settings
from gateway.store import open_store

HELD_SECONDS = 0.03  # about ten times what a gateway takes to get there
FREE_SECONDS = 0.02


class Latch:
    """The lock of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._store = open_store(settings.database.url)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else commits while the block runs; nothing is written, and nothing lost."""
        with self._store.writer.begin() as connection:
            lock_head(connection)
            yield

    def let_them_come(self) -> None:
        """Give the gateways, while it is held, time to come and wait with what they were asked so far."""
        time.sleep(HELD_SECONDS)

    @contextmanager
    def stuttering(self, held: float = HELD_SECONDS, free: float = FREE_SECONDS) -> Iterator[None]:
        """The lock is held again and again while the block runs, so many seconds each."""
        enough = threading.Event()

        def hold() -> None:
            while not enough.is_set():
                with self.held():
                    enough.wait(held)
                enough.wait(free)

        holding = threading.Thread(target=hold)
        holding.start()
        try:
            yield
        finally:
            enough.set()
            holding.join()

    def close(self) -> None:
        """Let go for good."""
        self._store.close()
