"""Crashes: `kill -9` at named points and at random moments, and nothing that has left is lost.

A gateway in a process of its own is struck dead (SIGKILL; exit −9 is asserted) again and again over one
installation on each store: by its own hand at a point in its dealings with the database (``points``), from
outside when an answer is on the wire or has come to its caller, and at random under load and while starting.
The next gateway settles what was in flight, and the books are held against what callers hold (``judge``):
every answer held is the entry that its receipt names; entries count from 0 without a gap and are a history
that a verifier accepts; the meters are what the entries cost; answers held ≤ units spent ≤ answers held and
calls in flight; each call in flight, asked again twice, has one answer and one unit; a one-time grant has one
answer; a change is there with its entry, and always when it was acknowledged. In the end the offline verifier
(``scoregate.auditing.pulled``) goes over the whole log, with a receipt of every answer.

Control arm: a driver that says COMMIT is done, and does it with the next statement.

Seams: subclasses of the drivers' connections, through SQLAlchemy's ``do_connect`` (``driver``); signals; a
relay on the lender's line. No line of the gateway knows.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from tests.prove.campaign import Finding, Stage
from tests.prove.crashes.chain import Blow, Chain
from tests.prove.crashes.errands import Supply
from tests.prove.crashes.house import House
from tests.prove.crashes.nursery import Nursery, Order, open_nursery
from tests.prove.crashes.points import CALLER, POINTS, Errand, Point, When
from tests.prove.stagehands import people

LAW = "kill -9 loses no answer that has left, and no unit; nothing is given or counted twice"
CONTROL = "a driver that says COMMIT is done, and does it with the next statement"
A_DAY_ON = timedelta(hours=25)
"""First answers are kept for 24 hours; after that they are swept."""

PEOPLE = 40
LIVES_OF_A_HOUSE = 60
"""Then a fresh one: a log that is read whole again and again need not be long."""


def crashes(stage: Stage) -> Iterator[Finding]:
    """A row for each store."""
    ground = _Ground(stage, people(stage.engine_folder, PEOPLE))
    with ThreadPoolExecutor(4) as beside, ThreadPoolExecutor(len(stage.stores)) as lanes:
        sweeping = {store: list(ground.sweeps(store, beside)) for store in stage.stores}
        yield from lanes.map(lambda store: ground.try_out(store, sweeping[store]), stage.stores)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What chains stand on."""

    stage: Stage
    people: Sequence[str]

    def try_out(self, store: str, sweeping: Sequence[Future[Chain]]) -> Finding:
        """All that befalls the gateways of one store; the stores' are killed side by side."""
        chance = random.Random(f"{self.stage.seed} {store}")  # noqa: S311
        with open_nursery() as nursery:
            chains = self.strike(store, self.blows(store, chance), nursery, chance)
            controls = self.strike(store, self.control(), nursery, chance, "hasty")
        chains += [each.result() for each in sweeping]
        return _finding(store, chains, controls)

    def blows(self, store: str, chance: random.Random) -> list[Blow]:
        """Every point, as often as the size allows, between moments at random."""
        each, load = self.stage.size(full=6, small=1), self.stage.size(full=80, small=1)
        start = self.stage.size(full=30, small=1)
        points = [p for p in POINTS if store in p.stores and p.errand is not Errand.SWEEP]
        if not self.stage.full:  # each point that both stores have is tried on one of them
            turn = self.stage.stores.index(store)
            points = [p for i, p in enumerate(points) if len(p.stores) == 1 or i % 2 == turn % 2]
        wanted: list[tuple[Point | None, Errand]] = [
            (point, point.errand) for point in points for _ in range(each)
        ]
        wanted += [(None, Errand.QUERIES)] * load + [(None, Errand.START)] * start
        chance.shuffle(wanted)
        return [Blow(number, *what) for number, what in enumerate(wanted, 1)]

    def control(self) -> list[Blow]:
        """An answer has just left, and nobody else's question has made the driver keep its word."""
        point = Point("an answer has come to the only caller", When.AFTER, CALLER, errand=Errand.ALONE)
        return [Blow(n, point, point.errand) for n in range(1, self.stage.size(full=20, small=2) + 1)]

    def strike(
        self, store: str, blows: list[Blow], nursery: Nursery, chance: random.Random, variant: str = ""
    ) -> list[Chain]:
        """Chains, one after the other, until every blow has fallen."""
        chains = []
        for first in range(0, len(blows), LIVES_OF_A_HOUSE):
            some = blows[first : first + LIVES_OF_A_HOUSE]
            url = self.stage.new_database(store)
            chain = self._chain(store, url, nursery, chance, len(some), variant)
            for blow in some:
                chain.strike(blow)
                self.stage.step(f"{store}{variant and ', control arm'}", blow.number, len(blows))
            chain.close()
            chains.append(chain)
        return chains

    def sweeps(self, store: str, beside: ThreadPoolExecutor) -> Iterator[Future[Chain]]:
        """Chains that wait a minute for their point, beside the others; a test run has no such minute."""
        points = [point for point in POINTS if point.errand is Errand.SWEEP]
        for point in points * self.stage.size(full=2, small=0):
            yield beside.submit(self._sweep, store, point, self.stage.new_database(store))

    def _sweep(self, store: str, point: Point, url: str) -> Chain:
        chance = random.Random(f"{self.stage.seed} {store} {point.name}")  # noqa: S311
        with open_nursery() as nursery:
            chain = self._chain(store, url, nursery, chance, 4)
            chain.strike(Blow(1, None, Errand.QUERIES))
            chain.rest()  # what was in flight is settled while first answers are kept
            chain.ahead = A_DAY_ON
            chain.strike(Blow(2, point, Errand.SWEEP))
            chain.close()
        return chain

    def _chain(
        self, store: str, url: str, nursery: Nursery, chance: random.Random, lives: int, variant: str = ""
    ) -> Chain:
        house = House.found(self.stage, url)
        life = nursery.bear(Order(house.settings))
        try:
            life.await_serving()
            with house.meet(life):
                supply = Supply.for_lives(lives, house, self.people)
                house.books.read_on()
        finally:
            life.stop()
        return Chain(store, house, nursery, supply, chance, variant)


def _finding(store: str, chains: list[Chain], controls: list[Chain]) -> Finding:
    struck = sum((chain.struck for chain in chains), Counter[str]())
    return Finding(
        law=LAW,
        store=store,
        runs=struck.total(),
        violations=sum(chain.violations for chain in chains),
        control=CONTROL,
        control_runs=sum(chain.struck.total() for chain in controls),
        control_violations=sum(chain.violations for chain in controls),
        outcomes=dict(sorted(struck.items()))
        | {
            "in flight, and found in the log": sum(chain.found for chain in chains),
            "in flight, and asked anew": sum(chain.anew for chain in chains),
        },
        figures={
            "answers": sum(chain.answers for chain in chains),
            "slowest_start_ms": max(ms for chain in chains for ms in chain.start_ms),
        },
        evidence=tuple(line for chain in chains for line in chain.evidence)[:10],
    )
