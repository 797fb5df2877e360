"""Compact JSON Web Signatures, as narrow as attestations need them.

Pure. Sources: RFC 7515 (JWS), RFC 7518 3.4 (ES256), RFC 8037 3.1 and RFC 9864 (Ed25519 by its own name).

    BASE64URL({"alg":"ES256","kid":…,"typ":…}) . BASE64URL(payload) . BASE64URL(64 signature bytes)

Only what `sign` writes is accepted. A verifier goes in this order, and reads no payload byte as JSON
before the signature holds: size → three parts → strict base64url → strict header → algorithm, allowed
and the key's own → typ → no other header member (so no crit) → 64 bytes → signature.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from scoregate.errors import AttestationMalformed, JsonRefused, SignatureInvalid
from scoregate.proof import digest
from scoregate.proof.jwk import Algorithm, PublicKey, VerificationKey, VerificationKeys, decode, encode

MAX_COMPACT_CHARACTERS = 16_384  # ten times the longest attestation; bounds what a stranger can make us parse
SIGNATURE_BYTES = 64  # both algorithms: RFC 7518 3.4, RFC 8032 5.1.6

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey

# RFC 6979: a weak random source cannot give the key away, and golden vectors can be exact.
_ES256 = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


def sign(payload: bytes, *, typ: str, kid: str, algorithm: Algorithm, private: PrivateKey) -> str:
    """Return the compact serialisation of a signed payload."""
    signing_input = _protected(algorithm, kid, typ) + b"." + encode(payload)
    if isinstance(private, Ed25519PrivateKey):
        signature = private.sign(signing_input)
    else:
        r, s = decode_dss_signature(private.sign(signing_input, _ES256))
        signature = r.to_bytes(32) + s.to_bytes(32)
    return (signing_input + b"." + encode(signature)).decode()


def verify(compact: str, *, typ: str, keys: VerificationKeys, most: int = MAX_COMPACT_CHARACTERS) -> bytes:
    """Return the payload of a compact JWS of this type, signed by one of these keys.

    It has at most `most` characters.

    Raises:
        AttestationMalformed: Not the form that `sign` writes, or another `typ` or `alg`.
        KeyUnknown: The named key is not among `keys`.
        SignatureInvalid: Anything was changed.
    """
    if len(compact) > most:
        raise AttestationMalformed(f"a {typ} has at most {most} characters")
    parts = compact.split(".")
    if len(parts) != 3:
        raise AttestationMalformed(f"a {typ} has three parts joined by dots")
    try:
        header, payload, signature = map(decode, ("header", "payload", "signature"), parts)
    except ValueError as error:
        raise AttestationMalformed(str(error)) from error
    key = _key_of(header, typ, keys)
    require_signature(key.public, signature, f"{parts[0]}.{parts[1]}".encode())
    return payload


def _key_of(header: bytes, typ: str, keys: VerificationKeys) -> VerificationKey:
    try:
        members = digest.parse(header)
    except JsonRefused as error:
        raise AttestationMalformed(f"header: {error}") from error
    if not isinstance(members, dict):
        raise AttestationMalformed("the header is not a JSON object")
    algorithm, kid = members.get("alg"), members.get("kid")
    if algorithm not in (Algorithm.ES256, Algorithm.ED25519):
        raise AttestationMalformed("header alg: only ES256 and Ed25519 are accepted")
    if not isinstance(kid, str):
        raise AttestationMalformed("header kid: the thumbprint of the signing key is missing")
    key = keys.find(kid)
    if algorithm != key.algorithm:
        raise AttestationMalformed(f"header alg: key {kid} signs with {key.algorithm} only")
    if members.get("typ") != typ:
        raise AttestationMalformed(f"header typ: only {typ} is accepted here")
    if len(members) != 3:
        raise AttestationMalformed(
            "the header has members beside alg, kid and typ; no extension is understood"
        )
    return key


def require_signature(public: PublicKey, signature: bytes, signing_input: bytes) -> None:
    """Return only if these 64 bytes are the key's signature over this input.

    Raises:
        AttestationMalformed: Not 64 bytes.
        SignatureInvalid: They are not.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise AttestationMalformed(f"a signature has exactly {SIGNATURE_BYTES} bytes")
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, signing_input)
        else:
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            public.verify(encode_dss_signature(r, s), signing_input, _ES256)
    except InvalidSignature:
        raise SignatureInvalid("the signature does not hold; do not use this answer") from None


@lru_cache(maxsize=64)
def _protected(algorithm: Algorithm, kid: str, typ: str) -> bytes:
    return encode(digest.canonical({"alg": algorithm, "kid": kid, "typ": typ}))
