"""The campaigns against the published log, small: each point once, a short race, an older backup."""

from __future__ import annotations

from gateway.audit.tree.steps import Step
from scoregate.witness import durable
from tests.prove.campaign import Stage
from tests.prove.log.crashing import crashing
from tests.prove.log.points import OF_A_WITNESS, OF_THE_LOG, Blow, Room
from tests.prove.log.racing import racing
from tests.prove.log.restoring import GROWN, restoring


def test_whatever_strikes_the_log_nothing_is_lost_and_nothing_forks(stage: Stage) -> None:
    findings = list(crashing(stage))

    assert [finding.store for finding in findings] == ["sqlite", "postgresql", ""]
    for finding in findings:
        assert finding.holds, finding
    struck = {name for finding in findings for name in finding.outcomes}
    for spot in (*OF_THE_LOG, *OF_A_WITNESS):
        here = {blow for blow in Blow if f"{blow}, {spot}" in struck}
        assert (Blow.KILL in here) == (Blow.KILL in spot.blows), spot
        assert len(here - {Blow.KILL}) == (Blow.FULL in spot.blows), spot


def test_replicas_publish_one_history(stage: Stage) -> None:
    [finding] = racing(stage)

    assert finding.holds, finding


def test_an_older_backup_is_refused_until_an_operator_has_looked(stage: Stage) -> None:
    findings = list(restoring(stage))

    assert [finding.store for finding in findings] == ["sqlite", "postgresql"]
    for finding in findings:
        assert finding.holds, finding
    assert [GROWN in finding.outcomes for finding in findings] == [False, True]


def test_every_step_that_is_named_is_struck() -> None:
    named = {spot.at for spot in (*OF_THE_LOG, *OF_A_WITNESS)}
    assert set(Step) <= named
    # What a witness puts on record is not on the log's way: tests/witness strikes there.
    assert set(durable.Step) - named == {durable.Step.REFUSED, durable.Step.FILED, durable.Step.RECORDED}


def test_each_blow_falls_in_each_room() -> None:
    for room in Room:
        spots = [spot for spot in (*OF_THE_LOG, *OF_A_WITNESS) if spot.room is room]
        assert {blow for spot in spots for blow in spot.blows} == set(Blow)
