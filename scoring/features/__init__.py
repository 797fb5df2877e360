"""What the scorecard looks at: one file per dimension. Pure.

Every characteristic is a whole number computed from the months known at an epoch, and never from later ones:
a function here is handed those months and nothing else.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.features import capacity, history
from scoring.features.feature import Feature
from scoring.records import Known
from scoring.scorecard import Values

__all__ = ["FEATURES", "Feature", "active_months", "measure"]

FEATURES: tuple[Feature, ...] = (*history.FEATURES, *capacity.FEATURES)


def measure(known: Known) -> Values:
    """The value of every feature for everybody, in the order of FEATURES."""
    return np.stack([each.measure(known) for each in FEATURES], axis=1).astype(np.int32)


def active_months(known: Known) -> NDArray[np.uint8]:
    """How many known months each person used the card in: billed, paid, or a status other than −2."""
    active = (known.bill != 0) | (known.paid != 0) | (known.status != -2)
    months: NDArray[np.uint8] = active.sum(axis=1, dtype=np.uint8)
    return months
