"""The doors themselves: health, drain, reflection, and certificates that change while they are open."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway import founding
from gateway.pki import Authority, AuthorityRole, load_authority
from gateway.server import Gateway
from gateway.settings import SettingsInvalid
from scoregate.partner.v1 import score_pb2
from tests.journey.contract import METHODS
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask
from tests.pki_support import SERVER_AUTH, make_authority, make_certificate
from tests.wire import open_channel, outcome, refused
from tests.world import Clock, Partner, World, settings_for

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = {
    door: {method.path.split("/")[1] for method in METHODS if method.door == door}
    for door in ("partner", "admin")
}


# --- health and drain


def health_of(channel: grpc.Channel, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    status: int = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status
    return status


def test_every_service_is_healthy_while_the_gateway_serves(world: World, acme: Partner) -> None:
    assert {health_of(acme.channel, name) for name in ("", *SERVICES["partner"])} == {SERVING}
    with world.admin_channel(world.operator_certificate, world.operator_key) as admin:
        assert {health_of(admin, name) for name in ("", *SERVICES["admin"])} == {SERVING}
    assert page(world, "/healthz") == "HTTP/1.1 200 OK"


def page(world: World, path: str, *, host: str = "127.0.0.1") -> str:
    """The status line of a page."""
    with socket.create_connection((host, world.gateway.http_port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection.makefile().readline().strip()


@contextmanager
def stopping(gateway: Gateway, grace: timedelta) -> Iterator[threading.Thread]:
    """The gateway drains while the block runs."""
    thread = threading.Thread(target=gateway.stop, args=(grace,))
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)
        assert not thread.is_alive()


def test_a_watch_that_would_hold_a_thread_and_every_drain_is_not_served(world: World) -> None:
    watch = health_pb2_grpc.HealthStub(world.partner().channel).Watch(health_pb2.HealthCheckRequest())
    with pytest.raises(grpc.RpcError) as refusal:
        next(watch)
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_revoked_caller_may_still_ask_for_the_health_and_for_no_more(world: World, acme: Partner) -> None:
    world.revoke(acme.fingerprint)
    assert health_of(acme.channel) == SERVING
    assert refused(acme.spent).reason == "CERTIFICATE_REVOKED"


def test_a_call_under_way_is_answered_through_the_drain(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    arrived, go = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        assert go.wait(20)

    engine.before = hold
    results: list[Any] = []
    caller = threading.Thread(target=lambda: results.append(outcome(ask, acme, request)))
    caller.start()
    assert arrived.wait(10)
    with stopping(own_world.gateway, timedelta(seconds=20)):
        assert until_other_than_ok(own_world) == "HTTP/1.1 503 Service Unavailable"
        go.set()
        caller.join(20)
    assert score_pb2.GetScoreResponse.FromString(results[0].body).HasField("scored")
    own_world.require_balanced()


def until_other_than_ok(world: World) -> str:
    """Look at the health page until it says something else, for ten seconds at most."""
    give_up = time.monotonic() + 10
    while (seen := page(world, "/healthz")).endswith("200 OK") and time.monotonic() < give_up:
        threading.Event().wait(0.01)
    return seen


def test_during_the_drain_calls_are_answered_while_health_says_not_serving(
    new_own_world: Callable[..., World],
) -> None:
    world = new_own_world(SCOREGATE_LIMITS__DRAIN_SECONDS="2")
    acme, new = world.partner(), world.enroll("acme")
    consent = world.consent(acme)
    with stopping(world.gateway, timedelta(seconds=20)) as stop:
        assert until_other_than_ok(world) == "HTTP/1.1 503 Service Unavailable"
        services = ("", *SERVICES["partner"])
        assert {health_of(acme.channel, name) for name in services} == {NOT_SERVING}
        with world.admin_channel(world.operator_certificate, world.operator_key) as admin:
            assert {health_of(admin, name) for name in ("", *SERVICES["admin"])} == {NOT_SERVING}
        assert answered(acme, acme.query(consent)).HasField("scored")
        assert new.spent() == {"day": 1, "month": 1}  # over a connection made in the drain
        assert stop.is_alive(), "the drain was over: nothing was shown"
    assert refused(acme.spent).status is grpc.StatusCode.UNAVAILABLE
    world.require_balanced()


def test_after_the_drain_there_is_nobody(own_world: World) -> None:
    acme = own_world.partner()
    acme.spent()
    own_world.gateway.stop(timedelta(0))
    assert refused(acme.spent).status is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(ConnectionRefusedError):
        page(own_world, "/healthz")


def test_stopping_twice_is_stopping_once(own_world: World) -> None:
    own_world.gateway.stop(timedelta(0))
    own_world.gateway.stop(timedelta(0))


# --- metrics show volumes: for the operator alone


def test_metrics_are_served_on_loopback(world: World, acme: Partner) -> None:
    acme.spent()
    assert page(world, "/metrics") == "HTTP/1.1 200 OK"


def test_metrics_are_served_nowhere_else(new_own_world: Callable[..., World]) -> None:
    # An address that is not known to be this machine's alone; a test opens none to the world.
    world = new_own_world(SCOREGATE_LISTEN__HTTP="127.0.0.2:0")
    assert page(world, "/metrics", host="127.0.0.2") == "HTTP/1.1 404 Not Found"
    assert page(world, "/healthz", host="127.0.0.2") == "HTTP/1.1 200 OK"


# --- reflection


def listed(channel: grpc.Channel) -> set[str]:
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests, timeout=5)
    return {service.name for service in answer.list_services_response.service}


REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
ALWAYS = {"grpc.health.v1.Health", REFLECTION}


def test_in_development_each_door_describes_itself(world: World, acme: Partner) -> None:
    assert listed(acme.channel) == SERVICES["partner"] | ALWAYS
    with world.admin_channel(world.operator_certificate, world.operator_key) as admin:
        assert listed(admin) == SERVICES["admin"] | ALWAYS


def test_a_message_of_another_method_is_refused_and_gives_its_place_back(world: World, acme: Partner) -> None:
    ask: Any = acme.channel.stream_stream(f"/{REFLECTION}/ServerReflectionInfo")
    places = world.settings.limits.max_in_flight_per_partner
    good = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    for messages in ([b"\xff"], [good, b"\xff"]) * places:
        with pytest.raises(grpc.RpcError) as refusal:
            list(ask(iter(messages), timeout=5))
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert listed(acme.channel) == SERVICES["partner"] | ALWAYS


def own_authority(folder: Path, role: AuthorityRole) -> Authority:
    """Production refuses the authorities of development."""
    authority = make_authority(role, f"Credit Example {role} CA")
    key_pem = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{role}-ca.pem").write_bytes(authority.certificate_pem)
    (folder / f"{role}-ca.key").write_bytes(key_pem)
    return authority


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
PRODUCTION = {
    "SCOREGATE_MODE": "production",
    "SCOREGATE_TRUST_DOMAIN": "credit.example",
    "SCOREGATE_ISSUER": "https://credit.example",
    "SCOREGATE_LOG_ORIGIN": "credit.example/log",
    "SCOREGATE_PUBLIC_URL": "https://credit.example",
    "SCOREGATE_PAGES__URL": "https://people.credit.example",
}


def test_in_production_neither_door_describes_itself(tmp_path: Path, engine_folder: Path) -> None:
    home, url = tmp_path / "home", f"sqlite:///{tmp_path}/home/ledger.db"
    origin = {"SCOREGATE_LOG_ORIGIN": PRODUCTION["SCOREGATE_LOG_ORIGIN"]}  # a log keeps its name
    founding.found(settings_for(home, url, engine_folder, **origin), now=Clock()())
    server, partner, staff = (own_authority(home / "pki", role) for role in AuthorityRole)
    made = make_certificate(server, uris=(), other_names=(LOOPBACK,), usages=(SERVER_AUTH,))
    (home / "pki" / "server.pem").write_bytes(made.certificate_pem)
    (home / "pki" / "server.key").write_bytes(made.key_pem)
    gateway = Gateway.start(settings_for(home, url, engine_folder, **PRODUCTION))
    try:
        for port, authority in ((gateway.partner_port, partner), (gateway.admin_port, staff)):
            client = make_certificate(authority)
            pair = (client.certificate_pem, client.key_pem)
            with open_channel(port, server.certificate_pem, *pair) as channel:
                assert health_of(channel) == SERVING
                assert refused(listed, channel).status is grpc.StatusCode.UNIMPLEMENTED
    finally:
        gateway.stop(timedelta(0))


# --- a server certificate that is replaced while connections stand


def shown_by(world: World, caller: Partner, tmp_path: Path) -> x509.Certificate:
    """The certificate that a new connection to the partner door is shown."""
    context = ssl.create_default_context(cadata=world.server_ca.decode())
    pair = tmp_path / "client.pem"
    pair.write_bytes(caller.certificate + caller.key)
    context.load_cert_chain(pair)
    context.set_alpn_protocols(["h2"])
    address = ("127.0.0.1", world.gateway.partner_port)
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        der = secured.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)


def replace_server_certificate(world: World) -> bytes:
    """As an operator would: first the key, then the certificate; returns the new one."""
    tls = world.settings.tls
    server = load_authority(tls.authorities, AuthorityRole.SERVER)
    certificate_pem, key_pem = server.issue_server(["127.0.0.1"], now=datetime.now(UTC), days=30)
    tls.key.write_bytes(key_pem)
    tls.certificate.write_bytes(certificate_pem)
    return certificate_pem


def test_a_replaced_server_certificate_is_shown_without_a_restart(own_world: World, tmp_path: Path) -> None:
    acme = own_world.partner()
    acme.spent()
    before = shown_by(own_world, acme, tmp_path)
    new = x509.load_pem_x509_certificate(replace_server_certificate(own_world))
    assert shown_by(own_world, acme, tmp_path) == new != before
    acme.spent()  # over the connection that stood
    acme.connect()
    assert answered(acme, acme.query(own_world.consent(acme))).HasField("scored")


def test_a_broken_replacement_leaves_the_old_certificate_in_use(own_world: World, tmp_path: Path) -> None:
    acme = own_world.partner()
    before = shown_by(own_world, acme, tmp_path)
    own_world.settings.tls.certificate.write_bytes(b"rubbish")
    assert shown_by(own_world, acme, tmp_path) == before
    assert shown_by(own_world, acme, tmp_path) == before


def test_two_gateways_do_not_share_a_port(new_own_world: Callable[..., World]) -> None:
    taken = f"127.0.0.1:{new_own_world().gateway.partner_port}"
    with pytest.raises(SettingsInvalid, match=r"listen\.partner"):
        new_own_world(SCOREGATE_LISTEN__PARTNER=taken)
