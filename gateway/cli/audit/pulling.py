"""`scoregate audit pull`: the log, brought home by a compliance officer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.audit.bars import bar
from gateway.cli.audit.checkpoints import WAIT_SECONDS, published
from gateway.cli.audit.privates import pull_parts
from gateway.cli.console import Admin, asks_gateway, named
from gateway.cli.failures import Stopped, contradicted, misconfigured, useless
from gateway.cli.tables import facts
from scoregate.cli import Output

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2
    from scoregate.auditing.pulled import PulledLog
    from scoregate.tlog.checkpoint import Checkpoint

OR_ANOTHER = "If this gateway is another installation, whose log has the same name, name another DIR for it."


@asks_gateway
def pull(
    admin: Admin,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", parser=named, help="Where it goes; made if need be.")
    ],
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long to wait until all that there is is published."),
    ] = WAIT_SECONDS,
    private: Annotated[
        Path | None,
        typer.Option(
            metavar="PARTS", parser=named, help="Private parts too, into this other folder: personal data."
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(metavar="WHY", help="With --private: why, for the audit log; no personal data.")
    ] = "",
) -> None:
    """Pull the audit log into DIR, or what is new since the last pull.

    It needs a certificate of the role COMPLIANCE. One that was broken off
    goes on where it stopped; the bytes in DIR are the same either way: the
    signed checkpoint, entries and hash tiles, as C2SP tlog-tiles has them.
    Each pull that brings entries is an entry itself. Nothing is checked here
    but that pages follow each other: `scoregate log verify DIR` does the rest.

    With --private it also opens what entries hold about people, and writes it
    into PARTS, for `scoregate log verify DIR --private PARTS`. It needs a
    --reason, and is an entry too; what was erased is not there.

    Exit codes
      0  DIR holds the whole log as it stood.
      1  The gateway refused, its answers are of no use, or it has not
         published yet what it holds.
      2  The command was not called, or DIR is not set up, as it must be: it
         holds something else than a pulled log, say.
      3  DIR holds bytes that are no log; 4 another log, or one that the
         gateway's contradicts; 5 less than it seems. As `scoregate log verify`.

    Example:
      scoregate audit pull log --cert officer/certificate.pem
    """
    from scoregate.auditing.pulled import PulledLog

    if bool(private) != bool(reason):
        told = "go together: private parts are opened for a reason."
        raise misconfigured("--private, --reason", told, "Give both or neither.")
    if private is not None and private.absolute().is_relative_to(folder.absolute()):
        told = f"{private} lies in the log's own folder."
        raise misconfigured("--private", told, "Name another one: the log is for everybody to read.")
    with _writing_to(folder):
        _require_ours(folder)
        log = PulledLog(folder)
        held = log.size()
        head = _pull_checkpoint(admin, log, wait)
        with bar("Pulling", quiet=admin.output is Output.JSON) as pulled:
            for page in _pages(admin, log.size(), head.size):
                log.append(page)
                pulled(log.size(), head.size)
        log.write_tiles()
    opened = None
    if private is not None:
        with _writing_to(private):
            opened = pull_parts(admin, private, head.size, reason=reason)
    admin.show(
        {
            "folder": str(folder),
            "origin": head.origin,
            "tree_size": head.size,
            "root_hash": head.root.hex(),
            "new_entries": head.size - held,
            "new_private_parts": opened,
        },
        facts(
            "Pulled",
            (
                ("log", head.origin),
                ("entries", f"{head.size:,}, {head.size - held:,} of them new"),
                ("root", f"{head.root.hex()}\nas the checkpoint says; not checked yet"),
                ("folder", folder),
                ("private parts", "not asked for" if opened is None else f"{opened:,} new ones in {private}"),
            ),
        ),
        f"Next: scoregate log verify {folder} --vkey VKEY",
    )


def _require_ours(folder: Path) -> None:
    """Return only if a log may go here: into a new folder, or one that a pull made, even a broken one."""
    from scoregate.auditing.pulled import WRITING
    from scoregate.tlog.accepted import ACCEPTED
    from scoregate.tlog.sources import CHECKPOINT, EARLIER_FORM

    names = {each.name for each in folder.iterdir()} if folder.exists() else set()
    if CHECKPOINT in names:
        return
    if EARLIER_FORM in names:
        told = f"{folder} was pulled by an earlier scoregate, when nothing was signed."
        raise misconfigured("DIR", told, "Keep it, and name a new folder.")
    if names - {"tile", WRITING, ACCEPTED}:
        told = f"{folder} holds other things than a pulled log."
        raise misconfigured("DIR", told, "Name a new folder, or that of an earlier pull.")


def _pull_checkpoint(admin: Admin, log: PulledLog, wait: float) -> Checkpoint:
    """Record what the log signed, before any entry: a broken pull then reads as incomplete.

    It covers what was committed when the pull began: whoever pulls after an answer finds its entry.
    """
    from scoregate.audit.v1 import audit_pb2
    from scoregate.tlog.faults import LogDiverged, LogInvalid
    from scoregate.tlog.lines import MAX_NUMBER

    told: audit_pb2.GetHeadResponse = admin.audit.GetHead(audit_pb2.GetHeadRequest())
    if told.tree_size > MAX_NUMBER:
        raise _useless("its head counts more entries than a log can have")
    try:
        note, checkpoint = published(admin, told.tree_size, wait)
    except LogInvalid as error:
        raise _useless(f"its checkpoint is none ({error})") from error
    same = (told.log_origin, told.tree_size) == (checkpoint.origin, checkpoint.size)
    if same and told.root_hash != checkpoint.root:
        two = f"its head and its checkpoint have two roots for the same {checkpoint.size:,} entries"
        raise contradicted(LogDiverged(two), OR_ANOTHER)
    _write_checkpoint(log, note, checkpoint)
    if log.size() > checkpoint.size:
        raise _useless(f"the folder holds {log.size():,} entries, and its log has {checkpoint.size:,}")
    return checkpoint


def _write_checkpoint(log: PulledLog, note: bytes, checkpoint: Checkpoint) -> None:
    from scoregate.tlog.faults import LogDiverged

    before = log.checkpoint()
    try:
        log.write_checkpoint(note)
    except LogDiverged as error:
        if before is None or before.origin != checkpoint.origin:
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
    return useless(what, "Pull", keep="DIR")


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    from scoregate.tlog.tiles import BundleInvalid

    try:
        yield
    except OSError as error:
        remedy = "Free the space or name another DIR, and pull again: it goes on where it stopped."
        raise misconfigured("DIR", f"{folder} can't be written ({error.strerror}).", remedy) from error
    except BundleInvalid as error:
        raise _useless(f"an entry {error}") from error
