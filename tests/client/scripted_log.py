"""A small published log beside the scripted gateway: its tree holds the answer that was given last."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.partner.v1 import receipt_pb2
from scoregate.proof import merkle
from scoregate.proof.checkpoint import Checkpoint
from scoregate.proof.cosignature import cosign
from scoregate.proof.note import KeyKind, Note, VerifierKey, sign, verifier_key
from tests.attestation.made_answers import NOW, ORIGIN

SIZE = 73
WITNESSES = ("w1.example", "w2.example")


def private_key(name: str) -> Ed25519PrivateKey:
    """The same in every run. Never for use."""
    return Ed25519PrivateKey.from_private_bytes(sha256(f"log test key of {name}".encode()).digest())


def log_vkey(origin: str = ORIGIN) -> VerifierKey:
    return verifier_key(origin, private_key(origin), KeyKind.ED25519)


def witness_vkey(name: str) -> VerifierKey:
    return verifier_key(name, private_key(name), KeyKind.COSIGNATURE)


def signed(checkpoint: Checkpoint, witnesses: tuple[str, ...] = (), *, by: str = "") -> bytes:
    """A checkpoint as its log publishes it; `by` lets another log sign."""
    text, origin = checkpoint.text(), by or checkpoint.origin
    lines = [sign(text, origin, private_key(origin))]
    at = int(NOW.timestamp()) + 2
    lines += [cosign(text, name, private_key(name), at=at) for name in witnesses]
    return Note(text, tuple(lines)).encode()


def policy_text(quorum: str = "any") -> str:
    """A policy of this log and both witnesses."""
    lines = [f"log {log_vkey()}", *(f"witness {name} {witness_vkey(name)}" for name in WITNESSES)]
    return "\n".join([*lines, f"group both {quorum} {' '.join(WITNESSES)}", "quorum both", ""])


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
