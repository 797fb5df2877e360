"""Which steps can be taken at a moment, and how likely each is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from tests.prove.simulation.clients import ask, ask_batch, hang_up, repeat
from tests.prove.simulation.disk import Mood
from tests.prove.simulation.operators import decide
from tests.prove.simulation.surroundings import (
    change_mood,
    come_back,
    conclude_overdue,
    engine_answers,
    keep_house,
    move_clock,
)

if TYPE_CHECKING:
    from tests.prove.simulation.play import Play

DEPTH = 3  # of steps inside steps


def options(play: Play) -> Iterator[tuple[float, Callable[[], object]]]:
    """Each with its weight."""
    random, alive, at_rest = play.random, play.alive, play.at_rest
    yield 5, partial(move_clock, play)
    if not play.depth and len(alive) < len(play.gateways) and len(alive) < play.drawn.gateways:
        yield 12, partial(play.open, len(play.gateways))
    if not alive:
        return
    yield 24, partial(ask, play)
    yield 9, partial(repeat, play)
    yield 2, partial(hang_up, play)
    yield 1, partial(conclude_overdue, play)
    yield 4 if any(each.mood is not Mood.WELL for each in alive) else 0.5, partial(change_mood, play)
    working = [each for each in alive if each.has_work and not each.is_in_turn]
    if working and (at_rest or random.random() < 0.05):
        yield 34, lambda: play.turn(random.choice(working))
    if away := [each for each in alive if each.engine.away]:
        yield 14, lambda: engine_answers(play, random.choice(away))
    # A far engine that has changed its model wants a transaction of its own first.
    if back := [each for each in at_rest if each.returning.work]:
        yield 14, lambda: come_back(play, random.choice(back))
    if at_rest and play.depth < DEPTH:
        yield 9, lambda: decide(play, random.choice(at_rest))
        yield 4, lambda: ask_batch(play, random.choice(at_rest))
        yield 2, lambda: keep_house(play, random.choice(at_rest))
    if play.drawn.trouble.kill:
        yield 0.4, lambda: play.kill(random.choice(alive), "at rest")
