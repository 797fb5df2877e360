"""A small sampling profiler: which lines of ours the processor works for. Runs inside the server.

About a thousand times a second it asks each thread's own processor clock how far it came, and puts that
on the innermost frame of ours. Taking a sample needs the interpreter's lock, so a share is true to a few
parts in a hundred, and what a thread did just before it began to wait is put on the waiting.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
ROOMS = tuple(f"{ROOT / room}/" for room in ("gateway", "consent", "scoring", "scoregate"))
EVERY_SECONDS = 0.001
SWITCH_SECONDS = 0.0001
NO_PYTHON = "threads of gRPC's own, without Python"


@dataclass(frozen=True, slots=True)
class Samples:
    """Processor seconds by thread kind and place."""

    places: Counter[tuple[str, str]]
    total_seconds: float


class Sampler:
    """Samples this process from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._places: Counter[tuple[str, str]] = Counter()
        self._clocks: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._began = 0.0

    def start(self) -> None:
        """Begin; only once."""
        self._began = time.process_time()
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()

    def stop(self) -> Samples:
        """End, and return what was seen."""
        self._ended.set()
        self._thread.join()
        total = time.process_time() - self._began
        self._places[NO_PYTHON, ""] = max(0.0, total - self._places.total())  # type: ignore[assignment]
        return Samples(self._places, total)

    def _run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS * random.uniform(0.5, 1.5)):  # noqa: S311
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                spent = self._spent(ident)
                if spent:
                    self._places[_kind(names.get(ident, "?")), _place(frame)] += spent  # type: ignore[assignment]

    def _spent(self, ident: int) -> float:
        # A thread that has a frame while we hold the lock is alive, so its clock exists.
        now = time.clock_gettime(time.pthread_getcpuclockid(ident))
        before = self._clocks.get(ident, now)
        self._clocks[ident] = now
        return now - before


def _kind(name: str) -> str:
    return name.partition("_")[0].partition("-")[0].partition(" ")[0]


def _place(frame: FrameType) -> str:
    """The innermost frame of ours, and what it called outside."""
    inner: FrameType | None = frame
    outside = ""
    while inner is not None:
        code = inner.f_code
        if code.co_filename.startswith(ROOMS):
            where = f"{Path(code.co_filename).relative_to(ROOT)}:{inner.f_lineno} {code.co_qualname}"
            return f"{where} → {outside}" if outside else where
        outside = code.co_qualname
        inner = inner.f_back
    return f"({Path(frame.f_code.co_filename).name} {frame.f_code.co_qualname})"
