"""The generator: one process on the second core, so many calls in flight, no waiting in between."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import grpc

from tests.bench.failed import BenchFailed
from tests.bench.installation import Installation
from tests.bench.servers import SERVICE, Server
from tests.world import open_channel

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's calls in one round; every one of them was answered OK."""

    seconds: float
    server_cpu_seconds: float
    answers: Sequence[tuple[int, bytes, bytes]]  # lender, what was asked, what came


class Connections:
    """One connection for each lender to one server."""

    def __init__(self, server: Server, installation: Installation, method: str) -> None:
        self._server = server
        self._closing = ExitStack()
        self._calls: list[Any] = []
        for lender in installation.lenders:
            channel = open_channel(server.port, installation.server_ca, lender.certificate, lender.key)
            self._closing.callback(channel.close)
            self._calls.append(channel.unary_unary(f"/{SERVICE}/{method}"))

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def drive(self, bodies: Sequence[Sequence[bytes]], *, in_flight: int, seconds: float) -> Turn:
        """Keep ``in_flight`` calls under way on each connection for so long, or until bodies run out.

        Raises:
            BenchFailed: A call was not answered OK.
        """
        waiting = [deque(each) for each in bodies]
        done: SimpleQueue[tuple[int, bytes, Any]] = SimpleQueue()
        answers: list[tuple[int, bytes, bytes]] = []
        under_way = 0

        def send(lender: int) -> int:
            body = waiting[lender].popleft()
            future = self._calls[lender].future(body, timeout=TIMEOUT_SECONDS)
            future.add_done_callback(lambda ended: done.put((lender, body, ended)))
            return 1

        used, started = self._server.cpu_seconds(), time.perf_counter()
        for lender, left in enumerate(waiting):
            under_way += sum(send(lender) for _ in range(min(in_flight, len(left))))
        while under_way:
            lender, body, ended = done.get()
            under_way -= 1
            answers.append((lender, body, self._answer(ended)))
            if waiting[lender] and time.perf_counter() - started < seconds:
                under_way += send(lender)
        took = time.perf_counter() - started
        return Turn(took, self._server.cpu_seconds() - used, answers)

    def _answer(self, ended: Any) -> bytes:
        try:
            answer: bytes = ended.result()
        except grpc.RpcError as error:
            problem = f"{error.code().name}: {error.details()}"
            raise BenchFailed(f"The {self._server.name} refused a call: {problem}") from error
        return answer
