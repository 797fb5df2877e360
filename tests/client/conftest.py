"""A small real gateway for the client to talk to."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scoregate.client import Client
from tests.attestation.made_answers import ISSUER, JWKS
from tests.client.scripted_gateway import Authority, FrozenTime, ScriptedGateway


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def running(authority: Authority) -> Iterator[ScriptedGateway]:
    gateway = ScriptedGateway(authority)
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(running: ScriptedGateway) -> ScriptedGateway:
    running.forget()
    return running


@pytest.fixture
def time() -> FrozenTime:
    return FrozenTime()


@pytest.fixture
def connect(
    gateway: ScriptedGateway, authority: Authority, time: FrozenTime
) -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def open_client(**changes: Any) -> Client:
        certificate, key = authority.client_pair
        fields: dict[str, Any] = {
            "target": gateway.target,
            "certificate": certificate,
            "key": key,
            "server_ca": authority.pem,
            "jwks": JWKS,
            "issuer": ISSUER,
            "clock": time.clock,
        }
        client = Client(**(fields | changes))
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()
