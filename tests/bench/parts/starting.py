"""How long `scoregate serve` takes from the start of its process to its first answer."""

from __future__ import annotations

import time
from typing import Any

import grpc

from tests.bench import installation
from tests.bench.command import serving
from tests.bench.contest import Ground
from tests.bench.failed import BenchFailed
from tests.bench.figures import Findings, Spread
from tests.bench.load import TIMEOUT_SECONDS
from tests.bench.servers import SERVICE
from tests.wire import open_channel


def starting(ground: Ground) -> Findings:
    """A few times, on an installation that has served before."""
    taken = []
    with ground.bar(ground.plan.starts) as step:
        for number in range(ground.plan.starts):
            step(f"starting: {number + 1} of {ground.plan.starts}")
            taken.append(_seconds_to_first_answer(ground))
    notes = {"start": "the command itself, on the server's core, until a GetScore is answered"}
    return Findings({}, {"start_s": Spread.of(taken)}, notes)


def _seconds_to_first_answer(ground: Ground) -> float:
    lender = ground.made.lenders[0]
    (body,) = installation.singles(iter(lender.consent_ids), 1)
    with serving(ground.made.settings, ground.server_core) as command:
        with open_channel(command.port, ground.made.server_ca, lender.certificate, lender.key) as channel:
            call: Any = channel.unary_unary(f"/{SERVICE}/GetScore")
            try:
                call(body, timeout=TIMEOUT_SECONDS)
            except grpc.RpcError as error:
                raise BenchFailed("The gateway's first call was refused.") from error
        return time.perf_counter() - command.began
