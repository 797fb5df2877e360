"""Hostile HTTP/2, small."""

from __future__ import annotations

import pytest

from tests.prove.campaign import Stage
from tests.prove.hostile_http2 import hostile_http2


@pytest.mark.alone
def test_whoever_abuses_http2_harms_nobody_else(stage: Stage) -> None:
    lender, process = hostile_http2(stage)

    assert lender.holds, lender
    assert process.holds, process
    assert "p99" in lender.law
    assert "neither grows nor dies" in process.law
