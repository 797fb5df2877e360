"""Something is wrong: a person disputes an item or asks for a human review, and sees what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

from markupsafe import escape
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consent.register import disputes
from consent.register.disputes import DisputeKind, TooManyOpen, WordsRefused
from gateway import decisions
from gateway.disputes import Told, told
from gateway.pages.consumer.desk import CONSUMER, Visit, known
from gateway.pages.consumer.frame import Frame
from gateway.pages.consumer.words import N_
from scoregate.errors import WordUnknown

PAGE = 25
MOST_BYTES = 40_000
"""Of what was written, as a page spells it out. With all that is around it, a page stays below 100 kB."""

MOST_RETYPED = 2 * disputes.MOST_CHARACTERS
"""Characters of what could not be taken that the form has again: a browser sends line breaks as two."""

CHOOSE = N_("Please choose what you would like.")
SAY = N_("Please say in a few words what is wrong: 1 to 2,000 characters, and no invisible ones.")
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
        return self._page(visit)

    def _page(self, visit: Visit, status: int = 200, **said: str) -> Response:
        """What was told so far, and the form; with what was ``said`` and ``why`` it can't be taken."""
        before = visit.request.query_params.get("before", "")
        if before:
            known(before, disputes.REFERENCE)
        with self._desk.store.reading() as connection:
            found = disputes.disputes_of_subject(connection, visit.subject, before=before, limit=PAGE + 1)
            page = _fitting(told(connection, self._desk.vault, found[:PAGE]))
        older = page[-1].dispute.reference if len(found) > len(page) else ""
        told_words = {"kind": "", "words": "", "why": ""} | said
        return self._frame.render(
            visit,
            "wrong.html",
            status,
            here="wrong",
            disputes=page,
            older=older,
            kinds=DisputeKind,
            **told_words,
        )

    def _tell(self, visit: Visit) -> Response:
        given, words = visit.form.get("kind", ""), visit.form.get("words", "")
        again = partial(self._page, visit, kind=given, words=words[:MOST_RETYPED])
        self._frame.acts.spend(visit.subject)
        try:
            kind = DisputeKind.read(given)
            tell = partial(
                decisions.open_dispute, subject=visit.subject, kind=kind, words=words, actor=CONSUMER
            )
            made = self._desk.ledger.change(tell)
        except WordUnknown:
            return again(400, why=CHOOSE)
        except WordsRefused:
            return again(400, why=SAY)
        except TooManyOpen:
            return again(409, why=ENOUGH)
        return RedirectResponse(f"/wrong#{made.reference}", 303)


def _fitting(cases: Sequence[Told]) -> list[Told]:
    """As many of them as one page has room for, from the first: that one in any case."""
    sizes = accumulate(len(escape(each.words + each.outcome).encode()) for each in cases)
    return [
        each for n, (each, size) in enumerate(zip(cases, sizes, strict=True)) if not n or size <= MOST_BYTES
    ]
