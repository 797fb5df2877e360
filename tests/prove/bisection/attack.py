"""Two lenders, who choose together what to cause and what to ask next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random

from google.protobuf.message import Message

from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.prove.bisection.engine import HIGHEST, LOWEST, Moved
from tests.prove.callers import Asked, ask, reasons
from tests.world import Partner, World

CELL = 50
ROUNDS = 4  # questions a month about each
BAND_SHARE = 0.15
FARTHEST = 150  # points that a refresh moves a score at most
FIRST_YEAR = 2024

Answer = score_pb2.GetScoreResponse | score_pb2.CheckThresholdResponse
Held = Answer | consent_pb2.ConsentEvent


@dataclass(slots=True)
class Step:
    """What is done next: a refresh of so many points, and a question."""

    shift: int
    lender: str
    threshold: int | None  # None: which band?


@dataclass(slots=True)
class Person:
    """One of a pair, as the lenders see it. They take every answer for one about the refreshed score."""

    subject: str
    random: Random  # the twin's runs alike, as long as both are told alike
    low: int = LOWEST
    high: int = HIGHEST
    heard: list[tuple[str, int | None, int]] = field(default_factory=list)

    def next(self, thresholds: Mapping[str, Sequence[int]], at_first: bool) -> Step:
        """A question about the middle of what is still open; the month's first comes without a refresh."""
        if self.low > self.high:  # what was heard makes no sense: the answer was not about this score
            self.low, self.high = LOWEST, HIGHEST
        lender = self.random.choice(sorted(thresholds))
        threshold = self.random.choice(thresholds[lender])
        middle = (self.low + self.high + 1) // 2
        shift = 0 if at_first else max(-FARTHEST, min(FARTHEST, threshold - middle))
        return Step(shift, lender, None if self.random.random() < BAND_SHARE else threshold)

    def hear(self, step: Step, said: int) -> None:
        """Remember it, and narrow what is open."""
        self.heard.append((step.lender, step.threshold, said))
        if step.threshold is None:
            return
        if said:
            self.low = max(self.low, step.threshold - step.shift)
        else:
            self.high = min(self.high, step.threshold - step.shift - 1)


class Pair:
    """Two people whose scores are in one cell of 50 points, every month."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.subjects = (f"twin-{number:04}-a", f"twin-{number:04}-b")
        self.people = tuple(Person(subject, Random(f"{seed}/{number}")) for subject in self.subjects)  # noqa: S311
        self._fate = Random(f"fate {seed}/{number}")  # noqa: S311
        self._cell = self._fate.randrange(LOWEST, HIGHEST, CELL)
        self.scores: tuple[int, int] = (LOWEST, LOWEST)
        self.is_apart = False

    def begin_month(self) -> None:
        """Wander by a cell at most."""
        self._cell = max(LOWEST, min(HIGHEST - CELL, self._cell + self._fate.choice((-CELL, 0, 0, CELL))))
        one, other = self._fate.sample(range(self._cell, self._cell + CELL), 2)
        self.scores = one, other
        for person in self.people:
            person.low, person.high = LOWEST, HIGHEST


class Attack:
    """The lenders' campaign against all pairs, and what they have come to hold."""

    def __init__(
        self,
        world: World,
        lenders: Mapping[str, Partner],
        thresholds: Mapping[str, Sequence[int]],
        consent_ids: Mapping[tuple[str, str], str],
        pairs: Sequence[Pair],
        engine: Moved,
    ) -> None:
        self._world = world
        self._lenders = lenders
        self._thresholds = thresholds
        self._consent_ids = consent_ids
        self._pairs = pairs
        self._engine = engine
        self.told_apart: list[str] = []  # a line for each month in which twins were
        self.held: dict[str, dict[str, list[Held]]] = {lender: {} for lender in lenders}
        self.yes = self.no = self.refreshes = self.questions = self.events = 0

    def month(self, number: int, in_flight: int) -> None:
        """One month: scores wander, then the lenders ask about everybody, round by round."""
        self._engine.epoch = date(FIRST_YEAR + number // 12, number % 12 + 1, 1)
        for pair in self._pairs:
            pair.begin_month()
        before = {pair.number: len(pair.people[0].heard) for pair in self._pairs}
        for turn in range(ROUNDS):
            self._world.clock.move(seconds=60)
            steps = [
                (person, score, person.next(self._thresholds, at_first=turn == 0))
                for pair in self._pairs
                for person, score in zip(pair.people, pair.scores, strict=True)
            ]
            for person, score, step in steps:
                self._engine.scores[person.subject] = max(LOWEST, min(HIGHEST, score + step.shift))
                self.refreshes += step.shift != 0
            for begin in range(0, len(steps), in_flight):
                chunk = steps[begin : begin + in_flight]
                asked = [self._ask(person, step) for person, _, step in chunk]
                for (person, _, step), each in zip(chunk, asked, strict=True):
                    person.hear(step, self._said(person, step, each))
        for pair in self._pairs:
            self._compare(pair, before[pair.number], number)

    def freezes(self) -> None:
        """One of each pair freezes and unfreezes their file; the lenders read what they are told of it."""
        for pair in self._pairs:
            for frozen in (True, False):
                self._world.freeze(pair.subjects[0], frozen=frozen)
        for name, lender in self._lenders.items():
            whose = {
                consent_id: subject for (of, subject), consent_id in self._consent_ids.items() if of == name
            }
            for event in _events(lender):
                self.held[name].setdefault(whose[event.consent_id], []).append(event)
                self.events += 1

    def _ask(self, person: Person, step: Step) -> Asked:
        lender = self._lenders[step.lender]
        consent_id = self._consent_ids[step.lender, person.subject]
        request: Message = lender.query(consent_id, disclosure="DISCLOSURE_BAND")
        if step.threshold is not None:
            request = lender.threshold_query(consent_id, threshold=step.threshold)
        return ask(lender.channel, request)

    def _said(self, person: Person, step: Step, asked: Asked) -> int:
        answer = asked.answer()
        if not isinstance(answer, Answer):
            raise RuntimeError(f"a question was refused: {reasons(answer)}")  # noqa: TRY004
        self.questions += 1
        self.held[step.lender].setdefault(person.subject, []).append(answer)
        if isinstance(answer, score_pb2.GetScoreResponse):
            return int(answer.scored.band)
        self.yes += answer.answer.reached
        self.no += not answer.answer.reached
        return int(answer.answer.reached)

    def _compare(self, pair: Pair, begin: int, month: int) -> None:
        one, other = (person.heard[begin:] for person in pair.people)
        if one == other:
            return
        if not pair.is_apart:  # from then on they are asked unlike questions, which proves nothing
            place = next(n for n, (mine, yours) in enumerate(zip(one, other, strict=True)) if mine != yours)
            self.told_apart.append(
                f"pair {pair.number}, month {month}, scores {pair.scores}: {one[place]} and {other[place]}"
            )
        pair.is_apart = True


def _events(lender: Partner) -> Iterator[consent_pb2.ConsentEvent]:
    token = ""
    while True:
        request = consent_pb2.ListConsentEventsRequest(page_size=500, page_token=token)
        page = lender.consents.ListConsentEvents(request)
        yield from page.events
        token = page.next_page_token
        if not token:
            return
