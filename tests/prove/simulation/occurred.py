"""What must have occurred for the row to hold: every end that a query can have, every kind of trouble."""

from __future__ import annotations

from collections.abc import Mapping

from tests.prove.simulation.disk import Fault, Mood
from tests.prove.simulation.engine import Manner

CONSENT = (
    *(
        f"CONSENT_{why}"
        for why in ("NOT_USABLE", "NOT_YET_VALID", "EXPIRED", "REVOKED", "PAUSED", "CONSUMED")
    ),
    *(f"CONSENT_{why}" for why in ("PURPOSE_MISMATCH", "DISCLOSURE_NOT_ALLOWED", "FREQUENCY_EXHAUSTED")),
    "SUBJECT_FROZEN",
)
CALLER = ("CERTIFICATE_REVOKED", "PARTNER_SUSPENDED", "BURST_EXCEEDED", "CONCURRENCY_EXCEEDED")
QUOTA = ("DAILY_QUOTA_EXHAUSTED", "MONTHLY_QUOTA_EXHAUSTED")
REST = (
    "AUDIT_UNAVAILABLE",
    "DEADLINE_PASSED",
    "ENGINE_ANSWER_INVALID",
    "ENGINE_UNAVAILABLE",
    "REQUEST_ID_REUSED",
    "SERVER_BUSY",
    "THRESHOLD_NOT_REGISTERED",
)

ALWAYS: dict[str, tuple[str, ...]] = {
    "answered": ("answered",),
    "answered again": ("replayed",),
    "refused by consent": tuple(f"refused: {each}" for each in CONSENT),
    "refused to the caller": tuple(f"refused: {each}" for each in CALLER),
    "refused by quota": tuple(f"refused: {each}" for each in QUOTA),
    "refused without a ledger": ("refused: AUDIT_UNAVAILABLE",),
    "the store fails": tuple(f"fault: {each}" for each in (Fault.IO, Fault.CUT, Fault.BEFORE, Fault.AFTER)),
    "the engine fails": tuple(f"engine: {each}" for each in Manner),
    "a gateway is killed": ("gateway killed",),
    "a client gives up": ("client gave up",),
    "a decision is made": ("decision made",),
    "an end is foretold": ("foretold",),
}

SEVERALLY = (
    *(f"refused: {each}" for each in (*CONSENT, *CALLER, *QUOTA, *REST)),
    *(f"fault: {each}" for each in (Fault.IO, Fault.CUT, Fault.BEFORE, Fault.AFTER)),
    *(f"fault: the disk is {each}" for each in (Mood.FULL, Mood.READ_ONLY)),
    "fault: another gateway holds the lock",
    *(f"engine: {each}" for each in Manner if each is not Manner.WELL),
    "waited for too long",
)
"""What only thousands of seeds are sure to bring."""


def occurred(outcomes: Mapping[str, int], *, full: bool) -> dict[str, int]:
    """How often each thing occurred that must have."""
    found = {name: sum(outcomes.get(each, 0) for each in of) for name, of in ALWAYS.items()}
    if full:
        found |= {name: outcomes.get(name, 0) for name in SEVERALLY}
    return found
