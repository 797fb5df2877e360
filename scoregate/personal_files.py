"""What a person downloads of themself, or has from an officer, as a file: checked, and shown in a terminal.

The checking is in proof/personal.py (one entry) and proof/personal_report.py (a year's report, and a subject
access report); here are the words and the members for whoever ran the command.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scoregate.proof.digest import Json
from scoregate.proof.personal import RECEIPT, CheckedReceipt, Told, verify_receipt
from scoregate.proof.personal_report import Checked, is_report, verify_report
from scoregate.showing import count, second, shown
from scoregate.tlog.faults import printable
from scoregate.tlog.policy import Judged, Policy

_NOT_SHOWN = "NOT CHECKED: that these are all; only whoever has the whole log and its private parts can tell"


def is_personal(members: Mapping[str, Json]) -> bool:
    """Whether a file with these members is meant to be a person's, and no answer that a lender kept."""
    return "attestation" not in members and (is_report(members) or bool(members.keys() & _OWN))


_OWN = RECEIPT - {"log_origin", "leaf_index", "leaf", "proof"}


def checked(members: Mapping[str, Json], policy: Policy) -> Callable[[bool], None]:
    """Check a person's file; returns what prints what was found, as JSON if it is told so.

    Raises:
        LogInvalid, LogDiverged, LogIncomplete: As verify_receipt and verify_report.
    """
    if not is_report(members):
        receipt = verify_receipt(members, policy)
        return lambda as_json: _print(
            as_json, _receipt_plain(receipt), "The receipt holds", _receipt_rows(receipt), [receipt.told]
        )
    report = verify_report(members, policy)
    return lambda as_json: _print(
        as_json, _report_plain(report), "The report holds", _report_rows(report), report.entries
    )


def _print(
    as_json: bool,
    plain: dict[str, object],
    title: str,
    rows: Iterator[tuple[str, str]],
    entries: Sequence[Told],
) -> None:
    if as_json:
        typer.echo(json.dumps(plain, indent=2))
        return
    console = Console()
    # A file may hold what a terminal would obey; only our own rows have lines.
    console.print(shown(title, ((name, "\n".join(map(printable, told.split("\n")))) for name, told in rows)))
    if entries:
        console.print(_listing(entries))


def _listing(entries: Sequence[Told]) -> Table:
    table = Table("Entry", "When", "Who", "What", "Purpose", "Shown", box=box.SIMPLE)
    for each in entries:
        decided = f"{each.kind} {each.decision}".strip()
        why = f": {each.reason}" if each.reason else ""
        table.add_row(
            str(each.leaf_index),
            _instant(each),
            Text(printable(_who(each)), overflow="fold"),
            Text(printable(f"{decided}{why}"), overflow="fold"),
            each.purpose or "",
            Text(printable(each.shown if each.score is None else f"{each.shown}: {each.score}")),
        )
    return table


def _who(told: Told) -> str:
    if told.legal_name and told.partner_id:
        return f"{told.legal_name} ({told.partner_id})"
    return told.legal_name or told.partner_id or told.actor


def _instant(told: Told) -> str:
    return told.at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _receipt_plain(receipt: CheckedReceipt) -> dict[str, object]:
    return {
        "result": "ok",
        "kind": "receipt",
        "subject": receipt.subject,
        "entry": receipt.told.plain(),
        "log_origin": receipt.log_origin,
        **_judged_plain(receipt.judged, receipt.unchecked),
    }


def _report_plain(report: Checked) -> dict[str, object]:
    return {
        "result": "ok",
        "kind": "year" if report.opening is None else "subject-access-report",
        "subject": report.subject,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "opening": None if report.opening is None else report.opening.plain(),
        "entries": [each.plain() for each in report.entries],
        "log_origin": report.log_origin,
        "unproved": sorted(report.own_words),
        **_judged_plain(report.judged, report.unchecked),
    }


def _judged_plain(judged: Judged | None, unchecked: int) -> dict[str, object]:
    if judged is None:
        return {"tree_size": None, "root_hash": None, "signed_by": None, "cosigned": {}}
    return {
        "tree_size": judged.checkpoint.size,
        "root_hash": judged.checkpoint.root.hex(),
        "signed_by": str(judged.log),
        "cosigned": {name: second(seconds) for name, seconds in judged.cosigned.items()},
        "unchecked_signatures": unchecked,
    }


def _receipt_rows(receipt: CheckedReceipt) -> Iterator[tuple[str, str]]:
    index = receipt.told.leaf_index
    yield "entry", f"{index:,} of {receipt.log_origin}; its private part opens what it commits to"
    yield "person", printable(receipt.subject)
    yield from _judged_rows(receipt.judged, receipt.unchecked, "the entry is")


def _report_rows(report: Checked) -> Iterator[tuple[str, str]]:
    yield "person", printable(report.subject)
    yield "period", f"{report.since.isoformat()} to {report.until.isoformat()}, which it does not include"
    if report.opening is not None:
        by = f"{printable(_who(report.opening))} on {_instant(report.opening)}"
        yield "opened", f"by {by}; entry {report.opening.leaf_index:,} says so"
    entries = count(len(report.entries), "entry")
    yield (
        "entries",
        f"{entries}, about this person and in the period; each word follows from the log's leaf and the"
        " private part that opens it",
    )
    yield from _judged_rows(report.judged, report.unchecked, "all of them are")
    yield "complete", _NOT_SHOWN
    if report.own_words:
        said = ", ".join(f"{name} {printable(value)}" for name, value in report.own_words.items() if value)
        yield "its own word", f"{said}; no entry shows that"


def _judged_rows(judged: Judged | None, unchecked: int, what: str) -> Iterator[tuple[str, str]]:
    if judged is None:
        yield "checkpoint", "none: without entries there is nothing to show"
        return
    found = judged.checkpoint
    yield "proof", f"{what} in the tree of {count(found.size, 'entry')} with the root\n{found.root.hex()}"
    yield "checkpoint", f"of {found.origin}; signed by {judged.log}"
    witnesses = ", ".join(f"{name} on {second(seconds)}" for name, seconds in judged.cosigned.items())
    yield "witnesses", witnesses or "none; no witness was asked for"
    if unchecked:
        yield (
            "not checked",
            f"{count(unchecked, 'signature')} by keys that were not given; believe none of them",
        )
