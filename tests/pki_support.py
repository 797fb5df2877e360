"""Certificates that an authority of ours would never issue, for tests that show them refused."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.pki import Authority, AuthorityRole

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
ACME = "spiffe://scoregate.local/partner/acme"

AnyKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class MadeCertificate:
    """A certificate and its key, both PEM, as `grpc.ssl_channel_credentials` wants them."""

    certificate_pem: bytes
    key_pem: bytes

    @property
    def parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_pem)


def of_an_unknown_version(certificate_pem: bytes) -> bytes:
    """The same certificate, but for a version (RFC 5280 4.1.2.1) that there is not; its signature is void."""
    der = x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER)
    third, sixth = bytes.fromhex("a003020102"), bytes.fromhex("a003020105")
    body = base64.encodebytes(der.replace(third, sixth, 1))
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def make_authority(role: AuthorityRole, common_name: str) -> Authority:
    """Return an authority whose name is not that of a development CA, valid a day either side of now."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return Authority(role, builder.sign(key, hashes.SHA256()), key)


def make_certificate(
    authority: Authority,
    *,
    uris: Sequence[str] = (ACME,),
    other_names: Sequence[x509.GeneralName] = (),
    usages: Sequence[x509.ObjectIdentifier] | None = (CLIENT_AUTH,),
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    key: AnyKey | None = None,
    extra: Sequence[x509.ExtensionType] = (),
) -> MadeCertificate:
    """Return a certificate signed by ``authority`` with exactly what is asked, lawful or not.

    By default a good one: one SPIFFE URI, clientAuth, an hour either side of now. ``usages=None`` leaves
    the extended key usage out; no names at all leave the alternative names out.
    """
    now = datetime.now(UTC)
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "acme")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - timedelta(hours=1))
        .not_valid_after(not_after or now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    names = [*(x509.UniformResourceIdentifier(uri) for uri in uris), *other_names]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    return MadeCertificate(
        builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
