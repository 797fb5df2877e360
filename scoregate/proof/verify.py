"""Checks an answer against the question, with public keys alone.

Pure: no server, no clock. Anybody who holds request, response and the issuer's JWK Set comes to the
same result. The order, each step only after the one before:

 1. JWS          algorithm, key, typ, length, signature (jws.py)
 2. claims       exactly those of this kind, each inside its bounds (claims.py)
 3. bindings     iss, aud, nonce, request digest, consent, purpose, disclosure, subject
 4. time         issued not later than now, give or take the skew; not expired
 5. view         the typed result, made again from the claims, is the one that came
 6. receipt      the leaf is in its one form, records this release to this partner inside the
                 attestation's time, costs at most a unit of that day and month, and holds the digest
                 of this very attestation

Whether the leaf is in the log is another question: kept.py answers it with a proof, `scoregate log verify
--receipts` with the whole log. `verify_archived` is for an answer that was filed: there is no typed result
to compare, and freshness is over.
"""

import hashlib
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import (
    AttestationExpired,
    AttestationNotYetValid,
    BindingMismatch,
    ClaimInvalid,
    ReceiptInvalid,
    ViewMismatch,
)
from scoregate.instants import moment
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.proof import digest, jws, leaf, shapes
from scoregate.proof.claims import Claims, ScoreClaims, ThresholdClaims
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.results import NotScored, Scored, ThresholdAnswer
from scoregate.proof.view import score_view, threshold_view

K = TypeVar("K", bound=Claims)
Request: TypeAlias = score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest

DEFAULT_SKEW = timedelta(seconds=60)

LEAF_TOLERANCE = timedelta(minutes=5)
"""How far an entry's time may lie outside its attestation's `iat` to `exp`.

A replica reads `iat` just before the transaction that takes the entry's time, which never goes back. So
only a clock that was set, or one that differs from another replica's, parts them: five minutes is what
Kerberos allows clocks to differ (RFC 4120, 3.2.3), and little beside the hours for which answers live.
"""

SCORE_METHOD = "/scoregate.partner.v1.ScoreService/GetScore"
"""What a leaf calls a score answer, and an item of a batch too."""

THRESHOLD_METHOD = "/scoregate.partner.v1.ScoreService/CheckThreshold"

_BESIDE_THE_VIEW = ("attestation", "receipt")  # each is checked by itself
_OUTCOMES = ("scored", "answer", "not_scored")
_OTHER = {
    "aud": "this was answered to another partner",
    "nonce": "this answers another call; an old answer may have been replayed",
    "request_sha256": "this answers another question",
    "consent_id": "this was answered under another consent",
    "purpose": "this was answered for another purpose",
    "disclosure": "another disclosure was asked for",
    "reasons": "reasons are there exactly when they were asked for",
    "threshold": "another threshold was asked about",
    "subject_ref": "this is about another person",
}


def verify_score(
    response: score_pb2.GetScoreResponse,
    request: score_pb2.GetScoreRequest,
    *,
    keys: VerificationKeys,
    issuer: str,
    audience: str,
    now: datetime,
    skew: timedelta = DEFAULT_SKEW,
    archival: bool = False,
) -> ScoreClaims:
    """Return what the issuer says to this partner in answer to this very request.

    Args:
        response: The answer as it came.
        request: The question as it was sent.
        keys: The issuer's trusted keys.
        issuer: The expected `iss`.
        audience: The partner's own id.
        now: The time by which freshness is judged, with its time zone.
        skew: How far the issuer's clock may be ahead.
        archival: Accept an answer that has expired; `claims.expires_at` says when.

    Raises:
        AttestationMalformed: Not an attestation of a score, or ClaimInvalid: one claim breaks its rule.
        KeyUnknown: Signed by a key that is not among `keys`.
        SignatureInvalid: The bytes were changed.
        BindingMismatch: It answers another question, person, partner or issuer; `claim` says which.
        AttestationNotYetValid: Issued more than `skew` after `now`.
        AttestationExpired: No longer fresh.
        ViewMismatch: The typed result differs from the claims.
        ReceiptInvalid: The leaf does not record this answer.
    """
    claims = _read(ScoreClaims, response.attestation, keys)
    _bind(claims, request, issuer, audience)
    _require_asked(claims, request)
    _require_time(claims, now, skew, archival)
    _require_view(score_view(claims), response)
    _require_receipt(claims, response.attestation, response.receipt, SCORE_METHOD)
    return claims


def verify_threshold(
    response: score_pb2.CheckThresholdResponse,
    request: score_pb2.CheckThresholdRequest,
    *,
    keys: VerificationKeys,
    issuer: str,
    audience: str,
    now: datetime,
    skew: timedelta = DEFAULT_SKEW,
    archival: bool = False,
) -> ThresholdClaims:
    """Return what the issuer says to this partner about this very threshold.

    Arguments and errors are those of `verify_score`.
    """
    claims = _read(ThresholdClaims, response.attestation, keys)
    _bind(claims, request, issuer, audience)
    _require_asked(claims, request)
    _require_time(claims, now, skew, archival)
    _require_view(threshold_view(claims), response)
    _require_receipt(claims, response.attestation, response.receipt, THRESHOLD_METHOD)
    return claims


def verify_archived(
    attestation: str,
    request: Request,
    receipt: receipt_pb2.Receipt,
    *,
    keys: VerificationKeys,
    issuer: str | None,
    audience: str | None,
    now: datetime,
    skew: timedelta = DEFAULT_SKEW,
) -> ScoreClaims | ThresholdClaims:
    """Return what the issuer said in a filed answer to this very question, however long ago.

    `issuer` and `audience` are compared where they are given; None leaves them to the attestation's own word.
    Errors are those of `verify_score`, but for AttestationExpired and ViewMismatch.
    """
    claims: ScoreClaims | ThresholdClaims
    if isinstance(request, score_pb2.GetScoreRequest):
        method, claims = SCORE_METHOD, _read(ScoreClaims, attestation, keys)
    else:
        method, claims = THRESHOLD_METHOD, _read(ThresholdClaims, attestation, keys)
    _bind(claims, request, claims.iss if issuer is None else issuer, audience or claims.aud)
    _require_asked(claims, request)
    _require_time(claims, now, skew, archival=True)
    _require_receipt(claims, attestation, receipt, method)
    return claims


def _require_asked(claims: ScoreClaims | ThresholdClaims, request: Request) -> None:
    """Return only if the result has what this question asked for, no more and no less."""
    if isinstance(request, score_pb2.GetScoreRequest):
        _require_same("disclosure", claims.disclosure.number, request.disclosure)
        if isinstance(claims.result, Scored):
            _require_same("reasons", claims.result.reasons is not None, request.with_reasons)
    elif isinstance(claims.result, ThresholdAnswer):
        _require_same("threshold", claims.result.threshold, request.threshold)


def _read(kind: type[K], attestation: str, keys: VerificationKeys) -> K:
    return kind.decode(jws.verify(attestation, typ=kind.typ, keys=keys))


def _bind(claims: Claims, request: Request, issuer: str, audience: str) -> None:
    if claims.iss != issuer:
        raise BindingMismatch("iss", f"{claims.iss!r} issued this, where {issuer!r} was expected as issuer")
    _require_same("aud", claims.aud, audience)
    _require_same("nonce", claims.nonce, request.nonce)
    _require_same("request_sha256", claims.request_sha256, digest.request_sha256(request).hex())
    _require_same("consent_id", claims.consent_id, request.consent_id)
    _require_same("purpose", claims.purpose.number, request.purpose)
    if request.subject_ref:
        _require_same("subject_ref", claims.subject_ref, request.subject_ref)


def _require_same(claim: str, found: object, expected: object) -> None:
    if found != expected:
        raise BindingMismatch(claim, _OTHER[claim])


def _require_time(claims: Claims, now: datetime, skew: timedelta, archival: bool) -> None:
    ahead = claims.issued_at - now
    if ahead > skew:
        raise AttestationNotYetValid(ahead, skew)
    if now >= claims.expires_at and not archival:
        raise AttestationExpired(now - claims.expires_at)


def _require_view(view: Message, response: Message) -> None:
    differing = tuple(
        field.name
        for field in view.DESCRIPTOR.fields
        if field.name not in _BESIDE_THE_VIEW and _value(view, field.name) != _value(response, field.name)
    )
    if differing:
        raise ViewMismatch(differing)


def _value(message: Message, field: str) -> tuple[bool, object]:
    # An absent member of a oneof reads like an empty one, so presence is compared too.
    present = field not in _OUTCOMES or message.HasField(field)
    return present, getattr(message, field)


def _require_receipt(claims: Claims, attestation: str, receipt: receipt_pb2.Receipt, method: str) -> None:
    if receipt.log_origin != claims.log:
        raise ReceiptInvalid("log_origin", "is not the log that the attestation names")
    try:
        entry = leaf.decode(receipt.leaf)
    except leaf.LeafInvalid as error:
        raise ReceiptInvalid("leaf", f"{error}") from error
    decision, reason = leaf_pb2.DECISION_SCORED, ""
    if isinstance(claims.result, NotScored):
        decision, reason = leaf_pb2.DECISION_NOT_SCORED, claims.result.reason
    for member, holds in (
        ("attestation_sha256", entry.attestation_sha256 == hashlib.sha256(attestation.encode()).digest()),
        ("kind", entry.kind == leaf_pb2.LEAF_KIND_RELEASE),
        ("partner_id", entry.partner_id == claims.aud),
        ("method", entry.method == method),
        ("purpose", entry.purpose == claims.purpose.number),
        ("decision", entry.decision == decision),
        ("reason", entry.reason == reason),
        ("cost_units", entry.cost_units <= 1),
    ):
        if not holds:
            raise ReceiptInvalid(f"leaf {member}", "does not record this answer")
    _require_its_time(claims, entry)
    _require_its_periods(entry)


def _require_its_time(claims: Claims, entry: leaf_pb2.Leaf) -> None:
    # In integers: five minutes after the last second of the year 9999 there is no datetime.
    tolerance = LEAF_TOLERANCE // timedelta(microseconds=1)
    begin, end = claims.iat * 1_000_000 - tolerance, claims.exp * 1_000_000 + tolerance
    if not begin <= entry.time_micros <= end:
        minutes = LEAF_TOLERANCE // timedelta(minutes=1)
        raise ReceiptInvalid(
            "leaf time_micros", f"lies more than {minutes} minutes outside the attestation's iat to exp"
        )


def _require_its_periods(entry: leaf_pb2.Leaf) -> None:
    """Return only if a unit was taken from the entry's own day, in some time zone, and that day's month."""
    if not entry.cost_units and not entry.quota_periods:
        return
    try:
        day, month = entry.quota_periods
        apart = abs(shapes.day("day", day) - moment(entry.time_micros).date())
        fits = bool(entry.cost_units) and month == day[:7] and apart <= timedelta(days=1)
    except (ValueError, ClaimInvalid):
        fits = False
    if not fits:
        raise ReceiptInvalid("leaf quota_periods", "are not the day and the month of this entry's unit")
