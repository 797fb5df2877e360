"""Keys of logs and witnesses that are the same in every run, and what they sign. Never for use."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.cosignature import cosign
from scoregate.tlog.note import KeyKind, Note, VerifierKey, sign, verifier_key

ORIGIN = "scoregate.example/log/2026h2"
LATER_ORIGIN = "scoregate.example/log/2027h1"
WITNESSES = ("w1.example", "w2.example")
COSIGNED_AT = 1_795_426_202  # 2026-11-23T09:30:02Z


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(f"log test key of {name}".encode()).digest())


def log_vkey(origin: str = ORIGIN) -> VerifierKey:
    return verifier_key(origin, private_key(origin), KeyKind.ED25519)


def witness_vkey(name: str) -> VerifierKey:
    return verifier_key(name, private_key(name), KeyKind.COSIGNATURE)


def signed(checkpoint: Checkpoint, witnesses: tuple[str, ...] = (), *, by: str = "") -> bytes:
    """A checkpoint as its log publishes it; `by` lets another log sign."""
    text, origin = checkpoint.text(), by or checkpoint.origin
    lines = [sign(text, origin, private_key(origin))]
    lines += [cosign(text, name, private_key(name), at=COSIGNED_AT) for name in witnesses]
    return Note(text, tuple(lines)).encode()


def policy_text(quorum: str = "any") -> str:
    """A policy of this log and both witnesses."""
    lines = [f"log {log_vkey()}", *(f"witness {name} {witness_vkey(name)}" for name in WITNESSES)]
    return "\n".join([*lines, f"group both {quorum} {' '.join(WITNESSES)}", "quorum both", ""])
