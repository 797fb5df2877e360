"""One lender's trouble beside another lender's steady calls: the other's p99 stays within twice its own.

    flood     four connections with a hundred calls each, all the time, on the contract that is the default
    bodies    two lenders at once begin calls whose bodies come a byte at a time
    engines   the engine never answers about two lenders' people, about whom both keep asking
    engine    the same for one lender
    readers   a lender asks for batches and never reads one

Windows alone and beside take turns, so that whatever else the machine does falls on both. Control arm: the
same trouble under the lender's own name, where no limit parts the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import Message

from scoregate.partner.v1 import score_pb2
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.hostile_http2.attacking import attacking
from tests.prove.isolation.engine import HANG
from tests.prove.isolation.house import House
from tests.prove.isolation.pace import Compared, Pace
from tests.prove.stagehands import people
from tests.world import Partner

CONTROL = "the same under the lender's own name"
HEALTHY, HOSTILE, BATCH = 100, 50, 50  # people


@dataclass(frozen=True, slots=True)
class Troublemaker:
    """A lender, and whom it may ask about."""

    lender: Partner
    consents: Sequence[str]

    def query(self) -> Message:
        """About one person."""
        return self.lender.query(self.consents[0])

    def batch(self) -> Message:
        """About several."""
        return score_pb2.BatchGetScoresRequest(
            items=[self.lender.query(each) for each in self.consents[:BATCH]]
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """What one lender, or two, do to the others."""

    what: str
    attack: str
    request: Callable[[Troublemaker], Message]
    makers: tuple[str, ...]

    @contextmanager
    def by(self, *makers: Troublemaker) -> Iterator[None]:
        """Lasts as long as the block."""
        with ExitStack() as all_at_once:
            for each in makers:
                all_at_once.enter_context(attacking(each.lender, self.attack, self.request(each)))
            yield


ASKS, BATCHES = Troublemaker.query, Troublemaker.batch
TROUBLES = (
    Trouble("a flooding partner", "flood", ASKS, ("greedy",)),
    Trouble("two lenders' slow bodies", "slow_bodies", ASKS, ("greedy", "slow")),
    Trouble("an engine hung for two lenders", "a_few_at_once", ASKS, ("stuck", "stuck-too")),
    Trouble("a hung engine", "a_few_at_once", ASKS, ("stuck",)),
    Trouble("a slow reader", "unread_answers", BATCHES, ("slow",)),
)
IN_A_TEST = 3  # of them
CONTRACTS = {
    "greedy": {"calls_per_second": 100, "burst_calls": 200},  # as it is where the operator names none
    "slow": {"calls_per_second": 10, "burst_calls": 20},  # the reading is to be slow, not the machine
    "stuck": {"calls_per_second": 100, "burst_calls": 200},
    "stuck-too": {"calls_per_second": 100, "burst_calls": 200},
}


def neighbours(stage: Stage, house: House) -> Iterator[Finding]:
    """A row for each trouble."""
    subjects = people(stage.engine_folder, HEALTHY + 2 * HOSTILE)
    well, hung = subjects[: HEALTHY + HOSTILE], subjects[HEALTHY + HOSTILE :]
    healthy, consents = house.lender("steady", well[:HEALTHY])
    makers = {
        name: Troublemaker(
            *house.lender(name, hung if name.startswith("stuck") else well[HEALTHY:], **contract)
        )
        for name, contract in CONTRACTS.items()
    }
    own = Troublemaker(healthy, house.allow("steady", well[HEALTHY:]))  # a flood uses its consent up
    own_stuck = Troublemaker(healthy, house.allow("steady", hung))
    house.engine.become(dict.fromkeys(hung, HANG))
    pace = Pace(healthy, consents, stage)
    pace.keep(0.5)  # caches
    # Of a lender's own calls beside its own flood one in seven or so finds no place: enough to see it.
    seconds, rounds, control_seconds = (16.0, 4, 5.0) if stage.full else (0.5, 1, 2.0)
    troubles = TROUBLES if stage.full else TROUBLES[:IN_A_TEST]
    for number, trouble in enumerate(troubles):
        stage.step(f"beside {trouble.what}", number, len(troubles))
        makers_of_it = [makers[name] for name in trouble.makers]
        compared = pace.compare(partial(trouble.by, *makers_of_it), seconds=seconds, rounds=rounds)
        same = own_stuck if trouble.makers[0].startswith("stuck") else own
        control = pace.beside(partial(trouble.by, same), control_seconds)
        yield _finding(trouble, compared, Compared(compared.alone, control, pace.least_ms))
    house.engine.become({})


def _finding(trouble: Trouble, found: Compared, control: Compared) -> Finding:
    return Finding(
        law=f"Beside {trouble.what} another lender's p99 stays within twice its own",
        store=SQLITE,
        runs=len(found.beside.took_ms),
        violations=found.violations,
        control=CONTROL,
        control_runs=len(control.beside.took_ms),
        control_violations=control.violations,
        figures=found.figures(),
        evidence=(found.told,) if found.violations else (),
    )
