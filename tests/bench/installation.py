"""The installation under load: lenders with consents and quotas that last for the whole run.

Made through the doors of a gateway in this process, which is gone before the measured one starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.founding import OPERATOR
from gateway.gate import STAFF_IN_FLIGHT
from gateway.settings import Settings
from scoregate.admin.v1 import consent_admin_pb2, partner_admin_pb2
from scoregate.client.answers import new_request_id
from scoregate.partner.v1 import consent_pb2, score_pb2, types_pb2
from scoring.service import Engine, Query, Scored
from tests.world import CREDIT, World, new_uuid, open_world, settings_for, terms

LENDERS = ("lender-a", "lender-b", "lender-c", "lender-d")
"""Four, for by default one partner may have 16 calls under way, and the load is 64."""

CONSENTS = 100
"""Of each lender, each for another person."""

FOUR = dict.fromkeys(LENDERS, CONSENTS)

PEOPLE = 30_000
"""As many records as the engine has."""

AT_ONCE = STAFF_IN_FLIGHT
USES_A_DAY = 1_000  # the most that a consent may allow
UNITS = 10_000_000
CALLS_A_SECOND = 100_000
NONCE = "0123456789abcdefghijkl"


@dataclass(frozen=True, slots=True)
class Lender:
    """Who asks: one certificate, one connection."""

    partner_id: str
    certificate: bytes
    key: bytes
    consent_ids: tuple[str, ...]
    subjects: tuple[str, ...] = ()  # whose consents they are; in the same order


@dataclass(frozen=True, slots=True)
class Installation:
    """What the servers and the generator need to know."""

    settings: Settings
    server_ca: bytes
    lenders: tuple[Lender, ...]


def found(
    home: Path,
    engine_folder: Path,
    database_url: str = "",
    lenders: Mapping[str, int] = FOUR,
    people: Sequence[str] = (),
    complains: str = "",
) -> Installation:
    """Found an installation with the default limits, on SQLite unless told otherwise; let people consent.

    ``lenders`` says how many consents each has, each for another person; or for these ``people`` in order.
    ``complains``: a person who has much to say of what is wrong.
    """
    settings = settings_for(home, database_url or f"sqlite:///{home}/ledger.db", engine_folder)
    whose = iter(people or scorable(engine_folder))
    with open_world(settings) as world:
        _hurry(world)
        founded = tuple(
            _lender(world, partner_id, list(islice(whose, count))) for partner_id, count in lenders.items()
        )
        if complains:
            _complain(world, complains)
    return Installation(settings, world.server_ca, founded)


def scorable(engine_folder: Path) -> list[str]:
    """Everybody who has a score."""
    engine = Engine.open(engine_folder)
    queries = [Query(f"uci-{n:05}") for n in range(1, PEOPLE + 1)]
    outcomes = engine.score(queries, as_of=engine.model().latest_epoch)
    return [outcome.subject for outcome in outcomes if isinstance(outcome, Scored)]


def _hurry(world: World) -> None:
    """Let the operator decide as fast as the ledger writes."""
    contract = partner_admin_pb2.Contract(calls_per_second=CALLS_A_SECOND, burst_calls=CALLS_A_SECOND)
    world.partners.SetContract(
        partner_admin_pb2.SetContractRequest(partner_id=OPERATOR, contract=contract, reason="bench")
    )


def _complain(world: World, subject: str) -> None:
    """25 cases, as long as may be and of signs that a page has to spell out; five wait for an answer."""
    for number in range(25):
        reference = world.dispute(subject, words=f"{number:02}".ljust(2_000, "'"))
        if number < 20:
            world.resolve(reference, "'" * 1_000)


def _lender(world: World, partner_id: str, subjects: Sequence[str]) -> Lender:
    partner = world.partner(
        partner_id,
        daily_units=UNITS,
        monthly_units=UNITS,
        calls_per_second=CALLS_A_SECOND,
        burst_calls=CALLS_A_SECOND,
    )
    invitations = _all(partner.consents.CreateConsentInvitation, [invite() for _ in subjects])
    allowed = [
        consent_admin_pb2.AllowInvitationRequest(handle=made.invitation.handle, subject=subject)
        for made, subject in zip(invitations, subjects, strict=True)
    ]
    consents = [answer.consent for answer in _all(world.people.AllowInvitation, allowed)]
    consent_ids = tuple(consent.consent_id for consent in consents)
    return Lender(partner_id, partner.certificate, partner.key, consent_ids, tuple(subjects))


def invite() -> consent_pb2.CreateConsentInvitationRequest:
    """The invitation that everybody gets."""
    often = types_pb2.Frequency(uses=USES_A_DAY, unit="CALENDAR_UNIT_DAY")
    return consent_pb2.CreateConsentInvitationRequest(
        request_id=new_uuid(), terms=terms(mode="CONSENT_MODE_PERIODIC", frequency=often)
    )


def _all(call: Any, requests: Sequence[Any]) -> list[Any]:
    answers: list[Any] = []
    for start in range(0, len(requests), AT_ONCE):
        answers += [f.result() for f in [call.future(r) for r in requests[start : start + AT_ONCE]]]
    return answers


def singles(draw: Iterator[str], count: int) -> list[bytes]:
    """GetScore bodies for the next ``count`` consents, each with a request id of its own."""
    return [_query(consent_id).SerializeToString() for consent_id in islice(draw, count)]


def batches(draw: Iterator[str], count: int, items: int) -> list[bytes]:
    """BatchGetScores bodies of ``items`` each."""
    made = (
        score_pb2.BatchGetScoresRequest(items=[_query(consent_id) for consent_id in islice(draw, items)])
        for _ in range(count)
    )
    return [batch.SerializeToString() for batch in made]


def _query(consent_id: str) -> score_pb2.GetScoreRequest:
    return score_pb2.GetScoreRequest(
        request_id=new_request_id(),  # as the partners' client makes them
        consent_id=consent_id,
        purpose=CREDIT,
        disclosure="DISCLOSURE_SCORE",
        with_reasons=True,
        nonce=NONCE,
    )
