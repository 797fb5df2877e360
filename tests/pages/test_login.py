"""Signing in: what it takes, what it leaves behind, and everybody who would like to be somebody else."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from gateway.pages.consumer.attempts import Attempts
from gateway.pages.consumer.signin import sessions
from gateway.pages.consumer.signin.login import own_path
from gateway.pki import create_private
from gateway.quota.burst import BurstExceeded, Limit
from tests.pages import loose_provider as loose_module
from tests.pages.login_house import CHEN, FORM, WANG, Browser, House, new_socket, open_house
from tests.pages.loose_provider import Loose, Sign, loose_provider
from tests.world import Clock

SECRET = "an odd secret: +/%&"
EVIL_NEXTS = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/a\\..\\evil",
    "https://evil.example/",
    "https:evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/..//evil.example",
    "/\t/evil.example",
    "/a\r\nSet-Cookie: scoregate=x",
    "/\x00",
    "/a b",
    " /me",
    "/é",
    "/" + "a" * 1_024,
    "",
]


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("home")) as house:
        yield house


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Loose]]:
    home, clock = tmp_path_factory.mktemp("away"), Clock()
    with ExitStack() as opened:
        loose = opened.enter_context(loose_provider(clock))
        named = _named(loose.issuer, home / "provider.secret")
        yield opened.enter_context(open_house(home, clock=clock, **named)), loose


@pytest.fixture
def house(at_home: House) -> House:
    """Pages with development's provider, where nobody is signed in."""
    return rested(at_home)


@pytest.fixture
def abroad(away: tuple[House, Loose]) -> tuple[House, Loose]:
    """Pages whose provider says what a test tells it, and the truth until then."""
    house, loose = away
    vars(loose).update(vars(Loose(loose.issuer, loose.clock, loose.key)))
    return rested(house), loose


def rested(house: House) -> House:
    """So much later that no session lives, and no discovery document is remembered."""
    house.clock.move(minutes=31)
    with house.store.writer.begin() as connection:
        sessions.sweep(connection, now=house.clock())
    return house


def _named(issuer: str, secret: Path) -> dict[str, str]:
    create_private(secret, SECRET.encode() + b"\n")
    return {"SCOREGATE_PAGES__PROVIDER": issuer, "SCOREGATE_PAGES__CLIENT_SECRET": str(secret)}


def back(browser: Browser, loose: Loose, **changes: str) -> httpx.Response:
    """Begin a login, and come back from a provider that is content with everything."""
    asked = browser.begin()
    loose.nonce = asked["nonce"]
    return browser.come_back(**({"code": "c", "state": asked["state"], "iss": loose.issuer} | changes))


def set_cookies(response: httpx.Response) -> dict[str, str]:
    lines = response.headers.get_list("set-cookie")
    return {line.partition("=")[0]: line for line in lines}


# --- the way in and out


def test_whoever_signs_in_is_who_the_provider_says(tmp_path: Path, database_url: str) -> None:
    with open_house(tmp_path, database_url) as house:
        browser = house.browser()
        assert browser.me() is None
        response = browser.sign_in(CHEN[0], "/me?lang=zh#score")
        assert (response.status_code, response.headers["location"]) == (303, f"{house.at}/me?lang=zh#score")
        traits = {"name": CHEN[1], "document": CHEN[2], "phone": CHEN[3]}
        assert browser.me() == [CHEN[0], traits]
        assert browser.sign_in(WANG[0]).status_code == 303
        assert browser.me() == [WANG[0], {"name": WANG[1]}]


def test_signing_out_takes_our_form_and_ends_the_session_everywhere(
    tmp_path: Path, database_url: str
) -> None:
    with open_house(tmp_path, database_url) as house:
        browser, thief = house.browser(), house.browser()
        browser.sign_in()
        thief.client.cookies.set(house.login.cookie, browser.token or "")
        assert browser.client.post("/logout", data={"token": "forged"}).status_code == 403
        assert browser.client.get("/logout").status_code == 405
        assert thief.me() is not None
        response = browser.client.post("/logout", data={"token": FORM})
        assert (response.status_code, response.headers["location"]) == (303, f"{house.at}/signed-out")
        assert browser.token is None
        assert thief.me() is None
        assert house.sessions() == 0


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (-3_600, 502),
        (-61, 502),
        (-60, 303),
        (0, 303),
        (60, 303),
        (61, 502),
        (None, 502),
        (True, 502),
    ],
)
def test_whoever_signs_out_is_let_in_by_a_provider_that_says_it_asked_since(
    abroad: tuple[House, Loose], since: Any, status: int
) -> None:
    """Seconds after the login began. A provider's own cookie outlives ours, and prompt is only a wish."""
    house, loose = abroad
    browser = house.browser()
    loose.claims = {"auth_time": 1}
    assert back(browser, loose).status_code == 303  # nobody has signed out: any time will do
    browser.client.post("/logout", data={"token": FORM})
    is_time = isinstance(since, int) and since is not True
    loose.claims = {"auth_time": int(house.clock().timestamp()) + since if is_time else since}

    response = back(browser, loose)

    assert response.status_code == status
    if status == 303:
        assert browser.me() is not None
        assert "max_age" not in browser.begin()
    else:
        told(response, 502, "asked anew")
        assert browser.me() is None
        assert browser.begin()["max_age"] == "0"  # the wish stays until it is met


def test_the_wish_to_be_asked_anew_is_the_logins_and_not_the_cookies(abroad: tuple[House, Loose]) -> None:
    """Whoever clears the mark of the sign-out half-way is asked all the same."""
    house, loose = abroad
    browser = house.browser()
    back(browser, loose)
    browser.client.post("/logout", data={"token": FORM})
    asked = browser.begin()
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    browser.client.cookies.delete("scoregate-left")
    loose.nonce, loose.claims = asked["nonce"], {"auth_time": 1}
    told(browser.come_back(code="c", state=asked["state"], iss=loose.issuer), 502, "asked anew")


@pytest.mark.parametrize(("site", "asks"), [("same-origin", True), ("cross-site", False)])
def test_whoever_signs_out_too_late_is_asked_anew_as_well(
    tmp_path: Path, database_url: str, site: str, *, asks: bool
) -> None:
    """A phone that lay about before it was handed on; another site's form has nobody asked."""
    with open_house(tmp_path, database_url) as house:
        browser = house.browser()
        browser.sign_in()
        assert not {"prompt", "max_age"} & browser.begin().keys()
        house.clock.move(minutes=31)
        browser.client.post("/logout", data={"token": FORM}, headers={"sec-fetch-site": site})
        assert ("prompt" in browser.begin()) == asks
        assert browser.sign_in().status_code == 303


def test_a_form_of_another_site_comes_without_the_cookie_and_signs_nobody_out(house: House) -> None:
    response = house.browser().client.post(
        "/logout", data={"token": FORM}, headers={"sec-fetch-site": "cross-site"}
    )
    assert response.status_code == 303
    assert "set-cookie" not in response.headers


def test_a_session_ends_when_its_time_is_over(house: House) -> None:
    browser = house.browser()
    browser.sign_in()
    house.clock.move(minutes=29, seconds=59)
    assert browser.me() is not None
    house.clock.move(seconds=1)
    assert browser.me() is None


def test_cookies_are_kept_from_scripts_from_other_sites_and_over_https_from_plain_http(
    tmp_path: Path,
) -> None:
    name = "https://credit.example"
    with open_house(tmp_path, SCOREGATE_PAGES__URL=name) as house:
        browser = house.browser()
        response = browser.client.get("/login")
        (begun,) = response.headers.get_list("set-cookie")
        assert begun.startswith("__Host-scoregate-login=")
        for mark in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", "Max-Age=3600"):
            assert mark in begun.split("; ")
        asked = httpx.URL(response.headers["location"]).params
        assert asked["redirect_uri"] == f"{name}/login/callback"
        # The whole way, as a proxy in front would have it.
        kept = {"cookie": begun.partition(";")[0]}
        at = f"{house.at}/development/login/authorize"
        chosen = browser.client.post(at, data=dict(asked) | {"subject": CHEN[0]})
        params = httpx.URL(chosen.headers["location"]).params
        ended = browser.client.get("/login/callback", params=params, headers=kept)
        assert ended.headers["location"] == f"{name}/"
        cookie = set_cookies(ended)["__Host-scoregate"]
        for mark in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", "Max-Age=1800"):
            assert mark in cookie.split("; ")
        assert "domain" not in cookie.lower()
        assert "Max-Age=0" in set_cookies(ended)["__Host-scoregate-login"]
        # No other host of the domain can set one of ours: each has the prefix, and what that asks for.
        left = browser.client.post("/logout", headers={"sec-fetch-site": "same-origin"})
        for answer in (response, ended, left):
            for name, line in set_cookies(answer).items():
                assert name.startswith("__Host-")
                assert {"Secure", "Path=/"} <= set(line.split("; "))
                assert "domain" not in line.lower()
        assert "__Host-scoregate-left" in set_cookies(left)


def test_over_plain_http_cookies_have_names_that_promise_nothing(house: House) -> None:
    ended = house.browser().sign_in()
    assert {"scoregate", "scoregate-login"} == set(set_cookies(ended))
    assert "Secure" not in ended.headers["set-cookie"]


def test_the_provider_is_asked_with_a_challenge_a_nonce_and_for_the_claims_we_read(
    abroad: tuple[House, Loose],
) -> None:
    house, _ = abroad
    first, second = (house.browser().begin() for _ in range(2))
    assert first["code_challenge_method"] == "S256"
    assert first["response_type"] == "code"
    assert first["tenant"] == "1"
    assert first["scope"] == "openid profile phone"
    asked = json.loads(first["claims"])
    for place in ("id_token", "userinfo"):
        assert asked[place].items() >= {"document_number": None, "phone_number_verified": None}.items()
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_client_shows_its_secret_as_the_provider_wants_it(
    abroad: tuple[House, Loose], method: str
) -> None:
    house, loose = abroad
    loose.discovery = {"token_endpoint_auth_methods_supported": [method]}
    assert back(house.browser(), loose).status_code == 303
    ((authorization, form),) = loose.requests
    assert len(form["code_verifier"]) == 43
    if method == "client_secret_post":
        assert (authorization, form["client_secret"]) == ("", SECRET)
    else:
        packed = httpx.BasicAuth("scoregate", quote(SECRET, safe=""))._auth_header
        assert (authorization, form.get("client_secret")) == (packed, None)


def test_what_the_id_token_lacks_comes_from_userinfo_and_what_nobody_says_is_no_error(
    abroad: tuple[House, Loose],
) -> None:
    house, loose = abroad
    loose.claims = {"name": "Of the token", "phone_number": 7}
    loose.userinfo = {"sub": "uci-00007", "name": "Of userinfo", "document_number": "D 1"}
    browser = house.browser()
    assert back(browser, loose).status_code == 303
    assert browser.me() == ["uci-00007", {"name": "Of the token", "document": "D 1"}]


PHONE_NUMBER = "+8613800138000"


@pytest.mark.parametrize("place", ["token", "userinfo", "the flag elsewhere"])
@pytest.mark.parametrize(
    ("verified", "counts"), [(True, True), (False, False), (None, False), ("true", False)]
)
def test_a_phone_counts_once_its_provider_says_beside_it_that_it_is_verified(
    abroad: tuple[House, Loose], place: str, verified: Any, *, counts: bool
) -> None:
    house, loose = abroad
    phone = {"phone_number": PHONE_NUMBER}
    flag = {} if verified is None else {"phone_number_verified": verified}
    loose.userinfo = {"sub": "uci-00007"}
    if place == "userinfo":
        loose.userinfo |= phone | flag
    else:
        loose.claims = phone
        (loose.claims if place == "token" else loose.userinfo).update(flag)
    browser = house.browser()
    assert back(browser, loose).status_code == 303
    # A flag without a phone is about another phone, or none.
    expected = {"phone": PHONE_NUMBER} if counts and place != "the flag elsewhere" else {}
    assert browser.me() == ["uci-00007", expected]


@pytest.mark.parametrize(("flag", "counts"), [({}, True), ({"phone_number_verified": False}, False)])
def test_a_phone_in_the_operators_own_claim_is_the_operators_to_know(
    abroad: tuple[House, Loose], flag: dict[str, Any], tmp_path: Path, *, counts: bool
) -> None:
    house, loose = abroad
    loose.claims = {"mobile": PHONE_NUMBER} | flag
    named = _named(loose.issuer, tmp_path / "secret") | {"SCOREGATE_PAGES__PHONE_CLAIM": "mobile"}
    with open_house(tmp_path / "own", clock=house.clock, **named) as own:
        browser = own.browser()
        assert back(browser, loose).status_code == 303
        assert browser.me() == ["uci-00007", {"phone": PHONE_NUMBER} if counts else {}]


def test_the_operators_own_claim_names_the_person(tmp_path: Path) -> None:
    with open_house(tmp_path, SCOREGATE_PAGES__SUBJECT_CLAIM="customer_no") as house:
        browser = house.browser()
        browser.sign_in()
        assert browser.me()[0] == CHEN[0]


# --- what goes wrong


def told(response: httpx.Response, status: int, words: str) -> None:
    assert (response.status_code, words in response.text) == (status, True), response.text
    assert 'href="/login?next=/' in response.text
    assert "set-cookie" not in response.headers


def test_a_provider_that_does_not_answer_is_told_in_plain_words(tmp_path: Path) -> None:
    listening, nobody = new_socket()
    listening.close()
    with open_house(tmp_path, **_named(nobody, tmp_path / "provider.secret")) as house:
        told(house.browser().client.get("/login?next=/me"), 502, "does not work right now")


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"token_endpoint_auth_methods_supported": ["none"]},
    ],
)
def test_a_discovery_document_that_misleads_is_refused(abroad: tuple[House, Loose], wrong: Any) -> None:
    house, loose = abroad
    loose.discovery = wrong
    told(house.browser().client.get("/login"), 502, "does not work right now")


def test_whoever_says_no_at_the_provider_reads_that_nothing_was_changed(house: House) -> None:
    browser = house.browser()
    browser.begin()
    told(browser.client.get(browser.choose("")), 403, "Nothing was changed")


@pytest.mark.parametrize("subject", [None, "", "two words", "é", "x" * 65, 7, ["uci-00001"]])
def test_a_login_that_names_no_subject_is_nobody(
    abroad: tuple[House, Loose], subject: Any, tmp_path: Path
) -> None:
    house, loose = abroad
    loose.claims = {"customer_no": subject}
    named = _named(loose.issuer, tmp_path / "secret") | {"SCOREGATE_PAGES__SUBJECT_CLAIM": "customer_no"}
    with open_house(tmp_path / "own", clock=house.clock, **named) as own:
        told(back(own.browser(), loose), 403, "under a name that is unknown")


def test_a_code_that_the_provider_refuses_asks_for_another_try(abroad: tuple[House, Loose]) -> None:
    house, loose = abroad
    loose.token = {"error": "invalid_grant", "error_description": "used"}
    told(back(house.browser(), loose), 400, "took too long")
    loose.token = {"error": "invalid_client"}
    told(back(house.browser(), loose), 502, "does not work right now")


def test_without_its_database_nobody_is_signed_in(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        browser = house.browser()
        browser.begin()
        returning = browser.choose(CHEN[0])
        (tmp_path / "ledger.db").rename(tmp_path / "away.db")
        told(browser.client.get(returning), 503, "Our records")


def test_nothing_of_a_person_a_code_or_a_token_is_logged(
    abroad: tuple[House, Loose], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)  # as the commands have it; below, servers write down what is fetched
    house, loose = abroad
    loose.claims = {"name": "CANARY"}
    with structlog.testing.capture_logs() as lines:
        assert back(house.browser(), loose, code="CANARY").status_code == 303
        loose.claims["sub"] = "CANARY CANARY"
        loose.userinfo = {"sub": "CANARY CANARY"}
        assert back(house.browser(), loose, code="CANARY").status_code == 403
        back(house.browser(), loose, error="CANARY")
        loose.token = {"error": "CANARY"}
        back(house.browser(), loose, code="CANARY")
        house.browser().come_back(code="CANARY", state="CANARY")
    assert len(lines) == 4
    assert {name for line in lines for name in line} == {"event", "why", "log_level"}
    assert "CANARY" not in caplog.text + str(lines)


# --- attacks


@pytest.mark.parametrize("evil", EVIL_NEXTS)
def test_no_next_leads_anywhere_but_to_a_path_of_ours(house: House, evil: str) -> None:
    assert own_path(evil) == "/"
    response = house.browser().sign_in(next_path=evil)
    assert (response.status_code, response.headers["location"]) == (303, f"{house.at}/")


@pytest.mark.parametrize("good", ["/", "/me", "/i/abc?x=1&y=%2F%2Fz", "/a/b/#c", "/" + "a" * 1_023])
def test_a_path_of_ours_is_where_people_get_to(good: str) -> None:
    assert own_path(good) == good


def test_a_session_that_was_planted_is_ended_and_not_taken_over(house: House) -> None:
    attacker, victim = house.browser(), house.browser()
    attacker.sign_in(WANG[0])
    planted = attacker.token or ""
    victim.client.cookies.set("scoregate", planted, domain="127.0.0.1")
    victim.sign_in(CHEN[0])
    assert victim.token != planted
    assert victim.me()[0] == CHEN[0]
    assert attacker.me() is None
    assert house.sessions() == 1


def test_an_id_that_nobody_gave_out_is_not_taken_over_either(house: House) -> None:
    victim = house.browser()
    victim.client.cookies.set("scoregate", "A" * 43, domain="127.0.0.1")
    victim.sign_in()
    assert victim.token != "A" * 43


def test_a_login_that_another_person_overtook_half_way_replaces_them(house: House) -> None:
    browser, other = house.browser(), house.browser()
    browser.begin()
    returning = browser.choose(CHEN[0])
    other.sign_in(WANG[0])
    browser.client.cookies.set("scoregate", other.token or "", domain="127.0.0.1")
    assert browser.me()[0] == WANG[0]
    assert browser.client.get(returning).status_code == 303
    assert browser.me()[0] == CHEN[0]
    assert other.me() is None


def test_a_callback_comes_back_once(abroad: tuple[House, Loose]) -> None:
    house, loose = abroad  # its provider takes every code, as often as it comes
    browser = house.browser()
    asked = browser.begin()
    loose.nonce = asked["nonce"]
    kept = browser.client.cookies.get("scoregate-login") or ""
    returning = {"code": "c", "state": asked["state"], "iss": loose.issuer}
    assert browser.come_back(**returning).status_code == 303
    told(browser.come_back(**returning), 400, "be finished")
    # Nor for somebody who has kept the cookie of that time.
    thief = house.browser()
    thief.client.cookies.set("scoregate-login", kept, domain="127.0.0.1", path="/")
    told(thief.come_back(**returning), 400, "be finished")
    assert house.sessions() == 1


def test_a_callback_belongs_to_the_browser_that_began_it(house: House) -> None:
    attacker, victim = house.browser(), house.browser()
    attacker.begin()
    returning = attacker.choose(WANG[0])
    told(victim.client.get(returning), 400, "be finished")
    # Nor while that one has begun a login of its own, which goes on afterwards.
    victim.begin()
    told(victim.client.get(returning), 400, "be finished")
    assert victim.client.get(victim.choose(CHEN[0])).status_code == 303
    assert victim.me()[0] == CHEN[0]
    assert house.sessions() == 1


def test_a_login_waits_ten_minutes_for_its_person(abroad: tuple[House, Loose]) -> None:
    house, loose = abroad
    for seconds, status in ((599, 303), (600, 400)):
        browser = house.browser()
        asked = browser.begin()
        loose.nonce = asked["nonce"]
        house.clock.move(seconds=seconds)
        assert browser.come_back(code="c", state=asked["state"], iss=loose.issuer).status_code == status


def test_whoever_comes_back_too_late_or_by_an_older_tab_begins_anew_for_the_page_they_wanted(
    abroad: tuple[House, Loose],
) -> None:
    house, loose = abroad
    for begun, seconds, kept in ((["/i/one"], 600, "/i/one"), (["/i/one", "/i/two"], 0, "/i/two")):
        browser = house.browser()
        states = [browser.begin(next_path)["state"] for next_path in begun]
        house.clock.move(seconds=seconds)
        refused = browser.come_back(code="c", state=states[0], iss=loose.issuer)
        told(refused, 400, "be finished")
        assert f'href="/login?next={kept}"' in refused.text


def test_what_the_browser_keeps_is_believed_only_as_it_was_signed(house: House) -> None:
    browser = house.browser()
    asked = browser.begin()
    kept = browser.client.cookies.get("scoregate-login") or ""
    browser.client.cookies.clear()
    # Not the last character: some of its bits stand for nothing, so that another may mean the same signature.
    altered = f"{kept[:-9]}{'A' if kept[-9] != 'A' else 'B'}{kept[-8:]}"
    for spoilt in (altered, kept.partition(".")[0], "x", "."):
        response = browser.client.get(
            "/login/callback",
            params={"code": "c", "state": asked["state"]},
            headers={"cookie": f"scoregate-login={spoilt}"},
        )
        told(response, 400, "be finished")


def test_a_parameter_that_comes_twice_is_not_chosen_from(house: House) -> None:
    browser = house.browser()
    browser.begin()
    returning = browser.choose(CHEN[0])
    told(browser.client.get(f"{returning}&state=x"), 400, "be finished")


@pytest.mark.parametrize("iss", ["https://evil.example", ""])
def test_an_answer_that_names_another_issuer_is_not_redeemed(abroad: tuple[House, Loose], iss: str) -> None:
    house, loose = abroad
    told(back(house.browser(), loose, iss=iss), 502, "be trusted")
    assert loose.requests == []  # the code of one provider is not shown to another


@pytest.mark.parametrize(("promised", "status"), [(True, 502), (False, 303)])
def test_an_issuer_that_names_itself_must_always(
    abroad: tuple[House, Loose], promised: bool, status: int
) -> None:
    house, loose = abroad
    loose.discovery = {"authorization_response_iss_parameter_supported": promised}
    browser = house.browser()
    asked = browser.begin()
    loose.nonce = asked["nonce"]
    assert browser.come_back(code="c", state=asked["state"]).status_code == status


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "of another login"},
        {"nonce": None},
        {"nonce": ""},
        {"aud": "another client"},
        {"aud": ["another client"], "azp": "scoregate"},
        {"aud": ["scoregate", "another client"], "azp": "another client"},
        {"aud": ["scoregate", "another client"]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_an_id_token_that_lies_signs_nobody_in(abroad: tuple[House, Loose], lie: dict[str, Any]) -> None:
    house, loose = abroad
    loose.claims = lie
    told(back(house.browser(), loose), 502, "be trusted")
    assert house.sessions() == 0


@pytest.mark.parametrize(("late", "status"), [(359, 303), (360, 502)])
def test_an_id_token_ends_a_minute_after_its_time(
    abroad: tuple[House, Loose], late: int, status: int
) -> None:
    house, loose = abroad
    now = int(house.clock().timestamp())
    loose.claims = {"iat": now - late, "exp": now - late + 300}
    assert back(house.browser(), loose).status_code == status


@pytest.mark.parametrize(
    "sign",
    [
        loose_module.by_a_stranger,
        loose_module.unsigned,
        loose_module.with_the_public_key_as_secret,
        loose_module.with_a_published_secret,
        loose_module.by_a_weak_key,
        lambda _, __: "not.a.token",
        lambda _, __: "",
    ],
)
def test_an_id_token_that_the_providers_key_did_not_sign_signs_nobody_in(
    abroad: tuple[House, Loose], sign: Sign
) -> None:
    house, loose = abroad
    loose.sign = sign
    loose.more_keys = [loose_module.PUBLISHED_SECRET.as_dict(private=True)]
    told(back(house.browser(), loose), 502, "be trusted")
    assert house.sessions() == 0


def test_userinfo_of_another_person_signs_nobody_in(abroad: tuple[House, Loose]) -> None:
    house, loose = abroad
    loose.userinfo = {"sub": "uci-00008", "name": "Somebody else"}
    told(back(house.browser(), loose), 502, "be trusted")


def test_a_code_of_another_login_is_refused_for_its_challenge(house: House) -> None:
    attacker, victim = house.browser(), house.browser()
    attacker.begin()
    stolen = httpx.URL(attacker.choose(WANG[0])).params["code"]
    asked = victim.begin()
    provider = f"{house.at}/development/login"
    told(victim.come_back(code=stolen, state=asked["state"], iss=provider), 400, "took too long")
    assert victim.me() is None


def test_attempts_from_one_address_are_limited_and_waiting_exactly_as_told_is_enough(tmp_path: Path) -> None:
    now = [0]
    attempts = Attempts(Limit(calls_per_second=1, burst_calls=3), monotonic_us=lambda: now[0])
    with open_house(tmp_path, attempts=attempts) as house:
        browser = house.browser()
        for _ in range(2):
            assert browser.client.get("/login").status_code == 303
        assert browser.come_back(state="guessed", code="c").status_code == 400
        for path in ("/login", "/login/callback?state=guessed"):
            response = browser.client.get(path)
            told(response, 429, "Too many attempts")
            assert response.headers["retry-after"] == "1"
        now[0] += 1_000_000
        assert browser.client.get("/login").status_code == 303


def test_each_address_has_its_own_attempts_and_a_subscriber_of_ipv6_has_one() -> None:
    attempts = Attempts(Limit(calls_per_second=1, burst_calls=1), monotonic_us=lambda: 0)
    attempts.spend("192.0.2.1")
    attempts.spend("192.0.2.2")
    attempts.spend("2001:db8:0:1::1")
    attempts.spend("2001:db8:0:2::1")
    for again in ("192.0.2.1", "2001:db8:0:1:ffff::9"):
        with pytest.raises(BurstExceeded):
            attempts.spend(again)


def test_an_ipv4_address_is_itself_as_ipv6_writes_it_too() -> None:
    attempts = Attempts(Limit(calls_per_second=1, burst_calls=1), monotonic_us=lambda: 0)
    attempts.spend("::ffff:192.0.2.1")
    attempts.spend("::ffff:192.0.2.2")
    attempts.spend("192.0.2.3")
    for again in ("192.0.2.1", "::ffff:c000:202", "::ffff:192.0.2.3"):
        with pytest.raises(BurstExceeded):
            attempts.spend(again)


def test_addresses_that_have_rested_are_forgotten() -> None:
    now = [0]
    attempts = Attempts(Limit(calls_per_second=1, burst_calls=1), monotonic_us=lambda: now[0])
    for number in range(25_000):
        attempts.spend(f"address {number}")
        now[0] += 1_000
    assert len(attempts._arrival_us) <= 11_000
    with pytest.raises(BurstExceeded):
        attempts.spend("address 24999")
