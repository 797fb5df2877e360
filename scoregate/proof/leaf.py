"""The codec of the audit log's leaves, scoregate.audit.v1.Leaf, and of the commitment they carry.

Pure. A leaf is serialised once, and those bytes are stored, hashed and shown for ever; `encode` is
for the one who writes the entry, `decode` for everybody who reads it later. Both hold a leaf to the
same rules, so that nothing is written which a verifier would refuse. What entries owe each other
(order, sequences, replays) is in history.py.

A leaf has one form only. Protobuf alone would accept many (fields out of order, repeated, spelled
out as defaults, or unknown), and in any of these somebody could hide what nobody sees. So the bytes
must be what serialising their content gives: fields by ascending number, defaults left out.
tests/vectors/log/leaf.hex pins that form.

The commitment is HMAC-SHA-256 (RFC 2104) over the serialised private part, keyed by a random blind
that is stored and erased with it. Whoever holds both can open it; without the blind nobody can
guess a subject or a score and try.
"""

import hmac

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import ScoregateError
from scoregate.partner.v1 import types_pb2

VERSION = 1
MAX_LEAF_BYTES = 4096
SALT_BYTES = 16
BLIND_BYTES = 32
LATEST_TIME_MICROS = 253_402_300_799_999_999  # the last microsecond of the year 9999

_HASH_LENGTHS = (0, 32)
_KINDS = frozenset(leaf_pb2.LeafKind.values()) - {leaf_pb2.LEAF_KIND_UNSPECIFIED}
_DECISIONS = frozenset(leaf_pb2.Decision.values())
_PURPOSES = frozenset(types_pb2.Purpose.values())


class LeafInvalid(ScoregateError):
    """A leaf breaks a rule of its format; `field` names where ("leaf" means the bytes as a whole)."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class CommitmentInvalid(ScoregateError):
    """A private part and blind do not open the commitment, or a length is wrong."""


def encode(leaf: leaf_pb2.Leaf) -> bytes:
    """Return the bytes to store and hash, at most 4,096 of them.

    Raises:
        LeafInvalid: The leaf breaks a rule that `decode` would refuse.
    """
    data = leaf.SerializeToString(deterministic=True)
    _require_size(data)
    _require(leaf)
    return data


def decode(data: bytes) -> leaf_pb2.Leaf:
    """Return the leaf that these bytes, and no others, are the form of.

    Raises:
        LeafInvalid: Over 4,096 bytes; not a Leaf; another version; a kind, decision, purpose or
            field unknown to it; a field outside its bounds; or bytes not in the one form.
    """
    _require_size(data)
    try:
        leaf = leaf_pb2.Leaf.FromString(data)
    except DecodeError as error:
        raise LeafInvalid("leaf", "is not a scoregate.audit.v1.Leaf") from error
    _require(leaf)
    if leaf.SerializeToString(deterministic=True) != data:
        raise LeafInvalid("leaf", "is not in its one form: its fields are repeated, out of order or padded")
    return leaf


def commit(private_bytes: bytes, blind: bytes) -> bytes:
    """Return the 32-byte commitment to a serialised PrivatePart under its own random 32-byte blind.

    Raises:
        CommitmentInvalid: The blind is not 32 bytes long.
    """
    # HMAC pads a short key with zeros and hashes a long one: only one length keeps keys apart.
    if len(blind) != BLIND_BYTES:
        raise CommitmentInvalid(f"a blind of {len(blind)} bytes instead of {BLIND_BYTES}")
    return hmac.digest(blind, private_bytes, "sha256")


def open_commitment(commitment: bytes, private_bytes: bytes, blind: bytes) -> None:
    """Return only if `commitment` was made from these private bytes and this blind.

    Raises:
        CommitmentInvalid: It was not, or a length is wrong.
    """
    if not hmac.compare_digest(commit(private_bytes, blind), commitment):
        raise CommitmentInvalid("the private part and its blind do not open the commitment")


def _require_size(data: bytes) -> None:
    if len(data) > MAX_LEAF_BYTES:
        raise LeafInvalid("leaf", f"has {len(data)} bytes, more than {MAX_LEAF_BYTES}")


def _require(leaf: leaf_pb2.Leaf) -> None:
    if leaf.version != VERSION:
        raise LeafInvalid("version", f"is {leaf.version}, not {VERSION}: a newer scoregate may know it")
    if len(UnknownFieldSet(leaf)):
        raise LeafInvalid("leaf", f"holds a field unknown to version {VERSION}")
    _require_words(leaf)
    if not 0 < leaf.time_micros <= LATEST_TIME_MICROS:
        raise LeafInvalid("time_micros", f"is {leaf.time_micros}, outside the years 1970 to 9999")
    if leaf.partner_id and not leaf.partner_sequence:
        raise LeafInvalid("partner_sequence", "is missing beside a partner_id")
    if leaf.partner_sequence and not leaf.partner_id:
        raise LeafInvalid("partner_id", "is missing beside a partner_sequence")
    if len(leaf.attestation_sha256) not in _HASH_LENGTHS:
        raise LeafInvalid("attestation_sha256", f"has {len(leaf.attestation_sha256)} bytes, neither 0 nor 32")
    if len(leaf.commitment) not in _HASH_LENGTHS:
        raise LeafInvalid("commitment", f"has {len(leaf.commitment)} bytes, neither 0 nor 32")
    if len(leaf.salt) != SALT_BYTES:
        raise LeafInvalid("salt", f"has {len(leaf.salt)} bytes instead of {SALT_BYTES}")


def _require_words(leaf: leaf_pb2.Leaf) -> None:
    if leaf.kind not in _KINDS:
        raise LeafInvalid("kind", f"is {leaf.kind}, which version {VERSION} does not know")
    if leaf.decision not in _DECISIONS:
        raise LeafInvalid("decision", f"is {leaf.decision}, which version {VERSION} does not know")
    if leaf.purpose not in _PURPOSES:
        raise LeafInvalid("purpose", f"is {leaf.purpose}, which version {VERSION} does not know")
