"""The release transaction: consent, quota, idempotency and audit commit together, or no score leaves.

``attempt`` is what callers bring; ``release`` decides and records it under the head lock;
``waiting`` is who waits for it; ``group`` lets concurrent calls share a commit; ``answers`` keeps
first answers for replays.
"""

from gateway.ledger.attempt import (
    Attempt,
    Denied,
    Dropped,
    Failed,
    Gone,
    Outcome,
    Overtaken,
    Refusal,
    Release,
    Released,
    Repeat,
    Replayed,
    Stale,
)
from gateway.ledger.group import Ledger, LedgerUnavailable
from gateway.ledger.release import Guards
from gateway.ledger.transaction import Transaction
from gateway.ledger.waiting import LedgerBusy

__all__ = [
    "Attempt",
    "Denied",
    "Dropped",
    "Failed",
    "Gone",
    "Guards",
    "Ledger",
    "LedgerBusy",
    "LedgerUnavailable",
    "Outcome",
    "Overtaken",
    "Refusal",
    "Release",
    "Released",
    "Repeat",
    "Replayed",
    "Stale",
    "Transaction",
]
