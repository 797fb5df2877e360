"""A gateway that is killed at work: whatever had left is in the log, and nothing is half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import founding
from gateway.server import Gateway, Seams, wall_clock
from gateway.settings import Settings
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.journey.conftest import STORES
from tests.journey.rows import ask
from tests.wire import Failure, outcome
from tests.world import Clock, Partner, World, settings_for

ROOT = Path(__file__).parents[2]
CALLERS = 8
ENOUGH = 60
"""Answers before the blow falls."""


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@dataclass(frozen=True)
class Elsewhere:
    """A gateway in another process."""

    process: subprocess.Popen[str]
    partner_port: int
    admin_port: int
    http_port: int

    def kill(self) -> None:
        """No drain, no last words."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, _: timedelta) -> None:
        self.kill()


@contextmanager
def gateway_elsewhere(settings: Settings, engine_folder: Path) -> Iterator[Elsewhere]:
    environ = {
        "SCOREGATE_HOME": str(settings.home),
        "SCOREGATE_DATABASE__URL": settings.database.url,
        "SCOREGATE_ENGINE__FOLDER": str(engine_folder),
        "SCOREGATE_LISTEN__PARTNER": "127.0.0.1:0",
        "SCOREGATE_LISTEN__ADMIN": "127.0.0.1:0",
        "SCOREGATE_LISTEN__HTTP": "127.0.0.1:0",
    }
    command = [sys.executable, "-m", "tests.journey.gateway_process"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            ports = process.stdout.readline()
            assert ports, "the gateway did not start"
            yield Elsewhere(process, *json.loads(ports))
        finally:
            process.kill()


@dataclass
class Traffic:
    """Callers that ask without pause, and keep what they asked and what came."""

    caller: Partner
    consent: consent_pb2.Consent

    def __post_init__(self) -> None:
        self.answered: dict[str, tuple[score_pb2.GetScoreRequest, bytes]] = {}
        self.unanswered: list[score_pb2.GetScoreRequest] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while True:
            request = self.caller.query(self.consent)
            result = outcome(ask, self.caller, request, timeout=5)
            if isinstance(result, Failure):
                self.unanswered.append(request)
                return
            self.answered[request.request_id] = request, result.body
            if len(self.answered) >= ENOUGH:
                self.enough.set()


def test_a_kill_loses_no_answer_that_has_left_and_leaves_nothing_half_done(
    tmp_path: Path, engine_folder: Path, new_database: Any
) -> None:
    home = tmp_path / "home"
    settings = settings_for(home, new_database() or f"sqlite:///{home}/ledger.db", engine_folder)
    founding.found(settings, now=Clock()())
    server_ca = (home / "operator" / "server-ca.pem").read_bytes()
    with gateway_elsewhere(settings, engine_folder) as doomed:
        world = World(settings, doomed, Clock(), server_ca)  # type: ignore[arg-type]  # as far as it matters
        acme = world.partner(daily_units=100_000, monthly_units=100_000)
        traffic = Traffic(acme, world.consent(acme, mode="CONSENT_MODE_PERIODIC"))
        with ThreadPoolExecutor(CALLERS) as pool:
            callers = [pool.submit(traffic.run) for _ in range(CALLERS)]
            assert traffic.enough.wait(30)
            doomed.kill()
        for caller in callers:
            caller.result()
        world.close()

    heir = World(settings, Gateway.start(settings, Seams(clock=wall_clock)), Clock(), server_ca)
    try:
        require_nothing_lost(heir, acme.at(heir), traffic)
    finally:
        heir.close()


def require_nothing_lost(world: World, acme: Partner, traffic: Traffic) -> None:
    world.require_balanced()
    leaves = world.leaf_bytes()
    assert len(traffic.answered) >= ENOUGH
    assert len(traffic.unanswered) == CALLERS
    for request, body in traffic.answered.values():
        receipt = score_pb2.GetScoreResponse.FromString(body).receipt
        assert leaves[receipt.leaf_index] == receipt.leaf
        again = ask(acme, request)
        assert (again.body, again.headers.get("scoregate-replayed")) == (body, "true")
    for request in traffic.unanswered:
        assert ask(acme, request).body  # its first answer, or that which was never given
    released = len(traffic.answered) + len(traffic.unanswered)
    assert sum(entry.cost_units for entry in world.leaves()) == released
    world.require_balanced()
