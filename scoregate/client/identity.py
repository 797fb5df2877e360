"""What a client is given to start with: certificate, key, authority and trusted keys, as text or files."""

from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from scoregate.errors import ClientMisconfigured
from scoregate.pem import PARSE_ERRORS
from scoregate.pinned import read_policy
from scoregate.tlog.policy import Policy, PolicyInvalid

MAX_FILE_BYTES = 1024 * 1024
_PEM_BEGINS = "-----BEGIN "

Pem = bytes | str | Path  # the PEM itself, or where it lies; a str is the PEM if it looks like one
_DER, _SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def credentials(certificate: Pem, key: Pem, server_ca: Pem) -> grpc.ChannelCredentials:
    """Return the mTLS credentials, once certificate and key are shown to belong together.

    Raises:
        ClientMisconfigured: One cannot be read or is not PEM, or they don't.
    """
    certificate_pem, key_pem = read("certificate", certificate), read("key", key)
    authority_pem = read("server_ca", server_ca)
    try:
        private = serialization.load_pem_private_key(key_pem, password=None)
    except PARSE_ERRORS:
        raise ClientMisconfigured(
            "key: not an unencrypted private key in PEM; give the one whose certificate was enrolled"
        ) from None
    enrolled = _parse(certificate_pem).public_key()
    if private.public_key().public_bytes(_DER, _SPKI) != enrolled.public_bytes(_DER, _SPKI):
        raise ClientMisconfigured("key: not the key of this certificate; give the pair that was enrolled")
    try:
        x509.load_pem_x509_certificates(authority_pem)
    except PARSE_ERRORS:
        raise ClientMisconfigured(
            "server_ca: not a certificate in PEM; give the server-ca.pem that came with your certificate"
        ) from None
    return grpc.ssl_channel_credentials(authority_pem, key_pem, certificate_pem)


def partner_id(certificate: Pem) -> str:
    """Return the last segment of the certificate's one SPIFFE URI: the `aud` of its answers.

    Raises:
        ClientMisconfigured: It cannot be read, or has not exactly one URI, or that is no SPIFFE URI.
    """
    parsed = _parse(read("certificate", certificate))
    names = x509.SubjectAlternativeName
    try:
        uris = parsed.extensions.get_extension_for_class(names).value.get_values_for_type(
            x509.UniformResourceIdentifier
        )
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        uris = []
    if len(uris) != 1 or not uris[0].startswith("spiffe://") or uris[0].endswith("/"):
        raise ClientMisconfigured("certificate: exactly one SPIFFE URI is needed, or give partner_id")
    return uris[0].rsplit("/", 1)[1]


def read(name: str, given: Pem) -> bytes:
    """Return what was given, or what lies at the path that was given.

    Raises:
        ClientMisconfigured: The file cannot be read.
    """
    if isinstance(given, bytes):
        return given
    if isinstance(given, str) and _PEM_BEGINS in given:
        return given.encode()
    try:
        with Path(given).open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        why = f"{str(given)[:200]!r} can't be read ({error.strerror})"
    except (ValueError, TypeError):
        why = "not a path"
    raise ClientMisconfigured(f"{name}: {why}; give a readable file, or its content")


def jwks_text(given: str | Path) -> str:
    """Return a JWK Set that was given as text or as a path.

    Raises:
        ClientMisconfigured: The file cannot be read, or is not text.
    """
    if isinstance(given, str) and given.lstrip().startswith("{"):
        return given
    try:
        return read("jwks", given).decode()
    except UnicodeDecodeError:
        raise ClientMisconfigured("jwks: not text; give the issuer's JWK Set") from None


def policy(log: str | Path) -> Policy:
    """Return the policy that was given as vkeys, split by spaces or lines, or as the path of a policy file.

    Raises:
        ClientMisconfigured: It is neither.
    """
    try:
        return read_policy([], log) if isinstance(log, Path) else read_policy(log.split())
    except PolicyInvalid as error:
        raise ClientMisconfigured(f"log: {error}") from error
    except AttributeError:
        raise ClientMisconfigured(f"log: give text or a Path, not {type(log).__name__}") from None


def _parse(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except PARSE_ERRORS:
        raise ClientMisconfigured(
            "certificate: not a certificate in PEM; give the one that was enrolled"
        ) from None
