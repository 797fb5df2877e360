"""What several campaigns need: gateways and pages in processes of their own over one store, and many grants
at once.

Processes are spawned (one that has used gRPC can't be forked), write their log lines into a file beside the
installation, and end with the block that started them, or when whoever started them is gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

from consent.grant import Terms
from consent.pairwise import Pairwise
from gateway import founding
from gateway.ledger import Guards, Ledger, Transaction
from gateway.masters import Masters
from gateway.pages.consumer.signin.provider import Resident
from gateway.server import Gateway, Seams, wall_clock
from gateway.server import pages as server_pages
from gateway.settings import Settings, read_secret
from gateway.store import open_store
from scoregate.words import Disclosure
from scoring.service import Engine, Query, Scored
from tests import agreed
from tests.pages.place import with_pages
from tests.prove.campaign import Stage
from tests.world import Clock, World, settings_for

START_SECONDS = 60.0
STOP_SECONDS = 20.0
GRANTS_AT_ONCE = 500

OPERATOR = "operator"
ENDLESS: dict[str, Any] = {
    "daily_units": 100_000_000,
    "monthly_units": 100_000_000,
    "calls_per_second": 100_000,
    "burst_calls": 100_000,
}
"""A contract that no campaign uses up."""

GUARDED = Guards()

ONE_TIME = replace(
    agreed.ONE_TIME,
    disclosures=frozenset({Disclosure.SCORE, Disclosure.BAND, Disclosure.THRESHOLD, Disclosure.REASONS}),
    valid_for=timedelta(days=700),
)
periodic = partial(agreed.periodic, like=ONE_TIME)


# --- gateways in processes of their own


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A gateway in another process. Stands where a test's world has its gateway."""

    process: SpawnProcess
    pipe: Connection
    partner_port: int
    admin_port: int
    http_port: int

    def tell_to_stop(self) -> None:
        """Say that it is time, and don't wait."""
        with suppress(OSError):
            self.pipe.send("stop")

    def stop(self, _: timedelta = timedelta()) -> None:
        """Let it end by itself."""
        self.tell_to_stop()
        self.process.join(STOP_SECONDS)
        self.process.kill()
        self.process.join()


def as_it_is(seams: Seams) -> Seams:
    """A gateway like any other."""
    return seams


@contextmanager
def gateways(
    settings: Settings,
    guards: Sequence[Guards],
    clocks: Sequence[Callable[[], datetime]] = (),
    *,
    set_up: Callable[[Seams], Seams] = as_it_is,
) -> Iterator[list[Elsewhere]]:
    """Gateways over one database, started together, each with guards of its own.

    ``clocks`` are theirs in place of the wall's, and such as can be given to another process. ``set_up`` runs
    in each process before its gateway starts, and may change the seams and the process.

    Raises:
        RuntimeError: One did not start; the message has what it said.
    """
    with ExitStack() as closing:
        starting = []
        for each, clock in zip(guards, clocks or [wall_clock] * len(guards), strict=True):
            seams = Seams(clock=clock, guards=each)
            starting.append(_spawn(closing, settings, "gateway", partial(_gateway, settings, seams, set_up)))
        started = [Elsewhere(process, ours, *_ports(ours, said)) for process, ours, said in starting]
        yield started
        for gateway in started:
            gateway.tell_to_stop()
        for gateway in started:
            gateway.stop()


@contextmanager
def pages(
    settings: Settings, residents: Sequence[Resident], *, set_up: Callable[[Seams], Seams] = as_it_is
) -> Iterator[str]:
    """The consumers' pages in a process of their own over an installation's database; their address.

    ``residents`` sign in at development's own provider. ``set_up`` is as for gateways.

    Raises:
        RuntimeError: They did not start; the message has what they said.
    """
    settings = with_pages(settings)
    with ExitStack() as closing:
        serve = partial(_pages, settings, tuple(residents), set_up)
        process, pipe, said = _spawn(closing, settings, "pages", serve)
        _ports(pipe, said)
        yield settings.pages.url
        with suppress(OSError):
            pipe.send("stop")
        process.join(STOP_SECONDS)


Served = tuple[list[int], Callable[[], None]]  # the ports, and how to stop


def _spawn(
    closing: ExitStack, settings: Settings, name: str, start: Callable[[], Served]
) -> tuple[SpawnProcess, Connection, Path]:
    """A process that serves, how to talk to it, and the file of what it says; killed with ``closing``."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    said = settings.home / f"{name}-{uuid4().hex[:8]}.log"
    process = context.Process(target=_serve, args=(theirs, said, start), daemon=True)
    process.start()
    theirs.close()
    closing.callback(_end, process, ours)
    return process, ours, said


def _ports(pipe: Connection, said: Path) -> list[int]:
    with suppress(EOFError):
        if pipe.poll(START_SECONDS):
            ports: list[int] = pipe.recv()
            return ports
    raise RuntimeError(f"A process did not start: {said.read_text()[-2_000:]}")


def _end(process: SpawnProcess, pipe: Connection) -> None:
    process.kill()  # by its id, and only if it is still there
    process.join()
    pipe.close()


# --- in the process


def _serve(pipe: Connection, said: Path, start: Callable[[], Served]) -> None:
    """Serve until told to stop, or until whoever would tell is gone."""
    from gateway.cli.logs import configure

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the campaign, which then ends this
    with said.open("ab", buffering=0) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    configure(development=False)
    ports, stop = start()
    pipe.send(ports)
    with suppress(EOFError):
        pipe.recv()
        stop()
    os._exit(0)


def _gateway(settings: Settings, seams: Seams, set_up: Callable[[Seams], Seams]) -> Served:
    gateway = Gateway.start(settings, set_up(seams))
    ports = [gateway.partner_port, gateway.admin_port, gateway.http_port]
    return ports, partial(gateway.stop, timedelta(seconds=0.2))


def _pages(settings: Settings, residents: tuple[Resident, ...], set_up: Callable[[Seams], Seams]) -> Served:
    setattr(server_pages, "RESIDENTS", residents)  # noqa: B010  # no seam takes them
    started = server_pages.ConsumerPages.start(settings, set_up(Seams()))
    return [started.port], started.stop


# --- the operator's side


def settle(stage: Stage, store: str, **limits: int) -> Settings:
    """Settings of an installation on a fresh database; ``limits`` are those of the settings."""
    home = stage.folder / f"home-{uuid4().hex[:8]}"
    overrides = {f"SCOREGATE_LIMITS__{name.upper()}": str(value) for name, value in limits.items()}
    return settings_for(home, stage.new_database(store), stage.engine_folder, **overrides)


@contextmanager
def open_house(
    stage: Stage,
    store: str,
    guards: Sequence[Guards],
    clocks: Sequence[Callable[[], datetime]] = (),
    **limits: int,
) -> Iterator[list[World]]:
    """A fresh installation with gateways in processes of their own, and a world for each.

    The operator may ask as fast as he likes. ``clocks`` are the gateways', ``limits`` those of the settings.
    """
    settings = settle(stage, store, **limits)
    founding.found(settings, now=wall_clock())
    with gateways(settings, guards, clocks) as started:
        worlds = [meet(settings, each) for each in started]
        try:
            worlds[0].set_contract(OPERATOR, **ENDLESS)
            yield worlds
        finally:
            for world in worlds:
                hang_up(world)


def meet(settings: Settings, gateway: Elsewhere) -> World:
    """The operator's side of a gateway elsewhere."""
    server_ca = (settings.home / "operator" / "server-ca.pem").read_bytes()
    return World(settings, gateway, Clock(), server_ca)  # type: ignore[arg-type]  # as far as it matters


def hang_up(world: World) -> None:
    """Close every connection to it."""
    for channel in world.channels:
        channel.close()


# --- people and what they allow


@lru_cache
def people(engine_folder: Path, count: int) -> tuple[str, ...]:
    """So many people who have a score."""
    engine = Engine.open(engine_folder)
    queries = [Query(f"uci-{n:05}") for n in range(1, 2 * count + 100)]
    outcomes = engine.score(queries, as_of=engine.model().latest_epoch)
    scored = [outcome.subject for outcome in outcomes if isinstance(outcome, Scored)]
    if len(scored) < count:
        raise RuntimeError(f"only {len(scored)} of {count} people have a score")
    return tuple(scored[:count])


def allow(settings: Settings, wanted: Sequence[tuple[str, str, Terms]]) -> list[str]:
    """Grants for (partner, subject, terms), through the ledger, thousands a second; returns consent ids.

    They leave no entries in the log: what is being proved is what becomes of them.
    """
    pairwise = Pairwise(read_secret(settings.secrets.pairwise_key))
    store = open_store(settings.database.url)
    with store.reading() as connection:
        vault = Masters(settings.secrets.master_key).open(connection)
    ledger = Ledger(store, vault, clock=wall_clock)
    made: list[str] = []

    def grant(tx: Transaction, partner_id: str, subject: str, terms: Terms) -> str:
        reference = pairwise.reference(partner_id, subject)
        return agreed.agree(tx, partner_id, subject, terms, reference).consent_id

    def grant_all(tx: Transaction, chunk: Sequence[tuple[str, str, Terms]]) -> list[str]:
        return [grant(tx, *each) for each in chunk]

    try:
        for start in range(0, len(wanted), GRANTS_AT_ONCE):
            chunk = wanted[start : start + GRANTS_AT_ONCE]
            made += ledger.change(partial(grant_all, chunk=chunk))
    finally:
        ledger.close()
        store.close()
    return made
