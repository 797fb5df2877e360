"""Does this grant cover this query, now? Pure: no database, no network, no clock.

The states and their moves, after India's Account Aggregator artefact and
ISO/IEC TS 27560::

    ACTIVE ⇄ PAUSED → REVOKED        ACTIVE → EXPIRED (its window closed)
                                     ACTIVE → CONSUMED (one-time, answered)

EXPIRED is never stored: it follows from the clock, so no late job can keep a grant alive.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from scoregate.values import value
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Mark, Purpose


class State(StrEnum):
    """Where a grant stands."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    CONSUMED = "CONSUMED"


OPEN = frozenset({State.ACTIVE, State.PAUSED})
"""The states that may still end, by somebody's hand or by time."""


class Change(StrEnum):
    """What a person can do to a grant."""

    PAUSE = "PAUSE"
    RESUME = "RESUME"
    REVOKE = "REVOKE"


MOVES = {
    (State.ACTIVE, Change.PAUSE): State.PAUSED,
    (State.PAUSED, Change.RESUME): State.ACTIVE,
    (State.ACTIVE, Change.REVOKE): State.REVOKED,
    (State.PAUSED, Change.REVOKE): State.REVOKED,
    # A used-up grant still answers replays; revoking it ends those too.
    (State.CONSUMED, Change.REVOKE): State.REVOKED,
}


class ConsentDenied(Exception):
    """The grant does not cover the query; ``reason`` is an ErrorReason name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConsentAltered(Exception):
    """The register does not hold what was agreed to: somebody changed it. Nothing is answered under it.

    It has no reason of its own: to whoever asks it is a fault behind the gateway's door.
    """


class MoveRefused(Exception):
    """The grant's state does not allow this change."""

    def __init__(self, state: State, change: Change) -> None:
        super().__init__(f"a consent that is {state} can't be changed by {change}")
        self.state = state
        self.change = change


@value
class Frequency:
    """At most ``uses`` scored answers in each calendar ``unit``."""

    uses: int
    unit: CalendarUnit


@value
class Terms:
    """What a person is asked to agree to. Immutable."""

    purpose: Purpose
    disclosures: frozenset[Disclosure]
    mode: ConsentMode
    not_before: datetime | None  # None: from the decision on
    valid_for: timedelta
    frequency: Frequency | None
    time_zone: str
    data_life: timedelta
    excluded_families: frozenset[InputFamily]
    # The lines that the person read. None: nobody has yet, or they were not kept then: the contract's count.
    thresholds: tuple[int, ...] | None = None


@value
class Ask:
    """The part of a query that consent decides about."""

    partner_id: str
    purpose: Purpose
    disclosure: Disclosure  # SCORE, BAND or THRESHOLD
    with_reasons: bool
    subject_ref: str  # empty: the caller names nobody


@value
class Standing:
    """The part of a grant that changes, with its person's freeze and marks; fields as in Grant."""

    state: State
    consumed_by: int | None
    frozen_at: datetime | None
    used_in: str
    uses: int
    marks: tuple[Mark, ...] = ()


@value
class Grant:
    """One consumer's permission to one partner for one purpose."""

    consent_id: str
    partner_id: str
    subject: str
    subject_ref: str
    terms: Terms
    sha256: bytes  # of the consent as it was agreed (register.terms); in every attestation
    granted_at: datetime  # UTC
    not_before: datetime  # UTC; holds from this instant on
    expires_at: datetime  # UTC; dead at this instant
    state: State
    consumed_by: int | None = None  # leaf index of the answer that used it up
    frozen_at: datetime | None = None  # when the person froze their file; None: not frozen
    used_in: str = ""  # the calendar period of its latest scored answer
    uses: int = 0  # scored answers in that period
    lifts: datetime | None = None  # the freeze that the person lifted for this grant alone
    marks: tuple[Mark, ...] = ()  # what the person says about their file, to every partner alike; by number
    is_intact: bool = True  # False: its row does not say any more what sha256 is of (register.terms)

    def state_at(self, now: datetime) -> State:
        """The state as the clock has it."""
        if self.state in OPEN and now >= self.expires_at:
            return State.EXPIRED
        return self.state

    def period_at(self, now: datetime) -> str:
        """The calendar period that ``now`` counts in; empty where nothing is counted."""
        if self.terms.frequency is None:
            return ""
        return period_of(self.terms.frequency.unit, self.terms.time_zone, now)

    def require(self, ask: Ask, *, now: datetime, replay_of: int | None = None) -> None:
        """Return only if this grant covers the ask at ``now``.

        ``replay_of`` is the leaf index of a first answer that is asked for again. It was
        paid for: it passes a used-up frequency, and a grant that this very answer used
        up; whatever ended the grant since refuses it.

        Raises:
            ConsentDenied: Wrong party or person, purpose or disclosure; frozen, paused,
                revoked, expired, not begun, used up.
            ConsentAltered: What stands here is not what was agreed to.
        """
        if not self.is_intact:
            raise ConsentAltered
        if ask.partner_id != self.partner_id or (ask.subject_ref and ask.subject_ref != self.subject_ref):
            raise ConsentDenied("CONSENT_NOT_USABLE")
        self._require_open(now, replay_of)
        if ask.purpose != self.terms.purpose:
            raise ConsentDenied("CONSENT_PURPOSE_MISMATCH")
        allowed = self.terms.disclosures
        if ask.disclosure not in allowed or (ask.with_reasons and Disclosure.REASONS not in allowed):
            raise ConsentDenied("CONSENT_DISCLOSURE_NOT_ALLOWED")
        if self.is_frozen:
            raise ConsentDenied("SUBJECT_FROZEN")
        if replay_of is None and self._is_used_up(now):
            raise ConsentDenied("CONSENT_FREQUENCY_EXHAUSTED")

    def require_line(self, threshold: int | None) -> None:
        """Return only if the person agreed to a yes or no at this line; None asks for none.

        Raises:
            ConsentDenied: They read other lines.
        """
        agreed = self.terms.thresholds
        if threshold is not None and agreed is not None and threshold not in agreed:
            raise ConsentDenied("CONSENT_DISCLOSURE_NOT_ALLOWED")

    def _require_open(self, now: datetime, replay_of: int | None) -> None:
        state = self.state_at(now)
        if state is State.CONSUMED and replay_of is not None and replay_of == self.consumed_by:
            # Only the window still bounds an answer that the person agreed to and that was given.
            state = State.ACTIVE if now < self.expires_at else State.EXPIRED
        if state is not State.ACTIVE:
            raise ConsentDenied(f"CONSENT_{state}")
        if now < self.not_before:
            raise ConsentDenied("CONSENT_NOT_YET_VALID")

    def _is_used_up(self, now: datetime) -> bool:
        often = self.terms.frequency
        return often is not None and self.uses >= often.uses and self.used_in == self.period_at(now)

    @property
    def is_frozen(self) -> bool:
        """Whether its person's freeze stops it: not reviews that were agreed to before, nor what it was
        lifted for.
        """
        if self.frozen_at is None or self.is_lifted:
            return False
        return self.terms.purpose is not Purpose.ACCOUNT_REVIEW or self.granted_at >= self.frozen_at

    @property
    def is_erased(self) -> bool:
        """Whether its person was erased; what is left says what was allowed, and to whom."""
        return not self.subject

    @property
    def is_lifted(self) -> bool:
        """Whether the person lifted the freeze that holds now, for this grant alone."""
        return self.frozen_at is not None and self.lifts == self.frozen_at

    def used(self, now: datetime, leaf_index: int) -> Standing:
        """How this grant stands after one more scored answer, whose entry is at ``leaf_index``."""
        if self.terms.mode is ConsentMode.ONE_TIME:
            return Standing(State.CONSUMED, leaf_index, self.frozen_at, self.used_in, self.uses, self.marks)
        period = self.period_at(now)
        uses = self.uses + 1 if self.used_in == period else 1
        return Standing(self.state, self.consumed_by, self.frozen_at, period, uses, self.marks)

    def standing(self, now: Standing) -> Grant:
        """This grant, standing as it does now."""
        then = (self.state, self.consumed_by, self.frozen_at, self.used_in, self.uses, self.marks)
        if then == (now.state, now.consumed_by, now.frozen_at, now.used_in, now.uses, now.marks):
            return self
        return replace(
            self,
            state=now.state,
            consumed_by=now.consumed_by,
            frozen_at=now.frozen_at,
            used_in=now.used_in,
            uses=now.uses,
            marks=now.marks,
        )

    def moved(self, change: Change, *, now: datetime) -> State:
        """The state after ``change``.

        Raises:
            MoveRefused: The state at ``now`` does not allow it.
        """
        state = self.state_at(now)
        if (state, change) not in MOVES:
            raise MoveRefused(state, change)
        return MOVES[state, change]


@lru_cache(maxsize=1_024)
def period_of(unit: CalendarUnit, time_zone: str, now: datetime) -> str:
    """The id of the calendar period that holds ``now``: 2026-11-23, 2026-W48, 2026-11 or 2026."""
    local = now.astimezone(ZoneInfo(time_zone))
    if unit is CalendarUnit.DAY:
        return local.strftime("%Y-%m-%d")
    if unit is CalendarUnit.WEEK:
        year, week, _ = local.isocalendar()
        return f"{year}-W{week:02}"
    return local.strftime("%Y-%m" if unit is CalendarUnit.MONTH else "%Y")


def window(terms: Terms, decided_at: datetime) -> tuple[datetime, datetime]:
    """When a grant decided at ``decided_at`` begins and ends, UTC."""
    begin = max(decided_at, terms.not_before) if terms.not_before else decided_at
    return begin.astimezone(UTC), (begin + terms.valid_for).astimezone(UTC)
