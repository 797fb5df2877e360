"""Opens the ports: two gRPC doors over mTLS, and the public pages over HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import structlog
import uvicorn
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection
from starlette.applications import Starlette

from gateway import pki
from gateway.doors.door import Frame
from gateway.metrics import TLS_RELOAD_FAILURES
from gateway.pki.credentials import server_credentials
from gateway.query import BodyMissing
from gateway.server.soundness import invalid
from gateway.settings import Address, Settings, SettingsInvalid

log = structlog.get_logger()

MAX_REQUEST_BYTES = 1 << 20
MAX_METADATA_BYTES = 8 << 10
HEALTH_THREADS = 4
HEALTH_AT_ONCE = 2  # calls of one certificate
HEALTH_BODY_SECONDS = 0.1


def new_door(
    settings: Settings,
    services: Sequence[grpc.GenericRpcHandler],
    names: Sequence[str],
    *,
    frame: Frame,
    threads: int,
    health_service: health.HealthServicer,
    closing: ExitStack,
) -> grpc.Server:
    """A gRPC server with a pool of its own, bounded queue, health, and in development reflection."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
    closing.callback(pool.shutdown)
    door = grpc.server(
        pool,
        handlers=[*services, _health(health_service, frame, closing)],
        options=channel_arguments(settings),
        maximum_concurrent_rpcs=threads + settings.limits.max_queue,
    )
    if settings.reflection:
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), door)
    return door


def bind(door: grpc.Server, settings: Settings, field: str, address: Address, client_ca: Path) -> int:
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


def serve_pages(pages: Starlette, address: Address, closing: ExitStack) -> int:
    """Serve HTTP from a thread until ``closing`` closes; returns the port.

    Raises:
        SettingsInvalid: The address is taken.
    """
    server = uvicorn.Server(uvicorn.Config(pages, log_config=None, access_log=False, lifespan="off"))
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        # It listens from here on: nobody who was told of the address finds it closed.
        listening = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise _taken("listen.http", address) from error
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


def _health(service: health.HealthServicer, frame: Frame, closing: ExitStack) -> grpc.GenericRpcHandler:
    """Check alone, on threads of its own; anybody who got through TLS may ask, a little at a time.

    A Watch would hold a thread as long as a caller likes, and every drain for its grace.
    """
    asking = list[Any]()  # certificates; a thread adds its own, and takes it away

    def check(bodies: Iterator[bytes], context: grpc.ServicerContext) -> health_pb2.HealthCheckResponse:
        certificate = context.auth_context().get("x509_pem_cert", [b""])[0]
        if asking.count(certificate) >= HEALTH_AT_ONCE:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "ask again once the call before has ended")
        asking.append(certificate)
        try:
            body = frame.receive(bodies, context, seconds=HEALTH_BODY_SECONDS)
            request = health_pb2.HealthCheckRequest.FromString(body)
        except (BodyMissing, DecodeError):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "send a grpc.health.v1.HealthCheckRequest")
        finally:
            asking.remove(certificate)
        answer: health_pb2.HealthCheckResponse = service.Check(request, context)
        return answer

    pool = ThreadPoolExecutor(HEALTH_THREADS, thread_name_prefix="health")
    closing.callback(pool.shutdown)
    check.experimental_thread_pool = pool  # type: ignore[attr-defined]  # how grpcio takes a pool per method
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
        check, response_serializer=health_pb2.HealthCheckResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(health.SERVICE_NAME, {"Check": handler})


def _report_tls_problem(problem: pki.FileRefused) -> None:
    TLS_RELOAD_FAILURES.inc()
    log.error("certificate not reloaded; the old one stays", path=str(problem.path), why=problem.why)


def _taken(field: str, address: Address) -> SettingsInvalid:
    return invalid(field, f"can't listen on {address}; free it, or choose another port")
