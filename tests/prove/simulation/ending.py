"""How a play ends: trouble stops, and everything must come to its conclusion, by itself.

Whoever still waits is told. Then clients ask again who heard nothing, or that the ledger was not there, or
who hold an answer already, perhaps a day later; others ask for the first time. The model foretells which of
them are answered, and why the others are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.doors.door import Reply
from gateway.errors import Refused
from scoregate.audit.v1 import leaf_pb2 as pb
from tests.prove.simulation.asked import Asked, Request, question
from tests.prove.simulation.clients import send
from tests.prove.simulation.decisions import freeze
from tests.prove.simulation.disk import Mood
from tests.prove.simulation.operators import bring
from tests.prove.simulation.questions import draw_question, draw_threshold

if TYPE_CHECKING:
    from tests.prove.simulation.house import Gateway
    from tests.prove.simulation.play import Play

MOST_PUSHES = 1_000
RETRIES, REPEATS, NEWCOMERS = 4, 2, 3


def end(play: Play) -> None:
    """Conclude everything, and look once more."""
    play.say("trouble ends")
    for gateway in play.alive:
        gateway.mood = Mood.WELL
    _drain(play)
    if not play.alive:
        play.open(len(play.gateways))
    _recover(play)
    _ask_again(play)
    _count_turned_away(play)
    play.look("at the end")
    for problem in play.model.otherwise():
        play.fail(problem)


def _drain(play: Play) -> None:
    for _ in range(MOST_PUSHES):
        pushed = [play.push(gateway) for gateway in play.alive]
        if not any(pushed):
            break
    for asked in play.calls.values():
        if not asked.told and not asked.is_lost:
            play.fail(f"call {asked.number} waits for ever")
    for gateway in play.alive:
        if gateway.admission.taken:
            play.fail(
                f"gateway {gateway.number} holds {gateway.admission.taken} places for calls that are over"
            )


def _recover(play: Play) -> None:
    """Every gateway that lives can write again without a restart, also what it could not write before."""
    again = [(gateway, decision) for gateway, decision in play.unwritten[-RETRIES:] if not gateway.is_dead]
    for gateway, decision in [(each, freeze("nobody", frozen=True)) for each in play.alive] + again:
        play.pass_time(timedelta(seconds=1))
        outcome = bring(play, gateway, decision)
        if isinstance(outcome, Refused) and outcome.code == "AUDIT_UNAVAILABLE":
            play.fail(f"gateway {gateway.number} does not recover")


def _ask_again(play: Play) -> None:
    unheard = [each for each in play.calls.values() if len(each.requests) == 1 and _heard_nothing(each)]
    for asked in unheard[-RETRIES:]:
        _foretell(play, asked.lender, asked.requests[0], f"asks call {asked.number} again")
    answered = [each for each in play.calls.values() if len(each.requests) == 1 and _holds_one(each)]
    if play.random.random() < 0.5:
        play.pass_time(play.random.choice((timedelta(hours=23), timedelta(hours=24), timedelta(hours=26))))
    for asked in play.random.sample(answered, min(REPEATS, len(answered))):
        _foretell(play, asked.lender, asked.requests[0], f"repeats call {asked.number}")
    for _ in range(NEWCOMERS):
        consent = play.random.choice(play.drawn.consents)
        draw = draw_question if play.random.random() < 0.7 else draw_threshold
        request = draw(play.random, consent, play.new_id())
        _foretell(play, consent.lender, request, f"asks about {consent.name}")


def _holds_one(asked: Asked) -> bool:
    return bool(asked.told) and isinstance(asked.told[0], Reply)


def _heard_nothing(asked: Asked) -> bool:
    told = asked.told[0] if asked.told else None
    return told is None or (isinstance(told, Refused) and told.code == "AUDIT_UNAVAILABLE")


def _foretell(play: Play, lender: str, request: Request, what: str) -> None:
    play.pass_time(timedelta(seconds=1))
    gateway = play.random.choice(play.alive)
    asked = send(play, lender, request, what, to=gateway, certificate=0)
    reasons = set(_reasons(play, gateway, asked))
    while not asked.told and play.push(gateway):
        pass
    outcome = asked.told[0] if asked.told else None
    if isinstance(outcome, Reply) and reasons:
        play.fail(f"call {asked.number} is answered, against {sorted(reasons)}")
    elif isinstance(outcome, Refused) and outcome.code not in reasons:
        play.fail(
            f"call {asked.number} is refused with {outcome.code}, where the model knows {sorted(reasons)}"
        )
    elif outcome is None:
        play.fail(f"call {asked.number} waits for ever")
    play.count("foretold")


def _reasons(play: Play, gateway: Gateway, asked: Asked) -> Iterator[str]:
    model, said = play.model, question(asked.lender, asked.requests[0])
    at = max(gateway.clock(), model.now)
    first = model.stands.first(said, at)
    if first is not None and model.answers[first].request(said.request_id) != asked.requests[0]:
        yield "REQUEST_ID_REUSED"
    yield from model.stands.against(said, asked.fingerprint, at, first)
    offered = model.stands.lenders[said.lender].contract.thresholds
    if first is None and said.threshold is not None and said.threshold not in offered:
        yield "THRESHOLD_NOT_REGISTERED"


def _count_turned_away(play: Play) -> None:
    """Refusals that are counted are counted once; those that a dead gateway had not written are lost."""
    for gateway in play.alive:
        gateway.keep_house(with_sweep=False)
    written = sum(
        each.leaf.count for each in play.model.entries if each.leaf.kind == pb.LEAF_KIND_COUNTED_REFUSALS
    )
    told = play.hands.counted.total()
    if written > told or (written < told and not any(each.is_dead for each in play.gateways)):
        play.fail(f"{told} calls were turned away, and the log counts {written}")
