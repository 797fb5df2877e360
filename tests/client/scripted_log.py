"""A small published log beside the scripted gateway: its tree holds the answer that was given last."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from scoregate.partner.v1 import receipt_pb2
from scoregate.proof.digest import request_form
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.proof import TlogProof
from tests.attestation.made_answers import answer, claims_for, score_request
from tests.signing import ORIGIN, WITNESSES, signed

SIZE = 73


@dataclass
class ScriptedLog:
    """Answers GetInclusionProof about `leaf`, wherever it is asked for among SIZE entries."""

    leaf: bytes
    origin: str = ORIGIN
    witnesses: tuple[str, ...] = WITNESSES
    asked: list[int] = field(default_factory=list)

    def proof(self, index: int) -> receipt_pb2.GetInclusionProofResponse:
        hashes = [merkle.leaf_hash(b"entry %d" % number) for number in range(SIZE)]
        hashes[index] = merkle.leaf_hash(self.leaf)
        checkpoint = Checkpoint(self.origin, SIZE, merkle.root(hashes))
        return receipt_pb2.GetInclusionProofResponse(
            leaf_index=index,
            checkpoint=signed(checkpoint, self.witnesses),
            hashes=merkle.prove_inclusion(hashes, index),
        )

    def serve(self, spoil: Callable[[Any], object] = lambda response: None) -> Callable[..., Any]:
        """A step of the scripted gateway."""

        def step(request: Any, context: grpc.ServicerContext) -> Any:
            self.asked.append(request.leaf_index)
            response = self.proof(request.leaf_index)
            spoil(response)
            return response

        return step


def kept(request: Any = None, *, log: dict[str, Any] | None = None, **claims: Any) -> dict[str, Any]:
    """The members of the file that the client would have kept."""
    request = score_request() if request is None else request
    response = answer(claims_for(request, **claims))
    receipt = response.receipt
    found = ScriptedLog(receipt.leaf, **(log or {})).proof(receipt.leaf_index)
    proof = TlogProof(receipt.leaf_index, tuple(found.hashes), found.checkpoint)
    return {
        "log_origin": receipt.log_origin,
        "leaf_index": receipt.leaf_index,
        "leaf": b64encode(receipt.leaf).decode(),
        "attestation": response.attestation,
        "request": json.loads(request_form(request)),
        "proof": proof.encode(),
    }
