"""`scoregate audit export`: some of the log's entries, proved and signed, in one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from gateway.cli.audit.bars import bar
from gateway.cli.audit.checkpoints import WAIT_SECONDS, await_published
from gateway.cli.audit.drafts import Draft
from gateway.cli.audit.times import instant
from gateway.cli.console import Admin, asks_gateway
from gateway.cli.failures import misconfigured, useless
from gateway.cli.tables import facts
from scoregate.cli import Output, one_of

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2
    from scoregate.auditing.exports.manifest import Manifest
    from scoregate.auditing.exports.seal import Seal


class Form(StrEnum):
    """What an export looks like."""

    BUNDLE = "bundle"
    OCSF = "ocsf"
    PARQUET = "parquet"


ENDINGS = {".zip": Form.BUNDLE, ".jsonl": Form.OCSF, ".parquet": Form.PARQUET}


def _words(metavar: str, meaning: str) -> object:
    return typer.Option(metavar=metavar, help=f"{meaning} Again for each.")


@asks_gateway
def export(
    admin: Admin,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .zip, .jsonl or .parquet.")],
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit log; no personal data.")],
    partner: Annotated[
        str, typer.Option(metavar="ID", help="Entries that concern this partner or officer.")
    ] = "",
    since: Annotated[
        datetime | None, typer.Option(metavar="TIME", parser=instant, help="No earlier than this.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(metavar="TIME", parser=instant, help="Earlier than this.")
    ] = None,
    decision: Annotated[
        list[str] | None, _words("WORD", "With this decision: SCORED, NOT_SCORED or REFUSED.")
    ] = None,
    purpose: Annotated[
        list[str] | None, _words("WORD", "With this purpose, such as CREDIT_APPLICATION.")
    ] = None,
    kind: Annotated[list[str] | None, _words("WORD", "Of this kind, such as RELEASE.")] = None,
    subject: Annotated[
        str, typer.Option(metavar="ID", help="About this person, who will see that you asked.")
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Private parts too: the file then holds personal data.")
    ] = False,
    form: Annotated[
        Form | None,
        typer.Option(
            metavar="bundle|ocsf|parquet",
            parser=one_of(Form),
            help=r"What FILE is. \[default: as it ends]",
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long to wait until all that there is is published."),
    ] = WAIT_SECONDS,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE, if it exists.")] = False,
) -> None:
    """Export the entries that all options allow, each with its proof, signed by the gateway.

    It needs a certificate of the role COMPLIANCE. A .zip is a bundle with the
    checkpoint, the proofs and the keys of that time; a .jsonl has an event of
    OCSF 6003 (API Activity) in each line, and FILE.seal beside it; a .parquet
    has a column for each field of an entry. `scoregate log verify FILE` checks
    all three, offline. An export is an entry of the log. One that was broken
    off goes on where it stopped, within an hour and with the same options;
    until then, what came lies beside FILE in .FILE.draft.

    Exit codes
      0  FILE holds all entries that the options allow.
      1  The gateway refused, or its answers are of no use.
      2  The command was not called, or this machine is not set up, as it must
         be.

    Example:
      scoregate audit export acme.zip --partner acme --reason "spot check"
    """
    from scoregate.audit.v1 import audit_pb2

    chosen = form or ENDINGS.get(file.suffix.lower())
    if chosen is None:
        raise misconfigured(
            "FILE", f"{file} ends like no export.", "End it in .zip, .jsonl or .parquet, or add --form."
        )
    if file.exists() and not force:
        raise misconfigured("FILE", f"{file} exists.", "Name another file, or replace it with --force.")
    _require_writable(chosen)
    wanted = audit_pb2.EntryFilter(partner_id=partner, subject=subject)
    for name, at in (("since", since), ("until", until)):
        if at is not None:
            getattr(wanted, name).FromDatetime(at.astimezone(UTC))
    for member, words in (("decisions", decision), ("purposes", purpose), ("kinds", kind)):
        getattr(wanted, member).extend(_numbers(member, words or []))
    request = audit_pb2.ExportBundleRequest(filter=wanted, with_private_parts=private, reason=reason)
    with _writing(file):
        draft = Draft(file.with_name(f".{file.name}.draft"), request)
        try:
            bring(admin, draft, request, wait=wait)
            found = _write(file, chosen, draft, private_parts=private)
        except BaseException:
            draft.close(done=draft.last is None)
            raise
        draft.close(done=True)
    _show(admin, file, chosen, found)


def _require_writable(form: Form) -> None:
    from scoregate.auditing.exports import parquet

    try:
        if form is Form.PARQUET:
            parquet.require_installed()
    except parquet.PyarrowMissing as error:
        remedy = 'Install scoregate with its extra "export", or choose another form.'
        raise misconfigured("", "Parquet needs pyarrow, which is not installed.", remedy) from error


def bring(admin: Admin, draft: Draft, request: audit_pb2.ExportBundleRequest, *, wait: float) -> None:
    """Bring the pages that the draft lacks.

    Raises:
        Stopped: What came is of no use.
        grpc.RpcError: Refused, or nobody answers; what came stays in the draft.
    """
    if draft.last is None:
        await_published(admin, wait, verb="Export")
    with bar("Exporting", quiet=admin.output is Output.JSON) as told:
        while not draft.is_whole:
            page = _next(admin, draft, request)
            _require_going_on(draft.last, page)
            draft.append(page)
            told(page.looked_up_to, page.end_index)


def _next(
    admin: Admin, draft: Draft, request: audit_pb2.ExportBundleRequest
) -> audit_pb2.ExportBundleResponse:
    import grpc

    from scoregate.audit.v1 import audit_pb2
    from scoregate.client import refusals

    asked = audit_pb2.ExportBundleRequest()
    asked.CopyFrom(request)
    asked.page_token = draft.last.next_page_token if draft.last is not None else ""
    page: audit_pb2.ExportBundleResponse
    try:
        page = admin.audit.ExportBundle(asked)
    except grpc.RpcError as error:
        refusal = refusals.from_call(error, request_id="", nonce="")
        if not asked.page_token or "page_token" not in {each.field for each in refusal.violations}:
            raise
        draft.begin()  # it is older than an hour, or another officer's
        asked.page_token = ""
        page = admin.audit.ExportBundle(asked)
    return page


def _require_going_on(
    before: audit_pb2.ExportBundleResponse | None, page: audit_pb2.ExportBundleResponse
) -> None:
    if not page.next_page_token and not page.manifest:
        raise useless("its last page is not signed", "Export")
    if before is not None and page.looked_up_to <= before.looked_up_to and page.next_page_token:
        raise useless("its pages go nowhere", "Export")


def _numbers(member: str, words: list[str]) -> Iterator[int]:
    from scoregate.auditing.exports.filters import WORDS

    option = f"--{member.removesuffix('s')}"
    for word in words:
        number = WORDS[member].get(word.upper())
        if number is None:
            told = f"{word!r} is not one of {', '.join(WORDS[member])}."
            raise misconfigured(option, told, "Take one of these words.")
        yield number


def _write(file: Path, form: Form, draft: Draft, *, private_parts: bool) -> Manifest:
    """Write the file whole, 0600; returns what its manifest says, unverified."""
    from scoregate.auditing.exports import bundle, events, parquet
    from scoregate.auditing.exports.archive import ArchiveTooLong
    from scoregate.auditing.exports.manifest import Manifest
    from scoregate.errors import JsonRefused, VerificationFailed
    from scoregate.proof.leaf import LeafInvalid

    seal = _seal(draft)
    try:
        manifest = Manifest.decode(bundle.payload_of(seal.manifest))
    except VerificationFailed as error:
        raise useless(f"its manifest is none ({error})", "Export") from error
    try:
        if form is Form.OCSF:
            # The seal first: lines without one would read as incomplete, and one without lines does.
            _put(events.seal_of(file), lambda out: out.write(seal.encode()))
            _put(file, lambda out: events.write(out, draft.entries(), manifest.log))
        elif form is Form.PARQUET:
            _put(file, lambda out: parquet.write(out, seal, draft.entries()))
        else:
            _put(file, lambda out: bundle.write(out, seal, draft.entries, private_parts=private_parts))
    except ArchiveTooLong as error:
        told = "a bundle has less than 4 GiB, and these entries take more."
        raise misconfigured("FILE", told, "Export them in parts, by --since and --until.") from error
    except (LeafInvalid, JsonRefused) as error:
        raise useless(f"an entry is none ({error})", "Export") from error
    return manifest


def _put(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole, 0600, in place of what is there."""
    writing = file.with_name(f".{file.name}.writing")
    writing.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(writing, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        writing.replace(file)
    finally:
        writing.unlink(missing_ok=True)


def _seal(draft: Draft) -> Seal:
    from scoregate.auditing.exports.seal import Seal

    first = next(draft.pages(), None)
    if first is None or draft.last is None:
        raise useless("nothing came", "Export")
    last = draft.last
    return Seal(first.checkpoint, last.jwks.encode(), last.manifest.encode(), last.policy.encode())


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Free the space or name another FILE, and export again: it goes on where it stopped."
        raise misconfigured("FILE", f"{file} can't be written ({error.strerror}).", remedy) from error


def _show(admin: Admin, file: Path, form: Form, found: Manifest) -> None:
    tally = found.tally
    parts = f"{tally.opened:,} opened, {tally.absent:,} erased, {tally.unreadable:,} unreadable"
    admin.show(
        {
            "file": str(file),
            "form": str(form),
            "origin": found.log,
            "tree_size": found.tree_size,
            "entries": tally.entries,
            "opened": tally.opened,
            "erased": tally.absent,
            "unreadable": tally.unreadable,
            "log_index": found.log_index,
        },
        facts(
            "Exported",
            (
                ("log", found.log),
                ("entries", f"{tally.entries:,} of {found.end_index - found.first_index:,} looked through"),
                ("private parts", parts if found.private_parts else "not asked for"),
                ("recorded", f"as entry {found.log_index:,}"),
                ("file", file),
            ),
        ),
        f"Next: scoregate log verify {file} --keys jwks.json --policy policy"
        if tally.entries
        else "No entry is like that. If you expected some: a partner or person whom nobody knows finds none.",
    )
