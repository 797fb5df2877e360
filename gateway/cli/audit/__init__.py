"""`scoregate audit`: what officers do with the log."""

from __future__ import annotations

import typer

from gateway.cli.audit.erasing import erase, retention
from gateway.cli.audit.exporting import export
from gateway.cli.audit.opening import open_
from gateway.cli.audit.pulling import pull
from gateway.cli.audit.reporting import report

app = typer.Typer(
    name="audit", help="Bring the audit log home, to check it offline; erase people.", no_args_is_help=True
)
for command in (pull, export, report):
    app.command()(command)
app.command("open")(open_)
for command in (erase, retention):
    app.command()(command)
