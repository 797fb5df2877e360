"""Many threads on one client all get their answers, though a gateway takes far fewer calls at once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc

from scoregate.client import Client, Clock
from scoregate.partner.v1 import receipt_pb2
from scoregate.words import Purpose
from tests.attestation.made_answers import NOW, score_request
from tests.client.scripted_gateway import Authority, ScriptedGateway
from tests.wire import open_channel
from tests.world import World

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"
CALLS, THREADS = 400, 150
HALF_A_MINUTE = timedelta(seconds=30)


def test_a_crowd_beyond_the_gateways_cap_is_answered_whole(world: World) -> None:
    acme = world.partner()
    consent = world.consent(acme, mode="CONSENT_MODE_PERIODIC").consent_id
    published = acme.receipts.GetVerificationKeys(receipt_pb2.GetVerificationKeysRequest())
    client = Client(
        f"127.0.0.1:{world.gateway.partner_port}",
        certificate=acme.certificate,
        key=acme.key,
        server_ca=world.server_ca,
        jwks=published.jwks,
        issuer=published.issuer,
        timeout=HALF_A_MINUTE,
    )

    def ask(_: int) -> str:
        return client.score(consent, Purpose.CREDIT_APPLICATION).request_id

    with client, ThreadPoolExecutor(THREADS) as pool:
        answered = Counter(pool.map(ask, range(CALLS)))
    assert len(answered) == CALLS
    assert acme.spent()["day"] == CALLS
    # Or the crowd was none.
    assert "CONCURRENCY_EXCEEDED" in {reason for _, _, reason in world.turned_away()}


def test_calls_whose_streams_are_refused_are_sent_again(
    authority: Authority, connect: Callable[..., Client]
) -> None:
    narrow = ScriptedGateway(authority, options=[("grpc.max_concurrent_streams", 4)])
    certificate, key = authority.client_pair
    channel = open_channel(narrow.port, authority.pem, certificate, key)
    method = channel.unary_unary("/scoregate.partner.v1.ScoreService/GetScore")
    body = score_request().SerializeToString()
    client = connect(target=narrow.target, clock=Clock(now=lambda: NOW), timeout=HALF_A_MINUTE)

    def once(_: int) -> str:
        try:
            method(body, timeout=30)
        except grpc.RpcError as error:
            return str(error)
        return ""

    def ask(_: int) -> str:
        return client.score(CONSENT, Purpose.CREDIT_APPLICATION).request_id

    with ThreadPoolExecutor(30) as pool:
        told = "".join(pool.map(once, range(200)))  # the control: without retries some are lost
        answered = set(pool.map(ask, range(200)))
    channel.close()
    narrow.stop()
    assert "RST_STREAM with error code 7" in told
    assert len(answered) == 200
