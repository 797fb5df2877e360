"""Two meters: bursts guard the server, units are what was bought. What they refuse, and until when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.ledger import Guards
from gateway.query import GET_SCORE
from gateway.server import Seams
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2, score_pb2, usage_pb2
from tests.journey.conftest import STORES, new_name
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained, turned_down
from tests.wire import Failure, Sent, outcome, refused, send
from tests.world import Partner, World

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def batch_of(caller: Partner, consent: consent_pb2.Consent, count: int) -> score_pb2.BatchGetScoresRequest:
    return score_pb2.BatchGetScoresRequest(items=[caller.query(consent) for _ in range(count)])


def next_day(now: datetime, zone: ZoneInfo) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def next_month(now: datetime, zone: ZoneInfo) -> datetime:
    day = (now.astimezone(zone).date().replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


# --- what was bought


@pytest.mark.parametrize(
    ("units", "reason", "subject", "end"),
    [
        ({"daily_units": 2}, "DAILY_QUOTA_EXHAUSTED", "day", next_day),
        ({"monthly_units": 2}, "MONTHLY_QUOTA_EXHAUSTED", "month", next_month),
        ({"daily_units": 2, "monthly_units": 2}, "MONTHLY_QUOTA_EXHAUSTED", "month", next_month),
    ],
    ids=["day", "month", "both"],
)
def test_spent_units_stop_the_caller_until_the_periods_true_end(
    world: World,
    engine: ScriptedEngine,
    units: dict[str, Any],
    reason: str,
    subject: str,
    end: Callable[[datetime, ZoneInfo], datetime],
) -> None:
    acme = world.partner(new_name("acme"), time_zone="Asia/Shanghai", **units)
    consent = world.consent(acme, **PERIODIC)
    acme.score(consent)
    acme.score(consent)
    failure = turned_down(acme, acme.query(consent), reason)
    assert failure.quota_subjects == (subject,)
    assert failure.pushback == "-1"
    assert failure.retry_after == (end(world.clock(), SHANGHAI) - world.clock()).total_seconds()
    assert f'"{subject}";r=0' in failure.initial["ratelimit"]
    assert engine.calls == 2
    assert acme.spent() == {"day": 2, "month": 2}


def test_a_threshold_question_costs_a_unit_too(world: World) -> None:
    acme = world.partner(new_name("acme"), daily_units=1)
    consent = world.consent(acme, **PERIODIC)
    answered(acme, acme.threshold_query(consent))
    turned_down(acme, acme.threshold_query(consent), "DAILY_QUOTA_EXHAUSTED")


def test_the_day_begins_anew_at_midnight_in_the_contracts_time_zone(own_world: World) -> None:
    clock = own_world.clock
    acme = own_world.partner(time_zone="Asia/Shanghai", daily_units=1)
    consent = own_world.consent(acme, **PERIODIC)
    acme.score(consent)
    midnight = next_day(clock(), SHANGHAI)
    clock.now = midnight - timedelta(microseconds=1)
    failure = turned_down(acme, acme.query(consent), "DAILY_QUOTA_EXHAUSTED")
    assert failure.retry_after == 0.000001
    clock.now = midnight
    entry = leaf_pb2.Leaf.FromString(acme.score(consent).receipt.leaf)
    today = midnight.astimezone(SHANGHAI)
    assert list(entry.quota_periods) == [f"{today:%Y-%m-%d}", f"{today:%Y-%m}"]
    assert acme.spent()["day"] == 1


def test_the_month_begins_anew_at_midnight_in_the_contracts_time_zone(own_world: World) -> None:
    clock = own_world.clock
    acme = own_world.partner(time_zone="Asia/Shanghai", monthly_units=1)
    consent = own_world.consent(acme, **PERIODIC, valid_for={"seconds": 40 * 86_400})
    acme.score(consent)
    first = next_month(clock(), SHANGHAI)
    clock.now = first - timedelta(microseconds=1)
    turned_down(acme, acme.query(consent), "MONTHLY_QUOTA_EXHAUSTED")
    clock.now = first
    acme.score(consent)
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_raised_contract_holds_from_the_next_call_on(world: World) -> None:
    acme = world.partner(new_name("acme"), daily_units=1)
    consent = world.consent(acme, **PERIODIC)
    request = acme.query(consent)
    acme.score(consent)
    turned_down(acme, request, "DAILY_QUOTA_EXHAUSTED")
    world.set_contract(acme.partner_id, daily_units=2)
    answered(acme, request)
    world.set_contract(acme.partner_id, daily_units=1)  # cut below what was used
    turned_down(acme, acme.query(consent), "DAILY_QUOTA_EXHAUSTED")
    assert acme.spent() == {"day": 2, "month": 2}


def test_units_are_each_partners_own(world: World) -> None:
    acme, zeta = (world.partner(new_name(name), daily_units=1) for name in ("acme", "zeta"))
    for partner in (acme, zeta):
        partner.score(world.consent(partner))
    assert (acme.spent()["day"], zeta.spent()["day"]) == (1, 1)


def test_a_contract_without_units_answers_nothing(world: World, engine: ScriptedEngine) -> None:
    acme = world.partner(new_name("acme"), daily_units=0, monthly_units=0)
    turned_down(acme, acme.query(world.consent(acme)), "MONTHLY_QUOTA_EXHAUSTED")
    assert engine.calls == 0


def test_the_usage_shows_what_was_debited_and_when_it_ends(world: World) -> None:
    acme = world.partner(new_name("acme"), time_zone="Asia/Shanghai", daily_units=5, monthly_units=9)
    acme.score(world.consent(acme))
    burst, day, month = answered(acme, usage_pb2.ListQuotaUsageRequest()).usages
    now = world.clock()
    local = now.astimezone(SHANGHAI)
    assert (burst.limit_name, burst.limit, burst.period) == ("burst", 10_000, "")
    assert (day.limit_name, day.limit, day.used, day.remaining) == ("day", 5, 1, 4)
    assert (month.limit_name, month.limit, month.used, month.remaining) == ("month", 9, 1, 8)
    assert (day.period, month.period) == (f"{local:%Y-%m-%d}", f"{local:%Y-%m}")
    assert day.resets_at.ToDatetime(tzinfo=UTC) == next_day(now, SHANGHAI)
    assert month.resets_at.ToDatetime(tzinfo=UTC) == next_month(now, SHANGHAI)


def test_looking_at_the_usage_costs_nothing(world: World, acme: Partner) -> None:
    with world.entries() as entries:
        assert acme.spent() == acme.spent() == {"day": 0, "month": 0}
    assert entries == []


# --- batches


@pytest.mark.parametrize(("bought", "asked"), [(3, 5), (55, 60)], ids=["first chunk", "second chunk"])
def test_in_a_batch_the_units_run_out_in_order(world: World, bought: int, asked: int) -> None:
    acme = world.partner(new_name("acme"), daily_units=bought)
    request = batch_of(acme, world.consent(acme, **PERIODIC), asked)
    with world.entries() as entries:
        results = answered(acme, request).results
    late = asked - bought
    assert [r.WhichOneof("outcome") for r in results] == ["answer"] * bought + ["error"] * late
    assert {r.error.reason for r in results[bought:]} == {"DAILY_QUOTA_EXHAUSTED"}
    released, refusal = leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REFUSAL
    assert [entry.kind for entry in entries] == [released] * bought + [refusal] * late
    assert sum(entry.cost_units for entry in entries) == bought
    assert acme.spent() == {"day": bought, "month": bought}


def test_a_batch_spends_one_burst_unit_and_a_contract_unit_for_each_answer(world: World) -> None:
    acme = world.partner(new_name("acme"), burst_calls=100, calls_per_second=1)
    consent = world.consent(acme, **PERIODIC)  # the invitation was the first call
    headers = ask(acme, batch_of(acme, consent, 7)).headers
    assert headers["ratelimit"].startswith(('"burst";r=98;', '"burst";r=99;'))  # 99 after a whole second
    assert '"day";r=993, "month";r=9993' in headers["ratelimit"]


# --- bursts


def test_waiting_exactly_as_told_is_enough(world: World, engine: ScriptedEngine) -> None:
    acme = world.partner(new_name("acme"), calls_per_second=2, burst_calls=2)
    query = acme.query("a" * 26)
    failure = first_refusal(acme, query, "BURST_EXCEEDED")
    assert failure.retry_after is not None
    assert 0 < failure.retry_after <= 0.5
    assert failure.quota_subjects == ("burst",)
    assert failure.pushback == str(-(-round(failure.retry_after * 1e6) // 1_000))
    assert failure.initial["ratelimit"].startswith('"burst";r=0;t=1')
    threading.Event().wait(failure.retry_after)  # the burst runs on the machine's clock
    assert refused(ask, acme, query).reason == "CONSENT_NOT_USABLE"
    assert engine.calls == 0


def first_refusal(caller: Partner, query: score_pb2.GetScoreRequest, reason: str) -> Failure:
    """Call as fast as this machine can until the burst is spent."""
    for _ in range(1_000):
        failure = refused(ask, caller, query)
        if failure.reason == reason:
            require_explained(failure, reason)
            return failure
    raise AssertionError(f"never {reason}")


def test_calls_too_fast_are_counted_and_never_parsed(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner(calls_per_second=1, burst_calls=1)
    with own_world.entries() as entries:
        failures = [refused(send, acme.channel, GET_SCORE, b"\xff") for _ in range(20)]
    bursts = [failure for failure in failures if failure.reason == "BURST_EXCEEDED"]
    assert len(bursts) >= 15  # the rest was told that its body is malformed, and recorded
    assert [entry.reason for entry in entries] == ["BODY_MALFORMED"] * (20 - len(bursts))
    assert own_world.usage("acme") == {"day": 0, "month": 0}
    assert engine.calls == 0
    assert own_world.turned_away() == {("acme", GET_SCORE, "BURST_EXCEEDED"): len(bursts)}


def test_another_partners_burst_is_untouched(world: World, acme: Partner) -> None:
    fast = world.partner(new_name("fast"), calls_per_second=1, burst_calls=1)
    first_refusal(fast, fast.query("a" * 26), "BURST_EXCEEDED")
    acme.score(world.consent(acme))


# --- calls under way


@dataclass
class Held:
    """Calls that stay in the engine until they are let go."""

    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        self.arrived.release()
        assert self.go.wait(20), "nobody let the calls go"


@contextmanager
def under_way(engine: ScriptedEngine, calls: list[Callable[[], Any]]) -> Iterator[list[Future[Any]]]:
    """Runs the block while these calls are inside the engine."""
    held = Held()
    engine.before = held.wait
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            for _ in calls:
                assert held.arrived.acquire(timeout=10)
            engine.before = lambda: None
            yield futures
        finally:
            held.go.set()


def test_too_many_calls_at_once_are_turned_away_and_counted(
    new_own_world: Callable[..., World], engine: ScriptedEngine
) -> None:
    world = new_own_world(SCOREGATE_LIMITS__MAX_IN_FLIGHT_PER_PARTNER="2")
    acme, zeta = world.partner("acme"), world.partner("zeta")
    consent = world.consent(acme, **PERIODIC)
    theirs = world.consent(zeta)
    with under_way(engine, [lambda: acme.score(consent)] * 2) as calls:
        failure = refused(ask, acme, acme.query(consent))
        require_explained(failure, "CONCURRENCY_EXCEEDED")
        assert failure.quota_subjects == ("concurrency",)
        assert failure.retry_after == 0.05
        assert failure.pushback == "50"
        zeta.score(theirs)  # others are served meanwhile
    assert all(call.result().HasField("scored") for call in calls)
    acme.score(consent)
    assert acme.spent() == {"day": 3, "month": 3}
    assert engine.calls == 4
    assert world.turned_away() == {("acme", GET_SCORE, "CONCURRENCY_EXCEEDED"): 1}


# --- races, each with its control arm


def race(engine: ScriptedEngine, acme: Partner, requests: list[score_pb2.GetScoreRequest]) -> int:
    """Let every query pass the optimistic read before one of them commits; return how many were answered."""
    line = threading.Barrier(len(requests))
    engine.before = lambda: line.wait(20)
    with ThreadPoolExecutor(len(requests)) as pool:
        results = list(pool.map(lambda request: outcome(ask, acme, request), requests))
    return sum(isinstance(result, Sent) for result in results)


RACERS = 8
ARMS = [(Guards(), 3), (Guards(debit_under_lock=False), RACERS)]


@pytest.mark.parametrize(("guards", "answers"), ARMS, ids=["guarded", "control arm"])
def test_a_contract_of_three_gives_racing_queries_three_answers(
    new_world: Callable[..., World],
    new_database: Callable[[], str],
    engine: ScriptedEngine,
    guards: Guards,
    answers: int,
) -> None:
    world = new_world(seams=Seams(engine=engine, guards=guards), url=new_database())
    acme = world.partner(daily_units=3)
    consent = world.consent(acme, **PERIODIC)
    with world.entries() as entries:
        assert race(engine, acme, [acme.query(consent) for _ in range(RACERS)]) == answers
    assert sum(entry.cost_units for entry in entries) == answers
    assert len(entries) == RACERS


@pytest.mark.parametrize(
    ("guards", "answers"),
    [(Guards(), 1), (Guards(recheck=False), RACERS)],
    ids=["guarded", "control arm"],
)
def test_a_one_time_consent_gives_racing_queries_one_answer(
    new_world: Callable[..., World],
    new_database: Callable[[], str],
    engine: ScriptedEngine,
    guards: Guards,
    answers: int,
) -> None:
    world = new_world(seams=Seams(engine=engine, guards=guards), url=new_database())
    acme = world.partner()
    consent = world.consent(acme)
    assert race(engine, acme, [acme.query(consent) for _ in range(RACERS)]) == answers


def test_two_gateways_spend_one_contract(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner(daily_units=3)
    consent = own_world.consent(acme, **PERIODIC)
    with own_world.replica(Seams(engine=engine)) as other:
        line = threading.Barrier(RACERS)
        engine.before = lambda: line.wait(20)
        callers = [acme, acme.at(other)] * (RACERS // 2)
        with ThreadPoolExecutor(RACERS) as pool:
            results = list(pool.map(lambda caller: outcome(ask, caller, acme.query(consent)), callers))
    reasons = sorted(result.reason for result in results if isinstance(result, Failure))
    assert reasons == ["DAILY_QUOTA_EXHAUSTED"] * (RACERS - 3)
    assert acme.spent() == {"day": 3, "month": 3}


def test_after_the_clock_was_set_back_the_meters_show_the_day_that_is_enforced(own_world: World) -> None:
    acme = own_world.partner(daily_units=1)
    consent = own_world.consent(acme, **PERIODIC)
    own_world.clock.move(days=1)
    ask(acme, acme.query(consent))
    own_world.clock.move(days=-1)
    turned_down(acme, acme.query(consent), "DAILY_QUOTA_EXHAUSTED")
    assert acme.spent()["day"] == own_world.usage(acme.partner_id)["day"] == 1
