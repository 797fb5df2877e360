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


def secret_versions(path: Path) -> list[tuple[int, Path]]:
    """The files of a secret's versions that are there, rising: ``path`` itself is the first, and of
    ``master.key`` the second is ``master-2.key``.
    """
    named = re.compile(rf"{re.escape(path.stem)}-([2-9]|[1-9][0-9]{{1,5}}){re.escape(path.suffix)}")
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    later = [(int(found[1]), file) for file in beside if (found := named.fullmatch(file.name))]
    return ([(1, path)] if path.exists() else []) + sorted(later)
