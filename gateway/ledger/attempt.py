"""What callers bring to the ledger, and what becomes of it. Pure."""

from __future__ import annotations

from consent.grant import Grant
from gateway.audit.private import Bound, Sealed
from gateway.query import Caller, ScoreQuery
from gateway.quota.contract import Usage
from gateway.thresholds.cells import Cell
from scoregate.values import value
from scoregate.words import NotScoredReason, Purpose


@value
class Refusal:
    """Record that a call was refused before its transaction."""

    method: str
    caller: Caller
    reason: str
    purpose: Purpose | None = None
    consent_id: str = ""
    request_id: str = ""


@value
class Repeat:
    """Give a first answer again."""

    caller: Caller
    query: ScoreQuery


@value
class Release:
    """Release an answer that is ready: scored, signed and sealed."""

    caller: Caller
    query: ScoreQuery
    not_scored: NotScoredReason | None  # None: there is a score
    signing_kid: str
    log_origin: str
    attestation_sha256: bytes
    private: Bound
    answer: Sealed  # the response without its receipt
    seen: Grant  # its terms never change; how it stands is read again under the lock
    seen_usage: Usage  # decided upon only with guards off
    cell: Cell | None = None  # of an answer that shows no more than a cell: what it rests on
    known_at: int = -1  # how many erasures were known of when it was sealed; -1: nobody can say


Attempt = Refusal | Repeat | Release


@value
class Released:
    """Committed; the answer may leave."""

    leaf_index: int
    leaf: bytes
    usage: Usage


@value
class Replayed:
    """The first answer may leave again; its replay is committed."""

    sealed: Sealed
    log_origin: str
    leaf_index: int  # of the first answer
    leaf: bytes
    usage: Usage


@value
class Denied:
    """Nothing may leave; the refusal is committed."""

    reason: str
    usage: Usage | None = None


@value
class Stale:
    """Signed under a key or for a log that was replaced meanwhile: sign again. Nothing is recorded."""

    signing_kid: str
    log_origin: str


@value
class Gone:
    """A repeat whose first answer has just expired: start over. Nothing is recorded."""


@value
class Overtaken:
    """Another answer in cells about this person, or another mark of theirs, came first: start over.

    Nothing is recorded.
    """


@value
class Dropped:
    """The caller was gone before the transaction began. Nothing is recorded."""


@value
class Failed:
    """This attempt could not be decided or written, and it alone. Nothing of it is recorded."""

    error: BaseException


Outcome = Released | Replayed | Denied | Stale | Gone | Overtaken | Dropped | Failed
