"""One score query, in order.

::

    1 partner   2 burst   3 parse   4 consent   5 engine   6 attest   7 ledger   8 answer

Queries walk together: whatever waits when the ledger's thread is free is read with one look,
scored with one question, and committed in one transaction; each is refused for itself. Steps
4 to 6 may be repeated or thrown away: nothing that they make leaves memory before step 7 has
committed. A batch walks a chunk at a time, and a few at a time beside single queries.

``look`` is step 4, ``asking`` step 5 and ``placing`` what becomes of an outcome that is told as a cell;
``inquiry`` is a query on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from datetime import timedelta
from functools import partial

from sqlalchemy.engine import Connection

from consent.attest import Attester
from gateway.answer import draft, seal, with_receipt
from gateway.audit.private import Vault
from gateway.engine import EngineDoor, ModelCard
from gateway.errors import Refused, refused
from gateway.gate import Gate, burst_limit
from gateway.journey.apart import apart, each
from gateway.journey.asking import Asking, record_model
from gateway.journey.inquiry import Answered, Inquiry, Parse, Result
from gateway.journey.look import Look
from gateway.journey.placing import place
from gateway.keys import Signer
from gateway.ledger import (
    Denied,
    Failed,
    Gone,
    Ledger,
    LedgerBusy,
    Outcome,
    Overtaken,
    Refusal,
    Released,
    Replayed,
    Stale,
)
from gateway.partners import Partner
from gateway.query import BodyMissing, Call, Caller, ScoreQuery
from gateway.quota.headers import Headers, rate_limit
from scoregate.values import value

__all__ = ["Answered", "Conversation", "Journey", "Parse", "Result", "record_model"]

CHUNK = 100
"""Batch items in one transaction, where no single query waits; beside those the ledger takes a few."""

MAX_ROUNDS = 3
"""How often a query may start over: a key was turned, a first answer expired, another one came first."""

NO_ENTRY = frozenset({"AUDIT_UNAVAILABLE", "DEADLINE_PASSED", "SERVER_BUSY"})
"""Refusals without an entry: the ledger can't be written, or nobody is there any more."""


@value
class Conversation:
    """A batch's queries, what became of each, and the RateLimit headers that go out first."""

    queries: Sequence[ScoreQuery]
    results: Sequence[Result]
    headers: Headers


class Journey:
    """Answers score queries. ``returning`` takes a far engine's answers; a thread of its own unless given."""

    def __init__(
        self,
        *,
        gate: Gate,
        ledger: Ledger,
        vault: Vault,
        engine: EngineDoor,
        model: ModelCard,
        attester: Attester,
        signer: Signer,
        engine_timeout: timedelta,
        returning: Executor | None = None,
    ) -> None:
        self._gate = gate
        self._ledger = ledger
        self._look = Look(vault, now=ledger.now)
        self._asking = Asking(
            engine, model, ledger, timeout=engine_timeout, come_back=self._hand_in, returning=returning
        )
        self._attester = attester
        self._signer = signer
        ledger.host(self._prepare)

    def close(self) -> None:
        """Ask the engine no more."""
        self._asking.close()

    def inquire(self, call: Call, parse: Parse, done: Callable[[Result, Headers], None]) -> None:
        """Answer a call of one query; returns at once, and ``done`` hears of it later."""

        def finish(inquiry: Inquiry, result: Result) -> None:
            headers: Headers = ()
            if inquiry.is_admitted:
                self._gate.leave(inquiry.partner)
                headers = rate_limit(burst_limit(inquiry.partner), inquiry.burst, result.usage)
            if isinstance(result, Refused):
                result.headers = result.headers or headers
                result.request_id = inquiry.query.request_id if inquiry.is_read else result.request_id
            done(result, headers)

        inquiry = Inquiry(call, settle=self._settle, finish=finish)
        inquiry.parse = parse
        self._hand_in([inquiry])

    def answer(self, call: Call, parse: Parse) -> Conversation:
        """Answer every query of a batch, each for itself, in order.

        Raises:
            Refused: The call as a whole is refused, in steps 1 to 3.
        """
        partner, caller = self._gate.identify(call)  # 1 partner
        with self._gate.admit(partner, call.method) as burst:  # 2 burst
            limit = burst_limit(partner)
            with self._gate.recording(call, caller, rate_limit(limit, burst, None)):  # 3 parse
                queries = parse(call.body, partner)
            results: list[Result] = []
            for start in range(0, len(queries), CHUNK):
                results += self._answer(call, partner, caller, queries[start : start + CHUNK])
            usage = next((r.usage for r in reversed(results) if r.usage is not None), None)
            return Conversation(queries, results, rate_limit(limit, burst, usage))

    def _answer(
        self, call: Call, partner: Partner, caller: Caller, queries: Sequence[ScoreQuery]
    ) -> list[Result]:
        """One chunk, from step 4 on; waits for all of it."""
        results: dict[Inquiry, Result] = {}
        told: Future[None] = Future()

        def finish(inquiry: Inquiry, result: Result) -> None:
            results[inquiry] = result
            if len(results) == len(queries):
                with suppress(InvalidStateError):  # two threads have each brought a last one
                    told.set_result(None)

        inquiries = [Inquiry(call, settle=self._settle, finish=finish) for _ in queries]
        for inquiry, query in zip(inquiries, queries, strict=True):
            inquiry.partner, inquiry.caller, inquiry.query = partner, caller, query
            inquiry.is_read = True
        self._hand_in(inquiries)
        self._ledger.wait(told)  # it concludes whatever is overdue
        return [results[inquiry] for inquiry in inquiries]

    def _hand_in(self, inquiries: Sequence[Inquiry]) -> None:
        try:
            if len(inquiries) == 1:
                self._ledger.hand_in(inquiries[0])
            else:
                self._ledger.hand_in_party(inquiries)
        except LedgerBusy as error:
            for inquiry in inquiries:
                inquiry.end(error)

    # --- on the ledger's thread: steps 1 to 6, for all that wait

    def _prepare(self, inquiries: Sequence[Inquiry]) -> None:
        """Give every inquiry its attempt, or its end, or send it to the engine. Never raises."""
        try:
            with self._ledger.reading() as connection:
                apart(partial(self._begin, connection), inquiries, Inquiry.end)
                apart(partial(self._walk, connection), inquiries, Inquiry.end)
        except Exception as error:  # the store is not there: nobody gets any further
            for inquiry in inquiries:
                if inquiry.attempt is None:
                    inquiry.end(error)

    def _begin(self, connection: Connection, inquiries: Sequence[Inquiry]) -> None:
        new = [i for i in inquiries if not i.is_read and not i.is_over and i.attempt is None]
        if not new:
            return
        known = self._gate.enrolled(connection, {inquiry.call.certificate_pem for inquiry in new})
        for inquiry in new:
            try:
                inquiry.partner, inquiry.caller = self._gate.recognise(inquiry.call, known)  # 1 partner
                inquiry.burst = self._gate.enter(inquiry.partner, inquiry.call.method)  # 2 burst
                inquiry.is_admitted = True
            except Refused as refusal:
                inquiry.finish(refusal)
            else:
                self._read(inquiry)  # 3 parse

    def _read(self, inquiry: Inquiry) -> None:
        call, caller, parse = inquiry.call, inquiry.caller, inquiry.parse
        try:
            (inquiry.query,) = parse(call.body, inquiry.partner) if parse else ()
            inquiry.is_read = True
        except BodyMissing as error:
            inquiry.finish(self._gate.turn_away_bodiless(call, caller, error))
        except Exception as error:
            refusal = inquiry.refusal = refused(error)
            inquiry.attempt = Refusal(
                call.method,
                caller,
                refusal.code,
                purpose=refusal.purpose,
                consent_id=refusal.consent_id,
                request_id=refusal.request_id,
            )

    def _walk(self, connection: Connection, inquiries: Sequence[Inquiry]) -> None:
        walking = [i for i in inquiries if i.is_read and not i.is_over and i.attempt is None]
        new = [i for i in walking if i.found is None and i.refusal is None]
        if new:
            self._look.at(connection, new)  # 4 consent
        staying = self._asking.ask(walking)  # 5 engine
        place(connection, staying)
        self._attest(staying)  # 6 attest
        for inquiry in staying:
            inquiry.make_ready()

    def _attest(self, inquiries: Sequence[Inquiry]) -> None:
        """Sign and seal what was found; what can't be signed becomes a refusal, and it alone.

        One pass after the other: what stays in the processor's caches is done faster.
        """
        signing, times = self._signer.signing(), self._attester.times(self._ledger.now())
        issuer, wording = self._attester.issuer, self._asking.wording

        def put_into_words(inquiry: Inquiry) -> None:
            if inquiry.found is not None:
                inquiry.draft = draft(
                    inquiry.found,
                    wording,
                    caller=inquiry.caller,
                    log_origin=signing.log_origin,
                    issuer=issuer,
                    times=times,
                )

        def sign(inquiry: Inquiry) -> None:
            if inquiry.found is not None:
                inquiry.attestation = self._attester.attest(inquiry.draft.claims, signing.key)

        def seal_it(inquiry: Inquiry) -> None:
            if inquiry.found is not None:
                inquiry.prepared = seal(
                    inquiry.draft,
                    inquiry.attestation,
                    caller=inquiry.caller,
                    usage=inquiry.consented.usage,
                    key=inquiry.consented.key,
                    signing=signing,
                )

        for step in (put_into_words, sign, seal_it):
            each(step, inquiries)

    # --- 8 answer

    def _settle(self, inquiry: Inquiry, outcome: Outcome) -> None:
        """Tell the caller what was committed, or let the query start over."""
        try:
            result = self._render(inquiry, outcome)
            if result is None:
                self._start_over(inquiry)
            elif isinstance(result, Refused) and not result.recorded and result.code not in NO_ENTRY:
                self._record(inquiry, result)
            else:
                inquiry.finish(result)
        except Exception as error:  # of this one alone; a retry finds what was committed
            inquiry.end(error)

    def _render(self, inquiry: Inquiry, outcome: Outcome) -> Result | None:
        """The result of one query; None: start over."""
        prepared, refusal = inquiry.prepared, inquiry.refusal
        match outcome:
            case Released() if prepared is not None:
                origin = prepared.release.log_origin
                response = with_receipt(prepared.response, origin, outcome.leaf_index, outcome.leaf)
                return Answered(response, False, outcome.usage)
            case Replayed():
                first = inquiry.consented.key.open(outcome.sealed)
                response = with_receipt(first, outcome.log_origin, outcome.leaf_index, outcome.leaf)
                return Answered(response, True, outcome.usage)
            case Denied():
                refusal = refusal or Refused(outcome.reason)
                refusal.recorded = True
                return self._look.explain(refusal, outcome.usage or inquiry.usage)
            case Failed():
                return refused(outcome.error)
            case Stale() | Gone() | Overtaken():
                return None
        return Refused("DEADLINE_PASSED")  # dropped before its transaction began

    def _start_over(self, inquiry: Inquiry) -> None:
        self._signer.refresh()
        if inquiry.rounds >= MAX_ROUNDS:
            inquiry.finish(Refused("SERVER_BUSY"))
        else:
            inquiry.begin_round()
            self._hand_in([inquiry])

    def _record(self, inquiry: Inquiry, refusal: Refused) -> None:
        """Give a refusal that came with no transaction its entry, if the ledger can be written."""
        if isinstance(inquiry.attempt, Refusal):
            inquiry.finish(refusal)  # that was tried
            return
        inquiry.refusal = refusal
        inquiry.make_ready()
        self._hand_in([inquiry])
