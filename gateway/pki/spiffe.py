"""SPIFFE names of callers. Pure.

Source: SPIFFE-ID sections 2.1 (trust domain) and 2.2 (path); ours have a path of exactly two segments.
"""

from __future__ import annotations

import re
from typing import Literal

RolePath = Literal["partner", "staff", "gateway"]

TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
PARTNER_ID = re.compile(r"[a-z][a-z0-9-]{1,39}")
_NAME = re.compile(rf"spiffe://({TRUST_DOMAIN.pattern})/(partner|staff|gateway)/({PARTNER_ID.pattern})")


class SpiffeInvalid(ValueError):
    """Not a SPIFFE name of the form that this gateway issues."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


def spiffe_uri(trust_domain: str, role_path: RolePath, partner_id: str) -> str:
    """Return ``spiffe://<trust_domain>/<role_path>/<partner_id>``.

    ``role_path`` is "partner" for PARTNER and PILOT, "staff" for OPERATOR and COMPLIANCE, "gateway" for the
    gateway's own certificate towards the engine.

    Raises:
        SpiffeInvalid: The trust domain isn't 1 to 255 of a-z 0-9 . _ -, or the id isn't 2 to 40 of a-z 0-9 -
            beginning with a letter.
    """
    if not TRUST_DOMAIN.fullmatch(trust_domain):
        raise SpiffeInvalid("trust_domain", "1 to 255 of a-z, 0-9, '.', '_' and '-'")
    if not PARTNER_ID.fullmatch(partner_id):
        raise SpiffeInvalid("partner_id", "2 to 40 of a-z, 0-9 and '-', beginning with a letter")
    return f"spiffe://{trust_domain}/{role_path}/{partner_id}"


def split_spiffe(uri: str) -> tuple[str, str, str]:
    """Return trust domain, role path and partner id of a name that ``spiffe_uri`` could have made.

    Raises:
        SpiffeInvalid: Anything else.
    """
    match = _NAME.fullmatch(uri)
    if match is None:
        raise SpiffeInvalid(
            "spiffe_uri", "not of the form spiffe://<trust domain>/partner|staff|gateway/<id>"
        )
    return match[1], match[2], match[3]
