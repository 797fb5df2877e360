"""The CAPACITY dimension: how much credit there is, and how much of it was in use. Pure."""

from __future__ import annotations

from scoring.features.feature import Feature, share
from scoring.records import Known, Whole
from scoring.scorecard import Family, Trend


def limit(known: Known) -> Whole:
    """The credit limit in NT dollars."""
    return known.limit


def peak_use(known: Known) -> Whole:
    """The highest bill of the known months as a share of the limit; above 10,000 when over it."""
    return share(known.bill.max(axis=1), known.limit)


FEATURES = (
    Feature(
        name="limit",
        family=Family.CAPACITY,
        trend=Trend.RISING,
        reason_code="C01",
        reason_text="A low credit limit.",
        measure=limit,
    ),
    Feature(
        name="peak_use",
        family=Family.CAPACITY,
        trend=Trend.FALLING,
        reason_code="C02",
        reason_text="Much of the credit limit in use in the month with the highest bill.",
        measure=peak_use,
    ),
)
