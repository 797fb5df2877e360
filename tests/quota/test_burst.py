"""GCRA at its exact boundaries, and against a model that counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.quota.burst import (
    MICROS,
    Admission,
    BurstExceeded,
    ConcurrencyExceeded,
    Limit,
    Verdict,
    decide,
)

LIMITS = st.builds(Limit, st.integers(1, 100_000), st.integers(1, 1_000))


@contextmanager
def admitted(admission: Admission, partner_id: str, limit: Limit) -> Iterator[None]:
    """A call that is under way while the block runs."""
    admission.enter(partner_id, limit)
    try:
        yield
    finally:
        admission.leave(partner_id)


def test_a_rested_key_allows_its_whole_burst_and_not_one_more() -> None:
    limit, arrival = Limit(10, 5), 0
    for left in (4, 3, 2, 1, 0):
        verdict = decide(limit, arrival, MICROS)
        assert (verdict.allowed, verdict.remaining) == (True, left)
        arrival = verdict.arrival_us
    assert not decide(limit, arrival, MICROS).allowed


@pytest.mark.parametrize(
    ("arrival", "verdict"),
    [
        (0, Verdict(True, 1_100_000, 4, 0, 100_000)),
        (1_050_000, Verdict(True, 1_150_000, 3, 0, 150_000)),
        (1_400_000, Verdict(True, 1_500_000, 0, 0, 500_000)),
        (1_400_001, Verdict(False, 1_400_001, 0, 1, 400_001)),
        (1_500_000, Verdict(False, 1_500_000, 0, 100_000, 500_000)),
    ],
)
def test_a_verdict_says_all_of_it(arrival: int, verdict: Verdict) -> None:
    assert decide(Limit(10, 5), arrival, MICROS) == verdict


@given(LIMITS, st.integers(0, 2**50), st.lists(st.integers(0, 5 * MICROS), max_size=50))
def test_waiting_exactly_as_told_is_enough_and_a_microsecond_less_is_not(
    limit: Limit, start: int, gaps: list[int]
) -> None:
    now, arrival = start, 0
    for gap in gaps:
        now += gap
        verdict = decide(limit, arrival, now)
        if not verdict.allowed:
            assert verdict.retry_after_us > 0
            assert decide(limit, arrival, now + verdict.retry_after_us).allowed
            assert not decide(limit, arrival, now + verdict.retry_after_us - 1).allowed
        arrival = verdict.arrival_us


@given(LIMITS, st.lists(st.integers(0, 2 * MICROS), min_size=1, max_size=200))
def test_no_span_of_time_holds_more_calls_than_burst_and_rate_allow(limit: Limit, gaps: list[int]) -> None:
    now, arrival, allowed = 0, 0, []
    for gap in gaps:
        now += gap
        verdict = decide(limit, arrival, now)
        arrival = verdict.arrival_us
        if verdict.allowed:
            allowed.append(now)
    for i, begin in enumerate(allowed):
        for n, end in enumerate(allowed[i:], start=1):
            assert n <= limit.burst_calls + (end - begin) // limit.interval_us


@given(LIMITS, st.integers(0, 2**50), st.integers(0, 2**50))
def test_a_refusal_changes_nothing_and_remaining_is_true(limit: Limit, arrival: int, now: int) -> None:
    verdict = decide(limit, arrival, now)
    if not verdict.allowed:
        assert verdict.arrival_us == arrival
        return
    left, arrival = verdict.remaining, verdict.arrival_us
    for _ in range(min(left, 5)):
        verdict = decide(limit, arrival, now)
        assert verdict.allowed
        arrival = verdict.arrival_us
    if left <= 5:
        assert not decide(limit, arrival, now).allowed


def test_a_clock_that_stands_still_allows_the_burst_once() -> None:
    admission = Admission(max_in_flight=10, monotonic_us=lambda: 1)
    for _ in range(3):
        with admitted(admission, "acme", Limit(1, 3)):
            pass
    with pytest.raises(BurstExceeded, match=r"^BURST_EXCEEDED$") as refused:
        admission.enter("acme", Limit(1, 3))
    assert refused.value.verdict.retry_after_us == MICROS


def test_partners_do_not_share_a_burst() -> None:
    admission = Admission(max_in_flight=10, monotonic_us=lambda: 1)
    with admitted(admission, "acme", Limit(1, 1)), admitted(admission, "rival", Limit(1, 1)):
        pass


def test_calls_under_way_are_bounded_and_given_back() -> None:
    admission = Admission(max_in_flight=2, monotonic_us=lambda: 1)
    limit = Limit(100, 100)
    with admitted(admission, "acme", limit), admitted(admission, "acme", limit):
        with pytest.raises(ConcurrencyExceeded, match=r"^CONCURRENCY_EXCEEDED$") as refused:
            admission.enter("acme", limit)
        assert refused.value.in_flight == 2
        with admitted(admission, "rival", limit):
            pass
    with (
        admitted(admission, "acme", limit),
        admitted(admission, "acme", limit),
        pytest.raises(ConcurrencyExceeded),
    ):
        admission.enter("acme", limit)  # a place given back is one place


def test_a_call_that_fails_gives_its_place_back() -> None:
    admission = Admission(max_in_flight=1, monotonic_us=lambda: 1)
    with pytest.raises(RuntimeError, match="inside"), admitted(admission, "acme", Limit(9, 9)):
        raise RuntimeError("inside")
    with admitted(admission, "acme", Limit(9, 9)):
        pass


def test_a_refused_concurrent_call_spends_no_burst() -> None:
    admission = Admission(max_in_flight=1, monotonic_us=lambda: 1)
    limit = Limit(1, 2)
    with admitted(admission, "acme", limit):
        for _ in range(5):
            with pytest.raises(ConcurrencyExceeded), admitted(admission, "acme", limit):
                pass
    assert admission.look("acme", limit).remaining == 1


def test_a_newcomer_at_the_clocks_very_beginning_has_a_whole_burst() -> None:
    admission = Admission(max_in_flight=9, monotonic_us=lambda: 0)
    assert admission.look("acme", Limit(1, 2)) == Verdict(True, 0, 2, 0, 0)
    assert admission.enter("acme", Limit(1, 2)) == Verdict(True, MICROS, 1, 0, MICROS)


@given(LIMITS, st.lists(st.integers(0, 5 * MICROS), min_size=1, max_size=50))
def test_a_look_tells_what_the_next_call_would_find(limit: Limit, gaps: list[int]) -> None:
    now = 0
    admission = Admission(max_in_flight=99, monotonic_us=lambda: now)
    arrival = 0
    for gap in gaps:
        now += gap
        seen, found = admission.look("acme", limit), decide(limit, arrival, now)
        assert (seen.allowed, seen.retry_after_us) == (found.allowed, found.retry_after_us)
        assert seen.remaining == (found.remaining + 1 if found.allowed else 0)
        assert (seen.arrival_us, seen.full_after_us) == (max(arrival, now), max(0, arrival - now))
        if found.allowed:
            arrival = admission.enter("acme", limit).arrival_us


def test_a_limit_that_was_cut_leaves_nothing_not_less() -> None:
    admission = Admission(max_in_flight=9, monotonic_us=lambda: 1)
    for _ in range(5):
        admission.enter("acme", Limit(1, 5))
    assert admission.look("acme", Limit(1, 2)) == Verdict(False, 5 * MICROS + 1, 0, 4 * MICROS, 5 * MICROS)


def test_threads_together_get_the_burst_and_not_one_more() -> None:
    admission = Admission(max_in_flight=1_000, monotonic_us=lambda: 1)
    barrier = threading.Barrier(16)

    def ask(_: int) -> int:
        barrier.wait(10)
        allowed = 0
        for _ in range(20):
            try:
                with admitted(admission, "acme", Limit(1, 100)):
                    allowed += 1
            except BurstExceeded:
                continue
        return allowed

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 100
