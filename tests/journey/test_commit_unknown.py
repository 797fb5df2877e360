"""Step 7 when nobody knows whether COMMIT happened: the caller is told to ask again, and finds the truth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from gateway.audit.log import read_head
from gateway.journey import CHUNK
from gateway.query import GET_SCORE
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import score_pb2
from tests.journey.conftest import STORES
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import answered, ask, require_explained
from tests.wire import outcome, refused
from tests.world import World

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
RELEASE, REPLAY = leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REPLAY
Fate = Callable[[Any], None]

ITEMS = 2 * CHUNK + 20  # three chunks


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def lost(driver: Any) -> None:
    """The line breaks before COMMIT arrives."""
    driver.close()


def done(driver: Any) -> None:
    """The line breaks when COMMIT is durable, before the gateway hears of it."""
    driver.commit()
    driver.close()


EITHER_WAY = pytest.mark.parametrize("fate", [lost, done], ids=lambda fate: fate.__name__)


@contextmanager
def befalling(world: World, fate: Fate, *, nth: int = 1) -> Iterator[None]:
    """Of the COMMITs that bring entries, the ``nth`` meets its fate."""
    size, seen = world.log_size(), 0

    def befall(connection: sa.Connection) -> None:
        nonlocal size, seen
        if read_head(connection).size > size:
            size, seen = read_head(connection).size, seen + 1
            if seen == nth:
                fate(connection.connection.driver_connection)

    event.listen(sa.Engine, "commit", befall)
    try:
        yield
    finally:
        event.remove(sa.Engine, "commit", befall)
    assert seen >= nth, "no COMMIT met its fate"


@EITHER_WAY
def test_the_caller_is_told_nothing_and_the_same_request_id_finds_the_truth(
    own_world: World, engine: ScriptedEngine, fate: Fate
) -> None:
    acme = own_world.partner()
    request = acme.query(own_world.consent(acme))  # good for one answer
    with own_world.entries() as entries:
        with befalling(own_world, fate):
            failure = refused(ask, acme, request)
        require_explained(failure, "AUDIT_UNAVAILABLE", request.request_id)
        again = ask(acme, request)
    # The server itself asked no second time: one event, whichever of the two calls it belongs to.
    assert [entry.kind for entry in entries] == ([RELEASE, REPLAY] if fate is done else [RELEASE])
    assert ("scoregate-replayed" in again.headers) == (fate is done)
    assert engine.calls == (1 if fate is done else 2)
    receipt = score_pb2.GetScoreResponse.FromString(again.body).receipt
    assert own_world.leaf_bytes()[receipt.leaf_index] == receipt.leaf
    assert entries[0].attestation_sha256 == leaf_pb2.Leaf.FromString(receipt.leaf).attestation_sha256
    assert acme.spent() == {"day": 1, "month": 1}


@EITHER_WAY
def test_a_batch_keeps_the_chunks_whose_outcome_is_known(own_world: World, fate: Fate) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for _ in range(ITEMS)])
    with befalling(own_world, fate, nth=2):
        results = answered(acme, batch).results
    known = [result.HasField("answer") for result in results]
    assert known == [True] * CHUNK + [False] * CHUNK + [True] * 20
    assert acme.spent() == dict.fromkeys(("day", "month"), ITEMS if fate is done else ITEMS - CHUNK)
    repeated = answered(acme, batch).results
    assert all(result.HasField("answer") for result in repeated)
    assert [r.answer for r, first in zip(repeated, known, strict=True) if first] == [
        r.answer for r, first in zip(results, known, strict=True) if first
    ]
    assert acme.spent() == {"day": ITEMS, "month": ITEMS}


@EITHER_WAY
def test_calls_turned_away_are_counted_once_whatever_became_of_the_commit(
    own_world: World, fate: Fate
) -> None:
    acme = own_world.partner()
    own_world.suspend("acme")
    met = threading.Event()

    def meet(driver: Any) -> None:
        fate(driver)
        met.set()

    with befalling(own_world, meet):
        refused(acme.score, "a" * 26)
        assert met.wait(5)  # about a second
    assert own_world.turned_away() == {("acme", GET_SCORE, "PARTNER_SUSPENDED"): 1}


def test_a_revocation_of_unknown_outcome_is_not_acknowledged_and_a_repeat_settles_it(
    own_world: World,
) -> None:
    acme = own_world.partner()
    for fate, then in ((lost, ""), (done, "STATE_CONFLICT")):  # that is: revoked already
        consent = own_world.consent(acme)
        with own_world.entries() as entries, befalling(own_world, fate):
            assert refused(own_world.change, consent, "REVOKE").reason == "AUDIT_UNAVAILABLE"
            assert getattr(outcome(own_world.change, consent, "REVOKE"), "reason", "") == then
        kinds = [entry.kind for entry in entries if entry.kind != leaf_pb2.LEAF_KIND_REFUSAL]
        assert kinds == [leaf_pb2.LEAF_KIND_CONSENT_REVOKED]
        assert refused(ask, acme, acme.query(consent)).reason == "CONSENT_REVOKED"
