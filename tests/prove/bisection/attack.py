"""Two lenders, who choose together what to cause, what to leave out and what to ask next.

What a score rests on is the question: of each such set of families they may learn the cell, and no more. What
they leave out beside it they draw at random, consent by consent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random

from google.protobuf.message import Message

from scoregate.partner.v1 import consent_pb2, score_pb2
from scoregate.words import InputFamily
from scoring.service import Family
from tests.prove.bisection.engine import HIGHEST, LOWEST, USED, Families, Moved, used
from tests.prove.callers import Asked, ask, reasons
from tests.world import Partner, World

CELL = 50
ROUNDS = 4  # questions a month about each
BAND_SHARE = 0.15
FARTHEST = 150  # points that a refresh moves a score at most
FIRST_YEAR = 2024
CONSENTS = 4  # of each person with each lender
OTHER_QUESTIONS = 0.2  # of the consents leave out a family that the model uses, too
QUESTIONS: tuple[Families, ...] = (USED, *((family,) for family in USED))

Answer = score_pb2.GetScoreResponse | score_pb2.CheckThresholdResponse
Held = Answer | consent_pb2.ConsentEvent


@dataclass(frozen=True, slots=True)
class Allowed:
    """A consent, and the families that it leaves out."""

    consent_id: str
    left_out: frozenset[InputFamily]

    @property
    def families(self) -> Families:
        """That a score rests on under it."""
        return used({Family(family.number) for family in self.left_out})


@dataclass(slots=True)
class Step:
    """What is done next: a refresh of so many points, and a question."""

    shift: int
    lender: str
    consent: int  # which of the person's with that lender
    families: Families
    threshold: int | None  # None: which band?


@dataclass(slots=True)
class Open:
    """What is still open of a person's score of one question this month."""

    low: int = LOWEST
    high: int = HIGHEST
    is_asked: bool = False


@dataclass(slots=True)
class Person:
    """One of a pair, as the lenders see it. They take every answer for one about the refreshed score."""

    subject: str
    random: Random  # the twin's runs alike, as long as both are told alike
    month: dict[Families, Open] = field(default_factory=dict)
    heard: list[tuple[str, int, int | None, int]] = field(default_factory=list)

    def next(
        self, thresholds: Mapping[str, Sequence[int]], consents: Mapping[tuple[str, str], Sequence[Allowed]]
    ) -> Step:
        """About the middle of what is still open; the month's first of a question comes without a refresh."""
        lender = self.random.choice(sorted(thresholds))
        allowed = consents[lender, self.subject]
        consent = self.random.randrange(len(allowed))
        families = allowed[consent].families
        known = self.month.setdefault(families, Open())
        if known.low > known.high:  # what was heard makes no sense: the answer was not about this score
            known.low, known.high = LOWEST, HIGHEST
        middle = (known.low + known.high + 1) // 2
        threshold = min(thresholds[lender], key=lambda each: abs(each - middle))
        shift = max(-FARTHEST, min(FARTHEST, threshold - middle)) if known.is_asked else 0
        known.is_asked = True
        is_band = self.random.random() < BAND_SHARE
        return Step(shift, lender, consent, families, None if is_band else threshold)

    def hear(self, step: Step, said: int) -> None:
        """Remember it, and narrow what is open."""
        self.heard.append((step.lender, step.consent, step.threshold, said))
        known = self.month[step.families]
        if step.threshold is None:
            return
        if said:
            known.low = max(known.low, step.threshold - step.shift)
        else:
            known.high = min(known.high, step.threshold - step.shift - 1)


class Pair:
    """Two people whose scores are in one cell of 50 points, every month and of every question."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.subjects = (f"twin-{number:04}-a", f"twin-{number:04}-b")
        self.people = tuple(Person(subject, Random(f"{seed}/{number}")) for subject in self.subjects)  # noqa: S311
        self._fate = Random(f"fate {seed}/{number}")  # noqa: S311
        self._cells = {families: self._fate.randrange(LOWEST, HIGHEST, CELL) for families in QUESTIONS}
        self.scores: dict[Families, tuple[int, int]] = {}
        self.is_apart = False

    def begin_month(self) -> None:
        """Wander by a cell at most."""
        for families, before in self._cells.items():
            cell = max(LOWEST, min(HIGHEST - CELL, before + self._fate.choice((-CELL, 0, 0, CELL))))
            one, other = self._fate.sample(range(cell, cell + CELL), 2)
            self._cells[families], self.scores[families] = cell, (one, other)
        for person in self.people:
            person.month = {}

    def draw(self, lender: str) -> list[frozenset[InputFamily]]:
        """What the consents of both leave out with this lender."""
        drawn = Random(f"{lender} {self.number}")  # noqa: S311
        return [_left_out(drawn) for _ in range(CONSENTS)]


def _left_out(random: Random) -> frozenset[InputFamily]:
    """Any of what the model does not use, and at times one of what it uses."""
    unused = [family for family in Family if family not in USED and random.random() < 0.5]
    used_too = [random.choice(USED)] if random.random() < OTHER_QUESTIONS else []
    return frozenset(InputFamily.of(family.value) for family in (*unused, *used_too))


class Attack:
    """The lenders' campaign against all pairs, and what they have come to hold."""

    def __init__(
        self,
        world: World,
        lenders: Mapping[str, Partner],
        thresholds: Mapping[str, Sequence[int]],
        consents: Mapping[tuple[str, str], Sequence[Allowed]],
        pairs: Sequence[Pair],
        engine: Moved,
    ) -> None:
        self._world = world
        self._lenders = lenders
        self._thresholds = thresholds
        self._consents = consents
        self._pairs = pairs
        self._engine = engine
        self.told_apart: list[str] = []  # a line for each month in which twins were
        self.held: dict[str, dict[str, list[Held]]] = {lender: {} for lender in lenders}
        self.yes = self.no = self.refreshes = self.less = self.questions = self.events = 0

    def month(self, number: int, in_flight: int) -> None:
        """One month: scores wander, then the lenders ask about everybody, round by round."""
        self._engine.epoch = date(FIRST_YEAR + number // 12, number % 12 + 1, 1)
        for pair in self._pairs:
            pair.begin_month()
        before = {pair.number: len(pair.people[0].heard) for pair in self._pairs}
        for _ in range(ROUNDS):
            self._world.clock.move(seconds=60)
            steps = []
            for pair in self._pairs:
                for which, person in enumerate(pair.people):
                    step = person.next(self._thresholds, self._consents)
                    steps.append((person, step))
                    score = pair.scores[step.families][which] + step.shift
                    self._engine.scores[person.subject, step.families] = max(LOWEST, min(HIGHEST, score))
                    self.refreshes += step.shift != 0
                    self.less += step.families != USED
            for begin in range(0, len(steps), in_flight):
                chunk = steps[begin : begin + in_flight]
                asked = [self._ask(person, step) for person, step in chunk]
                for (person, step), each in zip(chunk, asked, strict=True):
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
                each.consent_id: subject
                for (of, subject), allowed in self._consents.items()
                if of == name
                for each in allowed
            }
            for event in _events(lender):
                self.held[name].setdefault(whose[event.consent_id], []).append(event)
                self.events += 1

    def _ask(self, person: Person, step: Step) -> Asked:
        lender = self._lenders[step.lender]
        consent_id = self._consents[step.lender, person.subject][step.consent].consent_id
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
