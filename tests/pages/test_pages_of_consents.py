"""My consents and the freeze: what is pressed on a page holds for the lender's next call."""

from __future__ import annotations

import re
from urllib.parse import quote

import grpc
import pytest
import sqlalchemy as sa

from consent.grant import State
from consent.register.tables import grants
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2
from tests.pages.browser import text_of
from tests.pages.place import Place
from tests.world import Partner


@pytest.fixture(scope="module")
def acme(place: Place) -> Partner:
    return place.world.partner("acme")


def periodic(place: Place, partner: Partner, subject: str) -> consent_pb2.Consent:
    return place.world.consent(partner, subject, mode="CONSENT_MODE_PERIODIC")


def refused(partner: Partner, consent: consent_pb2.Consent) -> str:
    with pytest.raises(grpc.RpcError) as refusal:
        partner.score(consent)
    return str(refusal.value.details())  # type: ignore[attr-defined]


def test_nobody_allowed_is_said_kindly(place: Place) -> None:
    read = text_of(place.browser("nobody-yet").get("/consents"))
    assert "You have allowed nobody anything." in read


def test_pause_resume_and_end_hold_at_once_and_leave_the_consumers_entries(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    consent = periodic(own_place, acme, "uci-00001")
    browser = own_place.browser("uci-00001")
    path = f"/consents/{consent.consent_id}"
    with own_place.world.entries() as entries:
        browser.press(browser.get("/consents"), f"{path}/pause")
        assert "paused" in refused(acme, consent)
        browser.press(browser.get(path), "/resume")
        assert acme.score(consent).scored.score
        browser.press(browser.get(path), "/revoke")
        assert "revoked" in refused(acme, consent)

    changes = [entry for entry in entries if entry.actor]
    assert [leaf_pb2.LeafKind.Name(entry.kind).removeprefix("LEAF_KIND_CONSENT_") for entry in changes] == [
        "PAUSED",
        "RESUMED",
        "REVOKED",
    ]
    assert {entry.actor for entry in changes} == {"consumer"}
    assert "Past" in text_of(browser.get("/consents"))


@pytest.mark.parametrize("where", ["/consents", "/consents/{}"])
def test_a_pause_is_one_press_and_an_end_that_stays_is_two(place: Place, acme: Partner, where: str) -> None:
    """The first opens what says that it can't be undone; no script is needed for that."""
    consent = periodic(place, acme, "uci-00004")
    page = place.browser("uci-00004").get(where.format(consent.consent_id)).text
    opened = "".join(re.findall(r"<details>.*?</details>", page, flags=re.S))
    pause, end = (f"/consents/{consent.consent_id}/{what}" for what in ("pause", "revoke"))
    assert (page.count(f'action="{pause}"'), opened.count(f'action="{pause}"')) == (1, 0)
    assert (page.count(f'action="{end}"'), opened.count(f'action="{end}"')) == (1, 1)
    (part,) = re.findall(rf'<form method="post" action="{end}">.*?</form>', opened, flags=re.S)
    assert part.index("This can't be undone") < part.index("End it for good")


def test_a_form_that_comes_too_late_changes_nothing(place: Place, acme: Partner) -> None:
    consent = periodic(place, acme, "uci-00001")
    browser = place.browser("uci-00001")
    page = browser.get(f"/consents/{consent.consent_id}")
    browser.press(page, "/revoke")

    late = browser.press(page, "/pause")

    assert late.status_code == 409
    assert "has changed since you opened the page" in text_of(late)


@pytest.mark.parametrize("what", ["pause", "resume", "revoke"])
def test_another_persons_consent_is_nobodys(place: Place, acme: Partner, what: str) -> None:
    consent = periodic(place, acme, "uci-00001")
    browser = place.browser("uci-00002")
    path = f"/consents/{consent.consent_id}"

    seen, missing = browser.get(path), browser.get("/consents/" + "a" * 26)
    assert (seen.status_code, text_of(seen)) == (404, text_of(missing))
    assert browser.get(f"{path}/receipt").status_code == 404
    # A form needs a token for its address, and none is given out for this one; a made-up one is refused.
    assert browser.post(f"{path}/{what}", {"token": "x" * 43}).status_code == 403
    assert acme.score(consent).scored.score


def test_paused_consents_stand_apart_and_long_lists_go_on(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    consents = [periodic(own_place, acme, "uci-00001") for _ in range(30)]
    own_place.world.change(consents[0], "PAUSE")
    browser = own_place.browser("uci-00001")

    first = browser.get("/consents")
    older = re.search(r"/consents\?before=[a-z2-7]{26}", first.text)
    assert older
    second = browser.get(older[0])

    shown = [set(re.findall(r'<h3><a href="/consents/([a-z2-7]{26})', page.text)) for page in (first, second)]
    assert [len(page) for page in shown] == [25, 5]
    assert shown[0] | shown[1] == {each.consent_id for each in consents}
    assert sum("<h2>Paused</h2>" in page.text for page in (first, second)) == 1
    assert browser.get("/consents?before=" + "a" * 26).status_code == 200  # nobody's: an empty page


def test_one_press_freezes_everything_and_another_thaws_it(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    consent = periodic(own_place, acme, "uci-00001")
    review = own_place.world.consent(
        acme, "uci-00001", purpose="PURPOSE_ACCOUNT_REVIEW", mode="CONSENT_MODE_PERIODIC"
    )
    browser = own_place.browser("uci-00001")
    own_place.world.clock.move(seconds=1)  # the review was agreed to before

    frozen = browser.press(browser.get("/freeze"), "/freeze/on")
    assert "Your file is frozen" in text_of(frozen)
    assert "froze" in refused(acme, consent)
    assert acme.score(review, purpose="PURPOSE_ACCOUNT_REVIEW").scored.score  # what still passes
    assert browser.get("/score").status_code == 200
    assert "nearly nothing passes" in text_of(browser.get("/consents"))
    browser.press(frozen, "/freeze/off")

    assert acme.score(consent).scored.score


def test_each_state_has_its_words(place: Place, acme: Partner) -> None:
    consent = place.world.consent(acme, "uci-00004")
    acme.score(consent)
    browser = place.browser("uci-00004")
    page = browser.get(f"/consents/{consent.consent_id}")
    assert "Ended: answered once, as agreed" in text_of(page)

    ended = browser.press(page, "/revoke")

    assert re.search(r'class="tag revoked">You ended it<', ended.text)
    assert re.search(r"<small>Ended</small>", browser.get("/consents").text)
    assert set(State) == {State.ACTIVE, State.PAUSED, State.REVOKED, State.EXPIRED, State.CONSUMED}


def test_the_receipt_is_the_persons_to_keep(place: Place, acme: Partner) -> None:
    consent = periodic(place, acme, "uci-00003")
    browser = place.browser("uci-00003")

    receipt = browser.get(f"/consents/{consent.consent_id}/receipt")

    assert receipt.headers["content-type"] == "application/consent-receipt+jwt"
    assert receipt.headers["content-disposition"].startswith('attachment; filename="consent-receipt-acme-')
    assert receipt.text.count(".") == 2
    assert "uci-00003" not in receipt.text


def test_what_happened_names_who_did_it(own_place: Place) -> None:
    """The person, our staff for them, or the lender; the latest first."""
    world, acme = own_place.world, own_place.world.partner("acme")
    consent = periodic(own_place, acme, "uci-00001")
    browser = own_place.browser("uci-00001")
    path = f"/consents/{consent.consent_id}"
    browser.press(browser.get(path), "/pause")
    world.change(consent, "RESUME")
    acme.consents.RelinquishConsent(consent_pb2.RelinquishConsentRequest(consent_id=consent.consent_id))

    listed = re.findall(r"<li><time.*?</time>(.*?)</li>", browser.get(path).text, flags=re.S)

    told = [" ".join(re.sub(r"<[^>]*>", " ", each).split()).partition(" log entry")[0] for each in listed]
    by_staff = "recorded for you by our staff"
    assert told == [
        "The lender gave it up",
        f"You resumed it {by_staff}",
        "You paused it",
        f"You allowed it {by_staff}",
    ]


def test_the_latest_of_many_events_are_shown_and_a_receipt_says_when_it_is_too_long(
    place: Place, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = periodic(place, acme, "uci-00003")
    for _ in range(3):
        place.world.change(consent, "PAUSE")
        place.world.change(consent, "RESUME")
    browser = place.browser("uci-00003")
    path = f"/consents/{consent.consent_id}"
    monkeypatch.setattr("gateway.pages.consumer.consents.MOST_EVENTS", 2)
    read = text_of(browser.get(path))
    assert read.count("log entry") == 2
    assert "You resumed it" in read
    assert "You allowed it" not in read
    assert "Earlier events stand in the signed receipt." in read

    for most, status in ((7, 200), (6, 409)):
        monkeypatch.setattr("consent.receipt.MAX_EVENTS", most)
        answer = browser.get(f"{path}/receipt")
        assert answer.status_code == status
    assert "More has happened to this consent than one receipt holds." in text_of(answer)


def test_a_log_that_tells_another_story_keeps_nobody_from_ending_a_consent(
    place: Place, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = periodic(place, acme, "uci-00003")
    browser = place.browser("uci-00003")
    path = f"/consents/{consent.consent_id}"
    with monkeypatch.context() as broken:
        broken.setattr("gateway.pages.consumer.consents.read_entries", lambda *_: {})
        page = browser.get(path)
    assert "You allowed it" in text_of(page)
    assert browser.press(page, "/revoke").status_code == 200
    assert "revoked" in refused(acme, consent)


def test_terms_that_somebody_changed_have_no_receipt_and_can_be_ended(place: Place, acme: Partner) -> None:
    consent = periodic(place, acme, "uci-00003")
    browser = place.browser("uci-00003")
    path = f"/consents/{consent.consent_id}"
    mine = grants.c.consent_id == consent.consent_id
    engine = sa.create_engine(place.world.settings.database.url)
    with engine.begin() as connection:
        text = connection.execute(sa.select(grants.c.terms).where(mine)).scalar_one()
        changed = text.replace('"data_life_s": ', '"data_life_s": 9')
        connection.execute(sa.update(grants).where(mine).values(terms=changed))
    engine.dispose()
    answer = browser.get(f"{path}/receipt")
    assert answer.status_code == 500
    assert "What is stored of this consent is not what you agreed to." in text_of(answer)
    assert browser.press(browser.get(path), "/revoke").status_code == 200


def test_a_button_pressed_after_the_session_says_that_nothing_was_done(own_place: Place) -> None:
    """A browser that holds forms to our address would stop on the way to a provider elsewhere."""
    world, acme = own_place.world, own_place.world.partner("acme")
    consent = periodic(own_place, acme, "uci-00001")
    browser = own_place.browser("uci-00001")
    path = f"/consents/{consent.consent_id}"
    pages = {path: "/revoke", "/freeze": "/on", f"/i/{acme.invite().handle}": "/allow", "/wrong": "/tell"}
    shown = {page: browser.get(page) for page in pages}
    world.clock.move(minutes=31)
    with world.entries() as entries:
        for page, action in pages.items():
            answer = browser.press(shown[page], action)
            assert (answer.status_code, answer.history) == (403, [])
            assert "Nothing was done" in text_of(answer)
            assert f'href="/login?next={quote(page, safe="")}"' in answer.text
    assert entries == []


@pytest.mark.parametrize("change", ["pause", "revoke"])
def test_what_is_pressed_twice_was_pressed_once(place: Place, acme: Partner, change: str) -> None:
    consent = periodic(place, acme, "uci-00002")
    browser = place.browser("uci-00002")
    page = browser.get(f"/consents/{consent.consent_id}")
    with place.world.entries() as entries:
        assert [browser.press(page, f"/{change}").status_code for _ in range(2)] == [200, 200]
    assert len(entries) == 1
