"""A refusal tells its reason, its remedy and its request, whatever the server sent."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from scoregate import errors
from scoregate.client import Client
from scoregate.errors import Refused, Violation
from scoregate.reasons import REASONS, Retry
from scoregate.words import Purpose
from tests.client.scripted_gateway import ScriptedGateway, refuse, wait

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"


def refusal(client: Client, gateway: ScriptedGateway, *args: Any, **named: Any) -> Refused:
    gateway.script(refuse(*args, **named))
    with pytest.raises(Refused) as error:
        client.score(CONSENT, Purpose.CREDIT_APPLICATION)
    return error.value


def test_a_refusal_carries_everything_that_was_sent(client: Client, gateway: ScriptedGateway) -> None:
    found = refusal(
        client,
        gateway,
        grpc.StatusCode.INVALID_ARGUMENT,
        "FIELD_INVALID",
        error_details_pb2.RequestInfo(request_id="logged-2"),
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field="nonce", description="must have 16 to 128 characters"
                ),
                error_details_pb2.BadRequest.FieldViolation(field="purpose", description="must be set"),
            ]
        ),
        error_details_pb2.Help(links=[error_details_pb2.Help.Link(url="https://help.example/FIELD_INVALID")]),
        wait(1500),
    )
    assert type(found) is errors.InvalidRequest
    assert (found.code, found.status) == ("FIELD_INVALID", "INVALID_ARGUMENT")
    assert found.reason is REASONS["FIELD_INVALID"]
    assert found.remedy == REASONS["FIELD_INVALID"].remedy
    assert found.request_id == gateway.requests[0].request_id
    assert found.nonce == gateway.requests[0].nonce
    assert found.reference == "logged-2"
    assert found.retry_after == timedelta(seconds=1.5)
    assert found.violations == (
        Violation("nonce", "must have 16 to 128 characters"),
        Violation("purpose", "must be set"),
    )
    assert found.help_url == "https://help.example/FIELD_INVALID"
    assert "nonce: must have 16 to 128 characters. purpose: must be set." in str(found)
    assert found.remedy in str(found)


def test_the_gateways_log_id_is_also_read_from_the_error_info(
    client: Client, gateway: ScriptedGateway
) -> None:
    assert refusal(client, gateway, grpc.StatusCode.INTERNAL, "INTERNAL").reference == "logged-1"


def test_a_met_limit_is_named(client: Client, gateway: ScriptedGateway) -> None:
    failure = error_details_pb2.QuotaFailure(
        violations=[
            error_details_pb2.QuotaFailure.Violation(subject="day", description="1,000 units are spent")
        ]
    )
    found = refusal(
        client, gateway, grpc.StatusCode.RESOURCE_EXHAUSTED, "DAILY_QUOTA_EXHAUSTED", failure, pushback="-1"
    )
    assert type(found) is errors.QuotaExhausted
    assert found.violations == (Violation("day", "1,000 units are spent"),)
    assert found.stop
    assert found.reason is not None
    assert found.reason.retry is Retry.AFTER_THE_PERIOD
    title, remedy = found.reason.title, found.remedy
    assert str(found) == f"DAILY_QUOTA_EXHAUSTED: {title} day: 1,000 units are spent. {remedy}"


@pytest.mark.parametrize("code", ["DAILY_QUOTA_EXHAUSTED", "MONTHLY_QUOTA_EXHAUSTED", "BURST_EXCEEDED"])
def test_a_limit_described_in_the_titles_own_words_is_told_once(
    client: Client, gateway: ScriptedGateway, code: str
) -> None:
    row = error_details_pb2.QuotaFailure.Violation(subject="day", description=REASONS[code].title)
    failure = error_details_pb2.QuotaFailure(violations=[row])
    found = refusal(client, gateway, grpc.StatusCode.RESOURCE_EXHAUSTED, code, failure, pushback="-1")
    assert found.violations == (Violation("day", REASONS[code].title),)
    assert str(found) == f"{code}: {REASONS[code].title} {REASONS[code].remedy}"


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "NOT_FOUND: Check"), ("No", "NOT_FOUND: No. Check"), ("No.", "NOT_FOUND: No. Check")],
)
def test_each_sentence_of_a_refusal_ends_once(
    client: Client, gateway: ScriptedGateway, text: str, told: str
) -> None:
    found = refusal(client, gateway, grpc.StatusCode.NOT_FOUND, text=text)
    assert str(found).startswith(told)


def test_what_the_gateway_says_is_told_without_the_transports_account(
    client: Client, gateway: ScriptedGateway
) -> None:
    told = refusal(client, gateway, grpc.StatusCode.PERMISSION_DENIED, "CONSENT_REVOKED")
    assert told.__suppress_context__
    assert told.__cause__ is None
    bare = refusal(client, gateway, grpc.StatusCode.PERMISSION_DENIED)
    assert isinstance(bare.__cause__, grpc.RpcError)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_arrives_as_its_group(client: Client, gateway: ScriptedGateway, code: str) -> None:
    found = refusal(client, gateway, grpc.StatusCode.PERMISSION_DENIED, code, pushback="-1")
    assert type(found) is errors.refusal_class("PERMISSION_DENIED", code)
    assert found.reason is REASONS[code]
    assert str(found) == f"{code}: {REASONS[code].title} {REASONS[code].remedy}"


@pytest.mark.parametrize(
    ("status", "group"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, errors.AuthenticationRefused),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequest),
        (grpc.StatusCode.NOT_FOUND, errors.NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, errors.Conflict),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.Unavailable),
        (grpc.StatusCode.INTERNAL, errors.ServerFault),
        (grpc.StatusCode.UNKNOWN, errors.ServerFault),
        (grpc.StatusCode.PERMISSION_DENIED, Refused),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Refused),
        (grpc.StatusCode.UNIMPLEMENTED, Refused),
    ],
)
def test_a_bare_status_is_grouped_by_itself(
    client: Client, gateway: ScriptedGateway, status: grpc.StatusCode, group: type[Refused]
) -> None:
    found = refusal(client, gateway, status, text="told by something in between")
    assert type(found) is group
    assert (found.code, found.reason, found.reference) == ("", None, "")
    assert "told by something in between" in str(found)
    assert found.remedy


def test_a_reason_of_a_newer_gateway_is_told_as_it_came(client: Client, gateway: ScriptedGateway) -> None:
    found = refusal(
        client, gateway, grpc.StatusCode.PERMISSION_DENIED, "CONSENT_UNDER_A_CURSE", text="Cursed."
    )
    assert (type(found), found.code, found.reason) == (Refused, "CONSENT_UNDER_A_CURSE", None)
    assert "Cursed." in str(found)
    assert "upgrade" in found.remedy


def test_another_domains_reason_is_not_taken_for_ours(client: Client, gateway: ScriptedGateway) -> None:
    found = refusal(
        client, gateway, grpc.StatusCode.PERMISSION_DENIED, "CONSENT_REVOKED", domain="proxy.example"
    )
    assert (type(found), found.code) == (Refused, "")


@pytest.mark.parametrize("details", [b"", b"\xff\xff\xff", b"\x1a\x02\x0a\x00"])
def test_broken_details_leave_the_bare_status(
    client: Client, gateway: ScriptedGateway, details: bytes
) -> None:
    def step(request: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")

    gateway.script(step)
    with pytest.raises(errors.NotFound, match="nothing here"):
        client.score(CONSENT, Purpose.CREDIT_APPLICATION)


def test_a_detail_of_the_right_type_with_broken_bytes_is_passed_over(
    client: Client, gateway: ScriptedGateway
) -> None:
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc.status_pb2 import Status

    broken = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff")

    def step(request: Any, context: grpc.ServicerContext) -> None:
        raw = Status(code=5, message="x", details=[broken]).SerializeToString()
        context.set_trailing_metadata((("grpc-status-details-bin", raw),))
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")

    gateway.script(step)
    with pytest.raises(errors.NotFound, match="nothing here"):
        client.score(CONSENT, Purpose.CREDIT_APPLICATION)


def test_a_negative_wait_is_none(client: Client, gateway: ScriptedGateway) -> None:
    past = error_details_pb2.RetryInfo()
    past.retry_delay.seconds = -5
    found = refusal(client, gateway, grpc.StatusCode.PERMISSION_DENIED, "CONSENT_PAUSED", past)
    assert found.retry_after == timedelta(0)


def test_a_wait_that_is_longer_than_time_is_none(client: Client, gateway: ScriptedGateway) -> None:
    endless = error_details_pb2.RetryInfo()
    endless.retry_delay.seconds = 2**62
    found = refusal(client, gateway, grpc.StatusCode.PERMISSION_DENIED, "CONSENT_PAUSED", endless)
    assert found.retry_after is None
