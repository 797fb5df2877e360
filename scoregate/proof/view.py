"""The typed answer, made from the claims alone: one function for both sides.

Pure. The gateway renders answers with it; the client makes the view again from what was signed and
refuses any difference. Source: protos/scoregate/partner/v1/score.proto.
"""

from typing import Any

from scoregate.partner.v1 import score_pb2
from scoregate.proof.claims import Claims, ScoreClaims, ThresholdClaims
from scoregate.proof.results import SCORE_RANGE, NotScored, Scored, ThresholdAnswer


def score_view(claims: ScoreClaims) -> score_pb2.GetScoreResponse:
    """Return the answer to GetScore without attestation and receipt."""
    view = _score_head(claims)
    view.MergeFromString(score_part(claims.result))
    view.marks.extend(_marks(claims))
    return view


def threshold_view(claims: ThresholdClaims) -> score_pb2.CheckThresholdResponse:
    """Return the answer to CheckThreshold without attestation and receipt."""
    view = _threshold_head(claims)
    view.MergeFromString(threshold_part(claims.result))
    view.marks.extend(_marks(claims))
    return view


# In parts, serialised, for many people share a result. Messages join by concatenation; the parts come by
# ascending field number, so that the whole is what a serialiser would have written.


def score_part(result: Scored | NotScored) -> bytes:
    """Return what a GetScoreResponse shows of a result: the same for everybody who has it."""
    if isinstance(result, NotScored):
        return score_pb2.GetScoreResponse(not_scored=_not_scored(result)).SerializeToString()
    return score_pb2.GetScoreResponse(scored=_scored(result)).SerializeToString()


def threshold_part(result: ThresholdAnswer | NotScored) -> bytes:
    """Return what a CheckThresholdResponse shows of a result."""
    if isinstance(result, NotScored):
        return score_pb2.CheckThresholdResponse(not_scored=_not_scored(result)).SerializeToString()
    return score_pb2.CheckThresholdResponse(answer=_answer(result)).SerializeToString()


def signed_score_view(claims: ScoreClaims, part: bytes, attestation: str) -> bytes:
    """Return `score_view` with its attestation; ``part`` is the result's `score_part`."""
    tail = score_pb2.GetScoreResponse(attestation=attestation)
    if claims.marks:
        tail.marks.extend(_marks(claims))
    return _score_head(claims).SerializeToString() + part + tail.SerializeToString()


def signed_threshold_view(claims: ThresholdClaims, part: bytes, attestation: str) -> bytes:
    """Return `threshold_view` with its attestation; ``part`` is the result's `threshold_part`."""
    tail = score_pb2.CheckThresholdResponse(attestation=attestation)
    if claims.marks:
        tail.marks.extend(_marks(claims))
    return _threshold_head(claims).SerializeToString() + part + tail.SerializeToString()


def _score_head(claims: ScoreClaims) -> score_pb2.GetScoreResponse:
    return score_pb2.GetScoreResponse(
        event_id=claims.jti,
        consent_id=claims.consent_id,
        subject_ref=claims.subject_ref,
        purpose=claims.purpose.number,
        disclosure=claims.disclosure.number,
        inquiry=claims.inquiry.number,
    )


def _threshold_head(claims: ThresholdClaims) -> score_pb2.CheckThresholdResponse:
    return score_pb2.CheckThresholdResponse(
        event_id=claims.jti,
        consent_id=claims.consent_id,
        subject_ref=claims.subject_ref,
        purpose=claims.purpose.number,
        inquiry=claims.inquiry.number,
    )


def _marks(claims: Claims) -> list[Any]:
    return [mark.number for mark in claims.marks]


def _scored(result: Scored) -> score_pb2.Scored:
    return score_pb2.Scored(
        score=result.score,
        band=result.band.number,
        reasons=[
            score_pb2.ScoreReason(code=reason.code, text=reason.text) for reason in result.reasons or ()
        ],
        model=result.model,
        evaluated_at=result.evaluated_at.isoformat(),
        families=[family.number for family in result.families],
        range_min=SCORE_RANGE[0],
        range_max=SCORE_RANGE[1],
    )


def _answer(result: ThresholdAnswer) -> score_pb2.ThresholdAnswer:
    return score_pb2.ThresholdAnswer(
        threshold=result.threshold,
        reached=result.reached,
        model=result.model,
        evaluated_at=result.evaluated_at.isoformat(),
        families=[family.number for family in result.families],
    )


def _not_scored(result: NotScored) -> score_pb2.NotScored:
    return score_pb2.NotScored(reason=result.reason.number, evaluated_at=result.evaluated_at.isoformat())
