"""The closed loop: one process on the second core, so many calls in flight, no waiting in between."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import grpc

from tests.bench.failed import BenchFailed
from tests.bench.installation import Installation
from tests.bench.servers import SERVICE, Serving
from tests.bench.turn import Turn
from tests.wire import open_channel

TIMEOUT_SECONDS = 30.0


class Connections:
    """One connection for each lender, to one server or in turn to several."""

    def __init__(self, servers: Sequence[Serving], installation: Installation, method: str) -> None:
        self._servers = servers
        self._closing = ExitStack()
        self.calls: list[Any] = []
        for n, lender in enumerate(installation.lenders):
            port = servers[n % len(servers)].port
            channel = open_channel(port, installation.server_ca, lender.certificate, lender.key)
            self._closing.callback(channel.close)
            self.calls.append(channel.unary_unary(f"/{SERVICE}/{method}"))

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def used(self) -> tuple[float, float]:
        """Processor seconds of the servers so far, and of their databases' processes."""
        database = sum(server.database_cpu_seconds() for server in self._servers)
        return sum(server.cpu_seconds() for server in self._servers) + database, database

    def drive(self, bodies: Sequence[Sequence[bytes]], *, in_flight: int, seconds: float) -> Turn:
        """Keep ``in_flight`` calls under way on each connection for so long, or until bodies run out.

        A call that is refused because its lender has too many under way is counted, and made again.

        Raises:
            BenchFailed: A call was refused for anything else.
        """
        waiting = [deque(each) for each in bodies]
        done: SimpleQueue[tuple[int, bytes, Any]] = SimpleQueue()
        answers: list[tuple[int, bytes, bytes]] = []
        under_way = refused = 0

        def send(lender: int) -> int:
            body = waiting[lender].popleft()
            future = self.calls[lender].future(body, timeout=TIMEOUT_SECONDS)
            future.add_done_callback(lambda ended: done.put((lender, body, ended)))
            return 1

        before, started = self.used(), time.perf_counter()
        for lender, left in enumerate(waiting):
            under_way += sum(send(lender) for _ in range(min(in_flight, len(left))))
        while under_way:
            lender, body, ended = done.get()
            under_way -= 1
            if is_answered(ended):
                answers.append((lender, body, ended.result()))
            else:
                refused += 1
                waiting[lender].appendleft(body)
            if waiting[lender] and time.perf_counter() - started < seconds:
                under_way += send(lender)
        took, after = time.perf_counter() - started, self.used()
        return Turn(took, after[0] - before[0], answers, after[1] - before[1], refused)


def is_answered(ended: Any) -> bool:
    """Whether a call was answered; if not, its lender had too many under way.

    Raises:
        BenchFailed: It was refused for anything else.
    """
    code = ended.code()
    if code not in {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}:
        raise BenchFailed(f"A call was refused: {code.name}: {ended.details()}")
    return code is grpc.StatusCode.OK
