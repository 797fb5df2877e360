"""Keys and certificates on disk: made once, never overwritten, keys refused when others can read them.

Not pure: reads and writes files. Keys are unencrypted PKCS #8 in PEM (RFC 5958, RFC 7468), mode 0600.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from scoregate.pem import PARSE_ERRORS

TlsUsage = Literal["serverAuth", "clientAuth"]  # the extended key usages by their names in RFC 5280 4.2.1.12

_USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}

OWNER_ONLY = 0o600  # a private file may have these bits or fewer
# `scoregate init` makes none of these files a second time.
RESTORE = "restore it from your copy, or correct its path"


class FileRefused(Exception):
    """A file that security rests on is missing, readable by others, broken, or doesn't fit its partner."""

    def __init__(self, path: Path, why: str, remedy: str) -> None:
        super().__init__(f"{path} {why}; {remedy}")
        self.path = path
        self.why = why
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Trust:
    """The authorities that one door trusts."""

    certificates: tuple[x509.Certificate, ...]
    pem: bytes


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, first of its chain, and the key that fits it."""

    leaf: x509.Certificate
    chain_pem: bytes
    key_pem: bytes = field(repr=False)


def make_private_folder(folder: Path) -> None:
    """Make ``folder`` with mode 0700, or accept one that only its owner can enter.

    Raises:
        FileRefused: It can't be made, or others may enter it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileRefused(folder, f"can't be made ({error.strerror})", "check the path") from error
    require_private_folder(folder)


def require_private_folder(folder: Path) -> None:
    """Return only if ``folder`` exists and only its owner can enter it.

    Raises:
        FileRefused: It is missing, no folder, or open to others.
    """
    if not folder.is_dir():
        raise FileRefused(folder, "is missing", RESTORE)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise FileRefused(folder, f"has mode {mode:04o}, wider than 0700", f"run `chmod 700 {folder}`")


def create_private(path: Path, content: bytes) -> None:
    """Write a new file, mode 0600, durable on return.

    Raises:
        FileRefused: The file exists (a key is never overwritten), or can't be written.
    """
    _create(path, content, OWNER_ONLY)


def create_public(path: Path, content: bytes) -> None:
    """Write a new file that anyone may read, mode 0644, durable on return.

    Raises:
        FileRefused: The file exists, or can't be written.
    """
    _create(path, content, 0o644)


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise FileRefused(path, "exists already", "move it away if it is to be replaced") from error
    except OSError as error:
        raise FileRefused(path, f"can't be made ({error.strerror})", "check its folder") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key helps nobody, and would stop the next attempt
        raise FileRefused(path, f"can't be written ({error.strerror})", "free some space") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes:
    """Return the content of a file that only its owner may read.

    Raises:
        FileRefused: It can't be read, or its mode has a bit that 0600 lacks.
    """
    try:
        with path.open("rb") as file:
            # The mode of the file that is open, not of whatever the path names a moment later.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & ~OWNER_ONLY:
                raise FileRefused(path, f"has mode {mode:04o}, wider than 0600", f"run `chmod 600 {path}`")
            return file.read()
    except OSError as error:
        _refuse_unreadable(path, error)


def read_public(path: Path) -> bytes:
    """Return the content of a file that anyone may read.

    Raises:
        FileRefused: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        _refuse_unreadable(path, error)


def _refuse_unreadable(path: Path, error: OSError) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        raise FileRefused(path, "is missing", RESTORE) from error
    raise FileRefused(path, f"can't be read ({error.strerror})", "check the path and its owner") from error


def read_key(path: Path) -> PrivateKeyTypes:
    """Return the private key in a PEM file of mode 0600 or narrower.

    Raises:
        FileRefused: Missing, too widely readable, or not one unencrypted PEM key.
    """
    return _parse_key(path, read_private(path))


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates in a PEM file, at least one, in order.

    Raises:
        FileRefused: Missing, or not PEM certificates.
    """
    return _parse_certificates(path, read_public(path))


def read_trust(path: Path) -> Trust:
    """Return the CA certificates in a PEM file, at least one.

    Raises:
        FileRefused: Missing, not PEM, or one of them isn't a CA's.
    """
    content = read_public(path)
    certificates = _parse_certificates(path, content)
    if not all(map(_is_authority, certificates)):
        raise FileRefused(path, "holds a certificate that isn't a CA's", "name the file of the CA")
    return Trust(certificates, content)


def read_pair(certificate: Path, key: Path, *, usage: TlsUsage) -> Pair:
    """Return a certificate and its key, once they fit each other and a TLS handshake can use them.

    ``usage`` is the extended key usage that the certificate must name. The time isn't looked at.

    Raises:
        FileRefused: A file is missing or broken, the key is too widely readable or fits another certificate,
            the usage is missing, or the key is of a kind that TLS here can't use.
    """
    # Each file is read once: what was checked is what is served, however the files change meanwhile.
    key_pem, chain_pem = read_private(key), read_public(certificate)
    private_key, leaf = _parse_key(key, key_pem), _parse_certificates(certificate, chain_pem)[0]
    if private_key.public_key() != leaf.public_key():
        raise FileRefused(certificate, f"doesn't fit the key {key}", "replace both files together")
    # BoringSSL inside grpcio offers no Ed25519: such a pair loads, and then every handshake fails.
    if not isinstance(private_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise FileRefused(key, "is of a kind that gRPC can't use", "use P-256, P-384 or RSA")
    if _USAGES[usage] not in _usages(leaf):
        raise FileRefused(certificate, f"lacks the {usage} usage", "issue one that has it")
    return Pair(leaf, chain_pem, key_pem)


def _parse_key(path: Path, content: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(content, password=None)
    except PARSE_ERRORS as error:
        raise FileRefused(path, "isn't an unencrypted private key in PEM", "write the whole key") from error


def _parse_certificates(path: Path, content: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except PARSE_ERRORS as error:
        raise FileRefused(path, "isn't a certificate in PEM", "write the whole certificate") from error


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return False


def _usages(certificate: x509.Certificate) -> Sequence[x509.ObjectIdentifier]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return []


def require_current(path: Path, certificate: x509.Certificate, *, now: datetime) -> None:
    """Return only if ``now`` lies in the validity of ``certificate``, both ends included (RFC 5280 4.1.2.5).

    Raises:
        FileRefused: It has ended, or hasn't begun.
    """
    if now > certificate.not_valid_after_utc:
        raise FileRefused(path, f"ended on {certificate.not_valid_after_utc:%Y-%m-%d}", "issue a new one")
    if now < certificate.not_valid_before_utc:
        raise FileRefused(path, "isn't valid yet", "check the clock of this machine")
