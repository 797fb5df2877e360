"""Step 5: an engine that is late, gone or lying costs the caller a retry, and nothing leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from gateway import founding
from gateway.engine import EngineLate, EngineUnavailable
from gateway.journey import CHUNK
from gateway.server import Gateway, Seams
from gateway.settings import Settings, SettingsInvalid
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import score_pb2
from scoring.remote import ServerTls, Serving, serve
from scoring.service import Engine, Family, NotScored, NotScoredReason, Query
from tests.journey.engines import EPOCH, Outcomes, ScriptedEngine, scored
from tests.journey.rows import answered, ask, turned_down
from tests.wire import Failure, outcome, refused
from tests.world import Clock, Partner, World, settings_for

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}


def require_usable_still(caller: Partner, request: score_pb2.GetScoreRequest) -> None:
    """The same call succeeds once the engine is well: grant, units and request id were not used up."""
    answer = answered(caller, request)
    assert answer.HasField("scored")
    assert caller.spent() == {"day": 1, "month": 1}


# --- lying

REASONS = tuple(f"H{number:02}" for number in range(9))

LIES: dict[str, Callable[[str], Any]] = {
    "349": lambda subject: [scored(subject, 349)],
    "951": lambda subject: [scored(subject, 951)],
    "0": lambda subject: [scored(subject, 0)],
    "negative": lambda subject: [scored(subject, -600)],
    "NaN": lambda subject: [scored(subject, float("nan"))],
    "infinite": lambda subject: [scored(subject, float("inf"))],
    "a float": lambda subject: [scored(subject, 600.0)],
    "true": lambda subject: [scored(subject, True)],
    "text": lambda subject: [scored(subject, "600")],
    "no number": lambda subject: [scored(subject, None)],
    "another person": lambda _: [scored("uci-00002", 600)],
    "nobody": lambda _: [scored("", 600)],
    "another person's nothing": lambda _: [NotScored("uci-00002", EPOCH, NotScoredReason.NO_DATA)],
    "no answer": lambda _: [],
    "the answer twice": lambda subject: [scored(subject, 600)] * 2,
    "no family": lambda subject: [scored(subject, 600, families=())],
    "a family twice": lambda subject: [scored(subject, 600, families=(Family.HISTORY,) * 2)],
    "an excluded family": lambda subject: [scored(subject, 600, families=(Family.SOCIAL,))],
    "an unknown reason": lambda subject: [scored(subject, 600, reason_codes=("Z99",))],
    "a reason twice": lambda subject: [scored(subject, 600, reason_codes=known(1) * 2)],
    "five reasons": lambda subject: [scored(subject, 600, reason_codes=known(5))],
    "a model without a version": lambda subject: [scored(subject, 600, model="scripted")],
    "a model that it does not announce": lambda subject: [scored(subject, 600, model="rogue@99")],
    "an epoch to come": lambda subject: [scored(subject, 600, epoch=date(2999, 1, 1))],
}

_texts: dict[str, str] = {}


def known(count: int) -> tuple[str, ...]:
    """So many reason codes that the model knows."""
    return tuple(sorted(_texts))[:count]


@pytest.fixture(autouse=True)
def texts(scorer: Engine) -> None:
    _texts.update(scorer.model().reason_texts)


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_engine_is_not_believed(
    world: World, acme: Partner, engine: ScriptedEngine, lie: str
) -> None:
    consent = world.consent(acme, excluded_families=["INPUT_FAMILY_SOCIAL"])
    request = acme.query(consent, with_reasons=True)
    engine.reply = lambda queries, _: LIES[lie](queries[0].subject)
    failure = turned_down(acme, request, "ENGINE_ANSWER_INVALID")
    assert "uci-0" not in failure.message + str(failure.faceless)
    engine.reset()
    require_usable_still(acme, request)


def test_the_engine_gets_a_share_of_the_callers_time_and_leaves_some_to_sign_and_commit_in(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, **PERIODIC)
    longest = world.settings.engine.timeout_ms / 1_000
    for given, most in ((longest, 0.8 * longest), (300.0, longest)):
        outcome(ask, acme, acme.query(consent), timeout=given)  # a slow machine may be too late for it
        assert 0 < engine.timeouts[-1] <= most + 0.01  # the wire rounds a deadline


def test_an_outcome_that_can_not_be_signed_is_recorded(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme)
    engine.reply = lambda queries, _: LIES["a model without a version"](queries[0].subject)
    with world.entries() as entries:
        refused(ask, acme, acme.query(consent))
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_REFUSAL]


def test_outcomes_in_another_order_are_not_believed(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consents = [world.consent(acme, subject) for subject in ("uci-00001", "uci-00002")]
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for consent in consents])
    engine.reply = lambda _, found: list(reversed(found))
    results = answered(acme, batch).results
    assert [result.error.reason for result in results] == ["ENGINE_ANSWER_INVALID"] * 2
    engine.reset()
    assert all(result.HasField("answer") for result in answered(acme, batch).results)


def test_a_lie_in_one_chunk_of_a_batch_leaves_the_others_answered(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, **PERIODIC)
    engine.reply = lambda _, found: found if engine.calls != 2 else found[1:]
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for _ in range(2 * CHUNK + 20)])
    results = answered(acme, batch).results
    kinds = [result.WhichOneof("outcome") for result in results]
    assert kinds == ["answer"] * CHUNK + ["error"] * CHUNK + ["answer"] * 20
    assert acme.spent() == {"day": CHUNK + 20, "month": CHUNK + 20}


# --- failing


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (EngineUnavailable(), "ENGINE_UNAVAILABLE"),
        (EngineLate(), "ENGINE_UNAVAILABLE"),
        (RuntimeError("uci-00001 has 612"), "INTERNAL"),
        (KeyError("uci-00001"), "INTERNAL"),
        (MemoryError(), "INTERNAL"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_an_engine_that_fails_gives_a_refusal_without_its_own_words(
    world: World, acme: Partner, engine: ScriptedEngine, failure: Exception, reason: str
) -> None:
    request = acme.query(world.consent(acme))

    def fail() -> None:
        raise failure

    engine.before = fail
    told = turned_down(acme, request, reason)
    assert "uci" not in told.message + str(told.faceless)
    engine.reset()
    require_usable_still(acme, request)


# --- an engine of its own, over its real gRPC


class HeldScorer:
    """The real scorer, which a test can hold up or make lie."""

    def __init__(self, scorer: Engine) -> None:
        self._scorer = scorer
        self.model = scorer.model
        self.go = threading.Event()
        self.go.set()
        self.reply: Callable[[Sequence[Query], Outcomes], Outcomes] = lambda _, found: found

    def score(self, queries: Sequence[Query], *, as_of: date) -> Outcomes:
        assert self.go.wait(20), "nobody let the engine go"
        return self.reply(queries, self._scorer.score(queries, as_of=as_of))


def tls_of(settings: Settings) -> ServerTls:
    engine = settings.engine
    uri = f"spiffe://{settings.trust_domain}/gateway/gateway"
    return ServerTls(engine.server_certificate, engine.server_key, engine.ca, uri)


class Remote:
    """An installation whose engine is another process."""

    def __init__(self, home: Path, engine_folder: Path, scorer: HeldScorer, timeout_ms: int) -> None:
        self.scorer = scorer
        clock, url = Clock(), f"sqlite:///{home}/ledger.db"
        chosen = {"SCOREGATE_ENGINE__KIND": "remote", "SCOREGATE_ENGINE__TIMEOUT_MS": str(timeout_ms)}
        founded = settings_for(home, url, engine_folder, **chosen)
        founding.found(founded, now=clock())
        self.tls = tls_of(founded)
        self.serving = self.start("127.0.0.1:0")
        self.address = f"127.0.0.1:{self.serving.port}"
        settings = settings_for(home, url, engine_folder, **chosen, SCOREGATE_ENGINE__ADDRESS=self.address)
        gateway = Gateway.start(settings, Seams(clock=clock))
        self.world = World(settings, gateway, clock, (home / "operator" / "server-ca.pem").read_bytes())

    def start(self, address: str) -> Serving:
        scorer: Any = self.scorer
        return serve(scorer, address, tls=self.tls)

    def kill(self) -> None:
        self.serving.server.stop(None).wait()

    def revive(self) -> None:
        self.serving = self.start(self.address)

    def close(self) -> None:
        self.scorer.go.set()
        self.world.close()
        self.kill()


@pytest.fixture
def new_remote(tmp_path: Path, engine_folder: Path, scorer: Engine) -> Iterator[Callable[..., Remote]]:
    with ExitStack() as stack:

        def make(timeout_ms: int = 2_000) -> Remote:
            remote = Remote(tmp_path / "home", engine_folder, HeldScorer(scorer), timeout_ms)
            stack.callback(remote.close)
            return remote

        yield make


def test_a_remote_engine_gives_the_embedded_ones_answers(
    new_remote: Callable[..., Remote], world: World, acme: Partner
) -> None:
    there = new_remote().world
    lender = there.partner()
    for subject in ("uci-00001", "uci-29999", "nobody-1"):
        for terms in ({}, {"excluded_families": ["INPUT_FAMILY_HISTORY"]}):
            far = lender.score(there.consent(lender, subject, **terms), with_reasons=True)
            near = acme.score(world.consent(acme, subject, **terms), with_reasons=True)
            assert (far.scored, far.not_scored) == (near.scored, near.not_scored)


def test_an_outcome_of_a_remote_engine_that_can_not_be_read_fails_alone(
    new_remote: Callable[..., Remote],
) -> None:
    remote = new_remote()
    acme = remote.world.partner()
    subjects = [f"uci-{n:05}" for n in range(1, 9)]
    items = [acme.query(remote.world.consent(acme, subject)) for subject in subjects]
    some_day: Any = SimpleNamespace(isoformat=lambda: "yesterday")

    def lie(queries: Sequence[Query], found: Outcomes) -> Outcomes:
        odd = scored(subjects[3], 700, epoch=some_day)
        return [odd if q.subject == odd.subject else each for q, each in zip(queries, found, strict=True)]

    remote.scorer.reply = lie
    results = answered(acme, score_pb2.BatchGetScoresRequest(items=items)).results
    reasons = [result.error.reason for result in results]
    assert reasons == [""] * 3 + ["ENGINE_ANSWER_INVALID"] + [""] * 4
    assert acme.spent() == {"day": 7, "month": 7}


def until_answered(caller: Partner, request: score_pb2.GetScoreRequest) -> list[Failure]:
    """Repeat with the same request id until there is an answer; the refusals on the way."""
    refusals: list[Failure] = []
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        result = outcome(ask, caller, request)
        if not isinstance(result, Failure):
            return refusals
        refusals.append(result)
        threading.Event().wait(0.05)
    raise AssertionError("the engine is back, and the gateway has not noticed")


def test_a_dead_engine_is_unavailable_and_comes_back(new_remote: Callable[..., Remote]) -> None:
    remote = new_remote()
    acme = remote.world.partner()
    request = acme.query(remote.world.consent(acme))
    remote.kill()
    turned_down(acme, request, "ENGINE_UNAVAILABLE")
    turned_down(acme, request, "ENGINE_UNAVAILABLE")
    remote.revive()
    assert {refusal.reason for refusal in until_answered(acme, request)} <= {"ENGINE_UNAVAILABLE"}
    assert acme.spent() == {"day": 1, "month": 1}
    remote.world.require_balanced()


def test_what_needs_no_engine_goes_on_without_it(new_remote: Callable[..., Remote]) -> None:
    remote = new_remote()
    world, acme = remote.world, remote.world.partner()
    consent = world.consent(acme, **PERIODIC)
    request = acme.query(consent)
    first = ask(acme, request)
    remote.kill()
    assert ask(acme, request).body == first.body  # a repeat
    world.change(consent, "REVOKE")
    turned_down(acme, acme.query(consent), "CONSENT_REVOKED")


def test_a_slow_engine_is_given_up_after_its_timeout(new_remote: Callable[..., Remote]) -> None:
    remote = new_remote(timeout_ms=100)
    acme = remote.world.partner()
    request = acme.query(remote.world.consent(acme))
    remote.scorer.go.clear()
    turned_down(acme, request, "ENGINE_UNAVAILABLE")
    remote.scorer.go.set()
    require_usable_still(acme, request)


def test_a_slow_engine_is_given_up_inside_the_callers_own_deadline(
    new_remote: Callable[..., Remote],
) -> None:
    remote = new_remote(timeout_ms=10_000)
    acme = remote.world.partner()
    request = acme.query(remote.world.consent(acme))
    remote.scorer.go.clear()
    failure = refused(ask, acme, request, timeout=1)
    # A fifth of the time is left to say so; on a machine that is too busy the caller's own clock is first.
    assert failure.reason == "ENGINE_UNAVAILABLE" or failure.status is grpc.StatusCode.DEADLINE_EXCEEDED
    remote.scorer.go.set()
    require_usable_still(acme, request)


WIRE_LIES = [
    "349",
    "951",
    "another person",
    "no answer",
    "the answer twice",
    "no family",
    "an unknown reason",
]


def test_a_lying_remote_engine_is_not_believed_either(new_remote: Callable[..., Remote]) -> None:
    remote = new_remote()
    acme = remote.world.partner()
    request = acme.query(remote.world.consent(acme))
    for lie in WIRE_LIES:
        remote.scorer.reply = lambda queries, _, lie=lie: LIES[lie](queries[0].subject)  # type: ignore[misc]
        turned_down(acme, request, "ENGINE_ANSWER_INVALID")
    remote.scorer.reply = lambda queries, _: LIES["NaN"](queries[0].subject)  # its own door cannot send it
    turned_down(acme, request, "ENGINE_UNAVAILABLE")
    remote.scorer.reply = lambda _, found: found
    require_usable_still(acme, request)


def test_without_its_engine_a_gateway_does_not_start(tmp_path: Path, engine_folder: Path) -> None:
    home = tmp_path / "home"
    chosen = {"SCOREGATE_ENGINE__KIND": "remote", "SCOREGATE_ENGINE__ADDRESS": "127.0.0.1:1"}
    settings = settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder, **chosen)
    founding.found(settings, now=Clock()())
    with pytest.raises(SettingsInvalid) as caught:
        Gateway.start(settings)
    assert [problem.field for problem in caught.value.problems] == ["engine.address"]


# --- another model


def test_an_engine_that_comes_back_with_another_model_is_an_entry_before_its_first_score(
    own_world: World, engine: ScriptedEngine
) -> None:
    acme = own_world.partner()
    consent = own_world.consent(acme, **PERIODIC)
    engine.announces = replace(engine.model(), model="uci-card@2", artefact_sha256=b"2" * 32)
    engine.answers(600, model="uci-card@2")
    for _ in range(2):
        assert answered(acme, acme.query(consent)).scored.model == "uci-card@2"
    changed, *released = own_world.leaves()[-3:]
    assert (changed.kind, changed.object_id) == (leaf_pb2.LEAF_KIND_MODEL_CHANGED, "32" * 32)
    assert [entry.kind for entry in released] == [leaf_pb2.LEAF_KIND_RELEASE] * 2
