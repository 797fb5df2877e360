"""Yes/no answers and bands rest on the month's first score, whoever asks and whatever came since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import chain, combinations, repeat
from typing import Any

import pytest

from gateway.ledger import Guards
from gateway.server import Seams
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2, score_pb2
from scoring.service import Family, Query
from tests.journey.conftest import STORES, new_name
from tests.journey.engines import EPOCH, ScriptedEngine, scored
from tests.journey.rows import answered, ask, require_explained, turned_down
from tests.wire import refused
from tests.world import Partner, World

pytestmark = pytest.mark.usefixtures("engine")

WITH_BOTH: dict[str, Any] = {
    "mode": "CONSENT_MODE_PERIODIC",
    "disclosures": ["DISCLOSURE_SCORE", "DISCLOSURE_BAND", "DISCLOSURE_THRESHOLD"],
}


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reaches(partner: Partner, consent: consent_pb2.Consent, threshold: int = 600) -> bool:
    answer = partner.scores.CheckThreshold(partner.threshold_query(consent, threshold=threshold))
    return bool(answer.answer.reached)


def band(partner: Partner, consent: consent_pb2.Consent) -> int:
    return int(partner.score(consent, disclosure="DISCLOSURE_BAND").scored.band)


def test_what_came_in_since_moves_nobody_across_a_threshold_this_month(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, "uci-00200", **WITH_BOTH)
    engine.answers(612)
    assert (reaches(acme, consent), reaches(acme, consent, 650)) == (True, False)
    engine.answers(655)
    assert (reaches(acme, consent), reaches(acme, consent, 650)) == (True, False)
    engine.answers(401)
    first = acme.scores.CheckThreshold(acme.threshold_query(consent))
    assert first.answer.reached
    assert acme.score(consent).scored.score == 401  # a number is a number, of today


def test_another_lender_asks_about_the_same_cell(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    rival = world.partner(new_name("rival"), thresholds=[550, 600])
    mine, theirs = (world.consent(who, "uci-00201", **WITH_BOTH) for who in (acme, rival))
    engine.answers(590)
    assert not reaches(acme, mine)
    engine.answers(610)
    assert (reaches(rival, theirs, 550), reaches(rival, theirs)) == (True, False)
    assert band(rival, theirs) == band(acme, mine)


def test_a_band_is_first_too(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    consent = world.consent(acme, "uci-00202", **WITH_BOTH)
    engine.answers(601)
    before = band(acme, consent)
    engine.answers(599)
    assert band(acme, consent) == before
    assert reaches(acme, consent)


def test_a_number_places_nobody(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    consent = world.consent(acme, "uci-00203", **WITH_BOTH)
    engine.answers(601)
    assert acme.score(consent).scored.score == 601
    engine.answers(599)
    assert not reaches(acme, consent)


def test_a_refresh_within_the_month_begins_nothing_and_the_next_month_does(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, "uci-00204", **WITH_BOTH)
    engine.answers(601)
    assert reaches(acme, consent)
    engine.answers(599, epoch=EPOCH.replace(day=EPOCH.day % 28 + 1))
    assert reaches(acme, consent)
    earlier = date(EPOCH.year - 1, EPOCH.month, 1)
    engine.answers(599, epoch=earlier)
    said = acme.scores.CheckThreshold(acme.threshold_query(consent))
    assert not said.answer.reached


USED = (Family.HISTORY, Family.CAPACITY)
UNUSED = ("INPUT_FAMILY_BEHAVIOUR", "INPUT_FAMILY_IDENTITY", "INPUT_FAMILY_SOCIAL")
LEFT_OUT = [each for size in range(4) for each in combinations(UNUSED, size)]


def of_two_families(engine: ScriptedEngine, score: int, **changes: Any) -> None:
    """Everybody has this score from now on, of a model that uses two families; 20 points less without one."""

    def reply(queries: Sequence[Query], _: Any) -> Any:
        used = [tuple(family for family in USED if family not in query.excluded) for query in queries]
        points = [score - 20 * (families != USED) for families in used]
        return [
            scored(query.subject, made, **{"families": families} | changes)
            for query, made, families in zip(queries, points, used, strict=True)
        ]

    engine.reply = reply


def without(world: World, partner: Partner, subject: str, *families: str) -> consent_pb2.Consent:
    return world.consent(partner, subject, **WITH_BOTH, excluded_families=list(families))


def test_what_the_model_does_not_use_opens_no_second_cell(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    rival = world.partner(new_name("rival"), thresholds=[600])
    of_two_families(engine, 623)
    low, high = 600, 649
    for number, families in enumerate(LEFT_OUT):
        lender = (acme, rival)[number % 2]
        middle = (low + high + 1) // 2
        of_two_families(engine, 623 + 600 - middle if number else 623)  # a refresh of known size
        if reaches(lender, without(world, lender, "uci-00205", *families)):
            low = middle if number else low
        else:
            high = middle - 1
    assert low == 649  # yes, whatever came since: what they make of it is nonsense


def test_the_first_of_a_question_may_be_any_of_its_excluded_sets(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    less = without(world, acme, "uci-00217", "INPUT_FAMILY_SOCIAL")
    whole = without(world, acme, "uci-00217")
    of_two_families(engine, 590)
    assert not reaches(acme, less)
    of_two_families(engine, 610)
    assert (reaches(acme, whole), reaches(acme, less)) == (False, False)


def test_what_is_left_out_of_what_the_model_uses_is_another_question(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    whole, less, same = (
        without(world, acme, "uci-00218", *families)
        for families in ((), ("INPUT_FAMILY_CAPACITY",), ("INPUT_FAMILY_CAPACITY", *UNUSED))
    )
    of_two_families(engine, 610)
    assert (reaches(acme, whole), reaches(acme, less)) == (True, False)
    of_two_families(engine, 650)
    assert (reaches(acme, whole), reaches(acme, less), reaches(acme, same)) == (True, False, False)


def test_a_model_that_changes_within_the_month_opens_nothing(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    asked = [without(world, acme, "uci-00219", *families) for families in LEFT_OUT]
    of_two_families(engine, 590)
    assert not any(reaches(acme, each) for each in asked)
    of_two_families(engine, 700, families=(Family.HISTORY,))
    assert not any(reaches(acme, each) for each in asked)


def test_a_correction_counts_for_every_excluded_set(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    asked = [without(world, acme, "uci-00220", *families) for families in LEFT_OUT]
    of_two_families(engine, 560)
    assert not any(reaches(acme, each) for each in asked)
    of_two_families(engine, 640)
    assert world.reopen("uci-00220") == len(asked)
    assert all(reaches(acme, each) for each in asked)


def test_no_score_is_no_cell(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    consent = world.consent(acme, "nobody-77", **WITH_BOTH)
    answer = acme.scores.CheckThreshold(acme.threshold_query(consent))
    assert answer.HasField("not_scored")
    engine.answers(700)
    assert reaches(acme, consent)


def test_a_correction_is_an_entry_and_the_next_answer_rests_on_it(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, "uci-00206", **WITH_BOTH)
    engine.answers(560)
    assert not reaches(acme, consent)
    engine.answers(640)
    with world.entries() as entries:
        assert world.reopen("uci-00206", reason="dispute 7 upheld") == 1
    assert [(e.kind, e.reason, e.actor) for e in entries] == [
        (leaf_pb2.LEAF_KIND_MONTH_REOPENED, "dispute 7 upheld", "operator")
    ]
    assert reaches(acme, consent)
    with world.entries() as entries:
        assert world.reopen("uci-00207") == 0
    assert entries == []


def bands_of_twins(
    world: World, acme: Partner, engine: ScriptedEngine, subject: str, left_out: Sequence[Any] = ((),) * 8
) -> set[int]:
    """What is said of one person in one group, each question with another score in hand."""
    asked = {families: without(world, acme, subject, *families) for families in left_out}
    items = [acme.query(asked[families], disclosure="DISCLOSURE_BAND") for families in left_out]
    scores = chain([590, 610, 710, 590, 450, 610, 590, 710], repeat(610))
    engine.reply = lambda queries, _: [scored(query.subject, next(scores)) for query in queries]
    results = answered(acme, score_pb2.BatchGetScoresRequest(items=items)).results
    return {int(result.answer.scored.band) for result in results}


def test_of_twins_that_found_different_scores_all_say_the_same(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    assert len(bands_of_twins(world, acme, engine, "uci-00208")) == 1


def test_twins_that_leave_out_what_is_not_used_say_the_same(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    assert len(bands_of_twins(world, acme, engine, "uci-00221", LEFT_OUT)) == 1


@pytest.mark.parametrize("left_out", [((),) * 8, LEFT_OUT])
def test_without_the_guard_twins_differ(
    new_world: Callable[..., World], engine: ScriptedEngine, left_out: Sequence[Any]
) -> None:
    world = new_world(seams=Seams(engine=engine, guards=Guards(first_cell=False)))
    assert len(bands_of_twins(world, world.partner(), engine, "uci-00208", left_out)) == 4


def test_a_legal_entity_has_its_thresholds_once_a_year(world: World) -> None:
    entity = new_name("LEI")
    world.add(first := new_name("first"), thresholds=[600], legal_entity=entity)
    world.add(second := new_name("second"), thresholds=[], legal_entity=entity)
    for partner_id in (first, second):
        failure = refused(world.set_contract, partner_id, thresholds=[650])
        require_explained(failure, "FIELD_INVALID")
        assert failure.violations == ("contract.thresholds",)
    world.set_contract(second, thresholds=[600])
    world.set_contract(first, thresholds=[])
    world.set_contract(first, thresholds=[600])
    failure = refused(world.add, new_name("third"), thresholds=[700], legal_entity=entity)
    assert failure.violations == ("partner.contract.thresholds",)


def test_a_consent_is_to_the_lines_that_the_person_read(world: World, engine: ScriptedEngine) -> None:
    acme = world.partner(new_name("acme"), thresholds=[600, 650])
    world.set_contract(acme.partner_id, thresholds=[600])
    consent = world.consent(acme, "uci-00216", **WITH_BOTH)
    world.set_contract(acme.partner_id, thresholds=[600, 650])
    assert list(consent.terms.thresholds) == [600]
    turned_down(acme, acme.threshold_query(consent, threshold=650), "CONSENT_DISCLOSURE_NOT_ALLOWED")
    answered(acme, acme.threshold_query(consent, threshold=600))
    anew = world.consent(acme, "uci-00216", **WITH_BOTH)
    assert list(anew.terms.thresholds) == [600, 650]
    answered(acme, acme.threshold_query(anew, threshold=650))
    world.add(lineless := new_name("lineless"), thresholds=[])
    later = world.enroll(lineless)
    consent = world.consent(later, "uci-00216", **WITH_BOTH)
    world.set_contract(lineless, thresholds=[600])
    turned_down(later, later.threshold_query(consent, threshold=600), "CONSENT_DISCLOSURE_NOT_ALLOWED")
    unasked = world.consent(acme, "uci-00216", disclosures=["DISCLOSURE_SCORE"])
    assert list(unasked.terms.thresholds) == []


def test_a_threshold_that_was_taken_away_is_refused_under_the_lock(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, "uci-00215", **WITH_BOTH)
    engine.before = lambda: world.set_contract(acme.partner_id, thresholds=[650])
    with world.entries() as entries:
        failure = refused(ask, acme, acme.threshold_query(consent))
    require_explained(failure, "THRESHOLD_NOT_REGISTERED", failure.request_id)
    kinds = leaf_pb2.LEAF_KIND_CONTRACT_CHANGED, leaf_pb2.LEAF_KIND_REFUSAL
    assert tuple(entry.kind for entry in entries) == kinds
    assert acme.spent() == {"day": 0, "month": 0}
