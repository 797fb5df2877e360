"""A gateway and the consumers' pages over one ledger, as an installation runs them."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from gateway.server import Seams
from gateway.server.pages import ConsumerPages
from gateway.settings import Settings
from tests.pages.browser import Browser
from tests.world import World, open_world

PLENTY = 1_000_000


@dataclass
class Place:
    """Both, and whoever comes."""

    world: World
    pages: ConsumerPages
    closing: ExitStack = field(repr=False)

    @property
    def url(self) -> str:
        return self.world.settings.pages.url

    def browser(self, subject: str = "", **given: str) -> Browser:
        """A new browser; with a subject, that person is signed in."""
        browser = self.closing.enter_context(Browser(self.url, **given))
        if subject:
            assert browser.sign_in(subject).status_code == 200
        return browser


def free_port() -> int:
    """One that nobody listens on, below those that a system deals out by itself: those are soon taken."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def with_pages(settings: Settings, port: int = 0, **changes: object) -> Settings:
    """These settings with pages on a port that was free a moment ago: their address must be known before."""
    port = port or free_port()
    listen = settings.listen.model_copy(update={"pages": type(settings.listen.pages)("127.0.0.1", port)})
    address: dict[str, object] = {"url": f"http://127.0.0.1:{port}", "entries_per_hour": PLENTY}
    pages = settings.pages.model_copy(update=address | changes)
    return settings.model_copy(update={"listen": listen, "pages": pages})


@contextmanager
def open_place(
    settings: Settings, seams: Seams | None = None, *, port: int = 0, **changes: object
) -> Iterator[Place]:
    """A place of its own."""
    settings = with_pages(settings, port, **changes)
    with open_world(settings, seams=seams) as world, ExitStack() as closing:
        pages = ConsumerPages.start(
            settings, Seams(clock=world.clock, engine=seams.engine if seams else None)
        )
        closing.callback(pages.stop)
        yield Place(world, pages, closing)
