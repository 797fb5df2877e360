"""Calls of a campaign: one that nobody waits for, what came of it, and a load that keeps a gateway busy."""

from __future__ import annotations

import math
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from scoregate.partner.v1 import score_pb2
from tests.journey.contract import BY_REQUEST
from tests.wire import Failure, failure_of, open_channel
from tests.world import CREDIT, Partner

CALL_SECONDS = 30.0
NONCE = "n" * 22

Outcome = Message | Failure


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that is under way. ``answer`` waits for what comes of it."""

    request: Message
    future: Any

    def answer(self) -> Outcome:
        """The response, or how the call was refused."""
        error = self.future.exception()
        if error is not None:
            return failure_of(error)
        body: bytes = self.future.result()
        response: Message = BY_REQUEST[self.request.DESCRIPTOR].response.FromString(body)
        return response


def ask(channel: grpc.Channel, request: Message) -> Asked:
    """Begin a call of the method that takes this request: its first byte leaves now, and nobody waits."""
    path = BY_REQUEST[request.DESCRIPTOR].path
    unary: Any = channel.unary_unary(path)
    return Asked(request, unary.future(request.SerializeToString(), timeout=CALL_SECONDS))


def batch(*items: score_pb2.GetScoreRequest) -> score_pb2.BatchGetScoresRequest:
    """Several in one call."""
    return score_pb2.BatchGetScoresRequest(items=items)


Answer = score_pb2.GetScoreResponse | score_pb2.CheckThresholdResponse


def answers(outcome: Outcome) -> list[Answer]:
    """The answers to score queries in a call's outcome: one, none, or as many as a batch had."""
    if isinstance(outcome, score_pb2.BatchGetScoresResponse):
        return [each.answer for each in outcome.results if each.HasField("answer")]
    return [outcome] if isinstance(outcome, Answer) else []


def reasons(outcome: Outcome) -> list[str]:
    """Why a call, or each refused item of a batch, was refused."""
    if isinstance(outcome, Failure):
        return [outcome.reason or outcome.status.name]
    if isinstance(outcome, score_pb2.BatchGetScoresResponse):
        return [each.error.reason for each in outcome.results if each.HasField("error")]
    return []


# --- a load that keeps a gateway busy, from a process of its own


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load while it runs."""

    pipe: Connection

    def told(self) -> Counter[str]:
        """How many calls were answered ("") so far, and how many were refused, by reason."""
        self.pipe.send("how many?")
        counts: Counter[str] = self.pipe.recv()
        return counts


@contextmanager
def load(callers: Sequence[tuple[Partner, Sequence[str]]], in_flight: int) -> Iterator[Loaded]:
    """Each caller keeps so many GetScore calls under way, over its consents in turn, until the block ends."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    port = callers[0][0].world.gateway.partner_port
    who = [(each.world.server_ca, each.certificate, each.key, list(consents)) for each, consents in callers]
    process = context.Process(target=_load, args=(theirs, port, who, in_flight), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()  # it is under way
        yield Loaded(ours)
    finally:
        process.kill()  # by its id
        process.join()
        ours.close()


def _load(pipe: Connection, port: int, who: Sequence[Any], in_flight: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    counts: Counter[str] = Counter()
    done: SimpleQueue[tuple[Callable[[], None], Any]] = SimpleQueue()

    def send(call: Any, consents: Iterator[str]) -> None:
        request = score_pb2.GetScoreRequest(
            request_id=str(uuid4()),
            consent_id=next(consents),
            purpose=CREDIT,
            disclosure="DISCLOSURE_SCORE",
            nonce=NONCE,
        )
        future = call.future(request.SerializeToString(), timeout=CALL_SECONDS)
        future.add_done_callback(lambda ended: done.put((lambda: send(call, consents), ended)))

    for server_ca, certificate, key, consent_ids in who:
        channel = open_channel(port, server_ca, certificate, key)
        call: Any = channel.unary_unary("/scoregate.partner.v1.ScoreService/GetScore")
        consents = cycle(consent_ids)
        for _ in range(in_flight):
            send(call, consents)
    Thread(target=_report, args=(pipe, counts), daemon=True).start()
    while True:
        again, ended = done.get()
        error = ended.exception()
        counts[failure_of(error).reason if error else ""] += 1
        again()


def _report(pipe: Connection, counts: Counter[str]) -> None:
    pipe.send("under way")
    while True:
        try:
            pipe.recv()
        except EOFError:
            os._exit(0)  # whoever started this is gone
        pipe.send(counts.copy())


# --- figures


def cpu_seconds(process: SpawnProcess) -> float:
    """Processor time of a process so far, user and system."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(values: Sequence[float], part: float) -> float:
    """The value that ``part`` of them do not exceed; 0 of none."""
    return sorted(values)[math.ceil(part * len(values)) - 1] if values else 0.0
