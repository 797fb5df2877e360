"""The whole story on a phone, without JavaScript, in both languages; pictured in build/screens/."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gateway.pages.consumer import words
from gateway.pages.consumer.words import Language
from scoregate.partner.v1 import consent_pb2
from tests.pages.phone import Phone, axe_source, chromium
from tests.pages.place import Place
from tests.world import RETURN_ADDRESS, Partner, new_uuid, terms

PEOPLE = {"en": ("uci-00001", "uci-00003"), "zh-Hans": ("uci-00002", "uci-00004")}
NOBODY = "nobody-yet"
BAND_AND_LINE = {
    "invitation-band": ["DISCLOSURE_BAND", "DISCLOSURE_REASONS"],
    "invitation-line": ["DISCLOSURE_THRESHOLD"],
    "invitation-band-and-line": ["DISCLOSURE_BAND", "DISCLOSURE_THRESHOLD"],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_source()


@pytest.fixture(scope="module")
def lenders(place: Place) -> list[Partner]:
    return [place.world.partner(name) for name in ("acme", "bravo")]


@pytest.fixture(params=list(words.languages()))
def phone(request: pytest.FixtureRequest, place: Place, browser: Browser, axe: str) -> Iterator[Phone]:
    phone = Phone(browser, place.url, request.param, axe)
    yield phone
    phone.close()
    assert not phone.complaints, "\n".join(phone.complaints)


def invitation(lender: Partner, **changes: object) -> consent_pb2.ConsentInvitation:
    """One that the person comes back from."""
    request = consent_pb2.CreateConsentInvitationRequest(
        request_id=new_uuid(),
        terms=terms(**changes),
        return_address=RETURN_ADDRESS,
        return_state="s" * 22,
    )
    return lender.consents.CreateConsentInvitation(request).invitation


def looks(button: Locator) -> list[object]:
    """Size, weight and colours of a button."""
    box = button.bounding_box()
    assert box is not None
    styles = "each => (({fontWeight, fontSize, color, backgroundColor, borderColor}) => "
    styles += "[fontWeight, fontSize, color, backgroundColor, borderColor])(getComputedStyle(each))"
    return [round(box["width"], 1), round(box["height"], 1), *button.evaluate(styles)]


@pytest.mark.timeout(300)  # some thirty pages, each looked at four ways
def test_a_person_decides_on_a_phone_and_sees_what_came_of_it(phone: Phone, lenders: list[Partner]) -> None:
    says = words.languages()[phone.language]
    ada, _ = PEOPLE[phone.language]
    acme, bravo = lenders

    def reads(text: str) -> None:
        expect(phone.page.locator("main")).to_contain_text(says(text))

    # The link of a lender; whoever is not signed in learns nothing from it.
    shown = ["DISCLOSURE_SCORE", "DISCLOSURE_THRESHOLD", "DISCLOSURE_REASONS"]
    asked = invitation(acme, disclosures=shown, mode="CONSENT_MODE_PERIODIC", time_zone="Asia/Shanghai")
    phone.open(asked.url)
    reads("Somebody asks for your yes")
    phone.look("welcome")
    phone.press(says("Sign in"))
    phone.look("provider")
    phone.sign_in(ada)

    # Reads, and allows.
    reads("What is never shared")
    expect(phone.page.locator("h1")).to_contain_text("Acme Lending Ltd")
    expect(phone.page.locator('input[name="SOCIAL"]')).not_to_be_checked()
    phone.look("invitation")
    allow, deny = (
        phone.page.get_by_role("button", name=says(name), exact=True) for name in ("Allow", "Deny")
    )
    assert looks(allow) == looks(deny)
    allow.click()
    reads("You allowed it")
    back = phone.page.locator(f'a[href^="{RETURN_ADDRESS}?"]')
    assert back.get_attribute("href") == f"{RETURN_ADDRESS}?handle={asked.handle}&state={'s' * 22}"
    phone.look("allowed")
    request = consent_pb2.GetConsentInvitationRequest(handle=asked.handle)
    consent_id = acme.consents.GetConsentInvitation(request).invitation.consent_id
    assert consent_id

    # The lender asks; the person finds the very number in their own pages.
    answer = acme.score(consent_id).scored.score
    phone.open("/score")
    expect(phone.page.locator(".figure")).to_have_text(str(answer))
    phone.look("score")
    phone.open("/consents")
    phone.page.locator("summary").first.click()
    phone.look("consents")
    phone.open("/asked")
    phone.look("asked")
    phone.page.get_by_role("link", name=str(answer)).click()
    reads("Where it stands in the log")
    phone.look("entry")
    phone.open("/asked/report")
    phone.look("report")

    # What is asked for looks as it is: a number, a band, a line.
    for name, disclosures in BAND_AND_LINE.items():
        phone.open(invitation(bravo, disclosures=disclosures).url)
        phone.look(name)

    # Everything stops, and goes on.
    phone.open("/freeze")
    phone.look("freeze")
    phone.press(says("Freeze now"))
    reads("Your file is frozen")
    phone.look("frozen")
    phone.open("/consents")
    phone.look("consents-frozen")
    second = invitation(
        bravo, disclosures=["DISCLOSURE_THRESHOLD"], excluded_families=["INPUT_FAMILY_SOCIAL"]
    )
    phone.open(second.url)
    phone.look("invitation-frozen")
    phone.open("/freeze")
    phone.press(says("Unfreeze"))
    reads("Freeze now")

    # Something is wrong.
    phone.open("/wrong")
    phone.look("wrong")
    phone.page.get_by_label(says("A human review")).check()
    phone.page.locator("textarea").fill("我没有逾期。 I was never late.")
    phone.press(says("Send it"))
    reads("I was never late.")
    expect(phone.page.locator(".received")).to_be_visible()
    phone.look("wrong-told")

    # One consent, to its end.
    phone.open(f"/consents/{consent_id}")
    phone.look("consent")
    change(phone, says("Pause it"), acme, consent_id, "PAUSED")
    phone.look("consent-paused")
    change(phone, says("Resume it"), acme, consent_id, "ACTIVE")
    phone.page.locator("summary", has_text=says("End it …")).click()
    phone.look("consent-end")
    change(phone, says("End it for good"), acme, consent_id, "REVOKED")
    phone.look("consent-ended")

    # No to another, and a link that leads nowhere any more.
    phone.open(second.url)
    phone.press(says("Deny"))
    reads("You said no")
    phone.look("denied")
    phone.open(second.url)
    reads("There is nothing here for you")
    phone.look("nothing")


def test_a_question_for_somebody_else_waits_until_it_is_pressed(phone: Phone, lenders: list[Partner]) -> None:
    says = words.languages()[phone.language]
    _, bo = PEOPLE[phone.language]
    identity = consent_pb2.IdentityToMatch(name="Somebody Else")
    request = consent_pb2.CreateConsentInvitationRequest(
        request_id=new_uuid(), terms=terms(), identity=identity
    )
    phone.open(lenders[0].consents.CreateConsentInvitation(request).invitation.url)
    phone.press(says("Sign in"))
    phone.sign_in(bo)
    expect(phone.page.locator("main")).to_contain_text(says("A question for one person"))
    phone.look("named")
    phone.press(says("Read the question"))
    expect(phone.page.locator("main")).to_contain_text(says("There is nothing here for you"))


def change(phone: Phone, button: str, lender: Partner, consent_id: str, state: str) -> None:
    """Press it; the lender sees at once what came of it."""
    phone.press(button)
    found = lender.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent_id)).consent
    assert consent_pb2.ConsentState.Name(found.state) == f"CONSENT_STATE_{state}"


def test_somebody_of_whom_nothing_is_known_reads_so_without_shame(phone: Phone) -> None:
    says = words.languages()[phone.language]
    phone.open("/")
    phone.look("home")
    phone.press(says("Sign in"))
    phone.sign_in(NOBODY)
    expect(phone.page.locator("main")).to_contain_text(says("There is not enough to go by yet."))
    phone.look("no-score")
    phone.open("/consents")
    phone.look("no-consents")
    phone.open("/asked/report?year=2021")
    phone.look("no-report")


def test_what_goes_wrong_is_told_on_a_page_like_any_other(phone: Phone) -> None:
    says = words.languages()[phone.language]
    phone.open("/login?next=/wrong")
    phone.page.locator('button[name="subject"][value=""]').click()  # nobody
    expect(phone.page.locator("main")).to_contain_text(says("You have not signed in"))
    phone.look("not-signed-in")
    # The same page in the other language, and back: the way to try again stays.
    for name in (says.name, other_of(phone.language).name)[::-1]:
        phone.page.get_by_role("link", name=name).click()
        into = next(each for each in words.languages().values() if each.name == name)
        expect(phone.page.locator("main")).to_contain_text(into("You have not signed in"))
    phone.press(says("Try again"))
    _, bo = PEOPLE[phone.language]
    phone.sign_in(bo)
    # Everything that a form refuses looks alike; this one's token is another page's.
    with_another_token(phone.page)
    phone.press(says("Send it"))
    expect(phone.page.locator("main")).to_contain_text(says("That did not work"))


def other_of(tag: str) -> Language:
    """The language that this is not."""
    return next(each for each in words.languages().values() if each.tag != tag)


def with_another_token(page: Page) -> None:
    page.get_by_role("radio").first.check()
    page.locator("textarea").fill("x")
    page.evaluate("document.querySelector('main [name=token]').value = 'another'")


def test_the_language_is_a_choice_that_stays(phone: Phone) -> None:
    other = other_of(phone.language)
    phone.open("/")
    phone.page.get_by_role("link", name=other.name).click()
    expect(phone.page.locator("html")).to_have_attribute("lang", other.tag)
    phone.open("/i/nowhere")
    expect(phone.page.locator("html")).to_have_attribute("lang", other.tag)
