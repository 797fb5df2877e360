"""Grants that say how often: once, or so many times in a period.

Each one-time grant is asked for by seven calls at once over all gateway processes (GetScore, CheckThreshold,
and a batch that names it twice), every one with a request id of its own: exactly one answer. A grant with one
use left in its period is asked for by 64 calls at once: exactly one answer. Two rushes of three find the
ledger's lock held by a stranger: then every process has read that the use is left before any can take it. In
one of the two every gateway has somebody else's call before it, so that the rush comes in one group behind.

What breaks the law: a grant that gave another number of answers, refused for another reason, or whose row
does not say what became of it; and an answer or a refusal without its entry, or an entry without either.

The control arm's gateways take no second look under the lock (``Guards.recheck`` is off).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import cycle

import sqlalchemy as sa
from google.protobuf.message import Message

from consent.grant import State, Terms
from consent.register.tables import standings
from scoregate.partner.v1 import consent_pb2
from scoregate.words import CalendarUnit
from tests.prove.callers import Asked, answers, ask, batch, reasons
from tests.prove.campaign import Finding, Stage
from tests.prove.latch import Latch
from tests.prove.quota.books import open_books
from tests.prove.quota.contracts import zone_at_noon
from tests.prove.stagehands import ENDLESS, ONE_TIME, allow, people, periodic
from tests.world import Partner, World

CROWD = 64
PEOPLE = 200
ENDLESSLY = periodic(1_000_000, CalendarUnit.YEAR)
PATIENCE = 10  # times as many rushes of the control arm, until it has lost one
EVIDENCE = 5  # lines

Calls = list[tuple[Partner, Message]]


class How(Enum):
    """How a grant is rushed."""

    FREE = "nobody is in the way"
    HELD = "the lock is held"
    BEHIND_OTHERS = "the lock is held, and somebody else's call waits for it"


EITHER = (How.BEHIND_OTHERS, How.HELD, How.FREE)
HELD = EITHER[:2]


@dataclass(frozen=True, slots=True)
class Kind:
    """What all grants of a law have in common."""

    name: str  # its lender's
    law: str
    terms: Callable[[], Terms]
    uses_before: int  # answers before the rush
    refusal: str
    calls: Callable[[Sequence[Partner], str, random.Random], Calls]  # that rush one grant

    def is_spent(self, row: sa.Row[tuple[str, int | None, int]], index: int) -> bool:
        """Whether a grant's row says what became of it: one more answer, entered at ``index``."""
        if self.uses_before:
            return row.uses == self.uses_before + 1
        return (row.state, row.consumed_by) == (State.CONSUMED, index)


@dataclass(frozen=True, slots=True)
class Rush:
    """What came of one grant."""

    consent_id: str
    held: list[int]  # where the answers are entered
    refused: Counter[str]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of all grants of a law."""

    rushes: list[Rush]
    broken: list[str]

    @property
    def answered(self) -> int:
        """Answers of all rushes together."""
        return sum(len(each.held) for each in self.rushes)

    def refused(self, reason: str) -> int:
        """Refusals for this reason, of all rushes together."""
        return sum(each.refused[reason] for each in self.rushes)


def _seven(callers: Sequence[Partner], consent_id: str, chance: random.Random) -> Calls:
    ways: list[Callable[[Partner], Message]] = [
        *[lambda caller: caller.query(consent_id)] * 4,
        *[lambda caller: caller.threshold_query(consent_pb2.Consent(consent_id=consent_id))] * 2,
        lambda caller: batch(caller.query(consent_id), caller.query(consent_id)),
    ]
    chance.shuffle(ways)
    places = [callers[n % len(callers)] for n in range(len(ways))]
    return [(caller, way(caller)) for caller, way in zip(places, ways, strict=True)]


def _crowd(callers: Sequence[Partner], consent_id: str, _: random.Random) -> Calls:
    places = [callers[n % len(callers)] for n in range(CROWD)]
    return [(caller, caller.query(consent_id)) for caller in places]


ONCE = Kind(
    "once", "a one-time grant gives exactly one answer", lambda: ONE_TIME, 0, "CONSENT_CONSUMED", _seven
)
OFTEN = Kind(
    "often",
    f"with one use left, {CROWD} calls at once get exactly one answer",
    # No period of it ends while the campaign runs.
    lambda: periodic(2, CalendarUnit.YEAR, zone_at_noon(datetime.now(UTC))),
    1,
    "CONSENT_FREQUENCY_EXHAUSTED",
    _crowd,
)


def use_up(
    stage: Stage, store: str, worlds: Sequence[World], latch: Latch, kind: Kind, rushes: int, *, control: bool
) -> Tried:
    """So many grants; in the control arm on until one was lost, each behind the held lock."""
    rushing = Rushing(stage, worlds, latch, kind, rushes)
    what = f"{'control arm, ' if control else ''}{kind.name}, {store}"
    found = list[Rush]()
    while len(found) < rushes or (control and not _lost(found) and len(found) < PATIENCE * rushes):
        found.append(rushing.rush(HELD[len(found) % 2] if control else EITHER[len(found) % 3]))
        stage.step(what, len(found), rushes)
    return Tried(found, list(rushing.broken(found)))


def of_grants(store: str, kind: Kind, found: Tried, control: Tried) -> Finding:
    """One answer each."""
    return Finding(
        law=kind.law,
        store=store,
        runs=len(found.rushes),
        violations=len(found.broken),
        control="no second look under the lock",
        control_runs=len(control.rushes),
        control_violations=len(control.broken),
        outcomes={"answered": found.answered, "refused": found.refused(kind.refusal)},
        figures={"control_answers": control.answered},
        evidence=tuple(found.broken[:EVIDENCE]),
    )


class Rushing:
    """One lender at every gateway, its fresh grants, and another lender to be there before it."""

    def __init__(
        self, stage: Stage, worlds: Sequence[World], latch: Latch, kind: Kind, grants_at_once: int
    ) -> None:
        self._world, self._latch, self._kind = worlds[0], latch, kind
        self._chance = random.Random(stage.seed)  # noqa: S311
        lender, other = (worlds[0].partner(name, **ENDLESS) for name in (kind.name, f"before-{kind.name}"))
        self._callers, self._others = ([each.at(world) for world in worlds] for each in (lender, other))
        self._subjects = cycle(people(stage.engine_folder, PEOPLE))
        [self._standing] = self._allow(other, [ENDLESSLY])
        self._fresh = self._grants(lender, grants_at_once)
        self._begin = worlds[0].log_size()
        self._earlier = set[int]()  # entries of answers before the rushes

    def rush(self, how: How) -> Rush:
        """Ask for a fresh grant from everywhere at once."""
        consent_id = next(self._fresh)
        for n in range(self._kind.uses_before):
            caller = self._callers[n % len(self._callers)]
            self._earlier |= _answered(_send([(caller, caller.query(consent_id))]))
        calls = self._kind.calls(self._callers, consent_id, self._chance)
        if how is How.FREE:
            return _rush(consent_id, _send(calls))
        before = list[Asked]()
        with self._latch.held():
            if how is How.BEHIND_OTHERS:
                before = _send([(other, other.query(self._standing)) for other in self._others])
                self._latch.let_them_come()
            under_way = _send(calls)
            self._latch.let_them_come()
        _answered(before)
        return _rush(consent_id, under_way)

    def broken(self, found: Sequence[Rush]) -> Iterator[str]:
        """A line for each grant that did not do what it says, and for entries that are nobody's."""
        with self._world.reading() as connection:
            now = standings.c
            query = sa.select(now.consent_id, now.state, now.consumed_by, now.uses)
            rows = {row.consent_id: row for row in connection.execute(query)}
        for n, each in enumerate(found):
            if len(each.held) != 1:
                yield f"grant {n}: {len(each.held)} answers"
            elif set(each.refused) != {self._kind.refusal}:
                yield f"grant {n}: refused for {dict(each.refused)}"
            elif not self._kind.is_spent(rows[each.consent_id], each.held[0]):
                yield f"grant {n}: its row is {tuple(rows[each.consent_id])}"
        books = open_books(self._world, [self._kind.name], self._begin)[self._kind.name]
        held = {index for each in found for index in each.held}
        if strays := held ^ (set(books.released) - self._earlier):
            yield f"answers without entry or entries without answer at {sorted(strays)[:EVIDENCE]}"
        if len(books.refused) != (told := sum(each.refused.total() for each in found)):
            yield f"{told} refusals, and {len(books.refused)} entries of them"

    def _grants(self, lender: Partner, at_once: int) -> Iterator[str]:
        """Grants that nobody has used, made when they are needed."""
        while True:
            yield from self._allow(lender, [self._kind.terms()] * at_once)

    def _allow(self, lender: Partner, terms: Sequence[Terms]) -> list[str]:
        wanted = [(lender.partner_id, next(self._subjects), each) for each in terms]
        return allow(self._world.settings, wanted)


def _send(calls: Calls) -> list[Asked]:
    return [ask(caller.channel, request) for caller, request in calls]


def _answered(calls: Sequence[Asked]) -> set[int]:
    """Where the answers of calls that nothing stands in the way of are entered."""
    outcomes = [each.answer() for each in calls]
    if refused := [reason for outcome in outcomes for reason in reasons(outcome)]:
        raise RuntimeError(f"a call beside the rush was refused: {refused}")
    return {answer.receipt.leaf_index for outcome in outcomes for answer in answers(outcome)}


def _rush(consent_id: str, calls: Sequence[Asked]) -> Rush:
    outcomes = [each.answer() for each in calls]
    held = [answer.receipt.leaf_index for each in outcomes for answer in answers(each)]
    return Rush(consent_id, held, Counter(reason for each in outcomes for reason in reasons(each)))


def _lost(found: Sequence[Rush]) -> bool:
    return any(len(each.held) != 1 for each in found)
