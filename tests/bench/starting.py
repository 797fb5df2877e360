"""How long `scoregate serve` takes from the start of its process to its first answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from gateway.settings import Settings
from tests.bench import installation
from tests.bench.contest import Ground
from tests.bench.failed import BenchFailed
from tests.bench.figures import Findings, Spread
from tests.bench.servers import SERVICE
from tests.wire import open_channel

POLL_SECONDS = 0.002
PATIENCE_SECONDS = 30.0
STOP_SECONDS = 15.0


def starting(ground: Ground) -> Findings:
    """A few times, on an installation that has served before."""
    taken = []
    with ground.bar(ground.plan.starts) as step:
        for number in range(ground.plan.starts):
            step(f"starting: {number + 1} of {ground.plan.starts}")
            taken.append(_seconds_to_first_answer(ground))
    notes = {"start": "the command itself, on the server's core, until a GetScore is answered"}
    return Findings({}, {"start_s": Spread.of(taken)}, notes)


def _seconds_to_first_answer(ground: Ground) -> float:
    lender = ground.made.lenders[0]
    (body,) = installation.singles(iter(lender.consent_ids), 1)
    port = _free_port()
    with _on_core(ground.server_core, ground.generator_core):
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "scoregate", "serve"],
            env=os.environ | _told(ground.made.settings, port),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    try:
        _wait_for_door(process, port, started)
        with open_channel(port, ground.made.server_ca, lender.certificate, lender.key) as channel:
            call: Any = channel.unary_unary(f"/{SERVICE}/GetScore")
            call(body, timeout=PATIENCE_SECONDS)
        taken = time.perf_counter() - started
    except grpc.RpcError as error:
        raise BenchFailed("The gateway's first call was refused.") from error
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
    return taken


def _wait_for_door(process: subprocess.Popen[bytes], port: int, started: float) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.perf_counter() - started > PATIENCE_SECONDS:
                raise BenchFailed("`scoregate serve` did not start.") from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _told(settings: Settings, port: int) -> dict[str, str]:
    return {
        "SCOREGATE_HOME": str(settings.home),
        "SCOREGATE_MODE": settings.mode,
        "SCOREGATE_DATABASE__URL": settings.database.url,
        "SCOREGATE_ENGINE__FOLDER": str(settings.engine.folder),
        "SCOREGATE_LISTEN__PARTNER": f"127.0.0.1:{port}",
        "SCOREGATE_LISTEN__ADMIN": "127.0.0.1:0",
        "SCOREGATE_LISTEN__HTTP": "127.0.0.1:0",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@contextmanager
def _on_core(core: int, back: int) -> Iterator[None]:
    """What is started in the block begins on ``core``, and stays there."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {back})
