"""Bisection: two lenders who work together learn no more of a score than its cell of 50 points.

What is proved is that nobody can tell two people apart whose scores lie in the same cells. Each of the people
has a twin; month by month their scores wander, always within one cell. The lenders (``attack``) move scores
as they like, ask on either side of it, and choose by what they have heard. Each consent leaves out families
at random, most of which the model does not use. Where twins are ever told apart, a score was narrowed below
its cell.

Afterwards they lay all that they hold side by side (``joined``), to find who is the same person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from consent.pairwise import Pairwise
from consent.sql import Question, Write
from gateway.server import Seams
from gateway.thresholds import cells
from scoregate.words import CalendarUnit
from scoring.service import Engine
from tests.prove.bisection.attack import Allowed, Attack, Pair
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
        few = stage.size(full=50, small=8)
        with _careless(), _installation(stage, store) as (world, engine):
            bare = _attack(stage, world, engine, few, 2)
            found = matches(bare.held)
        with _by_what_is_left_out(), _installation(stage, store) as (world, engine):
            apart = _attack(stage, world, engine, few, 2).told_apart
        outcomes = {"yes": attack.yes, "no": attack.no, "refreshes": attack.refreshes}
        yield Finding(
            law="nobody can tell two scores of one cell apart, whatever they cause and ask",
            store=store,
            runs=people * months,
            violations=len(attack.told_apart),
            control="no cell is remembered",
            control_runs=few * 2,
            control_violations=len(bare.told_apart),
            outcomes=outcomes,
            figures={"questions": attack.questions},
            evidence=tuple(attack.told_apart[:EVIDENCE]),
        )
        yield Finding(
            law="nor by leaving out families that the model does not use",
            store=store,
            runs=people * months,
            violations=len(attack.told_apart),
            control="each excluded set has a first answer of its own",
            control_runs=few * 2,
            control_violations=len(apart),
            outcomes={"without one that it uses": attack.less},
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
    wanted = [
        (lender, subject, left_out)
        for lender in lenders
        for pair in pairs
        for subject in pair.subjects
        for left_out in pair.draw(lender)
    ]
    terms = [(*whose, replace(TERMS, excluded_families=left_out)) for *whose, left_out in wanted]
    consents = defaultdict[tuple[str, str], list[Allowed]](list)
    for consent_id, (lender, subject, left_out) in zip(allow(world.settings, terms), wanted, strict=True):
        consents[lender, subject].append(Allowed(consent_id, left_out))
    attack = Attack(world, lenders, LENDERS, consents, pairs, engine)
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
        mock.patch.object(cells, "known", side_effect=lambda *_: Question(lambda: defaultdict(dict))),
        mock.patch.object(cells, "kept", side_effect=lambda *_: Write(cells.first_cells).of(())),
    ):
        yield


@contextmanager
def _by_what_is_left_out() -> Iterator[None]:
    """A cell is found under what its consent leaves out, and in no other way."""
    with mock.patch.object(cells, "resting_on", side_effect=lambda *_: None):
        yield


__all__ = ["bisection"]
