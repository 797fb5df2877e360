"""All that a caller can see of what came of a call, but for what may differ: request ids and limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

from scoregate.partner.v1 import score_pb2
from tests.journey.contract import Method

CALL_SECONDS = 20.0
UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NUMBER = re.compile(rb"\d+")
LIMITS = ("ratelimit", "ratelimit-policy")

Metadata = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One call's end, request ids and the limits' numbers blanked out."""

    status: str
    message: str
    body: bytes  # of a refusal none; of an answer, see ``seen``
    initial: Metadata
    trailing: Metadata  # with the bytes of the whole status and its details


def seen(channel: grpc.Channel, method: Method, body: bytes) -> Seen:
    """Send these bytes, and see.

    An answer that holds refusals (a batch's) is seen to the byte. Any other says new things each time, such
    as a receipt: of it one sees which fields are set.
    """
    unary: Any = channel.unary_unary(method.path)
    try:
        answer, call = unary.with_call(body, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        call, shown = error, b""
    else:
        shown = _shown(method.response.FromString(answer), answer)
    return Seen(
        status=call.code().name,
        message=call.details() or "",
        body=shown,
        initial=_blanked(call.initial_metadata()),
        trailing=_blanked(call.trailing_metadata()),
    )


def _shown(answer: Message, body: bytes) -> bytes:
    if isinstance(answer, score_pb2.BatchGetScoresResponse) and all(
        r.HasField("error") for r in answer.results
    ):
        return UUID.sub(b"-", body)
    return " ".join(fields_set(answer)).encode()


def fields_set(message: Message, prefix: str = "") -> Iterator[str]:
    """The paths of the fields that are set, those of nested messages included, each list's as one."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        yield path
        if field.message_type is not None:
            parts = list(value) if field.is_repeated else [value]
            yield from sorted({name for part in parts for name in fields_set(part, f"{path}.")})


def _blanked(metadata: Any) -> Metadata:
    return tuple(sorted((name, _blank(name, value)) for name, value in metadata or ()))


def _blank(name: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return NUMBER.sub(b"n", raw) if name in LIMITS else UUID.sub(b"-", raw)
