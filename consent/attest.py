"""Signs what a query found.

The claims keep their own rules (`scoregate.proof.claims`); the attester adds that they speak for this
issuer and live as long as its attestations do.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from consent.keys import SigningKey
from scoregate.proof import jws
from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.values import value


class AttestationRefused(Exception):
    """These claims are not this issuer's to sign."""


@value
class Attestation:
    """A signed answer, and the digest that its leaf holds."""

    compact: str  # RFC 7515, 7.1; ASCII
    sha256: bytes  # of the compact form's ASCII bytes


@dataclass(frozen=True, slots=True)
class Attester:
    """Signs for one issuer."""

    issuer: str
    life: timedelta  # how long an attestation counts as fresh; whole seconds

    def times(self, now: datetime) -> tuple[int, int]:
        """Return `iat` and `exp` for an answer given now: whole seconds since 1970."""
        issued = int(now.timestamp())
        return issued, issued + self.life // timedelta(seconds=1)

    def attest(self, claims: ScoreClaims | ThresholdClaims, key: SigningKey) -> Attestation:
        """Return the claims signed with this key.

        Raises:
            AttestationRefused: Another issuer's claims, or another life than this issuer gives.
        """
        if claims.iss != self.issuer:
            raise AttestationRefused("iss: the claims name another issuer")
        if claims.exp - claims.iat != self.life // timedelta(seconds=1):
            raise AttestationRefused(
                "exp: the claims live longer or shorter than this issuer's; take `times`"
            )
        compact = jws.sign(
            claims.encode(), typ=claims.typ, kid=key.kid, algorithm=key.algorithm, private=key.private
        )
        return Attestation(compact, hashlib.sha256(compact.encode()).digest())
