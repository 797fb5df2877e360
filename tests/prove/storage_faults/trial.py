"""One fault, while callers ask without pause: what left meanwhile, what is in the log, what came after."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from scoregate.words import CalendarUnit
from tests.prove.crashes.errands import MOST_USES, Trial
from tests.prove.crashes.house import LENDER, House
from tests.prove.crashes.judge import judge
from tests.prove.crashes.nursery import Life, Nursery, Order
from tests.prove.crashes.points import Errand
from tests.prove.crashes.traffic import FOR_GOOD, Question, Traffic, one
from tests.prove.stagehands import ONE_TIME, allow, periodic
from tests.world import Partner

CALLERS = 4
PAUSE_SECONDS, RETRY_SECONDS = 0.004, 0.15
"""Between two questions, and after a failure: what is tried is a store, not a processor."""

WARM = 12
"""Answers before the fault."""

MET = 80
"""Answers of a broken gateway after which a full disk was surely met: pages have some room left."""

LASTING, RIVALRIES = 6, 6
MOST_SECONDS = 30.0
TOLD = frozenset({"AUDIT_UNAVAILABLE", "SERVER_BUSY", "DEADLINE_PASSED", "DEADLINE_EXCEEDED"})
"""What callers are told of it, or take it for."""

BEFORE, MEANWHILE, AFTERWARDS = "answered before", "unavailable meanwhile", "answered afterwards"
FOUND, ANEW = "unavailable, and found in the log", "unavailable, and asked anew"


@dataclass
class Site:
    """Where a fault is made: an installation, and the gateway that serves it."""

    house: House
    life: Life
    chance: random.Random
    variant: str  # the broken gateway's, in a control arm
    line: object  # whatever else the store's faults need


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to a store, and passes."""

    name: str
    seam: str  # by which means
    make: Callable[[Site], AbstractContextManager[None]]  # it is there once entered, and gone once left
    store: str
    variant: str  # the broken gateway of the control arm
    is_total: bool = True  # no call that begins meanwhile can be answered; else it is met by and by
    seconds: float = 0.2  # it lasts at least
    is_spared: bool = False  # a test run has no time for it; tests/journey has its like
    felt: int = 4  # calls that must have failed before it goes


VARIANTS = {
    "credulous": "a driver that takes the store's errors for success",
    "hasty": "a driver that says COMMIT is done, and does it with the next statement",
    "blind": "a store that doesn't look whether its file is the same",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one trial takes place."""

    house: House
    line: object = None  # whatever else the store's faults need


@dataclass
class Outcome:
    """What came of one fault, or of several."""

    trials: int = 0
    violations: int = 0
    evidence: list[str] = field(default_factory=list)
    occurred: Counter[str] = field(default_factory=Counter)
    recovery_ms: float = 0.0  # the slowest

    def __iadd__(self, other: Outcome) -> Outcome:
        self.trials += other.trials
        self.violations += other.violations
        self.evidence += other.evidence
        self.occurred += other.occurred
        self.recovery_ms = max(self.recovery_ms, other.recovery_ms)
        return self


def try_out(
    fault: Fault,
    place: Place,
    nursery: Nursery,
    people: Sequence[str],
    chance: random.Random,
    variant: str = "",
) -> Outcome:
    """Make the fault once, and judge. With ``variant`` the gateway is a broken one."""
    house = place.house
    order = Order(house.settings, variant=variant, silent=True)
    life = nursery.bear(order)
    try:
        life.await_serving()
        with house.meet(life) as (world, lender):
            house.books.read_on()
            trial = Trial(fault.name, Errand.QUERIES)
            # Where the last COMMIT is to be lost, every call is one whose loss is seen.
            traffic = _traffic(trial, house, lender, people, chance, plain=variant == "hasty")
            outcome = _suffer(fault, place, life, traffic, chance, variant)
            verdict = judge(trial, house.books, world, lender, chance)
            if not variant:
                verdict.wrong += house.books.verify_offline(house.settings.home / "pulled", verdict.held)
    finally:
        life.stop()
    outcome.occurred += Counter({FOUND: verdict.found, ANEW: verdict.anew})
    wrong = outcome.evidence + verdict.wrong
    told = f"{fault.store}, {fault.name} ({fault.seam}): {'; '.join(wrong[:3])}"
    return Outcome(1, bool(wrong), [told] if wrong else [], outcome.occurred, outcome.recovery_ms)


def _traffic(
    trial: Trial,
    house: House,
    lender: Partner,
    people: Sequence[str],
    chance: random.Random,
    *,
    plain: bool,
) -> Traffic:
    """Queries, and unless they are to be ``plain`` replays and rivals for one-time grants among them."""
    terms = [periodic(MOST_USES, CalendarUnit.DAY)] * LASTING + [ONE_TIME] * RIVALRIES
    consents = allow(house.settings, [(LENDER, who, each) for who, each in zip(people, terms, strict=False)])
    lasting, single = consents[:LASTING], [] if plain else consents[LASTING:]
    trial.rivals = [[one(lender.query(consent)) for _ in range(2)] for consent in single]
    waiting = [question for pair in trial.rivals for question in pair]
    pause = threading.Event()

    def draw(chance: random.Random) -> Question:
        pause.wait(PAUSE_SECONDS)
        if waiting and chance.random() < 0.1:
            return waiting.pop()
        return one(lender.query(chance.choice(lasting)))

    replays = 0.0 if plain else 0.1
    trial.traffic = Traffic(lender, draw, chance, replays=replays, after_failure=RETRY_SECONDS)
    return trial.traffic


def _suffer(
    fault: Fault, place: Place, life: Life, traffic: Traffic, chance: random.Random, variant: str
) -> Outcome:
    """The fault comes, lasts and goes while callers ask on."""
    outcome = Outcome()
    with ExitStack() as flow:
        flow.enter_context(traffic.flowing(CALLERS))
        _await(lambda: len(traffic.answers) >= WARM)
        if variant:
            life.tell("on")
        if variant == "hasty":  # the last answers' COMMIT is still owed: nobody asks any more
            _await(lambda: len(traffic.answers) >= 2 * WARM)
            flow.close()
        site = Site(place.house, life, chance, variant, place.line)
        answered, failed = len(traffic.answers), len(traffic.failures)
        with fault.make(site):
            since = time.monotonic()
            _await(lambda: time.monotonic() > since + fault.seconds)
            if not variant:
                _await(lambda: len(traffic.failures) >= failed + fault.felt)
            elif not fault.is_total:  # nobody is told when it is met; by then there is no room for more
                _await(lambda: len(traffic.answers) >= answered + MET)
            until = time.monotonic()
        gone = time.monotonic()
        if not variant:
            came = _await(lambda: any(began > gone for began, _ in traffic.answers))
            if not came or life.has_ended():
                outcome.evidence.append(f"the process does not recover (exit code {life.exit_code})")
    meanwhile = sum(began > since and ended < until for began, ended in traffic.answers)
    if fault.is_total and meanwhile:
        outcome.evidence.append(f"{meanwhile} calls that began meanwhile were answered")
    recovered = [ended - gone for began, ended in traffic.answers if began > gone]
    outcome.recovery_ms = min(recovered, default=0.0) * 1e3
    reasons = Counter(reason for _, reason in traffic.failures if not reason.startswith(FOR_GOOD))
    if reasons.keys() - TOLD and not variant:
        outcome.evidence.append(f"callers were told {dict(reasons)}")
    outcome.occurred += Counter(
        {
            BEFORE: sum(ended < since for _, ended in traffic.answers),
            MEANWHILE: reasons.total(),
            AFTERWARDS: len(recovered),
        }
    )
    return outcome


def _await(condition: Callable[[], bool]) -> bool:
    """Whether it comes in time."""
    pause = threading.Event()
    give_up = time.monotonic() + MOST_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            return False
        pause.wait(0.01)
    return True
