"""The frame around every RPC: raw bytes in, one status table out, nothing internal in between.

grpcio would turn a malformed body into UNKNOWN and send an exception's text to the
caller; so handlers take raw bytes, and one catch-all maps whatever happens.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import DOMAIN, Refused, refused
from gateway.gate import Gate, burst_limit
from gateway.metrics import CALLS
from gateway.partners import Partner
from gateway.query import BodyMissing, Call, Caller
from gateway.quota.headers import Headers, rate_limit

log = structlog.get_logger()

FOR_EVER = 1e9
"""In seconds. Of a call without a deadline grpcio says that some 9e18 are left, not None."""

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
Plain = Callable[[Call, Partner, Caller], Message]


class Frame:
    """Makes gRPC handlers out of plain functions."""

    def __init__(self, gate: Gate, *, help_url: str, default_deadline: timedelta) -> None:
        self._gate = gate
        self._help_url = help_url
        self._default_deadline = default_deadline.total_seconds()
        self._waiting: dict[grpc.ServicerContext, float] = {}  # for a body, and until when

    def service(self, name: str, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
        """All methods of one service, ``name`` being its full name."""
        return grpc.method_handlers_generic_handler(
            name,
            {
                # The same bytes on the wire as a unary method, but the handler runs before the body
                # is here: a caller that never sends it spends its own burst and its own places.
                method: grpc.stream_unary_rpc_method_handler(self._framed(f"/{name}/{method}", handler))
                for method, handler in handlers.items()
            },
        )

    def admitted(self, handle: Plain) -> Handler:
        """Steps 1 and 2 in front of a method that is not a score query; refusals are recorded."""

        def run(call: Call) -> Reply:
            partner, caller = self._gate.identify(call)
            with self._gate.admit(partner, call.method) as burst:
                headers = rate_limit(burst_limit(partner), burst, None)
                with self._gate.recording(call, caller, headers):
                    return Reply(handle(call, partner, caller).SerializeToString(), headers)

        return run

    def hang_up(self) -> int:
        """Cancel calls whose body is overdue; returns how many. Called about once a second."""
        now = time.monotonic()
        overdue = [context for context, due in list(self._waiting.items()) if due <= now]
        for context in overdue:
            context.cancel()
        return len(overdue)

    def _framed(
        self, method: str, handler: Handler
    ) -> Callable[[Iterator[bytes], grpc.ServicerContext], bytes]:
        def serve(bodies: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            refusal: Refused | None = None
            try:
                reply = handler(self._call(method, bodies, context))
            except Exception as error:
                refusal = refused(error)
            if refusal is not None:
                self._abort(method, context, refusal)
            CALLS.labels(method, "OK").inc()
            if reply.headers:
                context.send_initial_metadata(reply.headers)
            return reply.body

        return serve

    def receive(
        self, bodies: Iterator[bytes], context: grpc.ServicerContext, *, seconds: float | None = None
    ) -> bytes:
        """Wait for a call's body, by default as long as a call may take.

        Raises:
            BodyMissing: None came, or none in time.
        """
        self._waiting[context] = time.monotonic() + (seconds or self._default_deadline)
        try:
            return next(bodies)
        except (StopIteration, grpc.RpcError) as error:
            raise BodyMissing from error
        finally:
            del self._waiting[context]

    def _call(self, method: str, bodies: Iterator[bytes], context: grpc.ServicerContext) -> Call:
        left = context.time_remaining()
        seconds = self._default_deadline if left is None or left > FOR_EVER else min(left, 86_400.0)
        certificates: Iterable[Any] = context.auth_context().get("x509_pem_cert") or [b""]
        return Call(
            method=method,
            certificate_pem=next(iter(certificates)),
            receive=lambda: self.receive(bodies, context),
            peer=context.peer(),
            deadline=time.monotonic() + seconds,
            alive=context.is_active,
        )

    def _abort(self, method: str, context: grpc.ServicerContext, refusal: Refused) -> NoReturn:
        CALLS.labels(method, refusal.code).inc()
        request_id = refusal.request_id or str(uuid.uuid4())
        report(method, request_id, refusal)
        if refusal.headers:
            context.send_initial_metadata(refusal.headers)
        status = error_status(refusal, request_id, self._help_url)
        trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
        if refusal.stop:
            trailers.append(("grpc-retry-pushback-ms", "-1"))
        elif refusal.retry_after is not None:
            trailers.append(
                ("grpc-retry-pushback-ms", str(-(-refusal.retry_after // timedelta(milliseconds=1))))
            )
        context.set_trailing_metadata(tuple(trailers))
        context.abort(refusal.status, status.message)


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
