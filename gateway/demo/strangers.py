"""Callers whom the gateway does not know, each with a certificate that something is wrong with.

Two of them are what the partner authority would never sign; its key is taken from the installation for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.demo.installation import Installation
from gateway.demo.page import StepFailed
from gateway.demo.trying import once
from gateway.pki import Authority, AuthorityRole, create_authority, load_authority, spiffe_uri
from scoregate.errors import Refused
from scoregate.partner.v1 import usage_pb2, usage_pb2_grpc

HOUR = timedelta(hours=1)
MOMENT = 0.05  # seconds
SHORT_LIFE = timedelta(seconds=2)  # the last one is cut: certificates count whole seconds
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)

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
    two_names = [meadow, harbour]
    callers: tuple[tuple[str, str, _Made | None], ...] = (
        ("a caller without a certificate", "", None),
        ("a certificate of another authority", "", (other, [meadow], CLIENT)),
        ("one that is not for clients", "CERTIFICATE_USAGE_INVALID", (ours, [meadow], ())),
        ("one that names two lenders", "CERTIFICATE_IDENTITY_INVALID", (ours, two_names, CLIENT)),
        ("one of our authority, never enrolled", "CERTIFICATE_UNKNOWN", (ours, [meadow], CLIENT)),
    )
    for what, reason, made_of in callers:
        with _channel(gateway, made_of and _certificate(*made_of)) as channel:
            yield what, reason, channel


@dataclass(frozen=True, slots=True)
class Fading:
    """A caller whose certificate lasts a second or two, and whose connection is open already."""

    gateway: Installation
    pair: tuple[bytes, bytes]
    channel: grpc.Channel
    ends: datetime

    @classmethod
    def connect(cls, gateway: Installation) -> Fading:
        """Make the certificate, which nobody enrols, and connect with it.

        Raises:
            StepFailed: It is not let as far as the registry.
        """
        ours = load_authority(gateway.settings.tls.authorities, AuthorityRole.PARTNER)
        meadow = spiffe_uri(gateway.settings.trust_domain, "partner", "meadow")
        ends = datetime.now(UTC).replace(microsecond=0) + SHORT_LIFE
        pair = _certificate(ours, [meadow], CLIENT, until=ends)
        made = cls(gateway, pair, _channel(gateway, pair), ends)
        refusal = meter(made.channel)
        if refusal is None or refusal.code != "CERTIFICATE_UNKNOWN":
            raise StepFailed("a certificate that will run out connects", f"it does not: {refusal}")
        return made

    def again(self) -> Refused | None:
        """Ask over the connection that stands, once the certificate is over."""
        time.sleep(max(0.0, (self.ends - datetime.now(UTC)).total_seconds()) + MOMENT)
        return meter(self.channel)

    def anew(self) -> Refused | None:
        """Ask over a connection of its own."""
        with _channel(self.gateway, self.pair) as channel:
            return meter(channel)


def meter(channel: grpc.Channel) -> Refused | None:
    """Ask for the caller's own meters, for which a certificate is enough; return how that is refused."""
    stub = usage_pb2_grpc.UsageServiceStub(channel)  # type: ignore[no-untyped-call]
    return once(stub.ListQuotaUsage, usage_pb2.ListQuotaUsageRequest())


def _channel(gateway: Installation, pair: tuple[bytes, bytes] | None) -> grpc.Channel:
    certificate, key = pair or (None, None)
    server_ca = gateway.operator.server_ca.read_bytes()
    credentials = grpc.ssl_channel_credentials(server_ca, private_key=key, certificate_chain=certificate)
    return grpc.secure_channel(gateway.partner_address, credentials)


def _certificate(
    authority: Authority,
    uris: Sequence[str],
    usages: Sequence[x509.ObjectIdentifier],
    *,
    until: datetime | None = None,
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
        .not_valid_after(until or now + HOUR)
        .add_extension(names, critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    signed = builder.sign(authority.key, hashes.SHA256())
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signed.public_bytes(Encoding.PEM), key_pem
