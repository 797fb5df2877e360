"""Which thresholds there may be, and what an answer in cells rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.quota.contract import Contract
from scoregate.words import Disclosure
from scoring.service import Scored

CELL = 50
LOWEST, HIGHEST = 400, 900
MOST = 3

TOLD_AS_CELL = frozenset({Disclosure.BAND, Disclosure.THRESHOLD})
"""Bands begin at multiples of 50, so each is whole cells."""


class ThresholdNotRegistered(Exception):
    """The contract does not list it."""

    reason = "THRESHOLD_NOT_REGISTERED"


class ThresholdsFixed(Exception):
    """This year's change was made; ``again`` says when the next may be."""

    def __init__(self, registered: Registered, again: datetime) -> None:
        super().__init__()
        self.registered = registered
        self.again = again


class TooManyThresholds(Exception):
    """All partners of the legal entity together would list more than three."""

    def __init__(self, thresholds: frozenset[int]) -> None:
        super().__init__()
        self.thresholds = thresholds


@dataclass(frozen=True, slots=True)
class Registered:
    """The thresholds of one legal entity."""

    thresholds: frozenset[int] = frozenset()
    changed_at: datetime | None = None  # None: it has never had any

    def listing(self, wanted: Iterable[int], others: Iterable[int], *, now: datetime) -> Registered:
        """What is registered once a contract lists ``wanted`` beside ``others`` of the same legal entity.

        To list fewer changes nothing: what was registered this year stays so, and may be listed again.

        Raises:
            TooManyThresholds: More than three together.
            ThresholdsFixed: One of them is new, and the last change is less than a year old.
        """
        asked = frozenset(wanted)
        if asked <= self.thresholds:
            return self
        together = asked | frozenset(others)
        if len(together) > MOST:
            raise TooManyThresholds(together)
        if self.changed_at is not None and now < (again := year_after(self.changed_at)):
            raise ThresholdsFixed(self, again)
        return Registered(together, now)


def year_after(instant: datetime) -> datetime:
    """The same instant of the next year; of 29 February, 1 March."""
    try:
        return instant.replace(year=instant.year + 1)
    except ValueError:
        return instant.replace(year=instant.year + 1, month=3, day=1)


def is_threshold(points: int) -> bool:
    """Whether it may be a threshold at all."""
    return LOWEST <= points <= HIGHEST and points % CELL == 0


def require_listed(threshold: int | None, contract: Contract) -> None:
    """Return only if the contract lists it, or none is asked about.

    Raises:
        ThresholdNotRegistered: It does not.
    """
    if threshold is not None and threshold not in contract.thresholds:
        raise ThresholdNotRegistered


def in_its_cell(outcome: Scored) -> Scored:
    """The same outcome with the lowest score of its cell: every threshold and band says the same of both."""
    return replace(outcome, score=min(outcome.score // CELL * CELL, HIGHEST))
