"""What is around every page: who comes, the form's token, the template, and one page for what fails."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import jinja2
import structlog
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent.register import NotFound
from gateway.audit.tree.proofs import EntryNotPublished
from gateway.engine import EngineAnswerInvalid, EngineLate, EngineUnavailable
from gateway.ledger import LedgerBusy, LedgerUnavailable
from gateway.pages.consumer import forms, words
from gateway.pages.consumer.attempts import Attempts, Hourly
from gateway.pages.consumer.desk import Desk, FormRefused, Missing, SignInFirst, Visit
from gateway.pages.consumer.signin.failing import FAILURES, Failure
from gateway.pages.consumer.signin.sessions import Session
from gateway.pages.consumer.words import N_, Language
from gateway.quota.burst import MICROS, BurstExceeded
from gateway.store import StoreUnavailable
from scoregate.words import Disclosure, InputFamily

HERE = Path(__file__).parent
LANGUAGE_COOKIE = "language"
LATER = (StoreUnavailable, LedgerUnavailable, LedgerBusy, EngineUnavailable, EngineLate, EngineAnswerInvalid)

# No script at all, nothing from elsewhere, in nobody's frame; forms go to ourselves.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not "no-referrer": with that a browser would hide where a form comes from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

UNKEPT = {"cache-control": "no-store"}
"""The header of what is about a person."""

log = structlog.get_logger()

Show = Callable[[Visit], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class Sessions(Protocol):
    """Knows who is signed in."""

    def session_of(self, request: Request) -> Session | None:
        """The session of the request's cookie, if it holds now."""


class Frame:
    """Makes endpoints of plain functions. These run in threads, for they wait for the ledger."""

    sessions: Sessions  # made with this frame, so it comes after it

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._zone = ZoneInfo(desk.settings.pages.time_zone)
        most = Hourly(desk.settings.pages.entries_per_hour)
        # Of one person. What stops somebody is in neither: it is never refused, and bounded by itself.
        self.looks, self.acts = Attempts(most), Attempts(most)
        self._environments = {tag: _environment(each, self._zone) for tag, each in words.languages().items()}

    def page(self, show: Show) -> Endpoint:
        """A page that is read."""

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._run, request, show, None)

        return endpoint

    def form(self, act: Show) -> Endpoint:
        """What a form is sent to: by a signed-in person, from a page of ours, with that page's token."""

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._run, request, act, await forms.read(request))

        return endpoint

    async def require_form(self, request: Request, session: Session) -> None:
        """Return only if what was sent is a form of ours, for this session.

        Raises:
            FormRefused: It isn't.
        """
        forms.require_own(request, session, await forms.read(request), self.desk.settings.pages.url)

    async def refused(self, request: Request, error: Exception) -> Response:
        """The page for a form that can't be taken."""
        found = error if isinstance(error, FormRefused) else FormRefused(forms.NO_FORM)
        response = await run_in_threadpool(
            self.problem, request, found.status, N_("That did not work"), found.why
        )
        # What is still being sent is not waited for.
        response.headers["connection"] = "close"
        return response

    def render(self, visit: Visit, template: str, status: int = 200, **given: Any) -> Response:
        """A page in the visit's language."""
        session = visit.session
        text = (
            self._environments[visit.language.tag]
            .get_template(template)
            .render(
                visit=visit,
                language=visit.language,
                others=[each for each in words.languages().values() if each is not visit.language],
                development=self.desk.settings.mode == "development",
                hidden=lambda path: _hidden(session, path, visit.language.tag),
                style=static_path("style.css"),
                icon=static_path("icon.svg"),
                **({"here": ""} | given),
            )
        )
        return HTMLResponse(text, status, UNKEPT)

    def problem(self, request: Request, status: int, title: str, text: str) -> Response:
        """A page that says what went wrong; ``title`` and ``text`` as the catalogues have them."""
        try:
            visit = self._visit(request)
        except StoreUnavailable:
            visit = self._visit(request, with_session=False)
        again = _try_again(request)
        names = [name for name, each in FAILURES.items() if again and each == Failure(status, title, text)]
        # Where a login returned to works once, so another language is asked for at an address of its own.
        same = f"/failed/{names[0]}?{again.partition('?')[2]}" if names else ""
        return self._problem(visit, status, title, text, same=same)

    def failed(self, visit: Visit, failure: Failure, *, again: str) -> Response:
        """Show once more why somebody could not sign in, and the way to try ``again``."""
        return self.render(
            visit, "problem.html", title=failure.title, text=failure.text, again=again, back="", wait=None
        )

    def _run(self, request: Request, show: Show, fields: QueryParams | None) -> Response:
        visit = self._visit(request, with_session=False)
        try:
            visit = self._visit(request)
            if fields is not None:
                url = self.desk.settings.pages.url
                read_in = forms.require_own(request, visit.signed_in, fields, url)
                chosen = frozenset(name for name, value in fields.multi_items() if value == "on")
                visit = replace(visit, form=fields, chosen=chosen, read_in=read_in)
            return show(visit)
        except Exception as error:
            return self._explained(visit, error, is_form=fields is not None)

    def _explained(self, visit: Visit, error: Exception, *, is_form: bool) -> Response:
        """The page for whatever kept a page from being shown."""
        said: tuple[int, str, str]
        match error:
            case SignInFirst():
                sign_in = f"/login?{urlencode({'next': visit.page})}"
                if not is_form:
                    return RedirectResponse(sign_in, 303, UNKEPT)
                # A browser that holds forms to our own address stops where one is sent on to the provider.
                return self.render(visit, "signed_out.html", 403, sign_in=sign_in)
            case Missing() | NotFound():
                said = 404, *(NO_INVITATION if visit.path.startswith("/i/") else NOT_HERE)
            case FormRefused():
                said = error.status, N_("That did not work"), error.why
            case EntryNotPublished():
                said = 503, *TOO_EARLY
            case BurstExceeded():
                said = 429, *TOO_OFTEN
            case _ if isinstance(error, LATER):
                log.warning("page not served", page=_shape(visit.request), why=type(error).__name__)
                said = 503, *NOT_NOW
            case _:
                log.error("unexpected failure on a page", page=_shape(visit.request), exc_info=error)
                said = 500, *OUR_FAULT
        wait = None
        if isinstance(error, BurstExceeded):
            wait = timedelta(seconds=-(-error.verdict.retry_after_us // MICROS))
        back = visit.page if is_form and said[0] != 404 else ""
        response = self._problem(visit, *said, back=back, wait=wait)
        if wait is not None:
            response.headers["retry-after"] = str(int(wait.total_seconds()))
        return response

    def _visit(self, request: Request, *, with_session: bool = True) -> Visit:
        accepted, chosen = request.headers.get("accept-language", ""), request.cookies.get(LANGUAGE_COOKIE)
        session = self.sessions.session_of(request) if with_session else None
        return Visit(request, words.preferred(accepted, chosen), self.desk.clock(), session)

    def _problem(
        self,
        visit: Visit,
        status: int,
        title: str,
        text: str,
        *,
        back: str = "",
        wait: timedelta | None = None,
        same: str = "",
    ) -> Response:
        again = _try_again(visit.request)
        return self.render(
            visit,
            "problem.html",
            status,
            title=title,
            text=text,
            again=again,
            back=back,
            wait=wait,
            same=same,
        )


NO_INVITATION = (
    N_("There is nothing here for you"),
    N_("The link may have been answered, have run out, or be meant for somebody else."),
)
TOO_EARLY = (
    N_("The proof is not there yet"),
    N_("The log is sealed about once a second. Go back, and ask for the proof again."),
)
NOT_HERE = (
    N_("There is no such page"),
    N_("Nothing of yours has this address. It may be mistyped."),
)
TOO_OFTEN = (
    N_("Please wait a little"),
    N_("You have done this many times in a short while. Pausing, ending and freezing still work."),
)
NOT_NOW = (
    N_("This can't be shown just now"),
    N_("Nothing was changed. Please try again in a minute."),
)
OUR_FAULT = (
    N_("Something went wrong on our side"),
    N_("Whatever you decided before stands as it is. Please try again."),
)


def attached(name: str) -> dict[str, str]:
    """The headers of something to download."""
    return {"content-disposition": f'attachment; filename="{name}"'} | UNKEPT


def _hidden(session: Session | None, path: str, language: str) -> Markup:
    """The field with the form's token."""
    made = forms.token(session, path, language) if session else ""
    return Markup('<input type="hidden" name="{}" value="{}">').format(forms.FIELD, made)


def _try_again(request: Request) -> str:
    """Where a sign-in that failed begins anew; empty for every other page."""
    return str(getattr(request.state, "try_again", ""))


def _shape(request: Request) -> str:
    """The page without what it is about: a handle or an id is no business of a log's reader."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "unknown"))


def _environment(language: Language, zone: ZoneInfo) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    texts = language.texts
    environment.install_gettext_callables(texts.gettext, texts.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(
        instant=lambda at: language.instant(at, zone),
        day=lambda on: language.day(on, zone),
        span=language.span,
        wait=language.wait,
        how_often=lambda terms: words.how_often(language, terms),
        purpose=lambda purpose: language(words.PURPOSES[purpose]),
        purpose_name=lambda purpose: language(words.PURPOSE_NAMES[purpose]),
        family=lambda family: language(words.FAMILIES[family][0]),
        family_text=lambda family: language(words.FAMILIES[family][1]),
        disclosure=lambda disclosure: language(words.DISCLOSURES[disclosure]),
        state=lambda state: language(words.STATES[state]),
        event=lambda told: language(words.event(*told)),
        refused=lambda reason: words.refused(language, reason),
    )
    environment.globals.update(
        families=tuple(InputFamily),
        Disclosure=Disclosure,
        zone=zone.key,
        gap=language.gap,
        comma=language.comma,
        colon=language.colon,
    )
    return environment


# --- what doesn't change, under names that change with it


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Content and kind of each static file, by a name with its digest: it may be kept for ever."""
    kinds = {".css": "text/css", ".svg": "image/svg+xml"}
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in kinds:
            content = path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:9]).decode()
            found[f"{path.stem}-{digest}{path.suffix}"] = content, kinds[path.suffix]
    return found


@cache
def static_path(name: str) -> str:
    """Where a static file is, such as "style.css"."""
    stem, suffix = name.rsplit(".", 1)
    found = next(each for each in static_files() if each.startswith(f"{stem}-") and each.endswith(suffix))
    return f"/static/{found}"


class Guarded:
    """The application with the headers that every answer carries."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if https else {})
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                extra = [header for header in self._headers if header[0] not in own]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self._app(scope, receive, guarded)
