"""One way to be refused, and calls without the client's retries, which would hide a refusal that passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, cast

import grpc

from gateway.demo.people import TIMEOUT
from scoregate.client import refusals
from scoregate.errors import Refused


@dataclass(frozen=True, slots=True)
class Try:
    """One way to be refused, and the reason that is due; "" where TLS refuses."""

    what: str
    reason: str
    ask: Callable[[], Refused | None]


def once(method: Callable[..., Any], request: Any) -> Refused | None:
    """Ask without the client's retries; return the refusal, or None for an answer."""
    try:
        method(request, timeout=TIMEOUT.total_seconds())
    except grpc.RpcError as error:
        return refusals.from_call(error, request_id="", nonce="")
    return None


def at_once(method: Any, request: Any, count: int) -> list[Any]:
    """Ask ``count`` times at the same moment, and return the calls."""
    return [method.future(request, timeout=TIMEOUT.total_seconds()) for _ in range(count)]


def first_refusal(code: str, calls: list[Any]) -> Refused | None:
    """Return the first refusal with this reason as soon as it comes; None if no call is refused so."""
    ended: SimpleQueue[Any] = SimpleQueue()
    for call in calls:
        call.add_done_callback(ended.put)
    for _ in calls:
        error = ended.get().exception()
        if isinstance(error, grpc.RpcError):
            refusal = refusals.from_call(error, request_id="", nonce="")
            if refusal.code == code:
                return refusal
    return None


def raw_refusal(method: Any, request: Any) -> bytes:
    """Return how a question is refused, as the bytes that came; empty for an answer."""
    try:
        method(request, timeout=TIMEOUT.total_seconds())
    except grpc.RpcError as error:
        call = cast(grpc.Call, error)
        details = dict(call.trailing_metadata() or ()).get(refusals.DETAILS)
        return f"{call.code()} {call.details()} {details!r}".encode()
    return b""


def refusal_of(ask: Callable[[], object]) -> Refused | None:
    """Return how a question is refused, or None for an answer."""
    try:
        ask()
    except Refused as refusal:
        return refusal
    return None
