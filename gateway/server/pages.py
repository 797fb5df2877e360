"""The consumers' pages as a process of their own: the same ledger as the gateway's, and none of its doors.

Apart, so that a person who looks at a page never waits for lenders' calls, nor these for the page.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from functools import partial

from gateway.audit import persons
from gateway.decisions import new_matcher
from gateway.pages import consumer
from gateway.pages.consumer.desk import Desk
from gateway.pages.consumer.signin import sessions
from gateway.pages.consumer.signin.registration import provider_problems
from gateway.server.housekeeping import tick
from gateway.server.listening import serve_pages
from gateway.server.parts import Parts, Seams, open_parts
from gateway.server.soundness import require_sound
from gateway.settings import Settings
from gateway.store import Store, StoreUnavailable

SWEEP_SECONDS = 60.0

# Development's own: the first are of the public data set, under names, documents and phones made up here (the
# phones are of a range that is given to nobody); of the last nothing is known.
RESIDENTS = (
    ("uci-00001", "Ada Example", "TEST-0001", "+44 7700 900001"),
    ("uci-00002", "陈国强", "TEST-0002", "+44 7700 900002"),
    ("uci-00003", "Bo Example", "TEST-0003", "+44 7700 900003"),
    ("uci-00004", "Cleo Example", "TEST-0004", "+44 7700 900004"),
    ("nobody-yet", "Dee Example", "TEST-0005", "+44 7700 900005"),
)


class ConsumerPages:
    """The pages, being served. ``start`` returns them; ``stop`` ends them."""

    def __init__(self) -> None:
        self._closing = ExitStack()
        self._stopped = threading.Event()
        self.port = 0

    @classmethod
    def start(cls, settings: Settings, seams: Seams | None = None) -> ConsumerPages:
        """Serve them.

        Raises:
            SettingsInvalid: Something is missing or half-configured; every mistake is named.
        """
        pages = cls()
        try:
            pages._open(settings, seams or Seams())
        except BaseException:
            pages._closing.close()
            raise
        return pages

    def stop(self) -> None:
        """Finish what is under way, and close."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._closing.close()

    def wait(self) -> None:
        """Return once ``stop`` was called."""
        self._stopped.wait()

    def _open(self, settings: Settings, seams: Seams) -> None:
        require_sound(settings, now=seams.clock(), also=provider_problems(settings))
        parts = open_parts(settings, seams, self._closing)
        tick("entries of persons", partial(_catch_up, parts.store), self._closing)
        tick("sessions", partial(_sweep, parts.store, seams), self._closing, every=SWEEP_SECONDS)
        pages = consumer.application(desk(parts), RESIDENTS)
        self.port = serve_pages(pages, settings.listen.pages, self._closing, field="listen.pages")


def desk(parts: Parts) -> Desk:
    """What the pages are made from."""
    settings = parts.settings
    return Desk(
        settings=settings,
        clock=parts.clock,
        store=parts.store,
        vault=parts.vault,
        pairwise=parts.pairwise,
        ledger=parts.ledger,
        signer=parts.signer,
        engine=parts.engine,
        model=parts.model,
        matcher=new_matcher(parts.vault, settings.pages.phone_region),
    )


def _catch_up(store: Store) -> None:
    with suppress(StoreUnavailable):  # the next one comes in a second; meanwhile pages look through the tail
        persons.catch_up(store)


def _sweep(store: Store, seams: Seams) -> None:
    try:
        with store.writer.begin() as connection:
            sessions.sweep(connection, now=seams.clock())
    except StoreUnavailable:
        pass  # the next one comes in a minute
