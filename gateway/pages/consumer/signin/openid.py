"""One OpenID provider, asked who somebody is: authorization code, PKCE, nonce. Not pure: speaks HTTP.

Sources: OpenID Connect Core 1.0 (3.1, 5.3, 5.5) and Discovery 1.0 (3, 4.3), RFC 7636, RFC 9207, RFC 9700. The
rules are Authlib's; the requests are httpx's own, because Authlib's client asks for another library than this
one. No error here quotes a token, a claim or a code.
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from gateway.pages.consumer.signin.registration import Registration

PATIENCE_SECONDS = 5
LEEWAY_SECONDS = 60  # how far the provider's clock may be from ours
KNOWN_FOR = timedelta(minutes=10)

# Nothing that a public key could be taken for the secret of, and nothing unsigned (RFC 8725, 3.1).
SIGNATURES = frozenset(
    {"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA", "Ed25519"}
)
KEY_TYPES = frozenset({"EC", "RSA", "OKP"})
SCOPES = ("openid", "profile", "phone")


class LoginFailed(Exception):
    """The provider did not say who this is."""


class ProviderFailed(LoginFailed):
    """It does not answer, or not as its discovery document promises."""


class CodeRefused(LoginFailed):
    """It takes this code no more, or not from us."""


class Unproven(LoginFailed):
    """What it said does not prove who this is."""


class NotAskedAnew(LoginFailed):
    """Whom it was to ask again, it let in as it knew them; or it does not say."""


@dataclass(frozen=True, slots=True)
class Question:
    """One login, as it was begun. Each is 43 characters that nobody can guess."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    since: int | None = None  # seconds, UTC; who signed in there before does so again. None: they need not


@dataclass(frozen=True, slots=True)
class _Known:
    """What the discovery document says, as far as a login needs it."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    signatures: Sequence[str]
    secret_in_body: bool
    names_itself: bool  # in each answer, RFC 9207
    scopes: str
    takes_claims: bool
    until: datetime


def new_question(now: datetime, *, anew: bool = False) -> Question:
    """A login that begins now; ``anew``: whom the provider still knows signs in there again."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Question(state, nonce, verifier, int(now.timestamp()) if anew else None)


class Issuer:
    """The provider that people sign in with."""

    def __init__(self, registration: Registration) -> None:
        self._us = registration
        self._tls = ssl.create_default_context()
        self._known: _Known | None = None

    async def address(self, question: Question, *, wanted: Iterable[str], now: datetime) -> str:
        """Where to send the browser; ``wanted`` are claims to ask for.

        Raises:
            ProviderFailed: It does not answer as it should.
        """
        known = await self._discover(now)
        # Of the two, the age is what a provider must answer for (OpenID Connect Core 1.0, 3.1.2.1).
        asked: dict[str, Any] = {} if question.since is None else {"prompt": "login", "max_age": "0"}
        if known.takes_claims:
            named = dict.fromkeys(wanted)
            asked["claims"] = json.dumps({"id_token": named, "userinfo": named})
        address: str = prepare_grant_uri(
            known.authorization_endpoint,
            client_id=self._us.client_id,
            response_type="code",
            redirect_uri=self._us.redirect_uri,
            scope=known.scopes,
            state=question.state,
            nonce=question.nonce,
            code_challenge=create_s256_code_challenge(question.verifier),
            code_challenge_method="S256",
            **asked,
        )
        return address

    async def require_own(self, named: str | None, *, now: datetime) -> None:
        """Return only if an answer that names this issuer, or none, can be this provider's (RFC 9207).

        Raises:
            Unproven: It is another's, or lacks the name that this provider gives.
            ProviderFailed: It does not answer as it should.
        """
        known = await self._discover(now)
        if named != self._us.issuer and (named is not None or known.names_itself):
            raise Unproven

    async def answer(
        self,
        code: str,
        question: Question,
        *,
        wanted: Iterable[str],
        beside: Mapping[str, str],
        now: datetime,
    ) -> Mapping[str, Any]:
        """What the ID token says, and of ``wanted`` what else the provider knows.

        ``beside``: a claim about another is only of worth from where that other comes from.

        Raises:
            CodeRefused: The code is used, too old, or of another login.
            Unproven: The ID token is not this provider's, not for us, not for this login, or not of now.
            NotAskedAnew: They were to sign in there again, and the ID token does not say that they have.
            ProviderFailed: It does not answer as it should.
        """
        known = await self._discover(now)
        async with self._client() as http:
            said = await self._redeem(http, known, code, question)
            keys = await _fetched(http, known.jwks_uri)
            token = self._proven(said, keys, known, question, now)
            _require_fresh(token, question, now)
            missing = [name for name in wanted if name not in token]
            if not missing or known.userinfo_endpoint is None:
                return token
            bearer = {"authorization": f"Bearer {said.get('access_token')}"}
            more = await _fetched(http, known.userinfo_endpoint, headers=bearer)
        if more.get("sub") != token["sub"]:  # OpenID Connect Core 5.3.2
            raise Unproven
        found = {name: more[name] for name in missing if name in more} | token
        for about, name in beside.items():
            found.pop(about, None)
            source = token if name in token else more
            if about in source:
                found[about] = source[about]
        return found

    async def _redeem(
        self, http: httpx.AsyncClient, known: _Known, code: str, question: Question
    ) -> Mapping[str, Any]:
        us = self._us
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": us.redirect_uri,
            "code_verifier": question.verifier,
        }
        basic: httpx.Auth = httpx.Auth()  # none
        if known.secret_in_body:
            form |= {"client_id": us.client_id, "client_secret": us.client_secret}
        else:
            basic = httpx.BasicAuth(quote(us.client_id, safe=""), quote(us.client_secret, safe=""))
        try:
            response = await http.post(known.token_endpoint, data=form, auth=basic)
        except httpx.HTTPError as error:
            raise ProviderFailed("the token endpoint does not answer") from error
        if response.status_code == 400 and _object(response).get("error") == "invalid_grant":
            raise CodeRefused
        return _answered(response)

    def _proven(
        self,
        said: Mapping[str, Any],
        keys: Mapping[str, Any],
        known: _Known,
        question: Question,
        now: datetime,
    ) -> dict[str, Any]:
        """The claims of the ID token, once it is shown to be what it should be (Core 3.1.3.7)."""
        us = self._us
        expected = {
            "iss": {"essential": True, "value": us.issuer},
            "aud": {"essential": True, "value": us.client_id},
        }
        told = {
            "nonce": question.nonce,
            "client_id": us.client_id,
            "access_token": said.get("access_token"),
        }
        try:
            public = [key for key in keys["keys"] if key["kty"] in KEY_TYPES and key.get("use") != "enc"]
            token = jwt.decode(
                said["id_token"],
                KeySet.import_key_set({"keys": public}),
                registry=JWSRegistry(algorithms=list(known.signatures), strict_check_header=False),
            )
            claims = CodeIDToken(token.claims, token.header, expected, told)
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
        except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unproven from error
        return dict(claims)

    async def _discover(self, now: datetime) -> _Known:
        if self._known is None or self._known.until <= now:
            async with self._client() as http:
                found = await _fetched(
                    http, f"{self._us.issuer.rstrip('/')}/.well-known/openid-configuration"
                )
            self._known = self._read(found, now + KNOWN_FOR)
        return self._known

    def _read(self, found: Mapping[str, Any], until: datetime) -> _Known:
        if found.get("issuer") != self._us.issuer:
            raise ProviderFailed("its discovery document is of another issuer")
        offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        scopes = found.get("scopes_supported") or SCOPES
        signatures = sorted(SIGNATURES.intersection(offered))
        if not signatures or not {"client_secret_basic", "client_secret_post"}.intersection(methods):
            raise ProviderFailed("it signs or knows its clients in no way that is known here")
        userinfo = found.get("userinfo_endpoint")
        return _Known(
            authorization_endpoint=self._endpoint(found.get("authorization_endpoint")),
            token_endpoint=self._endpoint(found.get("token_endpoint")),
            jwks_uri=self._endpoint(found.get("jwks_uri")),
            userinfo_endpoint=None if userinfo is None else self._endpoint(userinfo),
            signatures=signatures,
            secret_in_body="client_secret_basic" not in methods,
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
            scopes=" ".join(each for each in SCOPES if each == "openid" or each in scopes),
            takes_claims=found.get("claims_parameter_supported") is True,
            until=until,
        )

    def _endpoint(self, url: object) -> str:
        """An address no less protected than the issuer's own."""
        schemes = ("https",) if self._us.issuer.startswith("https:") else ("https", "http")
        if not isinstance(url, str) or urlsplit(url).scheme not in schemes:
            raise ProviderFailed("its discovery document lacks an endpoint, or weakens one")
        return url

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self._us.transport,
            verify=self._tls,
            timeout=PATIENCE_SECONDS,
            headers={"accept": "application/json"},
        )


def _require_fresh(token: Mapping[str, Any], question: Question, now: datetime) -> None:
    """Return only if whoever had to sign in there again has. That it says when is REQUIRED then (Core, 2).

    Raises:
        NotAskedAnew: They have not, or it does not say.
    """
    if question.since is None:
        return
    at = token.get("auth_time")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise NotAskedAnew
    if not question.since - LEEWAY_SECONDS <= at <= now.timestamp() + LEEWAY_SECONDS:
        raise NotAskedAnew


async def _fetched(
    http: httpx.AsyncClient, url: str, *, headers: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    try:
        return _answered(await http.get(url, headers=headers))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderFailed("it does not answer") from error


def _answered(response: httpx.Response) -> Mapping[str, Any]:
    if response.status_code != 200:
        raise ProviderFailed(f"it answers with status {response.status_code}")
    return _object(response)


def _object(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object in a response."""
    try:
        found = response.json()
    except ValueError as error:
        raise ProviderFailed("it answers with something else than JSON") from error
    if not isinstance(found, dict):
        raise ProviderFailed("it answers with something else than an object")
    return found
