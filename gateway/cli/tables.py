"""How things are shown to people: facts about one, a listing of many. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

WIDEST = 10_000  # no table is wider


def facts(title: str, rows: Iterable[tuple[str, object]]) -> Table:
    """A table of names and facts."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_header=False)
    for name, fact in rows:
        table.add_row(Text(name, style="bold"), Text(str(fact), overflow="fold"))
    return table


@dataclass(frozen=True, slots=True)
class Listing:
    """One row for each thing; where the terminal is too narrow for that, one block for each.

    No word is ever broken, so that ids can be copied, and what the gateway sent is never taken for markup.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        table = Table(title=self.title, title_justify="left", title_style="bold", box=box.SIMPLE)
        for number, column in enumerate(self.columns):
            words = all(" " not in row[number] for row in self.rows)
            table.add_column(column, no_wrap=words, overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        if Measurement.get(console, options.update(max_width=WIDEST), table).minimum <= options.max_width:
            yield table
            return
        yield Text(f"{self.title}\n", style="bold")
        for row in self.rows:
            yield Text(row[0], style="bold", overflow="fold")
            yield facts("", (pair for pair in zip(self.columns[1:], row[1:], strict=True) if pair[1]))


def listing(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Listing:
    """Many things under one title, each told by the same columns; the first one names it."""
    return Listing(title, tuple(columns), tuple(tuple(map(str, row)) for row in rows))


def instant(moment: Timestamp) -> str:
    """An instant, ISO 8601 in UTC, to the second."""
    return f"{moment.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"


def day(moment: Timestamp) -> str:
    """The day of an instant in UTC, where a table has no room for more."""
    return f"{moment.ToDatetime():%Y-%m-%d}"
