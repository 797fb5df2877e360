"""The borrower's browser: cookies, redirects, links and forms, and no script. What it shows was parsed.

Screen    one page as it was read: headline, facts, links, forms
Browser   goes from one to the next; speaks HTTP
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urlencode

import httpx

from gateway.demo.page import StepFailed

PATIENCE_SECONDS = 20
FORM = "application/x-www-form-urlencoded"
_READ = frozenset({"h1", "dt", "dd", "a", "strong"})  # every one of them is closed where it ends


@dataclass
class Form:
    """A form, as it would be sent now."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, bool] = field(default_factory=dict)  # whether each is ticked; those that can be changed
    choices: set[tuple[str, str]] = field(default_factory=set)  # what its buttons say: name and value


@dataclass
class _Piece:
    """An element of the page, and the words in it."""

    tag: str
    attributes: Mapping[str, str]
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


class Screen(HTMLParser):
    """One page."""

    def __init__(self, status: int, html: str) -> None:
        super().__init__()
        self.status = status
        self.forms: list[Form] = []
        self._pieces: list[_Piece] = []
        self._open: list[_Piece] = []
        self._form: Form | None = None
        self._words: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """All that there is to read."""
        return " ".join("".join(self._words).split())

    @property
    def headline(self) -> str:
        """The first headline; empty without one."""
        return next(self.all("h1"), "")

    @property
    def facts(self) -> dict[str, str]:
        """Names, and what they are."""
        return dict(zip(self.all("dt"), self.all("dd"), strict=True))

    @property
    def links(self) -> list[tuple[str, str]]:
        """Where each leads, and what it says."""
        return [(each.attributes.get("href", ""), each.text) for each in self._pieces if each.tag == "a"]

    def all(self, tag: str) -> Iterator[str]:
        """What each element of a kind says, in order."""
        return (each.text for each in self._pieces if each.tag == tag)

    def link(self, begin: str) -> str:
        """Where the first link leads that begins so.

        Raises:
            StepFailed: There is none.
        """
        for href, _ in self.links:
            if href.startswith(begin):
                return href
        raise StepFailed(f"the page links to {begin}", f"it does not: {self.headline}")

    def form(self, end: str) -> Form:
        """The form whose address ends so.

        Raises:
            StepFailed: There is none.
        """
        for each in self.forms:
            if each.action.endswith(end):
                return each
        raise StepFailed(f"the page has a form for {end}", f"it has none: {self.headline}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in the beginning of an element."""
        given = {name: value or "" for name, value in attrs}
        if tag in _READ:
            self._pieces.append(_Piece(tag, given))
            self._open.append(self._pieces[-1])
        elif tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        elif self._form is not None and given.get("name"):
            self._take_in(self._form, tag, given)

    def _take_in(self, form: Form, tag: str, given: Mapping[str, str]) -> None:
        name, value = given["name"], given.get("value", "")
        if tag == "button":
            form.choices.add((name, value))
        elif given.get("type") != "checkbox":
            form.fields[name] = value
        elif "disabled" not in given:
            form.boxes[name] = "checked" in given

    def handle_endtag(self, tag: str) -> None:
        """Take in the end of an element."""
        if tag == "form":
            self._form = None
        elif self._open and self._open[-1].tag == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Take in words: of the page, and of each element around them."""
        for words in (self._words, *(piece.words for piece in self._open)):
            words.append(data)


class Browser:
    """Somebody's browser, at one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(
            base_url=url,
            headers={"accept-language": "en"},
            follow_redirects=True,
            timeout=PATIENCE_SECONDS,
            trust_env=False,  # loopback needs no proxy
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def open(self, address: str, *, status: int = 200) -> Screen:
        """Follow a link; raises StepFailed for another status, like everything here."""
        return _screen(self._ask("GET", address), status)

    def send(self, form: Form, *, status: int = 200, **also: str) -> Screen:
        """Send a form, with the boxes that are ticked and with what a button says."""
        ticked = {name: "on" for name, is_ticked in form.boxes.items() if is_ticked}
        # A browser says where a form comes from (Fetch Metadata); the pages look at it.
        told = {"content-type": FORM, "origin": self._url, "sec-fetch-site": "same-origin"}
        return _screen(
            self._ask("POST", form.action, urlencode({**form.fields, **ticked, **also}), told), status
        )

    def download(self, address: str) -> bytes:
        """Fetch a file."""
        response = self._ask("GET", address)
        if response.status_code != 200 or "attachment" not in response.headers.get("content-disposition", ""):
            raise StepFailed("the pages hand out a file", f"they do not: status {response.status_code}")
        return response.content

    def _ask(
        self, method: str, address: str, body: str = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._http.request(method, address, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise StepFailed("the pages answer", f"they do not: {type(error).__name__}") from error


def _screen(response: httpx.Response, status: int) -> Screen:
    screen = Screen(response.status_code, response.text)
    if screen.status != status:
        raise StepFailed("the pages answer as they should", f"status {screen.status}: {screen.headline}")
    return screen
