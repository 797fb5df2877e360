"""A person's own look at their score is no lender's; and no look at all moves a score."""

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
from scoregate.partner.v1 import score_pb2
from scoregate.words import CalendarUnit, Purpose
from scoring.service import Engine, Explanation, Query
from tests.agreed import agree, periodic
from tests.journey.conftest import STORES
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, turned_down
from tests.wire import refused
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


def test_no_lender_asks_what_is_a_persons_own(
    world: World, acme: Partner, engine: ScriptedEngine, grant: Callable[..., Grant]
) -> None:
    """Not even with a consent from before invitations refused that purpose; nor does it pass a freeze."""
    consent = grant(acme)
    for frozen in (False, True):
        world.freeze(PERSON, frozen=frozen)
        failure = refused(ask, acme, acme.query(consent.consent_id, **SELF))
        assert (failure.reason, failure.violations) == ("FIELD_INVALID", ("purpose",))
    world.freeze(PERSON, frozen=False)
    assert engine.calls == 0


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
    scorer: Engine,
    engine_folder: Path,
) -> None:
    before = known(scorer, engine_folder)
    newest = before[0].epochs[0]
    scores = set[int]()
    for caller in (acme, zeta):
        hard = world.consent(caller, PERSON, mode="CONSENT_MODE_PERIODIC")
        for _ in range(10):
            scores.add(answered(caller, caller.query(hard)).scored.score)
            answered(caller, caller.query(hard, disclosure="DISCLOSURE_BAND", with_reasons=True))
            answered(caller, caller.threshold_query(hard))
            turned_down(caller, caller.query(hard, purpose="PURPOSE_GUARANTOR"), "CONSENT_PURPOSE_MISMATCH")
            ledger.change(lambda tx: decisions.look_at_own_score(tx, PERSON, newest, actor="consumer"))
        batch = score_pb2.BatchGetScoresRequest(items=[caller.query(hard) for _ in range(50)])
        scores |= {result.answer.scored.score for result in answered(caller, batch).results}
    assert scores == {newest.score}
    assert known(scorer, engine_folder) == before
