"""What a gateway's callers are about when it is struck, as questions and acts of the operator."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc

from scoregate.partner.v1 import consent_pb2
from scoregate.words import CalendarUnit
from tests.prove.crashes.house import LENDER, House
from tests.prove.crashes.points import Errand
from tests.prove.crashes.traffic import Question, Traffic, batch, one
from tests.prove.stagehands import ONE_TIME, allow, periodic
from tests.world import Partner, World

MOST_USES = 1_000  # of a grant in a day
LASTING, SINGLE = 3, 6
"""Grants that one life takes at most: those that last, and those for one answer."""

BATCH_ITEMS = 120  # more than two chunks
WARM = 12
"""Answers before the operator's change begins."""

PAUSE_SECONDS = 0.25
"""Between queries of one who only waits for a sweep."""


@dataclass
class Supply:
    """Consents for a whole chain, all given before the first blow."""

    lasting: list[str]
    single: list[str]

    @classmethod
    def for_lives(cls, count: int, house: House, subjects: Sequence[str]) -> Supply:
        """For so many lives."""
        lasting = periodic(MOST_USES, CalendarUnit.DAY)
        wanted = [lasting] * (LASTING * count) + [ONE_TIME] * (SINGLE * count)
        made = allow(
            house.settings, [(LENDER, subjects[i % len(subjects)], each) for i, each in enumerate(wanted)]
        )
        return cls(made[: LASTING * count], made[LASTING * count :])


@dataclass
class Trial:
    """One life: what was asked in it, and what the operator was told. The next life's gateway judges it."""

    label: str
    errand: Errand
    traffic: Traffic | None = None
    rivals: list[list[Question]] = field(default_factory=list)  # for each one-time grant
    consent: str = ""  # that a revocation ends
    key: str = ""  # that signed before its turn
    acknowledged: bool = False  # the operator's change


def begin(trial: Trial, lender: Partner, supply: Supply, chance: random.Random) -> Traffic:
    """The traffic of an errand, not flowing yet."""
    lasting = [supply.lasting.pop() for _ in range(LASTING)]
    trial.consent = lasting[0]
    draw: Callable[[random.Random], Question]
    if trial.errand is Errand.BATCH:
        draw = lambda _: batch([lender.query(lasting[0]) for _ in range(BATCH_ITEMS)])  # noqa: E731
    elif trial.errand is Errand.SWEEP:
        pause = threading.Event()

        def draw(_: random.Random) -> Question:
            pause.wait(PAUSE_SECONDS)
            return one(lender.query(lasting[0]))
    elif trial.errand is Errand.REVOCATION:
        draw = lambda _: one(lender.query(lasting[0]))  # noqa: E731
    else:
        for consent in [supply.single.pop() for _ in range(SINGLE)]:
            trial.rivals.append([one(lender.query(consent)) for _ in range(2)])
        waiting = [question for pair in trial.rivals for question in pair]
        draw = lambda chance: _any(lender, lasting, waiting, chance)  # noqa: E731
    # One who is alone holds nothing but first answers: what the control arm loses is seen each time.
    trial.traffic = Traffic(lender, draw, chance, replays=0.0 if trial.errand is Errand.ALONE else 0.1)
    return trial.traffic


def _any(lender: Partner, lasting: list[str], waiting: list[Question], chance: random.Random) -> Question:
    if waiting and chance.random() < 0.5:
        return waiting.pop()  # rivals come one after the other, and so together
    consent = chance.choice(lasting)
    query = lender.threshold_query if chance.random() < 0.2 else lender.query
    return one(query(consent_pb2.Consent(consent_id=consent)))


def change(trial: Trial, world: World) -> None:
    """The operator's change; whether he was told that it is done is kept."""
    try:
        if trial.errand is Errand.REVOCATION:
            world.change(consent_pb2.Consent(consent_id=trial.consent), "REVOKE")
        else:
            world.rotate_keys()
    except grpc.RpcError:
        return
    trial.acknowledged = True
