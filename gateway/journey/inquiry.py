"""One question on its way through the steps, and what is known of it so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from consent.attest import Attestation
from consent.grant import Grant
from gateway.answer import Draft, Found, Prepared
from gateway.audit.private import DataKey
from gateway.errors import Refused, refused
from gateway.ledger import Attempt, Outcome, Refusal, Repeat, answers
from gateway.partners import Partner
from gateway.query import Call, Caller, ScoreQuery
from gateway.quota.burst import Verdict
from gateway.quota.contract import Usage
from scoregate.values import value

Parse = Callable[[bytes, Partner], Sequence[ScoreQuery]]


@value
class Answered:
    """The bytes that leave, receipt included."""

    response: bytes
    replayed: bool
    usage: Usage


Result = Answered | Refused


@value
class Consented:
    """What the optimistic read found, where it refused nothing."""

    grant: Grant
    key: DataKey
    usage: Usage


class Inquiry:
    """A guest of the ledger: the journey prepares it, the ledger decides, ``finish`` hears the result."""

    __slots__ = (
        "_finish",
        "_settle",
        "attempt",
        "attestation",
        "burst",
        "call",
        "caller",
        "consented",
        "draft",
        "found",
        "is_admitted",
        "is_read",
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
    usage: Usage | None  # 4
    consented: Consented  # where nothing is refused
    repeats: bool  # a first answer is asked for again
    refusal: Refused | None
    found: Found | None  # 5
    draft: Draft  # 6
    attestation: Attestation
    prepared: Prepared | None
    attempt: Attempt | None

    def __init__(
        self,
        call: Call,
        *,
        settle: Callable[[Inquiry, Outcome], None],
        finish: Callable[[Inquiry, Result], None],
    ) -> None:
        self.call = call
        self._settle = settle
        self._finish = [finish]  # emptied by whoever is first
        self.parse: Parse | None = None  # None: a batch's item, which was read with its batch
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
    def source(self) -> bytes:
        """Whose it is."""
        return self.call.certificate_pem

    @property
    def is_over(self) -> bool:
        """Whether the caller was told."""
        return not self._finish

    @property
    def answer_key(self) -> str:
        """Under which a first answer is kept."""
        return answers.answer_key(self.caller.partner_id, self.query.method, self.query.request_id)

    def refuse(self, error: Exception) -> None:
        """Refuse it, and it alone; the refusal is recorded like an answer."""
        self.found = None
        self.refusal = refused(error)

    def make_ready(self) -> None:
        """Say what is to be recorded: the answer, its repeat, or the refusal."""
        query, refusal = self.query, self.refusal
        if refusal is None and self.prepared is not None:
            self.attempt = self.prepared.release
        elif refusal is None and self.repeats:
            self.attempt = Repeat(self.caller, query)
        else:
            self.attempt = Refusal(
                method=query.method,
                caller=self.caller,
                reason=refusal.code if refusal else "INTERNAL",
                purpose=query.ask.purpose,
                consent_id=query.consent_id,
                request_id=query.request_id,
            )

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

    def end(self, error: Exception) -> None:
        """Tell the caller that nothing came of it."""
        self.finish(refused(error))
