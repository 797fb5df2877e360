"""The campaign, small."""

from __future__ import annotations

from scoregate.partner.v1 import consent_pb2
from tests.prove.bisection import bisection
from tests.prove.bisection.joined import matches
from tests.prove.campaign import POSTGRESQL, SQLITE, Stage


def test_no_score_is_narrowed_below_its_cell_and_nobody_is_recognised(stage: Stage) -> None:
    found = list(bisection(stage))

    assert [finding for finding in found if not finding.holds] == []
    assert [finding.store for finding in found] == [SQLITE] * 3 + [POSTGRESQL] * 3


def test_what_two_lenders_share_gives_a_person_away() -> None:
    one, other, apart = (
        consent_pb2.ConsentEvent(consent_id=name * 26, log_index=index, time={"seconds": seconds})
        for name, index, seconds in (("a", 7, 0), ("b", 7, 60), ("c", 8, 0))
    )
    (by_entry,) = matches({"left": {"ann": [one]}, "right": {"bea": [other]}})
    assert "the log's entry 7" in by_entry
    (by_instant,) = matches({"left": {"ann": [one]}, "right": {"bea": [apart]}})
    assert "the instant 1970" in by_instant
    assert matches({"left": {"ann": [other]}, "right": {"bea": [apart]}}) == []
