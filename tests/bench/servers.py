"""The servers under load, each in a process of its own on the first core.

Started by spawn: a process that has used gRPC can't be forked. The pipe is how the bench asks a
server for the processor time that it has used, and how it ends it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

import grpc

from gateway.pki.credentials import server_credentials
from gateway.server import Gateway, channel_arguments
from gateway.server.pages import ConsumerPages
from gateway.settings import Settings
from tests.bench.failed import BenchFailed
from tests.bench.installation import Installation
from tests.bench.where_time_goes import Costs, Watch

SERVICE = "scoregate.partner.v1.ScoreService"
START_SECONDS = 30.0
STOP_SECONDS = 15.0

Serve = Callable[..., None]


class Serving(Protocol):
    """What the generators know of a server."""

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""

    def cpu_seconds(self) -> float:
        """Processor time of the whole process so far, user and system."""

    def database_cpu_seconds(self) -> float:
        """The same of processes that work for it on its core."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of the bench's own."""

    name: str
    port: int
    process: SpawnProcess
    pipe: Connection
    database: Callable[[], float] = lambda: 0.0

    def cpu_seconds(self) -> float:
        """Processor time of the whole process so far, user and system."""
        return float(self._ask("cpu"))

    def database_cpu_seconds(self) -> float:
        """The same of processes that work for it on its core."""
        return self.database()

    def costs(self) -> Costs:
        """What its functions have cost, if it was started with a watch."""
        costs: Costs = self._ask("costs")
        return costs

    def _ask(self, what: str) -> Any:
        try:
            self.pipe.send(what)
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            raise BenchFailed(f"The {self.name} ended during the run.") from error


@contextmanager
def running(name: str, serve: Serve, core: int, *arguments: object) -> Iterator[Server]:
    """A server for as long as the block runs.

    Raises:
        BenchFailed: It did not start, or ended with an error.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_pinned, args=(serve, core, theirs, *arguments), name=name)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise BenchFailed(f"The {name} did not start in {START_SECONDS:.0f} s.")
        yield Server(name, _port(name, ours), process, ours)
        ours.send("stop")
        process.join(STOP_SECONDS)
        if process.exitcode != 0:
            raise BenchFailed(f"The {name} did not end well (exit code {process.exitcode}).")
    finally:
        process.kill()  # by its id, and only if it is still there
        process.join()
        ours.close()


def _port(name: str, pipe: Connection) -> int:
    try:
        return int(pipe.recv())
    except EOFError as error:
        raise BenchFailed(f"The {name} did not start; what it printed says why.") from error


def _pinned(serve: Serve, core: int, pipe: Connection, *arguments: object) -> None:
    os.sched_setaffinity(0, {core})  # before gRPC starts its threads, which inherit it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bench is interrupted, and ends its servers
    serve(pipe, *arguments)


def attend(pipe: Connection, port: int, watch: Watch | None = None) -> None:
    """Tell the port, then whatever the bench asks, until it says stop."""
    pipe.send(port)
    while (asked := pipe.recv()) != "stop":
        pipe.send(watch.costs() if asked == "costs" and watch else time.process_time())


# --- in the server's process


def gateway(pipe: Connection, settings: Settings, watch: Watch | None = None) -> None:
    """The whole gateway, as `scoregate serve` starts it."""
    if watch:
        watch.start()
    started = Gateway.start(settings)
    try:
        attend(pipe, started.partner_port, watch)
    finally:
        started.stop()


def pages(pipe: Connection, settings: Settings) -> None:
    """The consumers' pages, as `scoregate serve --pages` starts them."""
    started = ConsumerPages.start(settings)
    try:
        attend(pipe, started.port)
    finally:
        started.stop()


def sync_echo(pipe: Connection, installation: Installation, response: bytes) -> None:
    """An empty call on grpcio's thread pool, with as many threads as the gateway has."""
    settings = installation.settings
    with ThreadPoolExecutor(settings.limits.worker_threads) as pool:
        server = grpc.server(
            pool,
            handlers=[_echo(lambda *_: response)],
            options=channel_arguments(settings),
        )
        port = server.add_secure_port("127.0.0.1:0", _credentials(settings))
        server.start()
        attend(pipe, port)
        server.stop(0).wait()


def aio_echo(pipe: Connection, installation: Installation, response: bytes) -> None:
    """An empty call on grpc.aio, on asyncio's own event loop."""

    async def echo(*_: object) -> bytes:
        return response

    async def serve() -> None:
        server = grpc.aio.server(handlers=[_echo(echo)], options=channel_arguments(installation.settings))
        port = server.add_secure_port("127.0.0.1:0", _credentials(installation.settings))
        await server.start()
        await asyncio.to_thread(attend, pipe, port)
        await server.stop(0)

    asyncio.run(serve())


def _echo(answer: Callable[..., Any]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        SERVICE, {"GetScore": grpc.unary_unary_rpc_method_handler(answer)}
    )


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    tls = settings.tls
    return server_credentials(tls.certificate, tls.key, tls.partner_ca, on_problem=lambda _: None)
