"""From the engine's outcome to an answer that may be released: claims, signature, sealed copies.

No database and no clock; randomness only for keys' nonces.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consent.attest import Attester
from consent.grant import Grant
from gateway.audit.private import DataKey
from gateway.keys import Signing
from gateway.ledger import Release
from gateway.query import Caller, ScoreQuery
from gateway.quota.contract import Usage
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.proof import results
from scoregate.proof.claims import Claims, ScoreClaims, ThresholdClaims, inquiry_of
from scoregate.proof.results import ScoreReason
from scoregate.proof.view import score_view, threshold_view
from scoregate.words import Disclosure, InputFamily, NotScoredReason
from scoring.service import NotScored, Scored

FAMILY = {family.number: family for family in InputFamily}
NOT_SCORED = {reason.number: reason for reason in NotScoredReason}


@dataclass(frozen=True, slots=True)
class Found:
    """A query that passed the early checks, with what the engine found."""

    query: ScoreQuery
    grant: Grant
    outcome: Scored | NotScored


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the release transaction needs, and the response without its receipt."""

    release: Release
    response: bytes


def prepare(
    found: Found,
    *,
    caller: Caller,
    usage: Usage,
    key: DataKey,
    signing: Signing,
    attester: Attester,
    reason_texts: Mapping[str, str],
    now: datetime,
) -> Prepared:
    """Sign and seal one outcome."""
    made = _claims(found, caller, signing.log_origin, attester, reason_texts, now)
    attestation = attester.attest(made, signing.key)
    response = score_view(made) if isinstance(made, ScoreClaims) else threshold_view(made)
    response.attestation = attestation.compact
    plain = response.SerializeToString()
    outcome = found.outcome
    release = Release(
        caller=caller,
        query=found.query,
        not_scored=NOT_SCORED[outcome.reason] if isinstance(outcome, NotScored) else None,
        signing_kid=signing.key.kid,
        log_origin=signing.log_origin,
        attestation_sha256=attestation.sha256,
        private=key.bind(_private_part(found, caller, made).SerializeToString()),
        answer=key.seal(plain),
        seen=found.grant,
        seen_usage=usage,
    )
    return Prepared(release, plain)


def with_receipt(response: bytes, log_origin: str, leaf_index: int, leaf: bytes) -> bytes:
    """The response with its receipt: protobuf messages join by concatenation.

    The receipt has the highest field number, so these are the bytes that a serialiser
    would have written.
    """
    receipt = receipt_pb2.Receipt(log_origin=log_origin, leaf_index=leaf_index, leaf=leaf)
    return response + score_pb2.GetScoreResponse(receipt=receipt).SerializeToString()


def _claims(
    found: Found,
    caller: Caller,
    log_origin: str,
    attester: Attester,
    reason_texts: Mapping[str, str],
    now: datetime,
) -> ScoreClaims | ThresholdClaims:
    query, grant = found.query, found.grant
    issued, expires = attester.times(now)
    shared: dict[str, Any] = {
        "iss": attester.issuer,
        "aud": caller.partner_id,
        "jti": str(uuid.uuid4()),
        "iat": issued,
        "exp": expires,
        "nonce": query.nonce,
        "request_sha256": query.request_sha256.hex(),
        "consent_id": query.consent_id,
        "consent_sha256": grant.sha256.hex(),
        "purpose": query.ask.purpose,
        "disclosure": query.ask.disclosure,
        "inquiry": inquiry_of(query.ask.purpose),
        "subject_ref": grant.subject_ref,
        "log": log_origin,
    }
    if query.threshold is None:
        return ScoreClaims(**shared, result=_score_result(found, reason_texts))
    return ThresholdClaims(**shared, result=_threshold_result(found, query.threshold))


def _score_result(found: Found, reason_texts: Mapping[str, str]) -> results.Scored | results.NotScored:
    outcome, ask = found.outcome, found.query.ask
    if isinstance(outcome, NotScored):
        return results.NotScored(NOT_SCORED[outcome.reason], outcome.epoch)
    reasons = tuple(ScoreReason(code, reason_texts[code]) for code in outcome.reason_codes)
    return results.Scored(
        score=outcome.score if ask.disclosure is Disclosure.SCORE else None,
        band=results.band_of(outcome.score),
        reasons=reasons if ask.with_reasons else None,
        model=outcome.model,
        evaluated_at=outcome.epoch,
        families=tuple(FAMILY[family] for family in outcome.families),
    )


def _threshold_result(found: Found, threshold: int) -> results.ThresholdAnswer | results.NotScored:
    outcome = found.outcome
    if isinstance(outcome, NotScored):
        return results.NotScored(NOT_SCORED[outcome.reason], outcome.epoch)
    return results.ThresholdAnswer(
        threshold=threshold,
        reached=outcome.score >= threshold,
        model=outcome.model,
        evaluated_at=outcome.epoch,
        families=tuple(FAMILY[family] for family in outcome.families),
    )


def _private_part(found: Found, caller: Caller, made: Claims) -> leaf_pb2.PrivatePart:
    query, outcome = found.query, found.outcome
    part = leaf_pb2.PrivatePart(
        subject=found.grant.subject,
        consent_id=query.consent_id,
        event_id=made.jti,
        request_id=query.request_id,
        legal_name=caller.legal_name,
        peer=caller.peer,
    )
    if isinstance(outcome, NotScored):
        part.shown = NOT_SCORED[outcome.reason]
        return part
    if query.ask.disclosure is Disclosure.BAND:
        part.shown = f"BAND {results.band_of(outcome.score)}"
        return part
    part.score = outcome.score
    part.shown = query.ask.disclosure
    if query.threshold is not None:
        reached = "reached" if outcome.score >= query.threshold else "not reached"
        part.shown = f"THRESHOLD {query.threshold} {reached}"
    return part
