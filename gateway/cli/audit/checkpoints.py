"""Waits until what the gateway holds is published, for commands that read the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.cli.console import Admin
from gateway.cli.failures import REFUSED, Problem, Stopped, useless

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2
    from scoregate.tlog.checkpoint import Checkpoint

WAIT_SECONDS = 10.0  # a checkpoint comes about once a second, and witnesses take their time
ASK_AGAIN_SECONDS = 0.25


def await_published(admin: Admin, wait: float, *, verb: str) -> None:
    """Return once all that the gateway holds now is published.

    Raises:
        Stopped: It is not, so many seconds later; or what it says is of no use.
    """
    from scoregate.audit.v1 import audit_pb2
    from scoregate.tlog.faults import LogInvalid

    told: audit_pb2.GetHeadResponse = admin.audit.GetHead(audit_pb2.GetHeadRequest())
    try:
        published(admin, told.tree_size, wait)
    except LogInvalid as error:
        raise useless(f"its checkpoint is none ({error})", verb) from error


def published(admin: Admin, size: int, wait: float) -> tuple[bytes, Checkpoint]:
    """The published checkpoint, once it covers so many entries."""
    from scoregate.tlog.checkpoint import Checkpoint
    from scoregate.tlog.note import Note

    until = time.monotonic() + wait
    while True:
        note = _latest(admin)
        found = Checkpoint.decode(Note.decode(note).text) if note is not None else None
        if note is not None and found is not None and found.size >= size:
            return note, found
        if time.monotonic() > until:
            have = f"of {found.size:,} entries" if found else "none at all"
            problem = f"The gateway has {size:,} entries, and its last published checkpoint is {have}."
            remedy = (
                "Ask again in a moment; if it stays so, tell who runs the gateway: its log is not published."
            )
            raise Stopped(REFUSED, [Problem("", problem, remedy)], reason="ENTRY_NOT_PUBLISHED")
        time.sleep(ASK_AGAIN_SECONDS)


def _latest(admin: Admin) -> bytes | None:
    """The published checkpoint; None where there is none yet."""
    import grpc

    from scoregate.audit.v1 import audit_pb2
    from scoregate.client import refusals

    try:
        told: audit_pb2.GetCheckpointResponse = admin.audit.GetCheckpoint(audit_pb2.GetCheckpointRequest())
    except grpc.RpcError as error:
        if refusals.from_call(error, request_id="", nonce="").code != "ENTRY_NOT_PUBLISHED":
            raise
        return None
    return told.checkpoint
