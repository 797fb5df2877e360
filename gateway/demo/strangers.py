"""Callers whom the gateway does not know, each with a certificate that something is wrong with.

Two of them are what the partner authority would never sign; its key is taken from the installation for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.demo.installation import Installation
from gateway.pki import Authority, AuthorityRole, create_authority, load_authority, spiffe_uri

HOUR = timedelta(hours=1)

_Made = tuple[Authority, Sequence[str], Sequence[x509.ObjectIdentifier]]


def strangers(gateway: Installation, folder: Path) -> Iterator[tuple[str, str, grpc.Channel]]:
    """Yield what each comes with, the reason that is due ("" where TLS refuses), and an open channel.

    ``folder`` must not exist; the other authority's key goes there. A channel closes when the next is asked
    for.
    """
    settings = gateway.settings
    ours = load_authority(settings.tls.authorities, AuthorityRole.PARTNER)
    other = create_authority(folder, AuthorityRole.PARTNER, now=datetime.now(UTC))
    meadow, harbour = (spiffe_uri(settings.trust_domain, "partner", name) for name in ("meadow", "harbour"))
    client = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    two_names = [meadow, harbour]
    callers: tuple[tuple[str, str, _Made | None], ...] = (
        ("a caller without a certificate", "", None),
        ("a certificate of another authority", "", (other, [meadow], client)),
        ("one that is not for clients", "CERTIFICATE_USAGE_INVALID", (ours, [meadow], ())),
        ("one that names two lenders", "CERTIFICATE_IDENTITY_INVALID", (ours, two_names, client)),
        ("one of our authority, never enrolled", "CERTIFICATE_UNKNOWN", (ours, [meadow], client)),
    )
    for what, reason, made_of in callers:
        certificate, key = (None, None) if made_of is None else _certificate(*made_of)
        server_ca = gateway.operator.server_ca.read_bytes()
        credentials = grpc.ssl_channel_credentials(server_ca, private_key=key, certificate_chain=certificate)
        with grpc.secure_channel(gateway.partner_address, credentials) as channel:
            yield what, reason, channel


def _certificate(
    authority: Authority, uris: Sequence[str], usages: Sequence[x509.ObjectIdentifier]
) -> tuple[bytes, bytes]:
    """Return a certificate with exactly these names and usages, lawful or not, and its key (PEM)."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(names, critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    signed = builder.sign(authority.key, hashes.SHA256())
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signed.public_bytes(Encoding.PEM), key_pem
