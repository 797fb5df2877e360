"""Certificates: what our authorities sign, what they refuse, and whom a caller's certificate names."""

from __future__ import annotations

import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.pki import (
    Authority,
    AuthorityRole,
    CertificateExpired,
    CertificateIdentityInvalid,
    CertificateMissing,
    CertificateRefused,
    CertificateUsageInvalid,
    FileRefused,
    PeerIdentity,
    RequestRefused,
    SpiffeInvalid,
    create_authority,
    create_private,
    fingerprint,
    identify,
    load_authority,
    new_key_and_request,
    parse_peer,
    read_private,
    spiffe_uri,
)
from gateway.pki.authority import AUTHORITY_LIFE, CLOCK_SKEW
from gateway.pki.credentials import server_credentials
from gateway.pki.files import make_private_folder
from gateway.pki.request import read_request
from gateway.pki.spiffe import split_spiffe
from scoregate.partner.v1.error_reason_pb2 import ErrorReason
from tests.pki_support import ACME, CLIENT_AUTH, SERVER_AUTH, AnyKey, MadeCertificate, make_certificate

NOW = datetime.now(UTC).replace(microsecond=0)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def server_ca(folder: Path) -> Authority:
    return create_authority(folder, AuthorityRole.SERVER, now=NOW)


@pytest.fixture(scope="module")
def partner_ca(folder: Path) -> Authority:
    return create_authority(folder, AuthorityRole.PARTNER, now=NOW)


@pytest.fixture(scope="module")
def staff_ca(folder: Path) -> Authority:
    return create_authority(folder, AuthorityRole.STAFF, now=NOW)


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    return certificate.extensions.get_extension_for_class(kind).value


# --- authorities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(AuthorityRole))
def test_an_authority_signs_end_certificates_and_nothing_else(tmp_path: Path, role: AuthorityRole) -> None:
    certificate = create_authority(tmp_path, role, now=NOW).certificate

    assert certificate.subject.rfc4514_string() == f"CN=Scoregate development {role} CA"
    assert certificate.issuer == certificate.subject
    certificate.verify_directly_issued_by(certificate)
    assert extension(certificate, x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=0)
    usage = extension(certificate, x509.KeyUsage)
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert not usage.digital_signature
    assert certificate.not_valid_before_utc == NOW - CLOCK_SKEW
    assert certificate.not_valid_after_utc == NOW + AUTHORITY_LIFE
    assert AUTHORITY_LIFE // timedelta(days=365.25) == 9  # ten years but for the leap days' rounding
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_an_authority_comes_back_from_its_files_as_it_was_made(partner_ca: Authority, folder: Path) -> None:
    again = load_authority(folder, AuthorityRole.PARTNER)

    assert again.certificate == partner_ca.certificate
    assert again.key.private_numbers() == partner_ca.key.private_numbers()
    assert (folder / "partner-ca.pem").read_bytes() == partner_ca.certificate_pem


def test_only_the_owner_may_read_an_authoritys_key_or_enter_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    create_authority(folder, AuthorityRole.STAFF, now=NOW)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "staff-ca.key").stat().st_mode) == 0o600


def test_an_authority_is_never_made_over_another(tmp_path: Path) -> None:
    create_authority(tmp_path, AuthorityRole.STAFF, now=NOW)
    before = (tmp_path / "staff-ca.key").read_bytes()

    with pytest.raises(FileRefused, match=r"staff-ca\.key exists already; move it away"):
        create_authority(tmp_path, AuthorityRole.STAFF, now=NOW)

    assert (tmp_path / "staff-ca.key").read_bytes() == before


def test_the_text_of_an_authority_holds_no_key(partner_ca: Authority) -> None:
    assert "key=" not in repr(partner_ca)


@pytest.mark.parametrize("mode", [0o601, 0o610, 0o604, 0o640, 0o644, 0o660, 0o700, 0o777, 0o1600])
def test_a_key_file_with_a_wider_mode_is_refused_with_the_command_that_narrows_it(
    tmp_path: Path, mode: int
) -> None:
    create_authority(tmp_path, AuthorityRole.STAFF, now=NOW)
    key = tmp_path / "staff-ca.key"
    key.chmod(mode)

    with pytest.raises(FileRefused) as refused:
        load_authority(tmp_path, AuthorityRole.STAFF)

    assert refused.value.path == key
    assert f"{mode:04o}" in refused.value.why
    assert refused.value.remedy == f"run `chmod 600 {key}`"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    create_authority(tmp_path, AuthorityRole.STAFF, now=NOW)
    (tmp_path / "staff-ca.key").chmod(mode)

    assert load_authority(tmp_path, AuthorityRole.STAFF).role is AuthorityRole.STAFF


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o755])
def test_a_key_folder_that_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "pki"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(FileRefused, match=f"chmod 700 {folder}"):
        make_private_folder(folder)


def _swap(path: Path, other: bytes) -> None:
    path.write_bytes(other)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda f: (f / "staff-ca.key").unlink(), "is missing"),
        (lambda f: (f / "staff-ca.pem").unlink(), "is missing"),
        (lambda f: _swap(f / "staff-ca.key", (f / "staff-ca.key").read_bytes()[:120]), "private key in PEM"),
        (lambda f: _swap(f / "staff-ca.key", b""), "private key in PEM"),
        (lambda f: _swap(f / "staff-ca.pem", (f / "staff-ca.pem").read_bytes()[:200]), "certificate in PEM"),
        (lambda f: _swap(f / "staff-ca.pem", (f / "partner-ca.pem").read_bytes()), "doesn't fit its key"),
        (lambda f: _swap(f / "staff-ca.pem", (f / "server.pem").read_bytes()), "isn't a CA's"),
        (
            lambda f: [(f / f"partner-ca.{end}").replace(f / f"staff-ca.{end}") for end in ("key", "pem")],
            "is the partner CA",
        ),
    ],
)
def test_an_authority_with_broken_or_mixed_up_files_is_refused(
    tmp_path: Path, broken: Callable[[Path], object], why: str
) -> None:
    for role in AuthorityRole:
        authority = create_authority(tmp_path, role, now=NOW)
        if role is AuthorityRole.SERVER:
            (tmp_path / "server.pem").write_bytes(authority.issue_server((), now=NOW, days=1)[0])
    broken(tmp_path)

    with pytest.raises(FileRefused, match=why):
        load_authority(tmp_path, AuthorityRole.STAFF)


def test_a_private_file_is_written_once_and_read_back(tmp_path: Path) -> None:
    create_private(tmp_path / "key", b"first")

    with pytest.raises(FileRefused, match="exists already"):
        create_private(tmp_path / "key", b"second")
    assert read_private(tmp_path / "key") == b"first"


# --- server certificates ----------------------------------------------------------------------------------


def test_a_server_certificate_names_this_machine_and_what_was_asked(server_ca: Authority) -> None:
    pem, key_pem = server_ca.issue_server(("score.example", "10.1.2.3", "localhost"), now=NOW, days=90)

    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(server_ca.certificate)
    names = extension(certificate, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "score.example"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1", "10.1.2.3"]
    assert list(extension(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.not_valid_after_utc == NOW + 90 * DAY
    key = serialization.load_pem_private_key(key_pem, password=None)
    assert key.public_key() == certificate.public_key()


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "-a.example", "a b", "ä.example", "*.example", "a/b", "x" * 64]
)
def test_a_server_name_that_is_neither_host_nor_address_is_refused(server_ca: Authority, name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        server_ca.issue_server((name,), now=NOW, days=1)
    assert refused.value.field == "names"


@pytest.mark.parametrize("role", [AuthorityRole.PARTNER, AuthorityRole.STAFF])
def test_an_authority_of_clients_signs_no_servers(tmp_path: Path, role: AuthorityRole) -> None:
    with pytest.raises(ValueError, match="signs no server certificates"):
        create_authority(tmp_path, role, now=NOW).issue_server((), now=NOW, days=1)


# --- certificate requests ---------------------------------------------------------------------------------


def request_of(key: AnyKey, common_name: str = "whoever") -> bytes:
    """A request that also asks for more than it may get."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    names = [x509.UniformResourceIdentifier("spiffe://evil/partner/admin"), x509.DNSName("evil.example")]
    builder = (
        x509.CertificateSigningRequestBuilder(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([SERVER_AUTH]), critical=False)
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(PEM)


def sign(authority: Authority, csr_pem: bytes, *, uri: str = ACME, days: int = 30) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.sign_request(csr_pem, spiffe_uri=uri, now=NOW, days=days))


def test_a_signed_request_names_one_partner_and_permits_one_use(partner_ca: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    certificate = sign(partner_ca, request_of(key), days=30)

    certificate.verify_directly_issued_by(partner_ca.certificate)
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string() == "CN=acme"
    assert list(extension(certificate, x509.SubjectAlternativeName)) == [x509.UniformResourceIdentifier(ACME)]
    assert list(extension(certificate, x509.ExtendedKeyUsage)) == [CLIENT_AUTH]
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    assert certificate.not_valid_before_utc == NOW - CLOCK_SKEW
    assert certificate.not_valid_after_utc == NOW + 30 * DAY


def test_a_signed_request_may_sign_messages_only_and_points_to_its_authority(partner_ca: Authority) -> None:
    certificate = sign(partner_ca, new_key_and_request("acme")[1])

    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign")
    assert usage.critical
    assert usage.value.digital_signature
    assert not any(getattr(usage.value, name) for name in (*names, "crl_sign"))
    authority_id = extension(certificate, x509.AuthorityKeyIdentifier).key_identifier
    assert authority_id == extension(partner_ca.certificate, x509.SubjectKeyIdentifier).digest
    own_id = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert extension(certificate, x509.SubjectKeyIdentifier) == own_id


def test_the_same_request_signed_twice_gets_two_serial_numbers(partner_ca: Authority) -> None:
    csr_pem = new_key_and_request("acme")[1]
    assert sign(partner_ca, csr_pem).serial_number != sign(partner_ca, csr_pem).serial_number


@pytest.mark.parametrize(
    "make_key",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "RSA-2048"],
)
def test_every_key_kind_of_the_contract_is_signed(
    partner_ca: Authority, make_key: Callable[[], AnyKey]
) -> None:
    key = make_key()
    assert sign(partner_ca, request_of(key)).public_key() == key.public_key()


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content


def unsigned_request(public_key: Any) -> bytes:
    """A request for any key, whose signature is rubbish: the key is judged before the signature."""
    key = public_key.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    info = _der(0x30, b"\x02\x01\x00", _der(0x30), key, _der(0xA0))
    ecdsa_sha256 = _der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    body = _der(0x30, info, ecdsa_sha256, _der(0x03, b"\x00", b"rubbish"))
    return x509.load_der_x509_csr(body).public_bytes(PEM)


def rsa_public(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key()


@pytest.mark.parametrize(
    "public_key",
    [
        # gRPC's TLS can't use Ed25519: a certificate for one would enrol and never connect.
        ed25519.Ed25519PrivateKey.generate().public_key(),
        rsa_public(2047),
        rsa_public(4097),
        rsa_public(2048, exponent=3),
        rsa_public(2048, exponent=65539),
        ec.generate_private_key(ec.SECP521R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ed448.Ed448PrivateKey.generate().public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
    ],
    ids=["Ed25519", "RSA-2047", "RSA-4097", "RSA-e3", "RSA-e65539", "P-521", "secp256k1", "Ed448", "X25519"],
)
def test_a_key_of_another_kind_or_size_is_refused(partner_ca: Authority, public_key: Any) -> None:
    with pytest.raises(RequestRefused, match="key of another kind or size; use P-256") as refused:
        sign(partner_ca, unsigned_request(public_key))
    assert refused.value.field == "csr_pem"


@pytest.mark.parametrize("bits", [2048, 4096])
def test_rsa_sizes_at_both_ends_of_the_range_pass_on_to_the_signature_check(bits: int) -> None:
    with pytest.raises(RequestRefused, match="isn't signed by the key it names"):
        read_request(unsigned_request(rsa_public(bits)))


def _with_other_key(csr_pem: bytes) -> bytes:
    der = x509.load_pem_x509_csr(csr_pem).public_bytes(DER)
    mine = x509.load_pem_x509_csr(csr_pem).public_key()
    theirs = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    assert isinstance(mine, ec.EllipticCurvePublicKey)
    swapped = der.replace(mine.public_bytes(*point), theirs.public_bytes(*point))
    return x509.load_der_x509_csr(swapped).public_bytes(PEM)


def test_a_request_for_somebody_elses_key_is_refused(partner_ca: Authority) -> None:
    with pytest.raises(RequestRefused, match="isn't signed by the key it names"):
        sign(partner_ca, _with_other_key(new_key_and_request("acme")[1]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda csr, key: b"", "holds 0 PEM blocks"),
        (lambda csr, key: b"hello", "holds 0 PEM blocks"),
        (lambda csr, key: csr + csr, "holds 2 PEM blocks; send exactly one"),
        (lambda csr, key: csr + key, "holds a private key; make a new key"),
        (lambda csr, key: csr[:200], "isn't a PKCS #10 request"),
        (lambda csr, key: csr.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"), "isn't a PKCS #10 request"),
        (lambda csr, key: csr.rjust(16 * 1024 + 1, b"\n"), "has 16,385 bytes, over 16,384"),
    ],
)
def test_anything_but_one_small_request_is_refused(
    partner_ca: Authority, change: Callable[[bytes, bytes], bytes], why: str
) -> None:
    key_pem, csr_pem = new_key_and_request("acme")
    with pytest.raises(RequestRefused, match=why) as refused:
        sign(partner_ca, change(csr_pem, key_pem))
    assert refused.value.field == "csr_pem"
    assert b"PRIVATE" not in str(refused.value).encode()


def test_a_request_of_exactly_16_kib_is_signed(partner_ca: Authority) -> None:
    assert sign(partner_ca, new_key_and_request("acme")[1].rjust(16 * 1024, b"\n"))


@given(st.dictionaries(st.floats(0, 1, exclude_max=True), st.integers(1, 255), min_size=1, max_size=4))
def test_no_damage_to_a_request_escapes_as_anything_but_a_refusal(damage: dict[float, int]) -> None:
    der = x509.load_pem_x509_csr(_REQUEST).public_bytes(DER)
    changed = bytearray(der)
    for place, bits in damage.items():
        changed[int(place * len(der))] ^= bits
    assume(changed != der)
    with pytest.raises(RequestRefused):
        read_request(as_request(bytes(changed)))


def as_request(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "CERTIFICATE REQUEST").encode()


_REQUEST = new_key_and_request("acme")[1]


@given(st.binary(max_size=300))
def test_no_bytes_at_all_escape_as_anything_but_a_refusal(noise: bytes) -> None:
    with pytest.raises(RequestRefused):
        read_request(
            b"-----BEGIN CERTIFICATE REQUEST-----\n" + noise + b"\n-----END CERTIFICATE REQUEST-----"
        )


@pytest.mark.parametrize("days", [-1, 0, 398, 2**32 - 1])
def test_a_life_outside_1_to_397_days_is_refused(partner_ca: Authority, days: int) -> None:
    with pytest.raises(RequestRefused, match="give 1 to 397") as refused:
        sign(partner_ca, _REQUEST, days=days)
    assert refused.value.field == "days"


@pytest.mark.parametrize("days", [1, 397])
def test_a_life_of_1_or_397_days_is_signed(partner_ca: Authority, days: int) -> None:
    assert sign(partner_ca, _REQUEST, days=days).not_valid_after_utc == NOW + days * DAY


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    old = create_authority(tmp_path, AuthorityRole.PARTNER, now=NOW - AUTHORITY_LIFE + 10 * DAY)

    assert sign(old, _REQUEST, days=10).not_valid_after_utc == old.certificate.not_valid_after_utc
    with pytest.raises(RequestRefused, match="passes the authority's end"):
        sign(old, _REQUEST, days=11)


def test_each_authority_signs_names_of_its_own_role_alone(
    server_ca: Authority, partner_ca: Authority, staff_ca: Authority
) -> None:
    signers = {"gateway": server_ca, "partner": partner_ca, "staff": staff_ca}
    for path in signers:
        for owner, authority in signers.items():
            uri = f"spiffe://scoregate.local/{path}/acme"
            if path == owner:
                assert sign(authority, _REQUEST, uri=uri)
            else:
                with pytest.raises(RequestRefused, match=f"isn't the {authority.role} authority's to sign"):
                    sign(authority, _REQUEST, uri=uri)


NOT_OURS = [
    "",
    "acme",
    "https://scoregate.local/partner/acme",
    "SPIFFE://scoregate.local/partner/acme",
    "spiffe://Scoregate.local/partner/acme",
    "spiffe:///partner/acme",
    "spiffe://scoregate.local",
    "spiffe://scoregate.local/partner",
    "spiffe://scoregate.local/partner/",
    "spiffe://scoregate.local/partner/acme/",
    "spiffe://scoregate.local/partner/acme/x",
    "spiffe://scoregate.local//partner/acme",
    "spiffe://scoregate.local/partner/../staff/acme",
    "spiffe://scoregate.local/admin/acme",
    "spiffe://scoregate.local/partner/a",
    "spiffe://scoregate.local/partner/9acme",
    "spiffe://scoregate.local/partner/Acme",
    "spiffe://scoregate.local/partner/acme%2f",
    "spiffe://scoregate.local/partner/acme?x",
    "spiffe://scoregate.local/partner/acme#x",
    "spiffe://scoregate.local/partner/acme\n",
    "spiffe://scoregate.local:8443/partner/acme",
    "spiffe://me@scoregate.local/partner/acme",
    f"spiffe://scoregate.local/partner/a{'b' * 40}",
    f"spiffe://{'d' * 256}/partner/acme",
]


@pytest.mark.parametrize("uri", NOT_OURS)
def test_a_name_that_is_not_ours_is_not_signed(partner_ca: Authority, uri: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        sign(partner_ca, _REQUEST, uri=uri)
    assert refused.value.field == "spiffe_uri"


@given(
    st.from_regex(r"[a-z0-9._-]{1,255}", fullmatch=True),
    st.sampled_from(["partner", "staff", "gateway"]),
    st.from_regex(r"[a-z][a-z0-9-]{1,39}", fullmatch=True),
)
def test_a_spiffe_name_comes_apart_into_what_it_was_made_of(domain: str, path: Any, partner_id: str) -> None:
    assert split_spiffe(spiffe_uri(domain, path, partner_id)) == (domain, path, partner_id)


@pytest.mark.parametrize(
    ("domain", "partner_id", "field"),
    [
        ("", "acme", "trust_domain"),
        ("d" * 256, "acme", "trust_domain"),
        ("Upper", "acme", "trust_domain"),
        ("a/b", "acme", "trust_domain"),
        ("ok", "a", "partner_id"),
        ("ok", "a" * 41, "partner_id"),
        ("ok", "1a", "partner_id"),
        ("ok", "a/b", "partner_id"),
        ("ok", "aé", "partner_id"),
    ],
)
def test_a_spiffe_name_is_not_made_of_other_parts(domain: str, partner_id: str, field: str) -> None:
    with pytest.raises(SpiffeInvalid) as refused:
        spiffe_uri(domain, "partner", partner_id)
    assert refused.value.field == field


def test_a_new_key_fits_its_request() -> None:
    key_pem, csr_pem = new_key_and_request("acme")

    key = serialization.load_pem_private_key(key_pem, password=None)
    assert read_request(csr_pem) == key.public_key()
    assert x509.load_pem_x509_csr(csr_pem).subject.rfc4514_string() == "CN=acme"


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_request_needs_a_name_of_1_to_64_characters(name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        new_key_and_request(name)
    assert refused.value.field == "common_name"


# --- whom a certificate names -----------------------------------------------------------------------------


def test_a_fingerprint_is_sha_256_over_the_der_form(partner_ca: Authority) -> None:
    certificate = partner_ca.certificate
    expected = certificate.fingerprint(hashes.SHA256()).hex()

    assert fingerprint(certificate) == fingerprint(certificate.public_bytes(DER)) == expected


def test_an_enrolled_certificate_names_its_partner(partner_ca: Authority) -> None:
    pem = partner_ca.sign_request(_REQUEST, spiffe_uri=ACME, now=NOW, days=1)

    found = identify(pem, now=NOW)

    assert found == PeerIdentity(fingerprint(x509.load_pem_x509_certificate(pem)), ACME, "acme")


def test_a_certificate_for_client_and_server_may_call(partner_ca: Authority) -> None:
    made = make_certificate(partner_ca, usages=(SERVER_AUTH, CLIENT_AUTH))
    assert identify(made.certificate_pem, now=NOW).partner_id == "acme"


@pytest.mark.parametrize(
    "usages",
    [None, (SERVER_AUTH,), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)],
    ids=["none", "server", "any"],
)
def test_a_certificate_without_client_auth_names_nobody(
    partner_ca: Authority, usages: tuple[x509.ObjectIdentifier, ...] | None
) -> None:
    with pytest.raises(CertificateUsageInvalid):
        identify(make_certificate(partner_ca, usages=usages).certificate_pem, now=NOW)


@pytest.mark.parametrize(
    ("uris", "other_names"),
    [
        ((), ()),
        ((ACME, "spiffe://scoregate.local/partner/other"), ()),
        ((ACME, ACME), ()),
        ((ACME, "https://acme.example"), ()),
        ((), (x509.DNSName("acme"),)),
        ((ACME,), (x509.DNSName("acme.example"),)),
        ((ACME,), (x509.RFC822Name("desk@acme.example"),)),
    ],
    ids=["none", "two", "twice", "spiffe and web", "host alone", "and a host", "and a mailbox"],
)
def test_a_certificate_without_exactly_one_spiffe_name_names_nobody(
    partner_ca: Authority, uris: tuple[str, ...], other_names: tuple[x509.GeneralName, ...]
) -> None:
    made = make_certificate(partner_ca, uris=uris, other_names=other_names)
    with pytest.raises(CertificateIdentityInvalid):
        identify(made.certificate_pem, now=NOW)


@pytest.mark.parametrize("uri", [uri for uri in NOT_OURS if uri])
def test_a_certificate_with_a_name_that_is_not_ours_names_nobody(partner_ca: Authority, uri: str) -> None:
    with pytest.raises(CertificateIdentityInvalid):
        identify(make_certificate(partner_ca, uris=(uri,)).certificate_pem, now=NOW)


def test_a_certificate_whose_names_cannot_be_read_names_nobody(partner_ca: Authority) -> None:
    rubbish = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x03rub")
    with pytest.raises(CertificateIdentityInvalid):
        identify(make_certificate(partner_ca, uris=(), extra=(rubbish,)).certificate_pem, now=NOW)


def test_a_certificate_counts_from_its_first_second_through_its_last(partner_ca: Authority) -> None:
    pem = make_certificate(partner_ca, not_before=NOW, not_after=NOW + DAY).certificate_pem

    assert identify(pem, now=NOW).partner_id == "acme"
    assert identify(pem, now=NOW + DAY).partner_id == "acme"
    for outside in (NOW - timedelta(microseconds=1), NOW + DAY + timedelta(microseconds=1)):
        with pytest.raises(CertificateExpired):
            identify(pem, now=outside)


def test_a_certificate_that_was_good_a_call_ago_is_refused_once_it_has_ended(partner_ca: Authority) -> None:
    pem = make_certificate(partner_ca, not_after=NOW + SECOND).certificate_pem

    identify(pem, now=NOW)
    with pytest.raises(CertificateExpired):
        identify(pem, now=NOW + 2 * SECOND)


@pytest.mark.parametrize(
    "pem",
    [
        None,
        b"",
        b"\x00",
        b"hello",
        new_key_and_request("acme")[0],
        _REQUEST,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
    ids=["none", "empty", "zero", "text", "a key", "a request", "rubbish"],
)
def test_what_is_no_certificate_names_nobody(pem: bytes | None) -> None:
    with pytest.raises(CertificateMissing):
        identify(pem, now=NOW)


def test_a_certificate_is_parsed_once(partner_ca: Authority) -> None:
    pem = make_certificate(partner_ca).certificate_pem
    assert parse_peer(pem) is parse_peer(bytes(bytearray(pem)))


def test_every_refusal_of_a_certificate_is_in_the_catalogue() -> None:
    kinds = CertificateRefused.__subclasses__()
    assert len(kinds) == 4
    for kind in kinds:
        assert f"ERROR_REASON_{kind.reason}" in ErrorReason.keys()  # noqa: SIM118


# --- real handshakes --------------------------------------------------------------------------------------


@dataclass
class Door:
    """A running gRPC server whose one method answers whom the caller's certificate names."""

    folder: Path
    port: int = 0
    problems: list[FileRefused] = field(default_factory=list)

    def install(self, pair: tuple[bytes, bytes]) -> None:
        """Put a certificate and key in place, each at one stroke, as a careful operator does."""
        for name, content in zip(("server.pem", "server.key"), pair, strict=True):
            fresh = self.folder / "fresh"
            create_private(fresh, content)
            fresh.replace(self.folder / name)

    @contextmanager
    def channel(self, server_ca: Authority, client: MadeCertificate | None) -> Iterator[grpc.Channel]:
        pair = (client.key_pem, client.certificate_pem) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(server_ca.certificate_pem, *pair)
        # Each channel its own connection: the core shares one between channels that look alike.
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(f"localhost:{self.port}", credentials, options) as channel:
            yield channel

    def ask(self, server_ca: Authority, client: MadeCertificate | None) -> bytes:
        with self.channel(server_ca, client) as channel:
            return who(channel)

    def shown_certificate(self, server_ca: Authority, client: MadeCertificate) -> bytes:
        """What a new connection gets to see, in DER."""
        context = ssl.create_default_context(cadata=server_ca.certificate_pem.decode())
        context.set_alpn_protocols(["h2"])
        chain = self.folder / "client.pem"
        chain.write_bytes(client.certificate_pem + client.key_pem)
        context.load_cert_chain(chain)
        with (
            socket.create_connection(("localhost", self.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""


def who(channel: grpc.Channel) -> bytes:
    ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test/Who")
    return ask(b"", timeout=5)


def _who(_: bytes, context: grpc.ServicerContext) -> bytes:
    peer: Any = context.auth_context()  # the stub takes the lists of bytes for bytes
    pem = peer["x509_pem_cert"][0]
    try:
        return f"{identify(pem, now=NOW).partner_id} from {context.peer()}".encode()
    except CertificateRefused as refusal:
        return refusal.reason.encode()


@pytest.fixture
def door(tmp_path: Path, server_ca: Authority, partner_ca: Authority) -> Iterator[Door]:
    door = Door(tmp_path)
    door.install(server_ca.issue_server((), now=NOW, days=1))
    (tmp_path / "ca.pem").write_bytes(partner_ca.certificate_pem)
    credentials = server_credentials(
        tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem", on_problem=door.problems.append
    )
    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        handlers: dict[str, Any] = {"Who": grpc.unary_unary_rpc_method_handler(_who)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
        door.port = server.add_secure_port("localhost:0", credentials)
        server.start()
        yield door
        server.stop(None).wait()


def der_of(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(DER)


def enrolled(partner_ca: Authority) -> MadeCertificate:
    key_pem, csr_pem = new_key_and_request("acme")
    return MadeCertificate(partner_ca.sign_request(csr_pem, spiffe_uri=ACME, now=NOW, days=1), key_pem)


def test_an_enrolled_partner_gets_in(door: Door, server_ca: Authority, partner_ca: Authority) -> None:
    assert door.ask(server_ca, enrolled(partner_ca)).startswith(b"acme from ")


@pytest.mark.parametrize(
    "make_key",
    [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA-2048"],
)
def test_other_usual_keys_get_in(
    door: Door, server_ca: Authority, partner_ca: Authority, make_key: Callable[[], AnyKey]
) -> None:
    assert door.ask(server_ca, make_certificate(partner_ca, key=make_key())).startswith(b"acme from ")


def test_strangers_do_not_get_in(
    door: Door, server_ca: Authority, partner_ca: Authority, tmp_path: Path
) -> None:
    foreign = create_authority(tmp_path / "foreign", AuthorityRole.PARTNER, now=NOW)
    strangers = {
        "no certificate": None,
        "another CA of the same name": make_certificate(foreign),
        "ended": make_certificate(partner_ca, not_after=NOW - SECOND),
        "not begun": make_certificate(partner_ca, not_before=NOW + DAY, not_after=NOW + 2 * DAY),
        "for servers only": make_certificate(partner_ca, usages=(SERVER_AUTH,)),
        # A fact about BoringSSL in grpcio, which offers no Ed25519 in handshakes.
        "Ed25519": make_certificate(partner_ca, key=ed25519.Ed25519PrivateKey.generate()),
    }
    for who_comes, certificate in strangers.items():
        with pytest.raises(grpc.RpcError) as refused:
            door.ask(server_ca, certificate)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE, who_comes


def test_staff_do_not_get_in_at_the_partner_door(
    door: Door, server_ca: Authority, staff_ca: Authority
) -> None:
    with pytest.raises(grpc.RpcError):
        door.ask(server_ca, make_certificate(staff_ca, uris=("spiffe://scoregate.local/staff/desk",)))


def test_what_the_handshake_lets_through_is_refused_by_our_own_check(
    door: Door, server_ca: Authority, partner_ca: Authority
) -> None:
    no_usage = make_certificate(partner_ca, usages=None)
    two_names = make_certificate(partner_ca, uris=(ACME, "spiffe://scoregate.local/partner/other"))

    assert door.ask(server_ca, no_usage) == b"CERTIFICATE_USAGE_INVALID"
    assert door.ask(server_ca, two_names) == b"CERTIFICATE_IDENTITY_INVALID"


def test_new_files_serve_new_connections_and_old_connections_go_on(
    door: Door, server_ca: Authority, partner_ca: Authority
) -> None:
    client, fresh = enrolled(partner_ca), server_ca.issue_server((), now=NOW, days=2)
    with door.channel(server_ca, client) as channel:
        before = who(channel)

        door.install(fresh)

        assert door.shown_certificate(server_ca, client) == der_of(fresh[0])
        assert who(channel) == before  # from the same port: the very same connection
    assert door.ask(server_ca, client) != before
    assert door.problems == []


def test_a_half_written_key_keeps_the_old_pair_and_is_reported_once(
    door: Door, server_ca: Authority, partner_ca: Authority
) -> None:
    client = enrolled(partner_ca)
    old = door.shown_certificate(server_ca, client)
    fresh = server_ca.issue_server((), now=NOW, days=2)

    (door.folder / "server.key").write_bytes(fresh[1][:100])

    assert door.shown_certificate(server_ca, client) == old
    assert door.shown_certificate(server_ca, client) == old
    assert [problem.path.name for problem in door.problems] == ["server.key"]

    door.install(fresh)
    assert door.shown_certificate(server_ca, client) == der_of(fresh[0])


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (lambda f: (f / "server.pem").unlink(), "server.pem"),
        (lambda f: (f / "server.key").chmod(0o644) or (f / "server.pem").touch(), "server.key"),
        (lambda f: (f / "ca.pem").write_bytes(b""), "ca.pem"),
        (lambda f: (f / "server.key").write_bytes(new_key_and_request("x")[0]), "server.pem"),
    ],
    ids=["certificate gone", "key open to all", "empty CA file", "key of another certificate"],
)
def test_files_that_cannot_be_used_keep_the_old_ones_in_service(
    door: Door, server_ca: Authority, partner_ca: Authority, broken: Callable[[Path], object], name: str
) -> None:
    client = enrolled(partner_ca)
    old = door.shown_certificate(server_ca, client)

    broken(door.folder)

    assert door.shown_certificate(server_ca, client) == old
    assert [problem.path.name for problem in door.problems] == [name]


def test_a_new_client_ca_decides_about_new_connections(
    door: Door, server_ca: Authority, partner_ca: Authority, tmp_path: Path
) -> None:
    successor = create_authority(tmp_path / "next", AuthorityRole.PARTNER, now=NOW)
    assert door.ask(server_ca, enrolled(partner_ca)).startswith(b"acme")

    (door.folder / "ca.pem").write_bytes(successor.certificate_pem)

    assert door.ask(server_ca, enrolled(successor)).startswith(b"acme")
    with pytest.raises(grpc.RpcError):
        door.ask(server_ca, enrolled(partner_ca))


def test_both_client_cas_are_trusted_while_both_are_in_the_file(
    door: Door, server_ca: Authority, partner_ca: Authority, tmp_path: Path
) -> None:
    successor = create_authority(tmp_path / "next", AuthorityRole.PARTNER, now=NOW)
    (door.folder / "ca.pem").write_bytes(partner_ca.certificate_pem + successor.certificate_pem)

    assert door.ask(server_ca, enrolled(partner_ca)).startswith(b"acme")
    assert door.ask(server_ca, enrolled(successor)).startswith(b"acme")


def test_a_door_with_unusable_files_does_not_open(
    tmp_path: Path, server_ca: Authority, partner_ca: Authority
) -> None:
    good = server_ca.issue_server((), now=NOW, days=1)
    client = enrolled(partner_ca)
    eddsa = make_certificate(server_ca, usages=(SERVER_AUTH,), key=ed25519.Ed25519PrivateKey.generate())
    pairs = {
        "doesn't fit the key": (good[0], server_ca.issue_server((), now=NOW, days=1)[1]),
        "lacks the serverAuth usage": (client.certificate_pem, client.key_pem),
        "is of a kind that gRPC can't use": (eddsa.certificate_pem, eddsa.key_pem),
        "isn't an unencrypted private key": (good[0], good[1][:50]),
        "isn't a certificate in PEM": (good[1], good[1]),
    }
    (tmp_path / "ca.pem").write_bytes(partner_ca.certificate_pem)
    for why, (certificate, key) in pairs.items():
        Door(tmp_path).install((certificate, key))
        with pytest.raises(FileRefused, match=why):
            server_credentials(
                tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem", on_problem=print
            )
