"""Cosignatures, after C2SP tlog-cosignature: a witness says when it saw this head, and no larger one.

Pure. Of the two types in the specification these are the timestamped Ed25519 ones, version 1 (0x04). What
is signed is

    cosignature/v1                                      a fixed line, so that no other signature passes for it
    time 1679315147                                     POSIX seconds
    scoregate.example/log/2026h2                        the note's whole text, extensions too
    …

and the signature in the note's line is the time, 8 bytes big-endian, before the 64 bytes of Ed25519.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.lines import MAX_NUMBER
from scoregate.tlog.note import (
    SIGNATURE_BYTES,
    KeyKind,
    Note,
    NoteInvalid,
    NoteSignature,
    VerifierKey,
    verifier_key,
)

TIME_BYTES = 8


def message(text: str, at: int) -> bytes:
    """Return the bytes that a cosignature of this note's text signs (Ed25519 signed message).

    Raises:
        ValueError: `at` is not within 0 to 2^63 - 1 POSIX seconds.
    """
    if not 0 <= at <= MAX_NUMBER:
        raise ValueError(f"{at} are no POSIX seconds from 0 to 2^63 - 1")
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def cosign(text: str, name: str, private: Ed25519PrivateKey, *, at: int) -> NoteSignature:
    """Return a witness's cosignature of a checkpoint's text, as of `at` POSIX seconds.

    Only a checkpoint is cosigned. Whether it goes on from the last one is for the caller to know first.

    Raises:
        CheckpointInvalid: The text is no checkpoint.
        NoteInvalid: The name can't be a key's.
        ValueError: `at` is not within 1 to 2^63 - 1; 0 would say that there is no time (tlog-witness).
    """
    Checkpoint.decode(text)
    if not at:
        raise ValueError("a cosignature has a time, in POSIX seconds; it is not 0")
    key = verifier_key(name, private, KeyKind.COSIGNATURE)
    signed = message(text, at)
    return NoteSignature(name, key.key_id, at.to_bytes(TIME_BYTES) + private.sign(signed))


def cosigned_at(note: Note, key: VerifierKey) -> int | None:
    """Return the POSIX second at which `key`, of type 0x04, cosigned this text: its last, if it did so twice.

    None where no line says that it did. The caller decides whether the second is too long ago, or to come.

    Raises:
        NoteInvalid: A line says so and is wrong: nothing in the note is to be believed.
        ValueError: The key is of another type.
    """
    if key.kind is not KeyKind.COSIGNATURE:
        raise ValueError(f"{key.name} makes no cosignatures: ask Note.verified_by")
    times = [_verified(each, note.text, key) for each in note.signatures if each.claims(key)]
    return max(times, default=None)


def _verified(line: NoteSignature, text: str, key: VerifierKey) -> int:
    if len(line.signature) != TIME_BYTES + SIGNATURE_BYTES:
        raise NoteInvalid(
            f"cosignature by {key.name}: {len(line.signature)} bytes, where {TIME_BYTES} of time and"
            f" {SIGNATURE_BYTES} of Ed25519 belong"
        )
    at = int.from_bytes(line.signature[:TIME_BYTES])
    if at > MAX_NUMBER:
        raise NoteInvalid(f"cosignature by {key.name}: its time is over 2^63 - 1 seconds")
    key.require(line.signature[TIME_BYTES:], message(text, at))
    return at
