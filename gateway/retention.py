"""For how long the private parts of entries are kept, by purpose; and their erasure when that is over.

What is older than its purpose's time is due, unless it is held: everything of a person who has an open
dispute or review, and what concerns a consent that still runs. Held parts become due when that ends. Entries
without a purpose (freezes, disputes, officers' reads) have a time of their own.

It is looked for outside the ledger's lock; each chunk is erased in one transaction, with its own REDACTED
entry. Nothing is remembered between runs: what was erased is not found again, and what broke off is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent.register import forgetting
from gateway import erasing
from gateway.audit.log import entries, first_since, private_parts
from gateway.audit.persons import person_entries
from gateway.audit.private import LOG, DataKey, Sealed, Unreadable, Vault, data_keys, owner_subject
from gateway.erasing import LegalBasis
from gateway.ledger import Ledger, Transaction
from gateway.settings.schema import Retention
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import moment
from scoregate.values import value
from scoregate.words import Purpose

OTHER = "OTHER"
"""Entries without a purpose."""

CHUNK = 500
"""Private parts that are looked at together, and erased in one transaction."""

NAMED = timedelta(days=30)
"""For how long an invitation whose time is over keeps the digests of whom it was for."""

_TICK = timedelta(microseconds=1)  # of the log's time: what is exactly so old is due

Schedule = Mapping[str, timedelta]
"""How long the private parts of each purpose's entries are kept, by its name; OTHER is one of them."""


@value
class Part:
    """A private part whose time is over."""

    leaf_index: int
    key_id: str
    owner: str
    purpose: str
    is_held: bool  # by an open dispute, or by a consent that still runs


@value
class Tally:
    """How many private parts of one purpose are older than they should become."""

    purpose: str
    kept: timedelta
    due: int
    held: int


def schedule(settings: Retention) -> Schedule:
    """The settings, by purpose."""
    names = [*Purpose, OTHER]
    return {name: timedelta(days=getattr(settings, f"{name.lower()}_days")) for name in names}


def tally(store: Store, vault: Vault, kept: Schedule, *, now: datetime) -> list[Tally]:
    """What is due at ``now`` and what is held, by purpose.

    Raises:
        StoreUnavailable: The database does not answer.
    """
    counts = Counter[tuple[str, bool]]()
    for chunk in _over(store, vault, kept, now):
        counts.update((part.purpose, part.is_held) for part in chunk)
    return [Tally(name, span, counts[name, False], counts[name, True]) for name, span in kept.items()]


def run(store: Store, ledger: Ledger, vault: Vault, kept: Schedule, *, now: datetime) -> int:
    """Erase what is due at ``now``; returns of how many entries.

    Raises:
        StoreUnavailable, LedgerUnavailable, LedgerBusy: The database can't be read or written now; what was
            erased stays so.
    """
    count = 0
    for chunk in _over(store, vault, kept, now):
        if due := [part for part in chunk if not part.is_held]:
            count += ledger.change(partial(_erase, due=due))
    if count:
        store.forget([private_parts.name, person_entries.name])
    return count


def unname(store: Store, ledger: Ledger, *, now: datetime) -> int:
    """Let invitations that ended ``NAMED`` ago say no more whom they were for; returns how many.

    Raises:
        StoreUnavailable, LedgerUnavailable, LedgerBusy: The database can't be read or written now.
    """
    count = 0
    while True:
        with store.reading() as connection:
            handles = forgetting.named_before(connection, now - NAMED, limit=CHUNK)
        if not handles:
            return count
        ledger.change(partial(_unname, handles=handles))
        count += len(handles)


def _unname(tx: Transaction, handles: Sequence[str]) -> None:
    forgetting.unname(tx.connection, handles)


def _over(store: Store, vault: Vault, kept: Schedule, now: datetime) -> Iterator[list[Part]]:
    """What is older than it should become, chunk by chunk along the log."""
    with store.reading() as connection:
        end = first_since(connection, now - min(kept.values()) + _TICK)
    begin = 0
    while begin < end:
        with store.reading() as connection:
            rows = _rows(connection, begin, end)
            found = _judged(connection, vault, rows, kept, now)
        if not rows:
            return
        begin = rows[-1].leaf_index + 1
        if found:
            yield found


def _rows(connection: Connection, begin: int, end: int) -> Sequence[Any]:
    part, key = private_parts.c, data_keys.c
    query = (
        sa.select(part.leaf_index, part.key_id, part.sealed, key.owner, entries.c.leaf)
        .join(entries, entries.c.leaf_index == part.leaf_index)
        .join(data_keys, key.key_id == part.key_id)
        .where(part.leaf_index >= begin, part.leaf_index < end, key.owner != LOG, key.wrapped != b"")
    )
    return connection.execute(query.order_by(part.leaf_index).limit(CHUNK)).all()


def _judged(
    connection: Connection,
    vault: Vault,
    rows: Sequence[Any],
    kept: Schedule,
    now: datetime,
) -> list[Part]:
    over = []
    for row in rows:
        leaf = leaf_pb2.Leaf.FromString(row.leaf)
        purpose = Purpose.of(leaf.purpose).value if leaf.purpose else OTHER
        if moment(leaf.time_micros) + kept[purpose] <= now:
            over.append((row, purpose))
    if not over:
        return []
    keys = vault.fresh(connection, {row.owner for row, _ in over})
    consents = {row.leaf_index: _consent(keys.get(row.owner), row) for row, _ in over}
    running = forgetting.running(connection, set(consents.values()), now=now)
    disputed = {owner_subject(subject) for subject in forgetting.disputing(connection)}
    return [
        Part(
            row.leaf_index,
            row.key_id,
            row.owner,
            purpose,
            row.owner in disputed or consents[row.leaf_index] in running,
        )
        for row, purpose in over
    ]


def _consent(key: DataKey | None, row: Row[Any]) -> str:
    """The consent that a private part concerns; of one that nobody can open, none."""
    if key is None:
        return ""
    try:
        part, _ = key.unbind(Sealed(row.key_id, row.sealed))
    except Unreadable:
        return ""
    return leaf_pb2.PrivatePart.FromString(part).consent_id


def _erase(tx: Transaction, due: Sequence[Part]) -> int:
    # A dispute may have been opened since; a consent that had ended doesn't begin again.
    disputed = {owner_subject(subject) for subject in forgetting.disputing(tx.connection)}
    wanted = [part.leaf_index for part in due if part.owner not in disputed]
    part = private_parts.c
    there = (
        sa.select(part.leaf_index)
        .join(data_keys)
        .where(part.leaf_index.in_(wanted), data_keys.c.wrapped != b"")
    )
    indexes = list(tx.connection.execute(there.order_by(part.leaf_index)).scalars().all())
    if not indexes:
        return 0  # another gateway was first, or somebody was erased whole
    tx.connection.execute(sa.delete(private_parts).where(part.leaf_index.in_(indexes)))
    listed = person_entries.c
    for key_id in {each.key_id for each in due}:
        mine = listed.key_id == key_id, listed.leaf_index.in_(indexes)
        tx.connection.execute(sa.delete(person_entries).where(*mine))
    erasing.redact(tx, indexes, LegalBasis.RETENTION_ENDED, actor="gateway")
    return len(indexes)
