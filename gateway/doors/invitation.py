"""What an invitation says beyond its terms: where people go back to, and whom the partner expects.

A return address is registered in the contract and compared exactly, so that no invitation sends people
anywhere else (RFC 9700, 2.1). It takes none of the characters by which browsers and servers read one address
as two: user, query, fragment, backslash.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

from consent.identity import MOST_CHARACTERS, Matcher, Trait, TraitInvalid
from gateway.doors.wire import Check
from gateway.quota.contract import Contract
from scoregate.partner.v1 import consent_pb2

MOST_ADDRESSES, MOST_ADDRESS_CHARACTERS = 10, 255
_ADDRESS = re.compile(
    r"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    r"(?:/[A-Za-z0-9._~!$&()*+=:@%/-]*)?"
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
RETURN_STATE = re.compile(r"[A-Za-z0-9_-]{8,128}")
A_RETURN_STATE = "8 to 128 characters of base64url that nobody can guess"

FIELDS = {Trait.NAME: "name", Trait.DOCUMENT: "document_number", Trait.PHONE: "phone"}
"""What the contract calls each trait."""


def is_return_address(text: str, *, development: bool) -> bool:
    """Whether people may be sent there: https, in development also http on a loopback host."""
    found = _ADDRESS.fullmatch(text) if len(text) <= MOST_ADDRESS_CHARACTERS else None
    if found is None or not 0 < int(found[3] or 443) < 65_536:
        return False
    return found[1] == "https" or (development and found[2] in _LOOPBACK)


def read_return_addresses(
    check: Check, field: str, given: Iterable[str], *, development: bool
) -> tuple[str, ...]:
    """Read a contract's return addresses; violations go to ``check``."""
    addresses = tuple(given)
    for place, address in enumerate(addresses):
        if not is_return_address(address, development=development):
            also = ", or http on localhost, 127.0.0.1 or [::1]" if development else ""
            check.refuse(
                f"{field}[{place}]",
                f"must be an https address{also}, of host, port and path alone, without user, query or "
                f"fragment, of at most {MOST_ADDRESS_CHARACTERS} ASCII characters, such as https://lender.example/back",
            )
    if len(set(addresses)) != len(addresses) or len(addresses) > MOST_ADDRESSES:
        check.refuse(field, f"must name at most {MOST_ADDRESSES} addresses, none twice")
    return addresses


def read_return(
    check: Check, given: consent_pb2.CreateConsentInvitationRequest, contract: Contract
) -> tuple[str, str]:
    """Read where people go back to, and with which state; violations go to ``check``."""
    address, state = given.return_address, given.return_state
    if not address:
        if state:
            check.refuse("return_state", "must be left out where there is no return_address")
        return "", ""
    if address not in contract.return_addresses:
        check.refuse(
            "return_address",
            "must be one of the contract's return addresses, to the letter; the operator registers them",
        )
    return address, check.text("return_state", state, RETURN_STATE, A_RETURN_STATE)


def read_identity(
    check: Check, given: consent_pb2.CreateConsentInvitationRequest, matcher: Matcher
) -> dict[Trait, bytes]:
    """Read whom the partner expects, as keyed digests; violations go to ``check``. Empty: anybody."""
    if not given.HasField("identity"):
        return {}
    named = {trait: text for trait, name in FIELDS.items() if (text := getattr(given.identity, name))}
    if not named:
        check.refuse("identity", f"must name one of {', '.join(FIELDS.values())} at least, or be left out")
    digests: dict[Trait, bytes] = {}
    for trait, text in named.items():
        field = f"identity.{FIELDS[trait]}"
        # As it is compared: an ideographic space is a space.
        if not unicodedata.normalize("NFKC", text[: MOST_CHARACTERS + 1]).isprintable():
            check.refuse(field, f"must have 1 to {MOST_CHARACTERS} printable characters")
            continue
        try:
            digests |= matcher.digests({trait: text})
        except TraitInvalid as error:
            check.refuse(field, f"must have {error.why}")
    return digests


def request_digest(
    given: consent_pb2.CreateConsentInvitationRequest, identity: Mapping[Trait, bytes]
) -> bytes:
    """SHA-256 of a request, by which a repeat is told from another one.

    Whom it names enters as the keyed digests that are stored anyway: of the rest nothing is secret, so a bare
    digest of a name or a phone number could be found by trying them all.
    """
    bound = consent_pb2.CreateConsentInvitationRequest()
    bound.CopyFrom(given)
    bound.ClearField("identity")
    for trait, digest in identity.items():
        setattr(bound.identity, FIELDS[trait], digest.hex())
    return hashlib.sha256(bound.SerializeToString(deterministic=True)).digest()
