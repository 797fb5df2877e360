"""Work that is done at a walking pace: refusing whoever calls more often than he may.

A caller that takes a refusal as the signal to call again calls as often as it is refused. Refused at once, a
flood of such calls would have all of the door's time; refused unhurriedly, it waits, and while it waits it
holds streams of its own connections, of which there are so many and no more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

A_SECOND = 1_000
"""So much is done at most."""

AT_ONCE = 5
"""Done one after the other, for a rest costs more than a refusal."""

MOST_WAITING = 2_048
"""About ten kilobytes each, of gRPC's."""

Work = Callable[[], None]


class Unhurried:
    """Does what it is given, in order, on a thread of its own. The work never waits."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # so that nothing comes behind the end
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="unhurried", daemon=True)
        self._thread.start()

    def do(self, work: Work) -> bool:
        """Do it later; returns False, and does not, where too much waits already."""
        with self._lock:
            if self._is_closing or self._queue.qsize() >= MOST_WAITING:
                return False
            self._queue.put(work)
        return True

    def close(self) -> None:
        """Do what waits, in a hurry now, and nothing that comes later."""
        with self._lock:
            self._is_closing = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            for _ in range(AT_ONCE):
                work = self._queue.get()
                if work is None:
                    return
                try:
                    work()
                except Exception:  # without this thread nobody is refused any more
                    log.exception("a call could not be refused")
            if not self._is_closing:
                time.sleep(AT_ONCE / A_SECOND)
