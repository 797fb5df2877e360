"""The frame around every RPC: raw bytes in, one status table out, nothing internal in between.

Handlers take raw bytes, and one catch-all maps whatever happens: a malformed body is no
UNKNOWN, and no exception's text reaches a caller.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from prometheus_client import Counter

from gateway.doors.calls import Incoming
from gateway.errors import DOMAIN, Refused, refused
from gateway.gate import Gate, burst_limit
from gateway.metrics import CALLS
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.quota.headers import Headers, rate_limit

log = structlog.get_logger()

MOST_SECONDS = 86_400.0
"""A call's deadline is no later, whatever its caller says."""

MAX_VIOLATIONS = 20
"""In one refusal: error details travel in trailers, which must stay small."""

OUR_TROUBLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL})

REPLAYED = ("scoregate-replayed", "true")


@dataclass(frozen=True, slots=True)
class Reply:
    """What leaves: a serialised response, and initial metadata."""

    body: bytes
    headers: Headers = ()


Handler = Callable[[Call], Reply]
Handlers = Mapping[str, Handler]
"""By full gRPC method."""

Plain = Callable[[Call, Partner, Caller], Message]


Done = Callable[[Reply | Refused], None]
Asked = Callable[[Call, Done], None]
"""Sees to a call, and says later what came of it."""


def by_path(name: str, handlers: Handlers) -> Handlers:
    """The methods of one service, ``name`` being its full name."""
    return {f"/{name}/{method}": handler for method, handler in handlers.items()}


class Frame:
    """Serves calls with plain functions."""

    def __init__(self, gate: Gate, *, help_url: str, default_deadline: timedelta) -> None:
        self._gate = gate
        self._help_url = help_url
        self._default_deadline = default_deadline.total_seconds()

    def admitted(self, handle: Plain) -> Handler:
        """Steps 1 and 2 in front of a method that is not a score query; refusals are recorded."""

        def run(call: Call) -> Reply:
            partner, caller = self._gate.identify(call)
            with self._gate.admit(partner, call.method) as burst:
                headers = rate_limit(burst_limit(partner), burst, None)
                with self._gate.recording(call, caller, headers):
                    return Reply(handle(call, partner, caller).SerializeToString(), headers)

        return run

    def serve(self, handler: Handler, incoming: Incoming) -> None:
        """Run a handler to its end, and send what came of it."""
        try:
            reply: Reply | Refused = handler(self._call(incoming))
        except Exception as error:
            reply = refused(error)
        self.send(incoming, reply)

    def ask(self, handler: Asked, incoming: Incoming) -> None:
        """Let a handler see to a call, and send what comes of it when it comes."""
        handler(self._call(incoming), partial(self.send, incoming))

    def send(self, incoming: Incoming, reply: Reply | Refused) -> None:
        """Send a response, or a refusal with all its details."""
        if isinstance(reply, Refused):
            self.refuse(incoming, reply)
        else:
            _answered(incoming.method).inc()
            incoming.answer(reply.body, reply.headers)

    def turn_away(self, incoming: Incoming, is_own_crowd: bool) -> None:
        """Refuse a call before its body is read: its caller, or this door, has too many open already."""
        pem, method = incoming.certificate_pem, incoming.method
        self.refuse(incoming, self._gate.turn_away(pem, method, is_own_crowd=is_own_crowd))

    def refuse(self, incoming: Incoming, refusal: Refused) -> None:
        """Send a refusal with all its details."""
        method = incoming.method
        CALLS.labels(method, refusal.code).inc()
        request_id = refusal.request_id or str(uuid.uuid4())
        report(method, request_id, refusal)
        status = error_status(refusal, request_id, self._help_url)
        trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
        if refusal.stop:
            trailers.append(("grpc-retry-pushback-ms", "-1"))
        elif refusal.retry_after is not None:
            wait = -(-refusal.retry_after // timedelta(milliseconds=1))
            trailers.append(("grpc-retry-pushback-ms", str(wait)))
        incoming.refuse(refusal.status, status.message, headers=refusal.headers, trailers=tuple(trailers))

    def _call(self, incoming: Incoming) -> Call:
        given = incoming.seconds
        seconds = self._default_deadline if given is None else min(given, MOST_SECONDS)
        return Call(
            method=incoming.method,
            certificate_pem=incoming.certificate_pem,
            sent=incoming.body,
            peer=incoming.peer,
            deadline=incoming.began + seconds,
            alive=lambda: incoming.is_alive,
        )


@cache
def _answered(method: str) -> Counter:
    return CALLS.labels(method, "OK")


def report(method: str, request_id: str, refusal: Refused) -> None:
    """Log a refusal that is our own fault, so that its request id finds the cause."""
    if refusal.code == "INTERNAL":
        log.error("unexpected failure", method=method, request_id=request_id, exc_info=refusal.__cause__)
    elif refusal.status in OUR_TROUBLE:
        # Kinds only: a database's own words can quote rows.
        log.warning("refused for a fault of ours", method=method, request_id=request_id, why=_kinds(refusal))


def _kinds(error: BaseException) -> str:
    """The chain of exception kinds behind a refusal, such as "LedgerUnavailable from OperationalError"."""
    kinds = []
    cause = error.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return " from ".join(kinds)


def error_status(refusal: Refused, request_id: str, help_url: str) -> status_pb2.Status:
    """The refusal as google.rpc.Status with its details (AIP-193)."""
    text = refusal.reason
    status = status_pb2.Status(code=refusal.status.value[0], message=f"{text.title} {text.remedy}")
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=refusal.code, domain=DOMAIN, metadata={"request_id": request_id}),
        error_details_pb2.RequestInfo(request_id=request_id),
        error_details_pb2.Help(
            links=[error_details_pb2.Help.Link(description=text.title, url=f"{help_url}/{refusal.code}")]
        ),
    ]
    if refusal.violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in refusal.violations[:MAX_VIOLATIONS]
        ]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    if refusal.quota_subject:
        violation = error_details_pb2.QuotaFailure.Violation(
            subject=refusal.quota_subject, description=text.title
        )
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    if refusal.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(refusal.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    for detail in details:
        status.details.add().Pack(detail)
    return status
