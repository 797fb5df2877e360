"""Signing keys as PEM files, and the JWK Set that publishes their public halves.

A key lies in its own file, `<kid>.pem` (PKCS #8, RFC 5958), mode 0600 in a folder of mode 0700; kid is
its RFC 7638 thumbprint and is made again on every load. Which key is current is kept in the database
(`consent.keyring`); this file only makes, keeps and opens them.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.proof.digest import canonical, parse
from scoregate.proof.jwk import Algorithm, VerificationKeys, public_jwk
from scoregate.proof.jws import PrivateKey

MAX_PEM_BYTES = 4096
_KID = re.compile(r"[A-Za-z0-9_-]{43}")


class KeyFileError(Exception):
    """A signing key cannot be used; `path` names the file, and the text the remedy."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


class KeyFileMissing(KeyFileError):
    """There is no such file."""


class KeyFileTooOpen(KeyFileError):
    """Others than the owner may read or write it."""


class KeyFileInvalid(KeyFileError):
    """It is not a P-256 or Ed25519 private key, or not the one that its name says."""


class KeyFileUnwritable(KeyFileError):
    """A new key cannot be kept there."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its name and its public half."""

    kid: str
    algorithm: Algorithm
    private: PrivateKey = field(repr=False)
    public_jwk: str  # canonical JSON


def generate(folder: Path, algorithm: Algorithm) -> SigningKey:
    """Make a new key and keep it durably in the folder, which is made if need be.

    Raises:
        KeyFileTooOpen: The folder's mode is wider than 0700.
        KeyFileUnwritable: The folder or the file cannot be made.
    """
    private: PrivateKey
    if algorithm is Algorithm.ES256:
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = Ed25519PrivateKey.generate()
    key = _named(private)
    path = folder / f"{key.kid}.pem"
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_closed(folder, folder.stat().st_mode, "700")
        _write(path, pem)
    except OSError as error:
        raise KeyFileUnwritable(path, f"{error.strerror}; make the folder writable for this user") from error
    return key


def load(folder: Path, kid: str) -> SigningKey:
    """Open the key of this name.

    Raises:
        KeyFileMissing: There is none, or the name cannot be a kid.
        KeyFileTooOpen: The file's mode is wider than 0600, or the folder's than 0700.
        KeyFileInvalid: Not a P-256 or Ed25519 key in PKCS #8, or another key than the name says.
    """
    path = folder / f"{kid}.pem"
    if not _KID.fullmatch(kid):  # also keeps a name from leading out of the folder
        raise KeyFileMissing(path, "a kid has 43 characters of base64url; see `scoregate keys list`")
    try:
        _require_closed(folder, folder.stat().st_mode, "700")
        pem = _read(path)
    except FileNotFoundError:
        raise KeyFileMissing(
            path, "no such key; restore it from your copy: partners hold its public half and believe no other"
        ) from None
    except OSError as error:
        raise KeyFileInvalid(
            path, f"{error.strerror}; a plain file readable by this user is needed"
        ) from error
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileInvalid(path, "not an unencrypted PKCS #8 key; restore it from your copy") from error
    if not _usable(private):
        raise KeyFileInvalid(path, "neither a P-256 nor an Ed25519 key; restore it from your copy")
    key = _named(private)
    if key.kid != kid:
        raise KeyFileInvalid(path, f"holds key {key.kid}; give the file that name, or restore the right one")
    return key


def jwks(public_jwks: Iterable[str]) -> str:
    """Return the JWK Set (RFC 7517) that publishes these keys, in this order.

    Raises:
        KeysInvalid: One of them is not a public key as `SigningKey.public_jwk` has it, or there is none.
    """
    text = canonical({"keys": [parse(jwk) for jwk in public_jwks]}).decode()
    VerificationKeys.from_jwks(text)  # what no client would accept is not published
    return text


def _named(private: PrivateKey) -> SigningKey:
    jwk = public_jwk(private.public_key())
    return SigningKey(jwk["kid"], Algorithm(jwk["alg"]), private, canonical(jwk).decode())


def _usable(private: object) -> TypeGuard[PrivateKey]:
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return isinstance(private.curve, ec.SECP256R1)
    return isinstance(private, Ed25519PrivateKey)


def _require_closed(path: Path, mode: int, wanted: str) -> None:
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileTooOpen(path, f"mode {stat.S_IMODE(mode):o} lets others in; run `chmod {wanted} {path}`")


def _read(path: Path) -> bytes:
    # Mode and content are taken from one open file, so that nobody can swap it in between.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        _require_closed(path, os.fstat(file.fileno()).st_mode, "600")
        return file.read(MAX_PEM_BYTES)


def _write(path: Path, pem: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    # From here a crash cannot lose the key; only now may its public half be published.
