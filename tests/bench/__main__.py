"""`make bench`: what a score costs beside a call that does nothing, and everything that is promised of it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from gateway.store import open_store
from tests.bench import circumstances, engine_speed, installation, servers, where_time_goes
from tests.bench.contest import FULL, QUICK, Contender, Ground, Plan, one_by_one
from tests.bench.failed import BenchFailed
from tests.bench.figures import AIO, BATCH, JOURNEY, PEER, POSTGRES, SYNC, Findings, Spread
from tests.bench.honesty import Auditor
from tests.bench.load import Connections
from tests.bench.parts.against import against
from tests.bench.parts.latency import latency
from tests.bench.parts.million import million
from tests.bench.parts.pages import pages
from tests.bench.parts.processes import processes
from tests.bench.parts.published import published
from tests.bench.parts.side_by_side import side_by_side
from tests.bench.parts.starting import starting
from tests.bench.report import Report
from tests.bench.servers import running
from tests.bench.where_time_goes import Watch

ROOT = Path(__file__).parents[2]
PROFILE_SECONDS = 5.0
WIDTH = 150  # where nobody says how wide it is

BESIDE = {"echoes": {AIO, SYNC}, "peer": {PEER}, "batches": {BATCH}, "postgres": {POSTGRES}}
"""Arms that run in the same rounds as GetScore."""

ALONE = {
    "latency": latency,
    "processes": processes,
    "start": starting,
    "pages": pages,
    "log": published,
    "million": million,
}
"""Parts with rounds of their own; the last one takes longest."""

LONG = {"million"}


def bench(
    plan: Plan, arms: Sequence[str], folder: Path, run: dict[str, object], revision: str = ""
) -> Report:
    """Whatever is wanted of it; beside an earlier ``revision``, if one is named."""
    server_core, generator_core = circumstances.require_two_cores()
    engine = engine_speed.measure(folder / "engine")
    made = installation.found(folder / "home", folder / "engine")
    os.sched_setaffinity(0, {generator_core})
    ground = Ground(plan, folder, server_core, generator_core, made)
    machine, fsync_us = circumstances.machine(), circumstances.fsync_us(folder)
    found = _engine(engine)
    if beside := [BESIDE[name] for name in arms if name in BESIDE]:
        ground.say("GetScore and what runs beside it")
        found |= side_by_side(ground, set().union(*beside))
    if revision:
        found |= against(ground, revision)
    for name, part in ALONE.items():
        if name in arms:
            ground.say(name)
            found |= part(ground)
    machine["load_average"] += (
        f" at the start, {circumstances.load_average()} at the end (1, 5 and 15 minutes)"
    )
    store = open_store(made.settings.database.url)
    durability = {"SQLite": circumstances.durability(store)} | found.durability
    store.close()
    return Report(found, machine, durability, fsync_us, run)


def _engine(speed: engine_speed.EngineSpeed) -> Findings:
    seconds = {
        "engine_score_us": speed.score,
        "engine_batch_row_us": speed.batch_row,
        "engine_kept_score_us": speed.kept_score,
    }
    return Findings(figures={key: Spread.of([value * 1e6]) for key, value in seconds.items()})


def profile(folder: Path, console: Console) -> None:
    """GetScore alone, with every thread of the gateway watched."""
    server_core, generator_core = circumstances.require_two_cores()
    engine_speed.measure(folder / "engine")
    made = installation.found(folder / "home", folder / "engine")
    os.sched_setaffinity(0, {generator_core})
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(
            running("gateway", servers.gateway, server_core, made.settings, Watch())
        )
        connections = stack.enter_context(Connections([gateway], made, "GetScore"))
        require = Auditor(store, made).require_singles
        turn = Contender(JOURNEY, one_by_one(connections, made), require).run(PROFILE_SECONDS)
        where_time_goes.show(gateway.costs(), len(turn.answers), console)


def main() -> None:
    """Run it; exit 1 with a sentence if anything that was counted was not real."""
    chosen = _parser().parse_args()
    names = (*BESIDE, *ALONE)
    arms = chosen.only or [name for name in names if not (chosen.quick and name in LONG)]
    if chosen.against and not chosen.only:
        arms = []
    run = {"quick": chosen.quick, "arms": arms, "against": chosen.against}
    build, console = ROOT / "build", Console()
    if not console.is_terminal:
        console.width = WIDTH
    build.mkdir(exist_ok=True)
    started = time.monotonic()
    try:
        # Beside the project's files, not in /tmp, which may be memory: an fsync there costs nothing.
        with tempfile.TemporaryDirectory(dir=build, prefix="bench-") as folder:
            if chosen.profile:
                profile(Path(folder), console)
                return
            report = bench(QUICK if chosen.quick else FULL, arms, Path(folder), run, chosen.against)
    except BenchFailed as failure:
        sys.exit(f"The bench failed: {failure}")
    except KeyboardInterrupt:
        sys.exit("The bench was interrupted; nothing is written.")
    report.write(build / "bench.json")
    report.show(console)
    console.print(f"build/bench.json written; {time.monotonic() - started:.0f} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes at most, rough figures, no million")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="ARM",
        choices=(*BESIDE, *ALONE),
        help=f"of {', '.join((*BESIDE, *ALONE))}",
    )
    parser.add_argument(
        "--against",
        metavar="REVISION",
        default="",
        help="GetScore beside that of a commit",
    )
    parser.add_argument("--profile", action="store_true", help="show where GetScore's time goes instead")
    return parser


if __name__ == "__main__":
    main()
