"""Which functions the processor works for: a deterministic profile of every thread of a server.

The clock is each thread's own processor time, so waiting costs nothing. Watching makes small functions
look two to three times as dear as they are: read the shares, and measure a change with the bench itself.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from cProfile import Profile
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
PACKAGES = "site-packages/"
ROOMS = ("gateway/", "consent/", "scoring/", "scoregate/")
ROWS = 50


@dataclass(slots=True)
class Cost:
    """Of one function in one kind of thread."""

    calls: int = 0
    own_seconds: float = 0.0
    with_callees_seconds: float = 0.0


Costs = dict[tuple[str, str], Cost]


@dataclass(frozen=True, slots=True)
class Watch:
    """Watches the threads that begin after ``start``."""

    _profiles: list[tuple[str, Profile]] = field(default_factory=list)

    def start(self) -> None:
        """From here on each new thread is watched."""
        threading.setprofile(self._begin)

    def _begin(self, *_: object) -> None:
        profile = Profile(time.thread_time)
        self._profiles.append((threading.current_thread().name, profile))
        profile.enable()  # takes this hook's place in this thread

    def costs(self) -> Costs:
        """What each function has cost so far, by thread kind and place."""
        found: Costs = defaultdict(Cost)
        for name, profile in list(self._profiles):
            kind = name.partition("_")[0].partition("-")[0]
            for entry in profile.getstats():
                cost = found[kind, _place(entry.code)]
                cost.calls += entry.callcount
                cost.own_seconds += entry.inlinetime
                cost.with_callees_seconds += entry.totaltime
        return dict(found)


def _place(code: CodeType | str) -> str:
    if isinstance(code, str):
        return code
    file = Path(code.co_filename)
    where = str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)
    return f"{where.rpartition(PACKAGES)[2]}:{code.co_firstlineno} {code.co_qualname}"


def show(costs: Costs, answers: int, console: Console) -> None:
    """Print our own functions by what they cost with what they call, and all by their own time."""
    total = sum(cost.own_seconds for cost in costs.values())
    ours = {key: cost for key, cost in costs.items() if key[1].startswith(ROOMS)}
    for title, rows, own in (("Ours, with what they call", ours, False), ("By own time", costs, True)):
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE)
        for heading in ("share", "µs per answer", "calls per answer"):
            table.add_column(heading, justify="right")
        table.add_column("thread")
        table.add_column("function", overflow="fold")
        timed = [(c.own_seconds if own else c.with_callees_seconds, c.calls, *key) for key, c in rows.items()]
        for seconds, calls, kind, place in sorted(timed, reverse=True)[:ROWS]:
            figures = (f"{seconds / total:.1%}", f"{seconds / answers * 1e6:.0f}", f"{calls / answers:.2f}")
            table.add_row(*figures, kind, place)
        console.print(table)
    console.print(f"{total / answers * 1e6:,.0f} µs of Python per answer; watching slows it twofold or more")
