"""Something is wrong: told on a page, marked in answers, answered by an operator."""

from __future__ import annotations

import re

import httpx
import pytest

from scoregate.admin.v1 import consent_admin_pb2
from scoregate.partner.v1 import types_pb2
from tests.pages.browser import Browser, text_of
from tests.pages.phone import new_address
from tests.pages.place import Place

WORDS = "My limit is wrong.\nIt was raised in May."


def test_a_dispute_marks_answers_until_it_is_answered(own_place: Place) -> None:
    world = own_place.world
    acme = world.partner("acme")
    consent = world.consent(acme, "uci-00001", mode="CONSENT_MODE_PERIODIC")
    browser = own_place.browser("uci-00001")
    assert not acme.score(consent).marks

    told = browser.press(browser.get("/wrong"), "/tell", also={"kind": "DISPUTE", "words": WORDS})

    reference = re.search(r"<code>([2-9A-Z]{10})</code>", told.text)
    assert reference
    assert "You will be answered by" in text_of(told)
    assert list(acme.score(consent).marks) == [types_pb2.MARK_DISPUTED]
    (listed,) = world.people.ListDisputes(consent_admin_pb2.ListDisputesRequest()).disputes
    assert (listed.reference, listed.words) == (reference[1], WORDS)
    outcome = "You were right: the limit is corrected."
    world.people.ResolveDispute(
        consent_admin_pb2.ResolveDisputeRequest(reference=reference[1], outcome=outcome)
    )

    assert outcome in text_of(browser.get("/wrong"))
    assert not acme.score(consent).marks
    assert "uci-00002" not in browser.get("/wrong").text
    assert WORDS.partition("\n")[0] not in text_of(own_place.browser("uci-00002").get("/wrong"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"words": WORDS}, "choose"),
        ({"kind": "OTHER", "words": WORDS}, "choose"),
        ({"kind": "DISPUTE", "words": " "}, "in a few words"),
        ({"kind": "DISPUTE", "words": "x" * 2_001}, "in a few words"),
        ({"kind": "DISPUTE", "words": "bell \x07"}, "in a few words"),
    ],
)
def test_what_can_not_be_taken_says_why(place: Place, fields: dict[str, str], why: str) -> None:
    browser = place.browser("uci-00003", **new_address())
    refused = browser.press(browser.get("/wrong"), "/tell", also=fields)
    assert refused.status_code == 400
    assert why in text_of(refused)
    said = fields["words"].strip()
    assert said == WORDS or why != "choose"
    assert said in refused.text  # what was typed is not lost


def test_what_phones_type_is_taken(place: Place) -> None:
    browser = place.browser("nobody-yet")
    for words in (
        "错了 \U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, as it is spelt
        "pasted\u200btext",
        "narrow\u202fspace",
        "soft\u00adhyphen",
    ):
        told = browser.press(browser.get("/wrong"), "/tell", also={"kind": "DISPUTE", "words": words})
        assert told.status_code == 200, ascii(words)
        assert "You will be answered by" in text_of(told)


def test_a_button_that_is_pressed_twice_opens_one(place: Place) -> None:
    browser = place.browser("uci-00002")
    page = browser.get("/wrong")
    fields = {"kind": "DISPUTE", "words": WORDS}
    with place.world.entries() as entries:
        first, second = (browser.press(page, "/tell", also=fields) for _ in range(2))
        browser.press(page, "/tell", also=fields | {"kind": "REVIEW"})
    assert (first.status_code, str(first.url)) == (200, str(second.url))
    assert len(entries) == 2
    assert len(re.findall(r"<code>[2-9A-Z]{10}</code>", browser.get("/wrong").text)) == 2


def test_a_long_list_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.pages.consumer.wrong.PAGE", 2)
    made = [place.world.dispute("uci-00001", words=f"No. {n}") for n in range(5)]
    browser = place.browser("uci-00001")
    found, path = [], "/wrong"
    while path:
        page = browser.get(path).text
        found += re.findall(r"<code>([2-9A-Z]{10})</code>", page)
        more = re.search(r"/wrong[?]before=[2-9A-Z]{10}", page)
        path = more[0] if more else ""
    assert sorted(found) == sorted(made)
    assert len(found) == 5
    foreign = place.browser("uci-00002").get(f"/wrong?before={made[0]}")
    assert foreign.status_code == 404


def whole(browser: Browser, page: httpx.Response) -> int:
    """Bytes of a first visit: headers, the page, and what it asks for besides."""
    files = re.findall(r'href="(/static/[^"]+)"', page.text)
    parts = [page, *(browser.get(file) for file in files)]
    assert len(parts) == 3
    return sum(len(each.content) + sum(len(n) + len(v) + 4 for n, v in each.headers.raw) for each in parts)


@pytest.mark.parametrize("sign", ["'", "\U0001f468"])
def test_long_cases_take_several_pages_and_none_is_over_100_kb(own_place: Place, sign: str) -> None:
    made = []
    for number in range(25):
        own_place.world.clock.move(seconds=1)
        made.append(own_place.world.dispute("uci-00001", words=f"{number:02}".ljust(2_000, sign)))
        if number < 20:
            own_place.world.resolve(made[-1], sign * 1_000)
    browser, found, path = own_place.browser("uci-00001"), list[str](), "/wrong"
    while path:
        page = browser.get(path)
        assert whole(browser, page) < 100_000
        found += re.findall(r"<code>([2-9A-Z]{10})</code>", page.text)
        more = re.search(r"/wrong[?]before=[2-9A-Z]{10}", page.text)
        path = more[0] if more else ""
    assert found == made[::-1]
    for length in (2_001, 5_000):  # a form is 65,536 bytes at most, and one such sign takes twelve
        fields = {"kind": "DISPUTE", "words": sign * length}
        refused = browser.press(browser.get("/wrong"), "/tell", also=fields)
        assert (refused.status_code, whole(browser, refused) < 100_000) == (400, True)


def test_short_cases_share_a_page(own_place: Place) -> None:
    for number in range(25):
        reference = own_place.world.dispute("uci-00001", words=f"{number}".ljust(300, "错"))
        own_place.world.resolve(reference)
    page = own_place.browser("uci-00001").get("/wrong")
    assert len(re.findall(r"<code>[2-9A-Z]{10}</code>", page.text)) == 25
    assert "before=" not in page.text


@pytest.mark.parametrize("path", ["/wrong?before={}", "/consents?before={}", "/i/{}", "/asked?before={}"])
def test_an_address_as_long_as_a_server_takes_makes_no_large_page(place: Place, path: str) -> None:
    browser = place.browser("uci-00004", **new_address())
    assert whole(browser, browser.get(path.format("%25" * 20_000))) < 100_000


def test_there_is_an_end_to_what_one_person_opens(place: Place) -> None:
    browser = place.browser("uci-00004")
    page = browser.get("/wrong")
    statuses = [
        browser.press(page, "/tell", also={"kind": "REVIEW", "words": f"Look again, {n}"}).status_code
        for n in range(6)
    ]
    assert statuses == [200] * 5 + [409]
