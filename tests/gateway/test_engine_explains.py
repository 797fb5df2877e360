"""What an engine says of one person to that person: both doors say the same, and neither is believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.engine import (
    EmbeddedEngine,
    EngineAnswerInvalid,
    EngineLate,
    EngineUnavailable,
    RemoteEngine,
    require_explained,
)
from scoregate.engine.v1 import engine_pb2
from scoring.records import EPOCHS
from scoring.remote import SERVICE, serve
from scoring.service import Contribution, Engine, EpochOutcome, Explanation, Family, NotScoredReason
from scoring.train import SUNSET

TODAY = date(2026, 11, 23)
TEXTS = {"H01": "Late.", "H02": "Often late.", "C01": "Full."}
SOUND = Explanation(
    (EpochOutcome(EPOCHS[1], 612, None), EpochOutcome(EPOCHS[0], None, NotScoredReason.THIN_FILE)),
    (Contribution("H01", Family.HISTORY, -30), Contribution("C01", Family.CAPACITY, 12)),
)
SCORED, THIN = SOUND.epochs
LATE, FULL = SOUND.contributions


@pytest.fixture(scope="module")
def scorer(engine_folder: Path) -> Engine:
    return Engine.open(engine_folder)


@pytest.fixture(scope="module")
def remote(scorer: Engine) -> Iterator[RemoteEngine]:
    started = serve(scorer, "127.0.0.1:0", today=lambda: TODAY)
    door = RemoteEngine(grpc.insecure_channel(f"127.0.0.1:{started.port}"))
    yield door
    door.close()
    started.server.stop(None).wait()


@pytest.mark.parametrize("subject", ["uci-00001", "uci-00003", "nobody"])
@pytest.mark.parametrize("as_of", [EPOCHS[0], EPOCHS[-1], TODAY])
def test_both_doors_say_what_the_engine_says(
    scorer: Engine, remote: RemoteEngine, subject: str, as_of: date
) -> None:
    said = scorer.explain(subject, as_of=as_of)
    assert EmbeddedEngine(scorer).explain(subject, as_of=as_of, timeout=1.0) == said
    assert remote.explain(subject, as_of=as_of, timeout=10.0) == said


@pytest.mark.parametrize("as_of", [EPOCHS[0] - timedelta(days=1), SUNSET + timedelta(days=1)])
def test_a_day_that_can_not_be_scored_is_an_engine_that_does_not_answer(
    scorer: Engine, remote: RemoteEngine, as_of: date
) -> None:
    for door in (EmbeddedEngine(scorer), remote):
        with pytest.raises(EngineUnavailable):
            door.explain("uci-00001", as_of=as_of, timeout=10.0)


def test_an_engine_that_is_not_there_is_unavailable() -> None:
    door = RemoteEngine(grpc.insecure_channel("127.0.0.1:1"))
    with pytest.raises(EngineUnavailable):
        door.explain("uci-00001", as_of=TODAY, timeout=10.0)
    door.close()


def test_a_sound_explanation_passes() -> None:
    assert require_explained(SOUND, as_of=EPOCHS[1], texts=TEXTS) is SOUND
    nobody = Explanation((THIN,), ())
    assert require_explained(nobody, as_of=EPOCHS[1], texts=TEXTS) is nobody


LIES: dict[str, dict[str, Any]] = {
    "no epoch": {"epochs": ()},
    "an epoch to come": {"epochs": (replace(SCORED, epoch=EPOCHS[2]), THIN)},
    "an epoch twice": {"epochs": (SCORED, SCORED)},
    "the oldest first": {"epochs": (THIN, SCORED), "contributions": ()},
    "too many epochs": {
        "epochs": tuple(replace(SCORED, epoch=EPOCHS[1] - timedelta(days=n)) for n in range(25))
    },
    "349": {"epochs": (replace(SCORED, score=349),)},
    "951 long ago": {"epochs": (SCORED, EpochOutcome(EPOCHS[0], 951, None))},
    "NaN": {"epochs": (replace(SCORED, score=float("nan")),)},
    "a score and a reason": {"epochs": (replace(SCORED, not_scored=NotScoredReason.NO_DATA),)},
    "neither": {"epochs": (replace(SCORED, score=None),)},
    "a score that nothing made": {"contributions": ()},
    "contributions to nothing": {"epochs": (THIN,)},
    "a code twice": {"contributions": (LATE, LATE)},
    "an unknown code": {"contributions": (replace(LATE, code="Z99"),)},
    "the lightest first": {"contributions": (FULL, LATE)},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_engine_is_not_believed(lie: str) -> None:
    with pytest.raises(EngineAnswerInvalid):
        require_explained(replace(SOUND, **LIES[lie]), as_of=EPOCHS[1], texts=TEXTS)


def answer(**changes: Any) -> bytes:
    """A sound answer on the wire; ``changes`` replace fields of its newest epoch and its contribution."""
    fields: dict[str, Any] = {"epoch": "2005-06-06", "score": 612, "code": "H01", "family": 1} | changes
    made = engine_pb2.ExplainResponse()
    epoch = made.epochs.add(epoch=fields["epoch"])
    if fields["score"] is None:
        epoch.not_scored = fields["not_scored"]
    else:
        epoch.score = fields["score"]
        made.contributions.add(code=fields["code"], family=fields["family"], points=-30)
    return made.SerializeToString()


@pytest.fixture
def told() -> dict[str, Any]:
    """What the false engine answers to each method: bytes, or a number of seconds to wait."""
    model = engine_pb2.GetModelResponse(reason_texts=TEXTS)
    return {"Explain": answer(), "GetModel": model.SerializeToString()}


@pytest.fixture
def false_engine(told: dict[str, Any]) -> Iterator[RemoteEngine]:
    """A real server that answers what the test wants."""

    def method(name: str) -> Any:
        def reply(_body: bytes, _context: grpc.ServicerContext) -> bytes:
            if isinstance(told[name], float):
                time.sleep(told[name])
            return bytes(told[name]) if isinstance(told[name], bytes) else b""

        return grpc.unary_unary_rpc_method_handler(reply)

    server = grpc.server(ThreadPoolExecutor(2))
    handlers = {name: method(name) for name in told}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    door = RemoteEngine(grpc.insecure_channel(f"127.0.0.1:{port}"))
    yield door
    door.close()
    server.stop(None).wait()


def test_what_is_sound_on_the_wire_is_read(false_engine: RemoteEngine) -> None:
    found = false_engine.explain("uci-00001", as_of=TODAY, timeout=10.0)
    assert found.epochs == (EpochOutcome(date(2005, 6, 6), 612, None),)
    assert found.contributions == (Contribution("H01", Family.HISTORY, -30),)


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": "yesterday"},
        {"epoch": ""},
        {"family": 0},
        {"family": 99},
        {"score": 0},
        {"score": None, "not_scored": 0},
        {"score": None, "not_scored": 99},
        {"code": "H09"},
    ],
    ids=str,
)
def test_rubbish_on_the_wire_is_not_believed(
    false_engine: RemoteEngine, told: dict[str, Any], changes: dict[str, Any]
) -> None:
    told["Explain"] = answer(**changes)
    with pytest.raises(EngineAnswerInvalid):
        false_engine.explain("uci-00001", as_of=TODAY, timeout=10.0)


@pytest.mark.parametrize("name", ["Explain", "GetModel"])
def test_bytes_that_are_no_answer_are_an_engine_that_does_not_answer(
    false_engine: RemoteEngine, told: dict[str, Any], name: str
) -> None:
    told[name] = b"\xff"
    with pytest.raises(EngineUnavailable):
        false_engine.explain("uci-00001", as_of=TODAY, timeout=10.0)


@pytest.mark.parametrize("name", ["Explain", "GetModel"])
def test_an_engine_that_takes_longer_than_it_was_given_is_late(
    false_engine: RemoteEngine, told: dict[str, Any], name: str
) -> None:
    told[name] = 0.5
    with pytest.raises(EngineLate):
        false_engine.explain("uci-00001", as_of=TODAY, timeout=0.1)
