"""A person's own look at their score: free, on any quota, no inquiry; and no look at all moves a score."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from consent.grant import Grant, Terms
from consent.pairwise import Pairwise
from gateway import decisions
from gateway.audit.private import Vault
from gateway.ledger import Ledger
from gateway.settings import read_secret
from gateway.store import open_store
from scoregate.partner.v1 import score_pb2, types_pb2
from scoregate.words import CalendarUnit, Purpose
from scoring.service import Engine, Explanation, Query
from tests.agreed import agree, periodic
from tests.journey.conftest import STORES, new_name
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, turned_down
from tests.world import Partner, World

PERSON = "uci-00003"
OWN = replace(periodic(100, CalendarUnit.DAY), purpose=Purpose.CONSUMER_SELF)
SELF = {"purpose": "PURPOSE_CONSUMER_SELF"}
TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def ledger(world: World) -> Iterator[Ledger]:
    """Another process's, beside the gateway, as the pages have one."""
    with ExitStack() as closing:
        opened = open_store(world.settings.database.url)
        closing.callback(opened.close)
        vault = Vault(read_secret(world.settings.secrets.master_key))
        made = Ledger(opened, vault, clock=world.clock)
        closing.callback(made.close)
        yield made


@pytest.fixture
def grant(world: World, ledger: Ledger) -> Callable[..., Grant]:
    """Gives a partner a person's consent; no invitation names a purpose that is the person's own."""
    pairwise = Pairwise(read_secret(world.settings.secrets.pairwise_key))

    def give(partner: Partner, terms: Terms = OWN) -> Grant:
        reference = pairwise.reference(partner.partner_id, PERSON)
        return ledger.change(lambda tx: agree(tx, partner.partner_id, PERSON, terms, reference))

    return give


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("daily_units", "DAILY_QUOTA_EXHAUSTED"), ("monthly_units", "MONTHLY_QUOTA_EXHAUSTED")],
)
def test_it_is_free_on_any_quota(
    world: World, engine: ScriptedEngine, grant: Callable[..., Grant], limit: str, reason: str
) -> None:
    acme = world.partner(new_name("acme"), **{limit: 0})
    request = acme.query(grant(acme).consent_id, **SELF)
    with world.entries() as entries:
        answer = answered(acme, request)
        assert answered(acme, request).scored.score == answer.scored.score  # a repeat
    assert engine.calls == 1
    assert [entry.cost_units for entry in entries] == [0, 0]
    assert list(entries[0].quota_periods) == []
    assert acme.spent() == {"day": 0, "month": 0}
    turned_down(acme, acme.query(world.consent(acme)), reason)


def test_it_is_no_hard_inquiry(acme: Partner, grant: Callable[..., Grant]) -> None:
    answer = answered(acme, acme.query(grant(acme).consent_id, **SELF))
    assert answer.inquiry == types_pb2.INQUIRY_TYPE_SOFT


def test_it_passes_a_freeze(world: World, acme: Partner, grant: Callable[..., Grant]) -> None:
    consent = grant(acme)
    world.freeze(PERSON)
    try:
        assert answered(acme, acme.query(consent.consent_id, **SELF)).HasField("scored")
    finally:
        world.freeze(PERSON, frozen=False)


def known(scorer: Engine, folder: Path) -> tuple[Explanation, object, dict[str, str]]:
    """All that is known of the person: how the score came about, its outcome, and the engine's files."""
    files = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}
    afresh = Engine.open(folder)
    assert afresh.explain(PERSON, as_of=TODAY) == scorer.explain(PERSON, as_of=TODAY)
    return scorer.explain(PERSON, as_of=TODAY), scorer.score([Query(PERSON)], as_of=TODAY), files


def test_no_number_of_questions_about_a_person_moves_their_score(
    world: World,
    acme: Partner,
    zeta: Partner,
    ledger: Ledger,
    grant: Callable[..., Grant],
    scorer: Engine,
    engine_folder: Path,
) -> None:
    before = known(scorer, engine_folder)
    newest = before[0].epochs[0]
    scores = set[int]()
    for caller in (acme, zeta):
        own, hard = grant(caller), world.consent(caller, PERSON, mode="CONSENT_MODE_PERIODIC")
        for _ in range(10):
            scores.add(answered(caller, caller.query(own.consent_id, **SELF)).scored.score)
            scores.add(answered(caller, caller.query(hard)).scored.score)
            answered(caller, caller.query(hard, disclosure="DISCLOSURE_BAND", with_reasons=True))
            answered(caller, caller.threshold_query(hard))
            turned_down(caller, caller.query(hard, purpose="PURPOSE_GUARANTOR"), "CONSENT_PURPOSE_MISMATCH")
            ledger.change(lambda tx: decisions.look_at_own_score(tx, PERSON, newest, actor="consumer"))
        batch = score_pb2.BatchGetScoresRequest(items=[caller.query(hard) for _ in range(50)])
        scores |= {result.answer.scored.score for result in answered(caller, batch).results}
    assert scores == {newest.score}
    assert known(scorer, engine_folder) == before
