"""`scoregate engine`: train the scorecard, measure it, look at it.

The commands read arguments and show results; the work is in scoring/. Its packages load only when a command
runs, so that `--help` stays quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gateway.cli.console import named
from gateway.cli.ending import ending_calmly, show
from gateway.cli.failures import Ending, Problem, Stopped
from gateway.cli.tables import facts
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from scoring.evidence import Evaluation
    from scoring.scorecard import Characteristic, Scorecard
    from scoring.train import Training

CAVEATS = (
    "Real records of 30,000 cardholders in Taiwan, 2005 (UCI, CC BY 4.0): not your market, not your year.",
    "Not out of time: every outcome is of one month, so this says nothing about how long it lasts.",
    "The characteristics were chosen on these same records, which flatters the AUC a little.",
)
INTERVAL = "95 %, DeLong: the sampling of people, not of training sets"
ONE_DEAL = "AUC: the folds were dealt once. `scoregate engine evaluate` deals ten times and shows the mean."

FAILED = Ending("failed", 1)  # neither usage nor settings

app = typer.Typer(
    name="engine",
    help="Train the scorecard on real card records, measure it on people it has not seen, look at it.",
    no_args_is_help=True,
)

Data = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help=r"UCI card records, gzipped CSV. \[default: those included]"),
]


def home() -> Path:
    """Where the gateway looks for its engine; `engine` under SCOREGATE_HOME before there are settings."""
    from gateway.settings import SettingsInvalid, load

    try:
        return load(os.environ).engine.folder
    except SettingsInvalid:
        return Path(os.environ.get("SCOREGATE_HOME", ".scoregate")) / "engine"


@app.command()
def train(
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=named, help=r"Where to write. \[default: engine.folder]"),
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Train the scorecard and put it, with its population, where the gateway looks for it.

    Training the same records again gives the same bytes. The AUC is five-fold
    and out of fold, dealt once; `scoregate engine evaluate` deals ten times.

    Example:
      scoregate engine train
    """
    with _failing_calmly(output):
        folder = out or home()
        from scoring import evidence, records, store
        from scoring import train as training

        with _bar(3 + evidence.FOLDS, quiet=output is Output.JSON) as step:
            made = training.train(data or records.UCI_CARD, progress=step)
            store.write(folder, made.artefact, made.population)
            measured = evidence.evaluate(
                made.records, repeats=1, progress=lambda *_: step("Scoring people held out")
            )
    summary = _summary(made, measured, folder)
    show(
        output,
        summary,
        facts("Trained", _trained(summary, measured)),
        _digests(
            scorecard=summary["artefact_sha256"],
            population=summary["population_sha256"],
            records=summary["training_data_sha256"],
        ),
        _bands(summary["bands"]),
        _notes((ONE_DEAL, *CAVEATS)),
    )


@app.command()
def evaluate(
    data: Data = None,
    repeats: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="How often to deal five folds.")
    ] = 10,
    output: Shown = Output.TABLE,
) -> None:
    """Measure how well the scorecard ranks people whom it has not seen.

    Everything is learnt again in each fold, down to the rounding of points.
    It is done twice: for the people who get a score, and for everybody, to
    show what leaving out thin files changes.

    Example:
      scoregate engine evaluate --repeats 3
    """
    with _failing_calmly(output):
        from scoring import evidence, records

        known = records.read(data or records.UCI_CARD)
        with _bar(2 * repeats * evidence.FOLDS, quiet=output is Output.JSON) as step:
            scored = evidence.evaluate(known, repeats, lambda *_: step("Scoring people held out"))
            everybody = evidence.evaluate(
                known, repeats, lambda *_: step("Scoring everybody held out"), least_months=0
            )
    headings = ("", "people", "bad", "mean AUC", "interval", "spread")
    table = Table(title="Five-fold, out of fold", title_justify="left", title_style="bold", box=box.SIMPLE)
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    for name, each in (("get a score", scored), ("everybody", everybody)):
        low, high = each.interval
        table.add_row(
            name,
            f"{each.people:,}",
            f"{each.bad_rate:.1%}",
            f"{each.mean:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{each.spread:.4f}",
        )
    show(
        output,
        {"scored": _measured(scored), "everybody": _measured(everybody), "caveats": CAVEATS},
        table,
        _notes(
            (
                f"Mean and spread: of --repeats {repeats}, each dealt anew; `engine train` shows the first.",
                f"Interval: {INTERVAL}.",
                *CAVEATS,
            )
        ),
    )


@app.command("show")
def show_(
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=r"The engine's folder. \[default: engine.folder]"),
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Show the scorecard that the gateway uses: every bin and its points.

    A person's score is the base and the points of one bin in each
    characteristic, held within 350 to 950.

    Example:
      scoregate engine show
    """
    with _failing_calmly(output):
        where = folder or home()
        from scoring import artefact, store

        card, sha256, people = store.read(where)
    table = Table(box=box.SIMPLE)
    for heading in ("code", "characteristic", "dimension", "average", "value", "points"):
        table.add_column(heading, justify="right" if heading in ("average", "value", "points") else "left")
    for each in card.characteristics:
        lead = (each.reason_code, each.name, each.family.name, f"{each.average_points:+}")
        for values, points in _bins(each):
            table.add_row(*lead, values, f"{points:+}")
            lead = ("", "", "", "")
        table.add_section()
    show(
        output,
        {"folder": str(where), "artefact_sha256": sha256, "scorecard": json.loads(artefact.encode(card))},
        facts("The scorecard", (("folder", where), *_known(card, len(people.places)))),
        _digests(scorecard=sha256),
        table,
        facts(
            "What each one says where it lowers a score",
            ((each.reason_code, f"{each.name}: {each.reason_text}") for each in card.characteristics),
        ),
        _notes(
            (
                "Amounts are in NT dollars; shares in basis points, so 5,000 is one half.",
                "A family that is left out counts its average points, and is never a reason.",
                "Reasons are the characteristics furthest below their average, at most four.",
            )
        ),
    )


@contextmanager
def _failing_calmly(output: Output) -> Iterator[None]:
    """A failure of the scoring room is one calm line and exit code 1."""
    with ending_calmly(output):
        from scoring.errors import ScoringError

        try:
            yield
        except ScoringError as error:
            raise Stopped(FAILED, [Problem("", f"{error.problem}.", f"{error.remedy}.")]) from error


@contextmanager
def _bar(steps: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=steps)
        yield lambda what: bar.update(task, description=what, advance=1)


def _summary(made: Training, measured: Evaluation, folder: Path) -> dict[str, Any]:
    from scoring.artefact import digest
    from scoring.scorecard import BANDS, band_shares
    from scoring.train import scorable

    shares = band_shares(made.scorecard.scores(scorable(made.records)[0]))
    return {
        "model": f"{made.scorecard.name}@{made.scorecard.version}",
        "folder": str(folder),
        "rows": len(made.records.subjects),
        "thin_files": len(made.records.subjects) - measured.people,
        "bad_rate": round(measured.bad_rate, 6),
        "reference_bad_rate": float(made.scorecard.calibration.reference_bad_rate),
        "sunset": made.scorecard.sunset.isoformat(),
        "artefact_sha256": digest(made.artefact),
        "population_sha256": digest(made.population),
        "training_data_sha256": made.records.sha256,
        "bands": [
            {"low": low, "high": high, "share": round(share, 6)}
            for (low, high), share in zip(BANDS, shares, strict=True)
        ],
        "auc": _measured(measured),
        "caveats": CAVEATS,
    }


def _measured(each: Evaluation) -> dict[str, Any]:
    return {
        "people": each.people,
        "bad_rate": round(each.bad_rate, 6),
        "repeats": len(each.aucs),
        "mean": round(each.mean, 6),
        "interval": [round(end, 6) for end in each.interval],
        "interval_kind": INTERVAL,
        "spread_over_repeats": round(each.spread, 6),
    }


def _trained(summary: dict[str, Any], measured: Evaluation) -> list[tuple[str, str]]:
    low, high = measured.interval
    return [
        ("model", summary["model"]),
        ("folder", summary["folder"]),
        ("rows", f"{summary['rows']:,}; {summary['thin_files']:,} of them thin files, which get no score"),
        ("bad rate", f"{measured.bad_rate:.1%}; the scale refers to {summary['reference_bad_rate']:.0%}"),
        ("AUC", f"{measured.mean:.4f} out of fold, {low:.4f} to {high:.4f} ({INTERVAL})"),
        ("sunset", summary["sunset"]),
    ]


def _known(card: Scorecard, people: int) -> list[tuple[str, str]]:
    scale = card.calibration
    return [
        ("model", f"{card.name}@{card.version}"),
        ("population", f"{people:,} people"),
        ("epochs", f"{card.epochs[0]} to {card.epochs[-1]}, {len(card.epochs)} of them"),
        ("window", f"{card.first_month} to {card.last_month}"),
        ("sunset", str(card.sunset)),
        ("thin file", f"fewer than {card.minimum_months} active months"),
        ("base", f"{card.base_points} points"),
        ("scale", f"{scale.offset} + {scale.factor} · ln(odds), for {scale.reference_bad_rate:.0%} bad"),
        ("shift", f"{scale.shift}, from the sample's log odds of {scale.sample_log_odds}"),
    ]


def _bins(each: Characteristic) -> Iterator[tuple[str, int]]:
    """A characteristic's bins, with both ends, and the value that is not known."""
    for low, below, points in zip((None, *each.edges), (*each.edges, None), each.points, strict=True):
        first = None if low is None else f"{low:,}"
        last = None if below is None else f"{below - 1:,}"
        if first is None or last is None:
            yield (f"up to {last}" if last else f"from {first}" if first else "any"), points
        else:
            yield (first if first == last else f"{first} to {last}"), points
    yield "not known", each.missing_points


def _digests(**digests: str) -> str:
    """SHA-256 by the name of what it is of, each whole on a line of 80."""
    return "\n".join(["SHA-256", *(f"  {name:<10}  {digest}" for name, digest in digests.items()), ""])


def _bands(bands: list[dict[str, Any]]) -> Table:
    table = Table("band", "share of people", "", box=box.SIMPLE)
    for band in bands:
        bar = Text("█" * max(1, round(band["share"] * 40)), style="cyan")
        table.add_row(f"{band['low']}–{band['high']}", f"{band['share']:.1%}", bar)
    return table


def _notes(notes: Iterable[str]) -> Table:
    made = Table.grid(padding=(0, 1))
    for note in notes:
        made.add_row("·", note, style="dim")
    return made
