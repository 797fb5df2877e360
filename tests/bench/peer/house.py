"""What the peer knows, and whether its rows grew by exactly what was answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.orm import Session

from tests.bench.circumstances import sqlite_durability
from tests.bench.failed import BenchFailed
from tests.bench.installation import UNITS, Installation
from tests.bench.peer.service import ISSUER
from tests.bench.peer.tables import AuditEntry, Base, Grant, Partner, Quota, open_engine
from tests.bench.turn import Turn
from tests.world import CREDIT

KEY_ID = "peer-1"


@dataclass(frozen=True, slots=True)
class House:
    """A founded peer."""

    file: Path
    database: sa.Engine
    made: Installation
    key: ec.EllipticCurvePrivateKey

    def signing_key(self) -> bytes:
        """PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def durability(self) -> dict[str, str]:
        """How its commits reach the disk, as a connection like its own says."""
        with self.database.connect() as connection:
            return sqlite_durability(connection)


def found(folder: Path, made: Installation) -> House:
    """The same lenders, certificates, people and consents as the gateway's."""
    folder.mkdir()
    file = folder / "peer.db"
    database = open_engine(file)
    Base.metadata.create_all(database)
    expires = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=30)
    with Session(database) as session, session.begin():
        for lender in made.lenders:
            certificate = x509.load_pem_x509_certificate(lender.certificate)
            session.add(
                Partner(
                    id=lender.partner_id,
                    certificate_sha256=certificate.fingerprint(SHA256()).hex(),
                    is_active=True,
                    daily_limit=UNITS,
                )
            )
            session.flush()
            session.add_all(
                Grant(
                    id=consent_id,
                    partner_id=lender.partner_id,
                    subject=subject,
                    purpose=CREDIT,
                    expires_at=expires,
                )
                for consent_id, subject in zip(lender.consent_ids, lender.subjects, strict=True)
            )
    return House(file, database, made, ec.generate_private_key(ec.SECP256R1()))


class Bookkeeper:
    """Follows the peer's rows, turn by turn."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._last = 0  # audit id
        self._public = house.key.public_key()

    def require(self, turn: Turn) -> None:
        """Return only if each answer is a signed score for its question, and a row and a unit of its own.

        Raises:
            BenchFailed: Anything else was counted.
        """
        told = {}
        for lender, body, came in turn.answers:
            answer = json.loads(came)
            partner_id = self._house.made.lenders[lender].partner_id
            claims = self._verify(json.loads(body), answer, partner_id)
            told[answer["audit_id"]] = (partner_id, claims["jti"], claims["request_id"], claims["score"])
        if len(told) != len(turn.answers):
            raise BenchFailed("Two answers of the peer share an audit row.")
        with Session(self._house.database) as session:
            entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.id > self._last)).all()
            spent = session.scalar(sa.select(sa.func.sum(Quota.used)))
            rows = session.scalar(sa.select(sa.func.count()).select_from(AuditEntry))
        if told != {
            each.id: (each.partner_id, each.token_id, each.request_id, each.score) for each in entries
        }:
            raise BenchFailed("The peer's audit rows are not its answers.")
        if spent != rows:
            raise BenchFailed("The peer's quota is not its answers.")
        self._last = max(told)

    def _verify(self, asked: dict[str, Any], answer: dict[str, Any], partner_id: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                answer["token"], self._public, algorithms=["ES256"], audience=partner_id, issuer=ISSUER
            )
        except jwt.PyJWTError as error:
            raise BenchFailed(f"A token of the peer does not verify: {error}") from error
        if any(claims[name] != asked[name] for name in ("request_id", "consent_id", "nonce", "purpose")):
            raise BenchFailed("A token of the peer answers another question.")
        if (claims["score"], claims["reasons"]) != (answer["score"], answer["reasons"]):
            raise BenchFailed("The peer says one thing and signs another.")
        return claims
