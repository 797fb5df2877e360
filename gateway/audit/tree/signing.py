"""The log's own key: Ed25519, one for each of the log's names, in a file named by its key id.

Source: C2SP signed-note. The file is PKCS #8 in PEM (RFC 5958), mode 0600, and made once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.pki.files import RESTORE, FileRefused, create_private, make_private_folder, read_private
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import KeyKind, Note, VerifierKey, sign, verifier_key


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key and the name under which it signs."""

    verifier: VerifierKey
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """Return the checkpoint as a signed note."""
        text = checkpoint.text()
        return Note(text, (sign(text, self.verifier.name, self.private),)).encode()


def create(folder: Path, origin: str) -> LogKey:
    """Make the key of a log of this name, and keep it durably in the folder, which is made if need be.

    Raises:
        FileRefused: It can't be kept there.
    """
    private = Ed25519PrivateKey.generate()
    made = LogKey(verifier_key(origin, private.public_key(), KeyKind.ED25519), private)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    make_private_folder(folder)
    create_private(_path(folder, made.verifier), pem)
    return made


def load(folder: Path, verifier: VerifierKey) -> LogKey:
    """Open the key that signs for this verifier key.

    Raises:
        FileRefused: Missing, open to others, or another key.
    """
    path = _path(folder, verifier)
    try:
        private = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FileRefused(path, "is not an unencrypted PKCS #8 key", RESTORE) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise FileRefused(path, "is not an Ed25519 key", RESTORE)
    if verifier_key(verifier.name, private.public_key(), KeyKind.ED25519) != verifier:
        raise FileRefused(path, f"is not the key of {verifier}", RESTORE)
    return LogKey(verifier, private)


def _path(folder: Path, verifier: VerifierKey) -> Path:
    return folder / f"{verifier.key_id.hex()}.pem"
