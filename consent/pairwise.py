"""Subject references: one person, another name for every partner. Pure.

HMAC-SHA-256 (RFC 2104) keyed by the operator's secret over partner and subject, as
OpenID Connect Core 8.1 asks of pairwise identifiers: a partner can neither invert a
reference nor join its file with another partner's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

KEY_BYTES = 32
SUBJECT = re.compile(r"[!-~]{1,64}")
"""The operator's own id of a person, as every room takes it."""


class ForeignReference(Exception):
    """A reference that another secret made."""


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Makes references under one version of the secret."""

    secret: bytes = field(repr=False)
    version: int = 1

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"the pairwise secret has {len(self.secret)} bytes; {KEY_BYTES} needed")

    @property
    def check_value(self) -> bytes:
        """32 bytes that tell whether this is the same secret, and nothing else of it.

        No reference is made like it: a partner id is at least two characters long.
        """
        return hmac.digest(self.secret, bytes(2) + b"scoregate pairwise check", hashlib.sha256)

    def require_check(self, check_value: bytes) -> None:
        """Return only if this secret made ``check_value``.

        Raises:
            ForeignReference: Another one did.
        """
        if not hmac.compare_digest(check_value, self.check_value):
            raise ForeignReference

    def require_made(self, reference: str, partner_id: str, subject: str) -> None:
        """Return only if this secret made ``reference``.

        Raises:
            ForeignReference: Another secret did; from now on one person would have two names.
        """
        if not hmac.compare_digest(reference, self.reference(partner_id, subject)):
            raise ForeignReference

    def reference(self, partner_id: str, subject: str) -> str:
        """This partner's reference for this person: "s1-" and 26 characters.

        The length prefix keeps ("ab", "c") and ("a", "bc") apart.
        """
        name = partner_id.encode()
        message = len(name).to_bytes(2, "big") + name + subject.encode()
        digest = hmac.digest(self.secret, message, hashlib.sha256)
        return f"s{self.version}-{base64.b32encode(digest[:16]).decode().rstrip('=').lower()}"
