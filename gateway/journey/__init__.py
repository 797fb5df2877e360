"""One score query, in order.

::

    1 partner   2 burst   3 parse   4 consent   5 engine   6 attest   7 ledger   8 answer

Queries walk together: whatever waits when the ledger's thread is free is read with one look,
scored with one question, and committed in one transaction; each is refused for itself. Steps
4 to 6 may be repeated or thrown away: nothing that they make leaves memory before step 7 has
committed. A batch walks a chunk at a time, so that single queries find their way in between.
An engine that may keep its callers waiting is asked for each call alone, and nobody waits
for it: the query goes on with those that wait once the answer is there.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache, partial

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from consent import register
from consent.attest import Attestation, Attester
from consent.grant import Grant
from gateway.answer import Draft, Found, Wording, draft, seal, with_receipt
from gateway.audit.private import DataKey, Vault, owner_subject
from gateway.engine import (
    EngineAnswerInvalid,
    EngineDoor,
    ModelCard,
    Outcomes,
    require_answers,
    require_sound,
    today,
)
from gateway.errors import Refused, refused
from gateway.gate import Gate, burst_limit
from gateway.journey.inquiry import Answered, Inquiry, Parse, Result
from gateway.keys import Signer
from gateway.ledger import (
    Attempt,
    Denied,
    Failed,
    Gone,
    Ledger,
    LedgerBusy,
    Outcome,
    Refusal,
    Released,
    Repeat,
    Replayed,
    Stale,
    Transaction,
    answers,
)
from gateway.partners import Partner
from gateway.query import BodyMissing, Call, Caller, ScoreQuery
from gateway.quota import contract
from gateway.quota.contract import Usage
from gateway.quota.headers import Headers, rate_limit
from gateway.store import Store, StoreUnavailable
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import InputFamily
from scoring.service import Family, Query, Scored

__all__ = ["Answered", "Conversation", "Journey", "record_model"]

CHUNK = 50
"""Batch items in one transaction: a few milliseconds, which a single query can wait out."""

ENGINE_SHARE = 0.8
"""Of the caller's remaining time; the rest is for signing and committing."""

MAX_ROUNDS = 3
"""How often a query may start over because a key was turned, or a first answer expired, meanwhile."""

NO_ENTRY = frozenset({"AUDIT_UNAVAILABLE", "DEADLINE_PASSED", "SERVER_BUSY"})
"""Refusals without an entry: the ledger can't be written, or nobody is there any more."""


QUOTAS = {"DAILY_QUOTA_EXHAUSTED": "day", "MONTHLY_QUOTA_EXHAUSTED": "month"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call's queries, what became of each, and the RateLimit headers that go out first."""

    queries: Sequence[ScoreQuery]
    results: Sequence[Result]
    headers: Headers


class Journey:
    """Answers score queries."""

    def __init__(
        self,
        *,
        gate: Gate,
        store: Store,
        ledger: Ledger,
        vault: Vault,
        engine: EngineDoor,
        model: ModelCard,
        attester: Attester,
        signer: Signer,
        engine_timeout: timedelta,
    ) -> None:
        self._gate = gate
        self._store = store
        self._ledger = ledger
        self._vault = vault
        self._engine = engine
        self._model = model
        self._wording = Wording(model.reason_texts)
        self._attester = attester
        self._signer = signer
        self._engine_timeout = engine_timeout.total_seconds()
        self._returning = ThreadPoolExecutor(1, thread_name_prefix="engine")
        ledger.host(self._prepare)

    def close(self) -> None:
        """Let go of the thread that takes a far engine's answers."""
        self._returning.shutdown()

    def inquire(self, call: Call, parse: Parse, done: Callable[[Conversation | Refused], None]) -> None:
        """Answer a call of one query; returns at once, and ``done`` hears of it later.

        It hears of a refusal alone where steps 1 to 3 refuse.
        """

        def finish(inquiry: Inquiry, result: Result) -> None:
            if not inquiry.is_admitted:
                done(result if isinstance(result, Refused) else Refused("INTERNAL"))
                return
            self._gate.leave(inquiry.partner)
            headers = rate_limit(burst_limit(inquiry.partner), inquiry.burst, result.usage)
            done(_said(inquiry, result, headers))

        self._hand_in([Inquiry(call, parse, settle=self._settle, finish=finish)])

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
        is_over = threading.Event()

        def finish(inquiry: Inquiry, result: Result) -> None:
            results[inquiry] = result
            if len(results) == len(queries):
                is_over.set()

        inquiries = [Inquiry(call, _none, settle=self._settle, finish=finish) for _ in queries]
        for inquiry, query in zip(inquiries, queries, strict=True):
            inquiry.partner, inquiry.caller, inquiry.query = partner, caller, query
            inquiry.is_read = True
        self._hand_in(inquiries)
        is_over.wait()  # the ledger concludes whatever is overdue
        return [results[inquiry] for inquiry in inquiries]

    def _hand_in(self, inquiries: Sequence[Inquiry]) -> None:
        try:
            if len(inquiries) == 1:
                self._ledger.hand_in(inquiries[0])
            else:
                self._ledger.hand_in_party(inquiries)
        except LedgerBusy as error:
            for inquiry in inquiries:
                inquiry.finish(refused(error))

    # --- on the ledger's thread: steps 1 to 6, for all that wait

    def _prepare(self, inquiries: Sequence[Inquiry]) -> None:
        """Give every inquiry its attempt, or its end, or send it to the engine. Never raises."""
        try:
            with self._store.reading() as connection:
                _apart(partial(self._begin, connection), inquiries, _end)
                _apart(partial(self._walk, connection), inquiries, _end)
        except Exception as error:  # the store is not there: nobody gets any further
            for inquiry in inquiries:
                if inquiry.attempt is None:
                    inquiry.finish(refused(error))

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
        call, caller = inquiry.call, inquiry.caller
        try:
            (inquiry.query,) = inquiry.parse(call.body, inquiry.partner)
            inquiry.is_read = True
        except BodyMissing as error:
            inquiry.finish(self._gate.turn_away_bodiless(call, caller, error))
        except Exception as error:
            inquiry.refusal = refused(error)
            code, request_id = inquiry.refusal.code, inquiry.refusal.request_id
            inquiry.attempt = Refusal(call.method, caller, code, request_id=request_id)

    def _walk(self, connection: Connection, inquiries: Sequence[Inquiry]) -> None:
        walking = [i for i in inquiries if i.is_read and not i.is_over and i.attempt is None]
        new = [i for i in walking if i.found is None and i.refusal is None]
        if new:
            self._look(connection, new)  # 4 consent
        asking = [i for i in new if i.refusal is None and not i.repeats]
        if asking and self._engine.is_near:
            _apart(self._ask_near, asking, _refuse)  # 5 engine
        elif asking:
            walking = self._send_out(walking)
        self._attest(walking)  # 6 attest
        for inquiry in walking:
            inquiry.attempt = _attempt(inquiry)

    # --- 4 consent, replay, quota: an optimistic read, begun after the call arrived

    def _look(self, connection: Connection, inquiries: Sequence[Inquiry]) -> None:
        now = self._ledger.now()
        grants = register.grants_by_id(connection, {i.query.consent_id for i in inquiries})
        contracts = {i.caller.partner_id: i.partner.contract for i in inquiries}
        usages = contract.read(connection, contracts, now)
        for inquiry in inquiries:
            inquiry.usage = usages[inquiry.caller.partner_id]
        mine = {
            consent_id: grant
            for consent_id, partner_id in {(i.query.consent_id, i.caller.partner_id) for i in inquiries}
            if (grant := grants.get(consent_id)) and grant.partner_id == partner_id
        }
        keys = self._vault.keys(connection, list({owner_subject(grant.subject) for grant in mine.values()}))
        # Read last: a twin that used up the quota or the grant just now is found to have done so.
        names = [_key(inquiry) for inquiry in inquiries]
        firsts = answers.find(connection, names, now=now)
        for inquiry, name in zip(inquiries, names, strict=True):
            try:
                grant = mine.get(inquiry.query.consent_id)
                self._check(inquiry, grant, keys, firsts.get(name), now)
            except Exception as error:
                inquiry.refusal = self._explain(refused(error), inquiry.usage)

    def _check(
        self,
        inquiry: Inquiry,
        grant: Grant | None,
        keys: Mapping[str, DataKey],
        first: answers.Answer | None,
        now: datetime,
    ) -> None:
        query, contract_ = inquiry.query, inquiry.partner.contract
        if first is not None and first.request_sha256 != query.request_sha256:
            raise Refused("REQUEST_ID_REUSED")
        # A person whose key is gone was erased: what was sealed under it can't be given again.
        if (
            grant is None
            or grant.partner_id != inquiry.caller.partner_id
            or owner_subject(grant.subject) not in keys
        ):
            raise Refused("CONSENT_NOT_USABLE")
        inquiry.grant, inquiry.key = grant, keys[owner_subject(grant.subject)]
        if first is not None:
            inquiry.repeats = True  # whether it may be given again, the ledger decides
            return
        grant.require(query.ask, now=now)
        if query.threshold is not None and query.threshold not in contract_.thresholds:
            raise Refused("THRESHOLD_NOT_REGISTERED")
        if inquiry.usage is not None:
            contract.require(inquiry.usage)

    # --- 5 engine

    def _ask_near(self, inquiries: Sequence[Inquiry]) -> None:
        as_of = today(self._ledger.now())
        queries = [_question(inquiry) for inquiry in inquiries]
        asked = self._engine.ask(queries, as_of=as_of, timeout=self._engine_timeout)
        self._take(inquiries, queries, as_of, asked)

    def _send_out(self, inquiries: Sequence[Inquiry]) -> list[Inquiry]:
        """Ask an engine that may be late, for each call alone, whose queries come back together.

        Returns those that stay. The others belong to another thread from here on.
        """
        calls = defaultdict[int, list[Inquiry]](list)
        for inquiry in inquiries:
            calls[id(inquiry.call)].append(inquiry)
        staying = list[Inquiry]()
        for together in calls.values():
            asking = [i for i in together if not (i.found or i.refusal or i.repeats)]
            try:
                is_away = bool(asking) and self._send_call_out(together, asking)
            except Exception as error:
                is_away = False
                for inquiry in asking:
                    _refuse(inquiry, error)
            if not is_away:
                staying += together
        return staying

    def _send_call_out(self, together: Sequence[Inquiry], asking: Sequence[Inquiry]) -> bool:
        as_of = today(self._ledger.now())
        queries = [_question(inquiry) for inquiry in asking]
        timeout = min(self._engine_timeout, asking[0].call.seconds_left * ENGINE_SHARE)

        def come_back(asked: Future[Outcomes]) -> None:
            try:
                self._returning.submit(take_back, asked)
            except RuntimeError:  # closing
                for inquiry in together:
                    inquiry.finish(Refused("SERVER_BUSY"))

        def take_back(asked: Future[Outcomes]) -> None:
            try:
                self._take(asking, queries, as_of, asked)
            except Exception as error:
                for inquiry in asking:
                    _refuse(inquiry, error)
            self._hand_in(together)

        if timeout <= 0:
            raise Refused("DEADLINE_PASSED")
        self._engine.ask(queries, as_of=as_of, timeout=timeout).add_done_callback(come_back)
        return True

    def _take(
        self, inquiries: Sequence[Inquiry], queries: Sequence[Query], as_of: date, asked: Future[Outcomes]
    ) -> None:
        """Believe nothing: each outcome is checked against its own query, and refused alone."""
        outcomes = asked.result()
        require_answers(queries, outcomes)
        for inquiry, query, outcome in zip(inquiries, queries, outcomes, strict=True):
            try:
                if isinstance(outcome, EngineAnswerInvalid):
                    raise outcome
                if isinstance(outcome, Scored) and outcome.model != self._model.model:
                    self._change_model(outcome.model)
                require_sound(query, outcome, as_of=as_of, texts=self._model.reason_texts)
                inquiry.found = Found(inquiry.query, inquiry.grant, outcome)
            except Exception as error:
                _refuse(inquiry, error)

    def _change_model(self, name: str) -> None:
        """An engine of its own may come back with another model: an entry first, then its scores."""
        model = self._engine.model()
        # The model of a near engine can't change, and the ledger's thread must not wait for itself.
        if model.model != name or self._engine.is_near:
            raise EngineAnswerInvalid("a model that the engine does not announce")
        self._ledger.change(lambda tx: record_model(tx, model))
        self._model, self._wording = model, Wording(model.reason_texts)

    # --- 6 attest

    def _attest(self, inquiries: Sequence[Inquiry]) -> None:
        """Sign and seal what was found; what can't be signed becomes a refusal, and it alone.

        In three passes: code and tables that stay in the processor's caches sign a third faster.
        """
        signing, times = self._signer.signing(), self._attester.times(self._ledger.now())
        issuer, origin = self._attester.issuer, signing.log_origin
        drafts = dict[Inquiry, Draft]()
        for inquiry in inquiries:
            if inquiry.found is not None:
                with _refusing(inquiry):
                    drafts[inquiry] = draft(
                        inquiry.found,
                        self._wording,
                        caller=inquiry.caller,
                        log_origin=origin,
                        issuer=issuer,
                        times=times,
                    )
        signed = dict[Inquiry, Attestation]()
        for inquiry, made in drafts.items():
            with _refusing(inquiry):
                signed[inquiry] = self._attester.attest(made.claims, signing.key)
        for inquiry, attestation in signed.items():
            with _refusing(inquiry):
                inquiry.prepared = seal(
                    drafts[inquiry],
                    attestation,
                    caller=inquiry.caller,
                    usage=inquiry.usage,  # type: ignore[arg-type]
                    key=inquiry.key,
                    signing=signing,
                )

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
            inquiry.finish(refused(error))

    def _render(self, inquiry: Inquiry, outcome: Outcome) -> Result | None:
        """The result of one query; None: start over."""
        prepared, refusal = inquiry.prepared, inquiry.refusal
        match outcome:
            case Released() if prepared is not None:
                origin = prepared.release.log_origin
                response = with_receipt(prepared.response, origin, outcome.leaf_index, outcome.leaf)
                return Answered(response, False, outcome.usage)
            case Replayed():
                first = inquiry.key.open(outcome.sealed)
                response = with_receipt(first, outcome.log_origin, outcome.leaf_index, outcome.leaf)
                return Answered(response, True, outcome.usage)
            case Denied():
                refusal = refusal or Refused(outcome.reason)
                refusal.recorded = True
                return self._explain(refusal, outcome.usage or inquiry.usage)
            case Failed():
                return refused(outcome.error)
            case Stale() | Gone():
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
        if inquiry.refusal is not None and isinstance(inquiry.attempt, Refusal):
            inquiry.finish(refusal)  # that was tried
            return
        inquiry.refusal = refusal
        inquiry.attempt = _attempt(inquiry)
        self._hand_in([inquiry])

    def _explain(self, refusal: Refused, usage: Usage | None) -> Refused:
        """Add the usage, and to a quota refusal when its period ends; retry loops are told to stop."""
        refusal.usage = usage
        if usage is not None and refusal.code in QUOTAS:
            now = self._ledger.now()
            day_ends, month_ends = contract.ends(usage.contract, now)
            refusal.quota_subject = QUOTAS[refusal.code]
            refusal.retry_after = (day_ends if refusal.quota_subject == "day" else month_ends) - now
            refusal.stop = True
        return refusal


def _apart(
    step: Callable[[Sequence[Inquiry]], None],
    inquiries: Sequence[Inquiry],
    fail: Callable[[Inquiry, Exception], None],
) -> None:
    """Take a step together; where it fails, in halves, so that whoever is to blame fails alone.

    Raises:
        StoreUnavailable, SQLAlchemyError: Nobody is to blame.
    """
    try:
        step(inquiries)
    except (StoreUnavailable, SQLAlchemyError):
        raise
    except Exception as error:
        half = len(inquiries) // 2
        if half:
            _apart(step, inquiries[:half], fail)
            _apart(step, inquiries[half:], fail)
        else:
            fail(inquiries[0], error)


def _end(inquiry: Inquiry, error: Exception) -> None:
    inquiry.finish(refused(error))


def _refuse(inquiry: Inquiry, error: Exception) -> None:
    inquiry.found = None
    inquiry.refusal = refused(error)


class _refusing:
    """Whatever goes wrong inside the block refuses this inquiry, and it alone."""

    __slots__ = ("_inquiry",)

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        _refuse(self._inquiry, error)
        return True


def _none(_: bytes, __: Partner) -> Sequence[ScoreQuery]:
    return ()


def _said(inquiry: Inquiry, result: Result, headers: Headers) -> Conversation | Refused:
    if inquiry.is_read:
        return Conversation([inquiry.query], [result], headers)
    refusal = result if isinstance(result, Refused) else Refused("INTERNAL")
    refusal.headers = refusal.headers or headers
    return refusal


def _question(inquiry: Inquiry) -> Query:
    return Query(inquiry.grant.subject, _excluded(inquiry.grant.terms.excluded_families))


@lru_cache(maxsize=64)
def _excluded(families: frozenset[InputFamily]) -> frozenset[Family]:
    return frozenset(Family(family.number) for family in families)


def _attempt(inquiry: Inquiry) -> Attempt:
    query, refusal = inquiry.query, inquiry.refusal
    if refusal is None and inquiry.prepared is not None:
        return inquiry.prepared.release
    if refusal is None and inquiry.repeats:
        return Repeat(inquiry.caller, query)
    return Refusal(
        method=query.method,
        caller=inquiry.caller,
        reason=refusal.code if refusal else "INTERNAL",
        purpose=query.ask.purpose,
        consent_id=query.consent_id,
        request_id=query.request_id,
    )


def _key(inquiry: Inquiry) -> str:
    query = inquiry.query
    return answers.answer_key(inquiry.caller.partner_id, query.method, query.request_id)


def record_model(tx: Transaction, model: ModelCard) -> None:
    """The model in use is an entry before the first answer that rests on it."""
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED,
        object_id=model.artefact_sha256.hex(),
        reason=model.model,
        actor="gateway",
    )
    tx.append(leaf)
