"""The `scoregate` command as a partner or an auditor installs it.

It holds what needs no server: `version`, `verify`, `log verify`, `consent-receipt verify` and `statement`,
which fetches what it verifies. What is installed beside it adds the rest through the entry-point group
"scoregate.commands": each entry is a function `extend(app)` that may add commands to `app` and to `log_app`.
The commands only read arguments and show results; the checking is in scoregate.proof, consent_receipts.py and
statements.py.

Errors in what the user gave are one calm line on stderr and an exit code. A traceback means a bug.
"""

import json
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from scoregate.errors import KeysInvalid, VerificationFailed
from scoregate.log_command import log_verify
from scoregate.showing import Output, Shown, one_of, progress, refuse, shown
from scoregate.statement_command import app as statement_app
from scoregate.tlog.faults import LogError
from scoregate.verify_command import PolicyFile, Vkeys, policy_of, verify_file

__all__ = ["Output", "Shown", "app", "assemble", "log_app", "main", "one_of", "receipt_app"]

COMMANDS_GROUP = "scoregate.commands"
INSTALL = 'Install it with its extras "server" and "engine"'
SERVER_MISSING = f"What calls a gateway, and what checks its proofs. {INSTALL} for what runs one."


_OUR_PACKAGES = frozenset({"scoregate", "gateway", "consent", "scoring"})


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
log_app = typer.Typer(name="log", help="Check a log: every entry, hash and signature.", no_args_is_help=True)
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


app.command("verify")(verify_file)
log_app.command("verify")(log_verify)


app.add_typer(statement_app)


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
    vkeys: Vkeys = None,
    policy: PolicyFile = None,
    output: Shown = Output.TABLE,
) -> None:
    """Check the receipt of a consent: its signature, its rules, and what follows from them.

    A person downloads it from their pages. It is no lender's receipt of an
    answer, which `log verify --receipts` finds in the log. It says how things
    stood when it was issued: a later one of the same consent may say more.
    With --log and the log's --vkey or --policy it also checks who signed the
    log's checkpoint; without one of these, anybody can have made that log.

    Exit codes
      0  All of it holds.
      2  The command was not called like this, or --jwks is no JWK Set.
      3  Invalid: changed, signed by another key, or against a rule.
      4  Diverged: the log is another, or says otherwise.
      5  Incomplete: the log ends too early, or parts or witnesses are missing.
      6  Altered: the digest, which answers repeat, is of other terms.

    Example:
      scoregate keys export --out jwks.json
      scoregate consent-receipt verify receipt.jws --jwks jwks.json
    """
    from scoregate import consent_receipts  # here, so that help is quick: it takes cryptography

    as_json, pinned = output is Output.JSON, policy_of(vkeys, policy)
    if pinned is not None and log is None:
        raise typer.BadParameter(
            "the log's keys are for a log that is given by --log DIR.", param_hint="--vkey"
        )
    try:
        keys = consent_receipts.read_keys(jwks)
    except KeysInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--jwks") from error
    try:
        with progress(quiet=as_json or log is None) as bar:
            checked = consent_receipts.check(file, keys, log=log, policy=pinned, progress=bar)
    except (LogError, VerificationFailed) as error:
        refuse(error, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(checked.plain(), indent=2))
    else:
        unsigned = checked.log is not None and checked.log.judged is None
        more = "; no signature of the log was checked" if unsigned else ""
        Console().print(shown(f"The consent receipt holds{more}", checked.rows()))


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
    from scoregate.witness.cli import app as witness_app  # here: it takes Output and Shown from above

    app.add_typer(witness_app)
    assemble(metadata.entry_points(group=COMMANDS_GROUP))(prog_name="scoregate")
