"""Lenders whose contract or grant has so many units or uses in a period of some zone's calendar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from scoregate.audit.v1 import leaf_pb2
from scoregate.words import CalendarUnit
from tests.prove.campaign import Stage
from tests.prove.quota.calendar import period
from tests.prove.stagehands import ENDLESS, allow, people, periodic
from tests.world import Partner, World

D, W, M, Y = CalendarUnit
ENDLESSLY = periodic(1_000_000, Y)
OFTEN = "CONSENT_FREQUENCY_EXHAUSTED"


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A contract, or a grant, that is limited by a calendar."""

    places: Sequence[Partner]  # its lender, at every gateway
    consent_id: str
    zone: str  # whose calendar it should be
    meter: str  # the zone of the contract
    unit: CalendarUnit
    limit: int  # in a period
    refusal: str

    @property
    def lender(self) -> str:
        """Who asks."""
        return self.places[0].partner_id

    def charged_wrong(self, entry: leaf_pb2.Leaf, at: datetime) -> Iterator[str]:
        """A line if the entry of an answer at ``at`` names other periods than those of its instant."""
        due = [period(D, at, self.meter), period(M, at, self.meter)]
        if list(entry.quota_periods) != due:
            charged = list(entry.quota_periods)
            yield f"{self.lender} at {at.isoformat()}: charged to {charged}, where {due} were due"


def single_uses(
    stage: Stage, worlds: Sequence[World], zones: Sequence[str], name: str, *, made_out: str = ""
) -> list[Way]:
    """For each zone a lender by the day, one by the month, and one with a grant for each unit.

    Each has a single use in a period, and asks one of the gateways. ``made_out`` is another zone than it
    should be.
    """
    found = []
    for n, (zone, subject) in enumerate(zip(zones, people(stage.engine_folder, len(zones)), strict=True)):
        at = [worlds[n % len(worlds)]]
        for unit in (D, M):
            found.append(_by_contract(at, f"{name}-{unit}-{n}".lower(), subject, zone, made_out, unit, 1))
        found += _by_grants(at, f"{name}-grants-{n}", subject, zone, made_out, tuple(CalendarUnit), 1)
    return found


def several_uses(stage: Stage, worlds: Sequence[World], zones: Sequence[str], limit: int) -> list[Way]:
    """For each zone a lender by the day, one by the month, and one with a daily grant, at every gateway."""
    found = []
    for n, (zone, subject) in enumerate(zip(zones, people(stage.engine_folder, len(zones)), strict=True)):
        for unit in (D, M):
            found.append(_by_contract(worlds, f"rush-{unit}-{n}".lower(), subject, zone, "", unit, limit))
        found += _by_grants(worlds, f"rush-grant-{n}", subject, zone, "", (D,), limit)
    return found


def _by_contract(
    worlds: Sequence[World], name: str, subject: str, zone: str, made_out: str, unit: CalendarUnit, limit: int
) -> Way:
    field, refusal = {D: ("daily_units", "DAILY"), M: ("monthly_units", "MONTHLY")}[unit]
    places = _places(worlds, name, **{field: limit, "time_zone": made_out or zone})
    [consent_id] = allow(worlds[0].settings, [(name, subject, ENDLESSLY)])
    return Way(places, consent_id, zone, zone, unit, limit, f"{refusal}_QUOTA_EXHAUSTED")


def _by_grants(
    worlds: Sequence[World],
    name: str,
    subject: str,
    zone: str,
    made_out: str,
    units: Sequence[CalendarUnit],
    limit: int,
) -> Iterator[Way]:
    places = _places(worlds, name)
    wanted = [(name, subject, periodic(limit, unit, made_out or zone)) for unit in units]
    for unit, consent_id in zip(units, allow(worlds[0].settings, wanted), strict=True):
        yield Way(places, consent_id, zone, "UTC", unit, limit, OFTEN)


def _places(worlds: Sequence[World], name: str, **contract: int | str) -> list[Partner]:
    lender = worlds[0].partner(name, **(ENDLESS | contract))
    lender.channel.close()
    return [lender.at(world) for world in worlds]
