"""Disputes as people read them: the words and the outcome, which the register keeps sealed, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from consent.register.disputes import Dispute
from gateway.audit.private import DataKey, Sealed, Vault, owner_subject


@dataclass(frozen=True, slots=True)
class Told:
    """A dispute and what was written. Both texts are empty of a person who was erased."""

    dispute: Dispute
    words: str = field(repr=False)
    outcome: str = field(repr=False)  # "" while it is open


def told(connection: Connection, vault: Vault, disputes: Sequence[Dispute]) -> list[Told]:
    """These disputes, opened, over a connection that sees committed rows only.

    Raises:
        Unreadable: What was sealed has been altered.
    """
    keys = vault.fresh(connection, {owner_subject(each.subject) for each in disputes})
    return [_told(each, keys.get(owner_subject(each.subject))) for each in disputes]


def _told(dispute: Dispute, key: DataKey | None) -> Told:
    if key is None or key.key_id != dispute.key_id:
        return Told(dispute, "", "")
    words = key.open(Sealed(dispute.key_id, dispute.words)).decode()
    if dispute.outcome is None:
        return Told(dispute, words, "")
    return Told(dispute, words, key.open(Sealed(dispute.key_id, dispute.outcome)).decode())
