"""A scoring engine in a process of its own, over mTLS, that has whims about some people.

It is the real one but for those: it never answers about them, answers rubbish, or breaks over them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import grpc

from gateway import founding
from gateway.server import wall_clock
from gateway.settings import Settings
from scoregate.engine.v1 import engine_pb2
from scoring.remote import SERVICE, EngineServicer
from scoring.service import Engine
from tests.prove.campaign import Stage
from tests.prove.stagehands import START_SECONDS
from tests.world import settings_for

THREADS = 200
"""More than a gateway can keep waiting: what is slow here is never this process."""

HANG, RUBBISH, BREAK = "hang", "rubbish", "break"


@dataclass(frozen=True, slots=True)
class Whimsical:
    """The engine while it runs."""

    pipe: Connection

    def become(self, by_subject: Mapping[str, str]) -> None:
        """From now on it has these whims, and no others."""
        self.pipe.send(dict(by_subject))
        self.pipe.recv()


@contextmanager
def whimsical_engine(stage: Stage, store: str, **limits: int) -> Iterator[tuple[Settings, Whimsical]]:
    """A founded installation whose engine is such a process; ``limits`` are those of the settings."""
    home, url = stage.folder / f"home-{uuid4().hex[:8]}", stage.new_database(store)
    overrides = {f"SCOREGATE_LIMITS__{name.upper()}": str(value) for name, value in limits.items()}
    overrides |= {"SCOREGATE_ENGINE__KIND": "remote", "SCOREGATE_ENGINE__TIMEOUT_MS": "2000"}
    settings = settings_for(home, url, stage.engine_folder, **overrides)
    founding.found(settings, now=wall_clock())
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(
        target=_serve, args=(theirs, settings, stage.engine_folder), daemon=True
    )
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the engine did not start")
        overrides["SCOREGATE_ENGINE__ADDRESS"] = f"localhost:{ours.recv()}"
        yield settings_for(home, url, stage.engine_folder, **overrides), Whimsical(ours)
    finally:
        process.kill()  # by its id
        process.join()
        ours.close()


def _serve(pipe: Connection, settings: Settings, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine = settings.engine
    credentials = grpc.ssl_server_credentials(
        [(engine.server_key.read_bytes(), engine.server_certificate.read_bytes())],
        root_certificates=engine.ca.read_bytes(),
        require_client_auth=True,
    )
    whims: dict[str, str] = {}
    server = grpc.server(ThreadPoolExecutor(THREADS), handlers=[_handlers(Engine.open(folder), whims)])
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    pipe.send(port)
    with suppress(EOFError):
        while True:
            fresh = pipe.recv()
            whims.clear()
            whims.update(fresh)
            pipe.send("noted")
    os._exit(0)


def _handlers(engine: Engine, whims: Mapping[str, str]) -> grpc.GenericRpcHandler:
    real: Any = EngineServicer(engine, today=lambda: datetime.now(UTC).date(), client_uri=None).handlers()
    methods = {
        name: real.service(SimpleNamespace(method=f"/{SERVICE}/{name}")) for name in ("Score", "GetModel")
    }
    turns = count()

    def score(body: bytes, context: grpc.ServicerContext) -> engine_pb2.ScoreResponse:
        asked = [query.subject for query in engine_pb2.ScoreRequest.FromString(body).queries]
        found = {whims[subject] for subject in asked if subject in whims}
        if HANG in found:
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait()
        if BREAK in found:
            context.abort(grpc.StatusCode.INTERNAL, "broken")
        response: engine_pb2.ScoreResponse = methods["Score"].unary_unary(body, context)
        for outcome in response.outcomes:
            if whims.get(outcome.subject) == RUBBISH:
                _spoil(outcome, next(turns))
        return response

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Score": grpc.unary_unary_rpc_method_handler(
                score, response_serializer=engine_pb2.ScoreResponse.SerializeToString
            ),
            "GetModel": methods["GetModel"],
        },
    )


def _spoil(outcome: engine_pb2.SubjectOutcome, turn: int) -> None:
    """Nine kinds of rubbish, in turn."""
    score = outcome.score
    match turn % 9:
        case 0:
            outcome.epoch = "yesterday"
        case 1:
            score.score = 349
        case 2:
            score.families.append(99)  # type: ignore[arg-type]
        case 3:
            outcome.ClearField("score")
        case 4:
            score.score = 951
        case 5:
            outcome.subject = "uci-99999"
        case 6:
            score.ClearField("families")
        case 7:
            score.reason_codes.append("NONE")
        case _:
            score.model = "another@1"
