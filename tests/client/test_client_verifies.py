"""Nothing reaches the caller that was not verified, and each lie has its own error."""

import inspect
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest

from consent.keys import jwks
from scoregate.client import Client, ScoreQuery
from scoregate.client.answers import new_request_id
from scoregate.errors import (
    AttestationExpired,
    AttestationMalformed,
    AttestationNotYetValid,
    BindingMismatch,
    ClaimInvalid,
    KeyUnknown,
    ReceiptInvalid,
    Refused,
    ScoregateError,
    ServerFault,
    SignatureInvalid,
    VerificationFailed,
    ViewMismatch,
)
from scoregate.partner.v1 import score_pb2
from scoregate.proof import jws
from scoregate.words import Band, Disclosure, InquiryType, NotScoredReason, Purpose
from tests.attestation.made_answers import (
    ISSUER,
    KEY,
    NO_DATA,
    NOW,
    ORIGIN,
    SCORED,
    answer,
    claims_for,
    score_request,
    signing_key,
)
from tests.client.scripted_gateway import FrozenTime, ScriptedGateway, Step, claiming, say, spoiled, truly

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"
APPLICATION = Purpose.CREDIT_APPLICATION


def test_a_score_is_shown_as_it_was_signed(client: Client) -> None:
    found = client.score(CONSENT, APPLICATION, with_reasons=True)
    assert (found.score, found.band, found.not_scored) == (712, Band.FROM_700, None)
    assert [reason.code for reason in found.reasons] == ["H01", "C02"]
    assert found.model == "card@2026.1"
    assert found.evaluated_at.isoformat() == "2005-09-01"
    assert found.inquiry is InquiryType.HARD
    assert found.event_id == found.claims.jti
    assert found.consent_id == CONSENT
    assert found.subject_ref == found.claims.subject_ref
    assert found.families == SCORED.families
    assert (found.receipt.log_origin, found.receipt.leaf_index) == (ORIGIN, 41)
    assert found.replayed is False


def test_a_band_is_shown_without_a_number(client: Client) -> None:
    found = client.score(CONSENT, APPLICATION, Disclosure.BAND)
    assert (found.score, found.band, found.reasons) == (None, Band.FROM_700, ())


def test_a_person_without_score_is_not_a_low_score(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(claiming(result=NO_DATA))
    found = client.score(CONSENT, APPLICATION)
    assert (found.score, found.band, found.model, found.reasons, found.families) == (None, None, None, (), ())
    assert found.not_scored is NotScoredReason.NO_DATA


def test_a_threshold_answer_is_yes_or_no(client: Client) -> None:
    found = client.reaches(CONSENT, Purpose.PREQUALIFICATION, 650)
    assert (found.threshold, found.reached, found.not_scored) == (650, True, None)
    assert not hasattr(found, "score")


def test_a_threshold_answer_without_score_is_neither(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(claiming(result=NO_DATA))
    found = client.reaches(CONSENT, Purpose.PREQUALIFICATION, 650)
    assert (found.reached, found.not_scored) == (None, NotScoredReason.NO_DATA)


def test_words_may_be_given_as_plain_text(client: Client, gateway: ScriptedGateway) -> None:
    client.score(CONSENT, "COLLECTION", "BAND")
    assert (gateway.requests[0].purpose, gateway.requests[0].disclosure) == (4, 2)


def test_every_query_has_a_request_id_and_a_nonce_of_its_own(
    client: Client, gateway: ScriptedGateway
) -> None:
    for _ in range(3):
        client.score(CONSENT, APPLICATION)
        client.reaches(CONSENT, APPLICATION, 650)
    for name in ("request_id", "nonce"):
        assert len({getattr(request, name) for request in gateway.requests}) == 6
    assert all(len(request.nonce) == 22 for request in gateway.requests)


def test_a_request_id_begins_with_the_time_and_is_random_behind_it() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid.UUID(new_request_id()) for _ in range(1_000)]
    after = time.time_ns() // 1_000_000
    times = [each.int >> 80 for each in made]
    assert [before, *times, after] == sorted([before, *times, after])
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    behind = 0
    for each in made:
        behind |= each.int ^ made[0].int
    assert behind & (1 << 80) - 1 == (1 << 76) - 1 ^ 0b11 << 62  # all but version and variant


def test_the_callers_own_request_id_and_nonce_are_used(client: Client, gateway: ScriptedGateway) -> None:
    client.score(CONSENT, APPLICATION, request_id="0B7E8A52-6C1D-4A52-9A0E-3F6F5D2B7C11", nonce="n" * 16)
    sent = gateway.requests[0]
    assert (sent.request_id, sent.nonce) == ("0b7e8a52-6c1d-4a52-9a0e-3f6f5d2b7c11", "n" * 16)


def test_a_repeat_says_that_it_is_one(client: Client, gateway: ScriptedGateway) -> None:
    def again(request: Any, context: grpc.ServicerContext) -> Any:
        context.send_initial_metadata((("scoregate-replayed", "true"), ("ratelimit", "whatever")))
        return truly(request, context)

    gateway.script(again, again)
    assert client.score(CONSENT, APPLICATION).replayed is True
    assert client.reaches(CONSENT, APPLICATION, 650).replayed is True


def forged(request: Any, context: Any) -> Any:
    return answer(claims_for(request), key=replace(signing_key(seed=9), kid=KEY.kid))


def strange(request: Any, context: Any) -> Any:
    return answer(claims_for(request), key=signing_key(seed=9))


def unsigned(request: Any, context: Any) -> Any:
    response = truly(request, context)
    _, payload, _ = response.attestation.split(".")
    response.attestation = f"eyJhbGciOiJub25lIn0.{payload}."
    return response


def earlier(request: Any, context: Any) -> Any:
    return answer(claims_for(score_request()))


def of_another_kind(request: Any, context: Any) -> Any:
    payload = claims_for(request).encode()
    response = truly(request, context)
    response.attestation = jws.sign(
        payload, typ="JWT", kid=KEY.kid, algorithm=KEY.algorithm, private=KEY.private
    )
    return response


def without_claim(request: Any, context: Any) -> Any:
    payload = claims_for(request).encode().replace(b'"inquiry":"HARD",', b"")
    response = truly(request, context)
    response.attestation = jws.sign(
        payload, typ="score-attestation+jwt", kid=KEY.kid, algorithm=KEY.algorithm, private=KEY.private
    )
    return response


def logged(**changes: Any) -> Step:
    """A truly signed answer whose entry says something else."""
    return lambda request, context: answer(claims_for(request), **changes)


FUTURE = int((NOW + timedelta(seconds=61)).timestamp())
LIES: dict[str, tuple[Step, type[ScoregateError], str]] = {
    "for another partner": (claiming(aud="bike-share"), BindingMismatch, "aud"),
    "by another issuer": (claiming(iss="https://other.example"), BindingMismatch, "iss"),
    "another nonce": (claiming(nonce="x" * 22), BindingMismatch, "nonce"),
    "another request": (claiming(request_sha256="0" * 64), BindingMismatch, "request_sha256"),
    "another consent": (claiming(consent_id="a" * 26), BindingMismatch, "consent_id"),
    "another purpose": (claiming(purpose=Purpose.GUARANTOR), BindingMismatch, "purpose"),
    "another disclosure": (
        claiming(disclosure=Disclosure.BAND, result=replace(SCORED, score=None)),
        BindingMismatch,
        "disclosure",
    ),
    "reasons unasked": (claiming(result=replace(SCORED, reasons=())), BindingMismatch, "reasons"),
    "another person": (claiming(subject_ref="p1-somebody-else"), BindingMismatch, "subject_ref"),
    "the answer to an earlier question": (earlier, BindingMismatch, "nonce"),
    "from the future": (claiming(iat=FUTURE, exp=FUTURE + 60), AttestationNotYetValid, "clock"),
    "stale": (claiming(iat=0, exp=int(NOW.timestamp())), AttestationExpired, "expired"),
    "a higher score shown": (spoiled(lambda it: setattr(it.scored, "score", 949)), ViewMismatch, "scored"),
    "another event id": (spoiled(lambda it: setattr(it, "event_id", "x")), ViewMismatch, "event_id"),
    "a newer purpose": (spoiled(lambda it: setattr(it, "purpose", 77)), ViewMismatch, "purpose"),
    "no result": (spoiled(lambda it: it.ClearField("scored")), ViewMismatch, "scored"),
    "no attestation": (spoiled(lambda it: it.ClearField("attestation")), AttestationMalformed, "three parts"),
    "alg none": (unsigned, AttestationMalformed, "alg"),
    "another type": (of_another_kind, AttestationMalformed, "typ"),
    "a missing claim": (without_claim, ClaimInvalid, "inquiry"),
    "an unknown key": (strange, KeyUnknown, "pin"),
    "a forged signature": (forged, SignatureInvalid, "do not use"),
    "no receipt": (spoiled(lambda it: it.ClearField("receipt")), ReceiptInvalid, "log_origin"),
    "a receipt of another log": (
        spoiled(lambda it: setattr(it.receipt, "log_origin", "other.example")),
        ReceiptInvalid,
        "log_origin",
    ),
    "a wrong leaf": (spoiled(lambda it: setattr(it.receipt, "leaf", b"\x08\x01")), ReceiptInvalid, "leaf"),
    "another answer's leaf": (
        spoiled(lambda it: setattr(it.receipt, "leaf", answer(claims_for(score_request())).receipt.leaf)),
        ReceiptInvalid,
        "attestation_sha256",
    ),
    "an entry from before the attestation": (
        logged(time_micros=int((NOW - timedelta(minutes=5, seconds=1)).timestamp()) * 1_000_000),
        ReceiptInvalid,
        "time_micros",
    ),
    "a cost of two": (logged(cost_units=2), ReceiptInvalid, "cost_units"),
    "a unit of another day": (
        logged(quota_periods=["2026-11-21", "2026-11"]),
        ReceiptInvalid,
        "quota_periods",
    ),
    "nothing at all": (say(score_pb2.GetScoreResponse()), AttestationMalformed, "three parts"),
}


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_refused_with_its_own_error(client: Client, gateway: ScriptedGateway, lie: str) -> None:
    step, kind, text = LIES[lie]
    gateway.script(step)
    with pytest.raises(kind, match=text) as error:
        client.score(CONSENT, APPLICATION, subject_ref="p1-somebody")
    assert isinstance(error.value, VerificationFailed)
    assert error.value.request_id == gateway.requests[0].request_id
    assert error.value.nonce == gateway.requests[0].nonce
    assert len(gateway.requests) == 1  # a lie is not asked for again


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_inside_a_batch_is_refused_too(client: Client, gateway: ScriptedGateway, lie: str) -> None:
    step, kind, text = LIES[lie]

    def second_lies(request: Any, context: Any) -> Any:
        response = truly(request, context)
        response.results[1].answer.CopyFrom(step(request.items[1], context))
        return response

    gateway.script(second_lies)
    queries = [ScoreQuery(CONSENT, APPLICATION, subject_ref="p1-somebody") for _ in range(3)]
    outcomes = client.scores(queries)
    assert next(outcomes).request_id == queries[0].request_id
    with pytest.raises(kind, match=text) as error:
        next(outcomes)
    assert isinstance(error.value, VerificationFailed)
    assert (error.value.request_id, error.value.nonce) == (queries[1].request_id, queries[1].nonce)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (claiming(aud="bike-share"), BindingMismatch),
        (spoiled(lambda it: setattr(it.answer, "reached", False)), ViewMismatch),
        (spoiled(lambda it: it.ClearField("attestation")), AttestationMalformed),
        (spoiled(lambda it: it.ClearField("receipt")), ReceiptInvalid),
        (strange, KeyUnknown),
        (forged, SignatureInvalid),
    ],
)
def test_a_lie_about_a_threshold_is_refused(
    client: Client, gateway: ScriptedGateway, step: Step, kind: type[ScoregateError]
) -> None:
    gateway.script(step)
    with pytest.raises(kind) as error:
        client.reaches(CONSENT, Purpose.PREQUALIFICATION, 650)
    assert isinstance(error.value, VerificationFailed)
    assert error.value.request_id == gateway.requests[0].request_id
    assert error.value.nonce == gateway.requests[0].nonce


def test_freshness_is_judged_by_the_clients_own_clock(client: Client, time: FrozenTime) -> None:
    time.instant = NOW + timedelta(hours=24)
    with pytest.raises(AttestationExpired):
        client.score(CONSENT, APPLICATION)
    time.instant = NOW - timedelta(seconds=61)
    with pytest.raises(AttestationNotYetValid):
        client.score(CONSENT, APPLICATION)


def test_a_client_of_another_partner_refuses_the_same_answer(connect: Callable[..., Client]) -> None:
    with pytest.raises(BindingMismatch, match="aud"):
        connect(partner_id="bike-share").score(CONSENT, APPLICATION)


def test_a_client_of_another_issuer_refuses_the_same_answer(connect: Callable[..., Client]) -> None:
    with pytest.raises(BindingMismatch, match=rf"{ISSUER}.*https://other\.example"):
        connect(issuer="https://other.example").score(CONSENT, APPLICATION)


def test_an_answer_that_came_before_its_key_was_known_is_asked_for_again(
    connect: Callable[..., Client], gateway: ScriptedGateway
) -> None:
    stale = connect(jwks=jwks([signing_key(seed=9).public_jwk]))
    with pytest.raises(KeyUnknown) as error:
        stale.score(CONSENT, APPLICATION)
    lost = error.value
    again = connect().score(CONSENT, APPLICATION, request_id=lost.request_id, nonce=lost.nonce)
    assert again.score == 712
    first, second = gateway.requests
    assert first == second


@pytest.mark.parametrize("wrong", [
    {"issuer": "https://other.example"}, {"jwks": jwks([signing_key(seed=9).public_jwk])},
])  # fmt: skip
def test_what_a_wrong_setting_refused_says_how_it_is_had_again(
    connect: Callable[..., Client], gateway: ScriptedGateway, wrong: dict[str, str]
) -> None:
    with pytest.raises(VerificationFailed) as error:
        connect(**wrong).score(CONSENT, APPLICATION)
    sent = gateway.requests[0]
    assert str(error.value).endswith(
        f". Once the cause is mended, the same question with request_id={sent.request_id!r} and "
        f"nonce={sent.nonce!r} brings this answer again, within 24 hours and at no cost"
    )


def test_outside_the_client_an_error_names_no_question() -> None:
    assert str(SignatureInvalid("changed")) == "changed"


def test_there_is_no_switch_that_turns_verification_off() -> None:
    for function in (Client.__init__, Client.score, Client.reaches, Client.scores, Client.trusting_first_use):
        names = inspect.signature(function).parameters
        assert not [name for name in names if "verif" in name or "check" in name or "insecure" in name]


def test_bytes_that_are_no_response_are_a_fault_of_the_server(
    client: Client, gateway: ScriptedGateway
) -> None:
    gateway.script(say(b"\xff\xff"))
    with pytest.raises(ServerFault, match="gateway of this version"):
        client.score(CONSENT, APPLICATION)


def test_everything_that_is_raised_is_one_family() -> None:
    for _, kind, _ in LIES.values():
        assert issubclass(kind, ScoregateError)
    assert issubclass(Refused, ScoregateError)
