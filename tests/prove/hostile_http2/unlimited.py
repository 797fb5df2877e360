"""A server of grpcio as it comes, without limits of ours, in a process of its own: memory's control arm."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

import grpc

from gateway.settings import Settings
from tests.prove.stagehands import START_SECONDS

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_concurrent_streams", 2**31 - 1))


@dataclass(frozen=True, slots=True)
class Unlimited:
    """The server while it runs."""

    partner_port: int
    pid: int


@contextmanager
def unlimited(settings: Settings) -> Iterator[Unlimited]:
    """Serves with an installation's own certificates."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the server without limits did not start")
        yield Unlimited(ours.recv(), process.pid or 0)
    finally:
        process.kill()  # by its id
        process.join()
        ours.close()


def _serve(pipe: Connection, settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tls = settings.tls
    credentials = grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), tls.certificate.read_bytes())],
        root_certificates=tls.partner_ca.read_bytes(),
        require_client_auth=True,
    )
    echo: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda body, _: body)
    service = grpc.method_handlers_generic_handler("scoregate.partner.v1.ScoreService", {"GetScore": echo})
    server = grpc.server(ThreadPoolExecutor(4), handlers=[service], options=UNLIMITED)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    pipe.send(port)
    with suppress(EOFError):
        pipe.recv()
    os._exit(0)
