"""From ends to the table and build/mutate.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.mutate.copying import Group
from tests.mutate.verdicts import AT_LEAST, KILLED, ODD, SURVIVED, TIMEOUT, UNTESTED, Tally, Verdict, tally

COLUMNS = (KILLED, SURVIVED, TIMEOUT, UNTESTED, ODD)


@dataclass(frozen=True, slots=True)
class Tried:
    """A group, and what became of its mutants."""

    group: Group
    by_module: dict[str, list[Verdict]]
    seconds: float
    processor_seconds: float = 0.0

    @property
    def total(self) -> Tally:
        """Of all its modules."""
        return tally([each for verdicts in self.by_module.values() for each in verdicts])

    @property
    def holds(self) -> bool:
        """Whether the tests noticed enough of them. None at all is not enough."""
        return self.total.score >= AT_LEAST

    def plain(self) -> dict[str, Any]:
        """As the file has it."""
        modules = [
            {"module": module, **_figures(tally(verdicts))} for module, verdicts in self.by_module.items()
        ]
        times = {
            "seconds": round(self.seconds, 1),
            "processor_seconds": round(self.processor_seconds, 1),
        }
        return {"group": self.group.name, **_figures(self.total), **times, "modules": modules}


def _figures(of: Tally) -> dict[str, Any]:
    counts = {column.replace(" ", "_"): of.ends[column] for column in COLUMNS}
    return {"mutants": of.mutants, **counts, "score": round(of.score, 2)}


def record(path: Path, tried: Sequence[Tried], names: Sequence[str]) -> None:
    """Put these in place of the same groups' earlier figures; ``names`` are all groups, in order."""
    try:
        kept = {each["group"]: each for each in json.loads(path.read_text())}
    except (OSError, ValueError):
        kept = {}
    kept |= {each.group.name: each.plain() for each in tried}
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps([kept[name] for name in names if name in kept], indent=2) + "\n")
    draft.replace(path)  # whoever reads meanwhile finds a whole file


def show(tried: Sequence[Tried], console: Console) -> None:
    """Print a row for each module and one for each group."""
    table = Table(box=box.SIMPLE, title="Mutants, and what the tests said", title_justify="left")
    table.add_column("group")
    table.add_column("module")
    for column in ("mutants", *COLUMNS, "score"):
        table.add_column(column, justify="right")
    for each in tried:
        for module, verdicts in each.by_module.items():
            table.add_row("", module, *_cells(tally(verdicts)))
        table.add_row(each.group.name, "", *_cells(each.total), style="bold", end_section=True)
    console.print(table)
    for each in tried:
        if not each.holds:
            console.print(f"{each.group.name}: below {AT_LEAST:.0f} %", style="bold red", highlight=False)


def _cells(of: Tally) -> list[str]:
    score = f"{of.score:.1f} %" if of.mutants else "–"
    return [f"{of.mutants:,}", *(f"{of.ends[column]:,}" for column in COLUMNS), score]
