"""The three certificate authorities of an installation, and what they sign.

Not pure: makes keys and reads them from files. Source: RFC 5280 4.2.1 (extensions); X.509-SVID section 4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.pki.files import (
    FileRefused,
    create_private,
    create_public,
    make_private_folder,
    read_key,
    read_trust,
)
from gateway.pki.request import RequestKey, RequestRefused, key_pem, named, read_request
from gateway.pki.spiffe import SpiffeInvalid, split_spiffe

AUTHORITY_LIFE = timedelta(days=3652)  # ten years
MIN_DAYS, MAX_DAYS = 1, 397
CLOCK_SKEW = timedelta(minutes=5)  # a certificate begins this long before it is signed
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class AuthorityRole(StrEnum):
    """Whom an authority vouches for."""

    SERVER = "server"
    PARTNER = "partner"
    STAFF = "staff"


# The role path that each authority may put into a SPIFFE name.
_PATHS = {AuthorityRole.SERVER: "gateway", AuthorityRole.PARTNER: "partner", AuthorityRole.STAFF: "staff"}


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate authority: its own certificate and the key that signs."""

    role: AuthorityRole
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """Its certificate, as the other side pins it."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue_server(self, names: Iterable[str], *, now: datetime, days: int) -> tuple[bytes, bytes]:
        """Return a new server certificate and its key (both PEM), valid for ``days`` from ``now``.

        The names are localhost, 127.0.0.1 and ::1, then ``names`` (host names or IP addresses).

        Raises:
            RequestRefused: A name isn't one, or the days are not 1 to 397 or pass the authority's end.
            ValueError: This is not the server authority.
        """
        if self.role is not AuthorityRole.SERVER:
            raise ValueError(f"the {self.role} authority signs no server certificates")
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [_general_name(name) for name in dict.fromkeys((*LOCAL_NAMES, *names))]
        builder = _begin(
            named("Scoregate server"), self.certificate.subject, key.public_key(), now, self._end(now, days)
        )
        return self._sign(builder, alternatives, ExtendedKeyUsageOID.SERVER_AUTH), key_pem(key)

    def sign_request(self, csr_pem: bytes, *, spiffe_uri: str, now: datetime, days: int) -> bytes:
        """Return a client certificate (PEM) for the key of a request, valid for ``days`` from ``now``.

        It has one SAN, the SPIFFE URI, whose id is also the common name; clientAuth only.

        Raises:
            RequestRefused: The request, the URI (malformed, or of a role this authority doesn't vouch for) or
                the days (not 1 to 397, or past the authority's end).
        """
        key = read_request(csr_pem)
        try:
            _, role_path, partner_id = split_spiffe(spiffe_uri)
        except SpiffeInvalid as error:
            raise RequestRefused("spiffe_uri", error.why, "build it with spiffe_uri()") from error
        if role_path != _PATHS[self.role]:
            raise RequestRefused(
                "spiffe_uri", f"isn't the {self.role} authority's to sign", "use the other one"
            )
        alternatives: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe_uri)]
        builder = _begin(named(partner_id), self.certificate.subject, key, now, self._end(now, days))
        return self._sign(builder, alternatives, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _sign(
        self,
        builder: x509.CertificateBuilder,
        alternatives: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> bytes:
        complete = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(_issuer_id(self.certificate), critical=False)
        )
        return complete.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _end(self, now: datetime, days: int) -> datetime:
        if not MIN_DAYS <= days <= MAX_DAYS:
            raise RequestRefused("days", f"is {days}", f"give {MIN_DAYS} to {MAX_DAYS}")
        end = now + timedelta(days=days)
        if end > self.certificate.not_valid_after_utc:
            last = f"{self.certificate.not_valid_after_utc:%Y-%m-%d}"
            raise RequestRefused("days", f"passes the authority's end on {last}", "renew the authority first")
        return end


def create_authority(folder: Path, role: AuthorityRole, *, now: datetime) -> Authority:
    """Make an authority in ``folder`` (``<role>-ca.key`` 0600, ``<role>-ca.pem``): P-256, ten years.

    Raises:
        FileRefused: One of the files exists, the folder is open to others, or can't be written.
    """
    make_private_folder(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    name = named(_development_name(role))
    builder = (
        _begin(name, name, key.public_key(), now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    authority = Authority(role, builder.sign(key, hashes.SHA256()), key)
    create_private(key_path(folder, role), key_pem(key))
    create_public(certificate_path(folder, role), authority.certificate_pem)
    return authority


def load_authority(folder: Path, role: AuthorityRole) -> Authority:
    """Return the authority of ``role`` in ``folder``.

    Raises:
        FileRefused: A file is missing, broken or too widely readable; the two don't fit; the key isn't
            P-256; the certificate isn't a CA's, or is the development CA of another role.
    """
    path = certificate_path(folder, role)
    key = read_key(key_path(folder, role))
    certificate = read_trust(path).certificates[0]
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FileRefused(key_path(folder, role), "isn't a P-256 key", "use the key that belongs to the CA")
    if key.public_key() != certificate.public_key():
        raise FileRefused(path, "doesn't fit its key", "put back the two files that were made together")
    if development_role(certificate) not in (None, role):
        raise FileRefused(path, f"is the {development_role(certificate)} CA", f"put the {role} CA there")
    return Authority(role, certificate, key)


def key_path(folder: Path, role: AuthorityRole) -> Path:
    """Where the key of an authority lies."""
    return folder / f"{role}-ca.key"


def certificate_path(folder: Path, role: AuthorityRole) -> Path:
    """Where the certificate of an authority lies."""
    return folder / f"{role}-ca.pem"


def development_role(certificate: x509.Certificate) -> AuthorityRole | None:
    """Return whose development CA this is, going by its name; None for any other certificate."""
    return _role_named(certificate.subject)


def development_issuer(certificate: x509.Certificate) -> AuthorityRole | None:
    """Return which development CA signed this, going by the issuer's name; None for any other issuer."""
    return _role_named(certificate.issuer)


def _role_named(name: x509.Name) -> AuthorityRole | None:
    common_names = {attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)}
    return next((role for role in AuthorityRole if _development_name(role) in common_names), None)


def _development_name(role: AuthorityRole) -> str:
    return f"Scoregate development {role} CA"


def _begin(
    subject: x509.Name, issuer: x509.Name, key: RequestKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issuer_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        subject_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:  # a CA not made here may lack it
        subject_id = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_id)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) > 253 or not all(map(_is_label, name.split("."))):
        raise RequestRefused("names", f"has {name!r}", "give host names or IP addresses")
    return x509.DNSName(name)


def _is_label(label: str) -> bool:
    letters = label.replace("-", "")
    return 1 <= len(label) <= 63 and letters.isascii() and letters.isalnum() and label.strip("-") == label
