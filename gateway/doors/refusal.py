"""A refusal on the wire: google.rpc.Status with its details (AIP-193). Pure.

A flood is refused as often as it calls, so what all refusals of one kind have in common is serialised
once: only the request id, which has one length, is put in its place. Details are a repeated field, so what
differs is appended (protobuf's encoding: messages join by concatenation).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import DOMAIN, Refused, Violation

MAX_VIOLATIONS = 20
"""In one refusal: error details travel in trailers, which must stay small."""

MILLISECOND = timedelta(milliseconds=1)
NO_ID = "00000000-0000-0000-0000-000000000000"  # as long as any request id


def status_bytes(refusal: Refused, request_id: str, help_url: str) -> bytes:
    """The refusal as a serialised google.rpc.Status; ``request_id`` is a UUID in its usual form."""
    told = _in_common(refusal.code, help_url).replace(NO_ID.encode(), request_id.encode())
    if refusal.violations:
        told += _violations(refusal.violations)
    if refusal.quota_subject:
        told += _quota(refusal.code, refusal.quota_subject)
    if refusal.retry_after is not None:
        told += _retry(refusal.retry_after)
    return told


def message(refusal: Refused) -> str:
    """The status message: what is wrong, and what to do."""
    return f"{refusal.reason.title} {refusal.reason.remedy}"


def pushback(refusal: Refused) -> Sequence[tuple[str, str | bytes]]:
    """What retry loops are told (gRFC A6): to give up, to wait so many milliseconds, or nothing."""
    if refusal.stop:
        return (("grpc-retry-pushback-ms", "-1"),)
    if refusal.retry_after is None:
        return ()
    return (("grpc-retry-pushback-ms", str(-(-refusal.retry_after // MILLISECOND))),)


@lru_cache(maxsize=256)
def _in_common(code: str, help_url: str) -> bytes:
    refusal = Refused(code)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=code, domain=DOMAIN, metadata={"request_id": NO_ID}),
        error_details_pb2.RequestInfo(request_id=NO_ID),
        error_details_pb2.Help(
            links=[error_details_pb2.Help.Link(description=refusal.reason.title, url=f"{help_url}/{code}")]
        ),
    ]
    status = status_pb2.Status(code=refusal.status.value[0], message=message(refusal))
    told: bytes = status.SerializeToString()
    return told + _packed(details)


def _violations(violations: Sequence[Violation]) -> bytes:
    fields = [
        error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.description)
        for each in violations[:MAX_VIOLATIONS]
    ]
    return _packed([error_details_pb2.BadRequest(field_violations=fields)])


@lru_cache(maxsize=256)
def _quota(code: str, subject: str) -> bytes:
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=subject, description=Refused(code).reason.title
    )
    return _packed([error_details_pb2.QuotaFailure(violations=[violation])])


@lru_cache(maxsize=256)
def _retry(wait: timedelta) -> bytes:
    delay = Duration()
    delay.FromTimedelta(wait)
    return _packed([error_details_pb2.RetryInfo(retry_delay=delay)])


def _packed(details: Iterable[Message]) -> bytes:
    status = status_pb2.Status()
    for detail in details:
        status.details.add().Pack(detail)
    told: bytes = status.SerializeToString()
    return told
