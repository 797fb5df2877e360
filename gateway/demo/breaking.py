"""A house out of order: the ledger away, an engine that lies or is gone, a gateway with too much to do.

The parts break for real. A second gateway serves the same installation; it is a small one, and asks its
engine over gRPC, where the demo stands in for the engine's process.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from gateway.demo.asking import ask
from gateway.demo.commands import LOOPBACK
from gateway.demo.installation import Installation
from gateway.demo.opening import BORROWER, CREDIT, NO_SUCH_ID
from gateway.demo.page import Page
from gateway.demo.people import Lender
from gateway.demo.stage import Stage
from gateway.demo.trying import Try, at_once, first_refusal, once
from gateway.gate import STAFF_IN_FLIGHT
from gateway.pki import spiffe_uri
from scoregate.admin.v1 import consent_admin_pb2, consent_admin_pb2_grpc
from scoregate.client import Client, ScoreAnswer, ScoreQuery
from scoregate.errors import Refused, Unavailable
from scoregate.partner.v1 import score_pb2_grpc
from scoring import remote
from scoring.service import Engine, NotScored, Query, Scored

OFF_THE_SCALE = 349  # which begins at 350
THREADS, QUEUE = 4, 1  # of the second gateway: together, what may wait for the ledger
IN_FLIGHT = THREADS - 1  # of one lender, at most; an operator may have three calls under way
DEADLINE = 0.1  # seconds, of a call that sets none
BETWEEN_CALLS = 0.05  # seconds
MENDED_SECONDS = 15.0
SMALL = {
    "SCOREGATE_ENGINE__KIND": "remote",
    "SCOREGATE_ENGINE__TIMEOUT_MS": "5000",
    "SCOREGATE_LIMITS__WORKER_THREADS": str(THREADS),
    "SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS": f"{DEADLINE * 1_000:.0f}",
    "SCOREGATE_LIMITS__MAX_QUEUE": str(QUEUE),
    "SCOREGATE_LIMITS__MAX_IN_FLIGHT_PER_PARTNER": str(IN_FLIGHT),
}


@contextmanager
def held(ledger: Path) -> Iterator[None]:
    """Hold the ledger's write lock, as a backup may, so that calls stay under way."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        yield
        backup.execute("ROLLBACK")


@contextmanager
def away(ledger: Path) -> Iterator[None]:
    """Move the ledger's file aside; whoever looks for it finds none."""
    aside = ledger.rename(ledger.with_name("aside.db"))
    try:
        yield
    finally:
        aside.rename(ledger)


class LyingEngine(Engine):
    """The trained scorecard, but every number that it says is off the scale."""

    def score(self, queries: Sequence[Query], *, as_of: date) -> list[Scored | NotScored]:
        """Answer like the engine, but for the numbers."""
        outcomes = super().score(queries, as_of=as_of)
        return [replace(each, score=OFF_THE_SCALE) if isinstance(each, Scored) else each for each in outcomes]


class House:
    """What is behind the doors, and one question of meadow's that is asked until all is mended."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._query = ScoreQuery(stage.consent.consent_id, CREDIT)
        self._second: Installation
        self._engine: remote.Serving

    def broken(self) -> Iterator[Try]:
        """Steps 5 and 7, with a part that fails; the ledger is put back, the engine not yet."""
        yield Try(
            "a question while the ledger's file is moved away", "AUDIT_UNAVAILABLE", self._without_ledger
        )
        self._engine = self._start_engine(LyingEngine.open(self._stage.engine))
        address = f"{LOOPBACK}:{self._engine.port}"
        self._second = self._stage.open_second(**SMALL, SCOREGATE_ENGINE__ADDRESS=address)
        lied = f"asked again, of a second gateway whose engine answers {OFF_THE_SCALE}"
        yield Try(lied, "ENGINE_ANSWER_INVALID", lambda: once(self._scores(), self._query.message()))
        self._engine.server.stop(None).wait()
        gone = "asked again, after that engine was stopped"
        yield Try(gone, "ENGINE_UNAVAILABLE", lambda: once(self._scores(), self._query.message()))
        calls, places = THREADS + STAFF_IN_FLIGHT, THREADS + QUEUE
        busy = f"{calls} calls while a backup holds the ledger; {places} may queue for it"
        yield Try(busy, "SERVER_BUSY", self._crowded)
        over = f"a question behind that backup, with {DEADLINE * 1_000:.0f} ms to be answered in"
        yield Try(over, "DEADLINE_PASSED", self._overdue)

    def check_mended(self, page: Page) -> None:
        """Start a true engine where the lying one was, and see the question answered, once."""
        stage, before = self._stage, self._stage.units()
        self._engine = self._start_engine(Engine.open(stage.engine), self._engine.port)
        meadow = stage.meadow
        client = stage.client(meadow.credentials, meadow.jwks, self._second)
        answer = _until_found(client, self._query)
        meadow.file(answer)
        page.check(
            "the engine is back: the question is answered",
            answer.score == stage.answer.score and not answer.replayed,
            f"{answer.score}, under the request id refused three times",
        )
        again = ask(meadow.client, self._query)
        page.check(
            "the gateway that lost its ledger repeats it",
            again.replayed is True and again.attestation == answer.attestation,
            f"{len(again.attestation):,} bytes, all equal",
        )
        spent = stage.units() - before
        page.check("however often asked, it cost one unit", spent == 1, f"{spent} unit")
        gateways = (stage.gateway, self._second)
        page.check(
            "both gateways have come through it",
            all(each.fetch("/healthz")[0] == 200 for each in gateways),
            " and ".join(f"process {each.process_id}" for each in gateways),
        )

    def _start_engine(self, engine: Engine, port: int = 0) -> remote.Serving:
        settings = self._stage.gateway.settings
        told = settings.engine
        gateway = spiffe_uri(settings.trust_domain, "gateway", "gateway")
        tls = remote.ServerTls(told.server_certificate, told.server_key, told.ca, gateway)
        return self._stage.keep(_serving(engine, f"{LOOPBACK}:{port}", tls))

    def _scores(self, gateway: Installation | None = None, lender: Lender | None = None) -> Any:
        address = (gateway or self._second).partner_address
        channel = self._stage.connect((lender or self._stage.meadow).credentials, address).channel
        return score_pb2_grpc.ScoreServiceStub(channel).GetScore  # type: ignore[no-untyped-call]

    def _without_ledger(self) -> Refused | None:
        gateway = self._stage.gateway
        with away(gateway.ledger):
            return once(self._scores(gateway), self._query.message())

    def _line_up(self) -> list[Any]:
        """Ask so often that the first waits for the backup's lock, and the others queue behind it."""
        question, calls = ScoreQuery(NO_SUCH_ID, CREDIT).message(), list[Any]()
        meadow, harbour = self._scores(), self._scores(lender=self._stage.harbour)
        for get_score in (*[meadow] * IN_FLIGHT, harbour):
            calls.append(get_score.future(question))  # without a deadline: the gateway sets one
            time.sleep(BETWEEN_CALLS)
        return calls

    def _crowded(self) -> Refused | None:
        stage = self._stage
        channel = stage.connect(stage.gateway.operator, self._second.admin_address).channel
        people = consent_admin_pb2_grpc.ConsentAdminServiceStub(channel)  # type: ignore[no-untyped-call]
        unfreeze = consent_admin_pb2.SetFreezeRequest(subject=BORROWER, frozen=False)
        with held(stage.gateway.ledger):
            calls = self._line_up()
            changes = at_once(people.SetFreeze, unfreeze, STAFF_IN_FLIGHT)
            refusal = first_refusal("SERVER_BUSY", changes)
        for call in (*calls, *changes):
            call.exception()  # wait for the rest of them
        return refusal

    def _overdue(self) -> Refused | None:
        with held(self._stage.gateway.ledger):
            calls = self._line_up()
        return first_refusal("DEADLINE_PASSED", calls)


@contextmanager
def _serving(engine: Engine, address: str, tls: remote.ServerTls) -> Iterator[remote.Serving]:
    serving = remote.serve(engine, address, tls=tls)
    try:
        yield serving
    finally:
        serving.server.stop(None).wait()


def _until_found(client: Client, query: ScoreQuery) -> ScoreAnswer:
    """Ask until the gateway has found its engine again: gRPC looks for it about once a second."""
    give_up = time.monotonic() + MENDED_SECONDS
    while True:
        try:
            return ask(client, query)
        except Unavailable:
            if time.monotonic() > give_up:
                raise
