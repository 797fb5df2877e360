"""What operators do, and hear."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from gateway.doors.door import Reply
from gateway.errors import Refused, refused
from gateway.query import Call
from tests.prove.simulation.decisions import Decision, draw
from tests.prove.simulation.disk import Killed

if TYPE_CHECKING:
    from tests.prove.simulation.house import Gateway
    from tests.prove.simulation.play import Play


def decide(play: Play, gateway: Gateway) -> None:
    """An operator brings a decision."""
    bring(play, gateway, draw(play))


def bring(play: Play, gateway: Gateway, decision: Decision) -> Reply | Refused | None:
    """Whatever came of a decision; None: its gateway died."""
    play.say(f"an operator: {decision.what} at gateway {gateway.number}")
    size = len(play.model.entries)
    peer = f"operator:{len(play.lines)}"
    body = decision.request.SerializeToString()
    call = Call(decision.method, play.ground.operator, body, peer, inf, lambda: True)
    outcome: Reply | Refused
    with play.deeper():
        try:
            outcome = gateway.handlers[decision.method](call)
        except Killed:
            return None
        except Exception as error:
            outcome = refused(error)
    if isinstance(outcome, Refused):
        play.say(f"the operator hears: {outcome.code}")
        if outcome.code == "INTERNAL":
            play.fail(f"an operator was refused with INTERNAL: {outcome.__cause__!r}")
        if outcome.code == "AUDIT_UNAVAILABLE":
            play.unwritten.append((gateway, decision))
        return outcome
    play.say("the operator hears: done")
    play.count("decision made")
    if not any(decision.is_told_by(each) for each in play.model.entries[size:]) and decision.kinds:
        play.fail(f"a decision was acknowledged, and no entry says so: {decision.what}")
    return outcome
