"""Isolation, small."""

from __future__ import annotations

import pytest

from tests.prove.campaign import POSTGRESQL, SQLITE, Stage
from tests.prove.isolation import isolation


@pytest.mark.alone
def test_nobodys_trouble_is_his_neighbours(stage: Stage) -> None:
    findings = list(isolation(stage))

    assert [finding.law for finding in findings if not finding.holds] == []
    assert [(finding.store, finding.law.split(maxsplit=3)[:3]) for finding in findings] == [
        (SQLITE, ["One", "poisoned", "call"]),
        (SQLITE, ["6", "concurrent", "twins"]),
        (SQLITE, ["Beside", "a", "flooding"]),
        (SQLITE, ["Beside", "two", "lenders'"]),
        (SQLITE, ["Beside", "an", "engine"]),
        (POSTGRESQL, ["One", "poisoned", "call"]),
        (POSTGRESQL, ["6", "concurrent", "twins"]),
    ]
