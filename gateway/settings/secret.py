"""Secrets on disk: 32 random bytes as a line of hexadecimal, mode 0600. Not pure."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from gateway.pki.files import RESTORE, FileRefused, create_private, read_private

SECRET_BYTES = 32


def create_secret(path: Path) -> bytes:
    """Write a new secret and return its 32 bytes.

    Raises:
        FileRefused: The file exists, or can't be written.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    create_private(path, secret.hex().encode() + b"\n")
    return secret


def read_secret(path: Path) -> bytes:
    """Return the 32 bytes of a secret.

    Raises:
        FileRefused: Missing, mode wider than 0600, or not 64 hexadecimal digits. The text never quotes it.
    """
    content = read_private(path)
    if re.fullmatch(rb"[0-9a-fA-F]{64}\n?", content) is None:
        raise FileRefused(path, "isn't 64 hexadecimal digits", RESTORE)
    return bytes.fromhex(content.decode())
