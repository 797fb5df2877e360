"""The published log over HTTP, for anybody: checkpoints and hash tiles (C2SP tlog-tiles).

Each of the log's names has a prefix, its own path: ``scoregate.example/log/2026h2`` is served under
``/log/2026h2``. A tile never changes, so it may be cached for good; a checkpoint is out of date in a second.
Entry bundles are nobody's but compliance's, who pull them over the admin door.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.audit.tree.proofs import EntryNotPublished, Proofs
from gateway.audit.tree.tables import Origin
from gateway.store import StoreUnavailable
from scoregate.proof.tiles import TILE_WIDTH

FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable"}
A_SECOND = {"cache-control": "public, max-age=1"}

_TILE = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


def routes(proofs: Proofs, policy: Callable[[Origin], str]) -> list[Route]:
    """The routes of every name that the log has had, to stand behind all others."""

    def serve(request: Request) -> Response:
        path = request.path_params["path"]
        try:
            for origin in proofs.origins():
                prefix = f"{prefix_of(origin.name)}/"
                if path.startswith(prefix):
                    return _serve(proofs, origin, path.removeprefix(prefix), policy)
        except (StoreUnavailable, EntryNotPublished):
            return PlainTextResponse("the log can't be read now; try again\n", status_code=503)
        return _missing()

    return [Route("/{path:path}", serve)]


def prefix_of(origin: str) -> str:
    """The path under which a log of this name is served, without slashes at its ends."""
    return origin.partition("/")[2] or "log"


def _serve(proofs: Proofs, origin: Origin, name: str, policy: Callable[[Origin], str]) -> Response:
    if name == "checkpoint":
        return PlainTextResponse(proofs.checkpoint_of(origin), headers=A_SECOND)
    if name == "vkey":
        return PlainTextResponse(f"{origin.vkey}\n", headers=A_SECOND)
    if name == "policy":
        return PlainTextResponse(policy(origin), headers=A_SECOND)
    if name.startswith("tile/entries/"):
        return PlainTextResponse(
            "entries are for compliance, who pull them: scoregate audit pull DIR\n", status_code=403
        )
    found = _TILE.fullmatch(name)
    if found is None:
        return _missing()
    level, number = int(found[1]), int(found[2].replace("x", "").replace("/", ""))
    width = int(found[3] or TILE_WIDTH)
    hashes = proofs.tile(origin, level, number, width) if width <= TILE_WIDTH and level < 64 else None
    if hashes is None:
        return _missing()
    return Response(hashes, media_type="application/octet-stream", headers=FOR_GOOD)


def _missing() -> Response:
    return PlainTextResponse("there is nothing here; see /\n", status_code=404)
