"""The campaign, small."""

from __future__ import annotations

import pytest

from tests.prove.campaign import POSTGRESQL, SQLITE, Stage
from tests.prove.revocation import revocation


@pytest.mark.alone
def test_what_was_ended_gives_no_score_any_more_on_either_store(stage: Stage) -> None:
    found = list(revocation(stage))

    assert [finding for finding in found if not finding.holds] == []
    assert [finding.store for finding in found] == [SQLITE] * 2 + [POSTGRESQL] * 3
