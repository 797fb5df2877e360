"""Odd bodies and methods, and what every answer carries whatever was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.pages.consumer.frame import POLICY
from tests.pages.attacking import ACTIONS, ADA, arrive, raw, refused, require_inert, sent
from tests.pages.browser import Browser
from tests.pages.place import Place, open_place
from tests.world import settings_for


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 65_537, "", 413),
        (b"token=%s&words=" + b"x" * 65_536, "", 413),
        (b"&".join(b"a=1" for _ in range(65)), "", 400),
        (b"token=%ff%fe", "", 400),
        (b"\xff\xfe", "", 400),
        (b"token=%ED%A0%80", "", 400),
        (b"", "", 403),
        (b"=&=&=", "", 403),
        (b"%", "", 403),
        (b"token[]=x&token.x=y", "", 403),
        (b"{}", "application/json", 415),
        (b"token=x", "text/plain", 415),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", 415),
        (b"token=x", "application/x-www-form-urlencoded; charset=utf-16", 403),
        (b"token=x", "application/x-www-form-urlencodedx", 415),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_odd_body_is_refused_on_a_page(
    place: Place, ada: Browser, body: bytes, kind: str, status: int
) -> None:
    headers = {"content_type": kind} if kind else {}
    for path in ("/freeze/on", "/wrong/tell", "/logout"):
        refused(place, partial(raw, ada, path, body, **headers), status)


def test_a_body_without_an_end_is_read_no_further_than_its_bound(place: Place, ada: Browser) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while taken < 1 << 28:
            taken += 1 << 16
            yield b"x" * (1 << 16)

    with suppress(httpx.NetworkError, httpx.RemoteProtocolError):  # whoever goes on is hung up on
        assert raw(ada, "/freeze/on", endless()).status_code == 413
    assert taken < 1 << 26


@pytest.mark.parametrize("words", ["", " \r\n ", "x" * 2_001, "\x00", "a\x07b", "\u202etext"])
def test_words_that_are_none_are_refused(place: Place, bo: Browser, words: str) -> None:
    refused(place, lambda: sent(bo, "/wrong/tell", ("kind", "REVIEW"), ("words", words)), 400)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_do_nothing(place: Place, ada: Browser, victim: dict[str, str], method: str) -> None:
    paths = ["/", "/score", "/consents", "/static/x", "/nowhere", "/login", "/development/login/token"]
    paths += [path.format(**victim) for path in ACTIONS.values()]
    with place.world.entries() as entries:
        statuses = {ada._client.request(method, path).status_code for path in paths}
    assert (statuses, entries) == ({405}, [])


def test_reading_changes_nothing(place: Place, ada: Browser, victim: dict[str, str]) -> None:
    with place.world.entries() as entries:
        for path in ACTIONS.values():
            assert ada.get(path.format(**victim)).status_code in (404, 405)
            assert ada._client.head(path.format(**victim)).status_code in (404, 405)
        for path in ("/score", "/consents", "/asked", "/freeze", "/wrong", f"/i/{victim['handle']}"):
            refusal = sent(ada, path)
            assert refusal.status_code == 405
    assert entries == []
    assert ada.get("/consents").url.path == "/consents"


# --- what every answer carries


COMMON = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
EXACT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


def test_every_answer_carries_the_same_strict_headers(place: Place, victim: dict[str, str]) -> None:
    assert POLICY == EXACT
    browser = arrive(place, ADA)
    style = re.findall(r'href="(/static/style-[^"]*)"', browser.get("/freeze").text)[0]
    index = re.findall(r'href="/asked/(\d+)"', browser.get("/asked").text)[0]
    paths = [
        *("/", "/score", "/consents", "/asked", "/asked/report", "/asked/report.json", "/wrong", "/freeze"),
        *(
            f"/consents/{victim['consent']}",
            f"/consents/{victim['consent']}/receipt",
            f"/i/{victim['handle']}",
        ),
        *(f"/asked/{index}", f"/asked/{index}/leaf", f"/asked/{index}/receipt.json", style, "/static/none"),
        *("/nowhere", "/login", "/login/callback", "/logout", "/language?to=en", "/healthz", "/freeze/on"),
        *(
            "/development/login/authorize",
            "/development/login/jwks",
            "/development/login/nowhere",
            "/consents/",
        ),
    ]
    answers = [browser._client.get(path, follow_redirects=False) for path in paths]
    answers += [raw(browser, "/freeze/on", b"token=x"), raw(browser, "/freeze/on", b"x" * 70_000)]
    answers += [
        raw(browser, "/logout", b"", content_type="text/plain"),
        browser._client.request("TRACE", "/"),
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in COMMON} == COMMON, answer.url
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert "strict-transport-security" not in answer.headers
        if answer.headers.get("content-type", "").startswith("text/html"):
            require_inert(answer)
        of_a_person = not answer.url.path.startswith(("/static/", "/development/", "/healthz"))
        if of_a_person and answer.status_code == 200:
            assert answer.headers["cache-control"] == "no-store", answer.url
        for name in answer.headers.get_list("content-disposition"):
            assert re.fullmatch(r'attachment; filename="[a-z0-9.-]+"', name)


def test_over_https_every_cookie_is_kept_to_it(tmp_path: Path, engine_folder: Path) -> None:
    settings = settings_for(tmp_path, f"sqlite:///{tmp_path}/ledger.db", engine_folder)
    with open_place(settings, url="https://people.example") as place:
        at = f"http://127.0.0.1:{place.pages.port}"
        with httpx.Client(base_url=at, trust_env=False) as client:
            answers = [client.get("/language?to=en"), client.get("/login")]
            for answer in answers:
                (cookie,) = answer.headers.get_list("set-cookie")
                marks = {mark.strip().lower() for mark in cookie.split(";")[1:]}
                assert {"secure", "httponly", "samesite=lax"} <= marks, cookie
                assert answer.headers["strict-transport-security"] == "max-age=31536000"
