"""The door to the scoring engine: embedded in this process, or a gRPC service of its own.

Both answer the same way, and neither is believed: outcomes are checked for identity,
order, range, families and reasons before anything is signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import grpc

from scoregate.engine.v1 import engine_pb2, engine_pb2_grpc
from scoring.errors import EpochMissing, ModelSunset
from scoring.service import (
    MOST_EPOCHS,
    Contribution,
    EpochOutcome,
    Explanation,
    Family,
    NotScored,
    NotScoredReason,
    Query,
    Scored,
)
from scoring.service import Engine as Scorer

SCORE_MIN, SCORE_MAX = 350, 950
MAX_REASONS = 4
MODEL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,64}")  # name@version, as the claims have it


class EngineUnavailable(Exception):
    """The engine does not answer, or must not (its model is past its sunset date)."""

    reason = "ENGINE_UNAVAILABLE"


class EngineLate(Exception):
    """The engine did not answer inside the time that it was given."""

    reason = "ENGINE_UNAVAILABLE"


class EngineAnswerInvalid(Exception):
    """The engine answered nonsense."""

    reason = "ENGINE_ANSWER_INVALID"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The model in use."""

    model: str  # "name@version"
    artefact_sha256: bytes
    sunset: str  # ISO 8601
    latest_epoch: str  # ISO 8601
    reason_texts: dict[str, str]


Outcomes = Sequence[Scored | NotScored | EngineAnswerInvalid]
"""One for each query, in order; an exception for one that can't be read, which fails alone."""


class EngineDoor(Protocol):
    """Either way to an engine."""

    @property
    def is_near(self) -> bool:
        """Whether it has answered once ``ask`` returns, so that one question may hold several lenders'."""

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        """Outcomes, unchecked; the future may raise EngineUnavailable or EngineLate."""

    def explain(self, subject: str, *, as_of: date, timeout: float) -> Explanation:
        """How a person's score came about, checked. Raises EngineUnavailable, EngineLate or
        EngineAnswerInvalid.
        """

    def model(self) -> ModelCard:
        """The model in use. Raises EngineUnavailable."""

    def close(self) -> None:
        """Let go of it."""


class EmbeddedEngine:
    """The engine in this process."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    @property
    def is_near(self) -> bool:
        """It is."""
        return True

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        """Outcomes, unchecked. Embedded scoring takes microseconds: the timeout is not needed.

        The future raises EngineUnavailable where the model is past its sunset date.
        """
        del timeout
        future: Future[Outcomes] = Future()
        try:
            future.set_result(self._scorer.score(queries, as_of=as_of))
        except (ModelSunset, EpochMissing) as error:
            future.set_exception(_unavailable(error))
        except Exception as error:
            future.set_exception(error)
        return future

    def explain(self, subject: str, *, as_of: date, timeout: float) -> Explanation:
        """How a person's score came about, checked; the timeout is not needed.

        Raises:
            EngineUnavailable: The model is past its sunset date.
            EngineAnswerInvalid: As ``require_explained`` says.
        """
        del timeout
        try:
            found = self._scorer.explain(subject, as_of=as_of)
        except (ModelSunset, EpochMissing) as error:
            raise EngineUnavailable from error
        return require_explained(found, as_of=as_of, texts=self._scorer.model().reason_texts)

    def model(self) -> ModelCard:
        """The model in use."""
        model = self._scorer.model()
        return ModelCard(
            model.name,
            model.artefact_sha256,
            model.sunset.isoformat(),
            model.latest_epoch.isoformat(),
            dict(model.reason_texts),
        )

    def close(self) -> None:
        """Nothing to let go of."""


class RemoteEngine:
    """The engine behind ``scoregate.engine.v1``."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._stub = engine_pb2_grpc.EngineServiceStub(channel)  # type: ignore[no-untyped-call]  # generated

    @property
    def is_near(self) -> bool:
        """It may be late, or ail for one lender's people alone."""
        return False

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        """Outcomes, unchecked; no thread waits for them.

        The future raises EngineUnavailable without a connection or for an error from the engine, EngineLate
        without an answer inside ``timeout`` seconds.
        """
        request = engine_pb2.ScoreRequest(
            queries=[
                engine_pb2.SubjectQuery(
                    subject=query.subject,
                    excluded_families=[f"INPUT_FAMILY_{family.name}" for family in sorted(query.excluded)],
                )
                for query in queries
            ],
            as_of=as_of.isoformat(),
        )
        future: Future[Outcomes] = Future()
        self._stub.Score.future(request, timeout=timeout).add_done_callback(partial(_pass_on, future))
        return future

    def explain(self, subject: str, *, as_of: date, timeout: float) -> Explanation:
        """How a person's score came about, checked against the model that the engine says it uses.

        Raises:
            EngineUnavailable: No connection, or an error from the engine.
            EngineLate: No answer inside ``timeout`` seconds.
            EngineAnswerInvalid: As ``require_explained`` says.
        """
        request = engine_pb2.ExplainRequest(subject=subject, as_of=as_of.isoformat())
        explaining = self._stub.Explain.future(request, timeout=timeout)
        describing = self._stub.GetModel.future(engine_pb2.GetModelRequest(), timeout=timeout)
        try:
            found, model = explaining.result(), describing.result()
        except grpc.RpcError as error:
            raise _failed(error) from error
        return require_explained(_explanation(found), as_of=as_of, texts=model.reason_texts)

    def model(self) -> ModelCard:
        """The model in use.

        Raises:
            EngineUnavailable: No connection, or an error from the engine.
        """
        try:
            found = self._stub.GetModel(engine_pb2.GetModelRequest(), timeout=5.0)
        except grpc.RpcError as error:
            raise EngineUnavailable from error
        return ModelCard(
            found.model, found.artefact_sha256, found.sunset, found.latest_epoch, dict(found.reason_texts)
        )

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _unavailable(cause: Exception) -> EngineUnavailable:
    error = EngineUnavailable()
    error.__cause__ = cause
    return error


def _late(cause: Exception) -> EngineLate:
    error = EngineLate()
    error.__cause__ = cause
    return error


def _failed(error: Any) -> EngineUnavailable | EngineLate:
    return _late(error) if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else _unavailable(error)


def _pass_on(future: Future[Outcomes], ended: Any) -> None:
    try:
        future.set_result([_outcome(outcome) for outcome in ended.result().outcomes])
    except grpc.RpcError as error:
        future.set_exception(_failed(error))
    except Exception as error:  # whoever waits must hear of it
        future.set_exception(error)


def _outcome(outcome: engine_pb2.SubjectOutcome) -> Scored | NotScored | EngineAnswerInvalid:
    try:
        epoch = date.fromisoformat(outcome.epoch)
        if outcome.WhichOneof("outcome") == "score":
            return Scored(
                outcome.subject,
                epoch,
                outcome.score.score,
                tuple(outcome.score.reason_codes),
                tuple(Family(family) for family in outcome.score.families),
                outcome.score.model,
            )
        return NotScored(outcome.subject, epoch, NotScoredReason(outcome.not_scored))
    except ValueError:
        return EngineAnswerInvalid("an outcome that can't be read")


def _explanation(found: engine_pb2.ExplainResponse) -> Explanation:
    try:
        return Explanation(
            tuple(_epoch(each) for each in found.epochs),
            tuple(Contribution(each.code, Family(each.family), each.points) for each in found.contributions),
        )
    except ValueError as error:
        raise EngineAnswerInvalid("an explanation that can't be read") from error


def _epoch(found: engine_pb2.ExplainedEpoch) -> EpochOutcome:
    epoch = date.fromisoformat(found.epoch)
    if found.WhichOneof("outcome") == "score":
        return EpochOutcome(epoch, found.score, None)
    return EpochOutcome(epoch, None, NotScoredReason(found.not_scored))


def require_answers(queries: Sequence[Query], outcomes: Outcomes) -> None:
    """Return only if every query has its own outcome, in order.

    Raises:
        EngineAnswerInvalid: Another number of outcomes.
    """
    if len(outcomes) != len(queries):
        raise EngineAnswerInvalid("another number of outcomes than of queries")


def require_sound(
    query: Query,
    outcome: Scored | NotScored | EngineAnswerInvalid,
    *,
    as_of: date,
    texts: Mapping[str, str],
) -> Scored | NotScored:
    """The outcome, only if it could be true of its query.

    Raises:
        EngineAnswerInvalid: It can't be read; another person, an epoch to come, a number off
            the scale, no family, one that was excluded or named twice, a model without a
            version, an unknown, repeated or fifth reason.
    """
    if isinstance(outcome, EngineAnswerInvalid):
        raise outcome
    if outcome.subject != query.subject:
        raise EngineAnswerInvalid("an outcome about another person")
    if outcome.epoch > as_of:
        raise EngineAnswerInvalid("an epoch to come")
    if not isinstance(outcome, Scored):
        return outcome
    _require_on_scale(outcome.score)
    families = set(outcome.families)
    if not families or len(families) != len(outcome.families) or not families.isdisjoint(query.excluded):
        raise EngineAnswerInvalid("no family, one twice, or one that was excluded")
    if not MODEL.fullmatch(outcome.model):
        raise EngineAnswerInvalid("a model without a name and a version")
    codes = set(outcome.reason_codes)
    if len(codes) > MAX_REASONS or len(codes) != len(outcome.reason_codes) or not texts.keys() >= codes:
        raise EngineAnswerInvalid("reasons that the model does not know, or too many")
    return outcome


def _require_on_scale(score: object) -> None:
    if type(score) is not int or not SCORE_MIN <= score <= SCORE_MAX:
        raise EngineAnswerInvalid("a score off the scale")


def require_explained(found: Explanation, *, as_of: date, texts: Mapping[str, str]) -> Explanation:
    """The explanation, only if it could be true; ``texts`` are the model's, by reason code.

    Raises:
        EngineAnswerInvalid: No epoch or too many, one to come, or not each earlier than the one before; a
            score off the scale; neither a score nor a reason, or both; a score that nothing made, or
            contributions to none; an unknown or repeated code; lighter contributions before weightier ones.
    """
    epochs = [each.epoch for each in found.epochs]
    if not 1 <= len(epochs) <= MOST_EPOCHS or epochs[0] > as_of:
        raise EngineAnswerInvalid("no epoch, too many, or one to come")
    if any(later <= earlier for later, earlier in pairwise(epochs)):
        raise EngineAnswerInvalid("epochs out of order")
    for each in found.epochs:
        if (each.score is None) is (each.not_scored is None):
            raise EngineAnswerInvalid("neither a score nor a reason, or both")
        if each.score is not None:
            _require_on_scale(each.score)
    if bool(found.contributions) is (found.epochs[0].score is None):
        raise EngineAnswerInvalid("a score that nothing made, or contributions to none")
    codes = {each.code for each in found.contributions}
    if len(codes) != len(found.contributions) or not texts.keys() >= codes:
        raise EngineAnswerInvalid("contributions that the model does not know, or one twice")
    weights = [abs(each.points) for each in found.contributions]
    if weights != sorted(weights, reverse=True):
        raise EngineAnswerInvalid("contributions out of order")
    return found


def today(now: datetime) -> date:
    """The engine's as-of date."""
    return now.astimezone(UTC).date()
