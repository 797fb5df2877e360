"""Wire ↔ domain: what every door needs to read and write messages.

A request is judged whole: every violation at once, each naming its field and what would
be right, none repeating what was given.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from consent import pairwise
from gateway.errors import Refused, Violation
from scoregate.errors import WordUnknown
from scoregate.words import Purpose, Word

M = TypeVar("M", bound=Message)
W = TypeVar("W", bound=Word)

UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
ID = re.compile(r"[a-z2-7]{26}")
A_CONSENT_ID = "a consent id: 26 characters of a-z and 2-7"
A_HANDLE = "an invitation's handle: 26 characters of a-z and 2-7"
NONCE = re.compile(r"[A-Za-z0-9_-]{16,128}")
SUBJECT = pairwise.SUBJECT
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
PAGE_TOKEN = re.compile(r"[A-Za-z0-9_-]+={0,2}")
MOST_TOKEN_CHARACTERS = 130


def read(kind: type[M], body: bytes) -> M:
    """Parse a body.

    Raises:
        Refused: BODY_MALFORMED for bytes that are not a message of this kind.
    """
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise Refused("BODY_MALFORMED") from error
    return message


class Check:
    """Collects violations; ``finish`` raises them all at once."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.request_id = ""

    def refuse(self, field: str, description: str) -> None:
        """Note one violation."""
        self.violations.append(Violation(field, description))

    def finish(self) -> None:
        """Return only if nothing was refused.

        Raises:
            Refused: FIELD_INVALID with every violation.
        """
        if self.violations:
            refusal = Refused("FIELD_INVALID", violations=tuple(self.violations))
            refusal.request_id = self.request_id
            raise refusal

    def uuid(self, field: str, text: str) -> str:
        """A UUID in its usual form; returned in lower case, so that one id has one spelling."""
        if not UUID.fullmatch(text):
            self.refuse(field, "must be a UUID such as 123e4567-e89b-42d3-a456-426614174000")
            return text
        self.request_id = text.lower()
        return self.request_id

    def text(self, field: str, text: str, shape: re.Pattern[str], what: str) -> str:
        """Text of one shape."""
        if not shape.fullmatch(text):
            self.refuse(field, f"must be {what}")
        return text

    def nameless(self, field: str, text: str, subject: str) -> None:
        """Refuse words for the log in which the person stands whom they are about, in whatever case."""
        if len(subject) > 2 and subject.casefold() in text.casefold():
            self.refuse(field, "must not name the person: it stays in the log for good")

    def printable(self, field: str, text: str, *, least: int, most: int) -> str:
        """Printable text of so many characters; no control characters, U+0000 included."""
        if not (least <= len(text) <= most and text.isprintable()):
            self.refuse(field, f"must have {least} to {most} printable characters")
        return text

    def purpose(self, field: str, number: int) -> Purpose:
        """What a lender may ask for; refused words read as CONSUMER_SELF, which none may."""
        found = self.word(field, Purpose, number)
        if found is Purpose.CONSUMER_SELF:
            self.refuse(field, "CONSUMER_SELF is a person's own; name what you need the score for")
        return found or Purpose.CONSUMER_SELF

    def word(self, field: str, kind: type[W], number: int) -> W | None:
        """An enum value that is set and known."""
        try:
            return kind.of(number)
        except WordUnknown:
            self.refuse(field, f"must be one of {', '.join(kind)}")
            return None

    def words(self, field: str, kind: type[W], numbers: Iterable[int], *, most: int) -> frozenset[W]:
        """Enum values without repeats."""
        given = list(numbers)
        found = [self.word(f"{field}[{i}]", kind, number) for i, number in enumerate(given)]
        if len(set(given)) != len(given) or len(given) > most:
            self.refuse(field, f"must name at most {most} values, none twice")
        return frozenset(word for word in found if word is not None)

    def between(self, field: str, number: int, least: int, most: int) -> int:
        """A number inside both bounds."""
        if not least <= number <= most:
            self.refuse(field, f"must be from {least} to {most}")
        return number

    def duration(self, field: str, given: Duration, *, least: timedelta, most: timedelta) -> timedelta:
        """A duration of whole seconds inside both bounds."""
        span = _guarded(given.ToTimedelta)
        if span is None or not least <= span <= most or given.nanos:
            self.refuse(field, f"must be whole seconds from {_spoken(least)} to {_spoken(most)}")
            return least
        return span

    def moment(self, field: str, given: Timestamp) -> datetime:
        """An instant of this era."""
        made = _guarded(lambda: given.ToDatetime(tzinfo=UTC))
        if made is None or not 2000 <= made.year <= 2200:
            self.refuse(field, "must be a time between the years 2000 and 2200")
            return datetime(2000, 1, 1, tzinfo=UTC)
        return made

    def time_zone(self, field: str, name: str) -> str:
        """An IANA time zone; empty means UTC."""
        chosen = name or "UTC"
        if len(chosen) > 64 or _guarded(lambda: ZoneInfo(chosen)) is None:
            self.refuse(field, "must be an IANA time zone such as Asia/Shanghai")
            return "UTC"
        return chosen

    def page_size(self, given: int, *, default: int, most: int) -> int:
        """AIP-158: 0 means the default; more than the most is cut to it."""
        if given < 0:
            self.refuse("page_size", f"must be from 0 to {most}")
        return min(given or default, most)

    def page_token(self, token: str, *, most: int = MOST_TOKEN_CHARACTERS) -> str:
        """What ``page_token`` packed into at most so many characters; empty for the first page."""
        if not token:
            return ""
        if len(token) <= most and PAGE_TOKEN.fullmatch(token):
            unpacked = _guarded(lambda: base64.urlsafe_b64decode(token).decode())
            if unpacked and unpacked.isascii() and unpacked.isprintable():  # PostgreSQL takes no U+0000
                return unpacked
        self.refuse("page_token", "must be the next_page_token of the page before")
        return ""


def page_token(position: str) -> str:
    """Pack a position for the caller, who makes nothing of it."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def timestamp(moment: datetime) -> Timestamp:
    """An instant on the wire."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def duration(span: timedelta) -> Duration:
    """A span on the wire."""
    made = Duration()
    made.FromTimedelta(span)
    return made


T = TypeVar("T")


def _guarded(make: Callable[[], T]) -> T | None:
    """The value, or None for input that the standard library refuses in one of its many ways."""
    try:
        return make()
    except (ValueError, OverflowError, OSError, KeyError):
        return None


def _spoken(span: timedelta) -> str:
    return f"{span.days} days" if span.days else f"{int(span.total_seconds())} seconds"
