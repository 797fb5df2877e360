"""What clients do: they ask, ask again, ask for many at once, hear, and give up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway import pki
from gateway.doors.door import Reply
from gateway.errors import Refused, refused
from gateway.query import BATCH_GET_SCORES, CHECK_THRESHOLD, GET_SCORE
from tests.prove.simulation.asked import Asked, Request, body_of, question
from tests.prove.simulation.disk import Killed
from tests.prove.simulation.ground import Agreed
from tests.prove.simulation.questions import draw_question, draw_threshold

if TYPE_CHECKING:
    from tests.prove.simulation.house import Gateway
    from tests.prove.simulation.play import Play


def ask(play: Play) -> None:
    """A client asks something new."""
    request: Request
    consent = _consent(play)
    lender = _lender(play, consent)
    if play.random.random() < 0.2:
        request = draw_threshold(play.random, consent, play.new_id())
    else:
        request = draw_question(play.random, consent, play.new_id())
    send(play, lender, request, f"asks about {consent.name}")


def repeat(play: Play) -> None:
    """A client asks again: the same, or something else under the same request id."""
    earlier = [each for each in play.calls.values() if len(each.requests) == 1]
    if not earlier:
        return
    asked = play.random.choice(earlier[-12:])
    request, what = asked.requests[0], f"repeats call {asked.number}"
    if play.random.random() < 0.15:
        request = type(request).FromString(request.SerializeToString())
        request.nonce, what = "changed-nonce-16", f"repeats call {asked.number}, changed"
    send(play, asked.lender, request, what)


def send(
    play: Play,
    lender: str,
    request: Request,
    what: str,
    *,
    to: Gateway | None = None,
    certificate: int | None = None,
) -> Asked:
    """A call of one question."""
    gateway = to or play.random.choice(play.alive)
    method = GET_SCORE if question(lender, request).threshold is None else CHECK_THRESHOLD
    asked = _asked(play, gateway, lender, method, [request], certificate)
    play.say(f"call {asked.number}: {lender} {what} at gateway {gateway.number}")
    gateway.asked[method](asked.call(), partial(told, play, gateway, asked))
    return asked


def ask_batch(play: Play, gateway: Gateway) -> None:
    """A client asks several things at once, and waits in a thread of the gateway's."""
    lender = _lender(play, _consent(play))
    own = [each for each in play.drawn.consents if each.lender == lender] or play.drawn.consents
    requests: list[Any] = []
    for _ in range(play.random.randint(2, 5)):
        consent = play.random.choice(own) if play.random.random() < 0.9 else _consent(play)
        requests.append(draw_question(play.random, consent, play.new_id()))
    asked = _asked(play, gateway, lender, BATCH_GET_SCORES, requests, None)
    play.say(f"call {asked.number}: {lender} asks {len(requests)} at once at gateway {gateway.number}")
    outcome: Reply | Refused
    with play.deeper():
        try:
            outcome = gateway.handlers[BATCH_GET_SCORES](asked.call())
        except Killed:
            return
        except Exception as error:
            outcome = refused(error)
        told(play, gateway, asked, outcome)


def _asked(
    play: Play, gateway: Gateway, lender: str, method: str, requests: Sequence[Any], certificate: int | None
) -> Asked:
    pems = play.ground.certificates[lender]
    pem = pems[play.random.randrange(len(pems)) if certificate is None else certificate]
    asked = Asked(
        number=len(play.calls) + 1,
        method=method,
        lender=lender,
        certificate=pem,
        fingerprint=pki.parse_peer(pem).fingerprint,
        gateway=gateway.number,
        requests=requests,
        body=body_of(requests, is_batch=method == BATCH_GET_SCORES),
        contract_from=len(play.model.stands.lenders[lender].contracts) - 1,
    )
    play.calls[asked.peer] = asked
    return asked


def _consent(play: Play) -> Agreed:
    return play.random.choice(play.drawn.consents)


def _lender(play: Play, consent: Agreed) -> str:
    """Whose consent it is, or a stranger."""
    return consent.lender if play.random.random() < 0.93 else play.random.choice(sorted(play.drawn.contracts))


def told(play: Play, gateway: Gateway, asked: Asked, outcome: Reply | Refused) -> None:
    """A client hears, if its gateway lives."""
    if gateway.is_dead:
        return
    play.say(f"call {asked.number} hears: {outcome.code if isinstance(outcome, Refused) else 'an answer'}")
    for problem in play.hands.told(asked, outcome):
        play.fail(problem)


def hang_up(play: Play) -> None:
    """A client gives up."""
    waiting = [each for each in play.calls.values() if not each.told and not each.is_gone]
    if waiting:
        asked = play.random.choice(waiting)
        asked.is_gone = True
        play.say(f"call {asked.number} hangs up")
        play.count("client gave up")
