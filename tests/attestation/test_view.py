"""The view that the gateway writes in parts is the view that clients make from the claims."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scoregate.partner.v1 import score_pb2
from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.proof.view import (
    score_part,
    score_view,
    signed_score_view,
    signed_threshold_view,
    threshold_part,
    threshold_view,
)
from scoregate.words import Band, Disclosure, InputFamily, InquiryType, Mark, NotScoredReason, Purpose
from tests.attestation.made_answers import (
    FULL,
    LATE,
    NO_DATA,
    SCORED,
    SUBJECT,
    claims_for,
    score_request,
    threshold_request,
)

MARKS = (Mark.DISPUTED, Mark.UNDER_REVIEW)
EXPLAINED = claims_for(score_request(with_reasons=True))


@pytest.mark.parametrize(
    "claims",
    [
        claims_for(score_request()),
        EXPLAINED,
        claims_for(score_request(with_reasons=True), result=replace(SCORED, reasons=(FULL, LATE))),
        claims_for(score_request(disclosure=Disclosure.BAND.number)),
        claims_for(score_request(), result=NO_DATA),
        claims_for(score_request(with_reasons=True), marks=MARKS),
        claims_for(score_request(), result=NO_DATA, marks=MARKS[1:]),
    ],
)
def test_a_score_written_in_parts_is_its_view_to_the_byte(claims: ScoreClaims) -> None:
    view = score_view(claims)
    view.attestation = "a.b.c"
    assert signed_score_view(claims, score_part(claims.result), "a.b.c") == view.SerializeToString()


@pytest.mark.parametrize(
    "claims",
    [
        claims_for(threshold_request()),
        claims_for(threshold_request(), result=NO_DATA),
        claims_for(threshold_request(), marks=MARKS),
        claims_for(threshold_request(), result=NO_DATA, marks=MARKS[:1]),
    ],
)
def test_a_threshold_written_in_parts_is_its_view_to_the_byte(claims: ThresholdClaims) -> None:
    view = threshold_view(claims)
    view.attestation = "a.b.c"
    assert signed_threshold_view(claims, threshold_part(claims.result), "a.b.c") == view.SerializeToString()


FAMILIES = [InputFamily.HISTORY.number, InputFamily.CAPACITY.number]
HEAD = {
    "event_id": "d9428888-122b-41e1-b85c-61ffa1f5b6a3",
    "consent_id": "mfrggzdfmztwq2lknnwg23tpob",
    "subject_ref": SUBJECT,
}


def test_a_score_is_shown_member_by_member_as_it_was_signed() -> None:
    reasons = [score_pb2.ScoreReason(code=each.code, text=each.text) for each in (LATE, FULL)]
    assert score_view(EXPLAINED) == score_pb2.GetScoreResponse(
        **HEAD,
        purpose=Purpose.CREDIT_APPLICATION.number,
        disclosure=Disclosure.SCORE.number,
        inquiry=InquiryType.HARD.number,
        scored=score_pb2.Scored(
            score=712,
            band=Band.FROM_700.number,
            reasons=reasons,
            model="card@2026.1",
            evaluated_at="2005-09-01",
            families=FAMILIES,
            range_min=350,
            range_max=950,
        ),
    )


def test_a_threshold_answer_is_shown_member_by_member_as_it_was_signed() -> None:
    assert threshold_view(claims_for(threshold_request())) == score_pb2.CheckThresholdResponse(
        **HEAD,
        purpose=Purpose.PREQUALIFICATION.number,
        inquiry=InquiryType.SOFT.number,
        answer=score_pb2.ThresholdAnswer(
            threshold=650, reached=True, model="card@2026.1", evaluated_at="2005-09-01", families=FAMILIES
        ),
    )


def test_marks_are_shown_by_number_whatever_was_found() -> None:
    for result in (SCORED, NO_DATA):
        assert score_view(claims_for(score_request(), result=result, marks=MARKS)).marks == [1, 2]
    assert threshold_view(claims_for(threshold_request(), marks=MARKS[1:])).marks == [2]
    assert not score_view(EXPLAINED).marks


def test_where_nothing_was_scored_both_views_say_why_and_when() -> None:
    why = score_pb2.NotScored(reason=NotScoredReason.NO_DATA.number, evaluated_at="2005-09-01")
    assert score_view(claims_for(score_request(), result=NO_DATA)).not_scored == why
    assert threshold_view(
        claims_for(threshold_request(), result=NO_DATA)
    ) == score_pb2.CheckThresholdResponse(
        **HEAD,
        purpose=Purpose.PREQUALIFICATION.number,
        inquiry=InquiryType.SOFT.number,
        not_scored=why,
    )
