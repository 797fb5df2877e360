"""`scoregate audit`: the log, brought home by a compliance officer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import Admin, asks_gateway, named
from gateway.cli.failures import REFUSED, Problem, Stopped, contradicted, misconfigured
from gateway.cli.tables import facts
from scoregate.cli import Output

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2
    from scoregate.proof.head import Head
    from scoregate.proof.pulled import PulledLog

OR_ANOTHER = "If this gateway is another installation, whose log has the same name, name another DIR for it."

app = typer.Typer(name="audit", help="Bring the audit log home, to check it offline.", no_args_is_help=True)


@app.command()
@asks_gateway
def pull(
    admin: Admin,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", parser=named, help="Where it goes; made if need be.")
    ],
) -> None:
    """Pull the audit log into DIR, or what is new since the last pull.

    It needs a certificate of the role COMPLIANCE. One that was broken off
    goes on where it stopped; the bytes in DIR are the same either way. Each
    pull that brings entries is an entry itself. Nothing is checked here but
    that pages follow each other: `scoregate log verify DIR` does the rest.

    Exit codes
      0  DIR holds the whole log as it stood.
      1  The gateway refused, or its answers are of no use.
      2  The command was not called, or DIR is not set up, as it must be: it
         holds something else than a pulled log, say.
      3  DIR holds bytes that are no log; 4 another log, or one that the
         gateway's contradicts; 5 less than it seems. As `scoregate log verify`.

    Example:
      scoregate audit pull log --cert officer/certificate.pem
    """
    from scoregate.proof.pulled import PulledLog

    with _writing_to(folder):
        _require_ours(folder)
        log = PulledLog(folder)
        held = log.size()
        head = _pull_head(admin, log)
        with _bar(head.tree_size, quiet=admin.output is Output.JSON) as pulled:
            for page in _pages(admin, log.size(), head.tree_size):
                log.append(page)
                pulled(log.size())
    admin.show(
        {
            "folder": str(folder),
            "origin": head.origin,
            "tree_size": head.tree_size,
            "root_hash": head.root_hash.hex(),
            "new_entries": head.tree_size - held,
        },
        facts(
            "Pulled",
            (
                ("log", head.origin),
                ("entries", f"{head.tree_size:,}, {head.tree_size - held:,} of them new"),
                ("root", f"{head.root_hash.hex()}\nas the gateway says; not checked yet"),
                ("folder", folder),
            ),
        ),
        f"Next: scoregate log verify {folder}",
    )


def _require_ours(folder: Path) -> None:
    """Return only if a log may go here: into a new folder, or one that a pull made, even a broken one."""
    from scoregate.proof.head import HEAD_NAME

    names = {each.name for each in folder.iterdir()} if folder.exists() else set()
    if HEAD_NAME not in names and names - {"tile", ".writing"}:
        told = f"{folder} holds other things than a pulled log."
        raise misconfigured("DIR", told, "Name a new folder, or that of an earlier pull.")


def _pull_head(admin: Admin, log: PulledLog) -> Head:
    """Record the gateway's head and return it, before any entry: a broken pull then reads as incomplete."""
    from scoregate.audit.v1 import audit_pb2
    from scoregate.proof.faults import LogInvalid
    from scoregate.proof.head import Head

    told: audit_pb2.GetHeadResponse = admin.audit.GetHead(audit_pb2.GetHeadRequest())
    head = Head(told.log_origin, told.tree_size, told.root_hash)
    try:
        Head.decode(head.encode())
    except LogInvalid as error:
        raise _useless("its head has no origin, size and root as a head has them") from error
    _write_head(log, head)
    if log.size() > head.tree_size:
        raise _useless(f"the folder holds {log.size():,} entries, and its log has {head.tree_size:,}")
    return head


def _write_head(log: PulledLog, head: Head) -> None:
    from scoregate.proof.faults import LogDiverged

    before = log.head()
    try:
        log.write_head(head.origin, head.tree_size, head.root_hash)
    except LogDiverged as error:
        if before is None or before.origin != head.origin:
            raise
        raise contradicted(error, OR_ANOTHER) from error


def _pages(admin: Admin, begin: int, end: int) -> Iterator[list[bytes]]:
    """Entries `begin` to `end`, page by page, each where the one before it ended."""
    from scoregate.audit.v1 import audit_pb2

    token = ""
    while begin < end:
        asked = audit_pb2.ListEntriesRequest(start_index=begin, tree_size=end, page_token=token)
        page: audit_pb2.ListEntriesResponse = admin.audit.ListEntries(asked)
        leaves = list(page.leaves)
        if page.first_index != begin:
            raise _useless(f"it was asked for entry {begin:,} and began with {page.first_index:,}")
        if not leaves:
            raise _useless(f"it has no entry {begin:,}, and its head counts {end:,}")
        if begin + len(leaves) > end:
            raise _useless(f"it sent entries beyond {end:,}, where its head ends")
        yield leaves
        begin, token = begin + len(leaves), page.next_page_token
        if begin < end and not token:
            raise _useless(f"it stopped before entry {begin:,}, and its head counts {end:,}")


def _useless(what: str) -> Stopped:
    remedy = "Pull again; if it happens again, keep DIR and tell who runs the gateway."
    problem = f"The gateway's answer is of no use: {what}."
    return Stopped(REFUSED, [Problem("", problem, remedy)], reason="ANSWER_UNUSABLE")


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    from scoregate.proof.tiles import BundleInvalid

    try:
        yield
    except OSError as error:
        remedy = "Free the space or name another DIR, and pull again: it goes on where it stopped."
        raise misconfigured("DIR", f"{folder} can't be written ({error.strerror}).", remedy) from error
    except BundleInvalid as error:
        raise _useless(f"an entry {error}") from error


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("Pulling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("entries"),
        TimeRemainingColumn(),
    )
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)
