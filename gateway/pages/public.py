"""What anybody may read over HTTP: the public keys, health, and what each refusal means."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from html import escape

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import STATUS
from gateway.store import StoreUnavailable
from scoregate.reasons import REASONS

STYLE = """
:root { color-scheme: light dark; --ink: #1d2530; --soft: #5b6675; --line: #d9dee5; --paper: #fbfbf9 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebef; --soft: #9aa5b3; --line: #333b46; --paper: #14181d }
}
body { background: var(--paper); color: var(--ink); font: 1.05rem/1.6 system-ui, sans-serif;
  max-width: 42rem; margin: 12vh auto 4rem; padding: 0 1.25rem }
h1 { font-size: 1.5rem; line-height: 1.3; margin: .2rem 0 1.2rem }
code { font-family: ui-monospace, monospace; font-size: .92em; color: var(--soft); overflow-wrap: anywhere }
dl { border-top: 1px solid var(--line); margin: 0 }
dt { color: var(--soft); font-size: .85rem; padding-top: .9rem }
dd { margin: 0; padding-bottom: .9rem; border-bottom: 1px solid var(--line) }
li { margin: .35rem 0 }
a { color: inherit }
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

INDEX = (
    (
        "/.well-known/jwks.json",
        "The public keys that attestations are verified with, old and new.",
    ),
    (
        "/.well-known/log-policy",
        "The audit log's keys, addresses and witnesses, by which its checkpoints and proofs are verified.",
    ),
    ("/errors", "Every reason for a refusal, and what to do about it."),
    ("/healthz", "Whether this gateway answers queries now."),
)
METRICS = (("/metrics", "Counts of calls and outcomes, for Prometheus. Only where nobody else can connect."),)


def application(
    jwks: Callable[[], str], log: Sequence[Route], *, is_serving: Callable[[], bool], metrics: bool
) -> Starlette:
    """The public pages, and the published ``log`` behind them.

    ``metrics`` only where nobody but the operator can connect: they show volumes.
    """

    def keys(_: Request) -> Response:
        try:
            return Response(
                jwks(), media_type="application/jwk-set+json", headers={"cache-control": "max-age=300"}
            )
        except StoreUnavailable:
            return PlainTextResponse("the keys can't be read now; try again\n", status_code=503)

    def health(_: Request) -> Response:
        serving = is_serving()
        return PlainTextResponse("serving\n" if serving else "draining\n", 200 if serving else 503)

    index = _page("What anybody may read here", _listed(INDEX + METRICS if metrics else INDEX))
    routes = [
        Route("/", lambda _: index),
        Route("/.well-known/jwks.json", keys),
        Route("/healthz", health),
        Route("/errors", _errors),
        Route("/errors/{code}", _error),
    ]
    if metrics:
        routes.append(
            Route("/metrics", lambda _: Response(generate_latest(), media_type=CONTENT_TYPE_LATEST))
        )
    return Starlette(routes=[*routes, *log])


def _listed(index: tuple[tuple[str, str], ...]) -> str:
    rows = "".join(
        f'<dt><a href="{path}"><code>{path}</code></a></dt><dd>{what}</dd>' for path, what in index
    )
    return f"<dl>{rows}</dl>"


def _errors(_: Request) -> Response:
    rows = "".join(
        f'<li><a href="/errors/{code}"><code>{code}</code></a> {escape(REASONS[code].title)}</li>'
        for code in sorted(STATUS)
    )
    return _page("Every refusal, and what to do about it", f"<ul>{rows}</ul>")


def _error(request: Request) -> Response:
    code = request.path_params["code"]
    if code not in STATUS and code.upper() in STATUS:
        return RedirectResponse(f"/errors/{code.upper()}", 308, HEADERS)
    if code not in STATUS:
        return _page("There is no such reason", '<p>See <a href="/errors">all reasons</a>.</p>', 404)
    reason = REASONS[code]
    facts = {
        "What to do": reason.remedy,
        "When the same call may come again": reason.retry,
        "gRPC status": STATUS[code].name,
        "ErrorInfo.reason": code,
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items())
    return _page(reason.title, f'<dl>{rows}</dl><p><a href="/errors">All reasons</a></p>')


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Scoregate</title><style>{STYLE}</style>"
        f"<code>Scoregate</code><h1>{escape(title)}</h1>{body}",
        status_code=status,
        headers=HEADERS,
    )
