"""`scoregate audit report`: what the log holds about one person, for that person, with proofs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.audit.checkpoints import ASK_AGAIN_SECONDS, WAIT_SECONDS
from gateway.cli.audit.times import instant
from gateway.cli.console import Admin, asks_gateway
from gateway.cli.failures import REFUSED, Problem, Stopped, misconfigured, useless
from gateway.cli.tables import facts

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from scoregate.audit.v1 import report_pb2
    from scoregate.proof.digest import Json


@asks_gateway
def report(
    admin: Admin,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The person's id, such as uci-00001.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where it goes; a new file, 0600.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME", parser=instant, help="Where the period begins. [default: the log's begin]"
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", parser=instant, help="Where it ends, exclusive. [default: now]"),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long to wait until all of it is published."),
    ] = WAIT_SECONDS,
) -> None:
    """Write what the log holds about SUBJECT: who asked, why, and what was answered.

    It needs a certificate of the role COMPLIANCE. Each entry has the legal
    name of whoever asked as it was then, and what proves every word: the
    log's leaf, the private part that opens it, and its place in the log under
    one signed checkpoint. The report itself is an entry, which the person
    sees. `scoregate verify FILE` checks it anywhere, without this gateway.

    A time is a day (its midnight in UTC), or an instant with its zone.

    Exit codes
      0  FILE holds the report, be it of nothing.
      1  The gateway refused, its answers are of no use, or it has not
         published yet what it holds.
      2  The command was not called, or FILE can't be written, as it must be.

    Example:
      scoregate audit report uci-00001 --out ada.json --cert officer.pem
    """
    from gateway.pki import create_private

    if out.exists():
        raise misconfigured("--out", f"{out} exists already.", "Name a new file.")
    if not out.absolute().parent.is_dir():
        raise misconfigured("--out", f"there is no folder {out.absolute().parent}.", "Make it first.")
    pages = _pages(admin, _request(subject, since, until), wait)
    opened, first = next(pages), next(pages)
    document, origin, size = _head(subject, first)
    entries = [_line(each, first.checkpoint) for page in (first, *pages) for each in page.entries]
    document["entries"] = entries
    create_private(out, f"{json.dumps(document, indent=2)}\n".encode())
    period = str(document["since"]), str(document["until"])
    admin.show(
        {
            "file": str(out),
            "subject": subject,
            "since": period[0],
            "until": period[1],
            "entries": len(entries),
            "is_held": opened.is_held,
            "log_origin": origin,
            "tree_size": size,
        },
        facts(
            "Subject access report",
            (
                ("person", subject),
                ("period", f"{period[0]} to {period[1]}, which it does not include"),
                ("entries", _counted(len(entries), is_held=opened.is_held)),
                ("checkpoint", f"of {size:,} entries of {origin}; not checked yet"),
                ("file", out),
            ),
        ),
        f"Next: scoregate verify {out} --policy POLICY",
    )


def _counted(entries: int, *, is_held: bool) -> str:
    if entries:
        return f"{entries:,}"
    if is_held:
        return "none in this period; there are some out of it"
    return "none: nothing is held about this id"


def _request(
    subject: str, since: datetime | None, until: datetime | None
) -> report_pb2.GetSubjectAccessReportRequest:
    from scoregate.audit.v1 import report_pb2

    request = report_pb2.GetSubjectAccessReportRequest(subject=subject, page_size=500)
    if since is not None:
        request.since.FromDatetime(since)
    if until is not None:
        request.until.FromDatetime(until)
    return request


def _pages(
    admin: Admin, request: report_pb2.GetSubjectAccessReportRequest, wait: float
) -> Iterator[report_pb2.GetSubjectAccessReportResponse]:
    """The page that opens the report, and those after it; the second as soon as it is published."""
    page: report_pb2.GetSubjectAccessReportResponse = admin.audit.GetSubjectAccessReport(request)
    yield page
    if not page.next_page_token:
        raise _useless("it opened a report that has no pages")
    until = time.monotonic() + wait
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = _page(admin, request, until)
        yield page


def _page(
    admin: Admin, request: report_pb2.GetSubjectAccessReportRequest, until: float
) -> report_pb2.GetSubjectAccessReportResponse:
    import grpc

    from scoregate.client import refusals

    while True:
        try:
            page: report_pb2.GetSubjectAccessReportResponse = admin.audit.GetSubjectAccessReport(request)
        except grpc.RpcError as error:
            if refusals.from_call(error, request_id="", nonce="").code != "ENTRY_NOT_PUBLISHED":
                raise
            if time.monotonic() > until:
                remedy = "Ask again in a moment; if it stays so, tell who runs the gateway."
                told = "The report is recorded, and the log is not published that far yet."
                raise Stopped(REFUSED, [Problem("", told, remedy)], reason="ENTRY_NOT_PUBLISHED") from error
        else:
            return page
        time.sleep(ASK_AGAIN_SECONDS)


def _head(subject: str, page: report_pb2.GetSubjectAccessReportResponse) -> tuple[dict[str, Json], str, int]:
    """The report without its entries; the log's name, and how many entries its checkpoint covers."""
    from scoregate.proof.digest import spell_instant
    from scoregate.tlog.checkpoint import Checkpoint
    from scoregate.tlog.faults import LogInvalid
    from scoregate.tlog.note import Note

    def spelled(name: str, at: Timestamp) -> str:
        return spell_instant(name, at.ToDatetime(tzinfo=UTC))

    try:
        found = Checkpoint.decode(Note.decode(page.checkpoint).text)
    except LogInvalid as error:
        raise _useless(f"its checkpoint is none ({error})") from error
    head: dict[str, Json] = {
        "log_origin": found.origin,
        "subject": subject,
        "since": spelled("since", page.since),
        "until": spelled("until", page.until),
        "opening": _line(page.opening, page.checkpoint),
    }
    return head, found.origin, found.size


def _line(entry: report_pb2.ReportEntry, checkpoint: bytes) -> dict[str, Json]:
    """An entry as the report has it: what follows from leaf and private part, and what shows it."""
    from scoregate.proof.personal import Entry, proving
    from scoregate.tlog.faults import LogInvalid
    from scoregate.tlog.proof import TlogProof

    index = entry.leaf_index
    try:
        proof = TlogProof(index, tuple(entry.hashes), checkpoint)
        shown = proving(entry.leaf, entry.private_part, entry.blind, proof)
        told = Entry.decode(index, shown, f"entry {index:,}").told
    except LogInvalid as error:
        raise _useless(str(error)) from error
    return {**told.plain(), **shown}


def _useless(what: str) -> Stopped:
    return useless(what, "Ask")
