"""The door to the scoring engine: embedded in this process, or a gRPC service of its own.

Both answer the same way, and neither is believed: outcomes are checked for identity,
order, range, families and reasons before anything is signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

import grpc

from scoregate.engine.v1 import engine_pb2, engine_pb2_grpc
from scoring.errors import EpochMissing, ModelSunset
from scoring.service import Engine as Scorer
from scoring.service import Family, NotScored, NotScoredReason, Query, Scored

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


class EngineDoor(Protocol):
    """Either way to an engine."""

    def score(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Sequence[Scored | NotScored]:
        """Outcomes, unchecked. Raises EngineUnavailable or EngineLate."""

    def model(self) -> ModelCard:
        """The model in use. Raises EngineUnavailable."""

    def close(self) -> None:
        """Let go of it."""


class EmbeddedEngine:
    """The engine in this process."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Sequence[Scored | NotScored]:
        """Outcomes, unchecked. Embedded scoring takes microseconds: the timeout is not needed.

        Raises:
            EngineUnavailable: The model is past its sunset date.
        """
        del timeout
        try:
            return self._scorer.score(queries, as_of=as_of)
        except (ModelSunset, EpochMissing) as error:
            raise EngineUnavailable from error

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

    def score(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Sequence[Scored | NotScored]:
        """Outcomes, unchecked.

        Raises:
            EngineUnavailable: No connection, or an error from the engine.
            EngineLate: No answer inside ``timeout`` seconds.
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
        try:
            response = self._stub.Score(request, timeout=timeout)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise EngineLate from error
            raise EngineUnavailable from error
        return [_outcome(outcome) for outcome in response.outcomes]

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


def _outcome(outcome: engine_pb2.SubjectOutcome) -> Scored | NotScored:
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
    except ValueError as error:
        raise EngineAnswerInvalid("an outcome that can't be read") from error


def require_answers(queries: Sequence[Query], outcomes: Sequence[Scored | NotScored]) -> None:
    """Return only if every query has its own outcome, in order.

    Raises:
        EngineAnswerInvalid: Another number of outcomes.
    """
    if len(outcomes) != len(queries):
        raise EngineAnswerInvalid("another number of outcomes than of queries")


def require_sound(
    query: Query, outcome: Scored | NotScored, *, as_of: date, texts: Mapping[str, str]
) -> None:
    """Return only if the outcome could be true of its query.

    Raises:
        EngineAnswerInvalid: Another person, an epoch to come, a number off the scale, no
            family, one that was excluded or named twice, a model without a version, an
            unknown, repeated or fifth reason.
    """
    if outcome.subject != query.subject:
        raise EngineAnswerInvalid("an outcome about another person")
    if outcome.epoch > as_of:
        raise EngineAnswerInvalid("an epoch to come")
    if not isinstance(outcome, Scored):
        return
    score: object = outcome.score
    if type(score) is not int or not SCORE_MIN <= score <= SCORE_MAX:
        raise EngineAnswerInvalid("a score off the scale")
    families = set(outcome.families)
    if not families or len(families) != len(outcome.families) or query.excluded & families:
        raise EngineAnswerInvalid("no family, one twice, or one that was excluded")
    if not MODEL.fullmatch(outcome.model):
        raise EngineAnswerInvalid("a model without a name and a version")
    codes = outcome.reason_codes
    if len(codes) > MAX_REASONS or len(set(codes)) != len(codes) or not texts.keys() >= set(codes):
        raise EngineAnswerInvalid("reasons that the model does not know, or too many")


def today(now: datetime) -> date:
    """The engine's as-of date."""
    return now.astimezone(UTC).date()
