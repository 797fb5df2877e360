"""The borrower, and whoever else opens a link: people at the consumers' own pages, who hold no key at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.demo.browser import Browser, Screen
from gateway.demo.page import StepFailed
from gateway.server.pages import RESIDENTS

ASKED = "/asked/"


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody whom development's own provider knows; what a login says of them."""

    subject: str
    name: str
    document_number: str
    phone: str


RESIDENT = {each[0]: Resident(*each) for each in RESIDENTS}


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of what a person reads about who asked."""

    leaf_index: int
    text: str


class Person:
    """Somebody with a browser."""

    def __init__(self, resident: Resident, browser: Browser) -> None:
        self.resident = resident
        self.browser = browser

    def sign_in(self, welcome: Screen) -> Screen:
        """Go on from the page that asks who they are, through development's own provider.

        Raises:
            StepFailed: As everything here does where a page is not what it should be.
        """
        choosing = self.browser.open(welcome.link("/login"))
        form, subject = choosing.form("/authorize"), self.resident.subject
        if ("subject", subject) not in form.choices:
            raise StepFailed("the provider knows the borrower", "it does not")
        return self.browser.send(form, subject=subject)

    def allow(self, link: str) -> Screen:
        """Say yes to an invitation, whose switches stay as they are; they are signed in."""
        return self.browser.send(self.browser.open(link).form("/allow"))

    def change(self, consent_id: str, change: str) -> Screen:
        """Press pause, resume or revoke."""
        return self.browser.send(self.browser.open(f"/consents/{consent_id}").form(f"/{change}"))

    def freeze(self, *, frozen: bool) -> Screen:
        """Freeze or unfreeze everything."""
        return self.browser.send(self.browser.open("/freeze").form("/on" if frozen else "/off"))

    def asked(self) -> list[Asked]:
        """Read who asked, the newest first."""
        links = self.browser.open("/asked").links
        ends = ((href.removeprefix(ASKED), text) for href, text in links if href.startswith(ASKED))
        return [Asked(int(end), text) for end, text in ends if end.isdigit()]

    def save_receipt(self, consent_id: str, file: Path) -> Path:
        """Download the signed receipt of a consent."""
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_bytes(self.browser.download(f"/consents/{consent_id}/receipt"))
        return file
