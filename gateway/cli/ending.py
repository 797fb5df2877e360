"""How every command ends: with a result on stdout, or with one sentence on stderr.

Exit codes: 0 done; 1 refused by the gateway, or no use to be had of it; 2 usage or configuration; 130 Ctrl-C.
`scoregate audit pull` adds the codes of `scoregate log verify` for a log that contradicts itself.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from gateway.cli.failures import Stopped, interrupted, misconfigured, stopped
from scoregate.cli import Output


@contextmanager
def ending_calmly(output: Output) -> Iterator[None]:
    """Turn every failure that has a name into one sentence and an exit code. A traceback means a bug."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        end = interrupted() if isinstance(error, KeyboardInterrupt) else stopped(error)
        if end is None:
            raise
        _print_end(end, output)
        raise typer.Exit(end.code) from error


def _print_end(end: Stopped, output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(end.plain(), indent=2))
        return
    console = Console(stderr=True)
    console.print(Text.assemble((end.result.capitalize(), "bold red"), f": {end.sentence()}"), soft_wrap=True)
    for line in end.lines():
        console.print(Text(line), soft_wrap=True)


def show(output: Output, plain: Mapping[str, object], *shown: RenderableType | str) -> None:
    """Print a result on stdout: `plain` as one JSON object, or `shown` for people."""
    with writing_out():
        if output is Output.JSON:
            typer.echo(json.dumps({"result": "ok", **plain}, indent=2))
            return
        console = Console()
        for each in shown:
            console.print(Text(each) if isinstance(each, str) else each, soft_wrap=isinstance(each, str))


@contextmanager
def writing_out() -> Iterator[None]:
    """End calmly when stdout takes no more; whoever only stopped reading, as `head` does, is told nothing."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        # What is left in the buffer would fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _print_end(misconfigured("", f"The result can't be written ({error.strerror})."), Output.TABLE)
        raise typer.Exit(2) from error
