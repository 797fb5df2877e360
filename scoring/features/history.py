"""The HISTORY dimension: how the card was repaid in the months known. Pure.

A status of n ≥ 1 means n months behind. Below that (0 revolving, −1 paid in full, −2 unused) nobody is
behind, and the three count alike: none of them is worse conduct than another.
"""

from __future__ import annotations

import numpy as np

from scoring.features.feature import Feature, count, missing, share
from scoring.records import Known, Whole
from scoring.scorecard import Family, Trend


def behind_now(known: Known) -> Whole:
    """Months behind in the newest month."""
    return np.maximum(known.status[:, 0], 0)


def behind_before(known: Known) -> Whole:
    """The most months behind, two months before the newest or earlier. MISSING while none is known."""
    earlier = known.status[:, 2:]
    return np.maximum(earlier.max(axis=1), 0) if earlier.shape[1] else missing(known)


def late_share(known: Known) -> Whole:
    """The share of known months that ended behind."""
    return share(count(known.status >= 1), known.status.shape[1])


def paid_now(known: Known) -> Whole:
    """What was paid in the newest month, in NT dollars."""
    return known.paid[:, 0]


def paid_before(known: Known) -> Whole:
    """The mean paid a month before the newest, in NT dollars, rounded down. MISSING while none is known."""
    earlier = known.paid[:, 1:]
    return earlier.sum(axis=1) // earlier.shape[1] if earlier.shape[1] else missing(known)


def unpaid_share(known: Known) -> Whole:
    """The share of known months without any payment."""
    return share(count(known.paid == 0), known.paid.shape[1])


FEATURES = (
    Feature(
        name="behind_now",
        family=Family.HISTORY,
        trend=Trend.FALLING,
        reason_code="H01",
        reason_text="Behind with payments at the end of the latest month on record.",
        measure=behind_now,
    ),
    Feature(
        name="behind_before",
        family=Family.HISTORY,
        trend=Trend.FALLING,
        reason_code="H02",
        reason_text="Far behind with payments at some time before the two latest months on record.",
        measure=behind_before,
    ),
    Feature(
        name="late_share",
        family=Family.HISTORY,
        trend=Trend.FALLING,
        reason_code="H03",
        reason_text="Behind with payments in one or more of all the months on record.",
        measure=late_share,
    ),
    Feature(
        name="paid_now",
        family=Family.HISTORY,
        trend=Trend.RISING,
        reason_code="H04",
        reason_text="A small payment, or none, in the latest month on record.",
        measure=paid_now,
    ),
    Feature(
        name="paid_before",
        family=Family.HISTORY,
        trend=Trend.RISING,
        reason_code="H05",
        reason_text="Payments that were small on average in the months before the latest on record.",
        measure=paid_before,
    ),
    Feature(
        name="unpaid_share",
        family=Family.HISTORY,
        trend=Trend.FALLING,
        reason_code="H06",
        reason_text="No payment in one or more of all the months on record.",
        measure=unpaid_share,
    ),
)
