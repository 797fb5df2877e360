"""What is about a person, encrypted under that person's own key.

Every person (and, for entries about nobody we know, every partner) has a random
256-bit data key, stored only wrapped: AES key wrap with padding is not needed for 32
bytes, so RFC 3394 under the operator's master key. Records are AES-256-GCM (NIST SP
800-38D) with random 96-bit nonces; a key would have to seal 2³² records before that
bound matters. Deleting the wrapped key erases everything it sealed.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from dataclasses import field
from threading import Lock

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy.engine import Connection

from consent.sql import Select
from gateway.store import metadata
from scoregate.proof.leaf import commit
from scoregate.values import value

KEY_BYTES = 32
BLIND_BYTES = 32
NONCE_BYTES = 12
CACHED_KEYS = 65_536
"""As bytes, in some 25 MB: a cipher that is ready takes ten times as much, and a microsecond to make."""

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False, unique=True),
    sa.Column("master_version", sa.Integer, nullable=False),
    sa.Column("wrapped", sa.LargeBinary(40), nullable=False),
)

_by_owner = Select("SELECT owner, key_id, wrapped FROM data_keys WHERE owner IN :owners")


class Unreadable(Exception):
    """A sealed record does not open: altered, or sealed under another key."""


@value
class Sealed:
    """One encrypted record: nonce, then ciphertext with its tag."""

    key_id: str
    data: bytes


@value
class Bound:
    """A sealed private part and the commitment that binds it to its leaf."""

    sealed: Sealed
    commitment: bytes


@value
class DataKey:
    """One owner's key, unwrapped. Lives in memory only."""

    key_id: str
    cipher: AESGCM = field(repr=False)

    def seal(self, plain: bytes) -> Sealed:
        """Encrypt one record."""
        return self._seal(plain, os.urandom(NONCE_BYTES))

    def _seal(self, plain: bytes, nonce: bytes) -> Sealed:
        return Sealed(self.key_id, nonce + self.cipher.encrypt(nonce, plain, self.key_id.encode()))

    def open(self, sealed: Sealed) -> bytes:
        """Decrypt one record.

        Raises:
            Unreadable: Altered, or not sealed under this key.
        """
        nonce, data = sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:]
        try:
            return self.cipher.decrypt(nonce, data, self.key_id.encode())
        except InvalidTag as error:
            raise Unreadable("a private record does not open") from error

    def bind(self, private_part: bytes) -> Bound:
        """Seal a private part with a fresh blind, and commit to it.

        The blind is sealed in front of the part, so that both are erased together.
        """
        drawn = os.urandom(BLIND_BYTES + NONCE_BYTES)  # once: asking costs more than what is got
        blind, nonce = drawn[:BLIND_BYTES], drawn[BLIND_BYTES:]
        return Bound(self._seal(blind + private_part, nonce), commit(private_part, blind))

    def unbind(self, sealed: Sealed) -> tuple[bytes, bytes]:
        """(private part, blind) of what ``bind`` sealed.

        Raises:
            Unreadable: Altered, or not sealed under this key.
        """
        plain = self.open(sealed)
        return plain[BLIND_BYTES:], plain[:BLIND_BYTES]


def owner_subject(subject: str) -> str:
    """The owner's name of a person's key."""
    return f"subject:{subject}"


def owner_partner(partner_id: str) -> str:
    """The owner's name of the key for entries about nobody we know."""
    return f"partner:{partner_id}"


class Vault:
    """Makes, keeps and unwraps data keys."""

    def __init__(self, master: bytes, *, master_version: int = 1) -> None:
        if len(master) != KEY_BYTES:
            raise ValueError(f"the master key has {len(master)} bytes; {KEY_BYTES} needed")
        self._master = master
        self._version = master_version
        self._lock = Lock()  # guards the cache
        self._by_owner: OrderedDict[str, tuple[str, bytes]] = OrderedDict()  # key id, and the key

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one other purpose (HKDF, RFC 5869); the master key itself only wraps."""
        info = f"scoregate {purpose} v1".encode()
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._master)

    def require_same_master(self, connection: Connection) -> None:
        """Return only if the master key is the one that wrapped what is here.

        Raises:
            Unreadable: It is another one; what it would seal, and what is sealed, could never be read
                together.
        """
        wrapped = connection.execute(sa.select(data_keys.c.wrapped).limit(1)).scalar_one_or_none()
        if wrapped is not None:
            self._unwrap(wrapped)

    def ensure(self, connection: Connection, owner: str) -> DataKey:
        """The owner's key, made if there is none. Called under the head lock.

        Nothing read or made here is cached: the transaction may yet be rolled back, and
        a key without its row would seal what nobody can ever open.
        """
        found = self._cached([owner]) or self._load(connection, [owner])
        if owner in found:
            return _ready(*found[owner])
        plain = secrets.token_bytes(KEY_BYTES)
        key_id = secrets.token_hex(16)
        connection.execute(
            sa.insert(data_keys).values(
                key_id=key_id,
                owner=owner,
                master_version=self._version,
                wrapped=aes_key_wrap(self._master, plain),
            )
        )
        return _ready(key_id, plain)

    def keys(self, connection: Connection, owners: list[str]) -> dict[str, DataKey]:
        """The keys of those owners that have one, over a connection that sees committed rows only."""
        found = self._cached(owners)
        if missing := list({owner for owner in owners if owner not in found}):
            loaded = self._load(connection, missing)
            found |= loaded
            self._remember(loaded)
        return {owner: _ready(key_id, plain) for owner, (key_id, plain) in found.items()}

    def _cached(self, owners: list[str]) -> dict[str, tuple[str, bytes]]:
        with self._lock:
            return {owner: self._by_owner[owner] for owner in owners if owner in self._by_owner}

    def _load(self, connection: Connection, owners: list[str]) -> dict[str, tuple[str, bytes]]:
        rows = _by_owner.rows(connection, owners=owners)
        return {owner: (key_id, self._unwrap(wrapped)) for owner, key_id, wrapped in rows}

    def _unwrap(self, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._master, wrapped)
        except InvalidUnwrap as error:
            raise Unreadable(
                "a data key does not unwrap: the master key is not the one that made it"
            ) from error

    def _remember(self, loaded: dict[str, tuple[str, bytes]]) -> None:
        with self._lock:
            self._by_owner.update(loaded)
            while len(self._by_owner) > CACHED_KEYS:
                self._by_owner.popitem(last=False)


def _ready(key_id: str, plain: bytes) -> DataKey:
    return DataKey(key_id, AESGCM(plain))
