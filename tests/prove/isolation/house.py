"""The installation that all of isolation is tried in: two gateways over one store, and a whimsical engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gateway.settings import Settings
from scoregate.words import CalendarUnit
from tests.prove.campaign import Stage
from tests.prove.isolation.engine import Whimsical, whimsical_engine
from tests.prove.stagehands import ENDLESS, GUARDED, OPERATOR, allow, gateways, hang_up, meet, periodic
from tests.world import Partner, World

USES_A_DAY = 1_000


@dataclass(frozen=True, slots=True)
class House:
    """An installation while it runs."""

    settings: Settings
    worlds: Sequence[World]  # one for each gateway
    engine: Whimsical

    def lender(self, partner_id: str, subjects: Sequence[str], **contract: Any) -> tuple[Partner, list[str]]:
        """A new lender of the first gateway, and its consents, one from each of these people."""
        lender = self.worlds[0].partner(partner_id, **(ENDLESS | contract))
        return lender, self.allow(partner_id, subjects)

    def allow(self, partner_id: str, subjects: Sequence[str]) -> list[str]:
        """Consents to a lender, one from each of these people."""
        terms = periodic(USES_A_DAY, CalendarUnit.DAY)
        return allow(self.settings, [(partner_id, subject, terms) for subject in subjects])


@contextmanager
def open_house(stage: Stage, store: str) -> Iterator[House]:
    """Open one on a fresh database."""
    with whimsical_engine(stage, store) as (settings, engine), gateways(settings, [GUARDED] * 2) as started:
        worlds = [meet(settings, gateway) for gateway in started]
        try:
            worlds[0].set_contract(OPERATOR, **ENDLESS)
            yield House(settings, worlds, engine)
        finally:
            for world in worlds:
                hang_up(world)
