"""The bounds of one claim: how it is read from JSON and what it must be.

Pure. Every error names the claim and the rule, and never the value.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from scoregate.errors import ClaimInvalid, WordUnknown
from scoregate.instants import EPOCH
from scoregate.words import Word

W = TypeVar("W", bound=Word)
E = TypeVar("E", bound=StrEnum)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def members(claim: str, value: object, needed: frozenset[str], allowed: frozenset[str]) -> dict[str, Any]:
    """Return a JSON object that has every needed member, and none that is not allowed."""
    if not isinstance(value, dict):
        raise ClaimInvalid(claim, "an object belongs here")
    for name in sorted(needed - value.keys()):
        raise ClaimInvalid(name, f"missing in {claim}")
    for name in sorted(value.keys() - allowed):
        raise ClaimInvalid(ascii(name[:32]), f"unknown in {claim}; a newer scoregate may know it")
    return value


def items(claim: str, value: object) -> Sequence[Any]:
    """Return a JSON array."""
    if not isinstance(value, list):
        raise ClaimInvalid(claim, "an array belongs here")
    return value


def word(claim: str, value: object, kind: type[W]) -> W:
    """Return the word of this kind that a text spells."""
    if type(value) is str:
        try:
            return kind.read(value)
        except WordUnknown:
            pass
    raise ClaimInvalid(
        claim, f"a {kind.__name__} of this contract belongs here; a newer scoregate may know it"
    )


def day(claim: str, value: object) -> date:
    """Return the date that a text spells as YYYY-MM-DD (ISO 8601), the only form allowed here."""
    if type(value) is str:
        try:
            found = date.fromisoformat(value)
        except ValueError:
            pass
        else:
            if found.isoformat() == value:  # the library reads week dates and basic forms too
                return found
    raise ClaimInvalid(claim, "a date as YYYY-MM-DD belongs here")


def one_of(claim: str, value: object, kind: type[E]) -> E:
    """Return the one of these, none of which is on the wire, that a text spells."""
    if type(value) is not str or value not in list(kind):
        raise ClaimInvalid(claim, f"one of {', '.join(kind)} belongs here; a newer scoregate may know it")
    return kind(value)


def instant(claim: str, value: object) -> datetime:
    """Return the instant that a text spells as `digest.spell_instant` does, UTC."""
    if type(value) is str and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            pass
    raise ClaimInvalid(claim, "an instant as YYYY-MM-DDThh:mm:ss.ssssssZ (RFC 3339) belongs here")


def require_instant(claim: str, value: object) -> None:
    """Return only if the value is an instant in UTC, from 1970 on."""
    if type(value) is not datetime or value.tzinfo is not UTC or value < EPOCH:
        raise ClaimInvalid(claim, "an instant in UTC, from 1970 on, belongs here")


def require_text(claim: str, value: object, shape: re.Pattern[str]) -> None:
    """Return only if the value is a text of this form."""
    if type(value) is not str or not shape.fullmatch(value):
        raise ClaimInvalid(claim, f"a text of the form {shape.pattern} belongs here")


def require_integer(claim: str, value: object, least: int, most: int) -> None:
    """Return only if the value is an integer, and no boolean, from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise ClaimInvalid(claim, f"an integer from {least} to {most} belongs here")


def require_type(claim: str, value: object, kind: type) -> None:
    """Return only if the value is of exactly this type."""
    if type(value) is not kind:
        raise ClaimInvalid(claim, f"a {kind.__name__} belongs here")


def sha256(claim: str, value: object) -> bytes:
    """Return the 32 bytes that 64 hexadecimal digits in lower case spell."""
    require_text(claim, value, _SHA256)
    return bytes.fromhex(str(value))


def require_version(name: str, value: object, known: int) -> None:
    """Return only if a document's version is the one that is known.

    Raises:
        ClaimInvalid: It is another, or no integer.
    """
    if type(value) is not int or value != known:
        raise ClaimInvalid(name, f"{known} belongs here; a newer scoregate may know it")
