"""What a person says about their file travels in every answer, attested, until an operator resolves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.ledger import Guards
from gateway.server import Seams
from scoregate.client import Client
from scoregate.partner.v1 import score_pb2, types_pb2
from scoregate.words import Mark
from tests.journey.conftest import STORES
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask
from tests.world import Partner, World

OFTEN = {"mode": "CONSENT_MODE_PERIODIC"}
DISPUTED, UNDER_REVIEW = types_pb2.MARK_DISPUTED, types_pb2.MARK_UNDER_REVIEW
EPOCH_WITHOUT_DATA = "nobody-00001"  # the engine knows nobody of this name


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def client_of(partner: Partner) -> Client:
    """The lender's own client, which verifies whatever it is answered."""
    return Client.trusting_first_use(
        f"127.0.0.1:{partner.world.gateway.partner_port}",
        certificate=partner.certificate,
        key=partner.key,
        server_ca=partner.world.server_ca,
    )


def test_a_mark_travels_to_the_client_until_it_is_resolved(world: World, acme: Partner) -> None:
    consent = world.consent(acme, "uci-00401", **OFTEN)
    asked = (consent.consent_id, "CREDIT_APPLICATION")
    with client_of(acme) as client:
        assert client.score(*asked).marks == ()
        reference = world.dispute("uci-00401")
        review = world.dispute("uci-00401", "REVIEW")
        both = (Mark.DISPUTED, Mark.UNDER_REVIEW)
        for answer in (client.score(*asked), client.score(*asked, "BAND"), client.reaches(*asked, 600)):
            assert answer.marks == answer.claims.marks == both
        world.resolve(reference)
        assert client.score(*asked).marks == (Mark.UNDER_REVIEW,)
        world.resolve(review)
        assert client.score(*asked).marks == ()


def test_where_nothing_is_scored_the_marks_are_told_too(world: World, acme: Partner) -> None:
    consent = world.consent(acme, EPOCH_WITHOUT_DATA, **OFTEN)
    reference = world.dispute(EPOCH_WITHOUT_DATA, "REVIEW")
    answer = acme.score(consent)
    assert answer.HasField("not_scored")
    assert list(answer.marks) == [UNDER_REVIEW]
    threshold = answered(acme, acme.threshold_query(consent))
    assert threshold.HasField("not_scored")
    assert list(threshold.marks) == [UNDER_REVIEW]
    world.resolve(reference)
    assert not acme.score(consent).marks


def test_each_item_of_a_batch_bears_its_own_persons_marks(world: World, acme: Partner) -> None:
    people = ("uci-00402", "uci-00403", "uci-00404")
    consents = [world.consent(acme, person) for person in people]
    world.dispute(people[0])
    world.dispute(people[2], "REVIEW")
    items = [acme.query(consent) for consent in consents]
    results = answered(acme, score_pb2.BatchGetScoresRequest(items=items)).results
    assert [list(result.answer.marks) for result in results] == [[DISPUTED], [], [UNDER_REVIEW]]


def test_every_partner_sees_the_same_marks(world: World, acme: Partner, zeta: Partner) -> None:
    consents = [(each, world.consent(each, "uci-00405")) for each in (acme, zeta)]
    world.dispute("uci-00405")
    assert [list(each.score(consent).marks) for each, consent in consents] == [[DISPUTED], [DISPUTED]]


@pytest.mark.parametrize("is_marked_first", [True, False])
def test_a_replay_gives_the_first_bytes(world: World, acme: Partner, is_marked_first: bool) -> None:
    person = f"uci-0041{int(is_marked_first)}"
    request = acme.query(world.consent(acme, person))
    reference = world.dispute(person) if is_marked_first else ""
    first = ask(acme, request)
    if is_marked_first:
        world.resolve(reference)
    else:
        world.dispute(person)
    assert ask(acme, request).body == first.body


# --- a dispute that comes while the engine computes


def answered_meanwhile(world: World, engine: ScriptedEngine) -> Any:
    """The answer to a query; while it is computed, the person disputes something."""
    acme = world.partner("acme")
    consent = world.consent(acme, "uci-00406")

    def dispute_once() -> None:
        engine.before = lambda: None
        world.dispute("uci-00406")

    engine.before = dispute_once
    return answered(acme, acme.query(consent))


def test_an_answer_that_a_dispute_overtakes_is_marked(own_world: World, engine: ScriptedEngine) -> None:
    assert list(answered_meanwhile(own_world, engine).marks) == [DISPUTED]
    assert own_world.usage("acme") == {"day": 1, "month": 1}


def test_without_the_recheck_it_would_not_be(new_world: Callable[..., World], engine: ScriptedEngine) -> None:
    world = new_world(seams=Seams(engine=engine, guards=Guards(recheck=False)))
    assert not answered_meanwhile(world, engine).marks
