"""Bisection: two lenders who work together learn no more of a score than its cell of 50 points.

What is proved is that nobody can tell two people apart whose scores lie in the same cells. Each of the people
has a twin; month by month their scores wander, always within one cell. The lenders (``attack``) move scores
as they like, ask on either side of it, and choose by what they have heard. Where twins are ever told
apart, a score was narrowed below its cell.

Afterwards they lay all that they hold side by side (``joined``), to find who is the same person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from consent.pairwise import Pairwise
from gateway.server import Seams
from gateway.thresholds import cells
from scoregate.words import CalendarUnit
from scoring.service import Engine
from tests.prove.bisection.attack import Attack, Pair
from tests.prove.bisection.engine import Moved
from tests.prove.bisection.joined import matches
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.stagehands import ENDLESS, OPERATOR, allow, periodic, settle
from tests.world import World, open_world

IN_FLIGHT = 64
LENDERS = {"left": (500, 600, 700), "right": (550, 650, 750)}
TERMS = periodic(1_000, CalendarUnit.DAY)
EVIDENCE = 5


def bisection(stage: Stage) -> Iterator[Finding]:
    """Yields cells and subject references on each store."""
    for store in stage.stores:
        people = stage.size(full=1_000 if store == SQLITE else 100, small=8)
        months = stage.size(full=24 if store == SQLITE else 6, small=3)
        with _installation(stage, store) as (world, engine):
            attack = _attack(stage, world, engine, people, months)
            same = matches(attack.held)
        with _careless(), _installation(stage, store) as (world, engine):
            bare = _attack(stage, world, engine, few := stage.size(full=50, small=8), 2)
            found = matches(bare.held)
        yield Finding(
            law="nobody can tell two scores of one cell apart, whatever they cause and ask",
            store=store,
            runs=people * months,
            violations=len(attack.told_apart),
            control="no cell is remembered",
            control_runs=few * 2,
            control_violations=len(bare.told_apart),
            outcomes={"yes": attack.yes, "no": attack.no, "refreshes": attack.refreshes},
            figures={"questions": attack.questions},
            evidence=tuple(attack.told_apart[:EVIDENCE]),
        )
        yield Finding(
            law="two lenders who join all they hold find nobody to be the same person",
            store=store,
            runs=2 * people,
            violations=len(same),
            control="one reference for all lenders",
            control_runs=2 * few,
            control_violations=len(found),
            figures={"events": attack.events},
            evidence=tuple(same[:EVIDENCE]),
        )


@contextmanager
def _installation(stage: Stage, store: str) -> Iterator[tuple[World, Moved]]:
    settings = settle(stage, store, max_in_flight_per_partner=IN_FLIGHT, worker_threads=IN_FLIGHT + 1)
    engine = Moved(Engine.open(stage.engine_folder))
    with open_world(settings, seams=Seams(engine=engine)) as world:
        world.set_contract(OPERATOR, **ENDLESS)
        yield world, engine


def _attack(stage: Stage, world: World, engine: Moved, people: int, months: int) -> Attack:
    lenders = {
        name: world.partner(name, **(ENDLESS | {"thresholds": thresholds}))
        for name, thresholds in LENDERS.items()
    }
    pairs = [Pair(number, stage.seed) for number in range(people)]
    subjects = [subject for pair in pairs for subject in pair.subjects]
    wanted = [(lender, subject, TERMS) for lender in lenders for subject in subjects]
    names = ((lender, subject) for lender, subject, _ in wanted)
    ids = dict(zip(names, allow(world.settings, wanted), strict=True))
    attack = Attack(world, lenders, LENDERS, ids, pairs, engine)
    for month in range(months):
        stage.step("months", month, months)
        attack.month(month, IN_FLIGHT)
    attack.freezes()
    return attack


@contextmanager
def _careless() -> Iterator[None]:
    """No cell is remembered, and a person has one name for all."""
    made = Pairwise.reference

    def reference(self: Pairwise, _: str, subject: str) -> str:
        return made(self, "everybody", subject)

    with (
        mock.patch.object(Pairwise, "reference", reference),
        mock.patch.object(cells, "find", side_effect=lambda *_: {}),
        mock.patch.object(cells, "keep"),
    ):
        yield


__all__ = ["bisection"]
