"""The peer's one endpoint.

It is an ``async def`` that talks to the database itself. A plain ``def`` in FastAPI's thread pool is what the
tutorials have; measured here, it cost this service a third more processor time a call, for SQLite
has one writer, so the threads only queue for its lock.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import Engine as Database
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from scoring.service import Engine, Query, Scored
from tests.bench.peer.tables import AuditEntry, Grant, Partner, Quota

ISSUER = "https://peer.local"
TOKEN_LIFE = timedelta(days=1)


class ScoreRequest(BaseModel):
    """What a partner asks."""

    request_id: uuid.UUID
    consent_id: str
    purpose: str
    nonce: str


class ScoreResponse(BaseModel):
    """What it is told; ``token`` says the same, signed."""

    score: int
    model: str
    reasons: list[str]
    audit_id: int
    token: str


def create_app(database: Database, engine: Engine, key: EllipticCurvePrivateKey, key_id: str) -> FastAPI:
    """The service."""
    app = FastAPI(openapi_url=None)
    new_session = sessionmaker(database)
    as_of = engine.model().latest_epoch

    @app.post("/score")
    async def score(ask: ScoreRequest, certificate: Annotated[str, Depends(_certificate)]) -> ScoreResponse:
        now = datetime.now(UTC).replace(tzinfo=None)
        with new_session.begin() as session:  # commits at its end
            partner = _partner(session, certificate)
            grant = _grant(session, partner, ask, now)
            _spend(session, partner, now)
            scored = _score(engine, grant)
            claims = _claims(partner, grant, ask, scored, now)
            entry = AuditEntry(
                at=now,
                partner_id=partner.id,
                grant_id=grant.id,
                request_id=str(ask.request_id),
                token_id=claims["jti"],
                score=scored.score,
            )
            session.add(entry)
            session.flush()
            audit_id = entry.id
        token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": key_id})
        return ScoreResponse(
            score=scored.score,
            model=scored.model,
            reasons=list(scored.reason_codes),
            audit_id=audit_id,
            token=token,
        )

    def _score(engine: Engine, grant: Grant) -> Scored:
        (outcome,) = engine.score([Query(grant.subject)], as_of=as_of)
        if not isinstance(outcome, Scored):
            raise HTTPException(404, "no score")
        return outcome

    return app


def _certificate(request: Request) -> str:
    """Of this connection, whose handshake has verified it."""
    digest: str = request.scope["client_certificate_sha256"]
    return digest


def _partner(session: Session, certificate_sha256: str) -> Partner:
    partner = session.scalar(select(Partner).where(Partner.certificate_sha256 == certificate_sha256))
    if partner is None or not partner.is_active:
        raise HTTPException(401, "unknown certificate")
    return partner


def _grant(session: Session, partner: Partner, ask: ScoreRequest, now: datetime) -> Grant:
    grant = session.get(Grant, ask.consent_id)
    if (
        grant is None
        or grant.partner_id != partner.id
        or grant.purpose != ask.purpose
        or grant.revoked_at is not None
        or grant.expires_at <= now
    ):
        raise HTTPException(403, "consent not usable")
    return grant


def _spend(session: Session, partner: Partner, now: datetime) -> None:
    quota = session.get(Quota, (partner.id, now.date()))
    if quota is None:
        quota = Quota(partner_id=partner.id, day=now.date(), used=0)
        session.add(quota)
    if quota.used >= partner.daily_limit:
        raise HTTPException(429, "daily quota exhausted")
    quota.used += 1


def _claims(
    partner: Partner, grant: Grant, ask: ScoreRequest, scored: Scored, now: datetime
) -> dict[str, object]:
    return {
        "iss": ISSUER,
        "aud": partner.id,
        "jti": str(uuid.uuid4()),
        "iat": now.replace(tzinfo=UTC),
        "exp": now.replace(tzinfo=UTC) + TOKEN_LIFE,
        "nonce": ask.nonce,
        "request_id": str(ask.request_id),
        "consent_id": grant.id,
        "purpose": grant.purpose,
        "score": scored.score,
        "model": scored.model,
        "reasons": list(scored.reason_codes),
        "evaluated_at": scored.epoch.isoformat(),
    }
