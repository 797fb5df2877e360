"""People who are signed in to the consumers' pages, and the forms that they send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from gateway.pages.consumer import forms
from gateway.pages.consumer.signin.sessions import Person, Session
from gateway.settings import Settings
from tests.pages.browser import Browser
from tests.prove.stagehands import pages

SECONDS = 30.0

Acknowledged = Callable[[], list[str]]
"""Waits until an ending is acknowledged; returns why it was refused, if it was."""

Begin = Callable[[], Acknowledged]
"""Sends an ending, and waits for nothing."""


class Visitor:
    """One person at the pages of ``url``, signed in as a browser is."""

    def __init__(self, url: str, subject: str, network: int) -> None:
        self.subject = subject
        self._host = urlsplit(url).netloc
        # Each from an address of their own, as the pages' proxy says: one address may sign in only so often.
        with Browser(url, **{"x-forwarded-for": f"192.0.2.{network}"}) as browser:
            browser.sign_in(subject, then="/freeze").raise_for_status()
            self._cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            self._session = Session(browser.cookies["scoregate"], Person(subject), datetime.now(UTC))

    def form(self, path: str) -> Begin:
        """The form that goes to ``path``, filled in; its button is not pressed yet."""
        body = urlencode({forms.FIELD: forms.token(self._session, path, "en")})
        headers = {
            "cookie": self._cookies,
            "origin": f"http://{self._host}",
            "content-type": "application/x-www-form-urlencoded",
        }
        line = HTTPConnection(self._host, timeout=SECONDS)
        line.connect()

        def acknowledged() -> list[str]:
            answer = line.getresponse()
            line.close()
            return [] if answer.status == 303 else [f"HTTP {answer.status}"]

        def begin() -> Acknowledged:
            line.request("POST", path, body, headers)
            return acknowledged

        return begin


@contextmanager
def visitors(settings: Settings, subjects: Sequence[str]) -> Iterator[list[Visitor]]:
    """Pages beside the gateways of an installation, and these people signed in."""
    with pages(settings, [(subject, "", "", "") for subject in subjects]) as url:
        yield [Visitor(url, subject, n) for n, subject in enumerate(subjects)]
