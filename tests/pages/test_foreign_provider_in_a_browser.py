"""Signing in at a provider of another site, on a phone without JavaScript: away, back, and out again.

The pages are at 127.0.0.1 and the provider at localhost, which to a browser are two sites: SameSite decides
which cookies come back, and the pages' policy whether a form may lead there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.pages.consumer import words
from gateway.pki import create_private
from scoregate.partner.v1 import consent_pb2
from tests.pages.foreign import SECRET, certified
from tests.pages.phone import Phone, axe_source, chromium
from tests.pages.place import Place, free_port, open_place
from tests.world import Partner, settings_for

ADA, BO = "uci-00001", "uci-00003"


@dataclass(frozen=True, slots=True)
class Abroad:
    """Pages, a lender, and the provider that knows the lender's people."""

    place: Place
    lender: Partner
    issuer: str

    def state_of(self, asked: consent_pb2.ConsentInvitation) -> str:
        """An invitation's state, as its lender sees it."""
        request = consent_pb2.GetConsentInvitationRequest(handle=asked.handle)
        found = self.lender.consents.GetConsentInvitation(request).invitation
        return consent_pb2.InvitationState.Name(found.state).removeprefix("INVITATION_STATE_")


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory, engine_folder: Path) -> Iterator[Abroad]:
    home, port = tmp_path_factory.mktemp("abroad") / "home", free_port()
    with ExitStack() as opened:
        issuer = opened.enter_context(certified(f"http://127.0.0.1:{port}/login/callback", host="localhost"))
        home.mkdir()
        create_private(home / "provider.secret", SECRET.encode())
        named = {
            "SCOREGATE_PAGES__PROVIDER": issuer,
            "SCOREGATE_PAGES__CLIENT_SECRET": str(home / "provider.secret"),
        }
        settings = settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder, **named)
        place = opened.enter_context(open_place(settings, port=port))
        yield Abroad(place, place.world.partner("acme"), issuer)


@pytest.fixture(autouse=True)
def in_time(abroad: Abroad) -> None:
    """The provider's clock goes on: what it says now must not lie in the place's future."""
    abroad.place.world.clock.now = datetime.now(UTC)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_source()


@pytest.fixture(params=list(words.languages()))
def phone(request: pytest.FixtureRequest, abroad: Abroad, browser: Browser, axe: str) -> Iterator[Phone]:
    phone = Phone(browser, abroad.place.url, request.param, axe)
    # The provider's pages ask for a font of a third site: nothing but these two is reached.
    both = (f"{abroad.place.url}/", f"{abroad.issuer}/")
    phone.context.route(lambda url: not url.startswith(both), lambda route: route.abort())
    yield phone
    phone.close()
    assert not phone.complaints, "\n".join(phone.complaints)


def is_asked(page: Page, abroad: Abroad) -> None:
    """The person is at the provider, which asks who they are."""
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()
    assert urlsplit(page.url)[:2] == urlsplit(abroad.issuer)[:2]


def sign_in(page: Page, abroad: Abroad, subject: str, *, goes_on: int = 1) -> None:
    """At the provider. Whoever is new there goes on once, to let it tell us who they are."""
    is_asked(page, abroad)
    page.get_by_placeholder("Enter any login").fill(subject)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    for _ in range(goes_on):
        page.get_by_role("button", name="Continue").click()


def sign_out(page: Page, phone: Phone) -> None:
    says = words.languages()[phone.language]
    page.get_by_role("button", name=says("Sign out")).click()
    expect(page).to_have_url(f"{phone.url}/signed-out")


def allow(phone: Phone) -> None:
    says = words.languages()[phone.language]
    phone.page.get_by_role("button", name=says("Allow"), exact=True).click()


def reads(phone: Phone, text: str) -> None:
    expect(phone.page.locator("main")).to_contain_text(words.languages()[phone.language](text))


def arrive(phone: Phone, abroad: Abroad, asked: consent_pb2.ConsentInvitation) -> None:
    """By the lender's link and through the provider, to the invitation."""
    phone.open(asked.url)
    reads(phone, "Somebody asks for your yes")
    phone.press(words.languages()[phone.language]("Sign in"))
    sign_in(phone.page, abroad, ADA)
    expect(phone.page).to_have_url(asked.url)
    reads(phone, "What is never shared")


def test_a_person_signs_in_elsewhere_allows_and_is_asked_anew_after_signing_out(
    phone: Phone, abroad: Abroad
) -> None:
    asked = abroad.lender.invite()
    arrive(phone, abroad, asked)
    ours = {(each["name"], each["sameSite"], each["httpOnly"]) for each in phone.context.cookies(phone.url)}
    assert ours == {("scoregate", "Lax", True)}
    allow(phone)
    reads(phone, "You allowed it")
    assert abroad.state_of(asked) == "APPROVED"

    # The provider still knows them, and says so without a question; once they have signed out, it asks.
    phone.open("/login?next=/consents")
    expect(phone.page).to_have_url(f"{phone.url}/consents")
    sign_out(phone.page, phone)
    phone.press(words.languages()[phone.language]("Sign in"))
    sign_in(phone.page, abroad, BO, goes_on=2)  # once to end the session of another there
    # From another site, but they have just signed in: that is a look at their own score.
    expect(phone.page.locator(".figure")).to_be_visible()
    phone.open("/consents")
    expect(phone.page.locator("main")).not_to_contain_text("Acme")


def test_whoever_says_no_at_the_provider_can_try_again_and_is_back_at_the_invitation(
    phone: Phone, abroad: Abroad
) -> None:
    says = words.languages()[phone.language]
    asked = abroad.lender.invite()
    phone.open(asked.url)
    phone.press(says("Sign in"))
    is_asked(phone.page, abroad)
    phone.page.get_by_role("link", name="Cancel").click()
    reads(phone, "You have not signed in")
    phone.press(says("Try again"))
    sign_in(phone.page, abroad, ADA)
    expect(phone.page).to_have_url(asked.url)
    reads(phone, "What is never shared")


@pytest.mark.parametrize("how", ["too late", "by an older tab"])
def test_whoever_comes_back_in_no_good_way_tries_again_and_is_at_the_invitation(
    phone: Phone, abroad: Abroad, how: str
) -> None:
    says = words.languages()[phone.language]
    asked = abroad.lender.invite()
    phone.open(asked.url)
    phone.press(says("Sign in"))
    is_asked(phone.page, abroad)
    if how == "too late":
        abroad.place.world.clock.move(minutes=10)
    else:
        other = phone.context.new_page()
        other.goto(asked.url)
        other.get_by_role("link", name=says("Sign in")).click()
        is_asked(other, abroad)
    sign_in(phone.page, abroad, ADA)
    reads(phone, "This sign-in can't be finished")
    if how == "too late":
        abroad.place.world.clock.move(minutes=-10)  # the provider's own clock has not moved
    phone.press(says("Try again"))
    expect(phone.page).to_have_url(asked.url)
    reads(phone, "What is never shared")


@pytest.mark.parametrize("ended", ["by the clock", "in another tab"])
def test_a_yes_after_the_session_has_ended_does_nothing_says_so_and_leads_back(
    phone: Phone, abroad: Abroad, ended: str
) -> None:
    asked = abroad.lender.invite()
    arrive(phone, abroad, asked)
    if ended == "by the clock":
        abroad.place.world.clock.move(minutes=31)
    else:
        other = phone.context.new_page()
        other.goto(f"{phone.url}/consents")
        sign_out(other, phone)
    with abroad.place.world.entries() as entries:
        allow(phone)
        reads(phone, "Nothing was done")
        phone.look("nothing-was-done")
    assert (entries, abroad.state_of(asked)) == ([], "PENDING")
    if ended == "by the clock":
        abroad.place.world.clock.move(minutes=-31)  # the provider's own clock has not moved
    phone.press(words.languages()[phone.language]("Sign in"))
    if ended == "in another tab":  # else the provider knows them and does not ask
        sign_in(phone.page, abroad, ADA, goes_on=0)
    expect(phone.page).to_have_url(asked.url)
    allow(phone)
    reads(phone, "You allowed it")
    assert abroad.state_of(asked) == "APPROVED"


def test_whoever_signs_out_too_late_is_asked_anew_as_well(phone: Phone, abroad: Abroad) -> None:
    arrive(phone, abroad, abroad.lender.invite())
    abroad.place.world.clock.move(minutes=31)
    sign_out(phone.page, phone)
    abroad.place.world.clock.move(minutes=-31)  # the provider's own clock has not moved
    phone.press(words.languages()[phone.language]("Sign in"))
    is_asked(phone.page, abroad)


def test_a_form_that_went_on_to_the_provider_would_stop_without_a_word(phone: Phone, abroad: Abroad) -> None:
    """The control: links lead there, and forms of a page under our policy do not."""
    page = phone.open("/")
    form = '<form action="/login"><button>By a form</button></form>'
    page.locator("main").evaluate("(main, form) => { main.innerHTML += form }", form)
    with page.expect_console_message(lambda said: "form-action" in said.text):
        page.get_by_role("button", name="By a form").click()
    phone.complaints.clear()
    assert page.url == f"{phone.url}/"
    phone.press(words.languages()[phone.language]("Sign in"))
    is_asked(page, abroad)
