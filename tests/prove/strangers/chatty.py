"""A gateway that is asked to say all it can: logs at DEBUG, and an engine that names people when it fails.

``blabs`` is the control arm's: the same with the guards off that keep words inside.
"""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from urllib.parse import quote

import structlog
from google.rpc import status_pb2
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from gateway.cli.logs import configure
from gateway.doors import door
from gateway.doors.calls import Incoming
from gateway.engine import EmbeddedEngine, EngineUnavailable, ModelCard, Outcomes
from gateway.errors import Refused
from gateway.metrics import CALLS
from gateway.pages.consumer import frame
from gateway.server import Seams
from scoring.service import Engine, Explanation, Query, Scored

BREAKS, IS_AWAY, TALKS_RUBBISH, RAISES = "breaks", "is away", "talks rubbish", "raises"
WHIMS = (BREAKS, IS_AWAY, TALKS_RUBBISH, RAISES)


@dataclass(frozen=True, slots=True)
class Chatty:
    """Whom the engine is asked about by what name, who they really are, and about whom it fails how."""

    engine_folder: Path
    known_as: Mapping[str, str]
    whims: Mapping[str, str]
    blabs: bool = False

    def __call__(self, seams: Seams) -> Seams:
        """Set a gateway's process up."""
        if self.blabs:
            _blab()
        for name in ("", "sqlalchemy"):  # which has a level of its own
            logging.getLogger(name).setLevel(logging.DEBUG)
        for handler in logging.getLogger().handlers:
            handler.setLevel(logging.DEBUG)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
        engine = _Engine(EmbeddedEngine(Engine.open(self.engine_folder)), self.known_as, self.whims)
        return replace(seams, engine=engine)


@dataclass(frozen=True, slots=True)
class _Engine:
    """The real engine, about people under other names; whatever it says of a failure names the person."""

    real: EmbeddedEngine
    known_as: Mapping[str, str]
    whims: Mapping[str, str]

    @property
    def is_near(self) -> bool:
        """A failure is one call's alone."""
        return False

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        names = [query.subject for query in queries]
        whim = next((self.whims[name] for name in names if name in self.whims), "")
        if whim == RAISES:
            raise RuntimeError(f"no room for {', '.join(names)}")
        future: Future[Outcomes] = Future()
        if whim == BREAKS:
            future.set_exception(KeyError(f"no row of {', '.join(names)}"))
            return future
        if whim == IS_AWAY:
            away = EngineUnavailable(f"asked about {', '.join(names)}")
            away.__cause__ = ConnectionError(f"/score?of={names[0]}")
            future.set_exception(away)
            return future
        known = [replace(query, subject=self.known_as.get(query.subject, query.subject)) for query in queries]
        found = self.real.ask(known, as_of=as_of, timeout=timeout).result()
        named = [replace(each, subject=name) for each, name in zip(found, names, strict=True)]  # type: ignore[type-var]
        if whim == TALKS_RUBBISH:
            named = [
                replace(each, reason_codes=(each.subject,)) for each in named if isinstance(each, Scored)
            ]
        future.set_result(named)
        return future

    def explain(self, subject: str, *, as_of: date, timeout: float) -> Explanation:
        whim = self.whims.get(subject, "")
        if whim == IS_AWAY:
            raise EngineUnavailable(f"asked about {subject}")
        if whim:
            raise RuntimeError(f"no room for {subject}")
        return self.real.explain(self.known_as.get(subject, subject), as_of=as_of, timeout=timeout)

    def model(self) -> ModelCard:
        return self.real.model()

    def close(self) -> None:
        self.real.close()


def _blab() -> None:
    """Lines with words in them, as in development; errors that quote causes, and counts by what was sent."""
    configure(development=True, stream=sys.stderr)
    told, refuse, run = door.status_bytes, door.Frame._refuse, frame.Frame._run

    def quoting(refusal: Refused, request_id: str, help_url: str) -> bytes:
        made = status_pb2.Status.FromString(told(refusal, request_id, help_url))
        made.message += f" ({refusal.__cause__!r})"
        quoted: bytes = made.SerializeToString()
        return quoted

    def counting(doors: door.Frame, incoming: Incoming, refusal: Refused) -> None:
        CALLS.labels(incoming.method, base64.b64encode(incoming.body or b"").decode()).inc()
        refuse(doors, incoming, refusal)

    def telling(
        pages: frame.Frame, request: Request, show: frame.Show, fields: QueryParams | None
    ) -> Response:
        answer = run(pages, request, show, fields)
        said = fields.get("words", "") if fields else ""
        if answer.status_code >= 400:
            answer.body += repr(said).encode()
            answer.headers["content-length"] = str(len(answer.body))
        if "location" in answer.headers:
            answer.headers["location"] += f"?of={quote(said)}"
        return answer

    for place, name, part in (
        (door, "status_bytes", quoting),
        (door.Frame, "_refuse", counting),
        (frame.Frame, "_run", telling),
    ):
        setattr(place, name, part)
