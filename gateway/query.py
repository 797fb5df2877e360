"""A call and a score query, as the rooms pass them on. Knows the monotonic clock, for deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable

from consent.grant import Ask
from scoregate.values import value

GET_SCORE = "/scoregate.partner.v1.ScoreService/GetScore"
CHECK_THRESHOLD = "/scoregate.partner.v1.ScoreService/CheckThreshold"
BATCH_GET_SCORES = "/scoregate.partner.v1.ScoreService/BatchGetScores"


class BodyMissing(Exception):
    """The call ended without a body, or grpcio refused it (too large, compressed)."""

    reason = "BODY_MALFORMED"


@value
class Call:
    """One incoming RPC, before anything is believed about it."""

    method: str  # full gRPC method
    certificate_pem: bytes  # as TLS saw it; empty without one
    sent: bytes | None  # what came as its body
    peer: str  # network address
    deadline: float  # time.monotonic()
    alive: Callable[[], bool]  # False once the caller has gone away

    @property
    def body(self) -> bytes:
        """The serialised request.

        Raises:
            BodyMissing: None came.
        """
        if self.sent is None:
            raise BodyMissing
        return self.sent

    @property
    def seconds_left(self) -> float:
        """Until the deadline; negative behind it."""
        return self.deadline - time.monotonic()

    def is_wanted(self) -> bool:
        """Whether an answer can still reach somebody."""
        return self.seconds_left > 0 and self.alive()


@value
class Caller:
    """Who makes a call, once known."""

    partner_id: str
    fingerprint: str
    legal_name: str
    peer: str


@value
class ScoreQuery:
    """One question about one person. A batch item is a GetScore."""

    method: str  # GET_SCORE or CHECK_THRESHOLD
    request_id: str
    consent_id: str
    ask: Ask
    threshold: int | None  # for CHECK_THRESHOLD
    nonce: str
    request_sha256: bytes
