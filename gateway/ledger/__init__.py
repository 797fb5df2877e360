"""The release transaction: consent, quota, idempotency and audit commit together, or no score leaves.

``attempt`` is what callers bring; ``release`` decides and records it under the head lock;
``group`` lets concurrent calls share a commit; ``answers`` keeps first answers for replays.
"""

from gateway.ledger.attempt import (
    Attempt,
    Denied,
    Dropped,
    Failed,
    Gone,
    Outcome,
    Refusal,
    Release,
    Released,
    Repeat,
    Replayed,
    Stale,
)
from gateway.ledger.group import Ledger, LedgerBusy, LedgerUnavailable
from gateway.ledger.release import Guards
from gateway.ledger.transaction import Transaction

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
    "Refusal",
    "Release",
    "Released",
    "Repeat",
    "Replayed",
    "Stale",
    "Transaction",
]
