"""An engine whose scores the campaign sets, of a model that uses two families of the five."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from datetime import date

from gateway.engine import EmbeddedEngine, ModelCard, Outcomes
from scoring.service import Engine, Family, Query, Scored

LOWEST, HIGHEST = 350, 950
USED = (Family.HISTORY, Family.CAPACITY)

Families = tuple[Family, ...]


def used(excluded: Collection[Family]) -> Families:
    """The families that a score rests on where these are excluded."""
    return tuple(family for family in USED if family not in excluded)


class Moved:
    """Says of everybody what ``scores`` has for the families that are left, as of ``epoch``."""

    is_near = True

    def __init__(self, scorer: Engine) -> None:
        self._model = EmbeddedEngine(scorer).model()
        self.scores: dict[tuple[str, Families], int] = {}
        self.epoch = date(2024, 1, 1)

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        """At once."""
        del as_of, timeout
        found: Future[Outcomes] = Future()
        found.set_result([self._score(query.subject, used(query.excluded)) for query in queries])
        return found

    def _score(self, subject: str, families: Families) -> Scored:
        score = self.scores[subject, families]
        return Scored(subject, self.epoch, score, (), families, self._model.model)

    def model(self) -> ModelCard:
        """The real one's."""
        return self._model

    def close(self) -> None:
        """There is nothing to let go of."""
