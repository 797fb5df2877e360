"""The `scoregate` command's server half: everything but `version` and `log`.

`extend` is the entry point that the base command loads. Each module here reads arguments and shows
results; what it does lies in the rooms, and loads only when a command runs.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import typer

from gateway.cli.audit import app as audit_app
from gateway.cli.consent import app as consent_app
from gateway.cli.dispute import app as dispute_app
from gateway.cli.engine import app as engine_app
from gateway.cli.init import init as init_command
from gateway.cli.init import upgrade as upgrade_command
from gateway.cli.keys import app as keys_app
from gateway.cli.log import open_ as open_command
from gateway.cli.partner import app as partner_app
from gateway.cli.quota import app as quota_app
from gateway.cli.serve import serve as serve_command
from gateway.cli.up import up as up_command
from scoregate.cli import log_app

RUNS = "Run a gateway"
OPERATES = "Operate it, through the admin door"
SERVER_PACKAGES = ("sqlalchemy", "pydantic_settings", "uvicorn", "structlog", "numpy")


def extend(app: typer.Typer) -> None:
    """Add the commands to `app`.

    Raises:
        ModuleNotFoundError: The server is not installed; what needs only the client has been added.
    """
    # grpc-core writes lines of its own to stderr, with addresses in them; failures are told in ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for group in (partner_app, consent_app, dispute_app, quota_app, keys_app, audit_app):
        app.add_typer(group, rich_help_panel=OPERATES)
    for name in SERVER_PACKAGES:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    app.add_typer(engine_app, rich_help_panel=RUNS)
    log_app.command("open", rich_help_panel=RUNS)(open_command)
    for command in (init_command, serve_command, up_command, upgrade_command):
        app.command(rich_help_panel=RUNS)(command)
