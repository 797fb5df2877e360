"""The refusal table, a row at a time: what every refusal owes its caller, the log and the meters."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
from google.protobuf.message import Message

from scoregate.audit.v1 import leaf_pb2
from scoregate.reasons import REASONS
from tests.journey.contract import BY_REQUEST, PROMISED
from tests.wire import Failure, Sent, refused, send
from tests.world import Partner, World


def ask(caller: Partner, request: Message, **options: Any) -> Sent:
    """Send a request to the method that takes it."""
    return send(caller.channel, BY_REQUEST[request.DESCRIPTOR].path, request.SerializeToString(), **options)


def answered(caller: Partner, request: Message, **options: Any) -> Any:
    """The answer to a request, as a message."""
    return BY_REQUEST[request.DESCRIPTOR].response.FromString(ask(caller, request, **options).body)


def require_explained(failure: Failure, reason: str, request_id: str = "") -> None:
    """Return only if the caller is told all that every refusal tells, and no more."""
    assert failure.reason == reason, failure
    assert failure.status.name == PROMISED[reason]
    assert failure.domain == "scoregate"
    assert failure.help_url.endswith(f"/errors/{reason}")
    assert failure.message == f"{REASONS[reason].title} {REASONS[reason].remedy}"
    assert failure.error_id == failure.request_id == (request_id or str(uuid.UUID(failure.request_id)))


def require_recorded(entries: list[leaf_pb2.Leaf], partner_id: str, method: str, reason: str) -> None:
    """Return only if these are the one entry that a refusal in steps 3 to 7 leaves."""
    assert [(e.kind, e.decision, e.reason) for e in entries] == [
        (leaf_pb2.LEAF_KIND_REFUSAL, leaf_pb2.DECISION_REFUSED, reason)
    ]
    entry = entries[0]
    assert (entry.partner_id, entry.method) == (partner_id, method)
    assert (entry.cost_units, list(entry.quota_periods), entry.attestation_sha256) == (0, [], b"")
    assert len(entry.commitment) == 32


def turned_down(caller: Partner, request: Message, reason: str, **options: Any) -> Failure:
    """Ask, and be refused in steps 3 to 7: explained, one entry, nothing spent."""
    method, spent = BY_REQUEST[request.DESCRIPTOR].path, caller.spent()
    with caller.world.entries() as entries:
        failure = refused(ask, caller, request, **options)
    require_explained(failure, reason, getattr(request, "request_id", ""))
    require_recorded(entries, caller.partner_id, method, reason)
    if hasattr(request, "purpose"):
        assert entries[0].purpose == request.purpose
    assert caller.spent() == spent
    return failure


def turned_down_raw(
    world: World, channel: grpc.Channel, partner_id: str, path: str, body: bytes, reason: str
) -> Failure:
    """The same for bytes that need not be a message."""
    with world.entries() as entries:
        failure = refused(send, channel, path, body)
    require_explained(failure, reason, failure.request_id)
    require_recorded(entries, partner_id, path, reason)
    return failure
