"""GetScore beside what does nothing, what a team would write first, its own batches, and PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from statistics import mean

from gateway.store import open_store
from tests.bench import installation, postgres, servers
from tests.bench.circumstances import durability
from tests.bench.contest import IN_FLIGHT, ITEMS, WARM_UP_SECONDS, Contender, Ground, in_batches, one_by_one
from tests.bench.failed import BenchFailed
from tests.bench.figures import AIO, BATCH, JOURNEY, PEER, POSTGRES, SYNC, Arm, Findings, Spread, quotients
from tests.bench.honesty import Auditor
from tests.bench.load import Connections
from tests.bench.peer import callers, house, serving
from tests.bench.servers import Server, running
from tests.bench.turn import Turn

MOST_PEER_CALLS_A_SECOND = 4_000


def side_by_side(ground: Ground, arms: set[str]) -> Findings:
    """GetScore and those of the other arms that are wanted, in the same rounds."""
    made = ground.made
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(running("gateway", servers.gateway, ground.server_core, made.settings))
        auditor = Auditor(store, made)  # after the start, which has an entry of its own
        singles = stack.enter_context(Connections([gateway], made, "GetScore"))
        journey = Contender(JOURNEY, one_by_one(singles, made), auditor.require_singles)
        response = _typical(journey.run(WARM_UP_SECONDS))
        entered, notes = [journey], dict[str, str]()
        found: dict[str, dict[str, str]] = {}
        for name, serve in ((AIO, servers.aio_echo), (SYNC, servers.sync_echo)):
            if name in arms:
                echo = stack.enter_context(running(name, serve, ground.server_core, made, response))
                calls = stack.enter_context(Connections([echo], made, "GetScore"))
                entered.append(Contender(name, one_by_one(calls, made), _echoes(response)))
        if PEER in arms:
            contender, found["the peer's SQLite"] = _peer(ground, stack)
            entered.append(contender)
            notes["peer"] = (
                "FastAPI, uvicorn (asyncio, h11), mTLS, SQLAlchemy ORM, one commit a call, PyJWT; "
                f"no encryption, no replays, no tree; {IN_FLIGHT * len(made.lenders)} connections, kept alive"
            )
        if BATCH in arms:
            batches = stack.enter_context(Connections([gateway], made, "BatchGetScores"))
            entered.append(Contender(BATCH, in_batches(batches, made), auditor.require_batches, ITEMS))
        if POSTGRES in arms:
            contender, found["PostgreSQL"] = _postgres(ground, stack)
            entered.append(contender)
            notes["postgresql"] = "its processes share the server's core, and count as the server's"
        results = ground.compete(entered)
    asked, came = _sizes(results[JOURNEY].turns[-1])
    notes["bytes"] = f"{asked:,} in, {came:,} out, on the echoes too" + _peers_bytes(results)
    details = {"bytes": {"request": asked, "response": came}}
    return Findings(results, _ratios(results), notes, details, found)


def _ratios(arms: dict[str, Arm]) -> dict[str, Spread]:
    journey = arms[JOURNEY]
    cpu, a_second = journey.cpu_us(), journey.per_second()
    found = {"server_core_busy": Spread.of(journey.busy())}
    for key, name in (
        ("journey_over_aio_echo", AIO),
        ("journey_over_sync_echo", SYNC),
        ("journey_over_fastapi_peer", PEER),
    ):
        if name in arms:
            found[key] = quotients(arms[name].cpu_us(), cpu)
    if PEER in arms:
        found["throughput_over_fastapi_peer"] = quotients(a_second, arms[PEER].per_second())
    if BATCH in arms:
        found["batch_scores_per_second"] = Spread.of(arms[BATCH].per_second())
        found["batch_over_unary"] = quotients(arms[BATCH].per_second(), a_second)
    if POSTGRES in arms:
        found["postgres_over_sqlite"] = quotients(cpu, arms[POSTGRES].cpu_us())
        found["postgres_over_sqlite_gateway_alone"] = quotients(cpu, arms[POSTGRES].own_cpu_us())
        found["postgres_over_sqlite_throughput"] = quotients(arms[POSTGRES].per_second(), a_second)
    return found


def _peer(ground: Ground, stack: ExitStack) -> tuple[Contender, dict[str, str]]:
    made = ground.made
    founded = house.found(ground.folder / "peer", made)
    stack.callback(founded.database.dispose)
    server = stack.enter_context(
        running(PEER, serving.peer, ground.server_core, made.settings, founded.file, founded.signing_key())
    )
    lines = callers.Callers(server, made, ground.folder / "peer")

    def drive(seconds: float) -> Turn:
        return lines.drive(seconds, in_flight=IN_FLIGHT, most_a_second=MOST_PEER_CALLS_A_SECOND)

    return Contender(PEER, drive, house.Bookkeeper(founded).require), founded.durability()


def _postgres(ground: Ground, stack: ExitStack) -> tuple[Contender, dict[str, str]]:
    """The same journey over a database of its own."""
    database = stack.enter_context(postgres.postgres(ground.folder / "postgres", ground.server_core))
    made = installation.found(ground.folder / "home-postgres", ground.engine_folder, database.url)
    store = open_store(database.url)
    stack.callback(store.close)
    server: Server = stack.enter_context(
        running(POSTGRES, servers.gateway, ground.server_core, made.settings)
    )
    server = replace(server, database=database.cpu_seconds)
    auditor = Auditor(store, made)
    calls = stack.enter_context(Connections([server], made, "GetScore"))
    return Contender(POSTGRES, one_by_one(calls, made), auditor.require_singles), durability(store)


def _typical(turn: Turn) -> bytes:
    """As many bytes as an answer has on average."""
    return os.urandom(round(mean(len(came) for _, _, came in turn.answers)))


def _sizes(turn: Turn) -> tuple[int, int]:
    _, asked, came = turn.answers[0]
    return len(asked), len(came)


def _peers_bytes(arms: dict[str, Arm]) -> str:
    if PEER not in arms:
        return ""
    asked, came = _sizes(arms[PEER].turns[-1])
    return f"; the peer's JSON {asked:,} and {came:,}"


def _echoes(response: bytes) -> Callable[[Turn], None]:
    def require(turn: Turn) -> None:
        if any(came != response for _, _, came in turn.answers):
            raise BenchFailed("An echo answered something else.")

    return require
