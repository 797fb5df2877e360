"""What a seed decides before anything happens: the world, and how much goes wrong in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from gateway.quota.contract import Contract
from tests.prove.simulation.ground import FOUNDED, KINDS, LENDERS, THRESHOLDS, Agreed, Ground

ZONES = (
    "UTC",
    "America/Santiago",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Europe/London",
    "Australia/Lord_Howe",
)
OFTEN, SELDOM, NEVER = 1.0, 0.3, 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """How likely each kind of trouble is, where it can happen."""

    interleave: float  # something else happens before a statement
    statement: float  # a statement fails
    commit: float  # COMMIT fails
    kill: float  # the gateway is killed at a statement or at COMMIT
    engine: float  # the engine answers otherwise than well
    lost: float  # planted: a COMMIT that was acknowledged is lost


@dataclass(frozen=True, slots=True)
class Drawn:
    """One seed's world."""

    gateways: int
    max_waiting: int  # for a gateway's ledger
    consents: Sequence[Agreed]
    contracts: dict[str, Contract]
    begins: datetime
    skews: Sequence[timedelta]
    is_near: Sequence[bool]
    trouble: Trouble


def contract(random: Random) -> Contract:
    """A small one."""
    return Contract(
        time_zone=random.choice(ZONES),
        daily_units=random.choice((1, 2, 3, 5, 50)),
        monthly_units=random.choice((2, 4, 6, 60)),
        calls_per_second=1_000,
        burst_calls=random.choice((12, 1_000, 1_000)),
        thresholds=tuple(sorted(random.sample(THRESHOLDS, random.randint(1, 3)))),
        charge_not_scored=random.random() < 0.3,
    )


def draw(random: Random, ground: Ground, *, lost: float) -> Drawn:
    """This seed's world."""
    lenders = random.sample(LENDERS, random.choice((1, 2, 2, 3)))
    kinds = random.sample(list(KINDS), random.choice((1, 2, 2, 3)))
    consents = [each for each in ground.consents if each.lender in lenders and _kind(each) in kinds]
    gateways = random.choice((1, 1, 2, 2, 3))

    def some(most: float) -> float:
        return most * random.choice((NEVER, SELDOM, OFTEN))

    return Drawn(
        gateways=gateways,
        max_waiting=random.choice((4, 24, 24)),
        consents=consents,
        contracts={lender: contract(random) for lender in LENDERS},
        begins=_begins(random, consents),
        skews=[timedelta(milliseconds=random.choice((0, 0, 40, -700, 90_000))) for _ in range(gateways)],
        is_near=[random.random() < 0.6 for _ in range(gateways)],
        trouble=Trouble(
            interleave=random.choice((0.0, 0.03, 0.1, 0.2)),
            statement=some(0.02),
            commit=some(0.15),
            kill=some(0.01),
            engine=some(0.3),
            lost=lost,
        ),
    )


def _kind(consent: Agreed) -> str:
    return consent.name.partition("'s ")[2].rpartition(" by ")[0]


def _begins(random: Random, consents: Sequence[Agreed]) -> datetime:
    """Soon after the founding, or shortly before something ends."""
    consent = random.choice(consents)
    soon = timedelta(seconds=random.randint(1, 3_000))
    near = random.choice(
        (FOUNDED, FOUNDED, consent.begins - soon, consent.ends - soon, midnight(random, FOUNDED))
    )
    return max(FOUNDED + timedelta(minutes=1), near + soon / 2)


def midnight(random: Random, at: datetime) -> datetime:
    """Shortly before the end of a day of some zone's."""
    hours = random.choice((0, 3, 4, 10, 18.25, 13, 13.5, 23, 24 + 23, 4 * 24))
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    found = day + timedelta(hours=hours) - timedelta(seconds=random.randint(1, 20))
    return found if found > at else found + timedelta(days=1)
