"""The words that consents, queries and answers share: the contract's enums without their prefixes.

Pure. Source: protos/scoregate/partner/v1/types.proto; a test walks both and fails on a gap.
Claims, digests and leaves spell a word as its text; the wire carries its number.
"""

from enum import StrEnum
from functools import cache
from typing import Any, Self, TypeVar, cast

from scoregate.errors import WordUnknown

W = TypeVar("W", bound="Word")


class Word(StrEnum):
    """A word with its number in the contract. UNSPECIFIED is not a word."""

    number: Any  # an int; the stubs give each enum an int type of its own, for type checkers only

    def __new__(cls, text: str, number: int) -> Self:
        """Join a word's text with its number."""
        word = str.__new__(cls, text)
        word._value_ = text
        word.number = number
        return word

    @classmethod
    def of(cls, number: int) -> Self:
        """Return the word with this number.

        Raises:
            WordUnknown: Unset (0), or a value that only a newer contract knows.
        """
        return _find(cls, number)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the word that is spelled so.

        Raises:
            WordUnknown: There is none, or only in a newer contract.
        """
        return _find(cls, text)


def _find(kind: type[W], key: int | str) -> W:
    try:
        return cast(W, _table(kind)[key])
    except KeyError:
        raise WordUnknown(kind.__name__, key, tuple(kind)) from None


@cache
def _table(kind: type[Word]) -> dict[int | str, Word]:
    return {key: word for word in kind for key in (word.number, word.value)}


class Purpose(Word):
    """Why a partner asks. A consent holds for exactly one purpose."""

    CREDIT_APPLICATION = "CREDIT_APPLICATION", 1
    PREQUALIFICATION = "PREQUALIFICATION", 2
    ACCOUNT_REVIEW = "ACCOUNT_REVIEW", 3
    COLLECTION = "COLLECTION", 4
    GUARANTOR = "GUARANTOR", 5
    DEPOSIT_WAIVER = "DEPOSIT_WAIVER", 6
    PILOT_STUDY = "PILOT_STUDY", 7
    CONSUMER_SELF = "CONSUMER_SELF", 8


class Disclosure(Word):
    """What an answer shows. REASONS is never an answer by itself."""

    SCORE = "SCORE", 1
    BAND = "BAND", 2
    THRESHOLD = "THRESHOLD", 3
    REASONS = "REASONS", 4


class ConsentMode(Word):
    """How often a consent may be used."""

    ONE_TIME = "ONE_TIME", 1
    PERIODIC = "PERIODIC", 2


class CalendarUnit(Word):
    """The unit of a frequency, in the consent's time zone. Weeks run from Monday (ISO 8601)."""

    DAY = "DAY", 1
    WEEK = "WEEK", 2
    MONTH = "MONTH", 3
    YEAR = "YEAR", 4


class InquiryType(Word):
    """How an answer counts in the person's inquiry history."""

    SOFT = "SOFT", 1
    HARD = "HARD", 2


class InputFamily(Word):
    """A family of inputs that a person or a jurisdiction can exclude."""

    HISTORY = "HISTORY", 1
    BEHAVIOUR = "BEHAVIOUR", 2
    CAPACITY = "CAPACITY", 3
    IDENTITY = "IDENTITY", 4
    SOCIAL = "SOCIAL", 5


class Mark(Word):
    """What a person has said about their own file."""

    DISPUTED = "DISPUTED", 1
    UNDER_REVIEW = "UNDER_REVIEW", 2


class ConsentEventKind(Word):
    """What may happen to a consent."""

    GRANTED = "GRANTED", 1
    PAUSED = "PAUSED", 2
    RESUMED = "RESUMED", 3
    REVOKED = "REVOKED", 4
    EXPIRED = "EXPIRED", 5
    CONSUMED = "CONSUMED", 6
    FROZEN = "FROZEN", 7
    UNFROZEN = "UNFROZEN", 8


class Band(Word):
    """Five bands over the scale, both ends included."""

    FROM_350 = "350_549", 1
    FROM_550 = "550_599", 2
    FROM_600 = "600_649", 3
    FROM_650 = "650_699", 4
    FROM_700 = "700_950", 5


class NotScoredReason(Word):
    """Why there is no score. Never a low score in disguise."""

    NO_DATA = "NO_DATA", 1
    THIN_FILE = "THIN_FILE", 2
