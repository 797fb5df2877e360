"""Time: calls that nobody waits for any more, restarts in the middle, and a clock that goes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest

from gateway.journey import CHUNK
from gateway.query import BATCH_GET_SCORES, GET_SCORE
from gateway.server import Seams
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import score_pb2
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained, turned_down
from tests.wire import outcome, refused
from tests.world import Partner, World

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}

ITEMS = 2 * CHUNK + 20  # three chunks


class Held:
    """An engine that keeps its call number ``nth`` until it is let go."""

    def __init__(self, engine: ScriptedEngine, nth: int = 1) -> None:
        self._engine, self._nth = engine, nth
        self.arrived, self.go = threading.Event(), threading.Event()
        engine.before = self._wait

    def _wait(self) -> None:
        if self._engine.calls == self._nth:
            self.arrived.set()
            assert self.go.wait(20), "nobody let the engine go"


def begin(caller: Partner, path: str, request: Any, held: Held, *, timeout: float = 20) -> Any:
    """A call that has come as far as the engine."""
    call: Any = caller.channel.unary_unary(path).future(request.SerializeToString(), timeout=timeout)
    assert held.arrived.wait(10)
    return call


def settle(world: World, caller: Partner, engine: ScriptedEngine, held: Held) -> Partner:
    """Let the engine go once the server knows that the caller has gone; return after everything has ended."""
    caller.spent()  # behind the cancellation on the same connection, so it has been read
    held.go.set()
    world.restart(Seams(clock=world.clock, engine=engine))  # a drain waits for every call
    return caller.at(world)


def hang_up(call: Any) -> None:
    call.cancel()
    assert call.cancelled()


def run_out(call: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call.result()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_call_without_a_deadline_has_the_gateways(
    new_own_world: Callable[..., World], engine: ScriptedEngine
) -> None:
    own_world = new_own_world(SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS="500")
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    engine.before = lambda: threading.Event().wait(0.6)
    with own_world.entries() as entries:
        require_explained(refused(ask, acme, request, timeout=None), "DEADLINE_PASSED", request.request_id)
    assert entries == []
    engine.reset()
    assert answered(acme, request).HasField("scored")


@pytest.mark.parametrize(("leave", "timeout"), [(hang_up, 20), (run_out, 1)], ids=["cancelled", "too late"])
def test_a_call_that_nobody_waits_for_any_more_leaves_nothing(
    own_world: World, engine: ScriptedEngine, leave: Callable[[Any], None], timeout: float
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme)
    request = acme.query(consent)
    held = Held(engine)
    with own_world.entries() as entries:
        leave(begin(acme, GET_SCORE, request, held, timeout=timeout))
        acme = settle(own_world, acme, engine, held)
    assert entries == []
    assert acme.spent() == {"day": 0, "month": 0}
    again = ask(acme, request)
    assert "scoregate-replayed" not in again.headers  # the request id was not used up either
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_batch_whose_caller_leaves_keeps_what_was_committed(
    own_world: World, engine: ScriptedEngine
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for _ in range(ITEMS)])
    held = Held(engine, nth=2)
    with own_world.entries() as entries:
        hang_up(begin(acme, BATCH_GET_SCORES, batch, held))
        acme = settle(own_world, acme, engine, held)
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_RELEASE] * CHUNK
    assert acme.spent() == {"day": CHUNK, "month": CHUNK}
    with own_world.entries() as entries:
        results = answered(acme, batch).results
    assert all(result.HasField("answer") for result in results)
    kinds = [entry.kind for entry in entries]
    assert kinds == [leaf_pb2.LEAF_KIND_REPLAY] * CHUNK + [leaf_pb2.LEAF_KIND_RELEASE] * (ITEMS - CHUNK)
    assert acme.spent() == {"day": ITEMS, "month": ITEMS}


def test_a_call_that_is_too_late_inside_its_transaction_counts_and_can_be_repeated(own_world: World) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    with own_world.locked():
        failure = refused(ask, acme, request, timeout=1.2)
    assert failure.status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ask(acme, request).headers["scoregate-replayed"] == "true"
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_postgresql_whose_head_is_locked_lets_nothing_out_and_goes_on_afterwards(
    new_world: Callable[..., World], new_postgres: Callable[[], str]
) -> None:
    world = new_world(url=new_postgres())
    acme = world.partner()
    request = acme.query(world.consent(acme))
    with world.reading() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT * FROM log_head FOR UPDATE")
        failure = refused(ask, acme, request, timeout=1.2)
        connection.exec_driver_sql("ROLLBACK")
    assert failure.status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ask(acme, request).body
    assert acme.spent() == {"day": 1, "month": 1}


def test_after_a_restart_nothing_is_half_done(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    requests = [acme.query(consent) for _ in range(5)]
    first = [ask(acme, request).body for request in requests]
    with own_world.entries() as entries:
        own_world.restart(Seams(clock=own_world.clock, engine=engine))
        acme = acme.at(own_world)
    assert entries == []
    assert [ask(acme, request).body for request in requests] == first
    assert acme.spent() == {"day": 5, "month": 5}


# --- a clock that was set back


def times(entries: list[leaf_pb2.Leaf]) -> list[int]:
    return [entry.time_micros for entry in entries]


def test_a_clock_set_back_never_takes_the_log_back(own_world: World) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    own_world.clock.move(days=2)
    with own_world.entries() as entries:
        acme.score(consent)
        own_world.clock.move(days=-1)
        acme.score(consent)
        refused(acme.score, "a" * 26)
        own_world.clock.move(days=1, microseconds=1)
        acme.score(consent)
    seen = times(entries)
    assert seen[0] == seen[1] == seen[2] == seen[3] - 1


def test_a_clock_set_back_gives_no_units_back(own_world: World) -> None:
    acme = own_world.partner(daily_units=1)
    consent = own_world.consent(acme, **PERIODIC)
    own_world.clock.move(days=2)
    acme.score(consent)
    own_world.clock.move(days=-1)
    turned_down_later(own_world, acme, acme.query(consent), "DAILY_QUOTA_EXHAUSTED")


def turned_down_later(world: World, caller: Partner, request: score_pb2.GetScoreRequest, reason: str) -> None:
    """Refused, though the meters as the clock has them show yesterday's figures."""
    with world.entries() as entries:
        failure = refused(ask, caller, request)
    require_explained(failure, reason, request.request_id)
    assert [entry.reason for entry in entries] == [reason]


def test_a_clock_set_back_brings_no_expired_consent_back(own_world: World) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC, valid_for={"seconds": 3_600})
    own_world.clock.move(hours=1)
    turned_down(acme, acme.query(consent), "CONSENT_EXPIRED")
    own_world.clock.move(minutes=-1)
    turned_down(acme, acme.query(consent), "CONSENT_EXPIRED")


def test_a_restart_with_a_clock_set_back_brings_no_expired_consent_back(
    own_world: World, engine: ScriptedEngine
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC, valid_for={"seconds": 3_600})
    own_world.clock.move(hours=1)
    turned_down(acme, acme.query(consent), "CONSENT_EXPIRED")
    own_world.clock.move(minutes=-30)
    own_world.restart(Seams(clock=own_world.clock, engine=engine))
    acme = acme.at(own_world)
    turned_down(acme, acme.query(consent), "CONSENT_EXPIRED")
    assert engine.calls == 0  # known before anything is computed
    seen = times(own_world.leaves())
    assert seen == sorted(seen)


def test_a_clock_set_back_a_little_makes_no_new_consent_invalid(own_world: World) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme)
    own_world.clock.move(seconds=-1)
    assert answered(acme, acme.query(consent)).HasField("scored")


def test_a_replica_whose_clock_is_behind_keeps_to_the_logs_time(own_world: World) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    behind = own_world.clock() - timedelta(minutes=4)
    own_world.clock.move(days=1)
    acme.score(consent)
    with own_world.replica() as other:
        own_world.clock.now = behind + timedelta(days=1)
        with own_world.entries() as entries:
            result = outcome(acme.at(other).score, consent)
    assert result
    assert times(entries) == [times(own_world.leaves())[-2]]
