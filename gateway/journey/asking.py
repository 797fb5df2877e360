"""Step 5: the engine is asked, and nothing that it says is believed unchecked.

An engine that may keep its callers waiting is asked for each call alone, and nobody waits for it: the
queries come back with the answer, and go on with those that wait then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import date, timedelta
from functools import lru_cache

from gateway.answer import Found, Wording
from gateway.engine import (
    EngineAnswerInvalid,
    EngineDoor,
    ModelCard,
    Outcomes,
    require_answers,
    require_sound,
    today,
)
from gateway.errors import Refused
from gateway.journey.apart import apart
from gateway.journey.inquiry import Inquiry
from gateway.ledger import Ledger, Transaction
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import InputFamily
from scoring.service import Family, Query, Scored

ENGINE_SHARE = 0.8
"""Of the caller's remaining time; the rest is for signing and committing."""


class Asking:
    """Asks one engine, and follows its model. ``come_back`` takes queries that were away."""

    def __init__(
        self,
        engine: EngineDoor,
        model: ModelCard,
        ledger: Ledger,
        *,
        timeout: timedelta,
        come_back: Callable[[Sequence[Inquiry]], None],
        returning: Executor | None = None,
    ) -> None:
        self._engine = engine
        self._model = model
        self._ledger = ledger
        self._timeout = timeout.total_seconds()
        self._come_back = come_back
        self._returning = returning or ThreadPoolExecutor(1, thread_name_prefix="engine")
        self.wording = Wording(model.reason_texts)

    def close(self) -> None:
        """Let go of the thread that takes a far engine's answers."""
        self._returning.shutdown()

    def ask(self, inquiries: Sequence[Inquiry]) -> list[Inquiry]:
        """Ask for those that need it. Returns those that stay; the others belong to another thread now."""
        if self._engine.is_near:
            apart(self._ask_near, [i for i in inquiries if _needs_score(i)], Inquiry.refuse)
            return list(inquiries)
        calls = defaultdict[int, list[Inquiry]](list)
        for inquiry in inquiries:
            calls[id(inquiry.call)].append(inquiry)
        return [i for together in calls.values() if not self._send_out(together) for i in together]

    def _ask_near(self, inquiries: Sequence[Inquiry]) -> None:
        as_of = today(self._ledger.now())
        queries = [_question(inquiry) for inquiry in inquiries]
        if queries:
            asked = self._engine.ask(queries, as_of=as_of, timeout=self._timeout)
            self._take(inquiries, queries, as_of, asked)

    def _send_out(self, together: Sequence[Inquiry]) -> bool:
        """Ask for the queries of one call; False: none is away."""
        asking = [inquiry for inquiry in together if _needs_score(inquiry)]
        as_of = today(self._ledger.now())
        queries = [_question(inquiry) for inquiry in asking]

        def answered(asked: Future[Outcomes]) -> None:
            try:
                self._returning.submit(take, asked)
            except RuntimeError:  # closing
                for inquiry in together:
                    inquiry.finish(Refused("SERVER_BUSY"))

        def take(asked: Future[Outcomes]) -> None:
            try:
                self._take(asking, queries, as_of, asked)
            except Exception as error:
                for inquiry in asking:
                    inquiry.refuse(error)
            self._come_back(together)

        if not asking:
            return False
        try:
            timeout = min(self._timeout, asking[0].call.seconds_left * ENGINE_SHARE)
            if timeout <= 0:
                raise Refused("DEADLINE_PASSED")
            self._engine.ask(queries, as_of=as_of, timeout=timeout).add_done_callback(answered)
        except Exception as error:
            for inquiry in asking:
                inquiry.refuse(error)
            return False
        return True

    def _take(
        self, inquiries: Sequence[Inquiry], queries: Sequence[Query], as_of: date, asked: Future[Outcomes]
    ) -> None:
        """Believe nothing: each outcome is checked against its own query, and refused alone."""
        outcomes = asked.result()
        require_answers(queries, outcomes)
        for inquiry, query, outcome in zip(inquiries, queries, outcomes, strict=True):
            try:
                if isinstance(outcome, Scored) and outcome.model != self._model.model:
                    self._change_model(outcome.model)
                sound = require_sound(query, outcome, as_of=as_of, texts=self._model.reason_texts)
                inquiry.found = Found(inquiry.query, inquiry.consented.grant, sound)
            except Exception as error:
                inquiry.refuse(error)

    def _change_model(self, name: str) -> None:
        """An engine of its own may come back with another model: an entry first, then its scores."""
        model = self._engine.model()
        # The model of a near engine can't change, and the ledger's thread must not wait for itself.
        if model.model != name or self._engine.is_near:
            raise EngineAnswerInvalid("a model that the engine does not announce")
        self._ledger.change(lambda tx: record_model(tx, model))
        self._model, self.wording = model, Wording(model.reason_texts)


def record_model(tx: Transaction, model: ModelCard) -> None:
    """The model in use is an entry before the first answer that rests on it."""
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED,
        object_id=model.artefact_sha256.hex(),
        reason=model.model,
        actor="gateway",
    )
    tx.append(leaf)


def _needs_score(inquiry: Inquiry) -> bool:
    return inquiry.found is None and inquiry.refusal is None and not inquiry.repeats


def _question(inquiry: Inquiry) -> Query:
    grant = inquiry.consented.grant
    return Query(grant.subject, _excluded(grant.terms.excluded_families))


@lru_cache(maxsize=64)
def _excluded(families: frozenset[InputFamily]) -> frozenset[Family]:
    return frozenset(Family(family.number) for family in families)
