"""Is the person who logs in the one whom a lender invited? Compared as keyed digests. Pure.

A lender may name whom it expects: name, document number and phone. What it names is brought into one form,
digested under a secret of the operator's, and forgotten; what the person's login says goes the same way. So
the register holds nothing that could be read, and nothing that anybody without the secret could try out.

Forms: Unicode NFKC, no case, no space or sign among letters, and in names traditional Chinese as simplified
(OpenCC, t2s), each character by itself: what stands beside it, or a dot between, changes nothing. Phones as
E.164.

A name's digest begins with the number of its form. Those of 32 bytes are of the form before it had one, which
read Chinese by the word: they are still compared by that, and the last of them runs out with its invitation,
30 days at most after the last gateway of that time.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

KEY_BYTES = 32
MOST_CHARACTERS = 120
DIGEST_BYTES = 32
NAME_FORM = b"\x02"

# What OpenCC makes one of in some words only: 鍾 is 钟, but 锺 in 錢鍾書. A name is written either way.
_EITHER_WAY = str.maketrans("藉沈坏锺哩迳瞭覆链𫫇画钜衹甦俱彷幺", "借沉坯钟里径了复炼恶划巨只苏具仿么")


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
        """32 bytes for each trait; of a name with the number of its form before them.

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
                mine = self._digest(trait, found.get(trait, ""), before=len(digest) == DIGEST_BYTES)
            except TraitInvalid:
                mine = bytes(len(digest))
            same &= hmac.compare_digest(mine, digest)
        return same

    def _digest(self, trait: Trait, text: str, *, before: bool = False) -> bytes:
        """``before``: a name in the form that had no number."""
        form = formed(trait, text, self.region, by_word=before)
        digest = hmac.digest(self.secret, f"{trait}\0{form}".encode(), hashlib.sha256)
        return digest if before or trait is not Trait.NAME else NAME_FORM + digest


def formed(trait: Trait, text: str, region: str, *, by_word: bool = False) -> str:
    """The text in its one form; ``by_word``: a name in the form before.

    Raises:
        TraitInvalid: It has none.
    """
    if not 1 <= len(text) <= MOST_CHARACTERS:
        raise TraitInvalid(trait, f"1 to {MOST_CHARACTERS} characters")
    if trait is Trait.PHONE:
        return _phone(text, region)
    if trait is Trait.DOCUMENT:
        form = _letters(text)
    elif by_word:
        form = _letters(_simplified().convert(unicodedata.normalize("NFKC", text)))
    else:
        form = _name(text)
    if not form:
        raise TraitInvalid(trait, "letters or digits")
    return form


def _name(text: str) -> str:
    """Until nothing changes any more."""
    # Taken apart first: a mark belongs to the letter before it, whatever stood between the two.
    form = "".join(map(_plain, _letters(_bare(unicodedata.normalize("NFKD", text)))))
    return form if form == text else _name(form)


def _letters(text: str) -> str:
    """Letters, digits and marks alone, without case."""
    return _bare(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def _bare(text: str) -> str:
    # Marks count as letters do: in many scripts the vowels are marks, and another vowel is another name.
    return "".join(each for each in text if unicodedata.category(each)[0] in "LMN")


@lru_cache(maxsize=4_096)
def _plain(letter: str) -> str:
    """A character as simplified Chinese has it, whatever stands beside it."""
    simple: str = _simplified().convert(letter)
    # Some take two steps: 薴 is 苧, and that is 苎.
    return simple.translate(_EITHER_WAY) if simple == letter else _plain(simple)


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
