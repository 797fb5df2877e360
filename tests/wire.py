"""Calls as they cross the wire: exact bytes out, answers or refusals back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """A refused call, read from its status details."""

    status: grpc.StatusCode
    reason: str
    domain: str
    request_id: str  # RequestInfo's
    error_id: str  # the one in ErrorInfo
    violations: tuple[str, ...]
    quota_subjects: tuple[str, ...]
    retry_after: float | None
    pushback: str | None
    help_url: str
    message: str
    initial: dict[str, str]
    faceless: bytes  # the status details with the request id blanked out


def failure_of(error: Any) -> Failure:
    """What a grpc.RpcError says; its stub knows less than its class."""
    trailing = dict(error.trailing_metadata() or ())
    found: dict[str, Any] = {}
    raw: Any = trailing.get("grpc-status-details-bin", b"")
    if raw:
        for detail in status_pb2.Status.FromString(raw).details:
            for kind in ("ErrorInfo", "RequestInfo", "BadRequest", "QuotaFailure", "RetryInfo", "Help"):
                message = getattr(error_details_pb2, kind)()
                if detail.Is(message.DESCRIPTOR):
                    detail.Unpack(message)
                    found[kind] = message
    retry = found.get("RetryInfo")
    info = found.get("ErrorInfo", error_details_pb2.ErrorInfo())
    request_id = found["RequestInfo"].request_id if "RequestInfo" in found else ""
    fields = found["BadRequest"].field_violations if "BadRequest" in found else ()
    quotas = found["QuotaFailure"].violations if "QuotaFailure" in found else ()
    return Failure(
        status=error.code(),
        reason=info.reason,
        domain=info.domain,
        request_id=request_id,
        error_id=info.metadata.get("request_id", ""),
        violations=tuple(each.field for each in fields),
        quota_subjects=tuple(each.subject for each in quotas),
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
        pushback=trailing.get("grpc-retry-pushback-ms"),
        help_url=found["Help"].links[0].url if "Help" in found else "",
        message=error.details() or "",
        initial=dict(error.initial_metadata() or ()),
        faceless=raw.replace(request_id.encode(), b"-") if request_id else raw,
    )


def outcome(call: Callable[..., T], *args: Any, **kwargs: Any) -> T | Failure:
    """Run a call; return its answer, or how it was refused."""
    try:
        return call(*args, **kwargs)
    except grpc.RpcError as error:
        return failure_of(error)


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Failure:
    """Run a call that must be refused, and return how."""
    result = outcome(call, *args, **kwargs)
    assert isinstance(result, Failure), "the call was answered"
    return result


@dataclass(frozen=True)
class Sent:
    """An answered call as it crossed the wire."""

    body: bytes
    headers: dict[str, str]


def send(channel: grpc.Channel, path: str, body: bytes, *, timeout: float = 10, **options: Any) -> Sent:
    """Exactly these bytes to this path; no serialiser has a say."""
    unary: Any = channel.unary_unary(path)
    answer, call = unary.with_call(body, timeout=timeout, **options)
    return Sent(answer, dict(call.initial_metadata()))


def open_channel(port: int, server_ca: bytes, certificate: bytes | None, key: bytes | None) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(server_ca, key, certificate)
    options = [
        ("grpc.enable_retries", 0),
        ("grpc.max_receive_message_length", 8 << 20),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, options)
