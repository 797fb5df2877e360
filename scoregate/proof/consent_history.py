"""What happened to one consent, as a consent receipt lists it, and where that leaves the consent.

Pure. Each event is made from its log entry, by whoever writes the receipt and again by whoever checks it
against a pulled log: both read the same leaf by the same rules.

Rules of a list of events:

 1. it begins with GRANTED, and has that once;
 2. indexes rise, and times never go back;
 3. each change is one that the state before it allows, begun by one who can begin it (the table below);
 4. nothing but an end by time happens at or after `expires_at`; but what was used up may still be revoked,
    and a file may be frozen and unfrozen until the gateway has recorded that end;
 5. two freezes have an unfreezing between them. The first of both may be UNFROZEN: a person may allow one
    lender while their file is frozen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import ClaimInvalid
from scoregate.instants import moment
from scoregate.proof import leaf, shapes
from scoregate.proof.digest import MAX_INTEGER, Json, spell_instant
from scoregate.proof.leaf import LeafInvalid
from scoregate.tlog import merkle
from scoregate.words import ConsentEventKind as Kind

HASH_BYTES = 32


class ConsentState(StrEnum):
    """Where a consent stands."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    CONSUMED = "CONSUMED"


class Beginner(StrEnum):
    """Who began an event. Operators bring what a person decided elsewhere."""

    CONSUMER = "consumer"
    PARTNER = "partner"
    OPERATOR = "operator"
    GATEWAY = "gateway"


_OPEN = frozenset({ConsentState.ACTIVE, ConsentState.PAUSED})
_FREEZES = frozenset({Kind.FROZEN, Kind.UNFROZEN})
_MOVES = {
    (ConsentState.ACTIVE, Kind.PAUSED): ConsentState.PAUSED,
    (ConsentState.PAUSED, Kind.RESUMED): ConsentState.ACTIVE,
    (ConsentState.ACTIVE, Kind.CONSUMED): ConsentState.CONSUMED,
    (ConsentState.ACTIVE, Kind.REVOKED): ConsentState.REVOKED,
    (ConsentState.PAUSED, Kind.REVOKED): ConsentState.REVOKED,
    (ConsentState.CONSUMED, Kind.REVOKED): ConsentState.REVOKED,
}
_A_PERSON = frozenset({Beginner.CONSUMER, Beginner.OPERATOR})
_BEGINNERS = dict.fromkeys(Kind, _A_PERSON) | {
    Kind.REVOKED: _A_PERSON | {Beginner.PARTNER},
    Kind.CONSUMED: frozenset({Beginner.PARTNER}),
    Kind.EXPIRED: frozenset({Beginner.GATEWAY}),
}
_KINDS = {
    leaf_pb2.LEAF_KIND_CONSENT_GRANTED: Kind.GRANTED,
    leaf_pb2.LEAF_KIND_CONSENT_PAUSED: Kind.PAUSED,
    leaf_pb2.LEAF_KIND_CONSENT_RESUMED: Kind.RESUMED,
    leaf_pb2.LEAF_KIND_CONSENT_REVOKED: Kind.REVOKED,
    leaf_pb2.LEAF_KIND_CONSENT_EXPIRED: Kind.EXPIRED,
    leaf_pb2.LEAF_KIND_RELEASE: Kind.CONSUMED,  # the answer that used it up
    leaf_pb2.LEAF_KIND_SUBJECT_FROZEN: Kind.FROZEN,
    leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN: Kind.UNFROZEN,
}


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One thing that happened to a consent, and the log's entry that says so.

    Raises:
        ClaimInvalid: On making one that is out of bounds.
    """

    kind: Kind
    at: datetime  # UTC; the entry's time
    log_index: int
    by: Beginner
    leaf_hash: bytes  # RFC 9162, 2.1.1; 32 bytes

    def __post_init__(self) -> None:
        shapes.require_type("events.kind", self.kind, Kind)
        shapes.require_instant("events.time", self.at)
        shapes.require_integer("events.log_index", self.log_index, 0, MAX_INTEGER)
        shapes.require_type("events.by", self.by, Beginner)
        if type(self.leaf_hash) is not bytes or len(self.leaf_hash) != HASH_BYTES:
            raise ClaimInvalid("events.leaf_hash", f"{HASH_BYTES} bytes in hex belong here")
        if self.by not in _BEGINNERS[self.kind]:
            raise ClaimInvalid("events.by", f"{self.kind} is never begun by the {self.by}")

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {
            "kind": self.kind,
            "time": spell_instant("time", self.at),
            "log_index": self.log_index,
            "by": self.by,
            "leaf_hash": self.leaf_hash.hex(),
        }


def event_in(entry: bytes, log_index: int, partner_id: str) -> ConsentEvent:
    """Return what a log entry says of a consent of this partner.

    Raises:
        LeafInvalid: Not a leaf, one of another partner, or one that changes no consent.
    """
    found = leaf.decode(entry)
    kind = _KINDS.get(found.kind)
    if kind is None:
        raise LeafInvalid("kind", "is not one that changes a consent")
    # A freeze is of a person: an entry for each partner, and before version 0.1 one for all of them.
    if found.partner_id != partner_id and (found.partner_id or kind not in _FREEZES):
        raise LeafInvalid("partner_id", "names somebody else")
    at, by = moment(found.time_micros), _beginner(kind, found.actor, found.partner_id)
    return ConsentEvent(kind, at, log_index, by, merkle.leaf_hash(entry))


def state_after(events: Sequence[ConsentEvent], *, expires_at: datetime, now: datetime) -> ConsentState:
    """Return where a consent stands at `now`, which is not before its last event.

    Raises:
        ClaimInvalid: The events break a rule.
    """
    if not events or events[0].kind is not Kind.GRANTED:
        raise ClaimInvalid("events", "the first one is GRANTED")
    state, frozen = ConsentState.ACTIVE, None
    for before, event in pairwise(events):
        if event.log_index <= before.log_index or event.at < before.at:
            raise ClaimInvalid("events", "they stand in the order of the log, each entry once")
        if event.kind in _FREEZES:
            if state not in _OPEN or event.kind is frozen:
                raise ClaimInvalid("events", f"{event.kind} can't happen there")
            frozen = event.kind
        else:
            state = _moved(state, event, expires_at)
    return ConsentState.EXPIRED if state in _OPEN and now >= expires_at else state


def _moved(state: ConsentState, event: ConsentEvent, expires_at: datetime) -> ConsentState:
    is_over = state in _OPEN and event.at >= expires_at
    if event.kind is Kind.EXPIRED and is_over:
        return ConsentState.EXPIRED
    if is_over or (state, event.kind) not in _MOVES:
        raise ClaimInvalid("events", f"{event.kind} can't happen to a consent that {_stood(state, is_over)}")
    return _MOVES[state, event.kind]


def _stood(state: ConsentState, is_over: bool) -> str:
    return "is past its end" if is_over else f"is {state}"


def _beginner(kind: Kind, actor: str, partner_id: str) -> Beginner:
    # What only one can begin, they began: an answer's entry names no actor.
    possible = _BEGINNERS[kind]
    if len(possible) == 1:
        return next(iter(possible))
    if actor == Beginner.CONSUMER:
        return Beginner.CONSUMER
    return Beginner.PARTNER if actor == partner_id and Beginner.PARTNER in possible else Beginner.OPERATOR
