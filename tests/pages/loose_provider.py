"""A provider that a test tells what to say, lies included. A small real server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.pages.consumer import forms
from tests.pages.login_house import new_socket, serving
from tests.world import Clock

Sign = Callable[["Loose", dict[str, Any]], str]


@dataclass
class Loose:
    """What it says; a test changes it."""

    issuer: str
    clock: Clock
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)  # None takes a claim away
    discovery: dict[str, Any] = field(default_factory=dict)
    more_keys: list[dict[str, Any]] = field(default_factory=list)
    userinfo: dict[str, Any] | None = None
    token: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    sign: Sign | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # authorization, form

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": True,
            "claims_parameter_supported": True,
        } | self.discovery

    def id_token(self) -> str:
        now = int(self.clock().timestamp())
        told = {
            "iss": self.issuer,
            "sub": "uci-00007",
            "aud": "scoregate",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
        }
        claims = {name: value for name, value in (told | self.claims).items() if value is not None}
        return (self.sign or signed)(self, claims)


def signed(loose: Loose, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": loose.key.kid}, claims, loose.key)


def by_a_stranger(loose: Loose, claims: dict[str, Any]) -> str:
    stranger = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": loose.key.kid}, claims, stranger)


def unsigned(loose: Loose, claims: dict[str, Any]) -> str:
    return f"{_packed({'alg': 'none', 'kid': loose.key.kid})}.{_packed(claims)}."


def with_the_public_key_as_secret(loose: Loose, claims: dict[str, Any]) -> str:
    secret = OctKey.import_key(json.dumps(loose.key.as_dict(private=False)).encode())
    return jwt.encode({"alg": "HS256", "kid": loose.key.kid}, claims, secret, algorithms=["HS256"])


PUBLISHED_SECRET = OctKey.import_key({"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "secret"})


def with_a_published_secret(_: Loose, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": "secret"}, claims, PUBLISHED_SECRET, algorithms=["HS256"])


def by_a_weak_key(loose: Loose, claims: dict[str, Any]) -> str:
    """By a key of the provider's, in a way that it does not announce."""
    key = RSAKey.generate_key(2048, auto_kid=True)
    loose.more_keys = [key.as_dict(private=False)]
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def _packed(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@contextmanager
def loose_provider(clock: Clock) -> Iterator[Loose]:
    """It listens until the block ends."""
    listening, at = new_socket()
    loose = Loose(at, clock)

    async def discovery(_: Request) -> Response:
        return JSONResponse(loose.describe(), loose.status)

    async def jwks(_: Request) -> Response:
        keys = KeySet([loose.key]).as_dict(private=False)["keys"]
        return JSONResponse({"keys": [*keys, *loose.more_keys]})

    async def token(request: Request) -> Response:
        given = dict(await forms.read(request))
        loose.requests.append((request.headers.get("authorization", ""), given))
        if loose.token:
            return JSONResponse(loose.token, 400)
        made = loose.id_token()
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": made})

    async def userinfo(_: Request) -> Response:
        return JSONResponse({"sub": "uci-00007"} if loose.userinfo is None else loose.userinfo)

    routes = [
        Route("/.well-known/openid-configuration", discovery),
        Route("/jwks", jwks),
        Route("/token", token, methods=["POST"]),
        Route("/userinfo", userinfo),
    ]
    with closing(listening), serving(Starlette(routes=routes), listening):
        yield loose
