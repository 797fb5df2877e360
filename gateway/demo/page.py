"""What the demo looks like: one calm page of at most 96 columns.

Without a terminal, or on a dumb one, nothing moves; where the encoding lacks a letter, a plain one of the same
width stands in. Every check goes through ``Page.check``, so the table at the end cannot claim more than ran.
"""

from __future__ import annotations

import codecs
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TextIO, cast

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from scoregate.errors import Refused
from scoregate.proof.results import SCORE_RANGE

WIDTH = 96
POINTS_A_COLUMN = 10
BAR_COLUMNS = 40
_BAND_EDGES = (350, 550, 600, 650, 700, 950)
_PLAIN_LETTERS = str.maketrans("✓✗●━█–—→·…×≥≤’é", "+xo-#-->-.x><'e")


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
        self.checks: list[Check] = []
        self.lasted: dict[str, timedelta] = {}  # by chapter
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
        self.lasted[title] = timedelta(seconds=time.monotonic() - began)

    def say(self, text: str) -> None:
        """Print a sentence."""
        self.console.print(Padding(Text(text), (0, 0, 0, 2)))

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
        self.console.print(Padding(grid, (0, 0, 0, 2)))

    def check(self, what: str, held: bool, fact: str) -> None:
        """Print a tick and keep it for the end.

        Raises:
            StepFailed: It did not hold; ``fact`` then says what was seen instead.
        """
        if not held:
            raise StepFailed(what, fact)
        self.checks.append(Check(self._chapter, what, fact))
        line = Text.assemble(("✓ ", "green"), what, (f"  {fact}", "dim"))
        self.console.print(Padding(line, (0, 0, 0, 2)))

    def scale(self, score: int, band: str) -> None:
        """Print a score on its scale, ten points a column."""
        low, high = SCORE_RANGE
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
        below = Text(" " * (at - 1)).append(str(score), style="bold cyan").append(f"   band {band}", style="dim")
        for line in (Text("".join(labels), style="dim"), Text(" ").append_text(bar), below):
            self.console.print(Padding(line, (0, 0, 0, 3)), no_wrap=True)

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
        self.console.print(Padding(grid, (0, 0, 0, 2)))

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar while the block runs, where the terminal can; told how many are done."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self._moves) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)

    def refusals(self, rows: Sequence[Row], title: str) -> None:
        """Print refusals: reason and status, what was tried, and the remedy."""
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 1, 0))
        table.show_header = False
        table.add_column(no_wrap=True, width=30)
        table.add_column()
        for row in rows:
            refusal = row.refusal
            reason = Text(refusal.code or "(in the TLS handshake)").append(f"\n{refusal.status}", style="dim")
            wait = refusal.retry_after
            told = f" Wait: {_length(wait)}." if wait is not None else ""
            answer = Text(row.tried).append(f"\n{refusal.remedy}{told}", style="dim")
            table.add_row(reason, answer)
        self.console.print(Padding(table, (0, 0, 0, 2)))

    def summary(self) -> None:
        """Print everything that was checked, and how long it took."""
        table = Table(box=box.SIMPLE, show_header=False, padding=(0, 1), pad_edge=False)
        table.add_column(style="green", width=1)
        table.add_column()
        table.add_column(style="dim")
        before = ""
        for check in self.checks:
            if check.chapter != before:
                if before:
                    table.add_section()
                before = check.chapter
            table.add_row("✓", check.what, check.fact)
        self.console.print()
        self.console.print(Rule(Text("What was checked", style="bold"), align="left", style="bright_black"))
        self.console.print(table)

    def failure(self, number: int, title: str, step: str, why: str) -> None:
        """Say which step failed, and why."""
        self.console.print()
        self.console.print(Rule(Text("Failed", style="bold red"), align="left", style="red"))
        self.facts([("chapter", f"{number}  {title}"), ("step", step), ("why", why)])


def _length(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds / 3600:.1f} h" if seconds < 86_400 else f"{seconds / 86_400:.1f} days"


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
