"""What a refusal on the wire means. Source: AIP-193 (google.rpc.Status), gRPC A6 (pushback)."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from scoregate.client.transport import CALLS_EXCEEDED, trouble
from scoregate.errors import RateLimited, Refused, Violation, refusal_class
from scoregate.partner.v1 import score_pb2
from scoregate.reasons import REASONS

DOMAIN = "scoregate"
DETAILS = "grpc-status-details-bin"
PUSHBACK = "grpc-retry-pushback-ms"

M = TypeVar("M", bound=Message)

_STATUS_NAMES = {status.value[0]: status.name for status in grpc.StatusCode}
_PLAIN_NUMBER = re.compile(r"[0-9]{1,9}")


def from_call(error: grpc.RpcError, *, request_id: str, nonce: str) -> Refused:
    """Return the refusal that a failed call brought; a bare gRPC status where nothing more was sent."""
    call = cast(grpc.Call, error)
    trailers: Mapping[str, Any] = dict(call.trailing_metadata() or ())
    status, text = call.code().name, call.details() or ""
    details = _details(trailers.get(DETAILS, b""))
    info = _find(details, error_details_pb2.ErrorInfo)
    code = info.reason if info.domain == DOMAIN else ""
    pushback, stop = _pushback(trailers.get(PUSHBACK))
    links = _find(details, error_details_pb2.Help).links
    met = None if code else trouble(text)
    kind = RateLimited if met and met.words == CALLS_EXCEEDED else refusal_class(status, code)
    return kind(
        _sentence(code, text),
        status=status,
        code=code,
        request_id=request_id,
        nonce=nonce,
        reference=_find(details, error_details_pb2.RequestInfo).request_id
        or info.metadata.get("request_id", ""),
        retry_after=pushback if pushback is not None else _retry_delay(details),
        stop=stop or bool(met and met.lasts),
        remedy=met.remedy if met else "",
        violations=_violations(details),
        help_url=links[0].url if links else "",
    )


def from_item(error: score_pb2.ItemError, *, request_id: str, nonce: str) -> Refused:
    """Return the refusal of one item in a batch."""
    status = _STATUS_NAMES.get(error.code, "UNKNOWN")
    return refusal_class(status, error.reason)(
        _sentence(error.reason, error.message),
        status=status,
        code=error.reason,
        request_id=request_id,
        nonce=nonce,
        violations=tuple(Violation(row.field, row.description) for row in error.field_violations),
    )


def _sentence(code: str, text: str) -> str:
    # Our own words where there are some: the wire's repeat the remedy.
    return REASONS[code].title if code in REASONS else text


def _details(raw: Any) -> list[Any]:
    try:
        return list(status_pb2.Status.FromString(raw if isinstance(raw, bytes) else b"").details)
    except DecodeError:
        return []  # the bare status is still an answer


def _find(details: list[Any], kind: type[M]) -> M:
    found = kind()
    for detail in details:
        if detail.Is(kind.DESCRIPTOR):
            try:
                detail.Unpack(found)
            except DecodeError:
                return kind()
            break
    return found


def _violations(details: list[Any]) -> tuple[Violation, ...]:
    fields = _find(details, error_details_pb2.BadRequest).field_violations
    limits = _find(details, error_details_pb2.QuotaFailure).violations
    return (
        *(Violation(row.field, row.description) for row in fields),
        *(Violation(row.subject, row.description) for row in limits),
    )


def _retry_delay(details: list[Any]) -> timedelta | None:
    info = _find(details, error_details_pb2.RetryInfo)
    if not info.HasField("retry_delay"):
        return None
    try:
        delay = timedelta(seconds=info.retry_delay.seconds, microseconds=info.retry_delay.nanos // 1000)
    except OverflowError:
        return None  # no delay that anybody meant
    return max(delay, timedelta())


def _pushback(value: Any) -> tuple[timedelta | None, bool]:
    """Return the wait, and whether to stop; a value that is no plain number means stop (gRPC A6)."""
    if value is None:
        return None, False
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value):
        return timedelta(milliseconds=int(value)), False
    return None, True
