"""Something is wrong: a person disputes an item or asks for a human review, and sees what became of it."""

from __future__ import annotations

from functools import partial

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consent.register import disputes
from consent.register.disputes import DisputeKind, TooManyOpen, WordsRefused
from gateway import decisions
from gateway.disputes import told
from gateway.pages.consumer.desk import CONSUMER, FormRefused, Visit
from gateway.pages.consumer.frame import Frame
from gateway.pages.consumer.words import N_
from scoregate.errors import WordUnknown

PAGE = 25
CHOOSE = N_("Please choose what you would like.")
SAY = N_("Please say in a few words what is wrong: 1 to 2,000 characters.")
ENOUGH = N_("You have several open already. Please wait for an answer to one of them.")


class WrongPages:
    """Takes disputes and requests for a review."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk = frame.desk

    def routes(self) -> list[Route]:
        """The pages' addresses."""
        frame = self._frame
        return [
            Route("/wrong", frame.page(self._show)),
            Route("/wrong/tell", frame.form(self._tell), methods=["POST"]),
        ]

    def _show(self, visit: Visit) -> Response:
        before = visit.request.query_params.get("before", "")
        with self._desk.store.reading() as connection:
            found = disputes.disputes_of_subject(connection, visit.subject, before=before, limit=PAGE + 1)
            page = told(connection, self._desk.vault, found[:PAGE])
        older = found[PAGE - 1].reference if len(found) > PAGE else ""
        return self._frame.render(
            visit, "wrong.html", here="wrong", disputes=page, older=older, kinds=DisputeKind
        )

    def _tell(self, visit: Visit) -> Response:
        try:
            kind = DisputeKind.read(visit.form.get("kind", ""))
        except WordUnknown as error:
            raise FormRefused(CHOOSE) from error
        words = visit.form.get("words", "").replace("\r\n", "\n").strip()
        tell = partial(decisions.open_dispute, subject=visit.subject, kind=kind, words=words, actor=CONSUMER)
        try:
            made = self._desk.ledger.change(tell)
        except WordsRefused as error:
            raise FormRefused(SAY) from error
        except TooManyOpen as error:
            raise FormRefused(ENOUGH, 409) from error
        return RedirectResponse(f"/wrong#{made.reference}", 303)
