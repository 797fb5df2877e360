"""What a lender's client reads besides answers: refusals, and messages that it makes values of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from scoregate.client import refusals
from scoregate.client.consents import Consent, Invitation, Usage
from scoregate.errors import ScoregateError
from scoregate.partner.v1 import consent_pb2, score_pb2, usage_pb2
from tests.journey.samples import good_terms
from tests.prove.fuzzers.answers import ROOM
from tests.prove.fuzzers.mutation import change_message, message_of
from tests.prove.fuzzers.target import Target, anywhere, refusing

# --- refusals


DETAIL_KINDS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.RetryInfo,
    error_details_pb2.QuotaFailure,
    error_details_pb2.BadRequest,
)


class Ended(grpc.RpcError):
    """A call that the far side ended in its own words."""

    def __init__(self, code: grpc.StatusCode, pushback: str, details: bytes) -> None:
        self._code, self._pushback, self._details = code, pushback, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details[:80].decode("latin-1")

    def trailing_metadata(self) -> Any:
        told = ((refusals.PUSHBACK, self._pushback),) if self._pushback else ()
        return *told, (refusals.DETAILS, self._details)


def take_refusal(data: bytes) -> None:
    """Whatever trailers say, there is a refusal to raise; so there is from an item of a batch."""
    head, _, details = data.partition(b"\n")
    code = list(grpc.StatusCode)[1 + (head[0] if head else 0) % 16]
    told = refusals.from_call(Ended(code, head[1:].decode("latin-1"), details), request_id="", nonce="")
    str(told)
    item = score_pb2.ItemError()
    try:
        item.ParseFromString(details)
    except DecodeError:
        raise told from None
    str(refusals.from_item(item, request_id="", nonce=""))


def take_refusal_unguarded(data: bytes) -> None:
    """The guard that is off: bytes that are no Status leave the bare status."""
    status_pb2.Status.FromString(data.partition(b"\n")[2])


def change_refusal(data: bytes, chance: Random) -> bytes:
    """Changes what is packed into one of the details."""
    head, _, details = data.partition(b"\n")
    status = status_pb2.Status.FromString(details)
    packed = chance.choice(status.details)
    kind = next(each for each in DETAIL_KINDS if packed.Is(each.DESCRIPTOR))
    message = kind()
    packed.Unpack(message)
    change_message(message, chance)
    packed.Pack(message)
    changed: bytes = status.SerializeToString()
    return head + b"\n" + changed


def refusal_seeds() -> Iterable[bytes]:
    status = status_pb2.Status(code=8, message="Too fast.")
    info = error_details_pb2.ErrorInfo(reason="BURST_EXCEEDED", domain="scoregate")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1_250)
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="burst", description="met")
    wrong = error_details_pb2.BadRequest()
    wrong.field_violations.add(field="nonce", description="must be longer")
    for detail in (info, retry, quota, wrong):
        status.details.add().Pack(detail)
        yield b"\x08\n" + status.SerializeToString()
    yield b"\x08250\n" + status.SerializeToString()
    item = score_pb2.ItemError(code=3, reason="FIELD_INVALID", message="a field")
    yield b"\x03\n" + item.SerializeToString()


# --- consents, invitations and quotas

READERS: tuple[tuple[type[Message], Callable[[Any], object]], ...] = (
    (consent_pb2.Consent, Consent.of),
    (consent_pb2.ConsentInvitation, Invitation.of),
    (usage_pb2.QuotaUsage, Usage.of),
)


def take_consent(data: bytes) -> None:
    """One of three messages as the client makes values of it."""
    kind, read = READERS[(data[0] if data else 0) % len(READERS)]
    read(kind.FromString(data[1:]))


def take_consent_unguarded(data: bytes) -> None:
    """The guard that is off: a word of a newer contract is said to be one."""
    message = consent_pb2.Consent.FromString(data[1:])
    consent_pb2.ConsentState.Name(message.state)


def consent_seeds() -> Iterable[bytes]:
    consent = consent_pb2.Consent(consent_id="a" * 26, state=1, terms=good_terms(), consent_sha256=bytes(32))  # type: ignore[arg-type]
    invitation = consent_pb2.ConsentInvitation(handle="a" * 26, state=1, terms=good_terms())  # type: ignore[arg-type]
    usage = usage_pb2.QuotaUsage(limit_name="day", limit=9, used=3, remaining=6, time_zone="UTC")
    for instant in (consent.expires_at, consent.not_before, invitation.expires_at, usage.resets_at):
        instant.FromSeconds(1_800_000_000)
    messages: tuple[Message, ...] = (consent, invitation, usage)
    for place, message in enumerate(messages):
        yield bytes([place]) + message.SerializeToString()


TARGETS = (
    Target(
        "refusal",
        ROOM,
        anywhere(refusing(take_refusal, ScoregateError)),
        anywhere(refusing(take_refusal_unguarded)),
        refusal_seeds,
        share=40,
        change=change_refusal,
        words=("BURST_EXCEEDED", "scoregate", "type.googleapis.com/google.rpc.RetryInfo"),
    ),
    Target(
        "consent-message",
        ROOM,
        anywhere(refusing(take_consent, DecodeError, ScoregateError)),
        anywhere(refusing(take_consent_unguarded, DecodeError)),
        consent_seeds,
        share=40,
        change=message_of(lambda first: READERS[first[0] % len(READERS)][0], prefix=1),
    ),
)
