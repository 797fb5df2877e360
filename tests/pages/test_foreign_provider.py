"""Login at a certified provider that nobody here wrote: the npm package oidc-provider, over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from gateway.pki import create_private
from tests.pages.foreign import SECRET, certified
from tests.pages.login_house import FORM, Browser, House, new_socket, open_house


@pytest.fixture
def new_house(tmp_path: Path) -> Iterator[Callable[[str], House]]:
    """Opens pages whose people sign in at the certified provider."""
    with ExitStack() as opened:

        def make(signed_by: str) -> House:
            listening, at = new_socket()
            issuer = opened.enter_context(certified(f"{at}/login/callback", signed_by=signed_by))
            create_private(tmp_path / "provider.secret", SECRET.encode())
            named = {
                "SCOREGATE_PAGES__PROVIDER": issuer,
                "SCOREGATE_PAGES__CLIENT_SECRET": str(tmp_path / "provider.secret"),
            }
            return opened.enter_context(open_house(tmp_path, socket_at=(listening, at), **named))

        yield make


class Named(Browser):
    """A browser whose person signs in at the provider under a name."""

    name = "uci-00003"


def leave_the_provider(browser: Named, response: httpx.Response) -> str:
    """Follow the provider until it sends the browser back to us; where."""
    at = str(response.url)
    while response.is_redirect:
        at = urljoin(at, response.headers["location"])
        if at.startswith(browser.house.at):
            return at
        response = browser.client.get(at)
    assert response.status_code == 200, response.text
    (form,) = re.findall(r"<form[^>]*>.*?</form>", response.text, re.DOTALL)
    (action,) = re.findall(r'action="([^"]*)"', form)
    given = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', form))
    if given.get("prompt") == "login":
        given |= {"login": browser.name, "password": "any"}
    return leave_the_provider(browser, browser.client.post(urljoin(at, action), data=given))


def at_the_provider(house: House, name: str = "uci-00003") -> tuple[Named, str]:
    """A browser that has signed in there, and where that sends it."""
    browser = Named(house, house.browser().client)
    browser.name = name
    browser.begin()
    return browser, leave_the_provider(browser, browser.client.get(browser.asked))


@pytest.mark.parametrize("signed_by", ["RS256", "ES256"])
def test_whoever_signs_in_at_a_certified_provider_is_who_it_says(
    new_house: Callable[[str], House], signed_by: str
) -> None:
    browser, returning = at_the_provider(new_house(signed_by))
    assert "iss=" in returning  # RFC 9207: it names itself, and so it must
    response = browser.client.get(returning)
    assert (response.status_code, response.headers["location"]) == (303, f"{browser.house.at}/me")
    traits = {"name": "Person uci-00003", "document": "D1", "phone": "+8613800138000"}
    assert browser.me() == ["uci-00003", traits]
    assert browser.client.get(returning).status_code == 400


def test_whoever_signed_out_is_asked_who_they_are_the_next_time(new_house: Callable[[str], House]) -> None:
    """The provider still knows them by its own cookie; the phone may be somebody else's by now."""
    house = new_house("ES256")
    browser, returning = at_the_provider(house)
    browser.client.get(returning)
    for signs_out, who in ((False, "uci-00003"), (True, "uci-00004"), (False, "uci-00004")):
        if signs_out:
            assert browser.client.post("/logout", data={"token": FORM}).status_code == 303
            browser.name = "uci-00004"
        browser.begin()
        browser.client.get(leave_the_provider(browser, browser.client.get(browser.asked)))
        assert browser.me()[0] == who


def test_a_certified_provider_sends_back_whoever_says_no(new_house: Callable[[str], House]) -> None:
    house = new_house("ES256")
    browser = house.browser()
    browser.begin()
    at = urljoin(browser.asked, browser.client.get(browser.asked).headers["location"])
    response = browser.client.get(f"{at}/abort")
    while not response.headers["location"].startswith(house.at):
        response = browser.client.get(urljoin(at, response.headers["location"]))
    refused = browser.client.get(response.headers["location"])
    assert refused.status_code == 403
    assert "Nothing was changed" in refused.text


def test_a_certified_provider_refuses_the_code_of_another_login(new_house: Callable[[str], House]) -> None:
    house = new_house("ES256")
    _, stolen = at_the_provider(house, "uci-00004")
    victim, own = at_the_provider(house)
    returning = httpx.URL(own).copy_set_param("code", httpx.URL(stolen).params["code"])
    refused = victim.client.get(returning)
    assert (refused.status_code, "took too long" in refused.text) == (400, True)
    assert victim.me() is None
