"""What the engine answers, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message

from gateway.answer import Wording
from gateway.engine import (
    EngineAnswerInvalid,
    EngineLate,
    EngineUnavailable,
    RemoteEngine,
    require_answers,
    require_sound,
)
from scoregate.engine.v1 import engine_pb2
from scoregate.words import Disclosure
from scoring.remote import SERVICE, EngineServicer
from scoring.scorecard import Family
from scoring.service import Engine, Query, Scored
from tests.prove.fuzzers.mutation import message_of
from tests.prove.fuzzers.target import Place, Take, Target, anywhere, refusing

ROOM = "engine"
AS_OF = date(2026, 11, 23)
ASKED = [Query("uci-00001"), Query("uci-00002", frozenset({Family.HISTORY}))]
TEXTS = {"H01": "Late.", "H02": "Often late.", "C01": "Full."}
WORDING = Wording(TEXTS)


# --- answers of an engine behind gRPC


class Garbled(grpc.RpcError):
    """How grpcio ends a call whose answer is no message of its kind."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INTERNAL


class Answered:
    """A call that has ended with these bytes."""

    def __init__(self, read: Callable[[bytes], Message], answer: bytes) -> None:
        self._read, self._answer = read, answer

    def result(self) -> Message:
        try:
            return self._read(self._answer)
        except DecodeError as error:
            raise Garbled from error

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INTERNAL

    def add_done_callback(self, hear: Callable[[Answered], None]) -> None:
        hear(self)


class Method:
    """One method of an engine that answers these bytes, whatever it is asked."""

    def __init__(self, read: Callable[[bytes], Message], answer: bytes) -> None:
        self._read, self._answer = read, answer

    def __call__(self, _request: Message, timeout: float) -> Message:
        return Answered(self._read, self._answer).result()

    def future(self, _request: Message, timeout: float) -> Answered:
        return Answered(self._read, self._answer)


class Answering:
    """A channel to such an engine; ``card`` is its answer where it describes its model beside another."""

    def __init__(self, answer: bytes, card: bytes | None = None) -> None:
        self._answer, self._card = answer, card

    def unary_unary(self, path: str, **options: Any) -> Method:
        answer = self._card if self._card is not None and path.endswith("/GetModel") else self._answer
        return Method(options["response_deserializer"], answer)


def take_outcomes(data: bytes) -> None:
    """What an engine says of two people; what is sound makes claims that can be signed."""
    channel: Any = Answering(data)
    outcomes = RemoteEngine(channel).ask(ASKED, as_of=AS_OF, timeout=1.0).result(0)
    require_answers(ASKED, outcomes)
    for query, outcome in zip(ASKED, outcomes, strict=True):
        require_sound(query, outcome, as_of=AS_OF, texts=TEXTS)
        if isinstance(outcome, Scored):
            basis = (outcome.families, outcome.model, outcome.epoch)
            WORDING.score(outcome.score, outcome.reason_codes, *basis, Disclosure.SCORE, True)
        else:
            WORDING.not_scored(outcome.reason, outcome.epoch, False)


def take_outcomes_unguarded(data: bytes) -> None:
    """The guard that is off: a number of the wire is a word of ours before it is used as one."""
    for outcome in engine_pb2.ScoreResponse.FromString(data).outcomes:
        date.fromisoformat(outcome.epoch)
        [Family(each) for each in outcome.score.families]


def take_explanation(data: bytes) -> None:
    """What an engine says of one person to that person."""
    [card] = card_seeds()
    channel: Any = Answering(data, card)
    found = RemoteEngine(channel).explain("uci-00001", as_of=AS_OF, timeout=1.0)
    for each in found.contributions:
        TEXTS[each.code]


def take_explanation_unguarded(data: bytes) -> None:
    """The guard that is off: a code is one of the model's before its text is looked up."""
    for each in engine_pb2.ExplainResponse.FromString(data).contributions:
        TEXTS[each.code]


def take_card(data: bytes) -> None:
    """What an engine says of its model."""
    channel: Any = Answering(data)
    RemoteEngine(channel).model()


def take_card_unguarded(data: bytes) -> None:
    """The guard that is off: bytes that are no message are an engine that does not answer."""
    engine_pb2.GetModelResponse.FromString(data)


def outcome_seeds() -> Iterable[bytes]:
    response = engine_pb2.ScoreResponse()
    for query, family in zip(ASKED, (Family.HISTORY, Family.CAPACITY), strict=True):
        outcome = response.outcomes.add(subject=query.subject, epoch="2005-10-06")
        outcome.score.score, outcome.score.model = 612, "card@1.0123abcd"
        outcome.score.reason_codes.extend(TEXTS)
        outcome.score.families.append(family.value)  # type: ignore[arg-type]
    yield response.SerializeToString()
    response.outcomes[1].not_scored = 1  # type: ignore[assignment]
    yield response.SerializeToString()


def explanation_seeds() -> Iterable[bytes]:
    response = engine_pb2.ExplainResponse()
    response.epochs.add(epoch="2005-10-06", score=612)
    response.epochs.add(epoch="2005-09-06", not_scored=2)  # type: ignore[arg-type]
    for points, code in zip((-30, 12, 0), TEXTS, strict=True):
        response.contributions.add(code=code, family=1, points=points)  # type: ignore[arg-type]
    yield response.SerializeToString()
    yield engine_pb2.ExplainResponse(epochs=response.epochs[1:]).SerializeToString()


def card_seeds() -> Iterable[bytes]:
    model = engine_pb2.GetModelResponse(
        model="card@1.0123abcd", artefact_sha256=bytes(32), reason_texts=TEXTS
    )
    model.sunset = model.latest_epoch = "2030-12-31"
    yield model.SerializeToString()


# --- what an engine is asked


METHODS: dict[str, type[Message]] = {
    "Score": engine_pb2.ScoreRequest,
    "GetModel": engine_pb2.GetModelRequest,
    "Explain": engine_pb2.ExplainRequest,
}


class Turned(Exception):
    """The engine refused."""


class Context:
    """A call of the gateway's."""

    def abort(self, status: grpc.StatusCode, told: str) -> NoReturn:
        if status is grpc.StatusCode.INTERNAL:
            raise RuntimeError(told)
        raise Turned

    def auth_context(self) -> dict[str, Sequence[bytes]]:
        return {}


def take_question(place: Place) -> Take:
    """A question as the engine's own process reads it, on the trained scorecard."""
    servicer = EngineServicer(Engine.open(place.engine_folder), today=lambda: AS_OF, client_uri=None)
    handler: Any = servicer.handlers()
    paths = [SimpleNamespace(method=f"/{SERVICE}/{name}") for name in METHODS]
    calls = [handler.service(each).unary_unary for each in paths]
    return refusing(lambda data: calls[(data[0] if data else 0) % len(METHODS)](data[1:], Context()), Turned)


def take_question_unguarded(_place: Place) -> Take:
    """The guard that is off: a day is one of the calendar."""

    def take(data: bytes) -> None:
        request = engine_pb2.ScoreRequest.FromString(data[1:])
        if request.as_of:
            date.fromisoformat(request.as_of)

    return refusing(take, DecodeError)


def question_seeds() -> Iterable[bytes]:
    request = engine_pb2.ScoreRequest(as_of="2005-10-06")
    for query in ASKED:
        request.queries.add(subject=query.subject, excluded_families=[each.value for each in query.excluded])
    yield b"\x00" + request.SerializeToString()
    yield b"\x01"
    yield b"\x02" + engine_pb2.ExplainRequest(subject="uci-00001", as_of="2005-10-06").SerializeToString()


TARGETS = (
    Target(
        "engine-outcomes",
        ROOM,
        anywhere(refusing(take_outcomes, EngineAnswerInvalid, EngineUnavailable, EngineLate)),
        anywhere(refusing(take_outcomes_unguarded, DecodeError)),
        outcome_seeds,
        share=60,
        change=message_of(lambda _: engine_pb2.ScoreResponse),
        words=("2005-10-06", "uci-00001", "card@1.0123abcd", *TEXTS),
    ),
    Target(
        "engine-explanation",
        ROOM,
        anywhere(refusing(take_explanation, EngineAnswerInvalid, EngineUnavailable, EngineLate)),
        anywhere(refusing(take_explanation_unguarded, DecodeError)),
        explanation_seeds,
        share=30,
        change=message_of(lambda _: engine_pb2.ExplainResponse),
        words=("2005-10-06", *TEXTS),
    ),
    Target(
        "engine-model",
        ROOM,
        anywhere(refusing(take_card, EngineUnavailable)),
        anywhere(refusing(take_card_unguarded)),
        card_seeds,
        share=30,
        change=message_of(lambda _: engine_pb2.GetModelResponse),
    ),
    Target(
        "engine-question",
        ROOM,
        take_question,
        take_question_unguarded,
        question_seeds,
        share=40,
        change=message_of(lambda first: tuple(METHODS.values())[first[0] % len(METHODS)], prefix=1),
    ),
)
