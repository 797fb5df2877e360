"""`make bench`: GetScore and BatchGetScores beside an empty echo, side by side in one run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.store import open_store
from tests.bench import engine_speed, figures, installation, servers, where_time_goes
from tests.bench.failed import BenchFailed
from tests.bench.figures import AIO, BATCH, JOURNEY, SYNC, Arm, Result
from tests.bench.honesty import Auditor
from tests.bench.installation import Installation
from tests.bench.load import Connections, Turn
from tests.bench.servers import Server, running
from tests.bench.where_time_goes import Watch

ROOT = Path(__file__).parents[2]
IN_FLIGHT = 16  # on each of two connections
ITEMS = 1_000
BATCHES_IN_FLIGHT = 1
MOST_CALLS_A_SECOND = 9_000
MOST_BATCHES_A_SECOND = 12
WARM_UP_SECONDS = 0.5
PROFILE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long it all takes."""

    rounds: int
    seconds: float  # of each arm in each round


FULL, QUICK = Plan(5, 2.0), Plan(2, 0.6)


@dataclass(frozen=True, slots=True)
class Contender:
    """One arm, ready to run."""

    name: str
    connections: Connections
    installation: Installation
    items: int
    require: Callable[[Turn], None]

    def run(self, seconds: float) -> Turn:
        """One turn, checked."""
        lenders = self.installation.lenders
        if self.items == 1:
            count = int(MOST_CALLS_A_SECOND * seconds / len(lenders))
            bodies = [installation.singles(lender, count) for lender in lenders]
        else:
            count = max(2, int(MOST_BATCHES_A_SECOND * seconds / len(lenders)))
            bodies = [installation.batches(lender, count, self.items) for lender in lenders]
        in_flight = IN_FLIGHT if self.items == 1 else BATCHES_IN_FLIGHT
        turn = self.connections.drive(bodies, in_flight=in_flight, seconds=seconds)
        self.require(turn)
        return turn


@contextmanager
def ready(plan: Plan, core: int, made: Installation) -> Iterator[dict[str, Contender]]:
    """Every server started and every arm warm."""
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(running("gateway", servers.gateway, core, made.settings))
        auditor = Auditor(store, made)  # after the start, which has an entry of its own

        def contender(
            name: str, server: Server, method: str, items: int, require: Callable[[Turn], None]
        ) -> Contender:
            connections = stack.enter_context(Connections(server, made, method))
            return Contender(name, connections, made, items, require)

        journey = contender(JOURNEY, gateway, "GetScore", 1, auditor.require_singles)
        response = _typical(journey.run(WARM_UP_SECONDS))
        arms = {JOURNEY: journey}
        for name, serve in ((AIO, servers.aio_echo), (SYNC, servers.sync_echo)):
            echo = stack.enter_context(running(name, serve, core, made, response))
            arms[name] = contender(name, echo, "GetScore", 1, _echoes(response))
        arms[BATCH] = contender(BATCH, gateway, "BatchGetScores", ITEMS, auditor.require_batches)
        for name in (AIO, SYNC, BATCH):
            arms[name].run(WARM_UP_SECONDS)
        yield arms


def _typical(turn: Turn) -> bytes:
    """As many bytes as an answer has on average."""
    return os.urandom(round(mean(len(came) for _, _, came in turn.answers)))


def _echoes(response: bytes) -> Callable[[Turn], None]:
    def require(turn: Turn) -> None:
        if any(came != response for _, _, came in turn.answers):
            raise BenchFailed("An echo answered something else.")

    return require


def compete(plan: Plan, arms: dict[str, Contender], console: Console) -> dict[str, Arm]:
    """Every arm in every round, each round beginning with another one."""
    turns: dict[str, list[Turn]] = {name: [] for name in arms}
    names = list(arms)
    with _bar(plan.rounds * len(arms), console) as step:
        for number in range(plan.rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                step(f"round {number + 1} of {plan.rounds}: {name}")
                turns[name].append(arms[name].run(plan.seconds))
    return {name: Arm(turns[name], arms[name].items) for name in arms}


@contextmanager
def _bar(steps: int, console: Console) -> Iterator[Callable[[str], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=steps)
        yield lambda what: bar.update(task, description=what, advance=1)


def bench(plan: Plan, folder: Path) -> Result:
    """The whole comparison."""
    server_core, generator_core = figures.require_two_cores()
    engine = engine_speed.measure(folder / "engine")
    made = installation.found(folder / "home", folder / "engine")
    os.sched_setaffinity(0, {generator_core})
    machine = figures.machine()
    store = open_store(made.settings.database.url)
    durability = figures.durability(store, folder)
    store.close()
    with ready(plan, server_core, made) as arms:
        results = compete(plan, arms, Console(stderr=True))
    _, asked, came = results[JOURNEY].turns[-1].answers[0]
    return Result(results, {"request": len(asked), "response": len(came)}, engine, machine, durability)


def profile(folder: Path, console: Console) -> None:
    """GetScore alone, with every thread of the gateway watched."""
    server_core, generator_core = figures.require_two_cores()
    engine_speed.measure(folder / "engine")
    made = installation.found(folder / "home", folder / "engine")
    os.sched_setaffinity(0, {generator_core})
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(
            running("gateway", servers.gateway, server_core, made.settings, Watch())
        )
        connections = stack.enter_context(Connections(gateway, made, "GetScore"))
        journey = Contender(JOURNEY, connections, made, 1, Auditor(store, made).require_singles)
        turn = journey.run(PROFILE_SECONDS)
        where_time_goes.show(gateway.costs(), len(turn.answers), console)


def main() -> None:
    """Run it; exit 1 with a sentence if anything that was counted was not real."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about ten seconds, rough figures")
    parser.add_argument("--profile", action="store_true", help="show where GetScore's time goes instead")
    chosen = parser.parse_args()
    build, console = ROOT / "build", Console()
    build.mkdir(exist_ok=True)
    started = time.monotonic()
    try:
        # Beside the project's files, not in /tmp, which may be memory: an fsync there costs nothing.
        with tempfile.TemporaryDirectory(dir=build, prefix="bench-") as folder:
            if chosen.profile:
                profile(Path(folder), console)
                return
            result = bench(QUICK if chosen.quick else FULL, Path(folder))
    except BenchFailed as failure:
        sys.exit(f"The bench failed: {failure}")
    except KeyboardInterrupt:
        sys.exit("The bench was interrupted; nothing is written.")
    result.write(build / "bench.json")
    result.show(console)
    console.print(f"build/bench.json written; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
