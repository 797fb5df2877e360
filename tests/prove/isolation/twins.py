"""Concurrent twins: the same question under the same request id, over several connections to two gateways.

All of them get the first answer, to the byte, for one unit. Control arm: a store that forgets each first
answer as it is kept (a trigger on answers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Barrier

import sqlalchemy as sa

from gateway.store import open_store
from scoregate.partner.v1 import score_pb2
from tests.journey.rows import ask
from tests.prove.campaign import POSTGRESQL, Finding, Stage
from tests.prove.isolation.house import House
from tests.prove.stagehands import people
from tests.wire import Failure, Sent, outcome
from tests.world import Partner

TWINS = 6  # half of them to each gateway
PEOPLE = 20
CONTROL = "a store that forgets first answers"
FORGETTING = {
    False: (
        "CREATE TRIGGER forget AFTER INSERT ON answers BEGIN "
        "DELETE FROM answers WHERE answer_key = NEW.answer_key; END",
    ),
    True: (
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER forget BEFORE INSERT ON answers FOR EACH ROW EXECUTE FUNCTION forget()",
    ),
}


def twins(stage: Stage, store: str, house: House) -> Finding:
    """Groups of twins, in both arms."""
    size, control_size = stage.size(full=1_000, small=12), stage.size(full=100, small=4)
    with ThreadPoolExecutor(TWINS) as threads:
        family = Family(house, stage, threads)
        before = family.spent()
        for number in range(size):
            stage.step(f"twins on {store}", number, size)
            family.ask(number)
        wrong = list(family.wrong)
        if (spent := family.spent() - before) != size:
            wrong.append(f"{spent} units for {size} groups")
        outcomes = dict(family.given)
        family.wrong.clear()
        with _forgetting(house, store):
            for number in range(control_size):
                family.ask(number)
    return Finding(
        law=f"{TWINS} concurrent twins get one answer, for one unit",
        store=store,
        runs=size,
        violations=len(wrong),
        control=CONTROL,
        control_runs=control_size,
        control_violations=len(family.wrong),
        outcomes=outcomes,
        evidence=tuple(wrong[:5]),
    )


class Family:
    """A lender's twins, and what became of them."""

    def __init__(self, house: House, stage: Stage, threads: ThreadPoolExecutor) -> None:
        self._lender, self._consents = house.lender("parent", people(stage.engine_folder, PEOPLE))
        self._places = [self._lender.at(world) for world in house.worlds for _ in range(TWINS // 2)]
        self._threads = threads
        self._numbers = count()
        self.given: Counter[str] = Counter(first=0, repeat=0)
        self.wrong: list[str] = []

    def spent(self) -> int:
        """The lender's units of today."""
        return self._lender.spent()["day"]

    def ask(self, number: int) -> None:
        """Ask one question from every place at once."""
        request = self._lender.query(self._consents[next(self._numbers) % PEOPLE])
        if said := self._ask_all(request):
            self.wrong.append(f"group {number}: {said}")

    def _ask_all(self, request: score_pb2.GetScoreRequest) -> str:
        together = Barrier(TWINS)

        def one(place: Partner) -> Sent | Failure:
            together.wait()
            return outcome(ask, place, request, timeout=30)

        return self._judge(list(self._threads.map(one, self._places)))

    def _judge(self, results: Sequence[Sent | Failure]) -> str:
        answers = [each for each in results if isinstance(each, Sent)]
        refused = {each.reason for each in results if isinstance(each, Failure)}
        repeats = sum(answer.headers.get("scoregate-replayed") == "true" for answer in answers)
        self.given.update(repeat=repeats, first=len(answers) - repeats)
        if refused:
            return f"refused: {', '.join(sorted(refused))}"
        if len({answer.body for answer in answers}) > 1:
            return "several answers"
        return "" if repeats == len(answers) - 1 else f"{len(answers) - repeats} first answers"


@contextmanager
def _forgetting(house: House, store: str) -> Iterator[None]:
    beside = open_store(house.settings.database.url)
    try:
        with beside.writer.begin() as connection:
            for statement in FORGETTING[store == POSTGRESQL]:
                connection.execute(sa.text(statement))
        yield
        with beside.writer.begin() as connection:
            connection.execute(sa.text(f"DROP TRIGGER forget{' ON answers' if store == POSTGRESQL else ''}"))
    finally:
        beside.close()
