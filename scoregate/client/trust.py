"""What a client trusts, and the only door through which an answer reaches its caller."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from scoregate.client import refusals
from scoregate.client.answers import Receipt, ScoreAnswer, ThresholdAnswer
from scoregate.client.connection import Connection
from scoregate.errors import AttestationMalformed, Refused, VerificationFailed
from scoregate.partner.v1 import receipt_pb2, receipt_pb2_grpc, score_pb2
from scoregate.proof.digest import request_form
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.verify import Request, verify_score, verify_threshold


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What the gateway says of its keys. Not trusted until somebody pins it."""

    issuer: str
    jwks: str  # a JWK Set, RFC 7517
    log_origin: str


def published_keys(connection: Connection) -> PublishedKeys:
    """Ask the gateway which keys it serves now.

    Raises:
        Refused: As any call.
    """
    stub = receipt_pb2_grpc.ReceiptServiceStub(connection.channel)  # type: ignore[no-untyped-call]
    found = connection.call(stub.GetVerificationKeys, receipt_pb2.GetVerificationKeysRequest()).message
    return PublishedKeys(found.issuer, found.jwks, found.log_origin)


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys, the issuer, and who this partner is.

    Every method raises VerificationFailed with the question's request id and nonce for an answer that must
    not be used.
    """

    keys: VerificationKeys
    issuer: str
    audience: str
    now: Callable[[], datetime]

    def score(
        self,
        response: score_pb2.GetScoreResponse,
        request: score_pb2.GetScoreRequest,
        *,
        replayed: bool | None,
    ) -> ScoreAnswer:
        """Return the verified answer to a question for a score."""
        with _naming(request):
            claims = verify_score(
                response,
                request,
                keys=self.keys,
                issuer=self.issuer,
                audience=self.audience,
                now=self.now(),
            )
        return ScoreAnswer(
            claims,
            response.attestation,
            _receipt(response.receipt),
            request_form(request),
            request.request_id,
            replayed,
        )

    def threshold(
        self,
        response: score_pb2.CheckThresholdResponse,
        request: score_pb2.CheckThresholdRequest,
        *,
        replayed: bool,
    ) -> ThresholdAnswer:
        """Return the verified answer to a question about a threshold."""
        with _naming(request):
            claims = verify_threshold(
                response,
                request,
                keys=self.keys,
                issuer=self.issuer,
                audience=self.audience,
                now=self.now(),
            )
        return ThresholdAnswer(
            claims,
            response.attestation,
            _receipt(response.receipt),
            request_form(request),
            request.request_id,
            replayed,
            request.threshold,
        )

    def outcome(
        self, result: score_pb2.BatchGetScoresResult, request: score_pb2.GetScoreRequest
    ) -> ScoreAnswer | Refused:
        """Return what became of one item of a batch: its verified answer, or its refusal."""
        match result.WhichOneof("outcome"):
            case "answer":
                return self.score(result.answer, request, replayed=None)
            case "error":
                return refusals.from_item(result.error, request_id=request.request_id, nonce=request.nonce)
            case _:
                with _naming(request):
                    raise AttestationMalformed(
                        "an item has neither answer nor error; a newer scoregate may know it"
                    )


@contextmanager
def _naming(request: Request) -> Iterator[None]:
    try:
        yield
    except VerificationFailed as error:
        error.request_id, error.nonce = request.request_id, request.nonce
        raise


def _receipt(message: receipt_pb2.Receipt) -> Receipt:
    return Receipt(message.log_origin, message.leaf_index, message.leaf)
