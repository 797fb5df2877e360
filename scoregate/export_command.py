"""`scoregate log verify FILE`: an export, in whichever form, checked as a whole."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from scoregate.errors import KeysInvalid, VerificationFailed
from scoregate.showing import count, progress, refuse, second, shown
from scoregate.tlog.faults import LogError, LogIncomplete

if TYPE_CHECKING:
    from scoregate.auditing.exports.check import Export, Report
    from scoregate.tlog.policy import Policy

MAGIC_BYTES = 4
INSTALL = 'Reading it needs pyarrow: install scoregate with its extra "export"'


def verify_export(file: Path, keys: Path | None, policy: "Policy | None", *, as_json: bool) -> None:
    """Check an export and show what was found; ends the command where it does not hold."""
    from scoregate.auditing.exports.check import check
    from scoregate.consent_receipts import read_keys

    if keys is None:
        raise typer.BadParameter("give the issuer's JWK Set; an export is signed.", param_hint="--keys")
    if policy is None:
        raise typer.BadParameter("give the log's --vkey, or a --policy file.", param_hint="--vkey")
    try:
        issuers = read_keys(keys)
    except KeysInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--keys") from error
    from scoregate.auditing.exports.parquet import PyarrowMissing

    try:
        with _opened(file) as export, progress(quiet=as_json) as bar:
            report = check(export, keys=issuers, policy=policy, progress=bar)
    except (LogError, VerificationFailed) as error:
        refuse(error, as_json=as_json)
    except PyarrowMissing as error:
        raise typer.BadParameter(f"{file} is Parquet. {INSTALL}.", param_hint="FILE") from error
    if as_json:
        typer.echo(json.dumps(_plain(report), indent=2))
    else:
        Console().print(shown("The export holds", _rows(report)))


def _opened(file: Path) -> "AbstractContextManager[Export]":
    from scoregate.auditing.exports import bundle, events, parquet

    begins = _begins(file)
    if begins == parquet.MAGIC:
        return parquet.opened(file)
    return bundle.opened(file) if begins[:2] == b"PK" else events.opened(file)


def _begins(file: Path) -> bytes:
    from scoregate.tlog import files

    try:
        with files.opened(file, str(file)) as opened:
            return opened.read(MAGIC_BYTES)
    except OSError as error:
        raise LogIncomplete(f"{file} can't be read: {error.strerror}") from error


def _plain(report: "Report") -> dict[str, object]:
    found, judged = report.manifest, report.judged
    return {
        "result": "ok",
        "manifest": json.loads(found.encode()),
        "root_hash": judged.checkpoint.root.hex(),
        "signed_by": str(judged.log),
        "cosigned": {name: second(at) for name, at in judged.cosigned.items()},
    }


def _rows(report: "Report") -> Iterator[tuple[str, str]]:
    found, judged = report.manifest, report.judged
    tally = found.tally
    yield "export", f"by {found.officer}, signed for {found.issuer} at {found.exported_at.isoformat()}"
    yield "log", f"{found.log}; signed by {judged.log}"
    witnesses = ", ".join(f"{name} on {second(at)}" for name, at in judged.cosigned.items())
    yield "witnesses", witnesses or "none; no witness was asked for"
    yield "looked through", f"entries {found.first_index:,} to {found.end_index:,} of {found.tree_size:,}"
    yield "filter", ", ".join(_conditions(report)) or "none: all of them"
    yield "entries", f"{count(tally.entries, 'entry')}; each is in the log, and the signature counts no other"
    yield "private parts", _parts(report)
    yield "recorded", f"as entry {found.log_index:,}, which says why"


def _conditions(report: "Report") -> Iterator[str]:
    for name, value in report.manifest.filter.members().items():
        if isinstance(value, str):
            yield f"{name} {value}"
        elif isinstance(value, list):
            yield f"{name} {' or '.join(map(str, value))}"
        else:
            yield "about one person"


def _parts(report: "Report") -> str:
    tally = report.manifest.tally
    if not report.manifest.private_parts:
        return "not asked for"
    told = f"{tally.opened:,}; each opens its entry. {tally.absent:,} were erased"
    return f"{told}; {tally.unreadable:,} DO NOT OPEN: ask the operator" if tally.unreadable else told
