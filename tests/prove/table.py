"""From findings to the table, what does not hold and why, and build/prove.json."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.prove.campaign import Finding

FIELDS = ("law", "store", "runs", "violations", "control", "control_runs", "control_violations")
ENDED_EARLY = "the campaign comes to its end"


@dataclass(frozen=True, slots=True)
class Row:
    """One finding, whose it is, and how long it took."""

    campaign: str
    finding: Finding
    seconds: float

    @classmethod
    def of_trouble(cls, campaign: str, trouble: BaseException, seconds: float) -> Row:
        """For a campaign that broke off: whatever it had not shown by then is not shown."""
        told = f"{type(trouble).__name__}: {trouble}"
        return cls(campaign, Finding(ENDED_EARLY, "", 0, 0, "", 0, 0, evidence=(told,)), seconds)

    def plain(self) -> dict[str, Any]:
        """As the file has it."""
        finding = self.finding
        fields = {name: getattr(finding, name) for name in FIELDS}
        # Calls that failed took for ever, which JSON has no number for.
        figures = {name: round(f, 4) if math.isfinite(f) else None for name, f in finding.figures.items()}
        rest = {"outcomes": dict(finding.outcomes), "figures": figures, "seconds": round(self.seconds, 1)}
        return {"campaign": self.campaign} | fields | rest

    def problems(self) -> Iterator[str]:
        """Why the row does not hold, each in a sentence; none where it does."""
        found = self.finding
        if found.law == ENDED_EARLY:
            yield "It broke off."
            return
        if not found.runs:
            yield "Nothing was tried."
        if found.violations:
            yield f"The law was broken {found.violations:,} times in {found.runs:,} runs."
        if not found.control_violations:
            yield (
                f"The control arm ({found.control or 'there is none'}) found nothing in "
                f"{found.control_runs:,} runs, so a breach would not have been seen."
            )
        yield from (f"It never occurred: {what}." for what, count in found.outcomes.items() if not count)


class Record:
    """build/prove.json: the newest rows of each campaign."""

    def __init__(self, path: Path, campaigns: Sequence[str]) -> None:
        self.path = path
        self._campaigns = campaigns  # in the table's order; rows of any other are dropped

    def replace(self, campaign: str, rows: Sequence[Row]) -> None:
        """Put these in place of the campaign's earlier rows; the others' stay."""
        kept = [row for row in self._read() if row.get("campaign") != campaign]
        found = kept + [row.plain() for row in rows]
        ordered = [row for name in self._campaigns for row in found if row.get("campaign") == name]
        self.path.parent.mkdir(exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        draft.replace(self.path)  # whoever reads meanwhile finds a whole file

    def _read(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return []
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table, what does not hold and why, and what it ran on."""
    console.print(_table(rows))
    console.print(_details([row for row in rows if row.finding.outcomes or row.finding.figures]))
    for row in rows:
        if not row.finding.holds:
            console.print(_verdict(row))
    held = sum(row.finding.holds for row in rows)
    taken = sum(row.seconds for row in rows)
    console.print(f"{held} of {len(rows)} rows hold; {taken / 60:.1f} minutes", highlight=False)
    console.print(f"{time.strftime('%Y-%m-%d')}, {machine()}", highlight=False)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE, title="The laws, tried", title_justify="left", title_style="bold")
    table.add_column("campaign")
    table.add_column("law", min_width=24)
    table.add_column("store")
    table.add_column("runs", justify="right")
    table.add_column("violations", justify="right")
    table.add_column("control arm")
    table.add_column("runs", justify="right")
    table.add_column("violations", justify="right")
    for row in rows:
        found = row.finding
        table.add_row(
            row.campaign,
            found.law,
            found.store or "–",
            f"{found.runs:,}",
            Text(f"{found.violations:,}", "red" if found.violations else ""),
            found.control,
            f"{found.control_runs:,}",
            Text(f"{found.control_violations:,}", "" if found.control_violations else "red"),
        )
    return table


def _details(rows: Sequence[Row]) -> Table:
    """What occurred how often, and what was measured."""
    table = Table(
        "law", "store", "occurred", "measured", box=box.SIMPLE, title="In figures", title_justify="left"
    )
    for row in rows:
        found = row.finding
        table.add_row(found.law, found.store or "–", _listed(found.outcomes), _listed(found.figures))
    return table


def _listed(numbers: Mapping[str, float]) -> str:
    return " · ".join(f"{name} {_shown(number)}" for name, number in numbers.items())


def _shown(number: float) -> str:
    if not math.isfinite(number):
        return "–"
    return f"{number:,.0f}" if number == int(number) else f"{number:,.2f}"


def _verdict(row: Row) -> Text:
    where = f" on {row.finding.store}" if row.finding.store else ""
    told = Text(f"DOES NOT HOLD  {row.campaign}: {row.finding.law}{where}. ", "red")
    told.append(" ".join(row.problems()), "default")
    for line in row.finding.evidence:
        told.append(f"\n  {line}", "default")
    return told


def machine() -> str:
    """What this ran on, in a line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    model = next(models, platform.machine())
    return f"{os.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}"
