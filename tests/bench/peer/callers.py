"""The peer's generator: HTTP/1.1 over mutual TLS, kept alive, as many in flight as the gRPC arms have.

HTTP/1.1 carries one call at a time, so each call in flight has a connection of its own. They are opened
before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import deque
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from scoregate.client.answers import new_request_id
from tests.bench.failed import BenchFailed
from tests.bench.installation import NONCE, Installation, Lender
from tests.bench.servers import Server
from tests.bench.turn import Turn
from tests.world import CREDIT

HEAD_END = b"\r\n\r\n"
HEAD = (
    b"POST /score HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    b"content-type: application/json\r\ncontent-length: %d" + HEAD_END
)
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Callers:
    """The same lenders, with the same certificates."""

    def __init__(self, server: Server, made: Installation, folder: Path) -> None:
        self._server = server
        self._made = made
        self._contexts = [_context(made, lender, folder) for lender in made.lenders]

    def drive(self, seconds: float, *, in_flight: int, most_a_second: int) -> Turn:
        """Keep ``in_flight`` calls under way for each lender, for so long."""
        count = int(most_a_second * seconds / len(self._made.lenders))
        bodies = [deque(_bodies(lender, count)) for lender in self._made.lenders]
        return asyncio.run(self._drive(bodies, in_flight, seconds))

    async def _drive(self, bodies: Sequence[deque[bytes]], in_flight: int, seconds: float) -> Turn:
        lenders = [n for n in range(len(bodies)) for _ in range(in_flight)]
        lines = [await self._open(lender) for lender in lenders]
        answers: list[tuple[int, bytes, bytes]] = []

        async def call_again_and_again(lender: int, line: Line) -> None:
            waiting = bodies[lender]
            while waiting and time.perf_counter() < ends:
                body = waiting.popleft()
                answers.append((lender, body, await _call(line, body)))

        used, started = self._server.cpu_seconds(), time.perf_counter()
        ends = started + seconds
        async with asyncio.TaskGroup() as group:
            for lender, line in zip(lenders, lines, strict=True):
                group.create_task(call_again_and_again(lender, line))
        turn = Turn(time.perf_counter() - started, self._server.cpu_seconds() - used, answers)
        for _, writer in lines:
            writer.close()
        return turn

    async def _open(self, lender: int) -> Line:
        return await asyncio.open_connection("127.0.0.1", self._server.port, ssl=self._contexts[lender])


def _context(made: Installation, lender: Lender, folder: Path) -> ssl.SSLContext:
    certificate, key = folder / f"{lender.partner_id}.pem", folder / f"{lender.partner_id}-private.pem"
    certificate.write_bytes(lender.certificate)
    key.write_bytes(lender.key)
    context = ssl.create_default_context(cadata=made.server_ca.decode())
    context.load_cert_chain(certificate, key)
    return context


def _bodies(lender: Lender, count: int) -> list[bytes]:
    return [
        json.dumps(
            {"request_id": new_request_id(), "consent_id": consent_id, "purpose": CREDIT, "nonce": NONCE}
        ).encode()
        for consent_id in islice(cycle(lender.consent_ids), count)
    ]


async def _call(line: Line, body: bytes) -> bytes:
    reader, writer = line
    writer.write(HEAD % len(body) + body)
    answered = await reader.readuntil(HEAD_END)
    status, *fields = answered.removesuffix(HEAD_END).split(b"\r\n")
    length = next(
        int(each.partition(b":")[2]) for each in fields if each.lower().startswith(b"content-length:")
    )
    came = await reader.readexactly(length)
    if b" 200 " not in status:
        raise BenchFailed(f"The peer refused a call: {status.decode()}: {came.decode()}")
    return came
