"""Is the person who logs in the one whom a lender invited? Compared as keyed digests. Pure.

A lender may name whom it expects: name, document number and phone. What it names is brought into one form,
digested under a secret of the operator's, and forgotten; what the person's login says goes the same way. So
the register holds nothing that could be read, and nothing that anybody without the secret could try out.

Forms: Unicode NFKC, traditional Chinese as simplified (OpenCC, t2s), no case, no space or sign among letters;
phones as E.164.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

KEY_BYTES = 32
MOST_CHARACTERS = 120


class Trait(StrEnum):
    """What a person is known by."""

    NAME = "name"
    DOCUMENT = "document"
    PHONE = "phone"


class TraitInvalid(Exception):
    """It can't be brought into its form; ``why`` says what it should look like."""

    def __init__(self, trait: Trait, why: str) -> None:
        super().__init__(trait)
        self.trait = trait
        self.why = why


@dataclass(frozen=True, slots=True)
class Matcher:
    """Digests traits under one secret."""

    secret: bytes = field(repr=False)
    region: str = "CN"  # of phone numbers that are written without a country

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"the identity secret has {len(self.secret)} bytes; {KEY_BYTES} needed")

    def digests(self, traits: Mapping[Trait, str]) -> dict[Trait, bytes]:
        """32 bytes for each trait.

        Raises:
            TraitInvalid: One is not of its form.
        """
        return {trait: self._digest(trait, text) for trait, text in traits.items()}

    def matches(self, expected: Mapping[Trait, bytes], found: Mapping[Trait, str]) -> bool:
        """Whether everything that is expected is what was found; what was not found does not match.

        All are compared, in constant time, whatever the first says.
        """
        same = True
        for trait, digest in expected.items():
            try:
                mine = self._digest(trait, found.get(trait, ""))
            except TraitInvalid:
                mine = bytes(len(digest))
            same &= hmac.compare_digest(mine, digest)
        return same

    def _digest(self, trait: Trait, text: str) -> bytes:
        form = formed(trait, text, self.region)
        return hmac.digest(self.secret, f"{trait}\0{form}".encode(), hashlib.sha256)


def formed(trait: Trait, text: str, region: str) -> str:
    """The text in its one form.

    Raises:
        TraitInvalid: It has none.
    """
    if not 1 <= len(text) <= MOST_CHARACTERS:
        raise TraitInvalid(trait, f"1 to {MOST_CHARACTERS} characters")
    if trait is Trait.PHONE:
        return _phone(text, region)
    plain = unicodedata.normalize("NFKC", text)
    if trait is Trait.NAME:
        plain = _simplified().convert(plain)
    folded = unicodedata.normalize("NFKC", plain.casefold())
    # Marks count as letters do: in many scripts the vowels are marks, and another vowel is another name.
    letters = "".join(each for each in folded if unicodedata.category(each)[0] in "LMN")
    if not letters:
        raise TraitInvalid(trait, "letters or digits")
    return letters


def _phone(text: str, region: str) -> str:
    import phonenumbers  # with the first one: it takes a while, and most commands need none

    wanted = "a phone number such as +86 138 0013 8000"
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", text), region)
    except phonenumbers.NumberParseException as error:
        raise TraitInvalid(Trait.PHONE, wanted) from error
    if number.extension or not phonenumbers.is_possible_number(number):
        raise TraitInvalid(Trait.PHONE, wanted)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@cache
def _simplified() -> Any:
    import opencc

    return opencc.OpenCC("t2s")  # its tables take a while to read: once
