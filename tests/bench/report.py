"""The tables and build/bench.json."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.figures import Arm, Findings, Spread
from tests.bench.promises import PROMISES


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run found."""

    findings: Findings
    machine: dict[str, str]
    durability: dict[str, dict[str, str]]  # by store
    fsync_us: int
    run: dict[str, Any]  # what was asked for

    def write(self, path: Path) -> None:
        """Write the keys' medians flat, their spread and the arms beside them."""
        found = self._figures()
        plain: dict[str, Any] = {key: _rounded(spread.median) for key, spread in found.items()}
        plain["spread"] = {key: _plain(spread) for key, spread in found.items()}
        plain["meaning"] = {key: PROMISES[key].meaning for key in found}
        plain["arms"] = {
            name: {
                "server_cpu_us_per_answer": _plain(Spread.of(arm.cpu_us())),
                "of_that_the_process_alone": _plain(Spread.of(arm.own_cpu_us())),
                "answers_per_second": _plain(Spread.of(arm.per_second())),
                "server_core_busy": _plain(Spread.of(arm.busy())),
                "answers": arm.answers(),
                "refused": arm.refused(),
                "rounds": len(arm.turns),
            }
            for name, arm in self.findings.arms.items()
        }
        plain |= _finite(self.findings.details)
        plain |= {"notes": self.findings.notes, "fsync_us": self.fsync_us}
        plain |= {"durability": self.durability, "machine": self.machine, "run": self.run}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")

    def show(self, console: Console) -> None:
        """Print it."""
        if self.findings.arms:
            console.print(self._arms())
        console.print(self._ratios())
        console.print(self._circumstances())

    def _figures(self) -> dict[str, Spread]:
        found = self.findings.figures
        return {key: found[key] for key in PROMISES if key in found}

    def _arms(self) -> Table:
        table = Table(
            title="Side by side, in one run", title_justify="left", title_style="bold", box=box.SIMPLE
        )
        table.add_column("arm")
        for heading in ("server CPU per answer, µs", "answers per second", "server core busy", "answers"):
            table.add_column(heading, justify="right")
        for name, arm in self.findings.arms.items():
            table.add_row(
                name,
                _cpu(arm),
                _shown(Spread.of(arm.per_second()), "{:,.0f}"),
                _shown(Spread.of(arm.busy()), "{:.0%}"),
                f"{arm.answers():,}" + (f", {arm.refused()} refused" if arm.refused() else ""),
            )
        rounds = sorted({len(arm.turns) for arm in self.findings.arms.values()})
        table.caption = f"median (least to most) of {' or '.join(map(str, rounds))} rounds"
        table.caption_justify = "left"
        return table

    def _ratios(self) -> Table:
        table = Table("figure", "median (least to most)", "promised", "", "meaning", box=box.SIMPLE)
        for key, spread in self._figures().items():
            promise = PROMISES[key]
            short = "" if promise.holds(spread.median) else "[red]short[/red]"
            table.add_row(key, _shown(spread, _shape(spread)), promise.bound(), short, promise.meaning)
        return table

    def _circumstances(self) -> Table:
        table = Table(box=box.SIMPLE, show_header=False)
        for name, settings in self.durability.items():
            told = " ".join(f"{key}={value}" for key, value in settings.items())
            table.add_row(f"durability, {name}", told)
        table.add_row("disk", f"one fdatasync of 4 KiB takes {self.fsync_us:,} µs here")
        for key, value in (self.findings.notes | self.machine).items():
            table.add_row(key, value)
        return table


def _cpu(arm: Arm) -> str:
    whole = _shown(Spread.of(arm.cpu_us()), "{:,.0f}")
    if not any(turn.database_cpu_seconds for turn in arm.turns):
        return whole
    return f"{whole}; gateway alone {Spread.of(arm.own_cpu_us()).median:,.0f}"


def _shape(spread: Spread) -> str:
    return "{:,.0f}" if spread.median >= 100 else "{:.2f}"


def _shown(spread: Spread, shape: str) -> str:
    if spread.least == spread.most:
        return shape.format(spread.median)
    return f"{shape.format(spread.median)} ({shape.format(spread.least)} to {shape.format(spread.most)})"


def _plain(spread: Spread) -> dict[str, float | None]:
    return {
        "least": _rounded(spread.least),
        "median": _rounded(spread.median),
        "most": _rounded(spread.most),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rounded(value: float) -> float | None:
    """As JSON has it, which knows no infinity: a call that was refused was never answered."""
    return round(value, 4) if math.isfinite(value) else None
