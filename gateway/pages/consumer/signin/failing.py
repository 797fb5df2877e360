"""What a person reads when signing in fails. Nothing in it comes from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from gateway.pages.consumer.signin.begun import NotBegun
from gateway.pages.consumer.signin.openid import CodeRefused, NotAskedAnew, ProviderFailed, Unproven
from gateway.pages.consumer.words import N_
from gateway.quota.burst import BurstExceeded
from gateway.store import StoreUnavailable

Show = Callable[[Request, int, str, str], Response]
"""Shows a failure: request, status, title, text. ``request.state.try_again`` is the path to begin anew at."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A page's status, title and text."""

    status: int
    title: str
    text: str


TOO_MANY = Failure(
    429, N_("Too many attempts"), N_("Your network has tried too often. Wait a minute, then try again.")
)
NOT_YOURS = Failure(
    400,
    N_("This sign-in can't be finished"),
    N_("It began in another browser, began more than ten minutes ago, or is finished already. Try again."),
)
NOT_NOW = Failure(
    502,
    N_("Signing in does not work right now"),
    N_("The service that knows who you are does not answer. Try again soon."),
)
REFUSED = Failure(
    403, N_("You have not signed in"), N_("You, or the service that knows you, said no. Nothing was changed.")
)
DOUBTFUL = Failure(
    502,
    N_("This sign-in can't be trusted"),
    N_("The answer of the service that knows you could not be verified, so nobody was signed in. Try again."),
)
NOT_ASKED = Failure(
    502,
    N_("This sign-in can't be trusted"),
    N_(
        "You signed out here, so you should have been asked anew who you are. It seems that you were not. "
        "Sign out at the service that knows you too, then try again."
    ),
)
USED_UP = Failure(400, N_("This sign-in took too long"), N_("Its code is used up or too old. Try again."))
UNKNOWN = Failure(
    403,
    N_("We can't tell who you are"),
    N_("You signed in, but under a name that is unknown here. Ask whoever gave you the account."),
)
UNAVAILABLE = Failure(
    503, N_("We can't sign you in right now"), N_("Our records can't be reached. Try again soon.")
)

FAILURES = {
    name.lower().replace("_", "-"): each for name, each in globals().items() if isinstance(each, Failure)
}
"""All of them, by the name in the address that shows one once more."""


class Refused(Exception):
    """The provider says no, or names nobody who is known here. The text is for the log."""

    def __init__(self, failure: Failure, why: str) -> None:
        super().__init__(why)
        self.failure = failure


_FAILURES: dict[type[Exception], tuple[Failure, str]] = {
    BurstExceeded: (TOO_MANY, "too many attempts"),
    NotBegun: (NOT_YOURS, "begun elsewhere, too old, or used"),
    CodeRefused: (USED_UP, "the provider refuses the code"),
    Unproven: (DOUBTFUL, "the provider's answer proves nothing"),
    NotAskedAnew: (NOT_ASKED, "the provider's auth_time is missing or old, and max_age was 0"),
    StoreUnavailable: (UNAVAILABLE, "the database does not answer"),
    SQLAlchemyError: (UNAVAILABLE, "the database does not answer"),
}
EXPECTED: tuple[type[Exception], ...] = (*_FAILURES, Refused, ProviderFailed)


def explained(error: Exception) -> tuple[Failure, str]:
    """(what a person reads, what the log says) of one of the errors in ``EXPECTED``."""
    if isinstance(error, Refused):
        return error.failure, str(error)
    if isinstance(error, ProviderFailed):
        return NOT_NOW, f"the provider: {error}"
    return next(found for kind, found in _FAILURES.items() if isinstance(error, kind))
