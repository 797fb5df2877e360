"""Strangers, small; and what the campaign looks with: ranks, and needles in every encoding."""

from __future__ import annotations

import base64
import hashlib
import json
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journey.contract import METHODS
from tests.prove.campaign import SQLITE, Stage
from tests.prove.strangers import strangers
from tests.prove.strangers.methods import ids_of
from tests.prove.strangers.needles import Needles
from tests.prove.strangers.timing import Latencies, rank_sum

SECRET = "Zoë Kanari3f9a1c07b2de, +49 30 555012345"


@pytest.mark.alone
def test_a_stranger_can_tell_nothing(stage: Stage) -> None:
    findings = list(strangers(stage))

    assert [(finding.law, finding.evidence) for finding in findings if not finding.holds] == []
    assert [(finding.store, finding.law.split(maxsplit=2)[:2]) for finding in findings] == [
        (SQLITE, ["No", "status,"]),
        (SQLITE, ["By", "how"]),
        (SQLITE, ["No", "line,"]),
    ]


def test_it_is_known_of_every_text_of_every_method_whether_it_names_anything() -> None:
    assert all(ids_of(method) for method in METHODS)


def test_latencies_that_are_alike_tell_nothing_and_others_do() -> None:
    chance = Random(1)  # noqa: S311
    some, others = ([chance.gauss(1_500, 100) for _ in range(2_000)] for _ in range(2))
    assert not Latencies(some, others).tells(0.55)
    assert Latencies(some, [each + 30 for each in others]).tells(0.55)
    assert Latencies([each + 30 for each in some], others).tells(0.55)


def test_a_difference_that_drift_hides_is_seen_pair_by_pair() -> None:
    drift = Random(1)  # noqa: S311
    slow = [drift.uniform(0, 10_000) for _ in range(1_000)]
    found = Latencies([each + 5 for each in slow], slow)
    assert found.auc < 0.55
    assert found.auc_pairs == 1


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_ranks_count_what_comparing_all_counts(first: list[int], second: list[int]) -> None:
    wins = sum((a > b) + (a == b) / 2 for a in first for b in second)
    assert rank_sum(first, second) == pytest.approx(wins / (len(first) * len(second)))


@pytest.mark.parametrize(
    "hay",
    [
        SECRET.encode(),
        json.dumps({"who": SECRET}).encode(),
        repr({"who": SECRET}).encode(),
        f"{ {SECRET.encode()} }".encode(),
        quote(f"?who={SECRET}").encode(),
        SECRET.encode().hex().encode(),
        hashlib.sha256(SECRET.encode()).digest(),
        hashlib.sha256(SECRET.encode()).hexdigest().upper().encode(),
        base64.b64encode(hashlib.sha256(SECRET.encode()).digest()),
        *(base64.urlsafe_b64encode(b"x" * before + SECRET.encode() + b"yz") for before in range(6)),
    ],
)
def test_a_needle_is_found_however_it_is_encoded(hay: bytes) -> None:
    needles = Needles()
    needles.add("who", SECRET)
    assert list(needles.found_in(b"[" + hay + b"]"))


def test_what_is_not_there_is_not_found() -> None:
    needles = Needles()
    needles.add("who", SECRET)
    almost = SECRET.replace("b2de", "b2df").encode() + Random(1).randbytes(100_000)  # noqa: S311
    assert list(needles.found_in(almost)) == []
    with pytest.raises(ValueError, match="too short"):
        needles.add("who", "Zoë")
