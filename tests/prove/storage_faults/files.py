"""What befalls an SQLite ledger's file, and passes. Each fault is made from outside the process but one."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.prove.campaign import SQLITE
from tests.prove.storage_faults.disk import PAGE_BYTES, fill
from tests.prove.storage_faults.trial import Fault, Site

FULL = "full"
WITHOUT_LIMIT = resource.RLIM_INFINITY


def _file(site: Site) -> Path:
    file = site.house.settings.database.file
    assert file is not None
    return file


@contextmanager
def _full_disk(site: Site) -> Iterator[None]:
    with fill(_file(site).with_name("ballast")):
        yield


@contextmanager
def _told(site: Site, pragma: str, back: str) -> Iterator[None]:
    site.life.tell("pragma", pragma)
    try:
        yield
    finally:
        site.life.tell("pragma", back)


@contextmanager
def _failing_writes(site: Site) -> Iterator[None]:
    resource.prlimit(site.life.pid, resource.RLIMIT_FSIZE, (PAGE_BYTES, WITHOUT_LIMIT))
    try:
        yield
    finally:
        resource.prlimit(site.life.pid, resource.RLIMIT_FSIZE, (WITHOUT_LIMIT, WITHOUT_LIMIT))


@contextmanager
def _held_lock(site: Site) -> Iterator[None]:
    with closing(sqlite3.connect(_file(site), isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def _unlinked(site: Site) -> Iterator[None]:
    file = _file(site)
    aside = file.with_name("aside.db")
    os.link(file, aside)
    file.unlink()
    try:
        yield
    finally:
        aside.rename(file)  # over whatever the gateway may have made there


@contextmanager
def _replaced(site: Site) -> Iterator[None]:
    file = _file(site)
    aside, copy = file.with_name("aside.db"), file.with_name("copy.db")
    os.link(file, aside)
    shutil.copy(file, copy)
    copy.rename(file)
    try:
        yield
    finally:
        aside.rename(file)


def faults(*, has_own_disk: bool) -> list[Fault]:
    """All of them. A full disk is one of its own where one can be mounted, else SQLite is told of one."""
    if has_own_disk:
        full = Fault(FULL, "ENOSPC of a tmpfs that is filled", _full_disk, SQLITE, "credulous", False)
    else:
        pragmas = "max_page_count = 1", "max_page_count = 1073741823"
        full = Fault(FULL, "PRAGMA max_page_count", lambda s: _told(s, *pragmas), SQLITE, "credulous", False)
    writable = "query_only = ON", "query_only = OFF"
    return [
        full,
        Fault("EIO", "writes fail beyond RLIMIT_FSIZE", _failing_writes, SQLITE, "credulous", is_spared=True),
        Fault(
            "read-only",
            "PRAGMA query_only",
            lambda s: _told(s, *writable),
            SQLITE,
            "credulous",
            is_spared=True,
        ),
        Fault("hang", "another process holds the lock", _held_lock, SQLITE, "credulous", seconds=1.2, felt=1),
        Fault("unlinked", "the file is unlinked, and linked again", _unlinked, SQLITE, "blind"),
        Fault("replaced", "a copy takes the file's place", _replaced, SQLITE, "blind", is_spared=True),
    ]
