"""The invitation on its page: what is read, what is decided, and what comes of it at the lender's."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import combinations

import grpc
import httpx
import pytest

from consent.identity import Trait
from gateway.pages.consumer import words
from gateway.pages.consumer.signin import sessions
from gateway.pages.consumer.signin.sessions import Person
from gateway.pages.consumer.words import Language
from gateway.store import open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2, types_pb2
from scoregate.words import Disclosure
from tests.pages.attacking import arrive, sent
from tests.pages.browser import forms, text_of
from tests.pages.place import Place
from tests.world import Partner, new_uuid, seconds, terms

BACK = "https://lender.example/back"
STATE = "st4te-of-the-lender"


@pytest.fixture(scope="module")
def acme(place: Place) -> Partner:
    return place.world.partner("acme", return_addresses=[BACK])


def invite(partner: Partner, **given: object) -> consent_pb2.CreateConsentInvitationResponse:
    chosen = {"terms": terms(), **given}
    request = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), **chosen)  # type: ignore[arg-type]
    return partner.consents.CreateConsentInvitation(request)


CARDS = {
    "number": Disclosure.SCORE,
    "band": Disclosure.BAND,
    "line": Disclosure.THRESHOLD,
    "reasons": Disclosure.REASONS,
}
"""By the class of its card: what a person reads that they would allow."""


def acme_consent(done: httpx.Response) -> str:
    """The consent that a yes made."""
    found = re.search(r"/consents/([a-z2-7]{26})", done.text)
    assert found
    return found[1]


def state(partner: Partner, handle: str) -> str:
    request = consent_pb2.GetConsentInvitationRequest(handle=handle)
    found = partner.consents.GetConsentInvitation(request).invitation
    return consent_pb2.InvitationState.Name(found.state).removeprefix("INVITATION_STATE_")


def test_the_link_leads_to_the_question_and_the_yes_to_an_answer(place: Place, acme: Partner) -> None:
    made = invite(acme, return_address=BACK, return_state=STATE)
    handle = made.invitation.handle
    browser = place.browser()

    before = browser.get(made.invitation.url)
    assert "Acme" not in text_of(before)  # nothing of who asks, to whoever holds the link alone
    question = browser.sign_in("uci-00001", then=f"/i/{handle}")
    read = text_of(question)
    assert "Acme Lending Ltd would like to see your credit score" in read
    assert "You applied to them for credit." in read
    assert "They see the number itself" in read
    assert state(acme, handle) == "PENDING"  # nothing approves itself

    done = browser.press(question, "/allow")

    assert "You allowed it" in text_of(done)
    assert f"{BACK}?handle={handle}&amp;state={STATE}" in done.text
    assert state(acme, handle) == "APPROVED"
    consent_id = re.search(r"/consents/([a-z2-7]{26})", done.text)
    assert consent_id
    answer = acme.score(consent_id[1])
    # Social connections stay out unless they are switched on.
    assert types_pb2.INPUT_FAMILY_SOCIAL not in answer.scored.families
    consent = acme.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent_id[1])).consent
    assert list(consent.terms.excluded_families) == [types_pb2.INPUT_FAMILY_SOCIAL]


def test_a_line_is_shown_with_its_figures_and_no_number_is_promised(place: Place, acme: Partner) -> None:
    handle = invite(acme, terms=terms(disclosures=["DISCLOSURE_THRESHOLD"])).invitation.handle
    read = text_of(place.browser("uci-00002").get(f"/i/{handle}"))
    assert "600 · 650" in read
    assert "exact number" not in read
    assert "Acme Lending Ltd would like a yes or no about your credit score" in read


def test_one_line_is_not_one_of_these_lines(own_place: Place) -> None:
    acme = own_place.world.partner("acme", thresholds=[600])
    handle = invite(acme, terms=terms(disclosures=["DISCLOSURE_THRESHOLD"])).invitation.handle
    read = text_of(own_place.browser("uci-00002").get(f"/i/{handle}"))
    assert "They learn whether you reach 600, and neither number nor band." in read


@pytest.mark.parametrize("language", list(words.languages().values()), ids=lambda each: each.tag)
def test_whatever_a_person_says_yes_to_is_listed_before_and_after(
    place: Place, acme: Partner, language: Language
) -> None:
    """Each disclosure by itself, be it told by another as well: what is signed for is what was shown."""
    browser = place.browser("uci-00002", **{"accept-language": language.tag})
    every = tuple(Disclosure)
    chosen = [set(some) for count in range(1, 5) for some in combinations(every, count)]
    # Reasons go with a number or a band alone; no invitation asks for others.
    shown = {Disclosure.SCORE, Disclosure.BAND}
    chosen = [some for some in chosen if Disclosure.REASONS not in some or some & shown]
    assert len(chosen) == 13
    for some in chosen:
        asked = terms(disclosures=[f"DISCLOSURE_{each}" for each in sorted(some)])
        handle = invite(acme, terms=asked).invitation.handle
        question = browser.get(f"/i/{handle}")
        consent_id = acme_consent(browser.press(question, "/allow"))
        consent = browser.get(f"/consents/{consent_id}")
        for page in (question, consent):
            cards = re.findall(r'<li class="show (\w+)">(.*?)</li>', page.text, flags=re.S)
            assert {CARDS[kind] for kind, _ in cards} == some
            lines = "".join(said for kind, said in cards if kind == "line")
            assert ("600 · 650" in lines) == (Disclosure.THRESHOLD in some)
        (card,) = re.findall(
            rf'<h3><a href="/consents/{consent_id}">.*?</li>', browser.get("/consents").text, re.S
        )
        (first,) = re.findall(r"</h3>\s*<p>(.*?)<br>", card, re.S)
        names = [language(words.DISCLOSURES[each]) for each in every if each in some]
        listed = " ".join(first.split())
        assert [each.partition(" (")[0] for each in listed.split(" · ")] == names
        assert (f"(600{language.comma}650)" in listed) == (Disclosure.THRESHOLD in some)


def test_a_yes_is_to_the_lines_and_the_words_that_were_read(own_place: Place) -> None:
    acme = own_place.world.partner("acme", thresholds=[550, 600])
    own_place.world.set_contract("acme", thresholds=[600])
    lines = terms(disclosures=["DISCLOSURE_THRESHOLD"])
    handle = invite(acme, terms=lines).invitation.handle
    browser = own_place.browser("uci-00001", **{"accept-language": "zh-CN"})
    page = browser.get(f"/i/{handle}")
    assert "600" in text_of(page)
    own_place.world.set_contract("acme", thresholds=[550, 600])

    late = browser.press(page, "/allow")

    assert late.status_code == 409
    assert state(acme, handle) == "PENDING"
    browser.press(browser.get(f"/i/{handle}"), "/allow")
    (consent,) = acme.consents.ListConsents(consent_pb2.ListConsentsRequest()).consents
    assert list(consent.terms.thresholds) == [550, 600]
    assert consent.notice_version == "2026-12.zh-Hans"


@pytest.mark.parametrize(("read", "then"), [("zh-Hans", "en"), ("en", "zh-Hans")])
def test_a_consent_names_the_language_that_was_read_and_not_one_chosen_since(
    place: Place, acme: Partner, read: str, then: str
) -> None:
    handle = invite(acme).invitation.handle
    browser = arrive(place, "uci-00002")
    browser.get(f"/language?to={read}")
    page = browser.get(f"/i/{handle}")
    assert f'lang="{read}"' in page.text
    browser.get(f"/language?to={then}")  # in another tab

    done = browser.press(page, "/allow")

    assert f'<html lang="{then}"' in done.text
    request = consent_pb2.GetConsentInvitationRequest(handle=handle)
    consent_id = acme.consents.GetConsentInvitation(request).invitation.consent_id
    consent = acme.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent_id)).consent
    assert consent.notice_version == f"2026-12.{read}"


def test_a_form_can_not_be_said_to_have_been_read_in_another_language(place: Place, acme: Partner) -> None:
    handle = invite(acme).invitation.handle
    browser = arrive(place, "uci-00002")
    (form,) = [each for each in forms(browser.get(f"/i/{handle}")) if each.action.endswith("/allow")]
    token = dict(form.fields)["token"]
    for other in (token.replace("en.", "zh-Hans.", 1), token.removeprefix("en."), f".{token}", "en."):
        fields = [(name, other if name == "token" else value) for name, value in form.fields]
        assert browser.post(form.action, fields).status_code == 403
    assert state(acme, handle) == "PENDING"


def test_what_is_switched_off_stays_out_of_the_answer(place: Place, acme: Partner) -> None:
    handle = invite(acme).invitation.handle
    browser = place.browser("uci-00002")
    question = browser.get(f"/i/{handle}")

    done = browser.press(question, "/allow", also={"CAPACITY": "", "SOCIAL": "on"})

    consent_id = re.search(r"/consents/([a-z2-7]{26})", done.text)
    assert consent_id
    assert types_pb2.INPUT_FAMILY_CAPACITY not in acme.score(consent_id[1]).scored.families
    assert "Capacity to pay" in text_of(browser.get(f"/consents/{consent_id[1]}"))


def test_what_the_lender_left_out_can_not_be_switched_on(place: Place, acme: Partner) -> None:
    handle = invite(acme, terms=terms(excluded_families=["INPUT_FAMILY_CAPACITY"])).invitation.handle
    browser = place.browser("uci-00002")
    question = browser.get(f"/i/{handle}")
    (form,) = [each for each in forms(question) if each.action.endswith("/allow")]
    assert "CAPACITY" in form.locked

    done = browser.press(question, "/allow", also={"CAPACITY": "on"})

    consent_id = re.search(r"/consents/([a-z2-7]{26})", done.text)
    assert consent_id
    assert types_pb2.INPUT_FAMILY_CAPACITY not in acme.score(consent_id[1]).scored.families


def test_a_score_that_would_rest_on_nothing_is_no_consent(place: Place, acme: Partner) -> None:
    handle = invite(acme).invitation.handle
    browser = place.browser("uci-00002")
    question = browser.get(f"/i/{handle}")

    none = dict.fromkeys(("HISTORY", "BEHAVIOUR", "CAPACITY", "IDENTITY", "SOCIAL"), "")
    refused = browser.press(question, "/allow", also=none)

    assert refused.status_code == 400
    assert "Leave one on, or say no" in text_of(refused)
    assert state(acme, handle) == "PENDING"


def test_a_no_tells_the_lender_so_and_the_person_finds_it_among_their_entries(
    place: Place, acme: Partner
) -> None:
    handle = invite(acme).invitation.handle
    browser, other = place.browser("uci-00003"), place.browser("uci-00004")
    done = browser.press(browser.get(f"/i/{handle}"), "/deny")

    assert "You said no" in text_of(done)
    assert state(acme, handle) == "REJECTED"
    assert "You said no to Acme Lending Ltd" in text_of(browser.get("/asked"))
    # Nobody else learns of it, whatever address they copy.
    assert other.get(str(done.url)).status_code == 404
    assert other.get(f"/i/{handle}").status_code == 404


def test_an_answered_question_shows_its_consent_to_whom_it_is_and_nothing_to_others(
    place: Place, acme: Partner
) -> None:
    handle = invite(acme).invitation.handle
    browser, other = place.browser("uci-00003"), place.browser("uci-00004")
    done = browser.press(browser.get(f"/i/{handle}"), "/allow")

    assert "/consents/" in str(browser.get(f"/i/{handle}").url)
    nowhere = other.get("/i/" + "a" * 26)
    found = other.get(f"/i/{handle}")
    assert (
        (found.status_code, text_of(found))
        == (nowhere.status_code, text_of(nowhere))
        == (404, text_of(found))
    )
    assert other.get(str(done.url)).status_code == 404


def test_a_question_that_has_run_out_is_not_shown(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    handle = invite(acme, decide_within=seconds(60)).invitation.handle
    browser = own_place.browser("uci-00001")
    question = browser.get(f"/i/{handle}")
    own_place.world.clock.move(seconds=61)

    late = browser.press(question, "/allow")

    assert late.status_code == 409
    assert "not open any more" in text_of(late)
    assert browser.get(f"/i/{handle}").status_code == 404
    assert state(acme, handle) == "EXPIRED"


def test_whom_the_lender_named_decides_and_nobody_else(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    # As the lender writes it: traditional, another spacing; the login knows it otherwise.
    identity = consent_pb2.IdentityToMatch(name="陳 國強", document_number="test 0002", phone="+447700900002")
    meant, other = (invite(acme, identity=identity).invitation.handle for _ in range(2))

    right = own_place.browser("uci-00002")
    assert "You allowed it" in text_of(right.press(right.get(f"/i/{meant}"), "/allow"))

    wrong = own_place.browser("uci-00001")
    with own_place.world.entries() as entries:
        page = wrong.get(f"/i/{other}")
        assert (page.status_code, entries) == (200, [])
        seen = wrong.press(page, "/read")
    assert seen.status_code == 404
    assert "Acme" not in text_of(page) + text_of(seen)
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_INVITATION_MISMATCHED]
    assert state(acme, other) == "IDENTITY_MISMATCH"
    # It has ended, for the right one too.
    assert right.get(f"/i/{other}").status_code == 404


def test_what_was_allowed_and_has_ended_is_not_told_to_hold_still(own_place: Place) -> None:
    world, browser = own_place.world, own_place.browser("uci-00001")
    acme = world.partner("acme")
    handle = invite(acme, terms=terms(mode="CONSENT_MODE_PERIODIC")).invitation.handle
    done = browser.press(browser.get(f"/i/{handle}"), "/allow")
    request = consent_pb2.GetConsentInvitationRequest(handle=handle)
    consent_id = acme.consents.GetConsentInvitation(request).invitation.consent_id
    consent = acme.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent_id)).consent

    def told() -> tuple[bool, list[str]]:
        page = browser.get(str(done.url))
        return "may ask now" in text_of(page), re.findall(r'class="tag ([a-z]+)"', page.text)

    assert told() == (True, [])
    world.change(consent, "PAUSE")
    assert told() == (False, ["paused"])
    world.change(consent, "RESUME")
    world.freeze("uci-00001")
    assert told() == (False, ["active", "frozen"])
    world.freeze("uci-00001", frozen=False)
    assert told() == (True, [])
    world.change(consent, "REVOKE")
    assert told() == (False, ["revoked"])


def test_a_frozen_file_is_thawed_for_one_lender_alone_and_only_on_purpose(own_place: Place) -> None:
    acme, bank = own_place.world.partner("acme"), own_place.world.partner("bank")
    browser = own_place.browser("uci-00001")
    before = own_place.world.consent(bank, mode="CONSENT_MODE_PERIODIC")
    browser.press(browser.get("/freeze"), "/freeze/on")
    handle = invite(acme).invitation.handle
    question = browser.get(f"/i/{handle}")
    assert "Your file is frozen" in text_of(question)

    # No browser's own words keep the form back: the page says what is missing, and the way back.
    assert not re.search(r'name="lift"[^>]*required', question.text)
    refused = browser.press(question, "/allow")
    assert refused.status_code == 409
    assert "tick the box that lifts the freeze" in text_of(refused)
    done = browser.press(question, "/allow", also={"lift": "on"})

    consent_id = re.search(r"/consents/([a-z2-7]{26})", done.text)
    assert consent_id
    assert acme.score(consent_id[1]).scored.score
    with pytest.raises(grpc.RpcError) as refusal:
        bank.score(before)
    assert "froze" in refusal.value.details()  # type: ignore[attr-defined]


def test_a_freeze_says_whom_it_stops_and_for_whom_it_is_lifted(own_place: Place) -> None:
    acme, bank = own_place.world.partner("acme"), own_place.world.partner("bank")
    browser = own_place.browser("uci-00001")
    stopped = own_place.world.consent(bank, mode="CONSENT_MODE_PERIODIC")
    review = own_place.world.consent(bank, purpose="PURPOSE_ACCOUNT_REVIEW", mode="CONSENT_MODE_PERIODIC")
    own_place.world.clock.move(seconds=1)
    frozen = browser.press(browser.get("/freeze"), "/freeze/on")
    assert "For whom you lifted it" not in text_of(frozen)
    question = browser.get(f"/i/{invite(acme, terms=terms(mode='CONSENT_MODE_PERIODIC')).invitation.handle}")
    lifted = acme_consent(browser.press(question, "/allow", also={"lift": "on"}))
    said = {
        stopped.consent_id: "Stopped: your file is frozen",
        review.consent_id: "Answered all the same: a review of credit that you have",
        lifted: "Answered all the same: you lifted the freeze for it",
    }
    listed = browser.get("/consents").text
    for consent_id, tag in said.items():
        assert tag in text_of(browser.get(f"/consents/{consent_id}"))
        assert tag in listed.partition(f'<h3><a href="/consents/{consent_id}">')[2].partition("</li>")[0]
    assert re.findall(r'<li><a href="/consents/([a-z2-7]{26})">Acme', browser.get("/freeze").text) == [lifted]
    browser.press(browser.get(f"/consents/{lifted}"), "/revoke")
    assert "For whom you lifted it" not in text_of(browser.get("/freeze"))
    browser.press(frozen, "/freeze/off")
    assert "Stopped" not in text_of(browser.get("/consents"))


def test_a_login_that_does_not_say_who_somebody_is_ends_nothing(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    identity = consent_pb2.IdentityToMatch(name="陈国强", document_number="TEST-0002")
    handle = invite(acme, identity=identity).invitation.handle
    browser = own_place.browser()
    person = Person("uci-00002", {Trait.NAME: "陈国强"})  # and no document: the provider has no such claim
    store = open_store(own_place.world.settings.database.url)
    with store.writer.begin() as connection:
        now, life = own_place.world.clock(), timedelta(hours=1)
        browser.cookies.set("scoregate", sessions.begin(connection, person, now=now, life=life).token)
    store.close()

    for seen in (browser.get(f"/i/{handle}"), sent(browser, f"/i/{handle}/read")):
        assert seen.status_code == 409
        assert "does not say enough" in text_of(seen)
    assert state(acme, handle) == "PENDING"


def test_a_lender_who_was_stopped_is_allowed_nothing(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    handle = invite(acme).invitation.handle
    browser = own_place.browser("uci-00001")
    question = browser.get(f"/i/{handle}")
    own_place.world.suspend("acme")

    for answer in (browser.get(f"/i/{handle}"), browser.press(question, "/allow")):
        assert answer.status_code == 409
        assert "may not ask at the moment" in text_of(answer)

    own_place.world.resume("acme")
    assert state(acme, handle) == "PENDING"


WAYS = [  # a browser's word for how it came: from a mail or a code, a link, a redirect, nobody knows
    *({}, {"sec-fetch-site": "none", "sec-fetch-user": "?1"}, {"sec-fetch-site": "cross-site"}),
    *({"sec-fetch-site": "same-site"}, {"sec-fetch-site": "same-origin"}, {"sec-purpose": "prefetch"}),
]


def test_no_way_to_the_link_tells_a_lender_who_is_before_it(own_place: Place) -> None:
    """Another site sends a browser there, in sight or out of it; whoever is meant reads on all the same."""
    acme = own_place.world.partner("acme")
    handle = invite(acme, identity=consent_pb2.IdentityToMatch(name="Ada Example")).invitation.handle
    meant, other = own_place.browser("uci-00001"), own_place.browser("uci-00003")
    with own_place.world.entries() as entries:
        for headers in WAYS:
            assert other.get(f"/i/{handle}", headers=headers).status_code == 200
            assert "would like to see your credit score" in meant.get(f"/i/{handle}", headers=headers).text
        assert other.head(f"/i/{handle}").status_code == 200
        after = other.sign_in("uci-00003", then=f"/i/{handle}")  # by redirects from the provider
        assert "Read the question" in text_of(after)
        # And no form of theirs presses for the person.
        assert other.post(f"/i/{handle}/read", {}).status_code == 403
        (form,) = [each for each in forms(after) if each.action.endswith("/read")]
        assert other.post(form.action, form.fields, sec_fetch_site="cross-site").status_code == 403
    assert (entries, state(acme, handle)) == ([], "PENDING")
    assert "Acme" not in after.text
    chinese = other.get(f"/i/{handle}", headers={"accept-language": "zh-CN"})
    assert "阅读这个问题" in text_of(chinese)

    third = own_place.browser("uci-00004")
    page = third.get(f"/i/{handle}")
    with own_place.world.entries() as entries:
        first, second = (third.press(page, "/read") for _ in range(2))
    assert (first.status_code, second.status_code, len(entries)) == (404, 404, 1)
    assert state(acme, handle) == "IDENTITY_MISMATCH"


def test_whoever_is_meant_and_presses_to_read_reads(own_place: Place) -> None:
    """They have signed in as themselves in another tab, or have been told apart by a login of before."""
    acme = own_place.world.partner("acme")
    handle = invite(acme, identity=consent_pb2.IdentityToMatch(name="Ada Example")).invitation.handle
    browser = own_place.browser("uci-00003")
    page = browser.get(f"/i/{handle}")
    browser.sign_in("uci-00001")
    assert browser.press(page, "/read").status_code == 403  # the form of somebody else
    read = sent(browser, f"/i/{handle}/read")
    assert "would like to see your credit score" in text_of(read)
    assert state(acme, handle) == "PENDING"


def test_a_yes_that_is_pressed_twice_is_one(place: Place, acme: Partner) -> None:
    handle = invite(acme).invitation.handle
    browser = place.browser("uci-00001")
    page = browser.get(f"/i/{handle}")
    first, second = (browser.press(page, "/allow") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.url == second.url
    other = place.browser("uci-00002")
    late = other.press(page, "/allow")  # with somebody else's token
    assert late.status_code == 403
