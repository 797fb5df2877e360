"""The frame around every RPC: raw bytes in, one status table out, nothing internal in between.

Handlers take raw bytes, and one catch-all maps whatever happens: a malformed body is no
UNKNOWN, and no exception's text reaches a caller.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache, partial

import grpc
import structlog
from google.protobuf.message import Message
from prometheus_client import Counter

from gateway.doors.calls import Incoming
from gateway.doors.refusal import message, pushback, status_bytes
from gateway.errors import Refused, refused
from gateway.gate import Gate, burst_limit
from gateway.metrics import CALLS
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.quota.headers import Headers, rate_limit
from scoregate.values import value

log = structlog.get_logger()

MOST_SECONDS = 86_400.0
"""A call's deadline is no later, whatever its caller says."""

OUR_TROUBLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL})
TOO_EARLY = "ENTRY_NOT_PUBLISHED"  # it is UNAVAILABLE as long as everything goes as it should

REPLAYED = ("scoregate-replayed", "true")


@value
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
        """Send a response, or a refusal with all its details: in its turn, where nothing was parsed."""
        if isinstance(reply, Refused):
            if reply.is_turned_away:
                incoming.unhurriedly(partial(self._refuse, incoming, reply))
            else:
                self._refuse(incoming, reply)
        else:
            _counted(incoming.method, "OK").inc()
            incoming.answer(reply.body, reply.headers)

    def turn_away(self, incoming: Incoming, is_own_crowd: bool) -> None:
        """Refuse a call before its body is read: its caller, or this door, has too many open already."""
        pem, method = incoming.certificate_pem, incoming.method
        self._refuse(incoming, self._gate.turn_away(pem, method, is_own_crowd=is_own_crowd))

    def _refuse(self, incoming: Incoming, refusal: Refused) -> None:
        method = incoming.method
        _counted(method, refusal.code).inc()
        request_id = refusal.request_id or str(uuid.uuid4())
        report(method, request_id, refusal)
        status = status_bytes(refusal, request_id, self._help_url)
        trailers = (("grpc-status-details-bin", status), *pushback(refusal))
        incoming.refuse(refusal.status, message(refusal), headers=refusal.headers, trailers=trailers)

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
def _counted(method: str, code: str) -> Counter:
    return CALLS.labels(method, code)


def report(method: str, request_id: str, refusal: Refused) -> None:
    """Log a refusal that is our own fault, so that its request id finds the cause."""
    if refusal.code == "INTERNAL":
        log.error("unexpected failure", method=method, request_id=request_id, exc_info=refusal.__cause__)
    elif refusal.status in OUR_TROUBLE and refusal.code != TOO_EARLY:
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
