"""Markup where text belongs: in lenders' names, in addresses, in headers, in what people write."""

from __future__ import annotations

import re

import grpc
import httpx
import pytest

from tests.pages.attacking import CHEN, CLEO, arrive, invitation, lender, require_inert, sent, unescaped
from tests.pages.browser import Browser
from tests.pages.place import Place
from tests.world import Partner

EVIL_NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "{{7*7}}{% raw %}${7*7}#{7*7}",
    "&lt;b&gt;&amp;&#60;%(name)s %s {0}",
    "</title></main><h1>Scoregate",
    "Acme]]><!-- --> Ltd",
    "شركة الإقراض Ltd",
]


def pages_of(browser: Browser, asker: Partner) -> dict[str, httpx.Response]:
    """Every page that shows a lender's name."""
    denied, allowed = asker.invite(mode="CONSENT_MODE_PERIODIC"), asker.invite(mode="CONSENT_MODE_PERIODIC")
    found = {"invitation": browser.get(f"/i/{denied.handle}")}
    found["denied"] = browser.press(found["invitation"], "/deny")
    found["allowed"] = browser.press(browser.get(f"/i/{allowed.handle}"), "/allow")
    consent_id = invitation(asker, allowed.handle).consent_id
    asker.score(consent_id)
    found["consents"] = browser.get("/consents")
    found["consent"] = browser.get(f"/consents/{consent_id}")
    found["asked"] = browser.get("/asked")
    newest = re.findall(r'href="/asked/(\d+)"', found["asked"].text)[0]
    found["entry"] = browser.get(f"/asked/{newest}")
    found["report"] = browser.get("/asked/report")
    return found


@pytest.fixture(scope="module")
def plain_tags(place: Place) -> dict[str, set[str]]:
    """The tags of each page under a harmless name."""
    pages = pages_of(arrive(place, CHEN), lender(place))
    return {name: set(require_inert(page)) for name, page in pages.items()}


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
@pytest.mark.parametrize("name", EVIL_NAMES)
def test_a_lenders_name_stays_text_on_every_page(
    place: Place, plain_tags: dict[str, set[str]], name: str, language: str
) -> None:
    browser = arrive(place, CHEN, language=language)
    for which, page in pages_of(browser, lender(place, name)).items():
        assert page.status_code == 200
        assert set(require_inert(page)) == plain_tags[which], which
        assert name in unescaped(page), which


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\x00", "\r\n", "\u2028", "\ufeff", "\u200b"])
def test_a_name_that_would_turn_or_break_the_text_is_refused_at_the_door(place: Place, mark: str) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        lender(place, f"Acme {mark}dtL")
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


def test_what_a_person_writes_stays_text(place: Place) -> None:
    browser = arrive(place, CLEO)
    words = "<script>alert(1)</script>\n</textarea>{{7*7}}"
    path = "/wrong/tell"
    told = sent(browser, path, ("kind", "REVIEW"), ("words", words))
    assert told.url.path == "/wrong"
    require_inert(told)
    assert words in unescaped(told)


@pytest.mark.parametrize(
    "path",
    [
        "/<script>alert(1)</script>",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/score?x=%22%3E%3Cscript%3E",
        '/consents?before="><script>alert(1)</script>',
        "/asked?before=<script>",
        '/asked/report?year="><img src=x onerror=alert(1)>',
        "/i/<script>alert(1)</script>",
        '/i/"><script>alert(1)</script>',
        "/login/callback?error=<script>&state=<script>",
        "/login/callback?error=%22onload=%22alert(1)",
        "/{{7*7}}",
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
def test_nothing_of_an_address_comes_back_as_markup(
    place: Place, bo: Browser, path: str, signed_in: bool
) -> None:
    page = (bo if signed_in else arrive(place)).get(path)
    require_inert(page)
    assert "alert(1)" not in unescaped(page)


def test_nothing_of_a_header_comes_back_at_all(place: Place) -> None:
    evil = '"><script>alert(1)</script>'
    names = ("accept-language", "user-agent", "referer", "x-forwarded-host")
    browser = arrive(place, **dict.fromkeys(names, evil))
    page = browser.get("/", headers={"cookie": f"language={evil}"})
    require_inert(page)
    assert "alert" not in page.text + str(page.headers)
    assert '<html lang="en">' in page.text
