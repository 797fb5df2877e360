"""`scoregate serve` itself, as a process on the server's core: the bench's own modules are not in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.settings import Settings
from tests.bench.failed import BenchFailed
from tests.bench.processor import cpu_seconds

STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What of a process is in memory, MB of 1,000,000 bytes."""

    now: float
    most: float  # so far


@dataclass(frozen=True, slots=True)
class Command:
    """A running one."""

    port: int
    pid: int
    began: float  # by time.perf_counter, just before the process was started

    def cpu_seconds(self) -> float:
        """Processor time of the whole process so far, user and system, to 10 ms."""
        return cpu_seconds(self.pid)

    def database_cpu_seconds(self) -> float:
        """The same of its database's processes: SQLite has none."""
        return 0.0

    def memory_mb(self) -> Memory:
        """What of it is in memory."""
        lines = [line.split() for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()]
        kib = {words[0]: int(words[1]) for words in lines if words[:1] in (["VmRSS:"], ["VmHWM:"])}
        return Memory(kib["VmRSS:"] * 1024 / 1e6, kib["VmHWM:"] * 1024 / 1e6)


@contextmanager
def serving(settings: Settings, core: int) -> Iterator[Command]:
    """The command until the block ends; it serves when the block begins.

    Raises:
        BenchFailed: It did not start, or did not end as it should.
    """
    with _on_core(core):
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "scoregate", "serve", "--output", "json"],
            env=os.environ | _told(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    try:
        yield Command(_port(process), process.pid, began)
        process.terminate()
        if process.wait(STOP_SECONDS) != 0:
            raise BenchFailed(f"`scoregate serve` ended with {process.returncode}.")
    finally:
        process.kill()  # by its id, and only if it is still there
        process.communicate()


def _port(process: subprocess.Popen[bytes]) -> int:
    """Of the partner door, which it tells once it serves."""
    said = b""
    while process.stdout and (line := process.stdout.readline()):
        said += line
        if line == b"}\n":
            break
    try:
        return int(json.loads(said)["partner"].rpartition(":")[2])
    except ValueError as error:
        raise BenchFailed("`scoregate serve` did not start.") from error


def _told(settings: Settings) -> dict[str, str]:
    return {
        "SCOREGATE_HOME": str(settings.home),
        "SCOREGATE_MODE": settings.mode,
        "SCOREGATE_DATABASE__URL": settings.database.url,
        "SCOREGATE_ENGINE__FOLDER": str(settings.engine.folder),
        "SCOREGATE_LISTEN__PARTNER": "127.0.0.1:0",
        "SCOREGATE_LISTEN__ADMIN": "127.0.0.1:0",
        "SCOREGATE_LISTEN__HTTP": "127.0.0.1:0",
    }


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """What is started in the block begins on ``core``, and stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
