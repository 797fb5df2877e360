"""What a caller gave, judged before a message is made of it: each error names the argument. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from scoregate.errors import ClientMisconfigured
from scoregate.words import Word

W = TypeVar("W", bound=Word)


def require_span(argument: str, given: object) -> None:
    """Return only if it is a length of time.

    Raises:
        ClientMisconfigured: Such as a bare number, whose unit nobody knows.
    """
    if not isinstance(given, timedelta):
        kind = type(given).__name__
        raise ClientMisconfigured(f"{argument}: give a timedelta, such as timedelta(days=30), not {kind}")


def require_instant(argument: str, given: object) -> None:
    """Return only if it is an instant.

    Raises:
        ClientMisconfigured: It is not, or its time zone is open.
    """
    if not isinstance(given, datetime):
        raise ClientMisconfigured(f"{argument}: give a datetime, not {type(given).__name__}")
    if given.tzinfo is None:
        raise ClientMisconfigured(f"{argument}: give the instant with its time zone")


def require_consent(consent_id: str | None) -> str:
    """Return the consent id that was given.

    Raises:
        ClientMisconfigured: None, as an invitation has it that was not allowed.
    """
    if consent_id is None:
        raise ClientMisconfigured(
            "consent_id: None, as of an invitation that has not been allowed (yet): its state says whether "
            "it is PENDING, REJECTED, EXPIRED or IDENTITY_MISMATCH"
        )
    return consent_id


def span(argument: str, given: timedelta) -> Duration:
    """Return a length of time as a message.

    Raises:
        ClientMisconfigured: It is none.
    """
    require_span(argument, given)
    message = Duration()
    message.FromTimedelta(given)
    return message


def numbers(argument: str, given: Iterable[W | str], kind: type[W]) -> list[Any]:
    """Return the numbers of some words.

    Raises:
        ClientMisconfigured: One word by itself, whose letters would be taken for words.
        WordUnknown: One is not of the contract.
    """
    if isinstance(given, str):
        raise ClientMisconfigured(f"{argument}: give a tuple, such as ({str(given)!r},), not str")
    return [kind.read(word).number for word in given]
