"""What no retry can mend fails at once, and says which setting is wrong."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from scoregate.client import Client
from scoregate.client.transport import trouble
from scoregate.errors import Unavailable
from scoregate.words import Purpose
from tests.attestation.made_answers import ISSUER, JWKS
from tests.client.scripted_gateway import Authority, FrozenTime, ScriptedGateway

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"


def require_refused_at_once(client: Client, time: FrozenTime, remedy: str) -> None:
    with pytest.raises(Unavailable, match=remedy) as error:
        client.score(CONSENT, Purpose.COLLECTION)
    assert error.value.stop
    assert "repeat" not in error.value.remedy
    assert time.pauses == []


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """The address of something that is no gateway, and answers whoever connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed: over
            while True:
                caller, _ = listener.accept()
                with caller, suppress(OSError):
                    answer(caller)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield f"localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def speak_http(caller: socket.socket) -> None:
    caller.recv(1024)
    caller.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


@pytest.fixture
def new_client(authority: Authority, time: FrozenTime) -> Iterator[Callable[[str], Client]]:
    opened: list[Client] = []

    def make(target: str) -> Client:
        certificate, key = authority.client_pair
        opened.append(
            Client(
                target,
                certificate=certificate,
                key=key,
                server_ca=authority.pem,
                jwks=JWKS,
                issuer=ISSUER,
                clock=time.clock,
            )
        )
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.mark.parametrize(("told", "remedy"), [
    ("errors resolving gateway.example:8443: [hostname lookup error: Domain name not found]", "has no entry"),
    ("last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", "Nobody"),
    ("last error: UNAVAILABLE: ipv4:127.0.0.1:1: Handshake read failed (Socket closed)", "hung up"),
    ("Stream removed (RST_STREAM (Received RST_STREAM with error code 7))", "no further call"),
])  # fmt: skip
def test_what_may_pass_has_advice_of_its_own_and_a_repeat(told: str, remedy: str) -> None:
    met = trouble(told)
    assert met is not None
    assert remedy in met.remedy
    assert met.remedy.endswith("Repeat with the same request id and nonce.")
    assert not met.lasts


def test_words_of_a_later_grpc_have_no_advice_of_their_own() -> None:
    assert trouble("the network is unwell") is None


def test_a_gateway_of_another_authority_is_not_spoken_to(
    connect: Callable[..., Client], gateway: ScriptedGateway, time: FrozenTime
) -> None:
    require_refused_at_once(
        connect(server_ca=Authority().pem), time, "check that server_ca is the server-ca.pem"
    )
    assert gateway.requests == []


def test_a_gateway_of_another_name_is_not_spoken_to(
    new_client: Callable[[str], Client], time: FrozenTime, authority: Authority
) -> None:
    elsewhere = authority.issue([x509.DNSName("elsewhere.example")], ExtendedKeyUsageOID.SERVER_AUTH)
    gateway = ScriptedGateway(authority, pair=elsewhere)
    require_refused_at_once(new_client(gateway.target), time, "does not name this host")
    assert gateway.requests == []
    gateway.stop()


def test_a_port_without_tls_is_named(new_client: Callable[[str], Client], time: FrozenTime) -> None:
    with listening(speak_http) as target:
        require_refused_at_once(new_client(target), time, "does not speak TLS: give the port")


def test_a_port_without_grpc_is_named(
    new_client: Callable[[str], Client], time: FrozenTime, authority: Authority, tmp_path: Path
) -> None:
    for name, content in zip(("certificate", "key"), authority.server_pair, strict=True):
        (tmp_path / name).write_bytes(content)
    web = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    web.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with listening(lambda caller: web.wrap_socket(caller, server_side=True).close()) as target:
        require_refused_at_once(new_client(target), time, "does not speak gRPC: give the port")


def test_a_gateway_that_hangs_up_may_not_know_the_certificate_and_is_asked_again(
    gateway: ScriptedGateway, connect: Callable[..., Client], time: FrozenTime
) -> None:
    certificate, key = Authority().client_pair
    with pytest.raises(Unavailable, match="does not know your certificate's authority") as error:
        connect(certificate=certificate, key=key).score(CONSENT, Purpose.COLLECTION)
    assert not error.value.stop  # a gateway that is being stopped looks the same
    assert time.pauses
    assert gateway.requests == []
