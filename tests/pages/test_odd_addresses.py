"""An address that nobody was given is a page that is not there, whatever it is made of, on either store."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from gateway.metrics import UNWRITABLE
from gateway.server.pages import RESIDENTS
from tests.pages.attacking import BO, NOWHERE, arrive, token_for
from tests.pages.place import Place

ODD = (
    *("%00", f"{NOWHERE}%00", "%ED%A0%80", "%F0%9F%98%80", "'", "%2e%2e", NOWHERE[:-1], NOWHERE.upper()),
    *("0" * 26, "a" * 5_000),
)
PAGES = ("/i/{}", "/i/{}/done", "/consents/{}", "/consents/{}/receipt", "/asked/{}", "/asked/{}/leaf")
LISTS = ("/consents?before={}", "/wrong?before={}", "/asked?before={}", "/asked/report?year={}")
FORMS = (
    *("/i/{}/allow", "/i/{}/deny", "/consents/{}/pause", "/consents/{}/resume", "/consents/{}/revoke"),
    "/consents/{}/unknown",
)


def test_an_odd_address_leads_nowhere_and_never_to_a_database(own_place: Place) -> None:
    browsers, unwritable = [arrive(own_place, subject) for subject, *_ in RESIDENTS], UNWRITABLE._value.get()
    with own_place.world.entries() as entries:
        for number, odd in enumerate(ODD):
            browser = browsers[number % len(browsers)]  # or one person would guess too often
            for path in [each.format(odd) for each in (*PAGES, *LISTS)]:
                assert browser.get(path).status_code == 404, path
            for path in [each.format(odd) for each in FORMS]:
                token = token_for(browser, unquote(path))
                assert browser.post(path, {"token": token}).status_code == 404, path
    assert (entries, UNWRITABLE._value.get()) == ([], unwritable)


@pytest.mark.parametrize("back", ["%00", "%ED%A0%80", "/%00"])
def test_a_way_back_that_is_odd_leads_to_the_first_page(place: Place, back: str) -> None:
    browser = arrive(place, BO)
    answer = browser._client.get(f"/language?to=%00&back={back}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get(f"/login?next={back}").status_code == 200
    assert browser.get("/login/callback?state=%00&code=%00").status_code == 400
