"""The release transaction: consent, quota, idempotency and audit commit together, or no score leaves.

``release`` decides and records under the head lock; ``group`` lets concurrent calls share
a commit; ``answers`` keeps first answers for replays.
"""

from gateway.ledger.group import Ledger, LedgerBusy, LedgerUnavailable
from gateway.ledger.release import (
    Attempt,
    Denied,
    Dropped,
    Failed,
    Gone,
    Guards,
    Outcome,
    Refusal,
    Release,
    Released,
    Repeat,
    Replayed,
    Stale,
)
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
