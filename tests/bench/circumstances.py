"""What the bench ran on, and how commits reach the disk there."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import sqlalchemy as sa

from gateway.store import Store

FSYNCS = 25
SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def require_two_cores() -> tuple[int, int]:
    """The cores of server and generator, or an end with a sentence."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2:
        sys.exit("The bench pins server and generator to a core each: it needs Linux and two cores.")
    return available[0], available[1]


def machine() -> dict[str, str]:
    """What this ran on, and when."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": f"{os.cpu_count()} of {model}; server on one, generator on another",
        "python": platform.python_version(),
        "grpcio": metadata.version("grpcio"),
        "load_average": load_average(),
    }


def load_average() -> str:
    """Over 1, 5 and 15 minutes, whoever made it."""
    return " / ".join(f"{average:.1f}" for average in os.getloadavg())


def durability(store: Store) -> dict[str, str]:
    """How commits reach the disk, as a connection of the store's own kind says."""
    with store.reading() as connection:
        if store.url.get_backend_name() == "postgresql":
            names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
            return {name: connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names}
        return sqlite_durability(connection)


def sqlite_durability(connection: sa.Connection) -> dict[str, str]:
    """The same of one connection to SQLite."""
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    return {"journal_mode": mode, "synchronous": SYNCHRONOUS[level]}


def fsync_us(folder: Path) -> int:
    """What one fdatasync of 4 KiB takes in ``folder``, µs, the median of a few."""
    file = folder / "fsync"
    taken = []
    with file.open("wb", buffering=0) as out:
        for _ in range(FSYNCS):
            out.write(b"\0" * 4096)
            started = time.perf_counter()
            os.fdatasync(out.fileno())
            taken.append(time.perf_counter() - started)
    file.unlink()
    return round(statistics.median(taken) * 1e6)


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
