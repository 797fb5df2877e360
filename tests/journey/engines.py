"""Engines for tests: small and real, they stand behind the same door as the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Any

from gateway.engine import EmbeddedEngine, ModelCard
from scoring.service import Engine, Explanation, Family, NotScored, Query, Scored

Outcomes = Sequence[Scored | NotScored]
EPOCH = date(2005, 10, 6)
MODEL = "uci-card@1.418f0e71"  # what training on the records always gives


class ScriptedEngine:
    """The real engine, counted. A test says what happens before it answers, and what it answers."""

    def __init__(self, scorer: Engine) -> None:
        self._real = EmbeddedEngine(scorer)
        assert self._real.model().model == MODEL
        self._threads = ThreadPoolExecutor(64)
        self.reset()

    def reset(self) -> None:
        """Forget script and count."""
        self.calls = 0
        self.announces: ModelCard | None = None
        self.queries: list[Query] = []
        self.timeouts: list[float] = []
        self.before: Callable[[], object] = lambda: None
        self.reply: Callable[[Sequence[Query], Outcomes], Any] = lambda _, found: found

    is_near = False
    """A test may hold it, or make it ail: each call asks for itself, in a thread of its own."""

    def ask(self, queries: Sequence[Query], *, as_of: date, timeout: float) -> Future[Outcomes]:
        self.calls += 1
        self.queries += queries
        self.timeouts.append(timeout)
        return self._threads.submit(self._answer, queries, as_of, timeout)

    def _answer(self, queries: Sequence[Query], as_of: date, timeout: float) -> Outcomes:
        self.before()
        found = self._real.ask(queries, as_of=as_of, timeout=timeout).result()
        answer: Outcomes = self.reply(queries, found)
        return answer

    def explain(self, subject: str, *, as_of: date, timeout: float) -> Explanation:
        self.before()
        return self._real.explain(subject, as_of=as_of, timeout=timeout)

    def model(self) -> ModelCard:
        return self.announces or self._real.model()

    def close(self) -> None:
        self._real.close()

    def answers(self, score: Any, **changes: Any) -> None:
        """From now on everybody has this score."""
        self.reply = lambda queries, _: [scored(query.subject, score, **changes) for query in queries]


def scored(subject: str, score: Any, **changes: Any) -> Scored:
    """An outcome; ``changes`` replace fields, sound or not."""
    fields: dict[str, Any] = {
        "subject": subject,
        "epoch": EPOCH,
        "score": score,
        "reason_codes": (),
        "families": (Family.HISTORY,),
        "model": MODEL,
    }
    return Scored(**(fields | changes))
