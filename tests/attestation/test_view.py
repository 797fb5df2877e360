"""The view that the gateway writes in parts is the view that clients make from the claims."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.proof.view import (
    score_part,
    score_view,
    signed_score_view,
    signed_threshold_view,
    threshold_part,
    threshold_view,
)
from scoregate.words import Disclosure
from tests.attestation.made_answers import (
    FULL,
    LATE,
    NO_DATA,
    SCORED,
    claims_for,
    score_request,
    threshold_request,
)

EXPLAINED = claims_for(score_request(with_reasons=True))


@pytest.mark.parametrize(
    "claims",
    [
        claims_for(score_request()),
        EXPLAINED,
        claims_for(score_request(with_reasons=True), result=replace(SCORED, reasons=(FULL, LATE))),
        claims_for(score_request(disclosure=Disclosure.BAND.number)),
        claims_for(score_request(), result=NO_DATA),
    ],
)
def test_a_score_written_in_parts_is_its_view_to_the_byte(claims: ScoreClaims) -> None:
    view = score_view(claims)
    view.attestation = "a.b.c"
    assert signed_score_view(claims, score_part(claims.result), "a.b.c") == view.SerializeToString()


@pytest.mark.parametrize(
    "claims", [claims_for(threshold_request()), claims_for(threshold_request(), result=NO_DATA)]
)
def test_a_threshold_written_in_parts_is_its_view_to_the_byte(claims: ThresholdClaims) -> None:
    view = threshold_view(claims)
    view.attestation = "a.b.c"
    assert signed_threshold_view(claims, threshold_part(claims.result), "a.b.c") == view.SerializeToString()
