"""The engine itself, in process: scores people as of a day. No gRPC, no clock; threads may share it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType

from scoregate.values import value
from scoring import store
from scoring.errors import ArtefactInvalid, EpochMissing, ModelSunset, PopulationInvalid
from scoring.population import Population
from scoring.scorecard import NONE_EXCLUDED, Family, Scorecard

__all__ = [
    "ArtefactInvalid",
    "Contribution",
    "Engine",
    "EpochMissing",
    "EpochOutcome",
    "Explanation",
    "Family",
    "Model",
    "ModelSunset",
    "NotScored",
    "NotScoredReason",
    "PopulationInvalid",
    "Query",
    "Scored",
]

# Below this many rows numpy's fixed cost is more than it saves. The results are the same either way.
_BATCH_FROM = 16

MOST_EPOCHS = 24
"""That are explained: two years of months."""

Board = tuple[list[int], list[tuple[str, ...]]]
"""Scores, and reason codes, by row."""


class NotScoredReason(IntEnum):
    """Why there is no score; the values are those of the contract's NotScoredReason."""

    NO_DATA = 1
    THIN_FILE = 2


@value
class Query:
    """One person to score."""

    subject: str  # the operator's subject id
    excluded: frozenset[Family] = NONE_EXCLUDED


@value
class Scored:
    """There is a score."""

    subject: str
    epoch: date  # it rests on what was known by then
    score: int  # 350 to 950
    reason_codes: tuple[str, ...]  # at most four, strongest first
    families: tuple[Family, ...]  # those it rests on
    model: str  # "name@version"


@value
class NotScored:
    """There is none, which is not a low one."""

    subject: str
    epoch: date
    reason: NotScoredReason


@value
class EpochOutcome:
    """What came of one epoch of one person: a score, or why there is none."""

    epoch: date
    score: int | None  # 350 to 950; None where there is a reason
    not_scored: NotScoredReason | None


@value
class Contribution:
    """What one characteristic does to a score."""

    code: str  # the characteristic's reason code
    family: Family
    points: int  # above (or, negative, below) the population's average


@value
class Explanation:
    """How one person's score came about, for that person's own eyes."""

    epochs: tuple[EpochOutcome, ...]  # the newest first, at least one
    contributions: tuple[Contribution, ...]  # of the newest epoch's score, the weightiest first; else none


@dataclass(frozen=True, slots=True)
class Model:
    """The model that scores now."""

    name: str  # "name@version"
    artefact_sha256: bytes
    training_data_sha256: bytes
    sunset: date  # the last day on which it may be used
    latest_epoch: date
    reason_texts: Mapping[str, str]  # a sentence for lenders by reason code


class Engine:
    """A scorecard and the people it can score; immutable once open."""

    def __init__(self, card: Scorecard, artefact_sha256: str, people: Population) -> None:
        self._card = card
        self._people = people
        self._boards: dict[int, Board] = {}
        self._board(len(card.epochs) - 1)  # the one that is asked for
        self._all_families = card.families()
        self._families = frozenset(self._all_families)
        self._model = Model(
            name=f"{card.name}@{card.version}",
            artefact_sha256=bytes.fromhex(artefact_sha256),
            training_data_sha256=bytes.fromhex(card.training_data_sha256),
            sunset=card.sunset,
            latest_epoch=card.epochs[-1],
            reason_texts=MappingProxyType(
                {each.reason_code: each.reason_text for each in card.characteristics}
            ),
        )

    @classmethod
    def open(cls, folder: Path) -> Engine:
        """The engine that `scoregate engine train` left in a folder.

        Raises:
            ArtefactInvalid: There is none, or its scorecard is altered or malformed.
            PopulationInvalid: Its population is absent, altered or malformed.
        """
        return cls(*store.read(folder))

    def model(self) -> Model:
        """The model that scores now."""
        return self._model

    def score(self, queries: Sequence[Query], *, as_of: date) -> list[Scored | NotScored]:
        """One outcome for each query, in order, from the newest epoch that is not after `as_of`.

        A person is NO_DATA without a record. THIN_FILE are those with too few active months, and those who
        excluded every family that the model uses: a score that rests on nothing is none.

        Raises:
            ModelSunset: `as_of` is after the model's last day.
            EpochMissing: `as_of` is before the first epoch.
        """
        at = self._epoch(as_of)
        unscored = [self._unscored(query, at) for query in queries]
        scored = self._scored([query for query, none in zip(queries, unscored, strict=True) if not none], at)
        return [none or next(scored) for none in unscored]

    def explain(self, subject: str, *, as_of: date, epochs: int = MOST_EPOCHS) -> Explanation:
        """A person's outcomes at the newest epochs that are not after `as_of`, nothing excluded, and what
        lifts and lowers the newest score. The newest outcome is what `score` says.

        Raises:
            ModelSunset: `as_of` is after the model's last day.
            EpochMissing: `as_of` is before the first epoch.
        """
        newest = self._epoch(as_of)
        places = range(newest, max(newest - epochs, -1), -1)
        outcomes = tuple(self._outcome(subject, at) for at in places)
        scored = outcomes[0].score is not None
        return Explanation(outcomes, self._contributions(subject, newest) if scored else ())

    def _outcome(self, subject: str, at: int) -> EpochOutcome:
        epoch, none = self._card.epochs[at], self._unscored(Query(subject), at)
        if none:
            return EpochOutcome(epoch, None, none.reason)
        # One person's row alone: nobody needs a board of everybody at an epoch that has passed.
        return EpochOutcome(epoch, self._card.score_row(self._values(subject, at))[0], None)

    def _contributions(self, subject: str, at: int) -> tuple[Contribution, ...]:
        points = self._card.contributions(self._values(subject, at))
        found = (
            Contribution(each.reason_code, each.family, made)
            for each, made in zip(self._card.characteristics, points, strict=True)
        )
        return tuple(sorted(found, key=lambda each: -abs(each.points)))

    def _values(self, subject: str, at: int) -> list[int]:
        values: list[int] = self._people.values[at][self._people.places[subject]].tolist()
        return values

    def _unscored(self, query: Query, at: int) -> NotScored | None:
        row = self._people.places.get(query.subject)
        if row is None:
            return NotScored(query.subject, self._card.epochs[at], NotScoredReason.NO_DATA)
        if self._people.months[at][row] < self._card.minimum_months or self._families <= query.excluded:
            return NotScored(query.subject, self._card.epochs[at], NotScoredReason.THIN_FILE)
        return None

    def _scored(self, queries: Sequence[Query], at: int) -> Iterator[Scored]:
        epoch, model, places = self._card.epochs[at], self._model.name, self._people.places
        scores, reasons = self._board(at)
        others = self._worked_out([query for query in queries if query.excluded & self._families], at)
        for query in queries:
            if query.excluded & self._families:
                yield next(others)
            else:
                row = places[query.subject]
                yield Scored(query.subject, epoch, scores[row], reasons[row], self._all_families, model)

    def _worked_out(self, queries: Sequence[Query], at: int) -> Iterator[Scored]:
        """Those who excluded a family that the model uses."""
        card, epoch, model = self._card, self._card.epochs[at], self._model.name
        rows = [self._people.places[query.subject] for query in queries]
        excluded = [query.excluded for query in queries]
        values = self._people.values[at]
        found: Iterable[tuple[int, tuple[str, ...]]]
        if len(queries) < _BATCH_FROM:
            found = (card.score_row(values[row].tolist(), e) for row, e in zip(rows, excluded, strict=True))
        else:
            found = zip(*card.score_rows(values[rows], excluded), strict=True)
        families = {each: card.families(each) for each in set(excluded)}
        for query, (score, codes) in zip(queries, found, strict=True):
            yield Scored(query.subject, epoch, score, codes, families[query.excluded], model)

    def _board(self, at: int) -> Board:
        """Everybody's score and reasons at one epoch, with nothing excluded: computed once, at the latest
        when first asked for.
        """
        if at not in self._boards:
            values = self._people.values[at]
            self._boards[at] = self._card.score_rows(values, [NONE_EXCLUDED] * len(values))
        return self._boards[at]

    def _epoch(self, as_of: date) -> int:
        if as_of > self._card.sunset:
            raise ModelSunset(
                f"{self._model.name} may not be used after {self._card.sunset}",
                "Train or install a newer model",
            )
        at = bisect_right(self._card.epochs, as_of) - 1
        if at < 0:
            raise EpochMissing(
                f"Nothing was known by {as_of}", f"Ask as of {self._card.epochs[0]} or a later day"
            )
        return at
