"""What attacks on the consumers' pages have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import count
from typing import Any

import httpx

from gateway.pages.consumer import forms
from gateway.pages.consumer.signin.sessions import Person, Session
from gateway.server.pages import RESIDENTS
from scoregate.admin.v1 import partner_admin_pb2
from scoregate.partner.v1 import consent_pb2
from tests.pages.browser import Browser, text_of
from tests.pages.phone import new_address
from tests.pages.place import Place
from tests.world import Partner, contract

ADA, CHEN, BO, CLEO, DEE = (resident[0] for resident in RESIDENTS)
NOWHERE = "a" * 26  # a handle, or a consent's id, that nobody gave out
FORM = "application/x-www-form-urlencoded"
FAMILIES = [(family, "on") for family in ("HISTORY", "BEHAVIOUR", "CAPACITY", "IDENTITY")]
ON = [*FAMILIES, ("lines", "600 650")]  # those of the contract of a lender in tests

_lenders = count(1)

ACTIONS = {
    "allow": "/i/{handle}/allow",
    "deny": "/i/{handle}/deny",
    "pause": "/consents/{consent}/pause",
    "resume": "/consents/{paused}/resume",
    "revoke": "/consents/{consent}/revoke",
    "freeze": "/freeze/on",
    "unfreeze": "/freeze/off",
    "dispute": "/wrong/tell",
    "logout": "/logout",
}
FIELDS = {"allow": ON, "dispute": [("kind", "DISPUTE"), ("words", "It is wrong.")]}


def arrive(place: Place, subject: str = "", **given: str) -> Browser:
    """Somebody's browser, from a network of its own."""
    return place.browser(subject, **(new_address() | given))


def lender(place: Place, legal_name: str = "", **changes: Any) -> Partner:
    """One that nobody has met."""
    name = f"lender-{next(_lenders)}"
    added = partner_admin_pb2.Partner(
        partner_id=name,
        legal_name=legal_name or f"{name.title()} Ltd",
        role="ROLE_PARTNER",
        contract=contract(**changes),
    )
    place.world.partners.AddPartner(partner_admin_pb2.AddPartnerRequest(partner=added))
    return place.world.enroll(name)


def state_of(asker: Partner, handle: str) -> str:
    """An invitation's state, as its lender sees it."""
    return consent_pb2.InvitationState.Name(invitation(asker, handle).state)[17:]


def invitation(asker: Partner, handle: str) -> consent_pb2.ConsentInvitation:
    request = consent_pb2.GetConsentInvitationRequest(handle=handle)
    return asker.consents.GetConsentInvitation(request).invitation


def token_for(browser: Browser, path: str, language: str = "en") -> str:
    """What this browser's session would be given for a path: whoever holds the cookie can make it."""
    session = Session(browser.cookies["scoregate"], Person(""), datetime.max.replace(tzinfo=UTC))
    return forms.token(session, path, language)


def sent(browser: Browser, path: str, *fields: tuple[str, str], **headers: str) -> httpx.Response:
    """A form with the right token for where it goes."""
    return browser.post(path, [("token", token_for(browser, path)), *fields], **headers)


def victim_of(place: Place) -> dict[str, str]:
    """What Ada has open: an invitation, a consent, and one that is paused."""
    asker = lender(place)
    paused = place.world.consent(asker, ADA)
    place.world.change(paused, "PAUSE")
    consent = place.world.consent(asker, ADA)
    return {"handle": asker.invite().handle, "consent": consent.consent_id, "paused": paused.consent_id}


def refused(place: Place, answer: Callable[[], httpx.Response], status: int = 403) -> None:
    """It is refused, and nothing at all came of it."""
    with place.world.entries() as entries:
        response = answer()
    assert (response.status_code, entries) == (status, []), text_of(response)


def same(one: httpx.Response, two: httpx.Response, *ids: str) -> None:
    """Not a byte tells them apart, but the id that was asked for."""

    def plain(response: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
        text = response.text
        for each in ids:
            text = text.replace(each, "ID")
        headers = [
            pair for pair in response.headers.multi_items() if pair[0] not in ("date", "content-length")
        ]
        return response.status_code, text, headers

    assert plain(one) == plain(two)
    assert one.status_code in (403, 404), text_of(one)


def raw(browser: Browser, path: str, body: Any, **headers: str) -> httpx.Response:
    own = {"origin": browser.url, "content-type": FORM} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    return browser._client.post(path, content=body, headers=own)


class _Seen(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def require_inert(page: httpx.Response) -> list[str]:
    """Return the page's tags, if nothing in it could ever run, nor be a style within the page."""
    tags = _Seen(page.text).tags
    for tag, attributes in tags:
        assert tag not in ("script", "style", "iframe", "object", "embed", "base", "template")
        for name, value in attributes.items():
            assert not name.startswith("on"), (page.url, tag, name)
            assert name != "style", (page.url, tag)
            if name in ("href", "src", "action", "formaction"):
                assert re.match(r"/(?!/)|#|https://lender\.example/back\?", value or ""), (tag, value)
    return [tag for tag, _ in tags]


def unescaped(page: httpx.Response) -> str:
    """The page's text as a browser would show it, once unescaped."""
    parser = _Text()
    parser.feed(page.text)
    return " ".join(parser.text)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)
