"""Development's own small OpenID provider: whoever comes picks a person, and is that person.

OpenID Connect Core 1.0 (code flow), RFC 7636 (S256 alone), RFC 9207. Without a password, so in development
only, and where no other provider is named. What a real one refuses, this one refuses too.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from gateway.pages.consumer import forms
from gateway.pages.consumer.desk import FormRefused
from gateway.pages.consumer.frame import HEADERS, static_path
from gateway.pages.consumer.signin.registration import Registration, callback
from gateway.settings import Settings

PATH = "/development/login"
CODE_LIFE = timedelta(seconds=60)
TOKEN_LIFE = timedelta(minutes=5)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

Resident = tuple[str, str, str, str]
"""Subject id, name, document number, phone; the last three may be empty."""


class _Refused(Exception):
    """The authorization request is wrong. Told to the browser alone: nobody is sent where it says."""


class _Returned(Exception):
    """The authorization request is wrong, but comes from a client we know, who is told."""

    def __init__(self, asked: _Asked, error: str) -> None:
        super().__init__(error)
        self.asked = asked
        self.error = error


@dataclass(frozen=True, slots=True)
class _Asked:
    """One authorization request."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str


@dataclass(frozen=True, slots=True)
class _Code:
    """What a code stands for."""

    asked: _Asked
    resident: Resident
    chosen_at: datetime

    @property
    def expires_at(self) -> datetime:
        """From then on it is worth nothing."""
        return self.chosen_at + CODE_LIFE


def development_provider(
    settings: Settings, people: Iterable[Resident], *, clock: Callable[[], datetime]
) -> Provider | None:
    """The provider of these settings; None in production, or where another is named."""
    if settings.mode != "development" or settings.pages.provider:
        return None
    return Provider(settings, people, clock=clock)


class Provider:
    """Answers for one client: the pages of this process."""

    def __init__(
        self, settings: Settings, people: Iterable[Resident], *, clock: Callable[[], datetime]
    ) -> None:
        self._pages = settings.pages
        self._people = {person[0]: person for person in people}
        self._clock = clock
        self._key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
        self._codes: dict[str, _Code] = {}
        self._redirect_uri = callback(settings)
        self._issuer = f"{settings.pages.url}{PATH}"
        self._secret = secrets.token_urlsafe(32)

    @property
    def registration(self) -> Registration:
        """For ``Login``, which reaches this provider without a socket: both may run in one thread."""
        inside = Starlette(routes=[Mount(urlsplit(self._issuer).path, routes=self._routes())])
        return Registration(
            self._issuer,
            self._pages.client_id,
            self._secret,
            self._redirect_uri,
            httpx.ASGITransport(app=inside, raise_app_exceptions=False),
        )

    def mount(self) -> Mount:
        """For the pages' application."""
        return Mount(PATH, routes=self._routes())

    def _routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/jwks", self._jwks),
            Route("/authorize", self._ask, methods=["GET"]),
            Route("/authorize", self._decide, methods=["POST"]),
            Route("/token", self._token, methods=["POST"]),
        ]

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{self._issuer}/authorize",
                "token_endpoint": f"{self._issuer}/token",
                "jwks_uri": f"{self._issuer}/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "scopes_supported": ["openid", "profile", "phone"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse(KeySet([self._key]).as_dict(private=False))

    async def _ask(self, request: Request) -> Response:
        """The people to choose from."""
        try:
            self._read(request.query_params)
        except _Refused as error:
            return _page("This sign-in request is wrong", f"<p>{escape(str(error))}</p>", 400)
        except _Returned as error:
            return self._back(error.asked, {"error": error.error})
        repeated = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in request.query_params.items()
            if name != "subject"
        )
        buttons = "".join(
            f'<li><button name="subject" value="{escape(subject)}">{escape(name or subject)}'
            f"<br><code>{escape(subject)}</code></button></li>"
            for subject, name, _, _ in self._people.values()
        )
        return _page(
            "Sign in as whom?",
            "<p><strong>Development only.</strong> Nobody asks for a password here.</p>"
            f'<form method="post" action="{escape(urlsplit(self._issuer).path)}/authorize">{repeated}'
            f'<ul class="people">{buttons}</ul>'
            '<button class="quiet" name="subject" value="">Nobody</button></form>',
        )

    async def _decide(self, request: Request) -> Response:
        """Somebody was chosen: back to the client with a code, or with a refusal."""
        form = await _given(request)
        try:
            asked = self._read(form)
            subject = form.get("subject", "")
            if subject and subject not in self._people:
                raise _Refused("There is no such person.")
        except _Refused as error:
            return _page("This sign-in request is wrong", f"<p>{escape(str(error))}</p>", 400)
        except _Returned as error:
            return self._back(error.asked, {"error": error.error})
        if not subject:
            return self._back(asked, {"error": "access_denied"})
        now = self._clock()
        code = secrets.token_urlsafe(32)
        self._codes = {each: kept for each, kept in self._codes.items() if kept.expires_at > now}
        self._codes[code] = _Code(asked, self._people[subject], now)
        return self._back(asked, {"code": code})

    def _read(self, given: QueryParams) -> _Asked:
        """The authorization request, every parameter once.

        Raises:
            _Refused: Of another client, for another address, or a parameter comes twice.
            _Returned: It asks for what is not done here.
        """
        if any(len(given.getlist(name)) > 1 for name in given):
            raise _Refused("A parameter comes twice.")
        text = dict(given)
        if text.get("client_id") != self._pages.client_id:
            raise _Refused("client_id: it names no client of this provider.")
        if text.get("redirect_uri") != self._redirect_uri:
            raise _Refused("redirect_uri: it must be the registered one, to the letter.")
        asked = _Asked(
            self._redirect_uri,
            text.get("state", ""),
            text.get("nonce", ""),
            text.get("code_challenge", ""),
        )
        if text.get("response_type") != "code":
            raise _Returned(asked, "unsupported_response_type")
        if "openid" not in text.get("scope", "").split():
            raise _Returned(asked, "invalid_scope")
        proof = text.get("code_challenge_method") == "S256" and CHALLENGE.fullmatch(asked.challenge)
        if not (proof and asked.state and asked.nonce):
            raise _Returned(asked, "invalid_request")
        return asked

    def _back(self, asked: _Asked, said: Mapping[str, str]) -> Response:
        query = urlencode({**said, "state": asked.state, "iss": self._issuer})
        return RedirectResponse(f"{asked.redirect_uri}?{query}", 303, {"cache-control": "no-store"})

    async def _token(self, request: Request) -> Response:
        form = await _given(request)
        given = dict(form)
        twice = any(len(form.getlist(name)) > 1 for name in form)
        if not self._knows(request.headers.get("authorization"), given):
            return _wrong("invalid_client", 401, {"www-authenticate": 'Basic realm="development"'})
        if twice or not {"grant_type", "code", "redirect_uri", "code_verifier"} <= given.keys():
            return _wrong("invalid_request")
        if given["grant_type"] != "authorization_code":
            return _wrong("unsupported_grant_type")
        code = self._codes.pop(given["code"], None)  # whoever shows it, it is used
        now = self._clock()
        if code is None or code.expires_at <= now or given["redirect_uri"] != code.asked.redirect_uri:
            return _wrong("invalid_grant")
        if not _same(create_s256_code_challenge(given["code_verifier"]), code.asked.challenge):
            return _wrong("invalid_grant")
        return JSONResponse(
            {
                "access_token": secrets.token_urlsafe(32),  # opens nothing: the ID token says it all
                "token_type": "Bearer",
                "expires_in": int(TOKEN_LIFE.total_seconds()),
                "id_token": self._id_token(code, now),
            },
            headers={"cache-control": "no-store"},
        )

    def _knows(self, authorization: str | None, given: Mapping[str, str]) -> bool:
        """Whether the client shows its secret: in the header, or in the form, and not in both."""
        name, secret = given.get("client_id", ""), given.get("client_secret", "")
        if authorization is not None:
            if secret:
                return False
            name, secret = _basic(authorization)
        return _same(name, self._pages.client_id) & _same(secret, self._secret)

    def _id_token(self, code: _Code, now: datetime) -> str:
        subject, name, document, phone = code.resident
        pages = self._pages
        said = {
            pages.name_claim: name,
            pages.document_claim: document,
            pages.phone_claim: phone,
        }
        claims: dict[str, Any] = {claim: text for claim, text in said.items() if text}
        if phone:
            claims["phone_number_verified"] = True
        claims |= {
            pages.subject_claim: subject,
            "sub": subject,
            "iss": self._issuer,
            "aud": pages.client_id,
            "iat": int(now.timestamp()),
            "auth_time": int(code.chosen_at.timestamp()),  # everybody is asked each time
            "exp": int((now + TOKEN_LIFE).timestamp()),
            "nonce": code.asked.nonce,
        }
        return jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key)


async def _given(request: Request) -> QueryParams:
    """The fields of a form; none of what is no form, which is then refused for what it lacks."""
    try:
        return await forms.read(request)
    except FormRefused:
        return QueryParams()


def _basic(authorization: str) -> tuple[str, str]:
    """Client id and secret of a header after RFC 6749, 2.3.1; empty if it is none."""
    scheme, _, packed = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (unquote(name), unquote(secret)) if scheme.lower() == "basic" else ("", "")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _wrong(error: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, status, {"cache-control": "no-store", **(headers or {})})


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="{static_path("style.css")}">'
        f"<main><h1>{escape(title)}</h1>{body}</main>",
        status,
        {**HEADERS, "cache-control": "no-store"},
    )
