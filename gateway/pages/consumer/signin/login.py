"""Signing in and out: to the provider, back from it, and the cookie of whoever is signed in.

Three routes: ``/login?next=/…`` begins, ``/login/callback`` ends it with a fresh session (OWASP ASVS 5.0,
7.2.4), ``/logout`` ends that. Every failure is a page in plain words with a way to begin anew. Nothing that a
provider says, and no code, is logged or comes back in an address of ours.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consent.identity import MOST_CHARACTERS, Trait
from consent.pairwise import SUBJECT
from gateway.audit.private import Vault
from gateway.pages.consumer import forms
from gateway.pages.consumer.attempts import Attempts
from gateway.pages.consumer.desk import MOST_OF_A_PATH
from gateway.pages.consumer.signin import sessions
from gateway.pages.consumer.signin.begun import KEPT, Beginnings, Begun, NotBegun
from gateway.pages.consumer.signin.failing import (
    EXPECTED,
    REFUSED,
    UNKNOWN,
    Refused,
    Show,
    explained,
)
from gateway.pages.consumer.signin.openid import Issuer, new_question
from gateway.pages.consumer.signin.registration import Registration
from gateway.pages.consumer.signin.sessions import Person, Session
from gateway.quota.burst import MICROS, BurstExceeded
from gateway.settings import Settings
from gateway.store import Store

log = structlog.get_logger()

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
DAY_SECONDS = 86_400
PHONE, PHONE_VERIFIED = "phone_number", "phone_number_verified"
# A path of our own: what a browser might read as another host, or as two lines, is none.
OWN_PATH = re.compile(rf"/(?!/)(?!.*//)[!-\[\]-~]{{0,{MOST_OF_A_PATH - 1}}}")

# What a provider may say instead of a code (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6).
REFUSALS = frozenset(
    {
        *(
            "access_denied",
            "invalid_request",
            "unauthorized_client",
            "unsupported_response_type",
            "invalid_scope",
        ),
        *("server_error", "temporarily_unavailable", "interaction_required", "login_required"),
        *("account_selection_required", "consent_required"),
    }
)


def own_path(text: str) -> str:
    """The text if it is a path of our own, of at most 1,024 characters; else "/"."""
    return text if OWN_PATH.fullmatch(text) else "/"


class Login:
    """Who is signed in, and how they come to be.

    ``require_form(request, session)`` raises unless the form that was sent is one that we gave to this
    session; what it raises is the application's to answer.
    """

    def __init__(
        self,
        settings: Settings,
        registration: Registration,
        store: Store,
        vault: Vault,
        *,
        clock: Callable[[], datetime],
        require_form: Callable[[Request, Session], Awaitable[None]],
        problem: Show,
        attempts: Attempts | None = None,
    ) -> None:
        self._pages = settings.pages
        self._issuer = Issuer(registration)
        self._store = store
        self._clock = clock
        self._require_form = require_form
        self._problem = problem
        self._attempts = attempts or Attempts()
        self._beginnings = Beginnings(vault.derive("login"))
        self._secure = settings.pages.url.startswith("https:")
        # RFC 6265bis 4.1.3: with the prefix no other host of the domain can plant one, be it a session or a
        # login that somebody else began.
        prefix = "__Host-" if self._secure else ""
        self.cookie, self.begun_cookie, self.left_cookie = (
            f"{prefix}{name}" for name in ("scoregate", "scoregate-login", "scoregate-left")
        )
        self._wanted = {
            Trait.NAME: settings.pages.name_claim,
            Trait.DOCUMENT: settings.pages.document_claim,
            Trait.PHONE: settings.pages.phone_claim,
        }

    def routes(self) -> list[Route]:
        """For the pages' application."""
        return [
            Route("/login", self._begin),
            Route("/login/callback", self._end),
            Route("/logout", self._leave, methods=["POST"]),
        ]

    def session_of(self, request: Request) -> Session | None:
        """Who is signed in, looked up once per request.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        if not hasattr(request.state, "session"):
            token = request.cookies.get(self.cookie, "")
            request.state.session = None
            if TOKEN.fullmatch(token):
                with self._store.reading() as connection:
                    request.state.session = sessions.find(connection, token, now=self._clock())
        found: Session | None = request.state.session
        return found

    def begin_cookie(self, response: Response, session: Session) -> None:
        """Have the browser keep a session."""
        life = self._pages.session_minutes * 60
        self._set(response, self.cookie, session.token, max_age=life)

    def clear_cookie(self, response: Response) -> None:
        """Have the browser forget its session."""
        self._set(response, self.cookie, "", max_age=0)

    async def _begin(self, request: Request) -> Response:
        return await self._guarded(request, self._to_the_provider)

    async def _end(self, request: Request) -> Response:
        return await self._guarded(request, self._from_the_provider)

    async def _guarded(self, request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
        """One attempt; a page for whatever goes wrong."""
        try:
            self._attempts.spend(request.client.host if request.client else "")
            response = await work(request)
        except EXPECTED as error:
            response = self._told(request, error)
        response.headers.update({"cache-control": "no-store", "referrer-policy": "no-referrer"})
        return response

    def _told(self, request: Request, error: Exception) -> Response:
        failure, why = explained(error)
        log.info("a login failed", why=why)
        if not hasattr(request.state, "try_again"):
            asked = request.query_params.get("next", "")
            self._try_again(request, error.next if isinstance(error, NotBegun) else own_path(asked))
        response = self._problem(request, failure.status, failure.title, failure.text)
        if isinstance(error, BurstExceeded):
            response.headers["retry-after"] = str(-(-error.verdict.retry_after_us // MICROS))
        return response

    def _try_again(self, request: Request, next_path: str) -> None:
        request.state.try_again = f"/login?next={quote(next_path, safe='/')}"

    async def _to_the_provider(self, request: Request) -> Response:
        now = self._clock()
        question = new_question(now, anew=bool(request.cookies.get(self.left_cookie)))
        wanted = [self._pages.subject_claim, *self._wanted.values(), PHONE_VERIFIED]
        address = await self._issuer.address(question, wanted=wanted, now=now)
        begun = Begun(question, own_path(request.query_params.get("next", "")))
        response = RedirectResponse(address, 303)
        self._set_begun(response, self._beginnings.seal(begun, now=now), int(KEPT.total_seconds()))
        return response

    async def _from_the_provider(self, request: Request) -> Response:
        """The one way to a session, in this order."""
        now = self._clock()
        # 1. This browser began it, a short while ago, and it has not come back before.
        begun = self._beginnings.take(
            request.cookies.get(self.begun_cookie, ""), _only(request, "state") or "", now=now
        )
        self._try_again(request, begun.next)
        # 2. It comes from the provider that was asked.
        await self._issuer.require_own(_only(request, "iss"), now=now)
        refusal, code = _only(request, "error"), _only(request, "code")
        if refusal is not None:
            raise Refused(REFUSED, f"the provider says {refusal if refusal in REFUSALS else 'no'}")
        # 3. The provider says who it is, for this login and for us; after a sign-out, that it asked again.
        said = await self._issuer.answer(
            code or "",
            begun.question,
            wanted=self._wanted.values(),
            beside={PHONE_VERIFIED: self._pages.phone_claim},
            now=now,
        )
        person = self._person(said)
        # 4. A session that nobody has seen before takes the place of whatever this browser had.
        old = request.cookies.get(self.cookie, "")
        session = await run_in_threadpool(self._replace, old, person, now)
        # Behind our own address, so that no path can lead elsewhere.
        response = RedirectResponse(f"{self._pages.url}{begun.next}", 303)
        self.begin_cookie(response, session)
        self._set_begun(response, "", 0)
        if request.cookies.get(self.left_cookie):
            self._set_left(response, "", 0)
        return response

    def _replace(self, old: str, person: Person, now: datetime) -> Session:
        self._store.require_same_files()
        with self._store.writer.begin() as connection:
            sessions.end(connection, old)
            life = timedelta(minutes=self._pages.session_minutes)
            return sessions.begin(connection, person, now=now, life=life)

    def _person(self, said: Mapping[str, Any]) -> Person:
        subject = said.get(self._pages.subject_claim)
        if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
            raise Refused(UNKNOWN, "the claim in pages.subject_claim is missing, or no subject id")
        found = {trait: said.get(claim) for trait, claim in self._wanted.items()}
        # What nobody has verified is whatever somebody typed. For the standard's claim another one says it
        # (OpenID Connect Core 1.0, 5.1), and silence is no yes. The operator's own claim is theirs to know.
        unsaid = self._pages.phone_claim != PHONE
        if said.get(PHONE_VERIFIED, unsaid) is not True:
            del found[Trait.PHONE]
        traits = {
            trait: text
            for trait, text in found.items()
            if isinstance(text, str) and 0 < len(text) <= MOST_CHARACTERS
        }
        return Person(subject, traits)

    async def _leave(self, request: Request) -> Response:
        response = RedirectResponse(f"{self._pages.url}/signed-out", 303)
        session = await run_in_threadpool(self.session_of, request)
        if session is None:
            # No cookie is cleared, for other sites' forms come without one. But a session may have run out.
            if forms.is_own(request.headers, self._pages.url):
                self._set_left(response, "yes", DAY_SECONDS)
            return response
        await self._require_form(request, session)
        await run_in_threadpool(self._forget, session)
        self.clear_cookie(response)
        # The provider may still know them. On a phone that somebody else holds next, it shall ask again.
        self._set_left(response, "yes", DAY_SECONDS)
        return response

    def _forget(self, session: Session) -> None:
        self._store.require_same_files()
        with self._store.writer.begin() as connection:
            sessions.end(connection, session.token)

    def _set_begun(self, response: Response, value: str, max_age: int) -> None:
        self._set(response, self.begun_cookie, value, max_age=max_age)

    def _set_left(self, response: Response, value: str, max_age: int) -> None:
        self._set(response, self.left_cookie, value, max_age=max_age)

    def _set(self, response: Response, name: str, value: str, *, max_age: int) -> None:
        response.set_cookie(
            name, value, path="/", max_age=max_age, secure=self._secure, httponly=True, samesite="lax"
        )


def _only(request: Request, name: str) -> str | None:
    """A parameter that may come once; None if it doesn't come."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise NotBegun
    return values[0] if values else None
