"""What the consumers' pages are made from, and one visit to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from consent.identity import Matcher
from consent.pairwise import Pairwise
from gateway.audit.private import Vault
from gateway.engine import EngineDoor, ModelCard
from gateway.keys import Signer
from gateway.ledger import Ledger
from gateway.pages.consumer.signin.sessions import Session
from gateway.pages.consumer.words import Language
from gateway.settings import Settings
from gateway.store import Store

CONSUMER = "consumer"
"""Who made a change, as the log's entries name people who act for themselves."""


MOST_OF_A_PATH = 1_024
"""Characters of a page's address that somebody is led back to."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The rooms behind the pages: the ledger that lenders' queries go through, and what reads it."""

    settings: Settings
    clock: Callable[[], datetime]
    store: Store
    vault: Vault
    pairwise: Pairwise
    ledger: Ledger
    signer: Signer
    engine: EngineDoor
    model: ModelCard
    matcher: Matcher


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page."""

    request: Request
    language: Language
    now: datetime
    session: Session | None
    form: Mapping[str, str] = field(default_factory=dict, repr=False)  # of a POST, whose token was checked
    chosen: frozenset[str] = frozenset()  # names of the boxes that are ticked
    read_in: str = ""  # tag of the language that the form's page was in, which may be another than now

    @property
    def subject(self) -> str:
        """The person who is signed in.

        Raises:
            SignInFirst: Nobody is.
        """
        return self.signed_in.person.subject

    @property
    def signed_in(self) -> Session:
        """The session.

        Raises:
            SignInFirst: There is none.
        """
        if self.session is None:
            raise SignInFirst
        return self.session

    @property
    def path(self) -> str:
        """The page, with its query; the first page for one whose address is too long to be led back to."""
        query = self.request.url.query
        path = self.request.url.path + (f"?{query}" if query else "")
        return path if len(path) <= MOST_OF_A_PATH else "/"

    @property
    def page(self) -> str:
        """The page that this is about, with its query: a form goes to one step below its own page."""
        if self.request.method == "POST":
            return self.request.url.path.rpartition("/")[0] or "/"
        return self.path


class SignInFirst(Exception):
    """The page is for whoever is signed in."""


class Missing(Exception):
    """There is no such page for this person; what is somebody else's looks the same."""


def known(text: str, form: re.Pattern[str]) -> str:
    """The text of an address, if it can be what we give out: no database is asked for anything else.

    Raises:
        Missing: It can't.
    """
    if form.fullmatch(text) is None:
        raise Missing
    return text


class FormRefused(Exception):
    """A form that can't be taken; ``why`` is a sentence for people, in English as the catalogue has it."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.why = why
        self.status = status
