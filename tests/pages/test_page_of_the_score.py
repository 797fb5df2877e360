"""My score: shown with its reasons, free, and without any effect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scoregate.audit.v1 import leaf_pb2
from tests.pages.browser import text_of
from tests.pages.place import Place, open_place
from tests.world import settings_for


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
    assert (
        "At the end of the latest month on record, you were behind with payments. "
        "What would help : Pay what is overdue, so that the next month ends with nothing overdue."
    ) in read
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


def test_nobody_fills_the_log_by_looking_or_pressing(
    tmp_path: Path, database_url: str, engine_folder: Path
) -> None:
    """What shows nothing is no look, and what stops somebody is never refused."""
    settings = settings_for(tmp_path / "home", database_url, engine_folder)
    with open_place(settings, entries_per_hour=10) as place:
        browser, other = place.browser("uci-00004"), place.browser("uci-00003")
        acme = place.world.partner("acme")
        consent = place.world.consent(acme, "uci-00004", mode="CONSENT_MODE_PERIODIC")
        freeze, thaw = browser.get("/freeze"), browser.press(browser.get("/freeze"), "/on")
        with place.world.entries() as entries:
            for _ in range(10):
                assert browser.get("/score").status_code == 200
                assert browser.head("/score").status_code == 200
            for _ in range(10):
                assert browser.press(thaw, "/off").status_code == 200
            slowed = [browser.get("/score"), browser.press(thaw, "/off")]
            assert [each.status_code for each in slowed] == [429, 429]
            assert all("You can go on in 6 minutes." in text_of(each) for each in slowed)
            assert all(300 < int(each.headers["retry-after"]) <= 360 for each in slowed)
            for _ in range(20):
                assert browser.press(freeze, "/on").status_code == 200
            page = browser.get(f"/consents/{consent.consent_id}")
            for _ in range(20):
                assert browser.press(page, "/revoke").status_code == 200
            assert other.get("/score").status_code == 200
        assert [entry.kind for entry in entries] == [
            *[leaf_pb2.LEAF_KIND_SELF_INQUIRY] * 10,
            leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN,
            leaf_pb2.LEAF_KIND_SUBJECT_FROZEN,
            leaf_pb2.LEAF_KIND_CONSENT_REVOKED,
            leaf_pb2.LEAF_KIND_SELF_INQUIRY,
        ]


@pytest.mark.parametrize("language", [("en", "You are signed out."), ("zh-CN", "您已退出登录。")])
def test_whoever_signs_out_is_told_so(place: Place, language: tuple[str, str]) -> None:
    tag, said = language
    browser = place.browser("uci-00003", **{"accept-language": tag})
    assert said not in browser.get("/").text
    left = browser.press(browser.get("/consents"), "/logout")
    assert (left.status_code, said in text_of(left)) == (200, True)
    assert said not in browser.get("/").text


def test_only_an_invitations_link_is_said_to_have_been_answered(place: Place) -> None:
    browser = place.browser("uci-00003")
    answered = "The link may have been answered"
    assert answered in text_of(browser.get("/i/" + "a" * 26))
    for path in ("/nope", "/asked/99999", "/consents/" + "a" * 26, "/asked/report?year=1"):
        read = text_of(browser.get(path))
        assert "There is no such page" in read
        assert answered not in read


def test_what_shows_no_score_is_no_look(place: Place) -> None:
    browser = place.browser("uci-00002")
    with place.world.entries() as entries:
        answer = browser.head("/score")
    assert (answer.status_code, answer.content, entries) == (200, b"", [])
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", [{"sec-purpose": "prefetch;prerender"}, {"sec-fetch-site": "cross-site"}])
def test_neither_a_look_ahead_nor_another_site_makes_a_person_look(
    own_place: Place, header: dict[str, str]
) -> None:
    browser = own_place.browser("uci-00002")
    own_place.world.clock.move(seconds=61)
    with own_place.world.entries() as entries:
        answer = browser.get("/score", headers=header)
    assert entries == []
    assert 'class="figure"' not in answer.text
    if "sec-fetch-site" in header:
        assert (answer.status_code, "See my score" in text_of(answer)) == (200, True)


def test_whoever_comes_from_their_sign_in_sees_their_score(place: Place) -> None:
    """The provider is another site, and a browser says so of the whole way back from it."""
    browser = place.browser("uci-00002")
    assert 'class="figure"' in browser.get("/score", headers={"sec-fetch-site": "cross-site"}).text
