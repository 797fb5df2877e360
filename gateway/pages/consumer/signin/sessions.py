"""Who is signed in to the consumers' pages.

The cookie holds 32 random bytes and nothing else. The database knows their digest alone, and keeps what the
login said encrypted under a key made from them: without the cookie nobody reads it, and a row that is gone
ends the session everywhere (OWASP ASVS 5.0, 7.2 to 7.4).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.engine import Connection

from consent.identity import Trait
from gateway.store import metadata
from scoregate.instants import micros, moment

TOKEN_BYTES = 32
NONCE_BYTES = 12

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.LargeBinary(32), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Index("ix_sessions_expires", "expires_at_us"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, as their login said."""

    subject: str  # the operator's subject id
    traits: Mapping[Trait, str] = field(default_factory=dict, repr=False)  # those that the login knows


@dataclass(frozen=True, slots=True)
class Session:
    """One person on one device."""

    token: str = field(repr=False)
    person: Person
    expires_at: datetime

    def secret(self, purpose: str) -> bytes:
        """32 bytes that nobody without the cookie can make."""
        return _derive(self.token, purpose)


def begin(connection: Connection, person: Person, *, now: datetime, life: timedelta) -> Session:
    """Sign a person in, under a token that nobody has seen before."""
    session = Session(secrets.token_urlsafe(TOKEN_BYTES), person, now + life)
    said = {"subject": person.subject, "traits": {trait.value: text for trait, text in person.traits.items()}}
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + AESGCM(_derive(session.token, "seal")).encrypt(nonce, json.dumps(said).encode(), None)
    connection.execute(
        sa.insert(sessions).values(
            token_sha256=_digest(session.token), sealed=sealed, expires_at_us=micros(session.expires_at)
        )
    )
    return session


def find(connection: Connection, token: str, *, now: datetime) -> Session | None:
    """The session of this token, unless it has ended."""
    row = connection.execute(
        sa.select(sessions.c.sealed, sessions.c.expires_at_us).where(
            sessions.c.token_sha256 == _digest(token), sessions.c.expires_at_us > micros(now)
        )
    ).one_or_none()
    if row is None:
        return None
    nonce, data = row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:]
    try:
        said = json.loads(AESGCM(_derive(token, "seal")).decrypt(nonce, data, None))
    except InvalidTag:
        return None  # altered; signing in again makes a sound one
    person = Person(said["subject"], {Trait(name): text for name, text in said["traits"].items()})
    return Session(token, person, moment(row.expires_at_us))


def end(connection: Connection, token: str) -> None:
    """Sign out."""
    connection.execute(sa.delete(sessions).where(sessions.c.token_sha256 == _digest(token)))


def sweep(connection: Connection, *, now: datetime) -> int:
    """Forget the sessions that have ended; returns how many."""
    return connection.execute(sa.delete(sessions).where(sessions.c.expires_at_us <= micros(now))).rowcount


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _derive(token: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"scoregate session {purpose} v1".encode()).derive(
        token.encode()
    )
