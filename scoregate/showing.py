"""How the base commands show what they found: a table or JSON, a bar on stderr, one calm line and a code."""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NoReturn, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from scoregate.errors import Refused, ScoregateError, TermsAltered, VerificationFailed
from scoregate.instants import moment
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid

W = TypeVar("W", bound=StrEnum)

_OUTCOMES: tuple[tuple[type[ScoregateError], str, int], ...] = (
    (TermsAltered, "altered", 6),
    (VerificationFailed, "invalid", 3),
    (Refused, "refused", 1),
    (LogInvalid, "invalid", 3),
    (LogDiverged, "diverged", 4),
    (LogIncomplete, "incomplete", 5),
)


class Output(StrEnum):
    """How results are shown."""

    TABLE = "table"
    JSON = "json"


def one_of(kind: type[W]) -> Callable[[str], W]:
    """Reads one word of a kind; anything else is told all of them, and which is nearest."""

    def read(text: str) -> W:
        words = {word.casefold(): word for word in kind}
        if text in words.values():
            return kind(text)
        nearest = difflib.get_close_matches(text.casefold(), words, n=1)
        meant = f" Did you mean {words[nearest[0]]}?" if nearest else ""
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(kind)}.{meant}")

    return read


Shown = Annotated[
    Output,
    typer.Option(
        "--output", "-o", metavar="table|json", parser=one_of(Output), help="How to show the result."
    ),
]


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr, where that is a terminal; what is yielded takes (done, total) entries."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("Verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("entries"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def refuse(error: LogError | VerificationFailed | Refused, *, as_json: bool) -> NoReturn:
    """End the command: what does not hold, in one sentence, with the exit code of its kind."""
    result, code = next((name, code) for kind, name, code in _OUTCOMES if isinstance(error, kind))
    index = error.index if isinstance(error, LogError) else None
    if as_json:
        typer.echo(json.dumps({"result": result, "index": index, "message": str(error)}, indent=2))
    else:
        line = Text.assemble((result.capitalize(), "bold red"), f": {str(error).removesuffix('.')}.")
        Console(stderr=True).print(line, soft_wrap=True)
    raise typer.Exit(code)


def shown(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Return the table of what was checked and what was found."""
    table = Table(
        "Checked",
        "Found",
        title=title,
        title_justify="left",
        title_style="bold green",
        box=box.SIMPLE,
    )
    for checked, found in rows:
        table.add_row(Text(checked, style="bold"), Text(found, overflow="fold"))
    return table


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as "2 bundles" and "3 entries"."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def instant(micros: int, precision: str) -> str | None:
    """Return an instant in RFC 3339, to the second or finer; None for 0."""
    return moment(micros).isoformat(timespec=precision).replace("+00:00", "Z") if micros else None


def second(seconds: int) -> str:
    """Return POSIX seconds in RFC 3339; what no calendar has, as the number that it is."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return f"{seconds} s after 1970"
