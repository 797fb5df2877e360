"""The `scoregate` command as a partner or an auditor installs it.

It holds what needs no server: `version`, `log verify` and `consent-receipt verify`. What is installed
beside it adds the rest through the entry-point group "scoregate.commands": each entry is a function
`extend(app)` that may add commands to `app` and to `log_app`. The commands only read arguments and show
results; the checking is in scoregate.proof and in consent_receipts.py.

Errors in what the user gave are one calm line on stderr and an exit code. A traceback means a bug.
"""

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from scoregate.errors import KeysInvalid, ScoregateError, VerificationFailed
from scoregate.instants import moment
from scoregate.proof.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.proof.pulled import Report, verify

COMMANDS_GROUP = "scoregate.commands"
INSTALL = 'Install it with its extras "server" and "engine"'
SERVER_MISSING = f"What calls a gateway, and what checks its proofs. {INSTALL} for what runs one."


W = TypeVar("W", bound=StrEnum)

_OUR_PACKAGES = frozenset({"scoregate", "gateway", "consent", "scoring"})
_OUTCOMES: tuple[tuple[type[ScoregateError], str, int], ...] = (
    (VerificationFailed, "invalid", 3),
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


class _Commands(TyperGroup):
    """Where the server is not installed, an unknown command may be one of its own."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of this name; where it may only be missing, fail with how to get it."""
        found = super().get_command(ctx, cmd_name)
        if found is None and self.epilog == SERVER_MISSING:
            ctx.fail(f"Scoregate has no command {cmd_name!r} here. {INSTALL} for those that run a gateway.")
        return found


app = typer.Typer(
    name="scoregate",
    cls=_Commands,
    help="Consumer credit scores that everyone can later prove were lawful.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
log_app = typer.Typer(name="log", help="Check a pulled audit log, offline.", no_args_is_help=True)
app.add_typer(log_app)
receipt_app = typer.Typer(
    name="consent-receipt", help="Check what a person allowed a lender, offline.", no_args_is_help=True
)
app.add_typer(receipt_app)


def _tell_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def _scoregate(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    # Without a callback a lone command would take the whole name for itself.
    pass


@app.command()
def version() -> None:
    """Print the version."""
    try:
        number = metadata.version("scoregate")
    except metadata.PackageNotFoundError:
        number = "(run from its sources, not installed)"
    typer.echo(f"scoregate {number}")


@log_app.command("verify")
def log_verify(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", exists=True, file_okay=False, help="What `scoregate audit pull` wrote."
        ),
    ],
    receipts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Receipts that the client filed: find each in the log.",
        ),
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Recompute a pulled log from its first byte: every entry, every hash, the root.

    It needs no server and no key, and trusts nothing in DIR.
    With --receipts it also finds the entry behind each answer that a lender
    holds, and recomputes that it answers the question filed beside it.

    Exit codes
      0  All of it holds.
      2  The command was not called like this.
      3  Invalid: an entry, the head or a receipt is not what its format says.
      4  Diverged: the entries, the head and the receipts are not of one log.
      5  Incomplete: bundles, entries or files are missing. Pull again.
    """
    as_json = output is Output.JSON
    try:
        with _progress(quiet=as_json) as progress:
            report = verify(folder, receipts=receipts, progress=progress)
    except LogError as error:
        _refuse(error, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(_plain(report), indent=2))
    else:
        Console().print(_table(report))


@receipt_app.command("verify")
def consent_receipt_verify(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="What the person downloaded."),
    ],
    jwks: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The issuer's public keys, as it publishes them.",
        ),
    ],
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="A pulled log: recompute it, and find each event in it.",
        ),
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Check the receipt of a consent: its signature, its rules, and what follows from them.

    A person downloads it from their pages. It is no lender's receipt of an
    answer, which `log verify --receipts` finds in the log. It says how things
    stood when it was issued: a later one of the same consent may say more.

    Exit codes
      0  All of it holds.
      2  The command was not called like this, or --jwks is no JWK Set.
      3  Invalid: changed, signed by another key, or against a rule.
      4  Diverged: the log is another, or says otherwise.
      5  Incomplete: the log ends too early, or parts of it are missing.

    Example:
      scoregate keys export --out jwks.json
      scoregate consent-receipt verify receipt.jws --jwks jwks.json
    """
    from scoregate import consent_receipts  # here, so that help is quick: it takes cryptography

    as_json = output is Output.JSON
    try:
        keys = consent_receipts.read_keys(jwks)
    except KeysInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--jwks") from error
    try:
        with _progress(quiet=as_json or log is None) as progress:
            checked = consent_receipts.check(file, keys, log=log, progress=progress)
    except (LogError, VerificationFailed) as error:
        _refuse(error, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(checked.plain(), indent=2))
    else:
        Console().print(_shown("The consent receipt holds", checked.rows()))


def assemble(points: Iterable[metadata.EntryPoint]) -> typer.Typer:
    """Return `app`, extended by these entry points.

    One that needs a package which is not installed is left out, and --help says how to get it. A
    module missing from our own packages is a bug, and raises.
    """
    for point in points:
        try:
            point.load()(app)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in _OUR_PACKAGES:
                raise
            app.info.epilog = SERVER_MISSING
    return app


def main() -> None:
    """Run the command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter shows its escape instead of a traceback.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    assemble(metadata.entry_points(group=COMMANDS_GROUP))(prog_name="scoregate")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
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


def _refuse(error: LogError | VerificationFailed, *, as_json: bool) -> NoReturn:
    result, code = next((name, code) for kind, name, code in _OUTCOMES if isinstance(error, kind))
    index = error.index if isinstance(error, LogError) else None
    if as_json:
        typer.echo(json.dumps({"result": result, "index": index, "message": str(error)}, indent=2))
    else:
        line = Text.assemble((result.capitalize(), "bold red"), f": {error}.")
        Console(stderr=True).print(line, soft_wrap=True)
    raise typer.Exit(code)


def _plain(report: Report) -> dict[str, str | int | None]:
    return {
        "result": "ok",
        "origin": report.head.origin,
        "tree_size": report.head.tree_size,
        "root_hash": report.head.root_hash.hex(),
        "bundles": report.bundles,
        "first_time": _instant(report.first_micros, "microseconds"),
        "last_time": _instant(report.last_micros, "microseconds"),
        "partners": report.partners,
        "releases": report.releases,
        "replays": report.replays,
        "units": report.units,
        "receipts": report.receipts,
        "requests": report.requests,
    }


def _table(report: Report) -> Table:
    head = report.head
    first, last = (_instant(each, "seconds") for each in (report.first_micros, report.last_micros))
    rows = [
        ("log", head.origin),
        ("entries", f"{head.tree_size:,} in {_count(report.bundles, 'bundle')}; every one decodes strictly"),
        ("root", head.root_hash.hex()),
        ("", "recomputed over every entry (RFC 9162); head.json agrees"),
        ("time", f"{first} to {last}; never goes back" if first else "no entries yet"),
        ("partners", f"{report.partners:,}; each one's entries count from 1 without gaps"),
        ("releases", f"{report.releases:,} for {_count(report.units, 'unit')}; nothing else cost a unit"),
        ("replays", f"{report.replays:,}; each repeats an earlier release to the same partner"),
        (
            "receipts",
            "not looked at; add --receipts DIR" if report.receipts is None else _receipts(report),
        ),
    ]
    return _shown("The log holds", rows)


def _shown(title: str, rows: Iterable[tuple[str, str]]) -> Table:
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


def _receipts(report: Report) -> str:
    return (
        f"{report.receipts:,}; each one's entry and attestation are in the log, "
        f"and {report.requests:,} hold the request that was answered"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _instant(micros: int, precision: str) -> str | None:
    return moment(micros).isoformat(timespec=precision).replace("+00:00", "Z") if micros else None
