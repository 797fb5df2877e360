"""What an export is of, as the gateway signs it over what it served. Pure.

Sources: RFC 7515 (the signature), RFC 8785 (the bytes).

    {"checkpoint_sha256": …, "end_index": 41, "exported_at": …, "filter": {…}, "first_index": 0, "issuer": …,
     "jwks_sha256": …, "log": …, "log_index": 41, "officer": …, "policy_sha256": …, "private_parts": false,
     "tally": {"absent": 0, "chain_sha256": …, "entries": 7, "opened": 0, "unreadable": 0},
     "tree_size": 41, "version": 1}

It promises: the entries in `tally` (entries.py) are all those with first_index ≤ index < end_index that pass
the filter, in the log of so many entries that the checkpoint is of. `log_index` is the entry by which the log
says that, and why, the officer exported them. It names no person.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from scoregate.auditing.exports.entries import Tally
from scoregate.auditing.exports.filters import Filter
from scoregate.errors import AttestationMalformed, ClaimInvalid, JsonRefused, SignatureInvalid
from scoregate.proof import digest, jws, shapes
from scoregate.proof.digest import MAX_INTEGER, Json, spell_instant
from scoregate.proof.jwk import VerificationKeys

TYP = "audit-export+jwt"
VERSION = 1

_TEXTS = {
    "issuer": re.compile(r"[!-~]{1,255}"),
    "officer": re.compile(r"[A-Za-z0-9._-]{1,64}"),
    "log": re.compile(r"[!-~]{1,255}"),
}
_NUMBERS = ("log_index", "tree_size", "first_index", "end_index")
_DIGESTS = ("checkpoint_sha256", "policy_sha256", "jwks_sha256")
_MEMBERS = frozenset(
    {*_TEXTS, *_NUMBERS, *_DIGESTS, "version", "exported_at", "filter", "private_parts", "tally"}
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One export.

    Raises:
        ClaimInvalid: On making one that breaks a rule.
    """

    issuer: str  # the gateway: who signs this
    officer: str  # who exported
    log: str  # the checkpoint's origin
    log_index: int  # of the log's entry of this export
    tree_size: int  # the checkpoint's
    first_index: int  # entries with this index or a later one were looked through
    end_index: int  # and with an earlier one than this
    checkpoint_sha256: bytes
    policy_sha256: bytes
    jwks_sha256: bytes
    filter: Filter
    private_parts: bool  # whether they were asked for
    tally: Tally
    exported_at: datetime  # UTC

    def __post_init__(self) -> None:
        for name, shape in _TEXTS.items():
            shapes.require_text(name, getattr(self, name), shape)
        for name in _NUMBERS:
            shapes.require_integer(name, getattr(self, name), 0, MAX_INTEGER)
        shapes.require_type("private_parts", self.private_parts, bool)
        shapes.require_instant("exported_at", self.exported_at)
        if not self.first_index <= self.end_index <= self.tree_size:
            raise ClaimInvalid("end_index", "belongs between first_index and tree_size")
        if self.tally.entries > self.end_index - self.first_index:
            raise ClaimInvalid("tally", "counts more entries than there are indexes")
        named = self.tally.opened + self.tally.absent + self.tally.unreadable
        if named > (self.tally.entries if self.private_parts else 0):
            raise ClaimInvalid("tally", "counts more private parts than were asked for")

    def encode(self) -> bytes:
        """Return the canonical JSON that is signed."""
        plain: dict[str, Json] = {name: getattr(self, name) for name in (*_TEXTS, *_NUMBERS)}
        plain |= {name: getattr(self, name).hex() for name in _DIGESTS}
        return digest.canonical(
            plain
            | {
                "version": VERSION,
                "exported_at": spell_instant("exported_at", self.exported_at),
                "filter": self.filter.members(),
                "private_parts": self.private_parts,
                "tally": self.tally.members(),
            }
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the manifest that these bytes, and no others, are the form of.

        Raises:
            ClaimInvalid: A member is missing, unknown, of another type, or breaks a rule.
            AttestationMalformed: Not JSON, or not in canonical form.
        """
        try:
            given = shapes.members("manifest", digest.parse(payload), _MEMBERS, _MEMBERS)
        except JsonRefused as error:
            raise AttestationMalformed(f"manifest: {error}") from error
        shapes.require_version("version", given["version"], VERSION)
        made = cls(
            **{name: given[name] for name in (*_TEXTS, *_NUMBERS)},
            checkpoint_sha256=shapes.sha256("checkpoint_sha256", given["checkpoint_sha256"]),
            policy_sha256=shapes.sha256("policy_sha256", given["policy_sha256"]),
            jwks_sha256=shapes.sha256("jwks_sha256", given["jwks_sha256"]),
            filter=Filter.read(given["filter"]),
            private_parts=given["private_parts"],
            tally=Tally.read(given["tally"]),
            exported_at=shapes.instant("exported_at", given["exported_at"]),
        )
        if made.encode() != payload:
            raise AttestationMalformed("manifest: not in the canonical form of RFC 8785")
        return made


def verify(compact: str, keys: VerificationKeys) -> Manifest:
    """Return what a signed manifest says, if one of these keys signed it.

    Raises:
        AttestationMalformed, ClaimInvalid: Not a manifest as this package writes them.
        KeyUnknown: The named key is not among `keys`.
        SignatureInvalid: Anything was changed.
    """
    try:
        payload = jws.verify(compact, typ=TYP, keys=keys)
    except SignatureInvalid:
        raise SignatureInvalid(
            "the manifest's signature does not hold: it was changed, or somebody else signed it; export again"
        ) from None
    return Manifest.decode(payload)
