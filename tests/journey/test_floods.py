"""One caller's flood is that caller's own: what is bounded, and that the others are served meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from gateway.query import GET_SCORE
from scoregate.admin.v1 import partner_admin_pb2
from scoregate.audit.v1 import leaf_pb2
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained
from tests.wire import Failure, outcome, refused, send
from tests.world import Partner, World

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
SERVING = health_pb2.HealthCheckResponse.SERVING
PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
SMALL = {
    "SCOREGATE_LIMITS__WORKER_THREADS": "4",
    "SCOREGATE_LIMITS__MAX_IN_FLIGHT_PER_PARTNER": "2",
    "SCOREGATE_LIMITS__MAX_QUEUE": "4",
}


@pytest.fixture
def small(new_own_world: Callable[..., World]) -> World:
    """A gateway with four threads and room for four more calls."""
    return new_own_world(**SMALL)


def test_a_lender_with_a_hundred_and_fifty_calls_at_once_is_told_why_some_are_refused(
    world: World, acme: Partner
) -> None:
    consent = world.consent(acme, **PERIODIC)
    with ThreadPoolExecutor(150) as threads:
        requests = [acme.query(consent) for _ in range(600)]
        results = list(threads.map(lambda request: outcome(ask, acme, request), requests))
    told = Counter(result.reason if isinstance(result, Failure) else "answered" for result in results)
    assert told.keys() == {"answered", "CONCURRENCY_EXCEEDED"}


def test_a_partner_that_holds_all_the_places_it_may_leaves_the_others_served(
    small: World, engine: ScriptedEngine
) -> None:
    greedy, acme = small.partner("greedy"), small.partner("acme")
    theirs, mine = small.consent(greedy, **PERIODIC), small.consent(acme, **PERIODIC)
    arrived, go = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        if engine.queries[-1].subject == "uci-00001":
            arrived.release()
            assert go.wait(20)

    engine.before = hold
    held = small.consent(greedy, "uci-00001", **PERIODIC)
    calls = [greedy.scores.GetScore.future(greedy.query(held), timeout=20) for _ in range(2)]
    assert arrived.acquire(timeout=10)
    assert arrived.acquire(timeout=10)
    engine.before = lambda: None
    try:
        for _ in range(20):
            result = outcome(ask, greedy, greedy.query(theirs))
            assert isinstance(result, Failure)
            assert result.reason == "CONCURRENCY_EXCEEDED"
            assert answered(acme, acme.query(mine)).HasField("scored")
    finally:
        go.set()
    assert all(call.result().HasField("scored") for call in calls)


def test_when_every_place_is_taken_a_call_is_refused_soon(small: World, engine: ScriptedEngine) -> None:
    *lenders, last = [small.partner(f"lender-{n}") for n in range(5)]
    requests = [lender.query(small.consent(lender, **PERIODIC)) for lender in lenders for _ in range(2)]
    late = last.query(small.consent(last))
    arrived, go = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        arrived.release()
        assert go.wait(20)

    engine.before = hold
    calls: list[Any] = []
    for n, request in enumerate(requests):
        calls.append(lenders[n // 2].scores.GetScore.future(request, timeout=20))
    for _ in range(4):  # these have the threads, and as many wait for one
        assert arrived.acquire(timeout=10)
    # Told by what the engine was asked: any other call would take a place that one of them still needs.
    give_up = time.monotonic() + 10
    while len(engine.queries) < len(requests):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    result = outcome(ask, last, late)
    go.set()
    require_explained(result, "SERVER_BUSY")
    assert all(call.result().HasField("scored") for call in calls)
    assert answered(last, late).HasField("scored")
    assert small.turned_away()["lender-4", GET_SCORE, "SERVER_BUSY"] >= 1


def test_a_call_that_is_reset_keeps_its_place_until_its_work_is_over(
    small: World, engine: ScriptedEngine
) -> None:
    greedy = small.partner("greedy")
    consent = small.consent(greedy, **PERIODIC)
    arrived, go = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        arrived.release()
        assert go.wait(20)

    engine.before = hold
    for _ in range(2):  # as many as it may have
        call = greedy.scores.GetScore.future(greedy.query(consent), timeout=20)
        assert arrived.acquire(timeout=10)
        call.cancel()
    for _ in range(10):
        result = outcome(ask, greedy, greedy.query(consent))
        assert isinstance(result, Failure)
        assert result.reason == "CONCURRENCY_EXCEEDED"
    go.set()
    until = time.monotonic() + 10
    while isinstance(result := outcome(ask, greedy, greedy.query(consent)), Failure):
        assert result.reason == "CONCURRENCY_EXCEEDED"
        assert time.monotonic() < until
    assert engine.calls == 3


def never(over: threading.Event) -> Iterator[Any]:
    """A body that does not come."""
    over.wait(20)
    yield from ()


@contextmanager
def half_open(caller: Partner, path: str, count: int) -> Iterator[list[Any]]:
    """Runs the block while so many calls have begun at the server and sent no body."""
    over = threading.Event()
    calls: list[Any] = [caller.channel.stream_unary(path).future(never(over)) for _ in range(count)]
    refused(send, caller.channel, "/nowhere", b"")  # behind them on the same connection
    try:
        yield calls
    finally:
        over.set()
        for call in calls:
            call.cancel()


@pytest.mark.parametrize("path", [GET_SCORE, "/grpc.health.v1.Health/Check"])
def test_calls_that_never_send_their_body_leave_the_others_served(small: World, path: str) -> None:
    greedy, acme = small.partner("greedy"), small.partner("acme")
    request = acme.query(small.consent(acme))
    small.revoke(greedy.fingerprint)  # it need not even be a partner any more
    with half_open(greedy, path, 4):
        assert ask(acme, request, timeout=3).body


@pytest.mark.parametrize("revoked", [False, True], ids=["registered", "revoked"])
def test_calls_to_health_that_never_send_their_body_leave_health_to_the_others(
    own_world: World, revoked: bool
) -> None:
    greedy, acme = own_world.partner("greedy"), own_world.partner("acme")
    if revoked:
        own_world.revoke(greedy.fingerprint)
    with half_open(greedy, HEALTH_CHECK, 20):
        for _ in range(5):
            sent = send(acme.channel, HEALTH_CHECK, b"", timeout=0.5)
            assert health_pb2.HealthCheckResponse.FromString(sent.body).status == SERVING


def test_one_officer_never_keeps_a_revocation_waiting(own_world: World) -> None:
    officer, _ = own_world.officer()
    officer.channel = own_world.admin_channel(officer.certificate, officer.key)
    acme = own_world.partner("acme")
    with half_open(officer, "/scoregate.audit.v1.AuditService/GetHead", 20):
        request = partner_admin_pb2.RevokeCertificateRequest(fingerprint=acme.fingerprint, reason="a test")
        own_world.partners.RevokeCertificate(request, timeout=3)


def test_a_caller_whose_body_is_overdue_is_hung_up_on(
    new_own_world: Callable[..., World], engine: ScriptedEngine
) -> None:
    world = new_own_world(**SMALL, SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS="100")
    acme = world.partner("acme")
    request = acme.query(world.consent(acme))
    with half_open(acme, GET_SCORE, 2) as calls, world.entries() as entries:
        for call in calls:
            assert call.exception(timeout=10) is not None
        # Their places are free again: a moment after the callers heard of it, so too early is possible.
        until = time.monotonic() + 10
        while isinstance(result := outcome(ask, acme, request), Failure) and time.monotonic() < until:
            assert result.reason == "CONCURRENCY_EXCEEDED"
        assert not isinstance(result, Failure)
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_RELEASE]  # nothing of them is left


def test_a_call_that_ends_without_a_body_is_malformed_and_counted(own_world: World) -> None:
    acme = own_world.partner("acme")
    empty: Any = acme.channel.stream_unary(GET_SCORE)
    with own_world.entries() as entries:
        failure = refused(empty, iter(()), timeout=10)
    require_explained(failure, "BODY_MALFORMED")
    assert entries == []  # no entry of its own: a flood of these must not cost a transaction a call
    assert own_world.turned_away() == {("acme", GET_SCORE, "BODY_MALFORMED"): 1}
