"""`python -m gateway.demo`: tells the story in a fresh folder.

Exit codes: 0, all of it held; 1, a step failed and was named; 2, it was not called like this; 130, it was
interrupted. In each case the gateway is stopped and the folder removed, unless it is to be kept.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

# grpc-core has lines of its own for each handshake that fails, and some here fail on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# It would also send calls on loopback to a proxy that the environment names.
os.environ["no_grpc_proxy"] = "127.0.0.1"  # noqa: SIM112

INTERRUPTED = 130


def main(
    people: Annotated[int, typer.Option(min=1, max=1_000, help="How many people the crowd has.")] = 1_000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the folder with everything in it, and say where it is.")
    ] = False,
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Use this folder, which must not exist yet, and keep it."),
    ] = None,
) -> None:
    """Tell the story of Scoregate in the terminal, against a real gateway on this machine."""
    from gateway.demo.page import standard_page
    from gateway.demo.stage import Stage
    from gateway.demo.story import perform

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    page = standard_page()
    try:
        folder = _make_folder(home)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}; name a folder that can be made with --home DIR"
        page.failure("before the first one", "a fresh folder", why)
        raise typer.Exit(1) from error
    try:
        held = perform(Stage(folder, people=people), page)
        if keep or home:
            page.kept(folder)
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the gateway was stopped.\n")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if not keep and home is None:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(0 if held else 1)


def _make_folder(home: Path | None) -> Path:
    if home is None:
        return Path(tempfile.mkdtemp(prefix="scoregate-demo-"))
    home.mkdir(mode=0o700, parents=True)
    return home.absolute()


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
