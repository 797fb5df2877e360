"""Arms that take turns: every one in every round, each round beginning with another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import installation
from tests.bench.figures import Arm
from tests.bench.installation import Installation
from tests.bench.load import Connections
from tests.bench.turn import Turn

IN_FLIGHT = 16  # on each of four connections
ITEMS = 1_000
BATCHES_IN_FLIGHT = 1
MOST_CALLS_A_SECOND = 12_000
MOST_BATCHES_A_SECOND = 24
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How long it all takes."""

    rounds: int
    seconds: float  # of each arm in each round
    open_seconds: float  # of each open loop, in which calls come on a schedule, in each round
    starts: int
    consents: int  # of the filled database, each asked for once, in batches, while memory is watched
    met: int  # consents before them, each asked for once, one by one: every person is met
    warm: int  # and those between, in batches: from here on memory should stay as it is
    entries: int  # of the person whose pages are read
    log_entries: int  # of the published log that is integrated, proved and verified


FULL = Plan(
    rounds=5,
    seconds=2.0,
    open_seconds=6.0,
    starts=5,
    consents=1_000_000,
    met=40_000,
    warm=20_000,
    entries=100_000,
    log_entries=1_000_000,
)
QUICK = Plan(
    rounds=2,
    seconds=0.6,
    open_seconds=1.5,
    starts=2,
    consents=40_000,
    met=40_000,
    warm=20_000,
    entries=10_000,
    log_entries=100_000,
)


@dataclass(frozen=True, slots=True)
class Contender:
    """One arm, ready to run. ``require`` raises unless every answer of a turn is what it must be."""

    name: str
    drive: Callable[[float], Turn]
    require: Callable[[Turn], None]
    items: int = 1

    def run(self, seconds: float) -> Turn:
        """One turn, checked."""
        turn = self.drive(seconds)
        self.require(turn)
        return turn


@dataclass(frozen=True, slots=True)
class Ground:
    """What every part of the bench stands on."""

    plan: Plan
    folder: Path
    server_core: int
    generator_core: int
    made: Installation
    console: Console = field(default_factory=lambda: Console(stderr=True))

    @property
    def engine_folder(self) -> Path:
        """The trained scorecard."""
        return self.made.settings.engine.folder

    def say(self, what: str) -> None:
        """Where it stands, on stderr."""
        self.console.print(f"[bold]{what}[/bold]", highlight=False)

    def compete(self, contenders: Sequence[Contender]) -> dict[str, Arm]:
        """All of them, warm, then in every round."""
        turns: dict[str, list[Turn]] = {each.name: [] for each in contenders}
        plan = self.plan
        with self.bar((plan.rounds + 1) * len(contenders)) as step:
            for each in contenders:
                step(f"warming up: {each.name}")
                each.run(WARM_UP_SECONDS)
            for number in range(plan.rounds):
                first = number % len(contenders)
                for each in (*contenders[first:], *contenders[:first]):
                    step(f"round {number + 1} of {plan.rounds}: {each.name}")
                    turns[each.name].append(each.run(plan.seconds))
        return {each.name: Arm(turns[each.name], each.items) for each in contenders}

    @contextmanager
    def bar(self, steps: int) -> Iterator[Callable[..., None]]:
        """Shows what is being done: a bar in a terminal, a line now and then elsewhere."""
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        live = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not live) as bar:
            task, said = bar.add_task("", total=steps), [""]

            def step(what: str, advance: int = 1) -> None:
                bar.update(task, description=what, advance=advance)
                head = what.partition(":")[0]
                if not live and head != said[0]:
                    said[0] = head
                    self.console.print(f"  {head}", highlight=False)

            yield step


def one_by_one(connections: Connections, made: Installation) -> Callable[[float], Turn]:
    """GetScore, each lender over its consents in turn; the next turn goes on where this one stopped."""
    draws = [cycle(lender.consent_ids) for lender in made.lenders]

    def drive(seconds: float) -> Turn:
        count = int(MOST_CALLS_A_SECOND * seconds / len(made.lenders))
        bodies = [installation.singles(draw, count) for draw in draws]
        return connections.drive(bodies, in_flight=IN_FLIGHT, seconds=seconds)

    return drive


def in_batches(connections: Connections, made: Installation) -> Callable[[float], Turn]:
    """BatchGetScores, each lender over its consents in turn."""
    draws = [cycle(lender.consent_ids) for lender in made.lenders]

    def drive(seconds: float) -> Turn:
        count = max(2, int(MOST_BATCHES_A_SECOND * seconds / len(made.lenders)))
        bodies = [installation.batches(draw, count, ITEMS) for draw in draws]
        return connections.drive(bodies, in_flight=BATCHES_IN_FLIGHT, seconds=seconds)

    return drive
