"""The consent decision, clause by clause, at its exact boundaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.grant import (
    MOVES,
    Ask,
    Change,
    ConsentDenied,
    Frequency,
    Grant,
    MoveRefused,
    Standing,
    State,
    Terms,
    period_of,
    window,
)
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, Mark, Purpose

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LEAF = 7  # of the answer that used the grant up, where one did
TERMS = Terms(
    purpose=Purpose.CREDIT_APPLICATION,
    disclosures=frozenset({Disclosure.SCORE, Disclosure.REASONS}),
    mode=ConsentMode.PERIODIC,
    not_before=None,
    valid_for=timedelta(days=30),
    frequency=Frequency(2, CalendarUnit.DAY),
    time_zone="Asia/Shanghai",
    data_life=timedelta(days=90),
    excluded_families=frozenset(),
)
GRANT = Grant(
    consent_id="c" * 26,
    partner_id="acme",
    subject="uci-00001",
    subject_ref="s1-acme-one",
    terms=TERMS,
    sha256=bytes(32),
    granted_at=NOON,
    not_before=NOON,
    expires_at=NOON + timedelta(days=30),
    state=State.ACTIVE,
    consumed_by=LEAF,
)
ASK = Ask("acme", Purpose.CREDIT_APPLICATION, Disclosure.SCORE, True, "s1-acme-one")


def denial(grant: Grant, ask: Ask = ASK, *, now: datetime = NOON, uses: int = 0, replay: bool = False) -> str:
    """Why the ask is refused; empty when it is covered."""
    try:
        used = replace(grant, used_in=grant.period_at(now), uses=uses)
        used.require(ask, now=now, replay_of=LEAF if replay else None)
    except ConsentDenied as denied:
        return denied.reason
    return ""


def test_what_the_person_agreed_to_is_covered() -> None:
    assert denial(GRANT) == ""
    assert denial(GRANT, replace(ASK, subject_ref="")) == ""


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (replace(ASK, partner_id="rival"), "CONSENT_NOT_USABLE"),
        (replace(ASK, subject_ref="s1-acme-two"), "CONSENT_NOT_USABLE"),
        (replace(ASK, purpose=Purpose.COLLECTION), "CONSENT_PURPOSE_MISMATCH"),
        (replace(ASK, disclosure=Disclosure.BAND), "CONSENT_DISCLOSURE_NOT_ALLOWED"),
        (replace(ASK, disclosure=Disclosure.THRESHOLD), "CONSENT_DISCLOSURE_NOT_ALLOWED"),
    ],
)
def test_anything_else_is_refused(ask: Ask, reason: str) -> None:
    assert denial(GRANT, ask) == reason


def test_reasons_need_a_consent_of_their_own() -> None:
    silent = replace(GRANT, terms=replace(TERMS, disclosures=frozenset({Disclosure.SCORE})))
    assert denial(silent, replace(ASK, with_reasons=False)) == ""
    assert denial(silent) == "CONSENT_DISCLOSURE_NOT_ALLOWED"


def test_the_window_holds_from_its_first_instant_and_is_dead_at_its_last() -> None:
    later = replace(GRANT, not_before=NOON + timedelta(days=1))
    assert denial(later, now=later.not_before - TICK) == "CONSENT_NOT_YET_VALID"
    assert denial(later, now=later.not_before) == ""
    assert denial(GRANT, now=GRANT.expires_at - TICK) == ""
    assert denial(GRANT, now=GRANT.expires_at) == "CONSENT_EXPIRED"


@pytest.mark.parametrize("state", [State.PAUSED, State.REVOKED, State.CONSUMED, State.EXPIRED])
def test_only_an_active_grant_covers_anything(state: State) -> None:
    assert denial(replace(GRANT, state=state)) == f"CONSENT_{state}"


def test_a_replay_passes_the_use_that_paid_for_it_and_nothing_else() -> None:
    assert denial(replace(GRANT, state=State.CONSUMED), replay=True) == ""
    assert denial(GRANT, uses=2, replay=True) == ""
    for state in (State.PAUSED, State.REVOKED):
        assert denial(replace(GRANT, state=state), replay=True) == f"CONSENT_{state}"
    consumed = replace(GRANT, state=State.CONSUMED)
    assert denial(replace(consumed, consumed_by=LEAF + 1), replay=True) == "CONSENT_CONSUMED"
    assert denial(consumed, now=GRANT.expires_at, replay=True) == "CONSENT_EXPIRED"
    assert denial(replace(consumed, frozen_at=NOON), replay=True) == "SUBJECT_FROZEN"


@pytest.mark.parametrize(("uses", "reason"), [(0, ""), (1, ""), (2, "CONSENT_FREQUENCY_EXHAUSTED")])
def test_the_agreed_frequency_is_a_bound(uses: int, reason: str) -> None:
    assert denial(GRANT, uses=uses) == reason


def test_a_freeze_stops_everything_but_a_review_agreed_before_it() -> None:
    review = replace(GRANT, terms=replace(TERMS, purpose=Purpose.ACCOUNT_REVIEW))
    ask = replace(ASK, purpose=Purpose.ACCOUNT_REVIEW)
    assert denial(replace(GRANT, frozen_at=NOON + TICK)) == "SUBJECT_FROZEN"
    assert denial(replace(review, frozen_at=NOON + TICK), ask) == ""
    assert denial(replace(review, frozen_at=NOON), ask) == "SUBJECT_FROZEN"


def test_a_freeze_that_was_lifted_for_one_grant_lets_it_pass_and_the_next_does_not() -> None:
    lifted = replace(GRANT, granted_at=NOON, lifts=NOON - TICK, frozen_at=NOON - TICK)
    assert denial(lifted) == ""
    assert denial(replace(lifted, frozen_at=NOON + TICK)) == "SUBJECT_FROZEN"
    assert denial(replace(lifted, frozen_at=None)) == ""
    assert denial(replace(lifted, lifts=None)) == "SUBJECT_FROZEN"


@pytest.mark.parametrize("purpose", list(Purpose))
def test_one_purpose_alone_passes_a_freeze(purpose: Purpose) -> None:
    grant = replace(GRANT, terms=replace(TERMS, purpose=purpose), frozen_at=NOON + TICK)
    passes = purpose is Purpose.ACCOUNT_REVIEW
    assert denial(grant, replace(ASK, purpose=purpose)) == ("" if passes else "SUBJECT_FROZEN")


@pytest.mark.parametrize(
    ("agreed", "line", "passes"),
    [
        ((500, 600), 500, True),
        ((500, 600), 600, True),
        ((500, 600), 550, False),
        ((500,), None, True),
        ((), 550, False),  # the lender had none
        (None, 550, True),  # from before lines were kept
    ],
)
def test_yes_or_no_is_told_at_the_lines_that_the_person_read(
    agreed: tuple[int, ...] | None, line: int | None, *, passes: bool
) -> None:
    grant = replace(GRANT, terms=replace(TERMS, thresholds=agreed))
    if passes:
        grant.require_line(line)
    else:
        with pytest.raises(ConsentDenied, match=r"^CONSENT_DISCLOSURE_NOT_ALLOWED$"):
            grant.require_line(line)


def test_a_stranger_learns_nothing_from_the_state() -> None:
    for state in State:
        stranger = replace(ASK, partner_id="rival", purpose=Purpose.COLLECTION)
        assert denial(replace(GRANT, state=state, frozen_at=NOON), stranger) == "CONSENT_NOT_USABLE"


def test_these_moves_are_drawn() -> None:
    active, paused, revoked = State.ACTIVE, State.PAUSED, State.REVOKED
    assert {
        (active, Change.PAUSE): paused,
        (paused, Change.RESUME): active,
        **{(state, Change.REVOKE): revoked for state in (active, paused, State.CONSUMED)},
    } == MOVES


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("change", list(Change))
def test_only_the_drawn_moves_are_possible(state: State, change: Change) -> None:
    grant = replace(GRANT, state=state)
    if (state, change) in MOVES:
        assert grant.moved(change, now=NOON) == MOVES[state, change]
    else:
        told = f"^a consent that is {state} can't be changed by {change}$"
        with pytest.raises(MoveRefused, match=told) as refused:
            grant.moved(change, now=NOON)
        assert (refused.value.state, refused.value.change) == (state, change)


@pytest.mark.parametrize("state", [State.ACTIVE, State.PAUSED])
def test_an_expired_grant_can_not_be_changed_any_more(state: State) -> None:
    for change in Change:
        with pytest.raises(MoveRefused):
            replace(GRANT, state=state).moved(change, now=GRANT.expires_at)


@given(
    state=st.sampled_from(State),
    purpose=st.sampled_from(Purpose),
    disclosure=st.sampled_from([Disclosure.SCORE, Disclosure.BAND, Disclosure.THRESHOLD]),
    reasons=st.booleans(),
    agreed=st.frozensets(st.sampled_from(Disclosure)),
    offset=st.integers(-(2**42), 2**42),
    frozen=st.none() | st.integers(-(2**42), 2**42),
    uses=st.integers(0, 4),
    replay=st.booleans(),
    partner=st.sampled_from(["acme", "rival"]),
)
def test_whatever_passes_meets_every_clause(  # the whole rule again, as one sentence
    state: State,
    purpose: Purpose,
    disclosure: Disclosure,
    reasons: bool,
    agreed: frozenset[Disclosure],
    offset: int,
    frozen: int | None,
    uses: int,
    replay: bool,
    partner: str,
) -> None:
    now = NOON + timedelta(microseconds=offset)
    frozen_at = None if frozen is None else NOON + timedelta(microseconds=frozen)
    grant = replace(GRANT, state=state, terms=replace(TERMS, disclosures=agreed), frozen_at=frozen_at)
    ask = Ask(partner, purpose, disclosure, reasons, "")
    allowed = (
        partner == "acme"
        and purpose is TERMS.purpose
        and disclosure in agreed
        and (Disclosure.REASONS in agreed or not reasons)
        and now < GRANT.expires_at
        and frozen_at is None
        and now >= GRANT.not_before
        and ((state is State.ACTIVE and (replay or uses < 2)) or (state is State.CONSUMED and replay))
    )
    assert (denial(grant, ask, now=now, uses=uses, replay=replay) == "") == allowed


@pytest.mark.parametrize(
    ("unit", "period"),
    [
        (CalendarUnit.DAY, "2027-01-01"),
        (CalendarUnit.WEEK, "2026-W53"),
        (CalendarUnit.MONTH, "2027-01"),
        (CalendarUnit.YEAR, "2027"),
    ],
)
def test_a_period_is_named_in_the_consents_own_time_zone(unit: CalendarUnit, period: str) -> None:
    new_year_in_shanghai = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
    assert period_of(unit, "Asia/Shanghai", new_year_in_shanghai) == period
    assert period_of(unit, "Asia/Shanghai", new_year_in_shanghai - TICK) == {
        CalendarUnit.WEEK: "2026-W53"
    }.get(unit, period_of(unit, "UTC", new_year_in_shanghai))


def test_a_use_counts_in_the_period_of_the_agreed_unit_and_time_zone() -> None:
    evening = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # the 24th begins in Shanghai
    assert GRANT.period_at(evening - TICK) == "2026-11-23"
    assert GRANT.period_at(evening) == "2026-11-24"
    monthly = replace(GRANT, terms=replace(TERMS, frequency=Frequency(2, CalendarUnit.MONTH)))
    assert monthly.period_at(evening) == "2026-11"
    assert replace(GRANT, terms=replace(TERMS, frequency=None)).period_at(evening) == ""


def test_a_used_up_day_ends_with_the_day() -> None:
    used_up = replace(GRANT, used_in="2026-11-23", uses=2)
    with pytest.raises(ConsentDenied, match=r"^CONSENT_FREQUENCY_EXHAUSTED$"):
        used_up.require(ASK, now=datetime(2026, 11, 23, 16, 0, tzinfo=UTC) - TICK)
    used_up.require(ASK, now=datetime(2026, 11, 23, 16, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("used_in", "uses", "after"), [("", 0, 1), ("2026-11-23", 1, 2), ("2026-11-22", 2, 1)]
)
def test_an_answer_counts_one_use_of_its_own_period(used_in: str, uses: int, after: int) -> None:
    before = replace(GRANT, used_in=used_in, uses=uses, frozen_at=NOON, consumed_by=None)
    assert before.used(NOON, 41) == Standing(State.ACTIVE, None, NOON, "2026-11-23", after)
    kept = replace(before, state=State.PAUSED, consumed_by=5)
    assert kept.used(NOON, 41) == Standing(State.PAUSED, 5, NOON, "2026-11-23", after)
    marked = replace(before, marks=(Mark.DISPUTED,))
    assert marked.used(NOON, 41) == replace(before.used(NOON, 41), marks=(Mark.DISPUTED,))


def test_one_answer_uses_a_one_time_grant_up_and_names_its_entry() -> None:
    once = replace(GRANT, terms=replace(TERMS, mode=ConsentMode.ONE_TIME), used_in="2026", uses=3)
    assert once.used(NOON, 41) == Standing(State.CONSUMED, 41, None, "2026", 3)
    assert replace(once, frozen_at=NOON).used(NOON, 0) == Standing(State.CONSUMED, 0, NOON, "2026", 3)


@pytest.mark.parametrize(
    "change",
    [
        {"state": State.PAUSED},
        {"consumed_by": 8},
        {"consumed_by": None},
        {"frozen_at": NOON},
        {"used_in": "2026-11-23"},
        {"uses": 1},
        {"marks": (Mark.DISPUTED,)},
    ],
)
def test_a_grant_stands_as_its_row_does_now(change: dict[str, Any]) -> None:
    as_it_was = {"state": State.ACTIVE, "consumed_by": LEAF, "frozen_at": None, "used_in": "", "uses": 0}
    assert GRANT.standing(Standing(**as_it_was)) is GRANT
    assert GRANT.standing(Standing(**(as_it_was | change))) == replace(GRANT, **change)


def test_a_refusal_says_its_reason() -> None:
    with pytest.raises(ConsentDenied, match=r"^CONSENT_PURPOSE_MISMATCH$"):
        GRANT.require(replace(ASK, purpose=Purpose.COLLECTION), now=NOON)


def test_a_window_is_told_in_utc_wherever_it_was_decided() -> None:
    shanghai = timezone(timedelta(hours=8))
    begin, end = window(TERMS, NOON.astimezone(shanghai))
    assert (begin, end) == (NOON, NOON + timedelta(days=30))
    assert begin.tzinfo is end.tzinfo is UTC


def test_a_window_begins_with_the_decision_or_later_never_earlier() -> None:
    assert window(TERMS, NOON) == (NOON, NOON + timedelta(days=30))
    tomorrow = NOON + timedelta(days=1)
    assert window(replace(TERMS, not_before=tomorrow), NOON) == (tomorrow, tomorrow + timedelta(days=30))
    yesterday = NOON - timedelta(days=1)
    assert window(replace(TERMS, not_before=yesterday), NOON)[0] == NOON
