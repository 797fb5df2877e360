"""What the demo looks like: one calm page of at most 100 columns.

Without a terminal, or on a dumb one, nothing moves; where the encoding lacks a letter, a plain one of the
same width stands in. Every check goes through ``Page.check``, so the table at the end claims what ran.
"""

from __future__ import annotations

import codecs
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import TextIO, cast

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from scoregate.errors import Refused
from scoregate.proof.results import SCORE_RANGE

WIDTH = 100
POINTS_A_COLUMN = 10
BAR_COLUMNS = 40
CHECK_COLUMNS = 48  # for what was checked; the fact follows
REASON_COLUMNS = 30  # the longest reason has as many letters
_BAND_EDGES = (350, 550, 600, 650, 700, 950)
_PLAIN_LETTERS = str.maketrans("✓✗●━█–—→·…×≥≤’é", "+xo-#-->-.x><'e")
_UNITS = ((timedelta(days=1), "days"), (timedelta(hours=1), "h"), (timedelta(seconds=1), "s"))


class StepFailed(Exception):
    """One step of the story did not hold. ``step`` names it; the text says in one sentence what was seen."""

    def __init__(self, step: str, seen: str) -> None:
        super().__init__(seen)
        self.step = step


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was checked, and held."""

    chapter: str
    what: str
    fact: str  # a short one, with figures


@dataclass(frozen=True, slots=True)
class Row:
    """One refusal of the table: what was tried, and what came back."""

    tried: str
    refusal: Refused


class Page:
    """Prints the story and keeps what was checked."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.console.width = min(self.console.width, WIDTH)
        self._check_columns = min(CHECK_COLUMNS, self.console.width // 2)
        self.checks: list[Check] = []
        self.lasted: dict[str, float] = {}  # seconds, by chapter
        self._chapter = ""
        self._moves = self.console.is_terminal and not self.console.is_dumb_terminal

    def title(self, text: str, below: str) -> None:
        """Open the page."""
        self.console.print()
        self.console.print(Text(text, style="bold"))
        self.console.print(Text(below, style="dim"))

    @contextmanager
    def chapter(self, number: int, title: str, caption: str) -> Iterator[None]:
        """Print one chapter's head; its checks belong to it."""
        self._chapter = title
        head = Text.assemble((f"{number}", "cyan"), "  ", (title, "bold"))
        self.console.print()
        self.console.print(Rule(head, align="left", style="bright_black"))
        self.console.print(Text(" ".join(caption.split()), style="dim"))
        self.console.print()
        began = time.monotonic()
        yield
        self.lasted[title] = time.monotonic() - began

    def _print(self, what: RenderableType, indent: int = 2) -> None:
        self.console.print(Padding(what, (0, 0, 0, indent), expand=False))

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._print(Text(text))

    def gap(self) -> None:
        """Print an empty line."""
        self.console.print()

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print names and what they are."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True, min_width=12)
        grid.add_column(overflow="fold")
        for name, fact in rows:
            grid.add_row(name, Text(fact))
        self._print(grid)

    def check(self, what: str, held: bool, fact: str) -> None:
        """Print a tick and keep it for the end.

        Raises:
            StepFailed: It did not hold; ``fact`` then says what was seen instead.
        """
        if not held:
            raise StepFailed(what, fact)
        self.checks.append(Check(self._chapter, what, fact))
        grid = Table.grid(padding=(0, 1))
        grid.add_column(style="green")
        grid.add_column(width=self._check_columns)
        grid.add_column(style="dim", overflow="fold")
        grid.add_row("✓", Text(what), Text(fact))
        self._print(grid)

    def scale(self, score: int, band: str) -> None:
        """Print a score on its scale, ten points a column."""
        low, _ = SCORE_RANGE
        at = (score - low) // POINTS_A_COLUMN
        edges = [(edge - low) // POINTS_A_COLUMN for edge in _BAND_EDGES]
        start = max(edge for edge in edges[:-1] if edge <= at)
        end = min(edge for edge in edges[1:] if edge > start)
        labels = [" "] * (edges[-1] + 3)
        for edge, column in zip(_BAND_EDGES, edges, strict=True):
            labels[column : column + 3] = str(edge)
        bar = Text("━" * (edges[-1] + 1), style="bright_black")
        bar.stylize("cyan", start, end + (end == edges[-1]))
        bar = Text.assemble(bar[:at], ("●", "bold cyan"), bar[at + 1 :])
        below = Text.assemble(" " * at, (str(score), "bold cyan"), (f"   band {band}", "dim"))
        for line in (Text("".join(labels), style="dim"), Text(" ").append_text(bar), below):
            self._print(line, indent=3)

    def histogram(self, rows: Sequence[tuple[str, int]]) -> None:
        """Print counts as bars; the longest takes the whole width."""
        most = max(1, *(count for _, count in rows))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, min_width=12)
        grid.add_column(justify="right")
        grid.add_column()
        for name, count in rows:
            length = round(count / most * BAR_COLUMNS) or (count > 0)
            grid.add_row(name, f"{count:,}", Text("█" * length, style="cyan"))
        self._print(grid)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar while the block runs, where the terminal can; told how many are done."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self._moves) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)

    def refusals(self, title: str, rows: Sequence[Row]) -> None:
        """Print refusals: the reason with its status, what was tried, and the remedy."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, width=REASON_COLUMNS)
        grid.add_column()
        for row in rows:
            refusal = row.refusal
            grid.add_row(refusal.code or "(TLS handshake)", Text(row.tried))
            grid.add_row(Text(f"  {refusal.status}", style="dim"), Text(f"→ {_remedy(refusal)}", style="dim"))
        self._print(Text(title, style="cyan"))
        self._print(grid)
        self.gap()

    def kept(self, folder: Path) -> None:
        """Say where everything lies, and how to recompute the log once more."""
        again = (
            f"scoregate log verify {folder}/officer/log --policy {folder}/policy"
            f" --receipts {folder}/meadow/receipts"
        )
        for line in (f"Kept in {folder}; recompute it with", again):
            self.console.print(Text(f"  {line}"), soft_wrap=True)

    def summary(self) -> None:
        """Print everything that was checked, and how long each chapter took."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="green", width=1)
        table.add_column(width=self._check_columns)
        table.add_column(style="dim", overflow="fold")
        for chapter, checks in groupby(self.checks, key=lambda check: check.chapter):
            table.add_row("", Text(chapter, style="bold"), _length(timedelta(seconds=self.lasted[chapter])))
            for check in checks:
                table.add_row("✓", Text(check.what), Text(check.fact))
        self.gap()
        self.console.print(Rule(Text("What was checked", style="bold"), align="left", style="bright_black"))
        self.gap()
        self._print(table)
        self.gap()
        took = sum(self.lasted.values())
        self._print(Text(f"All {len(self.checks)} checks held, in {took:.1f} s.", style="bold green"))

    def failure(self, chapter: str, step: str, why: str) -> None:
        """Say which step failed, and why."""
        self.console.print()
        self.console.print(Rule(Text("Failed", style="bold red"), align="left", style="red"))
        self.facts([("chapter", chapter), ("step", step), ("why", why)])


def _remedy(refusal: Refused) -> str:
    fields = [each.field for each in refusal.violations] if refusal.status == "INVALID_ARGUMENT" else []
    named = f" Here: {', '.join(fields)}." if fields else ""
    wait = "" if refusal.retry_after is None else f" Here: {_length(refusal.retry_after)}."
    return f"{refusal.remedy}{named}{wait}"


def _length(span: timedelta) -> str:
    for unit, name in _UNITS:
        if span >= unit:
            return f"{span / unit:.1f} {name}"
    return f"{span / timedelta(milliseconds=1):.0f} ms"


def use_plain_letters(stream: TextIO) -> None:
    """Have ``stream`` replace the letters that its encoding lacks, each by one, so that columns stay."""

    def replace(error: UnicodeError) -> tuple[str, int]:
        failed = cast(UnicodeEncodeError, error)
        letters = failed.object[failed.start : failed.end].translate(_PLAIN_LETTERS)
        return "".join(letter if letter.isascii() else "?" for letter in letters), failed.end

    codecs.register_error("scoregate.demo", replace)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="scoregate.demo")


def standard_page() -> Page:
    """The page on standard output."""
    use_plain_letters(sys.stdout)
    return Page()
