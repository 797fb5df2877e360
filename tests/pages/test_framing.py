"""What only a browser can tell: frames, and what other sites can send or read with a person's cookie."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.pages.attacking import ADA, BO, arrive, lender, token_for
from tests.pages.phone import chromium, new_address
from tests.pages.place import Place


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@contextmanager
def elsewhere(html: str) -> Iterator[int]:
    """Somebody else's web server, with one page; its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def victim(place: Place, browser: Browser) -> Iterator[BrowserContext]:
    """Ada's browser, with JavaScript, signed in."""
    context = browser.new_context(extra_http_headers=new_address())
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{place.url}/login?next=/freeze")
    page.locator(f'button[value="{ADA}"]').click()
    page.get_by_role("button", name="Freeze now").wait_for()
    yield context
    context.close()


# A browser takes another port for the same site, and sends the cookie along; another name is another site.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_page_is_shown_in_anybodys_frame(place: Place, victim: BrowserContext, host: str) -> None:
    paths = (
        "/",
        "/freeze",
        f"/i/{lender(place).invite().handle}",
        "/development/login/authorize",
        "/nowhere",
    )
    framed = "".join(f'<iframe src="{place.url}{path}"></iframe>' for path in paths)
    with elsewhere(framed) as port:
        page = victim.new_page()
        page.goto(f"http://{host}:{port}/", wait_until="load")
        assert len(page.frames) == 1 + len(paths)
        # A refused frame's own page may come after the load of the page around it.
        for frame in page.frames[1:]:
            frame.wait_for_url(re.compile("^chrome-error:"), wait_until="commit")
            assert frame.get_by_text("Scoregate").count() == 0


def test_a_page_that_allows_it_is_framed_so_the_browser_does_frame(victim: BrowserContext) -> None:
    """The control: the same frame around a page without the headers."""
    with (
        elsewhere("<h1>Scoregate</h1>") as inner,
        elsewhere(f'<iframe src="http://127.0.0.1:{inner}/"></iframe>') as port,
    ):
        page = victim.new_page()
        page.goto(f"http://localhost:{port}/")
        page.frame_locator("iframe").get_by_text("Scoregate").wait_for()


@pytest.mark.parametrize(
    ("host", "arrives_as"), [("127.0.0.1", "a stranger's form"), ("localhost", "nobody's")]
)
@pytest.mark.parametrize("method", ["post", "get"])
def test_no_other_origin_sends_a_form_even_with_the_right_token(
    place: Place, victim: BrowserContext, host: str, arrives_as: str, method: str
) -> None:
    (cookie,) = [each["value"] for each in victim.cookies() if each["name"] == "scoregate"]
    mine = arrive(place, cookie=f"scoregate={cookie}")
    mine.cookies.set("scoregate", cookie)
    stolen = token_for(mine, "/freeze/on")
    form = (
        f'<form method="{method}" action="{place.url}/freeze/on"><input name="token" value="{stolen}"></form>'
        "<script>document.forms[0].submit()</script>"
    )
    with elsewhere(form) as port, place.world.entries() as entries:
        page = victim.new_page()
        page.goto(f"http://{host}:{port}/")
        page.wait_for_url(f"{place.url}/**")
        page.wait_for_load_state()
        text = page.locator("main").inner_text()
    assert entries == []
    if method == "post":
        expected = "not from this page" if arrives_as == "a stranger's form" else "Nothing was done"
        assert expected in text
    else:
        assert "There is no such page" in text or "Method Not Allowed" in text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_other_origin_reads_a_page_or_uses_it_as_an_image(
    place: Place, victim: BrowserContext, host: str
) -> None:
    with elsewhere("<title>evil</title>") as port:
        page = victim.new_page()
        page.goto(f"http://{host}:{port}/")
        for given in ("{credentials: 'include'}", "{credentials: 'include', mode: 'no-cors'}"):
            read = f"() => fetch('{place.url}/asked', {given}).then(r => r.status, () => 'refused')"
            assert page.evaluate(read) == "refused"


def test_the_window_of_whoever_opened_a_page_knows_nothing_of_it(
    place: Place, victim: BrowserContext
) -> None:
    with elsewhere("<title>evil</title>") as port:
        page = victim.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        with victim.expect_page() as opened:
            page.evaluate(f"() => {{ window.other = window.open('{place.url}/asked') }}")
        opened.value.get_by_role("heading", name="Who asked").wait_for()
        assert page.evaluate("() => window.other.closed") is True
        assert opened.value.evaluate("() => window.opener") is None


def test_a_script_in_a_lenders_name_does_not_run(place: Place, victim: BrowserContext) -> None:
    name = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
    page = victim.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{place.url}/i/{lender(place, name).invite().handle}")
    assert name in page.locator("h1").inner_text()
    assert page.title() != "run"
    assert said == []


def test_a_login_for_another_person_half_way_does_not_answer_for_them(
    place: Place, victim: BrowserContext
) -> None:
    """In one tab Ada reads an invitation; in another somebody else signs in; then Allow is pressed."""
    asker = lender(place)
    handle = asker.invite().handle
    first, second = victim.new_page(), victim.new_page()
    first.goto(f"{place.url}/i/{handle}")
    second.goto(f"{place.url}/login")
    second.locator(f'button[value="{BO}"]').click()
    with place.world.entries() as entries:
        first.get_by_role("button", name="Allow").click()
        first.get_by_text("you have signed in anew since").wait_for()
    assert entries == []
