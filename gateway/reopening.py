"""An operator gives the log another name, at the installation itself: whether a gateway runs or refuses to.

After a restore of an older backup the log can't go on under its name: more was signed under it than the
ledger holds. It goes on under another one, from what the ledger holds; what was signed before is set aside,
so that whoever has it can show it, and nothing under the old name is signed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.audit.private import Unreadable
from gateway.audit.tree import signing
from gateway.audit.tree.integrate import Integrator, TreeRefused
from gateway.audit.tree.outside import Outside
from gateway.audit.tree.signing import LogKey
from gateway.audit.tree.tables import Origin, Tree, read_origins, read_tree, succeed
from gateway.ledger import Transaction
from gateway.masters import Masters
from gateway.pki.files import RESTORE, FileRefused
from gateway.renaming import NameTaken, rename
from gateway.settings import Settings
from gateway.store import StoreUnavailable, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note

ACTOR = "operator"


@dataclass(frozen=True, slots=True)
class Opened:
    """The log's new name."""

    before: str
    name: str
    vkey: str
    set_aside: Path | None  # where the last checkpoint of before lies now, after a restore


def open_name(
    settings: Settings, name: str, *, reason: str, after_restore: bool, clock: Callable[[], datetime]
) -> Opened:
    """Let the log go on under ``name``; with ``after_restore`` also from less than was signed before.

    Raises:
        NameTaken: It has, or had, this name.
        TreeRefused, OutsideUnusable: The ledger holds less than was signed, and this is no ``after_restore``.
        FileRefused: No key can be kept, or a secret can't be read.
        StoreUnavailable: The database can't be read or written.
    """
    store = open_store(settings.database.url, patience=settings.database.patience_seconds)
    try:
        with store.reading() as connection:
            origins, tree = read_origins(connection), read_tree(connection)
        if name in {origin.name for origin in origins}:
            raise NameTaken(name)
        outside = Outside(settings.log.checkpoint)
        if not after_restore:
            Integrator(store, key_folder=settings.log.key_folder, outside=outside)
        key = signing.create(settings.log.key_folder, name)
        with store.reading() as connection:
            vault = Masters(settings.secrets.master_key).open(connection)
        before = origins[-1]
        with store.writer.begin() as connection:
            tx = Transaction(connection, clock, vault)
            if after_restore:
                _break_off(tx, key, tree, before, reason)
            elif not rename(tx, key, before=before.name, actor=ACTOR, reason=reason):
                raise TreeRefused(f"the log was renamed meanwhile; it is not {before.name} any more")
            tx.flush()
        aside = _set_aside(outside, key, tree, len(origins)) if after_restore else None
        return Opened(before.name, name, str(key.verifier), aside)
    except Unreadable as error:
        raise FileRefused(settings.secrets.master_key, "is not this database's", RESTORE) from error
    except SQLAlchemyError as error:
        raise StoreUnavailable("the database can't be written; check its disk") from error
    finally:
        store.close()


def _break_off(tx: Transaction, key: LogKey, tree: Tree, before: Origin, reason: str) -> None:
    """End the old name where its last published checkpoint does; what lies behind is the new name's."""
    final = tree.published or tree.checkpoint
    ends = Checkpoint.decode(Note.decode(final).text).size if final else 0
    tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_LOG_RENAMED,
            object_id=str(key.verifier),
            actor=ACTOR,
            reason=f"after a restore: {reason}",
        )
    )
    succeed(
        tx.connection,
        before.name,
        key.verifier,
        ends=ends,
        final=final,
    )


def _set_aside(outside: Outside, key: LogKey, tree: Tree, number: int) -> Path | None:
    """Keep what was signed under the old name, and begin the file anew with the stored tree."""
    aside = None
    if outside.path.exists():
        aside = outside.path.with_name(f"{outside.path.name}.{number}")
        outside.path.rename(aside)
    outside.write(key.sign(Checkpoint(key.verifier.name, tree.size, tree.root)))
    return aside
