"""The only place where things are wired: settings in, a running gateway out.

Start refuses anything half-configured, naming every mistake. Stop drains: health says
NOT_SERVING first, calls under way finish, then the pools close.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

from gateway.audit.tree.proofs import Proofs
from gateway.doors.calls import CallServer
from gateway.doors.door import Asked, Frame, Handlers
from gateway.doors.score import ScoreDoor
from gateway.journey import record_model
from gateway.ledger import LedgerUnavailable
from gateway.pages import log, public
from gateway.pages.bundles import Bundles
from gateway.server import publishing, services
from gateway.server.housekeeping import housekeep, keep_house, tick
from gateway.server.listening import (
    Health,
    bind,
    channel_arguments,
    new_door,
    require_free,
    serve_pages,
)
from gateway.server.parts import Parts, Seams, open_parts, wall_clock
from gateway.server.soundness import invalid, require_sound
from gateway.settings import Settings

ADMIN_THREADS = 8
"""The admin door's own, so that a flood of queries never keeps a revocation waiting for a thread."""


class Gateway:
    """A running gateway. ``start`` returns one; ``stop`` drains it."""

    def __init__(self, settings: Settings, seams: Seams | None = None) -> None:
        self._seams = seams or Seams()
        self._settings = settings
        self._serving = False
        self._closing = ExitStack()
        self._stopped = threading.Event()
        self._health = Health((*services.PARTNER, *services.ADMIN))
        self._doors: tuple[CallServer, ...] = ()
        self.partner_port = self.admin_port = self.http_port = 0

    @classmethod
    def start(cls, settings: Settings, seams: Seams | None = None) -> Gateway:
        """Open the doors.

        Raises:
            SettingsInvalid: Something is missing or half-configured; every mistake is named.
        """
        gateway = cls(settings, seams)
        try:
            gateway._open()
        except BaseException:
            gateway._closing.close()
            raise
        return gateway

    def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Drain and close: health first, then calls under way, then the ledger."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._serving = False
        self._health.serve(serving=False)
        # Balancers look at health; calls that they still send meanwhile are answered.
        time.sleep(self._settings.limits.drain_seconds)
        with ThreadPoolExecutor(len(self._doors)) as stopping:
            for door in self._doors:
                stopping.submit(door.stop, grace.total_seconds())
        self._closing.close()

    def wait(self) -> None:
        """Return once ``stop`` was called."""
        self._stopped.wait()

    def _open(self) -> None:
        settings = self._settings
        require_sound(settings, now=self._seams.clock())
        require_free({f"listen.{door}": at for door, at in settings.listen if door != "pages"})
        parts = open_parts(settings, self._seams, self._closing)
        frame = Frame(
            parts.gate,
            help_url=f"{settings.public_url}/errors",
            default_deadline=timedelta(milliseconds=settings.limits.default_deadline_ms),
        )
        self._bind(parts, frame)
        self._serve_http(parts)
        # The model in use is an entry before the first answer; a start that fails leaves none.
        _record(parts)
        self._serve(parts)
        publishing.keep_published(parts, self._closing, self._seams.reached)
        keep_house(parts, self._closing)
        # Whatever is here now stays: a full collection that went through it would keep every call waiting.
        gc.collect()
        gc.freeze()
        self._serving = True

    def _bind(self, parts: Parts, frame: Frame) -> None:
        settings, tls, listen = self._settings, self._settings.tls, self._settings.listen
        threads = settings.limits.worker_threads
        scores = ScoreDoor(services.new_journey(parts, self._closing))
        lenders = services.partner_services(parts, frame, scores)
        staff = services.admin_services(parts, frame)
        door = partial(self._new_door, frame)
        partner = door(lenders, scores.asked(), services.PARTNER, threads, may_poll=parts.ledger.at_rest)
        admin = door(staff, {}, services.ADMIN, ADMIN_THREADS)
        parts.ledger.call_in(partner.take_in)
        self._doors = (partner, admin)
        for each in self._doors:
            self._closing.callback(each.stop, 0)
        self.partner_port = bind(partner, settings, "listen.partner", listen.partner, tls.partner_ca)
        self.admin_port = bind(admin, settings, "listen.admin", listen.admin, tls.staff_ca)

    def _serve(self, parts: Parts) -> None:
        patience = self._settings.limits.default_deadline_ms / 1_000
        tick("guests", parts.ledger.conclude_overdue, self._closing)
        for door in self._doors:
            door.start()
            tick("bodies", partial(door.hang_up_overdue, patience), self._closing)
        self._health.serve(serving=True)

    def _new_door(
        self,
        frame: Frame,
        handlers: Handlers,
        asked: Mapping[str, Asked],
        names: tuple[str, ...],
        threads: int,
        may_poll: threading.Event | None = None,
    ) -> CallServer:
        return new_door(
            self._settings,
            handlers,
            asked,
            names,
            frame=frame,
            threads=threads,
            health=self._health,
            closing=self._closing,
            may_poll=may_poll,
        )

    def _serve_http(self, parts: Parts) -> None:
        address, proofs = self._settings.listen.http, Proofs(parts.store)
        bundles = Bundles(parts.store, proofs, services.new_passes(parts), clock=parts.clock)
        pages = public.application(
            parts.signer.jwks,
            log.routes(proofs, bundles, partial(publishing.stated_policy, self._settings)),
            is_serving=lambda: self._serving,
            metrics=address.host in {"127.0.0.1", "::1", "localhost"},
        )
        self.http_port = serve_pages(pages, address, self._closing)


def _record(parts: Parts) -> None:
    try:
        parts.ledger.change(lambda tx: record_model(tx, parts.model))
    except LedgerUnavailable as error:
        raise invalid(
            "database.url", "the ledger can't be written; check the disk and the database"
        ) from error


__all__ = ["Gateway", "Seams", "channel_arguments", "housekeep", "require_sound", "wall_clock"]
