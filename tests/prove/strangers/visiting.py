"""What people do at the consumers' pages: sign in, look round, say in words what is wrong, and are refused.

Kept are the addresses that the pages name or send a browser on to, and every refusal whole. A page that shows
a person their own data owes it to them. A consent's id and an invitation's handle stand in addresses by
design: neither says anything of the person, nor opens anything to anybody else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from tests.pages.browser import Browser
from tests.prove.strangers.scene import ADDRESSES, REFUSED_PAGES, Person, Scene

ADDRESS = re.compile(r'(?:href|src|action|content)="([^"]*)"')
TYPED = re.compile(rb'<textarea.*?</textarea>|<p class="said">.*?</p>', re.DOTALL)
LOOKS = ("/", "/score", "/consents", "/asked", "/asked/report", "/asked/report.json", "/wrong", "/freeze")
DISPUTE = "DISPUTE"
MOST_BYTES = 70_000  # of a form, and more than is taken


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person in a browser."""

    scene: Scene
    person: Person
    browser: Browser

    def note(self, page: httpx.Response) -> httpx.Response:
        """Keep what this page, and those that led to it, let out."""
        ears = self.scene.ears
        for each in (*page.history, page):
            ears.calls += 1
            ears.reasons[f"page {each.status_code}"] += 1
            ears.note(ADDRESSES, each.headers.get("location", ""))
            if each.headers.get("content-type", "").startswith("text/html"):
                ears.note(ADDRESSES, *ADDRESS.findall(each.text))
            if each.status_code >= 400:
                # What they have told, now or before, comes back to them alone.
                shown = TYPED.sub(b"", each.content)
                ears.note(REFUSED_PAGES, f"{each.status_code}", str(each.headers.multi_items()), shown)
        return page

    def look(self, path: str) -> httpx.Response:
        """Read a page."""
        return self.note(self.browser.get(path))

    def send(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form."""
        return self.note(self.browser.post(path, fields, **headers))


def visit(scene: Scene, person: Person, consent_id: str, foreign: tuple[str, str]) -> None:
    """All of it, by one person; ``foreign`` are a consent and a handle that are somebody else's."""
    number = int(person.tag[-12:], 16)
    # Their own address, as the pages' proxy says: one address may sign in only so often.
    network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    with Browser(scene.pages, **{"x-forwarded-for": network}) as browser:
        visitor = Visitor(scene, person, browser)
        _fail_to_sign_in(visitor)
        visitor.note(browser.sign_in(person.subject))
        for path in (*LOOKS, f"/consents/{consent_id}", f"/consents/{consent_id}/receipt"):
            visitor.look(path)
        _be_refused(visitor, foreign)
        _say_what_is_wrong(visitor)
        visitor.note(browser.press(visitor.look("/freeze"), "/logout"))


def _fail_to_sign_in(visitor: Visitor) -> None:
    said = quote(visitor.person.reference)
    visitor.send("/wrong/tell", {"kind": DISPUTE, "words": visitor.person.reference})  # nobody is signed in
    # What somebody writes into an address is theirs, and may come back to them alone.
    for path in (f"/login/callback?code={said}&state={said}", f"/login/callback?error={said}"):
        visitor.look(path)
    visitor.browser.get(f"/{said}?of={quote(visitor.person.subject)}")


def _be_refused(visitor: Visitor, foreign: tuple[str, str]) -> None:
    consent_id, handle = foreign
    said = quote(visitor.person.reference)
    for path in (f"/consents/{consent_id}", f"/consents/{consent_id}/receipt", f"/i/{handle}"):
        visitor.look(path)
    for path in (f"/asked?before={said}", f"/asked/report?year={said}", f"/consents?before={said}"):
        visitor.browser.get(path)
    form = visitor.person.reference
    visitor.send("/freeze/on", {"token": form})  # not the token of this form
    visitor.send("/freeze/on", {"token": form}, sec_fetch_site="cross-site")
    visitor.send(f"/consents/{consent_id}/revoke", {"token": form, form: form})


def _say_what_is_wrong(visitor: Visitor) -> None:
    words = visitor.person.reference
    page, press = visitor.look("/wrong"), visitor.browser.press
    for kind, text in (
        (words, words),
        (DISPUTE, words * 100),
        (DISPUTE, words * (MOST_BYTES // len(words))),
        (DISPUTE, f"{words} \x00"),
        *[(DISPUTE, words)] * 2,
        ("REVIEW", words),
    ):
        visitor.note(press(page, "/wrong/tell", also={"kind": kind, "words": text}))
    for n in range(12):  # until there are too many
        if visitor.note(press(page, "/wrong/tell", also={"kind": DISPUTE, "words": f"{words} {n}"})).is_error:
            break
