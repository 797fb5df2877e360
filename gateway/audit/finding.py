"""Finds entries for an export, a piece of the log at a time, and opens their private parts.

Whom entries are about is looked up in the index that is made behind the log (persons.py): nothing is
decrypted to find them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.engine import Connection

from consent.sql import Select
from gateway.audit.log import read_entries, read_leaves
from gateway.audit.persons import indexes_from
from gateway.audit.private import Sealed, Unreadable, Vault
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.exports.entries import PartState
from scoregate.auditing.exports.filters import Filter
from scoregate.proof.leaf import CommitmentInvalid, open_commitment
from scoregate.values import value

WINDOW = 4_096
"""Entries that are looked through at a time: some ten milliseconds of work."""


@value
class Opened:
    """What became of a private part."""

    state: PartState
    part: bytes = b""
    blind: bytes = b""


def find(
    connection: Connection, wanted: Filter, key_id: str | None, *, begin: int, end: int, limit: int
) -> tuple[dict[int, bytes], int]:
    """Some of the entries with begin ≤ index < end that pass a filter, rising; and how far was looked.

    At most ``limit``, and at most ``WINDOW`` are looked through. ``key_id`` is of the person whom a filter is
    about; None: nothing is kept about them.
    """
    if wanted.about_a_person:
        if key_id is None:
            return {}, end
        indexes, looked = indexes_from(connection, key_id, begin=begin, end=end, limit=limit, window=WINDOW)
        leaves = read_entries(connection, indexes)
        read = [(index, leaves[index]) for index in indexes]
    else:
        looked = min(begin + (WINDOW if wanted.is_by_leaf else limit), end)
        read = list(enumerate(map(bytes, read_leaves(connection, begin, looked)), begin))
    found: dict[int, bytes] = {}
    for index, leaf in read:
        if not wanted.broken_by(leaf_pb2.Leaf.FromString(leaf)):
            if len(found) == limit:
                return found, index
            found[index] = leaf
    return found, looked


_read_parts = Select(
    "SELECT p.leaf_index, p.key_id, p.sealed, k.owner FROM private_parts p"
    " JOIN data_keys k ON k.key_id = p.key_id WHERE p.leaf_index IN :indexes"
)


def open_parts(connection: Connection, vault: Vault, entries: Mapping[int, bytes]) -> dict[int, Opened]:
    """What became of the private part of each of these entries; none for those that never had one."""
    commitments = {
        index: commitment
        for index, leaf in entries.items()
        if (commitment := leaf_pb2.Leaf.FromString(leaf).commitment)
    }
    rows = _read_parts.rows(connection, indexes=list(commitments)) if commitments else []
    keys = vault.fresh(connection, {owner for *_, owner in rows})
    found = {index: Opened(PartState.ABSENT) for index in commitments}
    for index, key_id, sealed, owner in rows:
        if owner not in keys:
            continue  # erased, and its rows are on their way out
        try:
            part, blind = keys[owner].unbind(Sealed(key_id, bytes(sealed)))
            open_commitment(commitments[index], part, blind)
            found[index] = Opened(PartState.OPENED, part, blind)
        except (Unreadable, CommitmentInvalid):
            found[index] = Opened(PartState.UNREADABLE)
    return found
