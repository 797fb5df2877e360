"""The campaign, small."""

from __future__ import annotations

from scoregate.partner.v1 import consent_pb2
from tests.prove.bisection import bisection
from tests.prove.bisection.joined import matches
from tests.prove.campaign import POSTGRESQL, SQLITE, Stage


def test_no_score_is_narrowed_below_its_cell_and_nobody_is_recognised(stage: Stage) -> None:
    found = list(bisection(stage))

    assert [finding for finding in found if not finding.holds] == []
    assert [finding.store for finding in found] == [SQLITE] * 2 + [POSTGRESQL] * 2


def test_an_entry_that_two_lenders_share_gives_a_person_away() -> None:
    one, other = (consent_pb2.ConsentEvent(consent_id=name * 26, log_index=7) for name in "ab")
    apart = consent_pb2.ConsentEvent(consent_id="c" * 26, log_index=8)
    assert len(matches({"left": {"ann": [one]}, "right": {"bea": [other]}})) == 1
    assert matches({"left": {"ann": [one]}, "right": {"bea": [apart]}}) == []
