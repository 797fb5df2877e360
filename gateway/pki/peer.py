"""Who a caller's certificate says it is. Pure but for a cache of parsed certificates.

The TLS handshake has verified the chain; it accepts a certificate without the clientAuth usage, one with two
URI names, and keeps a connection open past the certificate's end. So each call is checked here again.

Source: X.509-SVID section 5.2 (leaf validation); RFC 5280 4.1.2.5, 4.2.1.6, 4.2.1.12.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.pki.spiffe import SpiffeInvalid, split_spiffe
from scoregate.pem import PARSE_ERRORS

CACHED_CERTIFICATES = 4096


class CertificateRefused(Exception):
    """A caller's certificate names nobody. ``reason`` is its name in the catalogue of refusals."""

    reason: ClassVar[str]


class CertificateMissing(CertificateRefused):
    """There is no certificate, or the bytes aren't one."""

    reason = "CERTIFICATE_UNKNOWN"


class CertificateUsageInvalid(CertificateRefused):
    """The clientAuth usage isn't named."""

    reason = "CERTIFICATE_USAGE_INVALID"


class CertificateIdentityInvalid(CertificateRefused):
    """The alternative names aren't exactly one SPIFFE URI of our form."""

    reason = "CERTIFICATE_IDENTITY_INVALID"


class CertificateExpired(CertificateRefused):
    """Now lies outside the validity."""

    reason = "CERTIFICATE_EXPIRED"


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What a certificate says, whether or not that is acceptable."""

    fingerprint: str  # SHA-256 over the DER form, 64 hexadecimal digits
    key_sha256: str  # SHA-256 over the SubjectPublicKeyInfo (RFC 5280 4.1.2.7), 64 hexadecimal digits
    spiffe_uris: tuple[str, ...]  # every URI among the alternative names, as written
    other_names: int  # alternative names of any other kind
    has_client_auth: bool
    not_before: datetime  # UTC, valid from this second on
    not_after: datetime  # UTC, valid through this second


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who calls, as far as the certificate goes; the registry has yet to agree."""

    fingerprint: str  # SHA-256 over the DER form, 64 hexadecimal digits
    spiffe_uri: str
    partner_id: str  # the last segment of the URI


def identify(pem: bytes | None, *, now: datetime) -> PeerIdentity:
    """Return whom a caller's certificate names at ``now``.

    Raises:
        CertificateMissing: None, or bytes that are no certificate.
        CertificateUsageInvalid: No extended key usage, or one without clientAuth.
        CertificateIdentityInvalid: Not exactly one URI, not of our SPIFFE form, or other names beside it.
        CertificateExpired: ``now`` is before the first or after the last second of validity.
    """
    if not pem:
        raise CertificateMissing("the caller sent no certificate; connect with the one that was enrolled")
    certificate = parse_peer(pem)
    if not certificate.has_client_auth:
        raise CertificateUsageInvalid("the certificate lacks clientAuth; enrol one for a client")
    if len(certificate.spiffe_uris) != 1 or certificate.other_names:
        raise CertificateIdentityInvalid(
            "the certificate's alternative names must be one SPIFFE URI and nothing else; enrol a new one"
        )
    try:
        _, _, partner_id = split_spiffe(certificate.spiffe_uris[0])
    except SpiffeInvalid as error:
        raise CertificateIdentityInvalid("the certificate's URI isn't ours; enrol a new one") from error
    if not certificate.not_before <= now <= certificate.not_after:
        raise CertificateExpired("the certificate is outside its validity; enrol a new one")
    return PeerIdentity(certificate.fingerprint, certificate.spiffe_uris[0], partner_id)


@lru_cache(CACHED_CERTIFICATES)
def parse_peer(pem: bytes) -> PeerCertificate:
    """Return what the certificate says; nothing is judged. The latest 4,096 answers are kept.

    Raises:
        CertificateMissing: The bytes are no certificate.
        CertificateIdentityInvalid: Its extensions can't be read.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        public_key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except PARSE_ERRORS as error:
        raise CertificateMissing("the caller's certificate can't be read; enrol a new one") from error
    try:
        extensions = certificate.extensions
        names, usages = _alternative_names(extensions), _usages(extensions)
    except PARSE_ERRORS as error:
        raise CertificateIdentityInvalid("the certificate's extensions can't be read") from error
    uris = tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return PeerCertificate(
        fingerprint=fingerprint(certificate),
        key_sha256=hashlib.sha256(public_key).hexdigest(),
        spiffe_uris=uris,
        other_names=len(names) - len(uris),
        has_client_auth=ExtendedKeyUsageOID.CLIENT_AUTH in usages,
        not_before=not_before,
        not_after=not_after,
    )


def _alternative_names(extensions: x509.Extensions) -> list[x509.GeneralName]:
    try:
        return list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _usages(extensions: x509.Extensions) -> list[x509.ObjectIdentifier]:
    try:
        return list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []


def fingerprint(certificate: x509.Certificate | bytes) -> str:
    """Return SHA-256 over the DER form (given as such, or of a parsed certificate), 64 hexadecimal digits."""
    der = certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)
    return hashlib.sha256(der).hexdigest()
