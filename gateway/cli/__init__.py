"""The `scoregate` command's server half: everything but `version` and `log`.

`extend` is the entry point that the base command loads. Each module here reads arguments and shows
results; what it does lies in the rooms, and loads only when a command runs.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import typer

from gateway.cli import audit, consent, engine, init, keys, partner, quota, serve, up

RUNS = "Run a gateway"
OPERATES = "Operate it, through the admin door"
SERVER_PACKAGES = ("sqlalchemy", "pydantic_settings", "uvicorn", "structlog", "numpy", "sklearn")


def extend(app: typer.Typer) -> None:
    """Add the commands to `app`.

    Raises:
        ModuleNotFoundError: The server is not installed; what needs only the client has been added.
    """
    # grpc-core writes lines of its own to stderr, with addresses in them; failures are told in ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for group in (partner.app, consent.app, quota.app, keys.app, audit.app):
        app.add_typer(group, rich_help_panel=OPERATES)
    for name in SERVER_PACKAGES:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    app.command(rich_help_panel=RUNS)(init.init)
    app.add_typer(engine.app, rich_help_panel=RUNS)
    for command in (serve.serve, up.up, init.upgrade):
        app.command(rich_help_panel=RUNS)(command)
