"""Certificates and requests, as PEM and as the DER inside, wherever one is read."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.pki import AuthorityRole, CertificateRefused, FileRefused, RequestRefused, identify
from gateway.pki.files import read_certificates, read_key, read_trust
from gateway.pki.request import named, read_request
from gateway.pki.spiffe import SpiffeInvalid, spiffe_uri, split_spiffe
from scoregate.client import identity
from scoregate.errors import ClientMisconfigured
from scoring.remote import client_identity
from tests.pki_support import ACME, MadeCertificate, make_authority, make_certificate
from tests.prove.fuzzers.der import change_der
from tests.prove.fuzzers.target import Place, Take, Target, anywhere, each_of, refusing, require_same

ROOM = "certificates"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CERTIFICATE, REQUEST = "CERTIFICATE", "CERTIFICATE REQUEST"

Read = Callable[[bytes], object]


def as_pem(label: str, der: bytes) -> bytes:
    """DER as PEM (RFC 7468)."""
    body = base64.b64encode(der).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()


def change_pem(label: str, pem: bytes, chance: Random) -> bytes:
    """Changes the DER inside."""
    der = base64.b64decode(b"".join(pem.split(b"-----")[2].split()))
    return as_pem(label, change_der(der, chance))


class Unguarded(Exception):
    """What a control arm documents."""


# --- a caller's certificate: as the gateway, the engine and the client read it


def take_callers(pem: bytes) -> None:
    """Whom the gateway takes the caller for."""
    found = identify(pem, now=NOW)
    require_same(found.spiffe_uri.rpartition("/")[2], found.partner_id)


def take_own(pem: bytes) -> None:
    """Whom a lender's client takes itself for, and the authority that it believes."""
    identity.partner_id(pem)


def take_certificate_unguarded(pem: bytes) -> None:
    """The guard that is off: of what the library raises, more than ValueError is caught."""
    try:
        extensions = x509.load_pem_x509_certificate(pem).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Unguarded from error
    if len(names) != 1:
        raise Unguarded


@cache
def _certificates() -> tuple[MadeCertificate, ...]:
    authority = make_authority(AuthorityRole.PARTNER, "Fuzzed CA")
    life: Any = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=1)}
    return (
        make_certificate(authority, **life),
        make_certificate(authority, uris=("spiffe://scoregate.local/gateway/gateway",), **life),
        make_certificate(authority, other_names=[x509.DNSName("acme.example")], usages=None, **life),
        make_certificate(authority, key=rsa.generate_private_key(65537, 2048), **life),
        make_certificate(authority, uris=(), **life),
    )


def certificate_seeds(encoding: Encoding) -> Iterable[bytes]:
    return [made.parsed.public_bytes(encoding) for made in _certificates()]


# --- a certificate request


def take_request(pem: bytes) -> None:
    """The key that a request proves to hold."""
    read_request(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def take_request_unguarded(pem: bytes) -> None:
    """The guard that is off: of what the library raises, more than ValueError is caught."""
    try:
        request = x509.load_pem_x509_csr(pem)
    except ValueError as error:
        raise Unguarded from error
    if not request.is_signature_valid:
        raise Unguarded


@cache
def _requests() -> tuple[x509.CertificateSigningRequest, ...]:
    builder = x509.CertificateSigningRequestBuilder().subject_name(named("acme"))
    keys = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    )
    return tuple(builder.sign(key, hashes.SHA256()) for key in keys)


def request_seeds(encoding: Encoding) -> Iterable[bytes]:
    return [made.public_bytes(encoding) for made in _requests()]


# --- files


def take_files(place: Place) -> Take:
    """One content as certificates, as a trusted authority and as a key."""
    path = _private_file(place)

    def reading(read: Callable[[Path], object]) -> Take:
        return refusing(lambda data: read(_filled(path, data)), FileRefused)

    return each_of(*(reading(each) for each in (read_certificates, read_trust, read_key)))


def take_files_unguarded(place: Place) -> Take:
    """The guard that is off: of what the library raises, more than ValueError is caught."""
    path = _private_file(place)
    return refusing(lambda data: load_pem_private_key(_filled(path, data).read_bytes(), None), ValueError)


def _private_file(place: Place) -> Path:
    path = place.folder / "file.pem"
    path.touch(mode=0o600)
    return path


def _filled(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def file_seeds() -> Iterable[bytes]:
    authority = make_authority(AuthorityRole.SERVER, "Fuzzed server CA").certificate_pem
    return [
        *(made.certificate_pem + authority for made in _certificates()),
        *(made.key_pem for made in _certificates()),
    ]


# --- names


def take_name(data: bytes) -> None:
    """A SPIFFE name is spelled one way."""
    uri: str = data.decode("latin-1")
    parts: Any = split_spiffe(uri)
    require_same(spiffe_uri(*parts), uri)


def take_name_unguarded(data: bytes) -> None:
    """The guard that is off: a name is of our form before it is taken apart."""
    uri = data.decode("latin-1")
    _, found, path = uri.partition("://")
    if not found or path.count("/") < 2:
        raise Unguarded
    domain, role, partner_id = path.split("/")
    require_same(f"spiffe://{domain}/{role}/{partner_id}", uri)


def _pem(
    name: str, take: Read, unguarded: Read, refusal: type[Exception], seeds: Any, share: int
) -> tuple[Target, ...]:
    """The same reader twice: mutations in the PEM, and in the DER."""
    label = REQUEST if "request" in name else CERTIFICATE

    def wrapped(read: Read) -> Read:
        return lambda der: read(as_pem(label, der))

    pem = Target(
        f"{name}-pem",
        ROOM,
        anywhere(refusing(take, refusal)),
        anywhere(refusing(unguarded, Unguarded)),
        partial(seeds, Encoding.PEM),
        share=share,
        words=("-----BEGIN ", "-----END ", label, "-----\n", "=="),
        change=partial(change_pem, label),
    )
    der = Target(
        f"{name}-der",
        ROOM,
        anywhere(refusing(wrapped(take), refusal)),
        anywhere(refusing(wrapped(unguarded), Unguarded)),
        partial(seeds, Encoding.DER),
        share=share,
        change=change_der,
    )
    return pem, der


class Unnamed(Exception):
    """The engine knows nobody by this certificate; it says so by a None."""


def take_engines(pem: bytes) -> None:
    """Whom the engine takes the caller for."""
    if client_identity(pem) is None:
        raise Unnamed


TARGETS = (
    *_pem("caller", take_callers, take_certificate_unguarded, CertificateRefused, certificate_seeds, 40),
    *_pem("engine-caller", take_engines, take_certificate_unguarded, Unnamed, certificate_seeds, 20),
    *_pem(
        "own-certificate", take_own, take_certificate_unguarded, ClientMisconfigured, certificate_seeds, 20
    ),
    *_pem("request", take_request, take_request_unguarded, RequestRefused, request_seeds, 20),
    Target("pem-files", ROOM, take_files, take_files_unguarded, file_seeds, share=3),
    Target(
        "spiffe-name",
        ROOM,
        anywhere(refusing(take_name, SpiffeInvalid)),
        anywhere(refusing(take_name_unguarded, Unguarded)),
        lambda: [ACME.encode(), b"spiffe://scoregate.local/staff/operator"],
        share=80,
        most_bytes=320,
        words=("spiffe://", "/partner/", "/staff/", "/gateway/"),
    ),
)
