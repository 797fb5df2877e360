"""The campaign, small."""

from __future__ import annotations

from tests.prove.bisection import bisection
from tests.prove.campaign import POSTGRESQL, SQLITE, Stage


def test_no_score_is_narrowed_below_its_cell_and_nobody_is_recognised(stage: Stage) -> None:
    found = list(bisection(stage))

    assert [finding for finding in found if not finding.holds] == []
    assert [finding.store for finding in found] == [SQLITE] * 2 + [POSTGRESQL] * 2
