"""The simulated engine: every score is known beforehand, and when and how it comes is up to the play.

Near, it has answered once it was asked; far, its answers lie ``away`` until the play lets one come.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from gateway.engine import EngineAnswerInvalid, EngineLate, EngineUnavailable, ModelCard, Outcomes
from scoring.service import Family, NotScored, NotScoredReason, Query, Scored

EPOCH = date(2026, 3, 1)
REASONS = {"R01": "Few years of history", "R02": "Recent late payments"}
MODELS = ("sim@1", "sim@2")
STRANGER = "somebody-else"


class Manner(StrEnum):
    """How the engine answers."""

    WELL = "answers"
    LATE = "is late"
    DOWN = "is not there"
    NONSENSE = "answers nonsense"
    SHORT = "answers too few"
    LIES = "names a model that it does not have"


def score_of(subject: str) -> int | None:
    """What there is to say of a person; None: no score."""
    number = zlib.crc32(subject.encode())
    return None if subject.endswith("thin") else 350 + number % 601


@dataclass(slots=True)
class Away:
    """A question that a far engine has not answered."""

    queries: Sequence[Query]
    answer: Future[Outcomes]


class SimulatedEngine:
    """One gateway's."""

    def __init__(self, *, is_near: bool, manner: Callable[[], Manner], nonsense: Callable[[], int]) -> None:
        self._is_near = is_near
        self._manner = manner
        self._nonsense = nonsense
        self.away: list[Away] = []
        self.version = MODELS[0]

    @property
    def is_near(self) -> bool:
        """Whether it answers at once."""
        return self._is_near

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        """Outcomes, now or when the play says."""
        del as_of, timeout
        question = Away(queries, Future())
        if self._is_near:
            self.answer(question, self._manner())
        else:
            self.away.append(question)
        return question.answer

    def answer(self, question: Away, manner: Manner) -> None:
        """Let an answer come."""
        if manner is Manner.LATE:
            question.answer.set_exception(EngineLate())
        elif manner is Manner.DOWN:
            question.answer.set_exception(EngineUnavailable())
        else:
            found: list[Scored | NotScored | EngineAnswerInvalid]
            found = [self._outcome(query) for query in question.queries]
            if manner is Manner.NONSENSE:
                found = [self._spoil(self._outcome(query)) for query in question.queries]
            elif manner is Manner.LIES:
                found = [replace(e, model="sim@9") if isinstance(e, Scored) else e for e in found]
            question.answer.set_result(found[:-1] if manner is Manner.SHORT else found)

    def _outcome(self, query: Query) -> Scored | NotScored:
        score = score_of(query.subject)
        if score is None:
            return NotScored(query.subject, EPOCH, NotScoredReason.THIN_FILE)
        families = tuple(family for family in Family if family not in query.excluded)
        return Scored(query.subject, EPOCH, score, ("R01",), families, self.version)

    def _spoil(self, sound: Scored | NotScored) -> Scored | NotScored | EngineAnswerInvalid:
        if isinstance(sound, NotScored):
            return replace(sound, subject=STRANGER)
        spoilt: list[Scored | EngineAnswerInvalid] = [
            replace(sound, subject=STRANGER),
            replace(sound, score=349),
            replace(sound, score=951),
            replace(sound, epoch=date(2999, 1, 1)),
            replace(sound, families=()),
            replace(sound, families=(*Family, Family.HISTORY)),
            replace(sound, reason_codes=("R99",)),
            EngineAnswerInvalid("an outcome that can't be read"),
        ]
        return spoilt[self._nonsense() % len(spoilt)]

    def model(self) -> ModelCard:
        """The model in use."""
        return ModelCard(self.version, bytes(32), "2999-01-01", EPOCH.isoformat(), dict(REASONS))

    def close(self) -> None:
        """Nothing to let go of."""
