"""The key that signs attestations now, and how it is turned.

Private halves are files that every replica can read; which of them signs is decided by
the database, under the head lock. A process keeps what it knew in memory: a signature
made with a key that was turned meanwhile is noticed in the release transaction, which
names the right one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Connection

from consent import keyring, keys
from consent.keyring import PublicKey
from consent.keys import SigningKey
from gateway.audit.log import create_head, read_head, set_signing_kid
from gateway.ledger import Transaction
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoregate.proof.jwk import Algorithm


class RingBroken(Exception):
    """The database doesn't say which key signs, or which one comes next."""


@dataclass(frozen=True, slots=True)
class Signing:
    """What an attestation is made with, and for which log."""

    key: SigningKey
    log_origin: str


class Signer:
    """Knows the current key.

    Raises:
        StoreUnavailable: The database does not answer, or the log has no head.
        KeyFileError: A key's file is missing or not as it should be.
        RingBroken: The database's keys don't fit each other.
    """

    def __init__(self, store: Store, folder: Path, *, algorithm: Algorithm) -> None:
        self._store = store
        self._folder = folder
        self._algorithm = algorithm
        self._signing = self.refresh()
        states = {key.state: key.kid for key in self.published() if key.state != "RETIRED"}
        if states.get("CURRENT") != self._signing.key.kid or "NEXT" not in states:
            raise RingBroken("the table signing_keys does not fit the log's head")
        keys.load(self._folder, states["NEXT"])  # better missed now than when it is turned

    def signing(self) -> Signing:
        """As far as this process knows."""
        return self._signing

    def refresh(self) -> Signing:
        """Read from the database which key signs.

        Raises:
            StoreUnavailable: The database does not answer.
            KeyFileInvalid: The key's file is missing or not as it should be (``consent.keys``).
        """
        with self._store.reading() as connection:
            head = read_head(connection)
        self._signing = Signing(keys.load(self._folder, head.signing_kid), head.origin)
        return self._signing

    def published(self) -> list[PublicKey]:
        """Every key there ever was, newest first."""
        with self._store.reading() as connection:
            return keyring.published(connection)

    def jwks(self) -> str:
        """The JWK Set: every key there ever was, so that attestations verify for years."""
        return keys.jwks([key.public_jwk for key in self.published()])

    def turning(self, *, actor: str, reason: str) -> Callable[[Transaction], None]:
        """The change that makes the published next key current, and publishes a new next one.

        Raises:
            KeyFileError: No key can be written here; from the change: the next key's file can't be used
                here, and nothing is turned.
        """
        fresh = keys.generate(self._folder, self._algorithm)
        return lambda tx: self._turn(tx, fresh, actor=actor, reason=reason)

    def _turn(self, tx: Transaction, fresh: SigningKey, *, actor: str, reason: str) -> None:
        kid = keyring.turn(tx.connection)
        keys.load(self._folder, kid)  # before anything is committed: a ring that can't sign answers nobody
        keyring.publish(tx.connection, _public(fresh, "NEXT", tx.now))
        set_signing_kid(tx.connection, kid)
        record_key(tx, kid, f"current: {reason}", actor=actor)
        record_key(tx, fresh.kid, "next", actor=actor)


def begin_log(
    connection: Connection,
    current: SigningKey,
    following: SigningKey,
    *,
    origin: str,
    pairwise_check: bytes,
    now: datetime,
) -> None:
    """Begin an empty log that its first key signs for; ``scoregate init`` calls it once."""
    create_head(connection, origin=origin, signing_kid=current.kid, pairwise_check=pairwise_check)
    keyring.publish(connection, _public(current, "CURRENT", now))
    keyring.publish(connection, _public(following, "NEXT", now))


def record_key(tx: Transaction, kid: str, what: str, *, actor: str) -> None:
    """Each transition of a key is an entry."""
    tx.append(leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_KEY_CHANGED, object_id=kid, actor=actor, reason=what))


def _public(key: SigningKey, state: str, now: datetime) -> PublicKey:
    return PublicKey(key.kid, key.algorithm, state, key.public_jwk, now)
