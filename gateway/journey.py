"""One score query, in order.

::

    1 partner   2 burst   3 parse   4 consent   5 engine   6 attest   7 ledger   8 answer

Steps 4 to 6 may be repeated or thrown away: nothing that they make leaves memory before
step 7 has committed. A batch walks the same steps a chunk at a time, so that single
queries find their way in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from consent import register
from consent.attest import Attester
from consent.grant import ConsentDenied, Grant
from gateway.answer import Found, Prepared, prepare, with_receipt
from gateway.audit.private import DataKey, Vault, owner_subject
from gateway.engine import (
    EngineAnswerInvalid,
    EngineDoor,
    ModelCard,
    require_answers,
    require_sound,
    today,
)
from gateway.errors import Refused, refused
from gateway.gate import Gate, burst_limit
from gateway.keys import Signer
from gateway.ledger import (
    Attempt,
    Denied,
    Failed,
    Gone,
    Ledger,
    LedgerBusy,
    LedgerUnavailable,
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
from gateway.query import Call, Caller, ScoreQuery
from gateway.quota import contract
from gateway.quota.contract import QuotaExhausted, Usage
from gateway.quota.headers import rate_limit
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoring.service import Family, NotScored, Query, Scored

CHUNK = 50
"""Batch items in one transaction: a few milliseconds, which a single query can wait out."""

ENGINE_SHARE = 0.8
"""Of the caller's remaining time; the rest is for signing and committing."""

MAX_ROUNDS = 3
"""How often a query may start over because a key was turned, or a first answer expired, meanwhile."""

NO_ENTRY = frozenset({"AUDIT_UNAVAILABLE", "DEADLINE_PASSED"})
"""Refusals without an entry: the ledger can't be written, or nobody is there any more."""

Parse = Callable[[bytes, Partner], Sequence[ScoreQuery]]


@dataclass(frozen=True, slots=True)
class Answered:
    """The bytes that leave, receipt included."""

    response: bytes
    replayed: bool
    usage: Usage


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call's queries, what became of each, and the RateLimit headers that go out first."""

    queries: Sequence[ScoreQuery]
    results: Sequence[Answered | Refused]
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the optimistic read saw. It refuses early; it never releases."""

    grants: Mapping[str, Grant]  # of this partner
    answers: Mapping[str, answers.Answer]
    usage: Usage
    keys: Mapping[str, DataKey]  # by owner


Step = Refused | Repeat | tuple[ScoreQuery, Grant]


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
        self._attester = attester
        self._signer = signer
        self._engine_timeout = engine_timeout.total_seconds()

    def answer(self, call: Call, parse: Parse) -> Conversation:
        """Answer every query of a call, each for itself, in order.

        Raises:
            Refused: The call as a whole is refused, in steps 1 to 3.
        """
        with self._ledger.expecting():
            partner, caller = self._gate.identify(call)  # 1 partner
            with self._gate.admit(partner, call.method) as burst:  # 2 burst
                limit = burst_limit(partner)
                with self._gate.recording(call, caller, rate_limit(limit, burst, None)):  # 3 parse
                    queries = parse(call.body, partner)
                results: list[Answered | Refused] = []
                for start in range(0, len(queries), CHUNK):
                    results += self._answer(call, caller, partner, queries[start : start + CHUNK])
                usage = next((r.usage for r in reversed(results) if r.usage is not None), None)
                return Conversation(queries, results, rate_limit(limit, burst, usage))

    def _answer(
        self, call: Call, caller: Caller, partner: Partner, queries: Sequence[ScoreQuery]
    ) -> list[Answered | Refused]:
        done: dict[int, Answered | Refused] = {}
        for _ in range(MAX_ROUNDS):
            todo = {i: query for i, query in enumerate(queries) if i not in done}
            if not todo:
                break
            try:
                done |= self._round(call, caller, partner, todo)
            except Exception as error:
                # Nothing of this round is known to be recorded, so nothing of it leaves.
                done |= {i: refused(error) for i in todo}
        results = [done.get(i) or Refused("SERVER_BUSY") for i in range(len(queries))]
        self._record_rest(caller, queries, results)
        return results

    def _record_rest(
        self, caller: Caller, queries: Sequence[ScoreQuery], results: list[Answered | Refused]
    ) -> None:
        """Give refusals that no transaction has recorded their entry, if the ledger can be written."""
        left = {
            i: result
            for i, result in enumerate(results)
            if isinstance(result, Refused) and not result.recorded and result.code not in NO_ENTRY
        }
        if not left:
            return
        try:
            self._ledger.submit([_refusal(caller, queries[i], left[i].code) for i in left])
        except (LedgerUnavailable, LedgerBusy) as error:
            for i in left:
                results[i] = refused(error)
        for result in left.values():
            result.recorded = True

    def _round(
        self, call: Call, caller: Caller, partner: Partner, queries: Mapping[int, ScoreQuery]
    ) -> dict[int, Answered | Refused]:
        """Steps 4 to 8; a query without a result in the answer starts over."""
        seen = self._look(caller, partner, list(queries.values()))
        steps = {i: self._check(caller, partner, seen, query) for i, query in queries.items()}  # 4 consent
        found = self._ask_engine(call, steps)  # 5 engine
        prepared = self._attest(caller, seen, found)  # 6 attest
        attempts = {i: _attempt(caller, queries[i], step, prepared.get(i)) for i, step in found.items()}
        outcomes = self._ledger.submit(list(attempts.values()), is_wanted=call.is_wanted)  # 7 ledger
        results: dict[int, Answered | Refused] = {}
        for (i, step), outcome in zip(found.items(), outcomes, strict=True):
            try:
                result = self._render(seen, queries[i], step, prepared.get(i), outcome)  # 8 answer
            except Exception as error:  # of this one alone; a retry finds what was committed
                result = refused(error)
            if result is not None:
                results[i] = result
        return results

    # --- 4 consent, replay, quota: an optimistic read, begun after the call arrived

    def _look(self, caller: Caller, partner: Partner, queries: Sequence[ScoreQuery]) -> _Seen:
        now = self._ledger.now()
        with self._store.reading() as connection:
            grants = register.grants_by_id(connection, {query.consent_id for query in queries})
            mine = {key: grant for key, grant in grants.items() if grant.partner_id == caller.partner_id}
            contracts = {caller.partner_id: partner.contract}
            usage = contract.read(connection, contracts, now)[caller.partner_id]
            return _Seen(
                grants=mine,
                usage=usage,
                # Read last: a twin that used up the quota or the grant just now is found to have done so.
                answers=answers.find(connection, {_key(caller, query) for query in queries}, now=now),
                keys=self._vault.keys(connection, list({owner_subject(g.subject) for g in mine.values()})),
            )

    def _check(self, caller: Caller, partner: Partner, seen: _Seen, query: ScoreQuery) -> Step:
        first = seen.answers.get(_key(caller, query))
        try:
            if first is not None and first.request_sha256 != query.request_sha256:
                raise Refused("REQUEST_ID_REUSED")
            grant = seen.grants.get(query.consent_id)
            # A person whose key is gone was erased: what was sealed under it can't be given again.
            if grant is None or owner_subject(grant.subject) not in seen.keys:
                raise Refused("CONSENT_NOT_USABLE")
            if first is not None:
                return Repeat(caller, query)  # whether it may be given again, the ledger decides
            grant.require(query.ask, now=self._ledger.now())
            if query.threshold is not None and query.threshold not in partner.contract.thresholds:
                raise Refused("THRESHOLD_NOT_REGISTERED")
            contract.spend(seen.usage, 1)
        except (ConsentDenied, QuotaExhausted, Refused) as error:
            return self._explain(refused(error), seen.usage)
        return query, grant

    # --- 5 engine

    def _ask_engine(self, call: Call, steps: Mapping[int, Step]) -> dict[int, Refused | Repeat | Found]:
        asked = {i: step for i, step in steps.items() if isinstance(step, tuple)}
        found: dict[int, Refused | Repeat | Found] = {
            i: step for i, step in steps.items() if not isinstance(step, tuple)
        }
        if asked:
            found |= self._find(call, asked)
        return dict(sorted(found.items()))

    def _find(
        self, call: Call, asked: Mapping[int, tuple[ScoreQuery, Grant]]
    ) -> Mapping[int, Refused | Found]:
        queries = [Query(grant.subject, _excluded(grant)) for _, grant in asked.values()]
        timeout = min(self._engine_timeout, call.seconds_left * ENGINE_SHARE)
        try:
            if timeout <= 0:
                raise Refused("DEADLINE_PASSED")
            as_of = today(self._ledger.now())
            outcomes = self._engine.score(queries, as_of=as_of, timeout=timeout)
            require_answers(queries, outcomes)
        except Exception as error:
            return {i: refused(error) for i in asked}
        found: dict[int, Refused | Found] = {}
        for (i, (query, grant)), asking, outcome in zip(asked.items(), queries, outcomes, strict=True):
            try:
                self._require_sound(asking, outcome, as_of)
                found[i] = Found(query, grant, outcome)
            except Exception as error:
                found[i] = refused(error)
        return found

    def _require_sound(self, asking: Query, outcome: Scored | NotScored, as_of: date) -> None:
        if isinstance(outcome, Scored) and outcome.model != self._model.model:
            self._change_model(outcome.model)
        require_sound(asking, outcome, as_of=as_of, texts=self._model.reason_texts)

    def _change_model(self, name: str) -> None:
        """An engine of its own may come back with another model: an entry first, then its scores."""
        model = self._engine.model()
        if model.model != name:
            raise EngineAnswerInvalid("a model that the engine does not announce")
        self._ledger.change(lambda tx: record_model(tx, model))
        self._model = model

    # --- 6 attest

    def _attest(
        self, caller: Caller, seen: _Seen, found: dict[int, Refused | Repeat | Found]
    ) -> dict[int, Prepared]:
        """Sign and seal what was found; what can't be signed becomes a refusal, and it alone."""
        signing, now = self._signer.signing(), self._ledger.now()
        prepared: dict[int, Prepared] = {}
        for i, step in found.items():
            if not isinstance(step, Found):
                continue
            try:
                prepared[i] = prepare(
                    step,
                    caller=caller,
                    usage=seen.usage,
                    key=seen.keys[owner_subject(step.grant.subject)],
                    signing=signing,
                    attester=self._attester,
                    reason_texts=self._model.reason_texts,
                    now=now,
                )
            except Exception as error:
                found[i] = refused(error)
        return prepared

    # --- 8 answer

    def _render(
        self,
        seen: _Seen,
        query: ScoreQuery,
        step: Refused | Repeat | Found,
        prepared: Prepared | None,
        outcome: Outcome,
    ) -> Answered | Refused | None:
        """The result of one query; None: start over."""
        if isinstance(outcome, Stale | Gone):
            self._signer.refresh()
            return None
        if isinstance(outcome, Released) and prepared is not None:
            origin = prepared.release.log_origin
            response = with_receipt(prepared.response, origin, outcome.leaf_index, outcome.leaf)
            return Answered(response, False, outcome.usage)
        if isinstance(outcome, Replayed):
            key = seen.keys[owner_subject(seen.grants[query.consent_id].subject)]
            first = key.open(outcome.sealed)
            response = with_receipt(first, outcome.log_origin, outcome.leaf_index, outcome.leaf)
            return Answered(response, True, outcome.usage)
        return self._refusal(seen, step, outcome)

    def _refusal(self, seen: _Seen, step: Refused | Repeat | Found, outcome: Outcome) -> Refused:
        if isinstance(outcome, Denied):
            refusal = step if isinstance(step, Refused) else Refused(outcome.reason)
            refusal.recorded = True
            return self._explain(refusal, outcome.usage or seen.usage)
        if isinstance(outcome, Failed):
            return refused(outcome.error)
        return Refused("DEADLINE_PASSED")  # dropped before its transaction began

    def _explain(self, refusal: Refused, usage: Usage) -> Refused:
        """Add the usage, and to a quota refusal when its period ends; retry loops are told to stop."""
        refusal.usage = usage
        if refusal.code in {"DAILY_QUOTA_EXHAUSTED", "MONTHLY_QUOTA_EXHAUSTED"}:
            now = self._ledger.now()
            day_ends, month_ends = contract.ends(usage.contract, now)
            ends = day_ends if refusal.code == "DAILY_QUOTA_EXHAUSTED" else month_ends
            refusal.retry_after = ends - now
            refusal.stop = True
            refusal.quota_subject = "day" if refusal.code == "DAILY_QUOTA_EXHAUSTED" else "month"
        return refusal


def _attempt(
    caller: Caller, query: ScoreQuery, step: Refused | Repeat | Found, prepared: Prepared | None
) -> Attempt:
    if isinstance(step, Repeat):
        return step
    if prepared is not None:
        return prepared.release
    return _refusal(caller, query, step.code if isinstance(step, Refused) else "INTERNAL")


def _refusal(caller: Caller, query: ScoreQuery, code: str) -> Refusal:
    return Refusal(
        method=query.method,
        caller=caller,
        reason=code,
        purpose=query.ask.purpose,
        consent_id=query.consent_id,
        request_id=query.request_id,
    )


def record_model(tx: Transaction, model: ModelCard) -> None:
    """The model in use is an entry before the first answer that rests on it."""
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED,
        object_id=model.artefact_sha256.hex(),
        reason=model.model,
        actor="gateway",
    )
    tx.append(leaf)


def _excluded(grant: Grant) -> frozenset[Family]:
    return frozenset(Family(family.number) for family in grant.terms.excluded_families)


def _key(caller: Caller, query: ScoreQuery) -> str:
    return answers.answer_key(caller.partner_id, query.method, query.request_id)
