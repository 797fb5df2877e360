"""Forms that nobody else can send: a token for each session and each address, and the browser's own word.

OWASP's synchronizer token pattern, with HMAC (RFC 2104) in place of storage: the key is made from the
session's cookie, the message is where the form goes and the language of its page. So a token is worth nothing
in another session, nor for another consent or handle, and what somebody agrees to is what they have read, not
what they would read by now. Fetch Metadata and Origin are looked at besides, where a browser sends them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import QueryParams
from starlette.requests import Request

from gateway.pages.consumer.desk import FormRefused
from gateway.pages.consumer.signin.sessions import Session
from gateway.pages.consumer.words import N_

FIELD = "token"
MOST_BYTES, MOST_FIELDS = 65_536, 64
FOREIGN = N_("This form is not from this page, or you have signed in anew since. Go back, reload, try again.")
TOO_LARGE = N_("The form is too large.")
NO_FORM = N_("This is not a form that this page knows.")


def token(session: Session, path: str, language: str) -> str:
    """What a form that goes to ``path`` carries; ``language`` is the tag of its page's."""
    return f"{language}.{proof(session, f'{path} {language}')}"


def proof(session: Session, what: str) -> str:
    """What this session alone can show for ``what``."""
    made = hmac.digest(session.secret("form"), what.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


async def read(request: Request) -> QueryParams:
    """The fields of a form, in order, bounded.

    Raises:
        FormRefused: Too large, or no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise FormRefused(NO_FORM, 415)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise FormRefused(TOO_LARGE, 413)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise FormRefused(NO_FORM) from error
    return QueryParams(fields)


def require_own(request: Request, session: Session, fields: QueryParams, url: str) -> str:
    """Return in which language its page was, if we gave this form to this session, for this address.

    Raises:
        FormRefused: It isn't.
    """
    language, _, shown = fields.get(FIELD, "").partition(".")
    if not (is_own(request.headers, url) and holds(session, f"{request.url.path} {language}", shown)):
        raise FormRefused(FOREIGN, 403)
    return language


def is_own(headers: Mapping[str, str], url: str) -> bool:
    """Whether a form came from a page of ours, as far as the browser says. ``url`` is our address."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    own = urlsplit(url)
    return origin is None or origin == f"{own.scheme}://{own.netloc}"


def holds(session: Session, what: str, found: str) -> bool:
    """Whether ``found`` is the proof of this session for ``what``; compared in constant time."""
    return hmac.compare_digest(proof(session, what).encode(), found.encode("utf-8", "replace"))
