"""A real browser, the size of a phone: what only one can tell. Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

from tests.pages.foreign import BUILD, npm_folder, unavailable

SCREENS = BUILD / "screens"
AXE = Path(__file__).parent / "axe"
WIDTH, HEIGHT = 360, 740
LEAST_TARGET = 24  # CSS px; WCAG 2.2, 2.5.8
THEMES = ("light", "dark")

# A link within a sentence may be as high as its line (2.5.8 excepts it); a box counts with its label.
SMALL_TARGETS = """least => [...document.querySelectorAll(
    'a, button, summary, select, textarea, input:not([type=hidden])'
)].filter(each => !each.matches('.skip')).flatMap(each => {
  const seen = (each.closest('label') ?? each).getBoundingClientRect();
  const near = [...each.parentElement.childNodes].filter(node => node !== each && node.nodeType === 3);
  const inText = getComputedStyle(each).display === 'inline' && near.some(node => /[^\\s·]/.test(node.data));
  const small = seen.width > 0 && (seen.width < least || seen.height < least);
  return small && !inText ? [`${each.outerHTML.slice(0, 120)} ${seen.width}x${seen.height}`] : [];
})"""
RUN_AXE = """async () => (await axe.run({rules: {'target-size': {enabled: true}}})).violations.map(
  each => `${each.id}: ${each.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')}`
)"""

_addresses = itertools.count(1)


def new_address() -> dict[str, str]:
    """The header by which somebody comes from a network of their own, as a proxy on this machine says."""
    number = next(_addresses)
    return {"x-forwarded-for": f"198.18.{number // 256}.{number % 256}"}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, until the block ends."""
    found = shutil.which("chromium")
    if found is None:
        unavailable("Chromium is not installed", "apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        # A container's root has no namespaces to build the sandbox from; what is visited is ours.
        browser = playwright.chromium.launch(executable_path=found, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


def axe_source() -> str:
    """The text of axe-core."""
    return (npm_folder(AXE) / "node_modules" / "axe-core" / "axe.min.js").read_text()


@dataclass
class Phone:
    """One person's phone, without JavaScript; and beside it a twin that has it, for axe alone."""

    browser: Browser
    url: str
    language: str
    axe: str = field(repr=False)
    complaints: list[str] = field(default_factory=list)  # of the browser, of axe, and what is wide or small

    def __post_init__(self) -> None:
        self.context = self._context(java_script_enabled=False)
        self.page = self.context.new_page()
        self.page.on("console", self._hear)
        self.twin = self._context()

    def close(self) -> None:
        self.context.close()
        self.twin.close()

    def open(self, path: str) -> Page:
        self.page.goto(path if "://" in path else f"{self.url}{path}")
        return self.page

    def press(self, name: str) -> Page:
        """Press the one button or follow the one link of this name, whole or in part, within the page."""
        found = self.page.locator("main").get_by_role("button", name=name)
        (found if found.count() else self.page.locator("main").get_by_role("link", name=name)).click()
        return self.page

    def sign_in(self, subject: str) -> Page:
        """At development's own provider, which is where the browser stands."""
        self.page.locator(f'button[name="subject"][value="{subject}"]').click()
        return self.page

    def look(self, name: str) -> None:
        """Picture the page in both themes, and complain of its width, its targets and what axe finds."""
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            SCREENS.mkdir(parents=True, exist_ok=True)
            file = SCREENS / f"{name}-{self.language}-{theme}.png"
            self.page.screenshot(path=file, full_page=True)
        width = self.page.evaluate("document.documentElement.scrollWidth")
        if width > WIDTH:
            self.complaints.append(f"{name} is {width} px wide")
        small = self.page.evaluate(SMALL_TARGETS, LEAST_TARGET)
        self.complaints += [f"{name}: a small target: {each}" for each in small]
        self._ask_axe(name)

    def _hear(self, said: ConsoleMessage) -> None:
        """A browser says here what our content security policy kept it from; and each 404, which is ours."""
        is_ours = self.page.url.startswith(f"{self.url}/")  # of a provider's pages nobody here wrote a line
        if is_ours and not said.text.startswith("Failed to load resource"):
            self.complaints.append(f"{self.page.url}: {said.text}")

    def _ask_axe(self, name: str) -> None:
        """Show the twin the very same page, once more and without the policy that would keep axe out."""
        html = self.page.content()
        page = self.twin.new_page()

        def answer(route: Route) -> None:
            if route.request.resource_type == "document":
                route.fulfill(body=html, content_type="text/html; charset=utf-8")
            else:
                route.continue_()

        page.route("**/*", answer)
        page.goto(self.page.url)
        page.evaluate(self.axe)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            self.complaints += [f"{name}, {theme}: axe: {each}" for each in page.evaluate(RUN_AXE)]
        page.close()

    def _context(self, **given: Any) -> BrowserContext:
        context = self.browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT},
            device_scale_factor=2,
            is_mobile=True,
            has_touch=True,
            locale=self.language,
            extra_http_headers=new_address(),
            **given,
        )
        context.set_default_timeout(20_000)
        return context
