"""`scoregate dispute`: what people say is wrong, and the reviews that they asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gateway.cli.console import Admin, asks_gateway, pages
from gateway.cli.tables import day, facts, instant, listing

if TYPE_CHECKING:
    from scoregate.admin.v1 import consent_admin_pb2 as pb

app = typer.Typer(
    name="dispute",
    help="Answer what people dispute, and the reviews they ask for.",
    no_args_is_help=True,
)


@app.command("list")
@asks_gateway
def list_(
    admin: Admin,
    with_resolved: Annotated[
        bool, typer.Option("--with-resolved", help="List those that were answered too, last.")
    ] = False,
) -> None:
    """List what waits for an answer, by due date.

    Every person whose words are shown can see in their own log that you read
    them.

    Example:
      scoregate dispute list --with-resolved
    """
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    listed = pages(admin.people.ListDisputes, pb.ListDisputesRequest(with_resolved=with_resolved))
    found: list[pb.Dispute] = [each for page in listed for each in page.disputes]
    told = {"disputes": [plain(each) for each in found]}
    if not found:
        admin.show(told, "There are no disputes." if with_resolved else "Nothing waits for an answer.")
        return
    columns = ("reference", "what", "due", "person", "state", "words", *(["answer"] if with_resolved else []))
    # Where none was answered yet there is no answer to show.
    rows = ((*_row(each), *([each.outcome] if with_resolved else [])) for each in found)
    admin.show(told, listing("Disputes", columns, rows))


@app.command()
@asks_gateway
def resolve(
    admin: Admin,
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="As `scoregate dispute list` shows it.")
    ],
    outcome: Annotated[
        str, typer.Option(metavar="TEXT", help="What the person is answered, in up to 1,000 characters.")
    ],
) -> None:
    """Answer one, for good; its mark leaves the person's answers.

    Where a score was corrected, `scoregate consent reopen` lets this month's
    yes/no answers rest on it.

    Example:
      scoregate dispute resolve K7QM2XW9RT --outcome "The item was removed."
    """
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    asked = pb.ResolveDisputeRequest(reference=reference.strip().upper(), outcome=outcome)
    resolved: pb.Dispute = admin.people.ResolveDispute(asked).dispute
    admin.show({"dispute": plain(resolved)}, _facts(resolved), "The person can read the outcome now.")


def plain(dispute: pb.Dispute) -> dict[str, object]:
    """A dispute for programs."""
    is_resolved = dispute.HasField("resolved_at")
    return {
        "reference": dispute.reference,
        "kind": _kind(dispute),
        "subject": dispute.subject,
        "words": dispute.words,
        "opened_at": instant(dispute.opened_at),
        "due_at": instant(dispute.due_at),
        "resolved_at": instant(dispute.resolved_at) if is_resolved else None,
        "outcome": dispute.outcome if is_resolved else None,
    }


def _kind(dispute: pb.Dispute) -> str:
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    return pb.DisputeKind.Name(dispute.kind).removeprefix("DISPUTE_KIND_")


def _state(dispute: pb.Dispute) -> str:
    return f"resolved {day(dispute.resolved_at)}" if dispute.HasField("resolved_at") else "open"


def _row(dispute: pb.Dispute) -> tuple[str, ...]:
    what = _kind(dispute).lower()
    told = (dispute.reference, what, day(dispute.due_at), dispute.subject)
    return (*told, _state(dispute), dispute.words)


def _facts(dispute: pb.Dispute) -> Table:
    rows = (
        ("what", _kind(dispute).lower()),
        ("person", dispute.subject),
        ("words", dispute.words),
        ("due", instant(dispute.due_at)),
        ("resolved", instant(dispute.resolved_at)),
        ("outcome", dispute.outcome),
    )
    return facts(f"Dispute {dispute.reference}", rows)
