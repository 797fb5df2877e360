"""The borrower's answer, verified as it came, and with one thing changed at a time to see each refused."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.demo.page import StepFailed
from gateway.demo.stage import Stage
from scoregate.errors import VerificationFailed
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.verify import verify_score
from scoregate.proof.view import score_view

SIGNATURE_LETTER = -40  # well inside the signature, where every bit counts


def as_it_came(stage: Stage) -> str:
    """Verify the story's answer once more, as it came, and return the algorithm and the key that signed it.

    Raises:
        VerificationFailed: It must not be used.
    """
    came = _answer(stage)
    _verify(stage, came, stage.query.message())
    header = json.loads(urlsafe_b64decode(came.attestation.partition(".")[0] + "=="))
    return f"{header['alg']}, key {header['kid'][:16]}…"


def forgeries(stage: Stage) -> Iterator[tuple[str, str]]:
    """Verify the answer with one thing changed at a time; yields what was changed and the error it met.

    Raises:
        StepFailed: A forged answer was accepted.
    """
    came, request = _answer(stage), stage.query.message()
    for changed, forged, asked in _changes(came, request):
        try:
            _verify(stage, forged, asked)
        except VerificationFailed as error:
            yield changed, type(error).__name__
        else:
            raise StepFailed(f"refused: {changed}", "the client accepted it")


def _answer(stage: Stage) -> score_pb2.GetScoreResponse:
    answer, receipt = stage.answer, stage.answer.receipt
    came = score_view(answer.claims)
    came.attestation = answer.attestation
    came.receipt.CopyFrom(
        receipt_pb2.Receipt(log_origin=receipt.log_origin, leaf_index=receipt.leaf_index, leaf=receipt.leaf)
    )
    return came


def _changes(
    came: score_pb2.GetScoreResponse, request: score_pb2.GetScoreRequest
) -> Iterator[tuple[str, score_pb2.GetScoreResponse, score_pb2.GetScoreRequest]]:
    forged, asked = _copy(came), score_pb2.GetScoreRequest()
    forged.attestation = _another_letter(came.attestation)
    yield "one letter of the signature changed", forged, request
    asked.CopyFrom(request)
    asked.nonce = f"{request.nonce}x"
    yield "an answer to another question", came, asked
    forged = _copy(came)
    forged.scored.score += 50
    yield "the number raised by 50", forged, request
    forged = _copy(came)
    named = hashlib.sha256(came.attestation.encode()).digest()
    forged.receipt.leaf = came.receipt.leaf.replace(named, hashlib.sha256(named).digest())
    yield "a receipt that names another answer", forged, request


def _verify(stage: Stage, answer: score_pb2.GetScoreResponse, request: score_pb2.GetScoreRequest) -> None:
    client = stage.meadow.client
    verify_score(
        answer,
        request,
        keys=VerificationKeys.from_jwks(client.jwks),
        issuer=stage.gateway.settings.issuer,
        audience=client.partner_id,
        now=datetime.now(UTC),
    )


def _copy(answer: score_pb2.GetScoreResponse) -> score_pb2.GetScoreResponse:
    copied = score_pb2.GetScoreResponse()
    copied.CopyFrom(answer)
    return copied


def _another_letter(attestation: str) -> str:
    letter = "A" if attestation[SIGNATURE_LETTER] != "A" else "B"
    return f"{attestation[:SIGNATURE_LETTER]}{letter}{attestation[SIGNATURE_LETTER + 1 :]}"
