"""The master key, which wraps everybody's keys, by its versions; and how it is turned.

Each version is a file that every process can read: the first is ``secrets.master_key`` itself, the second
lies beside it as ``master-2.key``, and so on. Which one wraps is decided by the database, in the log's head,
which every transaction reads with its lock: from the entry that turns it on, no process wraps with the old
one. What was wrapped before is wrapped anew, a few keys at a time, and both open meanwhile; then an entry
says that nothing is wrapped by the old one, and its file may be destroyed. With it goes whatever an older
copy of the database could have told: nothing in there opens without it.

What was derived from the first master key for other purposes stays as it was: in the transaction that turns
the key, these secrets get rows of their own, wrapped like a person's key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent.sql import Update
from gateway.audit.log import read_head, set_master
from gateway.audit.private import DERIVED, PURPOSES, Unreadable, Vault, data_keys
from gateway.keys import record_key
from gateway.ledger import Ledger, Transaction
from gateway.pki import FileRefused
from gateway.settings import create_secret, read_secret, secret_versions
from gateway.store import Store

LIMIT = 500
"""Keys in one transaction."""


class RotationUnfinished(Exception):
    """What the rotation before left is still being wrapped anew."""

    reason = "STATE_CONFLICT"


@dataclass(frozen=True, slots=True)
class Standing:
    """Which versions there are."""

    version: int  # wraps
    oldest: int  # by which something is wrapped
    file: Path
    older_files: tuple[Path, ...]


class Masters:
    """The files of the master key's versions; ``path`` is the first one's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, version: int) -> Path:
        """Where a version's file lies."""
        if version == 1:
            return self._path
        return self._path.with_name(f"{self._path.stem}-{version}{self._path.suffix}")

    def read(self, version: int) -> bytes:
        """One version.

        Raises:
            FileRefused: Its file is missing, open to others, or no secret.
        """
        return read_secret(self.path(version))

    def find(self, version: int) -> bytes:
        """One version, for a vault.

        Raises:
            Unreadable: Its file can't be used.
        """
        try:
            return self.read(version)
        except FileRefused as error:
            raise Unreadable(f"a data key does not unwrap: {error}") from error

    def open(self, connection: Connection) -> Vault:
        """The vault over this database.

        Raises:
            FileRefused: The file of the version that wraps can't be used.
            Unreadable: The files are not those that wrapped what is in the database.
        """
        version = read_head(connection).master_version
        vault = Vault(self.read(version), master_version=version, find=self.find)
        vault.require_same_master(connection)
        vault.read_derived(connection)
        return vault

    def standing(self, connection: Connection) -> Standing:
        """How they stand now."""
        head = read_head(connection)
        older = [file for version, file in secret_versions(self._path) if version < head.master_version]
        return Standing(head.master_version, head.oldest_master, self.path(head.master_version), tuple(older))

    def turning(self, store: Store, *, actor: str, reason: str) -> Callable[[Transaction], int]:
        """The change that lets a new version wrap from now on; it returns that version.

        Its file is there and durable first. One that a broken off turn left behind wraps nothing, and is
        taken.

        Raises:
            FileRefused: No key can be written here.
            RotationUnfinished: From here or from the change: one thing after the other.
        """
        with store.reading() as connection:
            version = read_head(connection).master_version + 1
        path = self.path(version)
        fresh = read_secret(path) if path.exists() else create_secret(path)
        return partial(_turn, version=version, fresh=fresh, actor=actor, reason=reason)


def _turn(tx: Transaction, version: int, fresh: bytes, actor: str, reason: str) -> int:
    head = tx.head
    if head.oldest_master != head.master_version or head.master_version + 1 != version:
        raise RotationUnfinished
    derived = {purpose: tx.vault.derive(purpose) for purpose in PURPOSES}
    owned = data_keys.c.owner.in_([DERIVED + purpose for purpose in PURPOSES])
    kept = set(tx.connection.execute(sa.select(data_keys.c.owner).where(owned)).scalars())
    wrapping = Vault(fresh, master_version=version)
    for purpose, secret in derived.items():
        if DERIVED + purpose not in kept:
            wrapping.make(tx.connection, DERIVED + purpose, secret)
    set_master(tx.connection, version=version, oldest=head.oldest_master)
    record_key(tx, f"master-{version}", f"current: {reason}", actor=actor)
    return version


def wrap_anew(
    store: Store,
    ledger: Ledger,
    *,
    until: float = float("inf"),
    monotonic: Callable[[], float] = time.monotonic,
    limit: int = LIMIT,
) -> bool:
    """Wrap with the current version what an older one wrapped, ``limit`` keys in a transaction.

    Returns whether all of it is; else it broke off when the clock said ``until``. Broken off anywhere, it is
    called again and goes on.

    Raises:
        StoreUnavailable, LedgerUnavailable, LedgerBusy: The database can't be read or written now.
        Unreadable: A version that wraps something can't be used, from inside a transaction.
    """
    with store.reading() as connection:
        head = read_head(connection)
    if head.oldest_master == head.master_version:
        return True
    behind = ""
    while found := _old(store, behind, head.master_version, limit):
        if monotonic() >= until:
            return False
        ledger.change(partial(_wrap_anew, key_ids=found))
        behind = found[-1]
    # Whatever is made since the turn is wrapped by the new one: nothing old comes after this.
    if _old(store, "", head.master_version, 1):
        return False
    ledger.change(partial(_conclude, version=head.master_version))
    # Old wrappings are gone from the files, too: of these a master key that is destroyed must open none.
    store.forget([data_keys.name])
    return True


def _old(store: Store, behind: str, version: int, limit: int) -> list[str]:
    key = data_keys.c
    is_old = (key.key_id > behind, key.master_version < version, key.wrapped != b"")
    query = sa.select(key.key_id).where(*is_old).order_by(key.key_id).limit(limit)
    with store.reading() as connection:
        return list(connection.execute(query).scalars().all())


_rewrap = Update(data_keys.c.key_id, data_keys.c.wrapped, data_keys.c.master_version)


def _wrap_anew(tx: Transaction, key_ids: list[str]) -> None:
    """Read again under the lock: whoever was erased meanwhile stays erased."""
    key = data_keys.c
    query = sa.select(key.key_id, key.wrapped, key.master_version).where(
        key.key_id.in_(key_ids), key.wrapped != b"", key.master_version < tx.head.master_version
    )
    rows = tx.connection.execute(query).all()
    _rewrap.rows(
        tx.connection, [(*tx.vault.rewrapped(row.wrapped, row.master_version), row.key_id) for row in rows]
    )


def _conclude(tx: Transaction, version: int) -> None:
    head = tx.head
    if head.master_version != version or head.oldest_master == version:
        return  # another process was first
    for old in range(head.oldest_master, version):
        record_key(tx, f"master-{old}", "retired: nothing is wrapped with it", actor="gateway")
    set_master(tx.connection, version=version, oldest=version)
