"""The crashes campaign, small: each point on one store, a moment at random, and the arm that must fail."""

from __future__ import annotations

import pytest

from tests.prove.campaign import POSTGRESQL, SQLITE, Stage
from tests.prove.crashes import crashes
from tests.prove.crashes.driver import act_of
from tests.prove.crashes.points import POINTS, Errand


def test_a_killed_gateway_loses_no_answer_and_counts_none_twice(stage: Stage) -> None:
    findings = list(crashes(stage))

    assert [finding.store for finding in findings] == [SQLITE, POSTGRESQL]
    for finding in findings:
        assert finding.holds, finding
    struck = {name for finding in findings for name in finding.outcomes}
    assert {point.name for point in POINTS if point.errand is not Errand.SWEEP} <= struck


@pytest.mark.parametrize("store", [SQLITE, POSTGRESQL])
def test_there_are_a_dozen_points_and_more_on_each_store(store: str) -> None:
    assert len([point for point in POINTS if store in point.stores]) >= 12


@pytest.mark.parametrize(
    ("statement", "act"),
    [
        ("BEGIN IMMEDIATE", "LOCK"),
        ("SELECT log_head.size \nFROM log_head \nWHERE log_head.id = %(id)s::INTEGER FOR UPDATE", "LOCK"),
        ("SELECT size FROM log_head", "SELECT"),
        ("INSERT INTO entries (leaf_index, leaf) VALUES (?, ?)", "INSERT entries"),
        ('insert or ignore into "entries" values (?, ?)', "INSERT entries"),
        ("UPDATE log_head SET size=? WHERE log_head.id = ?", "UPDATE log_head"),
        ("DELETE FROM answers WHERE answer_key IN (SELECT answer_key FROM grants)", "DELETE answers"),
        ("COMMIT", "COMMIT"),
    ],
)
def test_both_stores_say_the_same_of_an_act(statement: str, act: str) -> None:
    assert act_of(statement) == act
