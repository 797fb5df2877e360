"""A repeat gives the first bytes again, costs nothing, and stops with the consent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message
from sqlalchemy import event

from gateway.server import Seams
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2, score_pb2
from scoring.service import Engine
from tests.journey.conftest import STORES, new_name
from tests.journey.contract import BY_REQUEST
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained, turned_down
from tests.wire import Failure, Sent, outcome, refused
from tests.world import Partner, World, new_uuid, seconds, terms

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
TWINS = 64


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def replayed(caller: Partner, request: Message, first: Sent) -> leaf_pb2.Leaf:
    """Repeat, and find a replay as the table promises it: same bytes, one entry, nothing spent."""
    spent = caller.spent()
    with caller.world.entries() as entries:
        again = ask(caller, request)
    assert again.body == first.body
    assert again.headers["scoregate-replayed"] == "true"
    assert caller.spent() == spent
    (entry,) = entries
    answer: Any = BY_REQUEST[request.DESCRIPTOR].response.FromString(first.body)
    index = answer.receipt.leaf_index
    assert (entry.kind, entry.refers_to) == (leaf_pb2.LEAF_KIND_REPLAY, index)
    assert (entry.cost_units, list(entry.quota_periods), entry.attestation_sha256) == (0, [], b"")
    return entry


def test_a_repeat_returns_the_first_bytes_and_costs_nothing(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    request = acme.query(world.consent(acme, **PERIODIC))
    first = ask(acme, request)
    assert "scoregate-replayed" not in first.headers
    entry = replayed(acme, request, first)
    assert (entry.partner_id, entry.method) == (
        acme.partner_id,
        "/scoregate.partner.v1.ScoreService/GetScore",
    )
    assert engine.calls == 1


def test_a_threshold_question_repeats_too(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    request = acme.threshold_query(world.consent(acme))
    first = ask(acme, request)
    assert replayed(acme, request, first).method.endswith("/CheckThreshold")
    assert engine.calls == 1


def test_an_answer_about_nobody_repeats_though_a_record_has_come_in(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    request = acme.query(world.consent(acme, "nobody-1"))
    first = ask(acme, request)
    engine.answers(700)
    replayed(acme, request, first)


def test_a_grant_that_this_very_answer_used_up_lets_its_repeat_pass(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme))
    first = ask(acme, request)
    replayed(acme, request, first)
    turned_down(acme, acme.query(request.consent_id), "CONSENT_CONSUMED")


def test_a_frequency_that_this_answer_used_up_lets_its_repeat_pass(world: World, acme: Partner) -> None:
    once = {"uses": 1, "unit": "CALENDAR_UNIT_DAY"}
    request = acme.query(world.consent(acme, **PERIODIC, frequency=once))
    replayed(acme, request, ask(acme, request))


@pytest.mark.parametrize("units", [{"daily_units": 1}, {"monthly_units": 1}])
def test_an_exhausted_quota_lets_a_repeat_pass(world: World, units: dict[str, Any]) -> None:
    acme = world.partner(new_name("acme"), **units)
    request = acme.query(world.consent(acme, **PERIODIC))
    first = ask(acme, request)
    assert refused(ask, acme, acme.query(request.consent_id)).reason.endswith("_QUOTA_EXHAUSTED")
    replayed(acme, request, first)


ENDS: dict[str, Callable[[World, consent_pb2.Consent], Any]] = {
    "CONSENT_REVOKED": lambda world, consent: world.change(consent, "REVOKE"),
    "CONSENT_PAUSED": lambda world, consent: world.change(consent, "PAUSE"),
    "SUBJECT_FROZEN": lambda world, _: world.freeze("uci-00042"),
    "CONSENT_EXPIRED": lambda world, _: world.clock.move(hours=1),
}


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        *(("PERIODIC", reason) for reason in ENDS),
        # A consent that is CONSUMED can't be paused.
        *(("ONE_TIME", reason) for reason in ENDS if reason != "CONSENT_PAUSED"),
    ],
)
def test_a_repeat_is_refused_once_the_consent_has_ended(
    own_world: World, engine: ScriptedEngine, mode: str, reason: str
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, "uci-00042", mode=f"CONSENT_MODE_{mode}", valid_for=seconds(3_600))
    request = acme.query(consent)
    ask(acme, request)
    ENDS[reason](own_world, consent)
    turned_down(acme, request, reason)
    assert engine.calls == 1


def test_a_repeat_passes_again_after_pause_and_freeze_are_over(world: World, acme: Partner) -> None:
    consent = world.consent(acme, "uci-00043", **PERIODIC)
    request = acme.query(consent)
    first = ask(acme, request)
    world.change(consent, "PAUSE")
    world.freeze("uci-00043")
    turned_down(acme, request, "CONSENT_PAUSED")
    world.change(consent, "RESUME")
    turned_down(acme, request, "SUBJECT_FROZEN")
    world.freeze("uci-00043", frozen=False)
    replayed(acme, request, first)


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "m" * 22},
        {"purpose": "PURPOSE_COLLECTION"},
        {"disclosure": "DISCLOSURE_BAND"},
        {"with_reasons": True},
        {"subject_ref": "somebody-else"},
        {"consent_id": "a" * 26},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_request_id_belongs_to_one_body(
    world: World, acme: Partner, engine: ScriptedEngine, change: dict[str, Any]
) -> None:
    request = acme.query(world.consent(acme, **PERIODIC))
    first = ask(acme, request)
    other = score_pb2.GetScoreRequest.FromString(request.SerializeToString())
    other.MergeFrom(score_pb2.GetScoreRequest(**change))
    turned_down(acme, other, "REQUEST_ID_REUSED")
    assert engine.calls == 1
    replayed(acme, request, first)  # the first answer is not lost by it


def test_a_threshold_request_id_belongs_to_one_threshold(world: World, acme: Partner) -> None:
    request = acme.threshold_query(world.consent(acme, **PERIODIC))
    ask(acme, request)
    request.threshold = 650
    turned_down(acme, request, "REQUEST_ID_REUSED")


def test_request_ids_are_counted_by_partner_and_method(world: World, acme: Partner, zeta: Partner) -> None:
    shared = new_uuid()
    mine, theirs = world.consent(acme, **PERIODIC), world.consent(zeta)
    answers = [
        ask(acme, acme.query(mine, request_id=shared)),
        ask(acme, acme.threshold_query(mine, request_id=shared)),
        ask(zeta, zeta.query(theirs, request_id=shared)),
    ]
    assert not any("scoregate-replayed" in answer.headers for answer in answers)


def test_an_item_of_a_batch_and_a_single_query_share_their_request_id(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme))
    first = ask(acme, request)
    batch = score_pb2.BatchGetScoresRequest(items=[request])
    answer = answered(acme, batch).results[0].answer
    assert answer.SerializeToString(deterministic=True) == first.body
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_whole_batch_repeats(world: World, acme: Partner) -> None:
    consent = world.consent(acme, **PERIODIC)
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for _ in range(60)])
    first = ask(acme, batch)
    assert ask(acme, batch).body == first.body
    assert acme.spent() == {"day": 60, "month": 60}


def test_refusals_are_not_remembered(world: World, acme: Partner) -> None:
    consent = world.consent(acme, **PERIODIC)
    request = acme.query(consent)
    world.change(consent, "PAUSE")
    turned_down(acme, request, "CONSENT_PAUSED")
    world.change(consent, "RESUME")
    assert "scoregate-replayed" not in ask(acme, request).headers


# --- 24 hours


def test_after_24_hours_a_request_id_asks_anew(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme, **PERIODIC))
    first = ask(acme, request)
    own_world.clock.move(hours=24, microseconds=-1)
    replayed(acme, request, first)
    own_world.clock.move(microseconds=1)
    again = ask(acme, request)
    assert "scoregate-replayed" not in again.headers
    assert again.body != first.body
    assert engine.calls == 2
    assert acme.spent()["month"] in (1, 2)  # 1 where a month began in between
    replayed(acme, request, again)


def test_after_24_hours_a_consumed_grant_has_nothing_more_to_say(own_world: World) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    ask(acme, request)
    own_world.clock.move(hours=24)
    turned_down(acme, request, "CONSENT_CONSUMED")


# --- restarts and twins


def test_a_repeat_survives_a_restart(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))
    first = ask(acme, request)
    own_world.restart(Seams(clock=own_world.clock, engine=engine))
    replayed(acme.at(own_world), request, first)
    assert engine.calls == 1


def all_at_once(calls: list[Callable[[], Sent]]) -> list[Sent | Failure]:
    """Make every call at the same moment."""
    line = Barrier(len(calls))

    def one(call: Callable[[], Sent]) -> Sent | Failure:
        line.wait(10)
        return outcome(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def require_one_answer(results: list[Sent | Failure]) -> None:
    assert {type(result) for result in results} == {Sent}, [r for r in results if isinstance(r, Failure)]
    answers = [result for result in results if isinstance(result, Sent)]
    assert len({answer.body for answer in answers}) == 1
    assert sum("scoregate-replayed" not in answer.headers for answer in answers) == 1


@pytest.mark.parametrize("mode", ["ONE_TIME", "PERIODIC"])
def test_concurrent_twins_get_one_answer_and_spend_one_unit(
    new_own_world: Callable[..., World], mode: str
) -> None:
    world = new_own_world(
        SCOREGATE_LIMITS__WORKER_THREADS=str(TWINS + 2),
        SCOREGATE_LIMITS__MAX_IN_FLIGHT_PER_PARTNER=str(TWINS),
    )
    acme = world.partner()
    request = acme.query(world.consent(acme, mode=f"CONSENT_MODE_{mode}"))
    with world.entries() as entries:
        results = all_at_once([lambda: ask(acme, request)] * TWINS)
    require_one_answer(results)
    assert acme.spent() == {"day": 1, "month": 1}
    kinds = sorted(entry.kind for entry in entries)
    assert kinds == [leaf_pb2.LEAF_KIND_RELEASE] + [leaf_pb2.LEAF_KIND_REPLAY] * (TWINS - 1)


@pytest.mark.parametrize("statement", range(1, 7))
def test_a_twin_that_commits_between_two_looks_at_the_database_costs_nothing(
    own_world: World, statement: int
) -> None:
    acme = own_world.partner(daily_units=1)
    request = acme.query(own_world.consent(acme))  # one unit, and good for one answer
    twins: list[bytes] = []
    seen = 0

    def commit_the_twin(*_: object) -> None:
        nonlocal seen
        if threading.current_thread().name.startswith("call"):
            seen += 1  # the twin's own statements count on, and bring no third
            if seen == statement:
                twins.append(ask(acme, request).body)

    event.listen(sa.Engine, "after_cursor_execute", commit_the_twin)
    try:
        body = ask(acme, request).body
    finally:
        event.remove(sa.Engine, "after_cursor_execute", commit_the_twin)
    assert twins in ([body], [])  # a call may need fewer looks
    assert acme.spent() == {"day": 1, "month": 1}


def test_twins_at_two_gateways_get_one_answer_and_spend_one_unit(own_world: World, scorer: Engine) -> None:
    acme = own_world.partner()
    with own_world.replica(Seams(engine=ScriptedEngine(scorer))) as other:
        there = acme.at(other)
        for _ in range(3):
            before = acme.spent()["day"]
            request = acme.query(own_world.consent(acme))
            results = all_at_once([lambda r=request, a=a: ask(a, r) for a in (acme, there) * 4])  # type: ignore[misc]
            require_one_answer(results)
            assert acme.spent()["day"] == before + 1


# --- invitations


def test_a_repeated_invitation_is_the_first_one_and_leaves_no_entry(world: World, acme: Partner) -> None:
    request = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), terms=terms())
    first = answered(acme, request).invitation
    with world.entries() as entries:
        assert answered(acme, request).invitation == first
    assert entries == []


def test_an_upper_case_spelling_repeats_an_invitation_too(world: World, acme: Partner) -> None:
    request = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), terms=terms())
    first = answered(acme, request)
    request.request_id = request.request_id.upper()
    assert answered(acme, request) == first


def test_an_invitations_request_id_belongs_to_one_body(world: World, acme: Partner) -> None:
    request = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), terms=terms())
    ask(acme, request)
    request.partner_reference = "another"
    turned_down(acme, request, "REQUEST_ID_REUSED")


def test_a_partner_that_was_suspended_gets_no_repeat(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme))
    ask(acme, request)
    world.suspend(acme.partner_id)
    require_explained(refused(ask, acme, request), "PARTNER_SUSPENDED")
