"""Terms that people in tests agree to, as the consent room has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from consent.grant import Frequency, Terms
from scoregate.words import ConsentMode, Disclosure, Purpose

ONE_TIME = Terms(
    purpose=Purpose.CREDIT_APPLICATION,
    disclosures=frozenset({Disclosure.SCORE, Disclosure.BAND}),
    mode=ConsentMode.ONE_TIME,
    not_before=None,
    valid_for=timedelta(days=30),
    frequency=None,
    time_zone="UTC",
    data_life=timedelta(days=90),
    excluded_families=frozenset(),
)


def periodic(uses: int, unit: Any, time_zone: str = "UTC", *, like: Terms = ONE_TIME) -> Terms:
    """At most so many uses in each calendar unit."""
    frequency = Frequency(uses, unit)
    return replace(like, mode=ConsentMode.PERIODIC, frequency=frequency, time_zone=time_zone)
