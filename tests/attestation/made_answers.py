"""Answers as a gateway would make them, with fixed keys and times, for tests to verify and to spoil."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent.attest import Attestation
from consent.keys import SigningKey, jwks
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.proof import jws, leaf
from scoregate.proof.claims import (
    Claims,
    NotScored,
    ScoreClaims,
    Scored,
    ScoreReason,
    ThresholdAnswer,
    ThresholdClaims,
    inquiry_of,
)
from scoregate.proof.digest import canonical, request_sha256
from scoregate.proof.jwk import Algorithm, VerificationKeys, public_jwk
from scoregate.proof.verify import SCORE_METHOD, THRESHOLD_METHOD
from scoregate.proof.view import score_view, threshold_view
from scoregate.words import Band, Disclosure, InputFamily, NotScoredReason, Purpose

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

ISSUER = "https://scoregate.example"
ACME = "acme"
ORIGIN = "scoregate.example/log/2026h2"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LIFE = timedelta(hours=24)
SUBJECT = "p1-kq3w7zv5m2x4c6b8n1d0f9g7h5"

EPOCH = date(2005, 9, 1)
FAMILIES = (InputFamily.HISTORY, InputFamily.CAPACITY)
LATE = ScoreReason("H01", "Payments were late in recent months.")
FULL = ScoreReason("C02", "Most of the limit is in use.")
SCORED = Scored(712, Band.FROM_700, None, "card@2026.1", EPOCH, FAMILIES)
REACHED = ThresholdAnswer(650, True, "card@2026.1", EPOCH, FAMILIES)
NO_DATA = NotScored(NotScoredReason.NO_DATA, EPOCH)


def spell(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unspell(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signing_key(algorithm: Algorithm = Algorithm.ES256, seed: int = 1) -> SigningKey:
    """A key that is the same in every run. Never for use."""
    secret = sha256(f"test key {seed}".encode()).digest()
    private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey
    if algorithm is Algorithm.ES256:
        private = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
    else:
        private = Ed25519PrivateKey.from_private_bytes(secret)
    jwk = public_jwk(private.public_key())
    return SigningKey(jwk["kid"], algorithm, private, canonical(jwk).decode())


KEY = signing_key()
JWKS = jwks([KEY.public_jwk])
KEYS = VerificationKeys.from_jwks(JWKS)


def score_request(**changes: Any) -> score_pb2.GetScoreRequest:
    fields = {
        "request_id": "0b7e8a52-6c1d-4a52-9a0e-3f6f5d2b7c11",
        "consent_id": "mfrggzdfmztwq2lknnwg23tpob",
        "purpose": Purpose.CREDIT_APPLICATION.number,
        "disclosure": Disclosure.SCORE.number,
        "nonce": "Zm9yLXRlc3RzLW9ubHkhISE",
    }
    return score_pb2.GetScoreRequest(**(fields | changes))


def threshold_request(**changes: Any) -> score_pb2.CheckThresholdRequest:
    fields = {
        "request_id": "5d0c3d0e-2f34-4c56-8d5e-9a1b2c3d4e5f",
        "consent_id": "mfrggzdfmztwq2lknnwg23tpob",
        "purpose": Purpose.PREQUALIFICATION.number,
        "threshold": 650,
        "nonce": "Zm9yLXRlc3RzLW9ubHkhISE",
    }
    return score_pb2.CheckThresholdRequest(**(fields | changes))


def claims_for(request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest, **changes: Any) -> Any:
    """The true claims for this request; `changes` replace some of them."""
    purpose = Purpose.of(request.purpose)
    issued = int(NOW.timestamp())
    fields: dict[str, Any] = {
        "iss": ISSUER,
        "aud": ACME,
        "jti": "d9428888-122b-41e1-b85c-61ffa1f5b6a3",
        "iat": issued,
        "exp": issued + int(LIFE.total_seconds()),
        "nonce": request.nonce,
        "request_sha256": request_sha256(request).hex(),
        "consent_id": request.consent_id,
        "consent_sha256": sha256(b"terms").hexdigest(),
        "purpose": purpose,
        "inquiry": inquiry_of(purpose),
        "subject_ref": request.subject_ref or SUBJECT,
        "log": ORIGIN,
    }
    if isinstance(request, score_pb2.GetScoreRequest):
        fields |= {"disclosure": Disclosure.of(request.disclosure), "result": _scored(request)}
        return ScoreClaims(**(fields | changes))
    fields |= {"disclosure": Disclosure.THRESHOLD, "result": replace(REACHED, threshold=request.threshold)}
    return ThresholdClaims(**(fields | changes))


def _scored(request: score_pb2.GetScoreRequest) -> Scored:
    score = 712 if request.disclosure == Disclosure.SCORE.number else None
    return replace(SCORED, score=score, reasons=(LATE, FULL) if request.with_reasons else None)


def attest(claims: Claims, key: SigningKey = KEY) -> Attestation:
    """Sign without the attester's own checks."""
    compact = jws.sign(
        claims.encode(), typ=claims.typ, kid=key.kid, algorithm=key.algorithm, private=key.private
    )
    return Attestation(compact, sha256(compact.encode()).digest())


def leaf_for(claims: Claims, attestation: str, **changes: Any) -> bytes:
    """The leaf that records this release; `changes` replace some of its fields."""
    not_scored = isinstance(claims.result, NotScored)
    fields: dict[str, Any] = {
        "version": 1,
        "kind": leaf_pb2.LEAF_KIND_RELEASE,
        "time_micros": claims.iat * 1_000_000 + 7,
        "partner_id": claims.aud,
        "partner_sequence": 3,
        "method": SCORE_METHOD if isinstance(claims, ScoreClaims) else THRESHOLD_METHOD,
        "purpose": claims.purpose.number,
        "decision": leaf_pb2.DECISION_NOT_SCORED if not_scored else leaf_pb2.DECISION_SCORED,
        "reason": claims.result.reason if isinstance(claims.result, NotScored) else "",
        "cost_units": 1,
        "quota_periods": [f"{claims.issued_at:%Y-%m-%d}", f"{claims.issued_at:%Y-%m}"],
        "attestation_sha256": sha256(attestation.encode()).digest(),
        "commitment": sha256(b"commitment").digest(),
        "salt": sha256(attestation.encode()).digest()[:16],
    }
    return leaf.encode(leaf_pb2.Leaf(**(fields | changes)))


def answer(claims: Claims, *, key: SigningKey = KEY, index: int = 41, **leaf_changes: Any) -> Any:
    """The whole response that says these claims."""
    compact = attest(claims, key).compact
    response = score_view(claims) if isinstance(claims, ScoreClaims) else threshold_view(claims)  # type: ignore[arg-type]
    response.attestation = compact
    response.receipt.CopyFrom(
        receipt_pb2.Receipt(
            log_origin=claims.log, leaf_index=index, leaf=leaf_for(claims, compact, **leaf_changes)
        )
    )
    return response
