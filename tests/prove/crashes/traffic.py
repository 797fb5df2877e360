"""Callers that ask without pause, each question under a request id of its own, and keep all that comes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from google.protobuf.message import Message

from scoregate.partner.v1 import score_pb2
from tests.journey.rows import ask
from tests.wire import Failure, outcome
from tests.world import Partner

CALL_SECONDS = 10.0

FOR_GOOD = ("CONSENT_", "DAILY_", "MONTHLY_")
"""How the reason of a refusal begins that asking again won't change; every other one leaves it open."""

Single = score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest


@dataclass(slots=True)
class Question:
    """One call: a query, or a batch of them. Asked again, it is the same question."""

    message: Message
    items: Sequence[Single]
    bodies: dict[str, bytes] = field(default_factory=dict)  # first answers that came, by request id
    denied: dict[str, str] = field(default_factory=dict)  # request id → why it was refused, for good
    failures: list[Failure] = field(default_factory=list)  # of the call, each time it was asked
    differing: int = 0  # answers that were not the first one's bytes

    @property
    def open(self) -> list[Single]:
        """Nobody knows yet what becomes of these."""
        return [each for each in self.items if each.request_id not in self.bodies | self.denied]

    def ask(self, caller: Partner) -> Failure | None:
        """Ask, for the first time or again; returns why there was no answer, if so."""
        sent = outcome(ask, caller, self.message, timeout=CALL_SECONDS)
        if isinstance(sent, Failure):
            self.failures.append(sent)
            self._deny(self.items[0], sent.reason)
            return sent
        if isinstance(self.message, score_pb2.BatchGetScoresRequest):
            self._keep_batch(score_pb2.BatchGetScoresResponse.FromString(sent.body))
        else:
            self._keep(self.items[0], sent.body)
        return None

    def _keep_batch(self, response: score_pb2.BatchGetScoresResponse) -> None:
        for item, result in zip(self.items, response.results, strict=True):
            if result.HasField("answer"):
                self._keep(item, result.answer.SerializeToString(deterministic=True))
            else:
                self._deny(item, result.error.reason)

    def _keep(self, item: Single, body: bytes) -> None:
        if self.bodies.setdefault(item.request_id, body) != body or item.request_id in self.denied:
            self.differing += 1

    def _deny(self, item: Single, reason: str) -> None:
        if reason.startswith(FOR_GOOD) and item.request_id not in self.bodies:
            self.denied[item.request_id] = reason


def answer_of(item: Single, body: bytes) -> score_pb2.GetScoreResponse | score_pb2.CheckThresholdResponse:
    """An answer as a message."""
    if isinstance(item, score_pb2.GetScoreRequest):
        return score_pb2.GetScoreResponse.FromString(body)
    return score_pb2.CheckThresholdResponse.FromString(body)


def one(message: Single) -> Question:
    """A call with one question."""
    return Question(message, [message])


def batch(items: Sequence[score_pb2.GetScoreRequest]) -> Question:
    """A call with many."""
    return Question(score_pb2.BatchGetScoresRequest(items=items), items)


@dataclass
class Traffic:
    """What callers asked, and what came of it."""

    caller: Partner
    draw: Callable[[random.Random], Question]  # called by one thread at a time
    chance: random.Random
    replays: float = 0.1  # of the calls ask what was answered before
    after_failure: float | None = None  # seconds until a caller asks on; None: he ends when nobody is there
    on_answer: Callable[[int], None] = lambda _: None  # how many there are; called by any thread
    asked: list[Question] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)  # when each began and ended, monotonic
    failures: list[tuple[float, str]] = field(default_factory=list)  # when each ended, and why

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._answered: list[Question] = []

    @contextmanager
    def flowing(self, callers: int) -> Iterator[None]:
        """So many callers ask, until the block ends and their last calls have."""
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                question = self._next()
            began = time.monotonic()
            failure = question.ask(self.caller)
            ended = time.monotonic()
            if failure is None:
                with self._lock:
                    self._answered.append(question)
                    self.answers.append((began, ended))
                self.on_answer(len(self._answered))
                continue
            self.failures.append((ended, failure.reason or failure.status.name))
            if self.after_failure is not None:
                self._ended.wait(self.after_failure)
            elif not failure.reason:
                return

    def _next(self) -> Question:
        if self._answered and self.chance.random() < self.replays:
            return self.chance.choice(self._answered)  # a replay; costs nothing
        question = self.draw(self.chance)
        self.asked.append(question)
        return question
