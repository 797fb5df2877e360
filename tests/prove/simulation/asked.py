"""What clients ask, in real requests, and what they were told. A client may be gone before it hears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from google.protobuf.message import Message

from gateway.doors.door import Reply
from gateway.errors import Refused
from gateway.query import CHECK_THRESHOLD, GET_SCORE, Call
from scoregate.partner.v1 import score_pb2

Request = score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest


@dataclass(eq=False, slots=True)
class Asked:
    """One call: a question, or a batch of them. It is known in the log by its address."""

    number: int
    method: str
    lender: str
    certificate: bytes
    fingerprint: str
    gateway: int  # the number of the gateway that it went to
    requests: Sequence[Request]
    body: bytes
    contract_from: int  # which of the lender's contracts held when it was sent
    is_gone: bool = False  # its client hung up
    is_lost: bool = False  # its gateway died
    told: list[Reply | Refused] = field(default_factory=list)

    @property
    def peer(self) -> str:
        """Where it comes from."""
        return f"call:{self.number}"

    def call(self) -> Call:
        """As the doors pass it on."""
        return Call(self.method, self.certificate, self.body, self.peer, inf, lambda: not self.is_gone)

    def request(self, request_id: str) -> Request | None:
        """The question of this id."""
        return next((each for each in self.requests if each.request_id == request_id), None)


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks, in the model's words."""

    lender: str
    method: str
    request_id: str
    consent_id: str
    purpose: int
    disclosure: str  # SCORE, BAND, THRESHOLD
    with_reasons: bool
    threshold: int | None
    subject_ref: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Two that share it are one question, asked twice."""
        return self.lender, self.method, self.request_id


def question(lender: str, request: Request) -> Question:
    """A request in the model's words."""
    if isinstance(request, score_pb2.CheckThresholdRequest):
        method, disclosure, reasons, threshold = CHECK_THRESHOLD, "THRESHOLD", False, request.threshold
    else:
        method, threshold, reasons = GET_SCORE, None, request.with_reasons
        disclosure = "BAND" if request.disclosure == 2 else "SCORE"
    return Question(
        lender,
        method,
        request.request_id,
        request.consent_id,
        request.purpose,
        disclosure,
        reasons,
        threshold,
        request.subject_ref,
    )


Told = Callable[[Asked, Reply | Refused], None]


def body_of(requests: Sequence[Request], *, is_batch: bool) -> bytes:
    """A call's body."""
    message: Message = requests[0]
    if is_batch:
        message = score_pb2.BatchGetScoresRequest(items=requests)  # type: ignore[arg-type]
    return message.SerializeToString()
