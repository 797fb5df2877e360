"""Public keys as JSON, and the base64url that they and signatures are spelled in.

Pure. Sources: RFC 7517 (JWK Set), RFC 7518 6.2 (P-256), RFC 8037 2 (Ed25519), RFC 7638 (thumbprint).
A key's name, `kid`, is its thumbprint: it follows from the key and is made again whenever one is loaded.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from scoregate.errors import JsonRefused, KeysInvalid, KeyUnknown
from scoregate.proof import digest

MAX_JWKS_CHARACTERS = 262_144  # over a thousand keys

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey


class Algorithm(StrEnum):
    """The allowed `alg` values. RFC 9864 retires the ambiguous name EdDSA."""

    ES256 = "ES256"
    ED25519 = "Ed25519"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the one algorithm that it verifies."""

    kid: str
    algorithm: Algorithm
    public: PublicKey


@dataclass(frozen=True, slots=True)
class VerificationKeys:
    """The trusted keys, by kid."""

    by_kid: Mapping[str, VerificationKey]

    @classmethod
    def from_jwks(cls, text: str) -> Self:
        """Return the keys of a JWK Set.

        Keys of a type or curve that is not used here are passed over (RFC 7517, 5).

        Raises:
            KeysInvalid: Not a JWK Set; a kid that is not its key's thumbprint; a repeated kid;
                a private key; no usable key at all.
        """
        if len(text) > MAX_JWKS_CHARACTERS:
            raise KeysInvalid(f"a JWK Set has at most {MAX_JWKS_CHARACTERS} characters")
        try:
            document = digest.parse(text)
        except JsonRefused as error:
            raise KeysInvalid(f"JWK Set: {error}") from error
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise KeysInvalid('a JWK Set is {"keys": [...]}; give the issuer\'s whole document')
        by_kid: dict[str, VerificationKey] = {}
        for entry in entries:
            key = _from_jwk(entry)
            if key is None:
                continue
            if key.kid in by_kid:
                raise KeysInvalid(f"kid {key.kid} is there twice; remove one")
            by_kid[key.kid] = key
        if not by_kid:
            raise KeysInvalid("the JWK Set holds no P-256 or Ed25519 key; give the issuer's whole document")
        return cls(MappingProxyType(by_kid))

    def find(self, kid: str) -> VerificationKey:
        """Return the trusted key of this name.

        Raises:
            KeyUnknown: None is.
        """
        try:
            return self.by_kid[kid]
        except KeyError:
            raise KeyUnknown(kid) from None


def public_jwk(public: PublicKey) -> dict[str, str]:
    """Return a public key as the JWK that a JWK Set publishes, with its thumbprint as `kid`."""
    if isinstance(public, Ed25519PublicKey):
        members = {"crv": "Ed25519", "kty": "OKP", "x": encode(public.public_bytes_raw()).decode()}
        algorithm = Algorithm.ED25519
    else:
        point = public.public_numbers()
        members = {
            "crv": "P-256",
            "kty": "EC",
            "x": encode(point.x.to_bytes(32)).decode(),
            "y": encode(point.y.to_bytes(32)).decode(),
        }
        algorithm = Algorithm.ES256
    return members | {"alg": algorithm.value, "use": "sig", "kid": thumbprint(members)}


def thumbprint(required: Mapping[str, str]) -> str:
    """Return the RFC 7638 thumbprint of a JWK's required members, which must be all that is given."""
    return encode(hashlib.sha256(digest.canonical(dict(required))).digest()).decode()


def _from_jwk(entry: digest.Json) -> VerificationKey | None:
    if not isinstance(entry, dict):
        raise KeysInvalid("an entry of the JWK Set is not an object; give the issuer's whole document")
    if "d" in entry:
        raise KeysInvalid("the JWK Set holds a private key; replace that key, it is no secret any more")
    public = _public(entry)
    if public is None:
        return None
    jwk = public_jwk(public)
    for member in ("kid", "alg", "use"):
        if entry.get(member) != jwk[member]:
            raise KeysInvalid(f"{member} of a key must be {jwk[member]!r}, which follows from the key itself")
    return VerificationKey(jwk["kid"], Algorithm(jwk["alg"]), public)


def _coordinate(entry: Mapping[str, digest.Json], member: str) -> bytes:
    text = entry.get(member)
    try:
        raw = decode(member, text) if isinstance(text, str) else b""
    except ValueError as error:
        raise KeysInvalid(f"JWK {error}") from error
    if len(raw) != 32:
        raise KeysInvalid(f"JWK {member}: 32 bytes in base64url are needed")
    return raw


def _public(entry: Mapping[str, digest.Json]) -> PublicKey | None:
    try:
        match entry.get("kty"), entry.get("crv"):
            case "EC", "P-256":
                x, y = (int.from_bytes(_coordinate(entry, member)) for member in ("x", "y"))
                return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            case "OKP", "Ed25519":
                return Ed25519PublicKey.from_public_bytes(_coordinate(entry, "x"))
            case _:
                return None
    except ValueError as error:
        raise KeysInvalid("JWK x, y: not a point on its curve") from error


def encode(raw: bytes) -> bytes:
    """Return base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def decode(name: str, text: str) -> bytes:
    """Return the bytes of base64url without padding, in its one canonical spelling (RFC 4648, 3.5).

    Raises:
        ValueError: Any other spelling; the text says so of `name`.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError(f"{name}: not base64url without padding") from None
    # The library passes over stray characters and loose last bits; one spelling survives the way back.
    if encode(raw) != text.encode():
        raise ValueError(f"{name}: not base64url without padding, in its one canonical spelling")
    return raw
