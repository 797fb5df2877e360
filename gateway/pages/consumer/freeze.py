"""Freeze and unfreeze, with what still passes and why."""

from __future__ import annotations

from functools import partial

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consent import register
from consent.grant import OPEN
from gateway import decisions, partners
from gateway.pages.consumer.desk import CONSUMER, Visit
from gateway.pages.consumer.frame import Frame

MOST_LIFTED = 100
"""Shown of the consents for which a freeze is lifted; My consents shows them all."""


class FreezePages:
    """Lets a person stop everything at once."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk = frame.desk

    def routes(self) -> list[Route]:
        """The pages' addresses."""
        frame = self._frame
        return [
            Route("/freeze", frame.page(self._show)),
            Route("/freeze/on", frame.form(partial(self._set, frozen=True)), methods=["POST"]),
            Route("/freeze/off", frame.form(partial(self._set, frozen=False)), methods=["POST"]),
        ]

    def _show(self, visit: Visit) -> Response:
        with self._desk.store.reading() as connection:
            frozen = register.frozen_at(connection, visit.subject)
            found = register.lifted_of_subject(connection, visit.subject, limit=MOST_LIFTED)
            lifted = [entry for entry in found if entry.grant.state_at(visit.now) in OPEN]
            names = partners.legal_names(connection, {entry.grant.partner_id for entry in lifted})
        return self._frame.render(
            visit, "freeze.html", here="freeze", frozen=frozen, lifted=lifted, names=names
        )

    def _set(self, visit: Visit, *, frozen: bool) -> Response:
        subject = visit.subject
        if not frozen:
            self._frame.acts.spend(subject)
        self._desk.ledger.change(
            partial(decisions.set_freeze, subject=subject, frozen=frozen, actor=CONSUMER)
        )
        return RedirectResponse("/freeze", 303)
