"""What the tests of the signed log share: vectors that nobody here wrote, and keys as those write them."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from scoregate.tlog.note import KeyKind, VerifierKey, verifier_key

FOLDER = Path(__file__).parents[1] / "vectors" / "tlog"
KINDS = st.sampled_from(KeyKind)

# Key names and origins as the specifications allow them, mean ones too: U+FFFD, DEL, a byte order mark.
CHARACTERS = st.characters(min_codepoint=0x20, exclude_categories=("Cs",))
LINES = st.text(CHARACTERS, min_size=1, max_size=24)
NAMES = LINES.filter(lambda name: "+" not in name and not any(map(str.isspace, name)))
SEEDS = st.binary(min_size=32, max_size=32)


def load(name: str) -> Any:
    """The cases of one source; README.md beside them says where each comes from."""
    return json.loads((FOLDER / name).read_text())


def private_of(skey: str) -> Ed25519PrivateKey:
    """The key that Go's notes spell as PRIVATE+KEY+name+id+base64(type ‖ seed)."""
    material = b64decode(skey.split("+", 4)[4])
    assert material[:1] == b"\x01"
    return Ed25519PrivateKey.from_private_bytes(material[1:])


def private(number: int) -> Ed25519PrivateKey:
    """A key of this suite's own, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32))


def log_key(name: str, number: int) -> VerifierKey:
    return verifier_key(name, private(number), KeyKind.ED25519)


def witness_key(name: str, number: int) -> VerifierKey:
    return verifier_key(name, private(number), KeyKind.COSIGNATURE)


def as_witness(vkey: str) -> VerifierKey:
    """The same public key, as its owner uses it for cosignatures: many publish it as type 0x01 only."""
    key = VerifierKey.parse(vkey)
    return VerifierKey(key.name, KeyKind.COSIGNATURE, key.public)
