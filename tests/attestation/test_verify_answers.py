"""An answer is accepted only if it is the issuer's, to this partner, to this question, now, and logged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from consent.keys import jwks
from scoregate import errors
from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import (
    AttestationExpired,
    AttestationMalformed,
    AttestationNotYetValid,
    BindingMismatch,
    KeyUnknown,
    ReceiptInvalid,
    SignatureInvalid,
    ViewMismatch,
)
from scoregate.instants import micros
from scoregate.partner.v1 import score_pb2
from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.proof.jwk import Algorithm, VerificationKeys
from scoregate.proof.leaf import LeafInvalid, decode
from scoregate.proof.verify import LEAF_TOLERANCE, verify_score, verify_threshold
from scoregate.proof.view import score_view, threshold_view
from scoregate.words import Disclosure, Mark, NotScoredReason, Purpose
from tests.attestation.made_answers import (
    ACME,
    FULL,
    ISSUER,
    KEYS,
    LATE,
    NO_DATA,
    NOW,
    ORIGIN,
    P256_ORDER,
    REACHED,
    SCORED,
    answer,
    attest,
    claims_for,
    leaf_for,
    score_request,
    signing_key,
    spell,
    threshold_request,
    unspell,
)

Request = score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest
SCORE = score_request()
REASONS = score_request(with_reasons=True)
BAND = score_request(disclosure=Disclosure.BAND.number)
THRESHOLD = threshold_request()
REQUESTS = [SCORE, REASONS, BAND, THRESHOLD]
NAMES = ["score", "reasons", "band", "threshold"]


MARKS = (Mark.DISPUTED, Mark.UNDER_REVIEW)


def periods(instant: datetime) -> list[str]:
    return [f"{instant:%Y-%m-%d}", f"{instant:%Y-%m}"]


def check(response: Any, request: Request, **changes: Any) -> ScoreClaims | ThresholdClaims:
    terms: dict[str, Any] = {"keys": KEYS, "issuer": ISSUER, "audience": ACME, "now": NOW} | changes
    if isinstance(request, score_pb2.GetScoreRequest):
        return verify_score(response, request, **terms)
    return verify_threshold(response, request, **terms)


@pytest.mark.parametrize("request_", REQUESTS, ids=NAMES)
@pytest.mark.parametrize("marks", [(), MARKS[1:], MARKS])
def test_a_true_answer_is_accepted(request_: Request, marks: tuple[Mark, ...]) -> None:
    claims = claims_for(request_, marks=marks)
    assert check(answer(claims), request_) == claims


@pytest.mark.parametrize("request_", REQUESTS, ids=NAMES)
def test_a_true_answer_without_score_is_accepted(request_: Request) -> None:
    claims = claims_for(request_, result=NO_DATA)
    assert check(answer(claims), request_) == claims


def test_a_request_id_in_upper_case_is_answered_like_the_same_in_lower_case() -> None:
    upper = score_request(request_id=SCORE.request_id.upper())
    assert check(answer(claims_for(SCORE)), upper) == check(answer(claims_for(upper)), SCORE)


def test_a_true_answer_signed_with_ed25519_is_accepted() -> None:
    key = signing_key(Algorithm.ED25519, seed=2)
    claims = claims_for(SCORE)
    keys = VerificationKeys.from_jwks(jwks([key.public_jwk]))
    assert check(answer(claims, key=key), SCORE, keys=keys) == claims


def test_a_subject_that_the_request_named_is_accepted() -> None:
    named = score_request(subject_ref="p1-somebody")
    assert check(answer(claims_for(named)), named).subject_ref == "p1-somebody"


# Bindings: a truly signed and logged answer to something else.


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"iss": "https://other.example"}, "iss"),
        ({"aud": "bike-share"}, "aud"),
        ({"nonce": "Zm9yLXRlc3RzLW9ubHkhISF"}, "nonce"),
        ({"request_sha256": sha256(b"another request").hexdigest()}, "request_sha256"),
        ({"consent_id": "mfrggzdfmztwq2lknnwg23tpoc"}, "consent_id"),
        ({"purpose": Purpose.GUARANTOR}, "purpose"),
        ({"disclosure": Disclosure.BAND, "result": replace(SCORED, score=None)}, "disclosure"),
        ({"result": replace(SCORED, reasons=(LATE,))}, "reasons"),
    ],
)
def test_each_binding_that_differs_is_named(change: dict[str, Any], claim: str) -> None:
    with pytest.raises(BindingMismatch) as error:
        check(answer(claims_for(SCORE, **change)), SCORE)
    assert error.value.claim == claim
    assert not str(error.value).endswith("None")  # it says what that means


def test_another_issuer_is_named_beside_the_one_that_was_expected() -> None:
    with pytest.raises(BindingMismatch, match="iss") as error:
        check(answer(claims_for(SCORE)), SCORE, issuer="https://scoregate.local")
    assert ISSUER in str(error.value)
    assert "https://scoregate.local" in str(error.value)


def test_reasons_that_were_asked_for_and_are_missing_are_noticed() -> None:
    with pytest.raises(BindingMismatch, match="reasons"):
        check(answer(claims_for(REASONS, result=SCORED)), REASONS)


def test_another_person_is_noticed_when_the_request_named_one() -> None:
    named = score_request(subject_ref="p1-somebody")
    with pytest.raises(BindingMismatch, match="subject_ref"):
        check(answer(claims_for(named, subject_ref="p1-somebody-else")), named)


def test_another_threshold_is_noticed() -> None:
    with pytest.raises(BindingMismatch, match="threshold"):
        check(answer(claims_for(THRESHOLD, result=replace(REACHED, threshold=600))), THRESHOLD)


OTHER_QUESTIONS: list[dict[str, Any]] = [
    {"request_id": "0b7e8a52-6c1d-4a52-9a0e-3f6f5d2b7c12"},
    {"consent_id": "mfrggzdfmztwq2lknnwg23tpoc"},
    {"subject_ref": "p1-somebody"},
    {"purpose": Purpose.COLLECTION.number},
    {"disclosure": Disclosure.BAND.number},
    {"with_reasons": True},
    {"nonce": "Zm9yLXRlc3RzLW9ubHkhISF"},
]


@pytest.mark.parametrize("change", OTHER_QUESTIONS)
def test_the_true_answer_to_another_question_is_refused(change: dict[str, Any]) -> None:
    other = score_request(**change)
    check(answer(claims_for(other)), other)  # it is a true answer
    with pytest.raises(BindingMismatch):
        check(answer(claims_for(other)), SCORE)


@pytest.mark.parametrize(
    ("other", "request_"), [(THRESHOLD, SCORE), (SCORE, THRESHOLD)], ids=["threshold", "score"]
)
def test_an_attestation_of_the_other_kind_is_refused(other: Request, request_: Request) -> None:
    response: Any = score_pb2.GetScoreResponse() if request_ is SCORE else score_pb2.CheckThresholdResponse()
    response.attestation = attest(claims_for(other)).compact
    with pytest.raises(AttestationMalformed, match="typ"):
        check(response, request_)


# Signature.


def test_an_answer_without_attestation_is_refused() -> None:
    response = answer(claims_for(SCORE))
    response.attestation = ""
    with pytest.raises(AttestationMalformed):
        check(response, SCORE)


def test_an_answer_signed_by_a_stranger_is_refused() -> None:
    with pytest.raises(KeyUnknown):
        check(answer(claims_for(SCORE), key=signing_key(seed=9)), SCORE)


def test_a_strangers_signature_under_our_kid_is_refused() -> None:
    forged = replace(signing_key(seed=9), kid=signing_key().kid)
    with pytest.raises(SignatureInvalid):
        check(answer(claims_for(SCORE), key=forged), SCORE)


def test_the_signature_is_checked_before_any_claim_is_looked_at() -> None:
    forged = replace(signing_key(seed=9), kid=signing_key().kid)
    with pytest.raises(SignatureInvalid):
        check(answer(claims_for(SCORE, aud="bike-share", iat=0, exp=1), key=forged), SCORE)


# Time.

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("early", [timedelta(0), 59 * SECOND, 60 * SECOND])
def test_an_answer_from_a_clock_within_the_skew_is_accepted(early: timedelta) -> None:
    check(answer(claims_for(SCORE)), SCORE, now=NOW - early)


def test_an_answer_from_beyond_the_skew_is_refused_with_the_difference() -> None:
    with pytest.raises(AttestationNotYetValid, match="clock") as error:
        check(answer(claims_for(SCORE)), SCORE, now=NOW - 60 * SECOND - timedelta(microseconds=1))
    assert error.value.ahead == 60 * SECOND + timedelta(microseconds=1)


def test_the_skew_can_be_narrowed() -> None:
    with pytest.raises(AttestationNotYetValid):
        check(answer(claims_for(SCORE)), SCORE, now=NOW - SECOND, skew=timedelta(0))


@pytest.mark.parametrize("request_", [SCORE, THRESHOLD], ids=["score", "threshold"])
def test_an_answer_is_fresh_until_the_instant_at_which_it_expires(request_: Request) -> None:
    expires = NOW + timedelta(hours=24)
    check(answer(claims_for(request_)), request_, now=expires - timedelta(microseconds=1))
    with pytest.raises(AttestationExpired):
        check(answer(claims_for(request_)), request_, now=expires)


@pytest.mark.parametrize("request_", REQUESTS, ids=NAMES)
def test_an_archived_answer_is_verified_years_later_and_shows_its_age(request_: Request) -> None:
    later = NOW + timedelta(days=3650)
    found = check(answer(claims_for(request_)), request_, now=later, archival=True)
    assert found.expires_at < later


def test_an_archived_answer_from_the_future_is_refused_all_the_same() -> None:
    with pytest.raises(AttestationNotYetValid):
        check(answer(claims_for(SCORE)), SCORE, now=NOW - timedelta(hours=1), archival=True)


def test_a_time_without_zone_is_not_guessed_at() -> None:
    with pytest.raises(TypeError):
        check(answer(claims_for(SCORE)), SCORE, now=datetime(2026, 11, 23, 9, 30))


# View.


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda view: setattr(view, "event_id", "d9428888-122b-41e1-b85c-61ffa1f5b6a4"), "event_id"),
        (lambda view: setattr(view, "consent_id", ""), "consent_id"),
        (lambda view: setattr(view, "subject_ref", "p1-somebody-else"), "subject_ref"),
        (lambda view: setattr(view, "purpose", Purpose.GUARANTOR.number), "purpose"),
        (lambda view: setattr(view, "purpose", 99), "purpose"),
        (lambda view: setattr(view, "disclosure", Disclosure.BAND.number), "disclosure"),
        (lambda view: setattr(view, "inquiry", 1), "inquiry"),
        (lambda view: setattr(view.scored, "score", 713), "scored"),
        (lambda view: view.scored.ClearField("score"), "scored"),
        (lambda view: setattr(view.scored, "band", 4), "scored"),
        (lambda view: setattr(view.scored, "band", 6), "scored"),
        (lambda view: setattr(view.scored, "model", "card@2026.2"), "scored"),
        (lambda view: setattr(view.scored, "evaluated_at", "2005-10-01"), "scored"),
        (lambda view: setattr(view.scored, "range_max", 850), "scored"),
        (lambda view: view.scored.families.pop(), "scored"),
        (lambda view: view.scored.families.reverse(), "scored"),
        (lambda view: view.scored.families.append(5), "scored"),
        (lambda view: setattr(view.scored.reasons[0], "text", "All is well."), "scored"),
        (lambda view: view.scored.reasons.reverse(), "scored"),
        (lambda view: view.scored.reasons.pop(), "scored"),
        (lambda view: view.ClearField("scored"), "scored"),
        (lambda view: setattr(view.not_scored, "reason", 1), "scored, not_scored"),
        (lambda view: view.marks.pop(), "marks"),
        (lambda view: view.marks.reverse(), "marks"),
        (lambda view: view.marks.append(1), "marks"),
    ],
)
def test_a_typed_result_that_differs_from_what_was_signed_is_refused(
    spoil: Callable[[Any], object], field: str
) -> None:
    response = answer(claims_for(REASONS, marks=MARKS))
    spoil(response)
    with pytest.raises(ViewMismatch) as error:
        check(response, REASONS)
    assert ", ".join(error.value.fields) == field


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda view: setattr(view.answer, "reached", False), "answer"),
        (lambda view: setattr(view.answer, "threshold", 700), "answer"),
        (lambda view: view.answer.families.pop(), "answer"),
        (lambda view: setattr(view, "inquiry", 2), "inquiry"),
        (lambda view: view.not_scored.SetInParent(), "answer, not_scored"),
        (lambda view: view.marks.append(1), "marks"),
    ],
)
def test_a_typed_threshold_answer_that_differs_is_refused(spoil: Callable[[Any], object], field: str) -> None:
    response = answer(claims_for(THRESHOLD))
    spoil(response)
    with pytest.raises(ViewMismatch) as error:
        check(response, THRESHOLD)
    assert ", ".join(error.value.fields) == field


def test_a_score_where_none_was_signed_is_refused() -> None:
    response = answer(claims_for(SCORE, result=NO_DATA))
    response.scored.score = 712
    with pytest.raises(ViewMismatch):
        check(response, SCORE)


def test_an_empty_result_is_not_an_absent_one() -> None:
    response = answer(claims_for(SCORE, result=NO_DATA))
    response.scored.SetInParent()
    with pytest.raises(ViewMismatch):
        check(response, SCORE)


@pytest.mark.parametrize("request_", REQUESTS, ids=NAMES)
def test_the_view_fills_every_field_of_the_answer_but_the_two_beside_it(request_: Request) -> None:
    claims = claims_for(request_, marks=MARKS)
    view: Any = score_view(claims) if isinstance(claims, ScoreClaims) else threshold_view(claims)
    unset = {field.name for field in view.DESCRIPTOR.fields} - {field.name for field, _ in view.ListFields()}
    assert unset == {"attestation", "receipt", "not_scored"}


def test_the_view_shows_no_number_under_band() -> None:
    view = score_view(claims_for(BAND))
    assert not view.scored.HasField("score")
    assert (view.scored.range_min, view.scored.range_max) == (350, 950)


def test_the_view_shows_reasons_in_their_order() -> None:
    shown = [(reason.code, reason.text) for reason in score_view(claims_for(REASONS)).scored.reasons]
    assert shown == [(LATE.code, LATE.text), (FULL.code, FULL.text)]


@pytest.mark.parametrize("reason", NotScoredReason)
def test_the_view_says_why_there_is_no_score(reason: NotScoredReason) -> None:
    view = score_view(claims_for(SCORE, result=replace(NO_DATA, reason=reason)))
    assert view.WhichOneof("result") == "not_scored"
    assert view.not_scored.reason == reason.number
    assert view.not_scored.evaluated_at == "2005-09-01"


def test_a_field_that_only_a_newer_contract_knows_is_not_part_of_the_view() -> None:
    claims = claims_for(SCORE)
    newer = answer(claims).SerializeToString() + b"\xa2\x06\x03new"  # field 100
    assert check(score_pb2.GetScoreResponse.FromString(newer), SCORE) == claims


# Receipt.


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"attestation_sha256": sha256(b"another attestation").digest()}, "attestation_sha256"),
        ({"attestation_sha256": b""}, "attestation_sha256"),
        ({"kind": leaf_pb2.LEAF_KIND_REFUSAL}, "kind"),
        ({"kind": leaf_pb2.LEAF_KIND_REPLAY, "refers_to": 40}, "kind"),
        ({"partner_id": "bike-share"}, "partner_id"),
        ({"method": "/scoregate.partner.v1.ScoreService/CheckThreshold"}, "method"),
        ({"method": ""}, "method"),
        ({"purpose": Purpose.GUARANTOR.number}, "purpose"),
        ({"decision": leaf_pb2.DECISION_NOT_SCORED}, "decision"),
        ({"decision": leaf_pb2.DECISION_REFUSED}, "decision"),
        ({"reason": "THIN_FILE"}, "reason"),
        ({"cost_units": 2}, "cost_units"),
    ],
)
def test_a_leaf_that_records_something_else_is_refused(change: dict[str, Any], member: str) -> None:
    with pytest.raises(ReceiptInvalid) as error:
        check(answer(claims_for(SCORE), **change), SCORE)
    assert error.value.member == f"leaf {member}"
    assert str(error.value).endswith(" does not record this answer")


ISSUED, EXPIRES = NOW, NOW + timedelta(hours=24)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize("logged", [ISSUED - LEAF_TOLERANCE, ISSUED, EXPIRES, EXPIRES + LEAF_TOLERANCE])
@pytest.mark.parametrize("archival", [False, True])
def test_an_entry_of_the_attestations_time_give_or_take_the_tolerance_is_accepted(
    logged: datetime, archival: bool
) -> None:
    response = answer(claims_for(SCORE), time_micros=micros(logged), quota_periods=periods(logged))
    check(response, SCORE, archival=archival)


@pytest.mark.parametrize("logged", [ISSUED - LEAF_TOLERANCE - TICK, EXPIRES + LEAF_TOLERANCE + TICK])
@pytest.mark.parametrize("archival", [False, True])
def test_an_entry_of_another_time_than_the_attestations_is_refused(logged: datetime, archival: bool) -> None:
    response = answer(claims_for(SCORE), time_micros=micros(logged), quota_periods=periods(logged))
    with pytest.raises(ReceiptInvalid) as error:
        check(response, SCORE, archival=archival)
    assert error.value.member == "leaf time_micros"
    assert str(error.value).endswith(" lies more than 5 minutes outside the attestation's iat to exp")


def test_the_last_times_that_can_be_written_are_compared_too() -> None:
    claims = claims_for(SCORE, exp=253_402_300_799)
    last: dict[str, Any] = {
        "time_micros": 253_402_300_799_999_999,
        "quota_periods": ["9999-12-31", "9999-12"],
    }
    check(answer(claims, **last), SCORE)


@pytest.mark.parametrize("day", ["2026-11-22", "2026-11-23", "2026-11-24"])
def test_a_unit_may_be_of_the_day_that_it_was_in_any_time_zone(day: str) -> None:
    check(answer(claims_for(SCORE), quota_periods=[day, "2026-11"]), SCORE)


@pytest.mark.parametrize(("day", "month"), [("2026-11-30", "2026-11"), ("2026-12-01", "2026-12")])
def test_the_month_is_the_days_own(day: str, month: str) -> None:
    late = datetime(2026, 11, 30, 20, tzinfo=UTC)
    claims = claims_for(SCORE, iat=micros(late) // 1_000_000, exp=micros(late) // 1_000_000 + 60)
    check(answer(claims, quota_periods=[day, month]), SCORE, now=late)
    other = "2026-12" if month == "2026-11" else "2026-11"
    with pytest.raises(ReceiptInvalid, match="quota_periods"):
        check(answer(claims, quota_periods=[day, other]), SCORE, now=late)


@pytest.mark.parametrize(
    "periods",
    [[], ["2026-11-23"], ["2026-11"], ["2026-11", "2026-11-23"], ["2026-11-23", "2026-11", "2026"],
     ["2026-11-21", "2026-11"], ["2026-11-25", "2026-11"], ["2025-11-23", "2025-11"],
     ["2026-11-23", "2026-10"], ["20261123", "2026-11"], ["2026-W48-1", "2026-W4"], ["", ""],
     ["2026-11-31", "2026-11"]],
)  # fmt: skip
def test_a_unit_of_other_periods_is_refused(periods: list[str]) -> None:
    with pytest.raises(ReceiptInvalid) as error:
        check(answer(claims_for(SCORE), quota_periods=periods), SCORE)
    assert error.value.member == "leaf quota_periods"
    assert str(error.value).endswith(" are not the day and the month of this entry's unit")


def test_an_answer_that_cost_nothing_is_taken_from_no_period() -> None:
    claims = claims_for(SCORE, result=NO_DATA)
    check(answer(claims, cost_units=0, quota_periods=[]), SCORE)
    with pytest.raises(ReceiptInvalid, match="quota_periods"):
        check(answer(claims, cost_units=0), SCORE)


@pytest.mark.parametrize("method", ["GetScore", "BatchGetScores"])
def test_an_answer_needs_a_leaf_of_its_own_method(method: str) -> None:
    if method == "BatchGetScores":  # which no leaf names: an item's says GetScore
        with pytest.raises(ReceiptInvalid, match="method"):
            check(answer(claims_for(SCORE), method=f"/scoregate.partner.v1.ScoreService/{method}"), SCORE)
    response = answer(claims_for(THRESHOLD), method=f"/scoregate.partner.v1.ScoreService/{method}")
    with pytest.raises(ReceiptInvalid, match="method"):
        check(response, THRESHOLD)


def test_a_not_scored_answer_needs_a_leaf_that_says_so() -> None:
    claims = claims_for(SCORE, result=NO_DATA)
    with pytest.raises(ReceiptInvalid, match="decision"):
        check(answer(claims, decision=leaf_pb2.DECISION_SCORED), SCORE)


def test_the_leaf_of_another_answer_is_refused() -> None:
    response = answer(claims_for(SCORE))
    response.receipt.leaf = answer(claims_for(REASONS)).receipt.leaf
    with pytest.raises(ReceiptInvalid, match="attestation_sha256"):
        check(response, SCORE)


@pytest.mark.parametrize("leaf", [b"", b"\xff", b"\x08\x01", b"x" * 5000])
def test_a_leaf_that_is_none_is_refused(leaf: bytes) -> None:
    response = answer(claims_for(SCORE))
    response.receipt.leaf = leaf
    with pytest.raises(LeafInvalid) as problem:
        decode(leaf)
    with pytest.raises(ReceiptInvalid, match="leaf") as error:
        check(response, SCORE)
    assert error.value.member == "leaf"
    assert str(problem.value) in str(error.value)


def test_a_leaf_in_a_second_form_is_refused() -> None:
    response = answer(claims_for(SCORE))
    response.receipt.leaf += b"\x50\x01"  # cost_units, given again
    with pytest.raises(ReceiptInvalid, match="leaf"):
        check(response, SCORE)


def test_an_answer_without_receipt_is_refused() -> None:
    response = answer(claims_for(SCORE))
    response.ClearField("receipt")
    with pytest.raises(ReceiptInvalid):
        check(response, SCORE)


def test_a_receipt_from_another_log_is_refused() -> None:
    response = answer(claims_for(SCORE))
    response.receipt.log_origin = "other.example/log"
    with pytest.raises(ReceiptInvalid, match=r" is not the log that the attestation names$") as error:
        check(response, SCORE)
    assert error.value.member == "log_origin"


def test_no_single_flipped_bit_of_the_leaf_is_accepted_as_the_same_record() -> None:
    """The leaf itself is protected by the log; here only what binds it to the answer is."""
    claims = claims_for(SCORE)
    response = answer(claims)
    whole = bytes(response.receipt.leaf)
    place = whole.index(sha256(response.attestation.encode()).digest())
    for bit in range(place * 8, (place + 32) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        response.receipt.leaf = bytes(flipped)
        with pytest.raises(ReceiptInvalid):
            check(response, SCORE)


def test_the_high_s_twin_of_an_attestation_has_no_receipt() -> None:
    response = answer(claims_for(SCORE))
    head, payload, signature = response.attestation.split(".")
    raw = unspell(signature)
    twin = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    response.attestation = f"{head}.{payload}.{spell(twin)}"
    with pytest.raises(ReceiptInvalid, match="attestation_sha256"):
        check(response, SCORE)


def test_errors_quote_neither_score_nor_person() -> None:
    named = score_request(subject_ref="p1-somebody")
    spoiled = answer(claims_for(REASONS))
    spoiled.scored.score = 713
    for response, request in ((answer(claims_for(SCORE)), named), (spoiled, REASONS)):
        with pytest.raises(errors.VerificationFailed) as error:
            check(response, request)
        assert not any(secret in str(error.value) for secret in ("712", "713", "p1-"))


def test_the_samples_agree_on_the_log() -> None:
    claims = claims_for(SCORE)
    assert claims.log == ORIGIN
    assert leaf_for(claims, "x") != leaf_for(claims, "y")
    assert NOW.tzinfo is UTC
