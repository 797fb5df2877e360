"""From the engine's outcome to an answer that may be released: claims, signature, sealed copies.

No database and no clock; randomness only for keys' nonces.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from consent.attest import Attestation
from consent.grant import Grant
from gateway.audit.private import DataKey
from gateway.keys import Signing
from gateway.ledger import Release
from gateway.query import Caller, ScoreQuery
from gateway.quota.contract import Usage
from gateway.thresholds.cells import Cell
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.proof import results
from scoregate.proof.claims import Claims, ScoreClaims, ThresholdClaims, inquiry_of
from scoregate.proof.results import ScoreReason
from scoregate.proof.view import score_part, signed_score_view, signed_threshold_view, threshold_part
from scoregate.values import value
from scoregate.words import Disclosure, InputFamily, NotScoredReason
from scoring.service import Family, NotScored, Scored

FAMILY = {family.number: family for family in InputFamily}
NOT_SCORED = {reason.number: reason for reason in NotScoredReason}
KEPT_RESULTS = 16_384


@value
class Found:
    """A query that passed the early checks, with what the engine found."""

    query: ScoreQuery
    grant: Grant
    outcome: Scored | NotScored
    cell: Cell | None = None  # where the outcome is no closer than its cell


@value
class Prepared:
    """What the release transaction needs, and the response without its receipt."""

    release: Release
    response: bytes


@value
class Shown:
    """A result in the contract's words, and the part of a response that shows it."""

    result: Any  # of scoregate.proof.results
    part: bytes


class Wording:
    """Puts outcomes of one model into words. Many people share an outcome, so the latest are kept."""

    def __init__(self, reason_texts: Mapping[str, str]) -> None:
        self._texts = reason_texts
        self.score = lru_cache(maxsize=KEPT_RESULTS)(self._score)
        self.threshold = lru_cache(maxsize=KEPT_RESULTS)(self._threshold)
        self.not_scored = lru_cache(maxsize=KEPT_RESULTS)(self._not_scored)

    def _score(
        self,
        score: int,
        reason_codes: tuple[str, ...],
        families: tuple[Family, ...],
        model: str,
        epoch: date,
        disclosure: Disclosure,
        with_reasons: bool,
    ) -> Shown:
        # The month's first outcome may be an earlier model's, whose words went with it.
        reasons = tuple(ScoreReason(code, self._texts[code]) for code in reason_codes if code in self._texts)
        result = results.Scored(
            score=score if disclosure is Disclosure.SCORE else None,
            band=results.band_of(score),
            reasons=reasons if with_reasons else None,
            model=model,
            evaluated_at=epoch,
            families=tuple(FAMILY[family] for family in families),
        )
        return Shown(result, score_part(result))

    def _threshold(
        self, threshold: int, reached: bool, families: tuple[Family, ...], model: str, epoch: date
    ) -> Shown:
        result = results.ThresholdAnswer(
            threshold=threshold,
            reached=reached,
            model=model,
            evaluated_at=epoch,
            families=tuple(FAMILY[family] for family in families),
        )
        return Shown(result, threshold_part(result))

    def _not_scored(self, reason: int, epoch: date, is_threshold: bool) -> Shown:
        result = results.NotScored(NOT_SCORED[reason], epoch)
        return Shown(result, threshold_part(result) if is_threshold else score_part(result))


@value
class Draft:
    """An outcome in words, before it is signed."""

    found: Found
    shown: Shown
    claims: ScoreClaims | ThresholdClaims


def draft(
    found: Found, wording: Wording, *, caller: Caller, log_origin: str, issuer: str, times: tuple[int, int]
) -> Draft:
    """Put one outcome into words; ``times`` are the attester's."""
    shown = _shown(found, wording)
    return Draft(found, shown, _claims(found, shown, caller, log_origin, issuer, times))


def seal(
    made: Draft, attestation: Attestation, *, caller: Caller, usage: Usage, key: DataKey, signing: Signing
) -> Prepared:
    """Seal a signed outcome for the person that it is about."""
    found, claims, part = made.found, made.claims, made.shown.part
    if isinstance(claims, ScoreClaims):
        plain = signed_score_view(claims, part, attestation.compact)
    else:
        plain = signed_threshold_view(claims, part, attestation.compact)
    outcome = found.outcome
    release = Release(
        caller=caller,
        query=found.query,
        not_scored=NOT_SCORED[outcome.reason] if isinstance(outcome, NotScored) else None,
        signing_kid=signing.key.kid,
        log_origin=signing.log_origin,
        attestation_sha256=attestation.sha256,
        private=key.bind(_private_part(found, caller, claims).SerializeToString()),
        answer=key.seal(plain),
        seen=found.grant,
        seen_usage=usage,
        cell=found.cell,
        known_at=key.known_at,
    )
    return Prepared(release, plain)


def with_receipt(response: bytes, log_origin: str, leaf_index: int, leaf: bytes) -> bytes:
    """The response with its receipt: protobuf messages join by concatenation.

    The receipt has the highest field number, so these are the bytes that a serialiser
    would have written.
    """
    receipt = receipt_pb2.Receipt(log_origin=log_origin, leaf_index=leaf_index, leaf=leaf)
    return response + score_pb2.GetScoreResponse(receipt=receipt).SerializeToString()


def _shown(found: Found, wording: Wording) -> Shown:
    outcome, ask, threshold = found.outcome, found.query.ask, found.query.threshold
    if isinstance(outcome, NotScored):
        return wording.not_scored(outcome.reason, outcome.epoch, threshold is not None)
    basis = (outcome.families, outcome.model, outcome.epoch)
    if threshold is not None:
        return wording.threshold(threshold, outcome.score >= threshold, *basis)
    return wording.score(outcome.score, outcome.reason_codes, *basis, ask.disclosure, ask.with_reasons)


def _claims(
    found: Found, shown: Shown, caller: Caller, log_origin: str, issuer: str, times: tuple[int, int]
) -> ScoreClaims | ThresholdClaims:
    query, grant = found.query, found.grant
    kind = ScoreClaims if query.threshold is None else ThresholdClaims
    return kind(
        iss=issuer,
        aud=caller.partner_id,
        jti=_event_id(),
        iat=times[0],
        exp=times[1],
        nonce=query.nonce,
        request_sha256=query.request_sha256.hex(),
        consent_id=query.consent_id,
        consent_sha256=grant.sha256.hex(),
        purpose=query.ask.purpose,
        disclosure=query.ask.disclosure,
        inquiry=inquiry_of(query.ask.purpose),
        subject_ref=grant.subject_ref,
        log=log_origin,
        result=shown.result,
        marks=grant.marks,
    )


def _event_id() -> str:
    """A random UUID (RFC 9562, 5.4): what ``uuid.uuid4`` would spell, in a third of its time."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


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
    if query.threshold is not None:
        reached = "reached" if outcome.score >= query.threshold else "not reached"
        part.shown = f"THRESHOLD {query.threshold} {reached}"
        return part
    part.score = outcome.score
    part.shown = query.ask.disclosure
    return part
