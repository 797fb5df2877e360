"""What is about a person, encrypted under that person's own key.

Every person (and, for entries about nobody we know, every partner) has a random
256-bit data key, stored only wrapped: AES key wrap with padding is not needed for 32
bytes, so RFC 3394 under the operator's master key. Records are AES-256-GCM (NIST SP
800-38D) with random 96-bit nonces; a key would have to seal 2³² records before that
bound matters. Deleting the wrapped key erases everything it sealed.

Processes remember keys. So that none seals or opens anything under one that was erased
elsewhere, the log's head counts erasures: every transaction reads it with its lock
(``Vault.follow``), and what was remembered before is forgotten there.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
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

PURPOSES = (
    "audit cursor",
    "audit report cursor",
    "entries bearer",
    "export cursor",
    "identity match",
    "login",
)
"""What secrets are derived for, in any process: none may change when the master key is turned."""

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False, unique=True),
    sa.Column("master_version", sa.Integer, nullable=False),
    sa.Column("wrapped", sa.LargeBinary(40), nullable=False),
)

DERIVED = "derived:"
"""What owners' names of derived secrets begin with. They have rows only where the master key was turned."""

LOG = "log"
"""The owner of what redactions say; nobody in particular."""

_by_owner = Select("SELECT owner, key_id, wrapped, master_version FROM data_keys WHERE owner IN :owners")


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
    known_at: int = 0  # how many erasures were known of before it was read

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
    """Makes, keeps and unwraps data keys.

    ``find`` brings the master key of another version than ``master_version``, and raises ``Unreadable``
    where there is none.
    """

    def __init__(
        self, master: bytes, *, master_version: int = 1, find: Callable[[int], bytes] | None = None
    ) -> None:
        self._masters = {master_version: _sound(master)}
        self._first = master  # what is derived stays what it was as this was opened
        self._find = find
        self._version = master_version  # of the one that wraps
        self._lock = Lock()  # guards the cache, and the next
        self._by_owner: OrderedDict[str, tuple[str, bytes]] = OrderedDict()  # key id, and the key
        self._erasures = 0  # that were known of when the cache began
        self._derived: dict[str, bytes] = {}

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one other purpose (HKDF, RFC 5869); the master key itself only wraps.

        They stay the same when the master key is turned (``gateway.masters``): each purpose is named above.
        """
        if purpose not in PURPOSES:
            raise ValueError(f"nothing is derived for {purpose!r}; add it to PURPOSES")
        if purpose in self._derived:
            return self._derived[purpose]
        info = f"scoregate {purpose} v1".encode()
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._first)

    def read_derived(self, connection: Connection) -> None:
        """Take the secrets that were derived from a master key of before; called once, at the start.

        Raises:
            Unreadable: They don't unwrap.
        """
        query = sa.select(data_keys.c.owner, data_keys.c.wrapped, data_keys.c.master_version)
        rows = connection.execute(query.where(data_keys.c.owner.startswith(DERIVED, autoescape=True))).all()
        for owner, wrapped, version in rows:
            self._derived[owner.removeprefix(DERIVED)] = self._unwrap(wrapped, version)

    def follow(self, erasures: int, master_version: int) -> None:
        """Know what the log's head says now: which master key wraps, and that keys were erased."""
        with self._lock:
            self._version = max(self._version, master_version)
            if erasures > self._erasures:
                self._erasures = erasures
                self._by_owner.clear()

    def require_same_master(self, connection: Connection) -> None:
        """Return only if the master keys are those that wrapped what is here, one of each version tried.

        Raises:
            Unreadable: One is another, or not there; what it would seal, and what is sealed, could never be
                read together.
        """
        is_current = data_keys.c.master_version == self._version
        for versions in (is_current, ~is_current):
            query = sa.select(data_keys.c.wrapped, data_keys.c.master_version)
            query = query.where(versions, data_keys.c.wrapped != b"")
            row = connection.execute(query.limit(1)).one_or_none()
            if row is not None:
                self._unwrap(row.wrapped, row.master_version)

    def ensure(self, connection: Connection, owner: str) -> DataKey:
        """The owner's key, made if there is none. Called under the head lock.

        Nothing read or made here is cached: the transaction may yet be rolled back, and
        a key without its row would seal what nobody can ever open.
        """
        known_at, found = self._cached([owner])
        found = found or self._load(connection, [owner])
        if owner not in found:
            found[owner] = self.make(connection, owner, secrets.token_bytes(KEY_BYTES))
        return _ready(found[owner], known_at)

    def make(self, connection: Connection, owner: str, plain: bytes) -> tuple[str, bytes]:
        """Keep 32 bytes as an owner's key, who has none; returns its id, and them."""
        key_id = secrets.token_hex(16)
        connection.execute(
            sa.insert(data_keys).values(
                key_id=key_id, owner=owner, master_version=self._version, wrapped=self._wrap(plain)
            )
        )
        return key_id, plain

    def keys(self, connection: Connection, owners: list[str]) -> dict[str, DataKey]:
        """The keys of those owners that have one, over a connection that sees committed rows only.

        They may be of memory, and of somebody who was erased since: whoever seals with one says so to the
        ledger (``known_at``), and whoever shows what it opens asks for ``fresh`` ones.
        """
        known_at, found = self._cached(owners)
        if missing := list({owner for owner in owners if owner not in found}):
            loaded = self._load(connection, missing)
            found |= loaded
            self._remember(loaded, known_at)
        return {owner: _ready(key, known_at) for owner, key in found.items()}

    def fresh(self, connection: Connection, owners: Iterable[str]) -> dict[str, DataKey]:
        """The keys of those owners that have one as this is called, none of them from memory."""
        known_at, _ = self._cached([])
        loaded = self._load(connection, list(set(owners)))
        return {owner: _ready(key, known_at) for owner, key in loaded.items()}

    def rewrapped(self, wrapped: bytes, version: int) -> tuple[bytes, int]:
        """A wrapped key, wrapped by the master key that wraps now, and that one's version.

        Raises:
            Unreadable: It doesn't unwrap.
        """
        return self._wrap(self._unwrap(wrapped, version)), self._version

    def _cached(self, owners: list[str]) -> tuple[int, dict[str, tuple[str, bytes]]]:
        with self._lock:
            found = {owner: self._by_owner[owner] for owner in owners if owner in self._by_owner}
            return self._erasures, found

    def _load(self, connection: Connection, owners: list[str]) -> dict[str, tuple[str, bytes]]:
        rows = _by_owner.rows(connection, owners=owners)
        return {owner: (key_id, self._unwrap(wrapped, version)) for owner, key_id, wrapped, version in rows}

    def _wrap(self, plain: bytes) -> bytes:
        return aes_key_wrap(self._master(self._version), plain)

    def _unwrap(self, wrapped: bytes, version: int) -> bytes:
        try:
            return aes_key_unwrap(self._master(version), wrapped)
        except InvalidUnwrap as error:
            raise Unreadable(
                "a data key does not unwrap: the master key is not the one that made it"
            ) from error

    def _master(self, version: int) -> bytes:
        if version not in self._masters:
            if self._find is None:
                raise Unreadable(f"a data key does not unwrap: there is no master key of version {version}")
            self._masters[version] = _sound(self._find(version))
        return self._masters[version]

    def _remember(self, loaded: dict[str, tuple[str, bytes]], known_at: int) -> None:
        with self._lock:
            if known_at != self._erasures:
                return  # somebody was erased since it was read, and it may be they
            self._by_owner.update(loaded)
            while len(self._by_owner) > CACHED_KEYS:
                self._by_owner.popitem(last=False)


def _sound(master: bytes) -> bytes:
    if len(master) != KEY_BYTES:
        raise ValueError(f"the master key has {len(master)} bytes; {KEY_BYTES} needed")
    return master


def _ready(key: tuple[str, bytes], known_at: int) -> DataKey:
    return DataKey(key[0], AESGCM(key[1]), known_at)
