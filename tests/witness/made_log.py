"""A log for a witness to watch: it can grow, and it can lie. And callers, in bytes and over HTTP."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import KeyKind, Note, VerifierKey, sign, verifier_key

ORIGIN = "log.example/2026h2"
MOST = 64
"""Entries that a made log has."""


def private(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()).digest())


@dataclass(frozen=True)
class MadeLog:
    """All its trees up to 64 entries, signed by one key."""

    origin: str = ORIGIN
    seed: str = "key"
    leaves: tuple[bytes, ...] = field(
        default_factory=lambda: tuple(merkle.leaf_hash(b"%d" % index) for index in range(MOST))
    )

    @property
    def key(self) -> Ed25519PrivateKey:
        return private(self.seed)

    @property
    def vkey(self) -> VerifierKey:
        return verifier_key(self.origin, self.key, KeyKind.ED25519)

    def forked(self, at: int) -> MadeLog:
        """The same log with another history from this entry on."""
        other = (merkle.leaf_hash(b"other %d" % index) for index in range(at, MOST))
        return replace(self, leaves=(*self.leaves[:at], *other))

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, merkle.root(self.leaves[:size]))

    def note(self, size: int) -> bytes:
        return self.signed(self.checkpoint(size).text())

    def signed(self, text: str) -> bytes:
        return Note(text, (sign(text, self.origin, self.key),)).encode()

    def proof(self, old: int, size: int) -> list[bytes]:
        return merkle.prove_consistency(self.leaves[:size], old) if 0 < old <= size else []

    def request(self, old: int, size: int) -> bytes:
        """An honest growth from one size to another."""
        return request(old, self.proof(old, size), self.note(size))


def request(old: int | str, proof: Sequence[bytes | str], note: bytes) -> bytes:
    lines = [each if isinstance(each, str) else b64encode(each).decode() for each in proof]
    return "".join(f"{line}\n" for line in (f"old {old}", *lines, "")).encode() + note


def hashed(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    kind: str = ""


@dataclass(frozen=True)
class Caller:
    """Asks a witness at a port, each time over a new connection."""

    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
        finally:
            connection.close()

    def submit(self, body: bytes) -> Answer:
        return self.ask("POST", "/add-checkpoint", body)

    def shown(self, origin: str = ORIGIN) -> Answer:
        return self.ask("GET", f"/{hashed(origin)}/checkpoint")
