"""Certificate requests (PKCS #10): making one, and judging one before anything is signed. Pure but for keys.

Source: RFC 2986. Of a request only the public key is used; names, usages and times are the signer's.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from scoregate.pem import PARSE_ERRORS

MAX_REQUEST_BYTES = 16 * 1024
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096
RSA_EXPONENT = 65537

RequestKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_MAKE_NEW = "make a new request, signed by its own key"
_KEY_KINDS = "use P-256, P-384, or RSA of 2,048 to 4,096 bits with exponent 65537"


class RequestRefused(Exception):
    """A certificate that was asked for is not signed. ``field`` names the argument at fault."""

    def __init__(self, field: str, why: str, remedy: str) -> None:
        super().__init__(f"{field} {why}; {remedy}")
        self.field = field
        self.why = why
        self.remedy = remedy


def new_key_and_request(common_name: str) -> tuple[bytes, bytes]:
    """Return a fresh P-256 key (PKCS #8, PEM, unencrypted) and a request for it (PEM).

    Whoever will use the certificate makes the key; only the request travels.

    Raises:
        RequestRefused: The name isn't 1 to 64 characters (RFC 5280, ub-common-name).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(common_name))
    return key_pem(key), builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def named(common_name: str) -> x509.Name:
    """Return a subject of one common name.

    Raises:
        RequestRefused: The name isn't 1 to 64 characters.
    """
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        raise RequestRefused("common_name", "isn't 1 to 64 characters", "give a shorter name") from error


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return ``key`` as unencrypted PKCS #8 in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_request(csr_pem: bytes) -> RequestKey:
    """Return the public key of a request whose sender has proven to hold the private key.

    Raises:
        RequestRefused: Over 16 KiB, not exactly one PEM request, a key of another kind or size, or a
            signature that this key didn't make.
    """
    request = _parse(csr_pem)
    # The key first: its size bounds what the signature check costs.
    key = _read_public_key(request)
    try:
        proven = request.is_signature_valid
    except PARSE_ERRORS as error:
        raise RequestRefused("csr_pem", "is signed with an unknown algorithm", _MAKE_NEW) from error
    if not proven:
        raise RequestRefused("csr_pem", "isn't signed by the key it names", _MAKE_NEW)
    return key


def _parse(csr_pem: bytes) -> x509.CertificateSigningRequest:
    if len(csr_pem) > MAX_REQUEST_BYTES:
        raise RequestRefused("csr_pem", f"has {len(csr_pem):,} bytes, over 16,384", _MAKE_NEW)
    if b"PRIVATE KEY" in csr_pem:
        raise RequestRefused("csr_pem", "holds a private key", "make a new key and send the request alone")
    blocks = csr_pem.count(b"-----BEGIN ")
    if blocks != 1:
        raise RequestRefused("csr_pem", f"holds {blocks} PEM blocks", "send exactly one request")
    try:
        return x509.load_pem_x509_csr(csr_pem)
    except PARSE_ERRORS as error:
        raise RequestRefused("csr_pem", "isn't a PKCS #10 request in PEM", _MAKE_NEW) from error


def _read_public_key(request: x509.CertificateSigningRequest) -> RequestKey:
    try:
        key = request.public_key()
    except PARSE_ERRORS as error:
        raise RequestRefused("csr_pem", "holds a key that can't be read", _KEY_KINDS) from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and _is_usual_rsa(key):
        return key
    raise RequestRefused("csr_pem", "holds a key of another kind or size", _KEY_KINDS)


def _is_usual_rsa(key: rsa.RSAPublicKey) -> bool:
    return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS and key.public_numbers().e == RSA_EXPONENT
