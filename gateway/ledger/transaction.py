"""One transaction under the head lock: what it may do, and the order in which it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Connection

from consent.sql import Writing, write
from gateway import partners
from gateway.audit.log import Appended, Appender, Head, lock_head
from gateway.audit.private import Bound, Vault, owner_partner, owner_subject
from scoregate.audit.v1 import leaf_pb2


class Transaction:
    """Holds the head lock, so it is the only writer; ``now`` is read under it, and never goes back."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime], vault: Vault) -> None:
        self.connection = connection
        self.vault = vault
        self.head: Head = lock_head(connection)
        vault.follow(self.head.erasures, self.head.master_version)
        self._sequences: dict[str, int] = {}  # each partner's last number
        self._numbered: set[str] = set()  # those whose number moved
        self._writings: list[Writing] = []
        self._appender = Appender(self.head, clock(), self._next_sequence)
        self.now: datetime = self._appender.now

    @property
    def latest(self) -> datetime:
        """The time of the log's last entry once this has committed."""
        return self._appender.latest

    def append(self, leaf: leaf_pb2.Leaf, private: Bound | None = None) -> Appended:
        """Add an entry to the log."""
        return self._appender.append(leaf, private)

    def bind(self, part: leaf_pb2.PrivatePart, *, partner_id: str) -> Bound:
        """Seal a private part under the person's key, or the partner's where nobody is known."""
        owner = owner_subject(part.subject) if part.subject else owner_partner(partner_id)
        return self.bind_to(part, owner=owner)

    def bind_to(self, part: leaf_pb2.PrivatePart, *, owner: str) -> Bound:
        """Seal a private part under this owner's key."""
        return self.vault.ensure(self.connection, owner).bind(part.SerializeToString())

    def bind_known(self, part: leaf_pb2.PrivatePart) -> Bound | None:
        """Seal what was looked at under the person's key; None where there is none.

        Nobody's file begins by being looked for: that of an erased person would begin anew.
        """
        owner = owner_subject(part.subject)
        key = self.vault.fresh(self.connection, [owner]).get(owner)
        return None if key is None else key.bind(part.SerializeToString())

    def write(self, *writings: Writing) -> None:
        """Write these with what is appended."""
        self._writings += writings

    def flush(self) -> None:
        """Write it all; returns once the database has taken every row. The caller commits."""
        moved = {partner_id: self._sequences[partner_id] for partner_id in self._numbered}
        write(self.connection, *self._writings, *self._appender.appended(), partners.moved(moved))

    def know_sequences(self, numbers: dict[str, int]) -> None:
        """Take partners' last numbers from rows that this transaction has read anyway."""
        self._sequences = numbers | self._sequences

    def _next_sequence(self, partner_id: str) -> int:
        if partner_id not in self._sequences:
            self._sequences |= partners.sequences(self.connection, [partner_id])
        number = self._sequences.get(partner_id, 0) + 1
        self._sequences[partner_id] = number
        self._numbered.add(partner_id)
        return number
