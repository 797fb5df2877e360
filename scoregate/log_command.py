"""`scoregate log verify`: a whole log, recomputed from its first byte; in a folder, or at an address."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from scoregate.export_command import verify_export
from scoregate.showing import Output, Shown, count, instant, progress, refuse, second, shown
from scoregate.tlog.faults import LogError
from scoregate.verify_command import PolicyFile, Vkeys, policy_of

if TYPE_CHECKING:
    from scoregate.auditing.recompute import Report
    from scoregate.tlog.accepted import Accepted
    from scoregate.tlog.policy import Policy
    from scoregate.tlog.sources import Source

ANOTHER_KIND = "get it again from where it is served"


def _folder(name: str, meaning: str) -> object:
    return typer.Option(f"--{name}", metavar="DIR", exists=True, file_okay=False, help=meaning)


def log_verify(
    log: Annotated[
        str,
        typer.Argument(
            metavar="DIR|FILE|URL",
            help="What `scoregate audit pull` or `scoregate audit export` wrote, or any C2SP tlog-tiles log.",
        ),
    ],
    vkeys: Vkeys = None,
    policy: PolicyFile = None,
    receipts: Annotated[
        Path | None, _folder("receipts", "Receipts that the client filed: find each in the log.")
    ] = None,
    private: Annotated[
        Path | None,
        _folder("private", "Private parts (*.jsonl): open every entry's, and check what was promised."),
    ] = None,
    trusted: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Where the checkpoint that was accepted last is kept. [default: DIR/.accepted; for a URL the"
            " user's state folder]",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="What `scoregate audit open` wrote, for a URL whose entries are for officers.",
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="The issuer's keys (a JWK Set): for an export."
        ),
    ] = None,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="It is no log of Scoregate's: its entries are checked as bytes.")
    ] = False,
    output: Shown = Output.TABLE,
) -> None:
    """Recompute a log from its first byte: entries, hashes, roots, signatures.

    It needs no server, and trusts nothing in the log. With --vkey or --policy
    it also checks who signed the checkpoint, and keeps it: from then on, a log
    that is smaller, or another one, is refused. With --receipts it finds the
    entry behind each answer that a lender holds; a receipt that was kept with
    its proof must have been shown this very log. With --private it opens every
    commitment, and checks that no score was released after its consent was
    revoked or paused, nor out of a frozen file; what was erased lawfully is
    counted, for the log itself lists it.

    An export (FILE) is checked as a whole: signed by the issuer (--keys), each
    entry proved in the checkpoint (--vkey or --policy), nothing left out.

    Exit codes
      0  All of it holds.
      2  The command was not called like this, or a key is none.
      3  Invalid: bytes, a signature, or what an entry records, are wrong.
      4  Diverged: two accounts of the log disagree, or it went back.
      5  Incomplete: entries, files or witnesses are missing. Pull again.

    Example:
      scoregate log verify log --policy policy --receipts receipts
    """
    from scoregate.auditing.openings import Openings
    from scoregate.auditing.recompute import verify

    if foreign and (receipts or private):
        raise typer.BadParameter(
            "receipts and private parts are of a log of Scoregate's.", param_hint="--foreign"
        )
    pinned, as_json = policy_of(vkeys, policy), output is Output.JSON
    if "://" not in log and Path(log).is_file():
        of_a_log = {"receipts": receipts, "private": private, "trusted": trusted, "foreign": foreign}
        for option in (name for name, given in of_a_log.items() if given):
            raise typer.BadParameter("not of an export: it is checked as a whole.", param_hint=f"--{option}")
        verify_export(Path(log), keys, pinned, as_json=as_json)
        return
    if keys is not None:
        raise typer.BadParameter("is for an export, which is one file.", param_hint="--keys")
    try:
        with _source(log, token_file, foreign=foreign) as source, progress(quiet=as_json) as bar:
            accepted = _accepted(log, trusted, source, pinned)
            report = verify(
                source,
                policy=pinned,
                accepted=None if accepted is None else accepted.read(pinned),
                receipts=receipts,
                openings=None if private is None else Openings(private),
                foreign=foreign,
                progress=bar,
            )
        if accepted is not None and pinned is not None:
            accepted.write(report.note)
    except LogError as error:
        refuse(error, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(_plain(report), indent=2))
    else:
        title = "The log holds" if report.judged else "The log holds; no signature was checked"
        Console().print(shown(title, _rows(report, accepted)))


@contextmanager
def _source(log: str, token_file: Path | None, *, foreign: bool) -> "Iterator[Source]":
    from scoregate.tlog.faults import PULL_AGAIN
    from scoregate.tlog.sources import Folder

    if token_file is not None and "://" not in log:
        raise typer.BadParameter("a token is for an address.", param_hint="--token-file")
    if "://" in log:
        from scoregate.address import Address

        token = "" if token_file is None else _token(token_file)
        try:
            address = Address(log, token=token)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.", param_hint="DIR|FILE|URL") from error
        with address:
            yield address
    elif not Path(log).is_dir():
        raise typer.BadParameter(f"there is no folder or file {log!r}.", param_hint="DIR|FILE|URL")
    else:
        yield Folder(Path(log), ANOTHER_KIND if foreign else PULL_AGAIN)


def _token(file: Path) -> str:
    from scoregate.bearer import read_token

    try:
        return read_token(file)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--token-file") from error


def _accepted(log: str, trusted: Path | None, source: "Source", policy: "Policy | None") -> "Accepted | None":
    """Where the last accepted checkpoint is kept; nowhere for an address without a key to check it."""
    from dataclasses import replace

    from scoregate.auditing.recompute import read_checkpoint
    from scoregate.tlog.accepted import ACCEPTED, Accepted

    if trusted is not None:
        return Accepted(trusted)
    if "://" not in log:
        return Accepted(Path(log) / ACCEPTED)
    if policy is None:
        return None
    # By the log's key, wherever it is served: two addresses must not show two histories of one log.
    key = replace(policy, quorum=None).judge(read_checkpoint(source)).log
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = hashlib.sha256(str(key).encode()).hexdigest()[:32]
    return Accepted(state / "scoregate" / "accepted" / name)


def _plain(report: "Report") -> dict[str, object]:
    found, judged = report.checkpoint, report.judged
    return {
        "result": "ok",
        "origin": found.origin,
        "tree_size": found.size,
        "root_hash": found.root.hex(),
        "signed_by": None if judged is None else str(judged.log),
        "cosigned": None if judged is None else {name: second(at) for name, at in judged.cosigned.items()},
        "accepted_size": report.since,
        "foreign": report.foreign,
        "bundles": report.bundles,
        "hash_tiles": report.tiles,
        "first_time": instant(report.first_micros, "microseconds"),
        "last_time": instant(report.last_micros, "microseconds"),
        "partners": report.partners,
        "releases": report.releases,
        "replays": report.replays,
        "units": report.units,
        "receipts": report.receipts,
        "requests": report.requests,
        "opened": report.opened,
        "erased": report.erased,
    }


def _rows(report: "Report", accepted: "Accepted | None") -> Iterator[tuple[str, str]]:
    found = report.checkpoint
    each = "checked as bytes" if report.foreign else "every one decodes strictly"
    yield "log", found.origin
    yield from _signatures(report)
    yield "entries", f"{found.size:,} in {count(report.bundles, 'bundle')}; {each}"
    yield "tiles", f"{report.tiles:,}; each hash follows from the entries"
    yield "root", f"{found.root.hex()}\nrecomputed over every entry (RFC 9162); the checkpoint agrees"
    yield "before", _before(report, accepted)
    if not report.foreign:
        yield from _ours(report)


def _signatures(report: "Report") -> Iterator[tuple[str, str]]:
    if report.judged is None:
        yield "signature", "NOT CHECKED: anybody can have made this checkpoint; add --vkey or --policy"
        return
    yield "signature", f"by {report.judged.log}"
    cosigned = ", ".join(f"{name} on {second(at)}" for name, at in report.judged.cosigned.items())
    yield "witnesses", cosigned or "none; no witness was asked for"


def _before(report: "Report", accepted: "Accepted | None") -> str:
    since = None if report.since is None else f"it goes on from the {report.since:,} entries accepted before"
    if report.judged is None:
        return since or "nothing was accepted before; without a key, nothing is accepted now"
    kept = f"kept in {accepted.path}, and never to go back behind" if accepted else ""
    return f"{since or 'nothing was accepted before'}; {kept}"


def _ours(report: "Report") -> Iterator[tuple[str, str]]:
    first, last = (instant(each, "seconds") for each in (report.first_micros, report.last_micros))
    yield "time", f"{first} to {last}; never goes back" if first else "no entries yet"
    yield "partners", f"{report.partners:,}; each one's entries count from 1 without gaps"
    yield "releases", f"{report.releases:,} for {count(report.units, 'unit')}; nothing else cost a unit"
    yield "replays", f"{report.replays:,}; each repeats an earlier release to the same partner"
    yield (
        "receipts",
        "not looked at; add --receipts DIR"
        if report.receipts is None
        else f"{report.receipts:,}; each one's entry and attestation are in the log, "
        f"and {report.requests:,} hold the request that was answered",
    )
    yield (
        "opened",
        "not looked at; add --private DIR"
        if report.opened is None
        else f"{report.opened:,}; each opens its entry, and no release follows what stopped it",
    )
    if report.erased:
        yield "erased", f"{report.erased:,}; later entries say that their private parts were, and why"
