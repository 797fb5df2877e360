"""From turns to figures, the table and build/bench.json."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich import box
from rich.console import Console
from rich.table import Table

from gateway.store import Store
from tests.bench.engine_speed import EngineSpeed
from tests.bench.load import Turn

JOURNEY, AIO, SYNC, BATCH = "GetScore", "empty grpc.aio echo", "empty thread-pool echo", "BatchGetScores"
FSYNCS = 25


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm's turns, one a round."""

    turns: Sequence[Turn]
    items: int  # answers in one call

    def cpu_us(self) -> list[float]:
        """Server processor time for each answer, µs, by round."""
        return [turn.server_cpu_seconds / self._count(turn) * 1e6 for turn in self.turns]

    def per_second(self) -> list[float]:
        """Answers a second, by round."""
        return [self._count(turn) / turn.seconds for turn in self.turns]

    def busy(self) -> list[float]:
        """The share of its core that the server used, by round."""
        return [turn.server_cpu_seconds / turn.seconds for turn in self.turns]

    def answers(self) -> int:
        """All answers."""
        return sum(self._count(turn) for turn in self.turns)

    def _count(self, turn: Turn) -> int:
        return len(turn.answers) * self.items


def ratios(arms: dict[str, Arm]) -> dict[str, Spread]:
    """The keys that later work is measured by; each is a quotient within one round."""
    journey, batch = arms[JOURNEY], arms[BATCH]

    def over(above: list[float], below: list[float]) -> Spread:
        return Spread.of([a / b for a, b in zip(above, below, strict=True)])

    return {
        "journey_over_aio_echo": over(arms[AIO].cpu_us(), journey.cpu_us()),
        "journey_over_sync_echo": over(arms[SYNC].cpu_us(), journey.cpu_us()),
        "batch_over_unary": over(batch.per_second(), journey.per_second()),
        "batch_scores_per_second": Spread.of(batch.per_second()),
        "server_core_busy": Spread.of(journey.busy()),
    }


MEANING = {
    "journey_over_aio_echo": "server CPU of an empty grpc.aio echo / of GetScore; 1 would mean free",
    "journey_over_sync_echo": "the same against the thread-pool echo",
    "batch_over_unary": "scores a second in batches / one by one",
    "batch_scores_per_second": "scores a second in batches",
    "server_core_busy": "share of its core that the server used under GetScore",
}


def machine() -> dict[str, str]:
    """What this ran on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "cores": f"{os.cpu_count()} of {model}; server on one, generator on another",
        "python": platform.python_version(),
        "grpcio": metadata.version("grpcio"),
        "load_average": " / ".join(f"{average:.1f}" for average in os.getloadavg()),
    }


def durability(store: Store, folder: Path) -> dict[str, Any]:
    """How commits reach the disk, as the ledger's own connection says, and what one fsync takes there."""
    with store.reading() as connection:
        pragma = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous")
        }
    level = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}[pragma["synchronous"]]
    return {"journal_mode": pragma["journal_mode"], "synchronous": level, "fsync_us": _fsync_us(folder)}


def _fsync_us(folder: Path) -> int:
    file = folder / "fsync"
    taken = []
    with file.open("wb", buffering=0) as out:
        for _ in range(FSYNCS):
            out.write(b"\0" * 4096)
            started = time.perf_counter()
            os.fdatasync(out.fileno())
            taken.append(time.perf_counter() - started)
    file.unlink()
    return round(statistics.median(taken) * 1e6)


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that a run found."""

    arms: dict[str, Arm]
    sizes: dict[str, int]  # bytes of a GetScore request and response
    engine: EngineSpeed
    machine: dict[str, str]
    durability: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write build/bench.json: the keys' medians flat, their spread and the arms beside them."""
        found = ratios(self.arms)
        plain: dict[str, Any] = {key: round(spread.median, 4) for key, spread in found.items()}
        plain["engine_score_us"] = round(self.engine.score * 1e6, 2)
        plain["engine_batch_row_us"] = round(self.engine.batch_row * 1e6, 2)
        plain["engine_kept_score_us"] = round(self.engine.kept_score * 1e6, 2)
        plain["spread"] = {key: _plain(spread) for key, spread in found.items()}
        plain["meaning"] = MEANING
        plain["arms"] = {
            name: {
                "server_cpu_us_per_answer": _plain(Spread.of(arm.cpu_us())),
                "answers_per_second": _plain(Spread.of(arm.per_second())),
                "server_core_busy": _plain(Spread.of(arm.busy())),
                "answers": arm.answers(),
            }
            for name, arm in self.arms.items()
        }
        plain |= {"bytes": self.sizes, "durability": self.durability, "machine": self.machine}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")

    def show(self, console: Console) -> None:
        """Print it."""
        console.print(self._arms())
        console.print(self._ratios())
        console.print(self._circumstances())

    def _arms(self) -> Table:
        table = Table(
            title="Side by side, in one run", title_justify="left", title_style="bold", box=box.SIMPLE
        )
        table.add_column("arm")
        for heading in ("server CPU per answer, µs", "answers per second", "server core busy"):
            table.add_column(heading, justify="right")
        for name, arm in self.arms.items():
            table.add_row(
                name,
                _shown(Spread.of(arm.cpu_us()), "{:,.0f}"),
                _shown(Spread.of(arm.per_second()), "{:,.0f}"),
                _shown(Spread.of(arm.busy()), "{:.0%}"),
            )
        table.caption = f"median (least to most) of {len(self.arms[JOURNEY].turns)} rounds"
        table.caption_justify = "left"
        return table

    def _ratios(self) -> Table:
        table = Table("figure", "median (least to most)", "meaning", box=box.SIMPLE)
        for key, spread in ratios(self.arms).items():
            table.add_row(key, _shown(spread, "{:,.0f}" if spread.median > 100 else "{:.3f}"), MEANING[key])
        table.add_row(
            "engine_score_us", f"{self.engine.score * 1e6:.2f}", "one worked out; promised: under 20"
        )
        table.add_row("engine_batch_row_us", f"{self.engine.batch_row * 1e6:.2f}", "promised: under 3")
        table.add_row(
            "engine_kept_score_us", f"{self.engine.kept_score * 1e6:.2f}", "one known since the start"
        )
        return table

    def _circumstances(self) -> Table:
        table = Table(box=box.SIMPLE, show_header=False)
        durable = self.durability
        table.add_row("journey", "mTLS, consent, quota, engine, ES256, encryption, log; every answer checked")
        table.add_row(
            "durability",
            f"SQLite journal_mode={durable['journal_mode']} synchronous={durable['synchronous']}; "
            f"one fdatasync of 4 KiB takes {durable['fsync_us']:,} µs here",
        )
        table.add_row(
            "bytes", f"{self.sizes['request']:,} in, {self.sizes['response']:,} out, on the echoes too"
        )
        for key, value in self.machine.items():
            table.add_row(key, value)
        return table


def _shown(spread: Spread, shape: str) -> str:
    return f"{shape.format(spread.median)} ({shape.format(spread.least)} to {shape.format(spread.most)})"


def _plain(spread: Spread) -> dict[str, float]:
    return {"least": round(spread.least, 4), "median": round(spread.median, 4), "most": round(spread.most, 4)}


def require_two_cores() -> tuple[int, int]:
    """The cores of server and generator, or an end with a sentence."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2:
        sys.exit("The bench pins server and generator to a core each: it needs Linux and two cores.")
    return available[0], available[1]
