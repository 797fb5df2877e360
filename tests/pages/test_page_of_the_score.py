"""My score: shown with its reasons, free, and without any effect."""

from __future__ import annotations

import re

from scoregate.audit.v1 import leaf_pb2
from tests.pages.browser import text_of
from tests.pages.place import Place


def test_the_number_is_the_one_that_lenders_get_and_each_look_is_a_free_entry(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    consent = own_place.world.consent(acme, "uci-00001", mode="CONSENT_MODE_PERIODIC")
    told = acme.score(consent).scored.score
    spent = acme.spent()
    browser = own_place.browser("uci-00001")

    with own_place.world.entries() as entries:
        pages = [browser.get("/score") for _ in range(3)]

    for page in pages:
        assert re.search(r'class="figure">(\d+)<', page.text)[1] == str(told)  # type: ignore[index]
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_SELF_INQUIRY] * 3
    assert {(entry.actor, entry.cost_units, entry.partner_id) for entry in entries} == {("consumer", 0, "")}
    assert acme.spent() == spent
    assert acme.score(consent).scored.score == told
    own_place.world.require_balanced()


def test_it_says_what_lifts_and_what_lowers_it_and_how_it_went(place: Place) -> None:
    page = place.browser("uci-00001").get("/score")
    read = text_of(page)
    assert "What lifts it" in read
    assert "You were behind with payments in the latest month." in read
    assert "Pay what is overdue." in read
    assert "<svg" in page.text
    assert "No newer records have come in since" in read  # the data set is of 2005


def test_no_number_is_no_shame(place: Place) -> None:
    page = place.browser("nobody-yet").get("/score")
    read = text_of(page)
    assert "it is not a low score" in read
    assert not re.search(r'class="figure"', page.text)
    assert "350" not in re.sub(r"<svg.*?</svg>", "", page.text, flags=re.S)


def test_whoever_is_not_signed_in_is_asked_to(place: Place) -> None:
    browser = place.browser()
    for path in ("/score", "/consents", "/asked", "/wrong", "/freeze", "/asked/report.json"):
        assert "/development/login" in str(browser.get(path).url)


def test_looking_all_the_time_is_slowed_down(place: Place) -> None:
    browser = place.browser("uci-00004")
    statuses = [browser.get("/score").status_code for _ in range(40)]
    assert statuses[:25] == [200] * 25
    assert 429 in statuses
    slow = browser.get("/score")
    assert slow.status_code == 200 or int(slow.headers["retry-after"]) >= 1
