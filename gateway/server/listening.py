"""Opens the ports: two gRPC doors over mTLS, and the public pages over HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import structlog
import uvicorn
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from starlette.types import ASGIApp

from gateway import pki
from gateway.doors.calls import CallServer, Dialogue, Incoming, MessageUnreadable, Serve
from gateway.doors.door import Asked, Frame, Handler, Handlers
from gateway.metrics import TLS_RELOAD_FAILURES
from gateway.pki.credentials import server_credentials
from gateway.server.soundness import invalid
from gateway.settings import Address, Settings, SettingsInvalid

log = structlog.get_logger()

MAX_REQUEST_BYTES = 1 << 20
MAX_METADATA_BYTES = 8 << 10
HEALTH = "grpc.health.v1.Health"
HEALTH_CHECK = f"/{HEALTH}/Check"


class Health:
    """What grpc.health.v1 says; balancers look at it. Check alone: a Watch would hold every drain."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names) | {""}
        self._status = health_pb2.HealthCheckResponse.NOT_SERVING

    def serve(self, *, serving: bool) -> None:
        """Say from now on whether calls are welcome."""
        status = health_pb2.HealthCheckResponse
        self._status = status.SERVING if serving else status.NOT_SERVING

    def check(self, call: Incoming) -> None:
        """Answer one Check; anybody who got through TLS may ask."""
        try:
            request = health_pb2.HealthCheckRequest.FromString(call.body or b"")
        except DecodeError:
            call.refuse(grpc.StatusCode.INVALID_ARGUMENT, "send a grpc.health.v1.HealthCheckRequest")
            return
        if request.service in self._names:
            call.answer(health_pb2.HealthCheckResponse(status=self._status).SerializeToString())
        else:
            call.refuse(grpc.StatusCode.NOT_FOUND, "there is no such service here")


def new_door(
    settings: Settings,
    handlers: Handlers,
    asked: Mapping[str, Asked],
    names: Sequence[str],
    *,
    frame: Frame,
    threads: int,
    health: Health,
    closing: ExitStack,
    may_poll: threading.Event | None = None,
) -> CallServer:
    """A gRPC server with a pool of its own, bounded queue, health, and in development reflection."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
    closing.callback(pool.shutdown)
    methods: dict[str, Serve] = {HEALTH_CHECK: health.check}
    methods |= {path: partial(_in_pool, pool, frame, handler) for path, handler in handlers.items()}
    methods |= {path: partial(frame.ask, handler) for path, handler in asked.items()}
    return CallServer(
        methods=methods,
        dialogues=_reflection(names) if settings.reflection else {},
        turn_away=frame.turn_away,
        # Twice the calls that a partner may have under way: an answer that is on its way out still has its
        # place here, and whoever has read it and asks again at once is not to find it taken.
        max_each=2 * settings.limits.max_in_flight_per_partner,
        max_open=threads + settings.limits.max_queue,
        options=channel_arguments(settings),
        may_poll=may_poll,
    )


def _in_pool(pool: ThreadPoolExecutor, frame: Frame, handler: Handler, call: Incoming) -> None:
    pool.submit(frame.serve, handler, call)


def _reflection(names: Sequence[str]) -> Mapping[str, Dialogue]:
    servicer = reflection.ReflectionServicer((*names, HEALTH, reflection.SERVICE_NAME))

    def answer(body: bytes) -> bytes:
        try:
            request = reflection_pb2.ServerReflectionRequest.FromString(body)
        except DecodeError as error:
            raise MessageUnreadable from error
        (response,) = servicer.ServerReflectionInfo(iter((request,)), None)
        described: bytes = response.SerializeToString()
        return described

    return {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": answer}


def bind(door: CallServer, settings: Settings, field: str, address: Address, client_ca: Path) -> int:
    """Listen for callers whose certificates ``client_ca`` signed; returns the port.

    Raises:
        SettingsInvalid: The address is taken.
    """
    tls = settings.tls
    credentials = server_credentials(tls.certificate, tls.key, client_ca, on_problem=_report_tls_problem)
    try:
        return door.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise _taken(field, address) from error


def serve_pages(pages: ASGIApp, address: Address, closing: ExitStack, *, field: str = "listen.http") -> int:
    """Serve HTTP from a thread until ``closing`` closes; returns the port.

    ``field`` is the setting that holds the address.

    Raises:
        SettingsInvalid: The address is taken.
    """
    # Without an access log: an address may hold a handle, and nobody's visits are written down.
    config = uvicorn.Config(pages, log_config=None, access_log=False, server_header=False, lifespan="off")
    server = uvicorn.Server(config)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        # It listens from here on: nobody who was told of the address finds it closed.
        listening = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise _taken(field, address) from error
    # Whom it accepts inherits this; asyncio would set it, but does not see that such a socket speaks TCP.
    # Without it the body of a page waits for the caller's delayed acknowledgement of its headers, 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()
        listening.close()

    port: int = listening.getsockname()[1]
    closing.callback(stop)
    return port


def channel_arguments(settings: Settings) -> list[tuple[str, int]]:
    """Limits that grpcio enforces before any code of ours runs."""
    age = settings.limits.max_connection_age_seconds
    return [
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_send_message_length", 8 << 20),  # a batch of 1,000 attested answers
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # identity only: no compression bombs
        # Beyond it gRPC resets streams without a word of ours; a caller's own cap is met far below.
        ("grpc.max_concurrent_streams", 256),
        ("grpc.max_connection_age_ms", age * 1_000),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
        ("grpc.so_reuseport", 0),  # a second gateway on the same port is a mistake, not a replica
    ]


def _report_tls_problem(problem: pki.FileRefused) -> None:
    TLS_RELOAD_FAILURES.inc()
    log.error("certificate not reloaded; the old one stays", path=str(problem.path), why=problem.why)


def require_free(doors: Mapping[str, Address]) -> None:
    """Return only if nobody listens at any of these addresses, by the setting that holds each.

    Looked at before the first of them opens, so that whoever starts a second gateway reads it all at once.

    Raises:
        SettingsInvalid: Some are taken; each is named.
    """
    taken = [_taken(field, address) for field, address in doors.items() if not _is_free(address)]
    if taken:
        raise SettingsInvalid(problem for each in taken for problem in each.problems)


def _is_free(address: Address) -> bool:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError:
        return False
    return True


def _taken(field: str, address: Address) -> SettingsInvalid:
    return invalid(field, f"can't listen on {address}; free it, or choose another port")
