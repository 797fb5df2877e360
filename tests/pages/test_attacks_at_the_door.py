"""Attacks on sessions, handles and the way to a page: fixation, guessing, addresses that lead elsewhere."""

from __future__ import annotations

import httpx
import pytest

from tests.pages.attacking import ADA, BO, CLEO, DEE, NOWHERE, arrive, lender, refused, state_of
from tests.pages.browser import Browser, Form, forms
from tests.pages.place import Place

EVIL_PATHS = [
    *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/"),
    *("https:evil.example", "javascript:alert(1)", "evil.example", "/..//evil.example", "/\t/evil.example"),
    *("/a\r\nset-cookie: scoregate=x", "/%0d%0aset-cookie: x=y\r\n", "http:/\\evil.example", "", " /score"),
]


def chosen(form: Form, subject: str) -> dict[str, str]:
    """What the provider's page sends when somebody is chosen."""
    return dict(form.fields) | {"subject": subject}


# --- sessions


def test_a_login_for_another_person_half_way_leaves_the_first_one_s_forms_dead(place: Place) -> None:
    asker, browser = lender(place), arrive(place, ADA)
    handle = asker.invite().handle
    page = browser.get(f"/i/{handle}")
    browser.sign_in(BO)
    refused(place, lambda: browser.press(page, "/allow"))
    assert state_of(asker, handle) == "PENDING"


def test_a_login_that_somebody_else_began_signs_nobody_in(place: Place) -> None:
    attacker, browser = arrive(place), arrive(place, ADA)
    asked = attacker.get("/login?next=/consents")
    (form,) = forms(asked)
    returning = attacker._client.post(form.action, data=chosen(form, BO), follow_redirects=False)
    before = browser.cookies["scoregate"]
    for each in (browser, arrive(place)):
        answer = each.get(returning.headers["location"])
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers
        # The code is still good for whoever began: nothing of it may come back in a link.
        assert httpx.URL(returning.headers["location"]).params["code"] not in answer.text
    assert browser.cookies["scoregate"] == before


def test_a_session_that_was_planted_is_not_the_one_that_signs_in(place: Place) -> None:
    attacker, browser = arrive(place, BO), arrive(place)
    for planted in (attacker.cookies["scoregate"], "A" * 43):
        browser.cookies.set("scoregate", planted, domain="127.0.0.1", path="/")
        browser.sign_in(ADA)
        (mine,) = [each.value for each in browser.cookies.jar if each.name == "scoregate"]
        assert mine != planted
        thief = arrive(place)
        thief.cookies.set("scoregate", planted, domain="127.0.0.1", path="/")
        assert "Sign in as whom?" in thief.get("/consents").text


# --- guessing


def test_guessing_handles_is_slowed_and_tells_nothing(place: Place) -> None:
    asker = lender(place)
    real = asker.invite().handle
    stranger = arrive(place)
    same_page = {stranger.get(f"/i/{each}").text.replace(each, "ID") for each in (real, NOWHERE, "b" * 26)}
    assert len(same_page) == 1
    guesser = arrive(place, DEE)
    answers = [guesser.get(f"/i/{n:026}") for n in range(30)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [404] * 10
    assert 429 in statuses
    stopped = answers[statuses.index(429)]
    assert int(stopped.headers["retry-after"]) >= 1
    # Another device of the same person is no way round it, and a handle that exists looks no different.
    again = arrive(place, DEE)
    pairs = [[again.get(f"/i/{each}").status_code for each in (f"{n:026}", real)] for n in range(10)]
    assert [429, 429] in pairs
    assert state_of(asker, real) == "PENDING"


def test_a_handle_that_is_not_theirs_is_slowed_as_one_that_never_was(own_place: Place) -> None:
    asker = lender(own_place)
    allowed, denied = asker.invite(), asker.invite()
    own_place.world.allow(allowed, "somebody-else")
    own_place.world.deny(denied)
    ways = [f"/i/{allowed.handle}", f"/i/{allowed.handle}/done", f"/i/{denied.handle}", f"/i/{NOWHERE}"]
    for person, way in zip((ADA, BO, CLEO, DEE), ways, strict=True):
        guesser = arrive(own_place, person)
        statuses = [guesser.get(way).status_code for _ in range(30)]
        assert (statuses[:10], 429 in statuses) == ([404] * 10, True), way


def test_guessing_at_the_login_is_slowed(place: Place) -> None:
    guesser = arrive(place)
    statuses = [guesser.get(f"/login/callback?code=x&state={n}").status_code for n in range(60)]
    assert statuses[:20] == [400] * 20
    assert 429 in statuses
    assert 429 in [guesser.get("/login").status_code for _ in range(10)]  # one a second is let through
    assert arrive(place).get("/login").status_code == 200


def test_a_session_is_not_guessed_from_less_than_all_of_it(place: Place, ada: Browser) -> None:
    token = ada.cookies["scoregate"]
    for guess in (token[:-1], token.swapcase(), f"{token}=", '"', "' OR 1=1 --", "", "\x7f"):
        answer = arrive(place, cookie=f"scoregate={guess}").get("/consents")
        assert "Sign in as whom?" in answer.text


# --- where people are sent


@pytest.mark.parametrize("evil", EVIL_PATHS)
def test_nobody_is_sent_elsewhere(place: Place, ada: Browser, evil: str) -> None:
    kept = ada._client.get("/language", params={"to": "en", "back": evil}, follow_redirects=False)
    assert kept.headers["location"] == "/"
    assert list(kept.headers.multi_items()).count(("location", "/")) == 1
    assert "evil" not in str(kept.headers)
    browser = arrive(place)
    asked = browser.get("/login", params={"next": evil})
    (form,) = forms(asked)
    returning = browser._client.post(form.action, data=chosen(form, BO), follow_redirects=False)
    ended = browser._client.get(returning.headers["location"], follow_redirects=False)
    assert ended.headers["location"] == f"{place.url}/"


def test_a_host_that_is_not_ours_names_no_place_to_go_to(place: Place, ada: Browser) -> None:
    for path in ("/", "/language?back=/score", "/login", "/consents/"):
        answer = ada._client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
        assert "evil.example" not in str(answer.headers) + answer.text
