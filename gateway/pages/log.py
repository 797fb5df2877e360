"""The published log over HTTP, for anybody: checkpoints and hash tiles (C2SP tlog-tiles).

Each of the log's names has a prefix, its own path: ``scoregate.example/log/2026h2`` is served under
``/log/2026h2``. A tile never changes, so it may be cached for good; a checkpoint is out of date in a second.
Entry bundles are for compliance alone (bundles.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.audit.tree.proofs import EntryNotPublished, Proofs
from gateway.audit.tree.tables import Origin
from gateway.pages.bundles import Bundle, Bundles
from gateway.store import StoreUnavailable
from scoregate.tlog.tiles import TILE_WIDTH

FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable"}
LEVELS = 8  # of 2^63 entries
MOST_TILES = 2**55
A_SECOND = {"cache-control": "public, max-age=1"}

_NUMBERED = r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_TILE = re.compile(rf"tile/(0|[1-9][0-9]?)/{_NUMBERED}")
_BUNDLE = re.compile(rf"tile/entries/{_NUMBERED}")


POLICY = "/.well-known/log-policy"


def routes(proofs: Proofs, bundles: Bundles, policy: Callable[[Sequence[Origin]], str]) -> list[Route]:
    """The routes of every name that the log has had, to stand behind all others; and what it says of itself.

    ``policy`` is its keys and addresses, and the witnesses that it asks (C2SP tlog-policy).
    """

    def serve(request: Request) -> Response:
        path = request.path_params["path"]
        try:
            for origin in proofs.origins():
                prefix = f"{prefix_of(origin.name)}/"
                if path.startswith(prefix):
                    name = path.removeprefix(prefix)
                    if name.startswith("tile/entries/"):
                        return bundles.serve(request, origin, _bundle(name))
                    return _serve(proofs, origin, name)
        except (StoreUnavailable, EntryNotPublished):
            return PlainTextResponse("the log can't be read now; try again\n", status_code=503)
        return _missing()

    def state(_: Request) -> Response:
        try:
            return PlainTextResponse(policy(proofs.origins()), headers=A_SECOND)
        except StoreUnavailable:
            return PlainTextResponse("the log can't be read now; try again\n", status_code=503)

    return [Route(POLICY, state), Route("/{path:path}", serve)]


def prefix_of(origin: str) -> str:
    """The path under which a log of this name is served, without slashes at its ends."""
    return origin.partition("/")[2] or "log"


def _serve(proofs: Proofs, origin: Origin, name: str) -> Response:
    texts: dict[str, Callable[[], str | bytes]] = {
        "checkpoint": lambda: proofs.checkpoint_of(origin),
        "vkey": lambda: f"{origin.vkey}\n",
    }
    if name in texts:
        return PlainTextResponse(texts[name](), headers=A_SECOND)
    found = _TILE.fullmatch(name)
    return _missing() if found is None else _tile(proofs, origin, *found.groups())


def _tile(proofs: Proofs, origin: Origin, level: str, place: str, partial: str | None) -> Response:
    place_of = _place(place, partial)
    is_tile = place_of is not None and int(level) < LEVELS
    hashes = proofs.tile(origin, int(level), *place_of) if place_of and is_tile else None
    if hashes is None:
        return _missing()
    return Response(hashes, media_type="application/octet-stream", headers=FOR_GOOD)


def _bundle(name: str) -> Bundle | None:
    """The bundle of this name; None where that is no name of one."""
    found = _BUNDLE.fullmatch(name)
    place = None if found is None else _place(*found.groups())
    return None if place is None else Bundle(*place)


def _place(digits: str, partial: str | None) -> tuple[int, int] | None:
    """Number and width, as the names of tiles and bundles spell them; None where no log has such a one."""
    number, width = int(digits.replace("x", "").replace("/", "")), int(partial or TILE_WIDTH)
    return (number, width) if width <= TILE_WIDTH and number <= MOST_TILES else None


def _missing() -> Response:
    return PlainTextResponse("there is nothing here; see /\n", status_code=404)
