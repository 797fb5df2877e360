"""The log as compliance reads it: a connection of its own, the master key, and the rules of the format."""

from __future__ import annotations

import hmac
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from scoregate.audit.v1 import leaf_pb2 as pb
from scoregate.proof import leaf as codec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, read."""

    index: int
    at: datetime
    data: bytes
    leaf: pb.Leaf
    part: pb.PrivatePart


class Log:
    """One database, read beside the gateways."""

    def __init__(self, database: Path, master: bytes) -> None:
        self._read = sqlite3.connect(database, isolation_level=None)
        self._master = master
        self._version = 0
        self._keys: dict[str, AESGCM] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._read.close()

    def has_changed(self) -> bool:
        """Whether anything was committed since this was asked last."""
        (version,) = self._read.execute("PRAGMA data_version").fetchone()  # another one behind every COMMIT
        before, self._version = self._version, version
        return bool(before != version)

    def leaves(self) -> list[tuple[int, bytes]]:
        """Every entry's index and leaf, in order."""
        return self._read.execute("SELECT leaf_index, leaf FROM entries ORDER BY leaf_index").fetchall()

    def size(self) -> int:
        """What the head says."""
        (size,) = self._read.execute("SELECT size FROM log_head").fetchone()
        return int(size)

    def meters(self) -> list[tuple[str, str, int]]:
        """Lender, period and units used."""
        return self._read.execute("SELECT partner_id, period, used FROM quota_usage").fetchall()

    def grants(self) -> list[tuple[str, str, int | None]]:
        """Consent id, state, and the answer that used it up."""
        return self._read.execute("SELECT consent_id, state, consumed_by FROM standings").fetchall()

    def events(self) -> list[tuple[int, str, str]]:
        """What lenders are told of consents: entry, consent id and what happened, in order."""
        query = "SELECT leaf_index, consent_id, what FROM consent_events ORDER BY leaf_index, consent_id"
        return self._read.execute(query).fetchall()

    def jwks(self) -> list[str]:
        """Every public key."""
        return [row[0] for row in self._read.execute("SELECT public_jwk FROM signing_keys")]

    def entry(self, index: int, data: bytes) -> Entry:
        """Read and open an entry.

        Raises:
            ScoregateError, LookupError, ValueError: It breaks the format, or does not open.
        """
        leaf = codec.decode(data)
        return Entry(
            index, EPOCH + timedelta(microseconds=leaf.time_micros), data, leaf, self._part(index, leaf)
        )

    def _part(self, index: int, leaf: pb.Leaf) -> pb.PrivatePart:
        if not leaf.commitment:
            return pb.PrivatePart()
        query = "SELECT key_id, sealed FROM private_parts WHERE leaf_index = ?"
        row = self._read.execute(query, (index,)).fetchone()
        if row is None:
            raise LookupError("its private part is missing")
        key_id, sealed = row
        plain = self._key(key_id).decrypt(sealed[:12], sealed[12:], key_id.encode())
        blind, part = plain[:32], plain[32:]
        if hmac.digest(blind, part, "sha256") != leaf.commitment:
            raise ValueError("its private part is not the one that it commits to")
        return pb.PrivatePart.FromString(part)

    def _key(self, key_id: str) -> AESGCM:
        if key_id not in self._keys:
            query = "SELECT wrapped FROM data_keys WHERE key_id = ?"
            row = self._read.execute(query, (key_id,)).fetchone()
            if row is None:
                raise LookupError("the key that sealed it is missing")
            self._keys[key_id] = AESGCM(aes_key_unwrap(self._master, row[0]))
        return self._keys[key_id]
