"""Whatever comes over the wire: a status of ours, nothing spent, the books in balance."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.query import BATCH_GET_SCORES, CHECK_THRESHOLD, GET_SCORE
from scoregate.admin.v1 import consent_admin_pb2, partner_admin_pb2
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.journey.conftest import Channels
from tests.journey.contract import METHODS, Method, by_name
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import (
    answered,
    ask,
    require_explained,
    require_recorded,
    turned_down,
    turned_down_raw,
)
from tests.journey.samples import SOMETHING, good_terms, samples, score_request
from tests.wire import Failure, open_channel, outcome, refused, send
from tests.world import Partner, World, new_uuid

MEBIBYTE = 1 << 20


def test_every_method_has_a_good_sample() -> None:
    assert set(samples()) == {method.path for method in METHODS}


# --- not a message at all

MALFORMED = {
    "rubbish": b"\xff",
    "a truncated tag": b"\x80",
    "a truncated length": b"\x0a\xff",
    "a length beyond the end": b"\x0a\x05abc",
    "a length of 2^63": b"\x0a" + b"\xff" * 8 + b"\x7f",
    "a varint of 11 bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "a wire type that does not exist": b"\x0f",
    "a group that does not end": b"\x7b",
    "an end without a group": b"\x0c",
    "groups 10,000 deep": b"\x7b" * 10_000 + b"\x7c" * 10_000,
}


@pytest.mark.parametrize("method", METHODS, ids=by_name)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_body_is_refused_and_recorded(
    world: World, channels: Channels, method: Method, body: bytes
) -> None:
    turned_down_raw(world, *channels[method.path], method.path, body, "BODY_MALFORMED")


@pytest.mark.parametrize("path", [GET_SCORE, CHECK_THRESHOLD, BATCH_GET_SCORES])
def test_a_truncated_request_is_never_taken_for_a_whole_one(
    world: World, channels: Channels, path: str
) -> None:
    whole = samples()[path].SerializeToString()
    for length in range(0, len(whole), 7):
        failure = refused(send, channels[path][0], path, whole[:length])
        assert failure.reason in ("BODY_MALFORMED", "FIELD_INVALID")


def test_text_that_is_not_utf8_is_malformed(world: World, channels: Channels) -> None:
    turned_down_raw(world, *channels[GET_SCORE], GET_SCORE, b"\x0a\x01\xff", "BODY_MALFORMED")
    surrogate = b"\x0a\x03\xed\xa0\x80"
    turned_down_raw(world, *channels[GET_SCORE], GET_SCORE, surrogate, "BODY_MALFORMED")


def test_a_field_of_another_wire_type_counts_as_absent(world: World, acme: Partner) -> None:
    number_for_text = b"\x08\x01" + score_request().SerializeToString()[38:]  # request_id as a varint
    failure = refused(send, acme.channel, GET_SCORE, number_for_text)
    assert failure.violations == ("request_id",)


def test_an_unknown_field_is_let_be(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme))
    padded = request.SerializeToString() + b"\xfa\x7f\x03abc"
    first = send(acme.channel, GET_SCORE, padded)
    assert ask(acme, request).body == first.body  # and does not make another question of it


# --- too large, compressed, lost: refused by grpcio before any code of ours


def require_nothing_of_ours(failure: Failure, status: grpc.StatusCode) -> None:
    assert (failure.status, failure.reason, failure.help_url) == (status, "", "")


def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_not(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme)).SerializeToString()
    padding = MEBIBYTE - len(request) - 6
    largest = request + b"\xfa\x7f" + varint(padding + 1) + b"x" * (padding + 1)
    assert len(largest) == MEBIBYTE
    assert send(acme.channel, GET_SCORE, largest).body
    with world.entries() as entries:
        failure = refused(send, acme.channel, GET_SCORE, largest + b"x")
    require_nothing_of_ours(failure, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert entries == []


def varint(number: int) -> bytes:
    """Three bytes, as a length just under 2^20 takes."""
    return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))


@pytest.mark.parametrize("method", METHODS, ids=by_name)
def test_a_compressed_body_is_not_read(world: World, channels: Channels, method: Method) -> None:
    with world.entries() as entries:
        failure = refused(
            send, channels[method.path][0], method.path, b"x" * 100_000, compression=grpc.Compression.Gzip
        )
    require_nothing_of_ours(failure, grpc.StatusCode.UNIMPLEMENTED)
    assert entries == []


def test_nine_kilobytes_of_metadata_are_not_read(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    request = acme.query(world.consent(acme))
    failure = refused(ask, acme, request, metadata=(("x-padding", "x" * 9_216),))
    require_nothing_of_ours(failure, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert engine.calls == 0
    ask(acme, request, metadata=(("x-padding", "x" * 4_096),))


ODD_PATHS = (
    "/scoregate.partner.v1.ScoreService/getscore",
    "/scoregate.partner.v1.ScoreService/GetScore/",
    "//scoregate.partner.v1.ScoreService/GetScore",
    "/scoregate.partner.v1.ScoreService/GetScore?admin=1",
    "/scoregate.partner.v1.ScoreService/%47etScore",
    "/scoregate.partner.v1.ScoreService/../../scoregate.admin.v1.OperationsAdminService/ListKeys",
    "/scoregate.partner.v2.ScoreService/GetScore",
    "/scoregate.engine.v1.EngineService/Score",
    "/GetScore",
    "/",
)


@pytest.mark.parametrize("path", ODD_PATHS)
def test_an_odd_path_leads_nowhere(world: World, acme: Partner, engine: ScriptedEngine, path: str) -> None:
    body = acme.query(world.consent(acme)).SerializeToString()
    with world.entries() as entries:
        require_nothing_of_ours(refused(send, acme.channel, path, body), grpc.StatusCode.UNIMPLEMENTED)
    assert entries == []
    assert engine.calls == 0


# --- a message, but not a question


def test_every_violation_is_named_at_once(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    wrong = score_pb2.GetScoreRequest(subject_ref="a b")
    failure = refused(ask, acme, wrong)
    require_explained(failure, "FIELD_INVALID")
    assert sorted(failure.violations) == [
        "consent_id",
        "disclosure",
        "nonce",
        "purpose",
        "request_id",
        "subject_ref",
    ]
    assert engine.calls == 0


def test_every_violation_of_an_invitation_is_named_at_once(world: World, acme: Partner) -> None:
    failure = refused(ask, acme, consent_pb2.CreateConsentInvitationRequest())
    assert sorted(failure.violations) == [
        "request_id",
        "terms.data_life",
        "terms.disclosures",
        "terms.mode",
        "terms.purpose",
        "terms.valid_for",
    ]


def test_every_violation_of_a_new_partner_is_named_at_once(world: World) -> None:
    wrong = partner_admin_pb2.Partner(
        contract=partner_admin_pb2.Contract(
            time_zone="Mars/Olympus",
            daily_units=10**10,
            monthly_units=2**64 - 1,
            calls_per_second=10**6,
            burst_calls=10**6,
            thresholds=[399],
        )
    )
    failure = refused(world.partners.AddPartner, partner_admin_pb2.AddPartnerRequest(partner=wrong))
    assert len(failure.violations) == len(set(failure.violations)) == 9


def test_a_refused_field_is_recorded_under_the_callers_request_id(world: World, acme: Partner) -> None:
    request = acme.query(SOMETHING, nonce="short")
    failure = turned_down_unsaid(world, acme, request)
    assert failure.request_id == request.request_id


def turned_down_unsaid(world: World, acme: Partner, request: score_pb2.GetScoreRequest) -> Failure:
    """Refused in step 3, where the purpose is not yet believed."""
    with world.entries() as entries:
        failure = refused(ask, acme, request)
    require_explained(failure, "FIELD_INVALID", failure.request_id)
    require_recorded(entries, acme.partner_id, GET_SCORE, "FIELD_INVALID")
    return failure


@pytest.mark.parametrize(
    "request_id",
    [
        "",
        "not-a-uuid",
        "123e4567-e89b-42d3-a456-42661417400",
        "123e4567-e89b-42d3-a456-4266141740000",
        "123e4567e89b42d3a456426614174000",
        "{123e4567-e89b-42d3-a456-426614174000}",
        "urn:uuid:123e4567-e89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-42661417400g",
        " 123e4567-e89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-426614174000\n",
        "１２３e4567-e89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-426614174000\x00",
        "x" * 10_000,
    ],
)
def test_a_request_id_that_is_no_uuid_is_refused(world: World, acme: Partner, request_id: str) -> None:
    failure = turned_down_unsaid(world, acme, acme.query(SOMETHING, request_id=request_id))
    assert failure.violations == ("request_id",)
    assert failure.request_id != request_id


def test_an_upper_case_request_id_is_the_same_id(world: World, acme: Partner) -> None:
    request = acme.query(
        world.consent(acme, mode="CONSENT_MODE_PERIODIC"), request_id="123E4567-E89B-42D3-A456-426614174000"
    )
    first = ask(acme, request)
    assert ask(acme, request).body == first.body
    request.request_id = request.request_id.lower()
    assert ask(acme, request).body == first.body
    assert acme.spent()["day"] == 1


@pytest.mark.parametrize("field", ["purpose", "disclosure"])
@pytest.mark.parametrize("number", [0, 9, 99, -1, 2**31 - 1])
def test_an_unknown_enum_value_is_refused(world: World, acme: Partner, field: str, number: int) -> None:
    request = acme.query(SOMETHING)
    setattr(request, field, number)
    assert turned_down_unsaid(world, acme, request).violations == (field,)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"purpose": 99}, "terms.purpose"),
        ({"thresholds": [600]}, "terms.thresholds"),  # the contract has them
        ({"purpose": 8}, "terms.purpose"),  # CONSUMER_SELF is a person's own
        ({"disclosures": [99]}, "terms.disclosures[0]"),
        ({"disclosures": [1, 1]}, "terms.disclosures"),
        ({"disclosures": [4]}, "terms.disclosures"),
        ({"disclosures": [3, 4]}, "terms.disclosures"),
        ({"mode": 99}, "terms.mode"),
        ({"mode": 1}, "terms.frequency"),
        ({"frequency": {"uses": 0, "unit": 1}}, "terms.frequency.uses"),
        ({"frequency": {"uses": 1_001, "unit": 1}}, "terms.frequency.uses"),
        ({"frequency": {"uses": 1, "unit": 99}}, "terms.frequency.unit"),
        ({"excluded_families": [99]}, "terms.excluded_families[0]"),
        ({"excluded_families": [1, 2, 3, 4, 5]}, "terms.excluded_families"),
        ({"valid_for": {"seconds": 59}}, "terms.valid_for"),
        ({"valid_for": {"seconds": 5 * 365 * 86_400 + 1}}, "terms.valid_for"),
        ({"valid_for": {"seconds": 60, "nanos": 1}}, "terms.valid_for"),
        ({"valid_for": {"seconds": -(2**63)}}, "terms.valid_for"),
        ({"valid_for": {"seconds": 2**63 - 1, "nanos": 2**31 - 1}}, "terms.valid_for"),
        ({"data_life": {"seconds": 86_399}}, "terms.data_life"),
        ({"not_before": {"seconds": -1}}, "terms.not_before"),
        ({"not_before": {"seconds": 2**63 - 1}}, "terms.not_before"),
        ({"not_before": {"seconds": 7_258_118_400 - 1}}, "terms.not_before"),  # over 5 years ahead
        ({"time_zone": "Mars/Olympus"}, "terms.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "terms.time_zone"),
        ({"time_zone": "/etc/localtime"}, "terms.time_zone"),
        ({"time_zone": "Asia"}, "terms.time_zone"),
        ({"time_zone": "A" * 65}, "terms.time_zone"),
    ],
)
def test_terms_outside_their_bounds_are_refused_by_name(
    world: World, acme: Partner, change: dict[str, Any], field: str
) -> None:
    wrong = good_terms()
    wrong.ClearField("not_before")
    wrong.ClearField(next(iter(change)))
    wrong.MergeFrom(consent_pb2.ConsentTerms(**change))
    request = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), terms=wrong)
    assert field in turned_down(acme, request, "FIELD_INVALID").violations


def test_a_threshold_off_the_grid_is_refused(world: World, acme: Partner) -> None:
    consent = world.consent(acme)
    for threshold in (0, 350, 399, 601, 950, -600, 2**31 - 1):
        failure = refused(ask, acme, acme.threshold_query(consent, threshold=threshold))
        assert failure.violations == ("threshold",)


@pytest.mark.parametrize("number", [0, 4, 99, -1])
def test_an_unknown_change_is_refused(world: World, number: int) -> None:
    request = consent_admin_pb2.ChangeConsentRequest(consent_id=SOMETHING)
    request.change = number  # type: ignore[assignment]
    failure = refused(world.people.ChangeConsent, request)
    assert failure.violations == ("change",)


# --- batches


def test_a_batch_names_every_item_that_is_wrong(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    consent = world.consent(acme)
    items = [acme.query(consent), acme.query(consent, nonce=""), acme.query(consent, purpose=0)]
    failure = refused(ask, acme, score_pb2.BatchGetScoresRequest(items=items))
    require_explained(failure, "FIELD_INVALID")
    assert failure.violations == ("items[1].nonce", "items[2].purpose")
    assert engine.calls == 0


def test_a_thousand_wrong_items_make_a_refusal_that_still_arrives(world: World, acme: Partner) -> None:
    items = [score_pb2.GetScoreRequest() for _ in range(1_000)]
    failure = refused(ask, acme, score_pb2.BatchGetScoresRequest(items=items))
    require_explained(failure, "FIELD_INVALID")
    assert len(failure.violations) == 20


@pytest.mark.parametrize("count", [0, 1_001])
def test_a_batch_of_none_or_of_too_many_is_refused(world: World, acme: Partner, count: int) -> None:
    items = [score_pb2.GetScoreRequest()] * count
    failure = refused(ask, acme, score_pb2.BatchGetScoresRequest(items=items))
    assert failure.violations == ("items",)


def test_items_that_share_a_request_id_are_refused_in_any_spelling(world: World, acme: Partner) -> None:
    one, two = acme.query(SOMETHING), acme.query(SOMETHING)
    two.request_id = one.request_id.upper()
    failure = refused(ask, acme, score_pb2.BatchGetScoresRequest(items=[one, two]))
    assert failure.violations == ("items",)


# --- anything at all

OURS = {
    "BODY_MALFORMED", "FIELD_INVALID", "NOT_FOUND", "ALREADY_EXISTS", "STATE_CONFLICT", "SUBJECT_FROZEN",
    "CONSENT_NOT_USABLE", "REQUEST_ID_REUSED",
}  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn, whole: bytes) -> bytes:
    """A good body with some of its bytes changed, cut out, or doubled."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 6))
        body[at : at + length] = draw(
            st.one_of(st.binary(max_size=6), st.just(bytes(body[at : at + 2 * length])))
        )
    return bytes(body)


@pytest.mark.parametrize("method", METHODS, ids=by_name)
def test_any_bytes_at_all_get_an_answer_or_a_refusal_of_ours(
    world: World, channels: Channels, method: Method
) -> None:
    channel, partner_id = channels[method.path]
    good = samples()[method.path].SerializeToString()
    refusals = 0

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=st.one_of(st.binary(max_size=64), mangled(good)))
    def throw(body: bytes) -> None:
        nonlocal refusals
        result = outcome(send, channel, method.path, body)
        if isinstance(result, Failure):
            assert result.reason in OURS, (body, result)
            refusals += 1
        elif method.path == BATCH_GET_SCORES:
            items = score_pb2.BatchGetScoresResponse.FromString(result.body).results
            refusals += sum(item.error.reason in OURS for item in items)

    with world.entries() as entries:
        throw()
    recorded = [entry for entry in entries if entry.reason in OURS]
    assert len(recorded) == refusals
    assert {entry.partner_id for entry in recorded} <= {partner_id}
    assert not any(entry.cost_units for entry in entries)
    world.require_balanced()


def test_after_all_that_the_gateway_answers_as_before(world: World, acme: Partner) -> None:
    assert answered(acme, acme.query(world.consent(acme))).HasField("scored")
    with open_channel(world.gateway.partner_port, world.server_ca, acme.certificate, acme.key) as fresh:
        assert send(fresh, "/scoregate.partner.v1.UsageService/ListQuotaUsage", b"").body
