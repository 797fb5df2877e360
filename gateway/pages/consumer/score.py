"""My score: the number, what lifted and lowered it, how it went, what would help. Free, and no inquiry."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway import decisions
from gateway.engine import today
from gateway.pages.consumer import chart, words
from gateway.pages.consumer.desk import CONSUMER, Visit
from gateway.pages.consumer.frame import UNKEPT, Frame
from gateway.pages.consumer.words import N_
from scoregate.proof.results import band_of

MOST_SHOWN = 4
JUST_NOW = timedelta(minutes=1)
A_MONTH_LATE = timedelta(days=62)


class ScorePages:
    """Shows a person their own score. Each look is an entry, committed before the number is shown."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk = frame.desk

    def routes(self) -> list[Route]:
        """The pages' addresses."""
        page = self._frame.page
        return [
            Route("/", page(self._home)),
            Route("/signed-out", page(partial(self._home, signed_out=True))),
            Route("/score", page(self._show)),
        ]

    def _home(self, visit: Visit, *, signed_out: bool = False) -> Response:
        if visit.session is None:
            return self._frame.render(
                visit, "welcome.html", back="/score", asked=False, signed_out=signed_out
            )
        return RedirectResponse("/score", 303)

    def _has_just_signed_in(self, visit: Visit) -> bool:
        """Whether it is the provider's site that they come from."""
        life = timedelta(minutes=self._desk.settings.pages.session_minutes)
        return visit.now - (visit.signed_in.expires_at - life) < JUST_NOW

    def _show(self, visit: Visit) -> Response:
        subject = visit.subject
        headers = visit.request.headers
        if visit.request.method == "HEAD":  # nothing is shown, so nobody looked
            return Response(headers=UNKEPT)
        if "sec-purpose" in headers:  # a browser looks ahead, and comes again when somebody does look
            return Response(status_code=503, headers=UNKEPT)
        if headers.get("sec-fetch-site") == "cross-site" and not self._has_just_signed_in(visit):
            return self._frame.render(visit, "look.html", here="score")  # another site sent them
        self._frame.looks.spend(subject)
        timeout = self._desk.settings.engine.timeout_ms / 1_000
        found = self._desk.engine.explain(subject, as_of=today(visit.now), timeout=timeout)
        newest = found.epochs[0]
        look = partial(decisions.look_at_own_score, subject=subject, newest=newest, actor=CONSUMER)
        self._desk.ledger.change(look)
        language = visit.language
        weighty = sorted(found.contributions, key=lambda each: -abs(each.points))
        lifted = [words.LIFTED.get(each.code, words.UNKNOWN_LIFTED) for each in weighty if each.points > 0]
        lowered = [words.LOWERED.get(each.code, words.UNKNOWN_LOWERED) for each in weighty if each.points < 0]
        return self._frame.render(
            visit,
            "score.html",
            here="score",
            newest=newest,
            band=band_of(newest.score) if newest.score is not None else None,
            scale=chart.scale(
                newest.score,
                name="scale",
                title=language(N_("Your score on its scale")),
                desc=language(N_("%(score)s, from 350 to 950")) % {"score": newest.score},
            ),
            history=chart.history(
                [(each.epoch, each.score) for each in found.epochs],
                name="history",
                title=language(N_("Your score, month by month")),
                desc=language(N_("The table below says the same.")),
            ),
            lifted=[language(text) for text in lifted[:MOST_SHOWN]],
            lowered=[(language(what), language(help_)) for what, help_ in lowered[:MOST_SHOWN]],
            epochs=found.epochs,
            has_history=any(each.score is not None for each in found.epochs[1:]),
            is_stale=visit.now.date() - newest.epoch > A_MONTH_LATE,
            model=self._desk.model.model,
        )
