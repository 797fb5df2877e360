"""One question on its way through the steps, and what is known of it so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consent.grant import Grant
from gateway.answer import Found, Prepared
from gateway.audit.private import DataKey
from gateway.errors import Refused
from gateway.ledger import Attempt, Outcome
from gateway.partners import Partner
from gateway.query import Call, Caller, ScoreQuery
from gateway.quota.burst import Verdict
from gateway.quota.contract import Usage

Parse = Callable[[bytes, Partner], Sequence[ScoreQuery]]


@dataclass(frozen=True, slots=True)
class Answered:
    """The bytes that leave, receipt included."""

    response: bytes
    replayed: bool
    usage: Usage


Result = Answered | Refused


class Inquiry:
    """A guest of the ledger: the journey prepares it, the ledger decides, ``finish`` hears the result."""

    __slots__ = (
        "_finish",
        "_settle",
        "attempt",
        "burst",
        "call",
        "caller",
        "found",
        "grant",
        "is_admitted",
        "is_read",
        "key",
        "parse",
        "partner",
        "prepared",
        "query",
        "refusal",
        "repeats",
        "rounds",
        "usage",
    )

    partner: Partner  # 1
    caller: Caller
    burst: Verdict  # 2
    query: ScoreQuery  # 3
    usage: Usage | None  # 4; there where nothing is refused
    grant: Grant  # where nothing is refused
    key: DataKey
    repeats: bool  # a first answer is asked for again
    refusal: Refused | None
    found: Found | None  # 5
    prepared: Prepared | None  # 6
    attempt: Attempt | None

    def __init__(
        self,
        call: Call,
        parse: Parse,
        *,
        settle: Callable[[Inquiry, Outcome], None],
        finish: Callable[[Inquiry, Result], None],
    ) -> None:
        self.call = call
        self.parse = parse
        self._settle = settle
        self._finish = [finish]  # emptied by whoever is first
        self.is_admitted = False  # 1 and 2 are done, and a place among the partner's calls is held
        self.is_read = False  # 3 is done
        self.rounds = 0
        self.begin_round()

    def begin_round(self) -> None:
        """Forget what steps 4 to 6 have found."""
        self.rounds += 1
        self.usage = None
        self.repeats = False
        self.refusal = self.found = self.prepared = self.attempt = None

    @property
    def is_over(self) -> bool:
        """Whether the caller was told."""
        return not self._finish

    def is_wanted(self) -> bool:
        """Whether an answer can still reach somebody."""
        return self.call.is_wanted()

    def conclude(self, outcome: Outcome) -> None:
        """Take what became of the attempt."""
        self._settle(self, outcome)

    def finish(self, result: Result) -> None:
        """Tell the caller: once, whoever says it again."""
        try:
            finish = self._finish.pop()
        except IndexError:
            return
        finish(self, result)
