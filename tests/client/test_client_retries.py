"""A call is repeated only where that is safe, with the same bytes, and never past its deadline."""

import socket
import time as real
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Event

import grpc
import pytest

from scoregate.client import Client, Clock, ScoreQuery, Terms
from scoregate.client.connection import CHANNEL_OPTIONS, FIRST_PAUSE, LONGEST_PAUSE
from scoregate.errors import QuotaExhausted, RateLimited, Refused, Unavailable
from scoregate.words import Disclosure, Purpose
from tests.attestation.made_answers import ISSUER, JWKS, NOW
from tests.client.scripted_gateway import Authority, FrozenTime, ScriptedGateway, refuse, truly, wait

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"
APPLICATION = Purpose.CREDIT_APPLICATION
BUSY = refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_BUSY")
LAST = refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_BUSY", pushback="-1")
MS = timedelta(milliseconds=1)


def test_an_unavailable_gateway_is_asked_again_with_the_same_bytes(
    client: Client, gateway: ScriptedGateway, time: FrozenTime
) -> None:
    gateway.script(BUSY, BUSY, truly)
    found = client.score(CONSENT, APPLICATION)
    first, second, third = gateway.requests
    assert first == second == third
    assert found.request_id == first.request_id
    assert found.claims.nonce == first.nonce
    assert time.pauses == [0.05, 0.1]  # chance 0.5 of 100 ms, then of 200 ms


@pytest.mark.parametrize("ask", [
    lambda client: client.reaches(CONSENT, APPLICATION, 650),
    lambda client: list(client.scores([ScoreQuery(CONSENT, APPLICATION)])),
    lambda client: client.keys(),
    lambda client: client.usage(),
    lambda client: list(client.consents()),
])  # fmt: skip
def test_every_call_follows_the_same_policy(
    client: Client, gateway: ScriptedGateway, ask: Callable[[Client], object]
) -> None:
    gateway.script(BUSY, BUSY)
    ask(client)
    first, second, third = gateway.requests
    assert first == second == third


def test_an_invitation_is_repeated_under_its_request_id(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(BUSY, BUSY, LAST)
    terms = Terms(APPLICATION, (Disclosure.SCORE,), timedelta(days=30), timedelta(days=30))
    with pytest.raises(Unavailable) as error:
        client.invite(terms)
    assert [request.request_id for request in gateway.requests] == [error.value.request_id] * 3


@pytest.mark.parametrize(("timeout", "attempts"), [
    (50 * MS, 1), (51 * MS, 2), (750 * MS, 4), (751 * MS, 5), (10_000 * MS, 23), (10_250 * MS, 23),
    (10_251 * MS, 24),
])  # fmt: skip
def test_it_is_tried_until_the_deadline_and_the_last_refusal_is_raised(
    client: Client, gateway: ScriptedGateway, time: FrozenTime, timeout: timedelta, attempts: int
) -> None:
    gateway.script(*[BUSY] * 30)
    with pytest.raises(Unavailable) as error:
        client.score(CONSENT, APPLICATION, timeout=timeout)
    assert len(gateway.requests) == attempts
    assert time.pauses == ([0.05, 0.1, 0.2, 0.4] + [0.5] * 20)[: attempts - 1]
    assert error.value.request_id == gateway.requests[0].request_id
    assert error.value.nonce == gateway.requests[0].nonce


def test_what_the_error_carries_is_enough_for_a_repeat(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(LAST)
    with pytest.raises(Unavailable) as error:
        client.score(CONSENT, APPLICATION)
    client.score(CONSENT, APPLICATION, request_id=error.value.request_id, nonce=error.value.nonce)
    assert gateway.requests[-1] == gateway.requests[0]


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_pauses_are_drawn_between_nothing_and_a_doubling_ceiling(
    client: Client, gateway: ScriptedGateway, time: FrozenTime, chance: float
) -> None:
    time.chance = chance
    gateway.script(*[BUSY] * 6)
    client.score(CONSENT, APPLICATION)
    ceilings = [min(LONGEST_PAUSE, FIRST_PAUSE * factor).total_seconds() for factor in (1, 2, 4, 8, 16, 32)]
    assert ceilings[-2:] == [1.0, 1.0]
    assert time.pauses == [ceiling * chance for ceiling in ceilings]


@pytest.mark.parametrize("pushback", ["-1", "-5", "soon", "", "1.5", "99999999999999999999"])
def test_a_pushback_that_is_no_plain_number_means_stop(
    client: Client, gateway: ScriptedGateway, time: FrozenTime, pushback: str
) -> None:
    gateway.script(refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_BUSY", wait(5), pushback=pushback))
    with pytest.raises(Unavailable) as error:
        client.score(CONSENT, APPLICATION)
    assert error.value.stop
    assert len(gateway.requests) == 1
    assert time.pauses == []


@pytest.mark.parametrize("chance", [0.0, 0.5])
@pytest.mark.parametrize(("pushback", "told"), [("0", 0.0), ("1", 0.001), ("750", 0.75)])
def test_a_pushback_is_kept_and_what_is_drawn_comes_on_top(
    client: Client, gateway: ScriptedGateway, time: FrozenTime, pushback: str, told: float, chance: float
) -> None:
    time.chance = chance
    gateway.script(refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_BUSY", wait(5), pushback=pushback))
    client.score(CONSENT, APPLICATION)
    assert time.pauses == [told + chance * 0.1]


@pytest.mark.parametrize("code", ["BURST_EXCEEDED", "CONCURRENCY_EXCEEDED"])
def test_too_fast_waits_as_told_and_ever_longer_on_top(
    client: Client, gateway: ScriptedGateway, time: FrozenTime, code: str
) -> None:
    gateway.script(*[refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, code, wait(1250))] * 6)
    client.score(CONSENT, APPLICATION, timeout=timedelta(seconds=30))
    assert len({request.SerializeToString() for request in gateway.requests}) == 1
    assert time.pauses == [1.25 + drawn for drawn in (0.05, 0.1, 0.2, 0.4, 0.5, 0.5)]


def test_too_fast_without_a_time_to_wait_is_repeated_like_a_busy_server(
    client: Client, gateway: ScriptedGateway, time: FrozenTime
) -> None:
    gateway.script(refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "BURST_EXCEEDED"))
    client.score(CONSENT, APPLICATION)
    assert time.pauses == [0.05]


def test_a_server_whose_queue_is_full_is_asked_again(client: Client, gateway: ScriptedGateway) -> None:
    full = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, text="Concurrent RPC limit exceeded!")
    gateway.script(full, truly)
    client.score(CONSENT, APPLICATION)
    first, second = gateway.requests
    assert first == second
    gateway.script(*[full] * 9)
    with pytest.raises(RateLimited, match="keep fewer calls in flight"):
        client.score(CONSENT, APPLICATION, timeout=timedelta(seconds=1))


def test_a_spent_quota_is_not_asked_again_even_if_a_wait_is_named(
    client: Client, gateway: ScriptedGateway
) -> None:
    gateway.script(refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "DAILY_QUOTA_EXHAUSTED", wait(1)))
    with pytest.raises(QuotaExhausted):
        client.score(CONSENT, APPLICATION)
    assert len(gateway.requests) == 1


NOT_REPEATED = [
    status for status in grpc.StatusCode if status not in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
]


@pytest.mark.parametrize("status", NOT_REPEATED, ids=lambda status: status.name)
def test_no_other_status_is_repeated(
    client: Client, gateway: ScriptedGateway, status: grpc.StatusCode
) -> None:
    gateway.script(refuse(status, text="bare"))
    with pytest.raises(Refused) as error:
        client.score(CONSENT, APPLICATION)
    assert error.value.status == status.name
    assert len(gateway.requests) == 1


def test_a_wait_that_reaches_the_deadline_is_not_begun(
    client: Client, gateway: ScriptedGateway, time: FrozenTime
) -> None:
    time.chance = 0.0
    gateway.script(refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "BURST_EXCEEDED", wait(5_000)))
    with pytest.raises(RateLimited) as error:
        client.score(CONSENT, APPLICATION, timeout=timedelta(seconds=5))
    assert error.value.retry_after == timedelta(seconds=5)
    assert time.pauses == []
    gateway.script(refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "BURST_EXCEEDED", wait(4_999)))
    with suppress(Unavailable):  # a millisecond is left for the answer
        client.score(CONSENT, APPLICATION, timeout=timedelta(seconds=5))
    assert time.pauses == [4.999]


def test_each_attempt_gets_what_is_left_of_the_deadline(
    client: Client, gateway: ScriptedGateway, time: FrozenTime
) -> None:
    left: list[float] = []

    later = refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_BUSY", pushback="20000")

    def note(request: object, context: grpc.ServicerContext) -> object:
        remaining = context.time_remaining()
        assert remaining is not None
        left.append(remaining)
        return later(request, context) if len(left) < 3 else truly(request, context)

    time.chance = 0.0
    gateway.script(note, note, note)
    client.score(CONSENT, APPLICATION, timeout=timedelta(seconds=60))
    assert time.pauses == [20.0, 20.0]
    # A gRPC deadline travels in rounded units, and a little of it passes on the way.
    assert left == pytest.approx([60, 40, 20], abs=1)


def test_a_server_that_does_not_answer_ends_with_the_deadline(
    client: Client, gateway: ScriptedGateway
) -> None:
    def hang(request: object, context: grpc.ServicerContext) -> object:
        gone = Event()
        context.add_callback(gone.set)
        gone.wait(5)
        return truly(request, context)

    gateway.script(hang)
    with pytest.raises(Unavailable) as error:
        client.score(CONSENT, APPLICATION, timeout=timedelta(milliseconds=50))
    assert error.value.status == "DEADLINE_EXCEEDED"
    assert "same request id and nonce" in error.value.remedy
    assert "longer timeout" in error.value.remedy
    assert "certificate" not in error.value.remedy  # it was let in, or it would not have waited
    assert error.value.nonce
    assert len(gateway.requests) == 1


def test_where_nobody_listens_it_is_tried_until_the_deadline_and_said(
    authority: Authority, time: FrozenTime
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so that nobody else listens there; and never listening
        certificate, key = authority.client_pair
        client = Client(
            f"127.0.0.1:{taken.getsockname()[1]}",
            certificate=certificate,
            key=key,
            server_ca=authority.pem,
            jwks=JWKS,
            issuer=ISSUER,
            clock=time.clock,
        )
        with client, pytest.raises(Unavailable, match="Connection refused") as error:
            client.score(CONSENT, APPLICATION)
    assert (error.value.code, error.value.stop) == ("", False)
    assert "Nobody listens there: check the address" in error.value.remedy
    assert sum(time.pauses) == 9.75  # of 10 s; the next pause would have taken 0.5


def test_a_gateway_that_restarts_is_waited_for(authority: Authority) -> None:
    gateways = [ScriptedGateway(authority)]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6:
            gateways.append(ScriptedGateway(authority, gateways[0].port))
        real.sleep(seconds)

    certificate, key = authority.client_pair
    client = Client(
        gateways[0].target,
        certificate=certificate,
        key=key,
        server_ca=authority.pem,
        jwks=JWKS,
        issuer=ISSUER,
        clock=Clock(now=lambda: NOW, sleep=sleep, chance=lambda: 0.1),
    )
    with client:
        client.score(CONSENT, APPLICATION)
        gateways[0].stop()
        assert client.score(CONSENT, APPLICATION, timeout=timedelta(seconds=30)).score == 712
    assert len(pauses) >= 6
    gateways[1].stop()


def test_the_cores_own_retries_are_off_and_no_policy_is_taken_from_dns() -> None:
    options = dict(CHANNEL_OPTIONS)
    assert options["grpc.enable_retries"] == 0
    assert options["grpc.service_config_disable_resolution"] == 1
