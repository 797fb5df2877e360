"""No score without the person's yes: every reason that a consent refuses for, and exactly when."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.ledger import Guards
from gateway.query import GET_SCORE
from gateway.server import Seams
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2, score_pb2, types_pb2
from tests.journey.conftest import STORES
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained, require_recorded, turned_down
from tests.wire import outcome, refused
from tests.world import Partner, World, seconds

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
MISSING = "a" * 26


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def unasked(engine: ScriptedEngine) -> Any:
    """The engine must not have been asked by the end of the test."""
    yield engine
    assert engine.calls == 0


def frequency(uses: int, unit: str) -> types_pb2.Frequency:
    return types_pb2.Frequency(uses=uses, unit=f"CALENDAR_UNIT_{unit}")


# --- strangers stay strangers


def test_missing_foreign_and_another_persons_consent_look_the_same(
    world: World, acme: Partner, zeta: Partner, unasked: ScriptedEngine
) -> None:
    mine, foreign = world.consent(acme), world.consent(zeta)
    another_person = world.consent(acme, "uci-00002").subject_ref
    failures = [
        turned_down(acme, request, "CONSENT_NOT_USABLE")
        for request in (
            acme.query(MISSING),
            acme.query(foreign),
            acme.query(foreign, subject_ref=foreign.subject_ref),
            acme.query(mine, subject_ref=another_person),
            acme.query(mine, subject_ref=foreign.subject_ref),
            acme.query(mine, subject_ref="nobody"),
        )
    ]
    assert len({(f.status, f.message, f.faceless, str(f.initial)) for f in failures}) == 1


def test_another_persons_reference_is_like_a_missing_consent_whatever_else_is_wrong(
    world: World, acme: Partner, unasked: ScriptedEngine
) -> None:
    revoked = world.consent(acme)
    world.change(revoked, "REVOKE")
    wrong = acme.query(revoked, subject_ref="nobody", purpose="PURPOSE_COLLECTION")
    seen = turned_down(acme, wrong, "CONSENT_NOT_USABLE")
    assert seen.faceless == turned_down(acme, acme.query(MISSING), "CONSENT_NOT_USABLE").faceless


def test_a_missing_consent_is_missing_whatever_else_is_wrong(
    world: World, zeta: Partner, unasked: ScriptedEngine
) -> None:
    request = zeta.query(MISSING, purpose="PURPOSE_COLLECTION", with_reasons=True)
    turned_down(zeta, request, "CONSENT_NOT_USABLE")


def test_the_persons_own_reference_is_no_hindrance(world: World, acme: Partner) -> None:
    consent = world.consent(acme)
    assert acme.score(consent, subject_ref=consent.subject_ref).subject_ref == consent.subject_ref


# --- the window


def test_a_consent_holds_from_its_first_instant_and_not_a_microsecond_earlier(
    own_world: World, engine: ScriptedEngine
) -> None:
    acme = own_world.partner()
    begin = Timestamp()
    begin.FromDatetime(own_world.clock() + timedelta(hours=5))
    consent = own_world.consent(acme, not_before=begin)
    own_world.clock.move(hours=5, microseconds=-1)
    turned_down(acme, acme.query(consent), "CONSENT_NOT_YET_VALID")
    assert engine.calls == 0
    own_world.clock.move(microseconds=1)
    acme.score(consent)


def test_a_consent_is_dead_at_its_last_instant(own_world: World, engine: ScriptedEngine) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC, valid_for=seconds(60))
    own_world.clock.move(seconds=60, microseconds=-1)
    acme.score(consent)
    own_world.clock.move(microseconds=1)
    turned_down(acme, acme.query(consent), "CONSENT_EXPIRED")
    assert engine.calls == 1


# --- the person's changes


def test_a_revoked_consent_is_refused_from_the_next_call_on(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, **PERIODIC)
    acme.score(consent)
    world.change(consent, "REVOKE")
    turned_down(acme, acme.query(consent), "CONSENT_REVOKED")
    assert engine.calls == 1


def test_a_paused_consent_is_refused_until_it_is_resumed(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme)
    world.change(consent, "PAUSE")
    turned_down(acme, acme.query(consent), "CONSENT_PAUSED")
    assert engine.calls == 0
    world.change(consent, "RESUME")
    acme.score(consent)


def test_a_one_time_consent_gives_one_answer(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    consent = world.consent(acme)
    acme.score(consent)
    turned_down(acme, acme.query(consent), "CONSENT_CONSUMED")
    turned_down(acme, acme.threshold_query(consent), "CONSENT_CONSUMED")
    assert engine.calls == 1


def test_a_threshold_answer_uses_a_one_time_consent_up(world: World, acme: Partner) -> None:
    consent = world.consent(acme)
    acme.scores.CheckThreshold(acme.threshold_query(consent))
    turned_down(acme, acme.query(consent), "CONSENT_CONSUMED")


def test_a_freeze_stops_everything_until_it_is_lifted(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, "uci-00101")
    other = world.consent(acme, "uci-00102")
    world.freeze("uci-00101")
    turned_down(acme, acme.query(consent), "SUBJECT_FROZEN")
    assert engine.calls == 0
    acme.score(other)  # another person's file is not frozen
    world.freeze("uci-00101", frozen=False)
    acme.score(consent)


def test_a_freeze_lets_an_account_review_pass_that_was_granted_before_it(own_world: World) -> None:
    acme = own_world.partner()
    review = {"purpose": "PURPOSE_ACCOUNT_REVIEW"}
    consent = own_world.consent(acme, "uci-00103", **PERIODIC, **review)
    own_world.clock.move(microseconds=1)
    own_world.freeze("uci-00103")
    acme.score(consent, **review)


def test_a_freeze_stops_an_account_review_that_was_granted_at_its_very_instant(own_world: World) -> None:
    acme = own_world.partner()
    review = {"purpose": "PURPOSE_ACCOUNT_REVIEW"}
    consent = own_world.consent(acme, "uci-00104", **PERIODIC, **review)
    own_world.freeze("uci-00104")
    turned_down(acme, acme.query(consent, **review), "SUBJECT_FROZEN")


def test_a_change_at_one_gateway_holds_at_every_other_from_the_next_call_on(
    own_world: World, engine: ScriptedEngine
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, "uci-00106", **PERIODIC)
    request = acme.query(consent)
    with own_world.replica(Seams(engine=engine)) as other:
        there = acme.at(other)
        ask(there, request)
        own_world.change(consent, "PAUSE")
        turned_down(there, acme.query(consent), "CONSENT_PAUSED")
        own_world.change(consent, "RESUME")
        own_world.freeze("uci-00106")
        turned_down(there, request, "SUBJECT_FROZEN")
        own_world.freeze("uci-00106", frozen=False)
        ask(there, request)
        own_world.change(consent, "REVOKE")
        turned_down(there, request, "CONSENT_REVOKED")
        own_world.suspend("acme")
        require_explained(refused(ask, there, request), "PARTNER_SUSPENDED")
        own_world.revoke(acme.fingerprint)
        require_explained(refused(ask, there, request), "CERTIFICATE_REVOKED")


# --- what was agreed


@pytest.mark.parametrize("purpose", ["PREQUALIFICATION", "ACCOUNT_REVIEW"])
def test_another_purpose_than_the_agreed_one_is_refused(
    world: World, acme: Partner, unasked: ScriptedEngine, purpose: str
) -> None:
    consent = world.consent(acme)
    turned_down(acme, acme.query(consent, purpose=f"PURPOSE_{purpose}"), "CONSENT_PURPOSE_MISMATCH")
    threshold = acme.threshold_query(consent, purpose=f"PURPOSE_{purpose}")
    turned_down(acme, threshold, "CONSENT_PURPOSE_MISMATCH")


@pytest.mark.parametrize(
    ("agreed", "asked"),
    [
        (["BAND"], {"disclosure": "DISCLOSURE_SCORE"}),
        (["SCORE"], {"disclosure": "DISCLOSURE_BAND"}),
        (["THRESHOLD"], {"disclosure": "DISCLOSURE_SCORE"}),
        (["THRESHOLD"], {"disclosure": "DISCLOSURE_BAND"}),
        (["SCORE", "BAND"], {"with_reasons": True}),
        (["BAND", "REASONS"], {"with_reasons": True}),
        (["SCORE", "BAND"], {"threshold": 600}),
    ],
    ids=["band-score", "score-band", "yesno-score", "yesno-band", "reasons", "band-reasons", "score-yesno"],
)
def test_more_than_was_agreed_is_refused(
    world: World, acme: Partner, unasked: ScriptedEngine, agreed: list[str], asked: dict[str, Any]
) -> None:
    consent = world.consent(acme, disclosures=[f"DISCLOSURE_{name}" for name in agreed])
    make = acme.threshold_query if "threshold" in asked else acme.query
    turned_down(acme, make(consent, **asked), "CONSENT_DISCLOSURE_NOT_ALLOWED")


def test_a_threshold_that_is_not_registered_is_refused(
    world: World, acme: Partner, unasked: ScriptedEngine
) -> None:
    request = acme.threshold_query(world.consent(acme), threshold=700)
    turned_down(acme, request, "THRESHOLD_NOT_REGISTERED")


# --- how often


def next_begin(unit: str, zone: str, now: datetime) -> datetime:
    """When the next calendar day, ISO week, month or year begins in a time zone."""
    local = now.astimezone(ZoneInfo(zone))
    today = local.date()
    day = {
        "DAY": today + timedelta(days=1),
        "WEEK": today + timedelta(days=8 - today.isoweekday()),
        "MONTH": (today.replace(day=1) + timedelta(days=32)).replace(day=1),
        "YEAR": today.replace(year=today.year + 1, month=1, day=1),
    }[unit]
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("unit", "zone"),
    [
        ("DAY", "Asia/Shanghai"),
        ("WEEK", "America/New_York"),
        ("MONTH", "Asia/Kathmandu"),
        ("YEAR", "Pacific/Auckland"),
    ],
)
def test_a_frequency_begins_anew_at_the_calendars_boundary_in_its_own_time_zone(
    own_world: World, unit: str, zone: str
) -> None:
    acme, clock = own_world.partner(), own_world.clock
    begin = next_begin(unit, zone, clock())
    agreed: dict[str, Any] = {"frequency": frequency(2, unit), "time_zone": zone, "valid_for": seconds(4e7)}
    consent = own_world.consent(acme, mode="CONSENT_MODE_PERIODIC", **agreed)
    acme.score(consent)
    clock.now = begin - timedelta(microseconds=1)
    acme.score(consent)
    turned_down(acme, acme.query(consent), "CONSENT_FREQUENCY_EXHAUSTED")
    clock.now = begin
    acme.score(consent)
    acme.score(consent)
    turned_down(acme, acme.query(consent), "CONSENT_FREQUENCY_EXHAUSTED")


def test_scores_and_thresholds_draw_on_one_frequency(world: World, acme: Partner) -> None:
    consent = world.consent(acme, **PERIODIC, frequency=frequency(2, "DAY"))
    acme.score(consent)
    acme.scores.CheckThreshold(acme.threshold_query(consent))
    turned_down(acme, acme.query(consent), "CONSENT_FREQUENCY_EXHAUSTED")
    turned_down(acme, acme.threshold_query(consent), "CONSENT_FREQUENCY_EXHAUSTED")


# --- decided again under the lock: the person changes their mind while the engine computes

CHANGES: dict[str, Callable[[World, consent_pb2.Consent], Any]] = {
    "CONSENT_REVOKED": lambda world, consent: world.change(consent, "REVOKE"),
    "CONSENT_PAUSED": lambda world, consent: world.change(consent, "PAUSE"),
    "SUBJECT_FROZEN": lambda world, _: world.freeze("uci-00105"),
    "CONSENT_EXPIRED": lambda world, _: world.clock.move(hours=1),
    "PARTNER_SUSPENDED": lambda world, _: world.suspend("acme"),
    "CERTIFICATE_REVOKED": lambda world, _: world.revoke(*world.fingerprints("acme")),
}


def change_meanwhile(
    world: World, engine: ScriptedEngine, reason: str
) -> tuple[Partner, score_pb2.GetScoreRequest]:
    """A query while whose answer is computed the change is made and acknowledged."""
    acme = world.partner("acme")
    consent = world.consent(acme, "uci-00105", valid_for=seconds(3_600))
    engine.before = lambda: CHANGES[reason](world, consent)
    return acme, acme.query(consent)


@pytest.mark.parametrize("reason", CHANGES)
def test_a_change_while_the_engine_computes_is_noticed(
    own_world: World, engine: ScriptedEngine, reason: str
) -> None:
    acme, request = change_meanwhile(own_world, engine, reason)
    with own_world.entries() as entries:
        failure = refused(ask, acme, request)
    require_explained(failure, reason, request.request_id)
    require_recorded(entries[-1:], acme.partner_id, GET_SCORE, reason)
    assert not [entry for entry in entries if entry.kind == leaf_pb2.LEAF_KIND_RELEASE]
    assert own_world.usage("acme") == {"day": 0, "month": 0}
    assert engine.calls == 1


@pytest.mark.parametrize("reason", CHANGES)
def test_without_the_recheck_it_would_go_unnoticed(
    new_world: Callable[..., World], engine: ScriptedEngine, reason: str
) -> None:
    world = new_world(seams=Seams(engine=engine, guards=Guards(recheck=False)))
    acme, request = change_meanwhile(world, engine, reason)
    assert answered(acme, request).HasField("scored")


# --- batches


def test_in_a_batch_a_one_time_consent_answers_its_first_item_alone(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme)
    items = [acme.query(consent) for _ in range(3)]
    results = answered(acme, score_pb2.BatchGetScoresRequest(items=items)).results
    assert [result.error.reason for result in results] == ["", "CONSENT_CONSUMED", "CONSENT_CONSUMED"]
    assert acme.spent() == {"day": 1, "month": 1}


def test_in_a_batch_a_frequency_runs_out_in_order(world: World, acme: Partner) -> None:
    consent = world.consent(acme, **PERIODIC, frequency=frequency(2, "DAY"))
    items = [acme.query(consent) for _ in range(4)]
    results = answered(acme, score_pb2.BatchGetScoresRequest(items=items)).results
    assert [result.error.reason for result in results] == ["", ""] + ["CONSENT_FREQUENCY_EXHAUSTED"] * 2


def test_a_refused_item_says_what_a_refused_call_says(world: World, acme: Partner) -> None:
    consent = world.consent(acme)
    world.change(consent, "REVOKE")
    (result,) = answered(acme, score_pb2.BatchGetScoresRequest(items=[acme.query(consent)])).results
    alone = turned_down(acme, acme.query(consent), "CONSENT_REVOKED")
    assert f"{result.error.message} {result.error.remedy}" == alone.message
    assert result.error.code == alone.status.value[0]


# --- decisions about invitations


def test_an_invitation_that_was_denied_or_has_run_out_is_never_allowed(own_world: World) -> None:
    acme = own_world.partner()
    denied, late = acme.invite(), acme.invite()
    own_world.deny(denied)
    own_world.clock.move(days=7)
    for invitation in (denied, late):
        require_explained(refused(own_world.allow, invitation, "uci-00001"), "STATE_CONFLICT")
    shown = consent_pb2.GetConsentInvitationRequest(handle=late.handle)
    assert answered(acme, shown).invitation.state == consent_pb2.INVITATION_STATE_EXPIRED


def test_a_freeze_is_lifted_for_one_lender_alone_and_until_the_next(
    world: World, acme: Partner, zeta: Partner
) -> None:
    before = world.consent(zeta, "uci-00108", **PERIODIC)
    world.freeze("uci-00108")
    with world.entries() as entries:
        consent = world.allow(acme.invite(**PERIODIC), "uci-00108", lift_freeze=True)
    granted = next(entry for entry in entries if entry.kind == leaf_pb2.LEAF_KIND_CONSENT_GRANTED)
    assert granted.reason == "CONSUMER_DECISION_LIFTING_THE_FREEZE_FOR_THIS_PARTNER"
    answered(acme, acme.query(consent))
    turned_down(zeta, zeta.query(before), "SUBJECT_FROZEN")
    world.freeze("uci-00108", frozen=False)
    world.freeze("uci-00108")
    turned_down(acme, acme.query(consent), "SUBJECT_FROZEN")


def test_nothing_is_lifted_where_nothing_is_frozen(world: World, acme: Partner) -> None:
    with world.entries() as entries:
        consent = world.allow(acme.invite(**PERIODIC), "uci-00109", lift_freeze=True)
    assert [entry.reason for entry in entries if entry.kind == leaf_pb2.LEAF_KIND_CONSENT_GRANTED] == [
        "CONSUMER_DECISION"
    ]
    world.freeze("uci-00109")
    turned_down(acme, acme.query(consent), "SUBJECT_FROZEN")


def test_a_frozen_person_is_granted_nothing_before_the_freeze_is_lifted(world: World, acme: Partner) -> None:
    invitation = acme.invite()
    world.freeze("uci-00107")
    with world.entries() as entries:
        require_explained(refused(world.allow, invitation, "uci-00107"), "SUBJECT_FROZEN")
    assert [(entry.partner_id, entry.reason) for entry in entries] == [("operator", "SUBJECT_FROZEN")]
    world.freeze("uci-00107", frozen=False)
    acme.score(world.allow(invitation, "uci-00107"))


@pytest.mark.parametrize(
    "changes",
    [["REVOKE", "REVOKE"], ["REVOKE", "RESUME"], ["REVOKE", "PAUSE"], ["PAUSE", "PAUSE"], ["RESUME"]],
    ids="-".join,
)
def test_a_change_that_the_state_does_not_allow_is_refused(
    world: World, acme: Partner, changes: list[str]
) -> None:
    consent = world.consent(acme)
    *lawful, last = changes
    for change in lawful:
        consent = world.change(consent, change)
    require_explained(refused(world.change, consent, last), "STATE_CONFLICT")
    shown = answered(acme, consent_pb2.GetConsentRequest(consent_id=consent.consent_id)).consent
    assert shown.state == consent.state


def test_a_decided_invitation_is_not_decided_again(world: World, acme: Partner) -> None:
    allowed, denied = acme.invite(), acme.invite()
    world.allow(allowed, "uci-00001")
    world.deny(denied)
    for decide in (
        lambda: world.allow(allowed, "uci-00002"),
        lambda: world.deny(allowed),
        lambda: world.deny(denied),
        lambda: world.allow(denied, "uci-00001"),
    ):
        require_explained(refused(decide), "STATE_CONFLICT")


def test_two_gateways_that_allow_one_invitation_make_one_consent(own_world: World) -> None:
    acme = own_world.partner()
    with own_world.replica() as other:
        for _ in range(3):
            invitation = acme.invite()
            with ThreadPoolExecutor(2) as pool:
                decided = [pool.submit(outcome, w.allow, invitation, "uci-00001") for w in (own_world, other)]
            results = [each.result() for each in decided]
            assert sorted(getattr(result, "reason", "") for result in results) == ["", "STATE_CONFLICT"]
    listed = answered(acme, consent_pb2.ListConsentsRequest()).consents
    assert len(listed) == 3
