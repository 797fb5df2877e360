"""What happens around gateways and in them without anybody's asking: engines, clocks, disks, housekeeping."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.prove.simulation import chance
from tests.prove.simulation.disk import Killed, Mood
from tests.prove.simulation.engine import MODELS
from tests.prove.simulation.ground import FOUNDED

if TYPE_CHECKING:
    from tests.prove.simulation.house import Gateway
    from tests.prove.simulation.play import Play

SHORT, LONG = timedelta(seconds=20), timedelta(hours=3)


def engine_answers(play: Play, gateway: Gateway) -> None:
    """One of the questions that are away comes back."""
    engine = gateway.engine
    question = engine.away.pop(play.random.randrange(len(engine.away)))
    if not play.is_calm and play.drawn.trouble.engine and play.random.random() < 0.1:
        engine.version = play.random.choice(MODELS)
    play.say(f"the engine of gateway {gateway.number} answers, by {engine.version}")
    engine.answer(question, play.manner())


def come_back(play: Play, gateway: Gateway) -> None:
    """What an engine said is taken."""
    play.say(f"gateway {gateway.number} takes what its engine said")
    work = gateway.returning.work.popleft()
    with play.deeper(), suppress(Killed):
        work()


def move_clock(play: Play) -> None:
    """Time passes, or somebody sets the clock."""
    random = play.random
    chosen = random.random()
    if chosen < 0.55:
        span = timedelta(milliseconds=random.randint(1, 3_000))
    elif chosen < 0.7:
        span = random.random() * SHORT
    elif chosen < 0.8:
        span = random.random() * LONG
    elif play.depth:
        # An attestation bears five minutes between its own time and its entry's.
        span = -random.random() * timedelta(minutes=3)
    elif chosen < 0.88:
        span = chance.midnight(random, play.now()) - play.now()
    elif chosen < 0.92:
        span = timedelta(hours=random.choice((23.9, 24, 25, 40)))
    else:
        span = -random.random() * timedelta(hours=2)
    play.pass_time(max(span, FOUNDED + timedelta(minutes=1) - play.now()))


def conclude_overdue(play: Play) -> None:
    """A gateway looks for guests that wait for too long."""
    gateway = play.random.choice(play.alive)
    if overdue := gateway.ledger.conclude_overdue():
        play.say(f"gateway {gateway.number} concludes {overdue} that waited for too long")
        play.count("waited for too long")


def change_mood(play: Play) -> None:
    """A disk becomes full or read-only, or well again."""
    if not play.drawn.trouble.commit:
        return
    ill = [each for each in play.alive if each.mood is not Mood.WELL]
    gateway = play.random.choice(ill or play.alive)
    mood = Mood.WELL if gateway.mood is not Mood.WELL else play.random.choice((Mood.FULL, Mood.READ_ONLY))
    gateway.mood = mood
    play.say(f"the disk of gateway {gateway.number} is {mood}")


def keep_house(play: Play, gateway: Gateway) -> None:
    """A gateway records what it has turned away, and sweeps."""
    play.say(f"gateway {gateway.number} keeps house")
    with play.deeper(), suppress(Killed):
        gateway.keep_house(with_sweep=play.random.random() < 0.5)
