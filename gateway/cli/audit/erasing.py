"""`scoregate audit erase` and `scoregate audit retention`: an end to what is kept about people."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import Admin, asks_gateway
from gateway.cli.tables import facts, listing
from scoregate.cli import one_of

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2 as pb


class Basis(StrEnum):
    """Why the law lets, or makes, somebody be erased."""

    GDPR_ART_17_1_A = "GDPR_ART_17_1_A"
    GDPR_ART_17_1_B = "GDPR_ART_17_1_B"
    GDPR_ART_17_1_C = "GDPR_ART_17_1_C"
    GDPR_ART_17_1_D = "GDPR_ART_17_1_D"
    GDPR_ART_17_1_E = "GDPR_ART_17_1_E"
    PIPL_ART_47 = "PIPL_ART_47"
    COURT_ORDER = "COURT_ORDER"


@asks_gateway
def erase(
    admin: Admin,
    person: Annotated[str, typer.Argument(metavar="SUBJECT", help="Your own id of the person.")],
    basis: Annotated[
        Basis,
        typer.Option(metavar="BASIS", parser=one_of(Basis), help="On which legal basis, of those below."),
    ],
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="More about why, for the log, where it stays; nothing about the person."
        ),
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this, only see what it would do.")
    ] = False,
) -> None:
    """Erase a person. Without --yes, show what that would do, and do nothing.

    Their key is deleted, and with it at once whatever was sealed under it:
    nobody can open it any more. Their consents end in the same transaction.
    The log's entries stay, without the person, and so does every proof; a
    REDACTED entry says on which basis it was done. It can't be undone.

    Operators and compliance officers may; a look is an entry like any other.
    What backups still hold, and for how long: docs/erasure.md.

    Legal bases
      GDPR_ART_17_1_A  It is no longer needed for what it was collected for.
      GDPR_ART_17_1_B  The person withdrew their consent.
      GDPR_ART_17_1_C  The person objects, and nothing overrides that.
      GDPR_ART_17_1_D  It was processed unlawfully.
      GDPR_ART_17_1_E  A law obliges to erase it.
      PIPL_ART_47      China's Personal Information Protection Law.
      COURT_ORDER      A court or an authority ordered it.

    Example:
      scoregate audit erase uci-00001 --basis GDPR_ART_17_1_B
      scoregate audit erase uci-00001 --basis GDPR_ART_17_1_B --yes
    """
    from scoregate.audit.v1 import audit_pb2 as pb

    if not yes:
        _show_preview(admin, person, admin.audit.PreviewErasure(pb.PreviewErasureRequest(subject=person)))
        return
    asked = pb.EraseSubjectRequest(subject=person, basis=f"LEGAL_BASIS_{basis}", reason=reason)
    done: pb.EraseSubjectResponse = admin.audit.EraseSubject(asked)
    first, last = done.first_leaf_index, done.last_leaf_index
    left = (
        f"{done.rows_left:,} are still being deleted; the gateway goes on with it" if done.rows_left else ""
    )
    admin.show(
        {
            "erased": True,
            "entries": done.entries,
            "revoked_consents": done.revoked_consents,
            "rows_left": done.rows_left,
            "redacted_by": [first, last],
        },
        facts(
            "Erased",
            (
                ("basis", basis),
                ("entries", f"{done.entries:,}; nobody can open their private parts any more"),
                ("consents", f"{done.revoked_consents:,} revoked; their partners are told"),
                ("rows", left or "deleted, from the database's own files too"),
                ("in the log", f"entry {first:,}" if first == last else f"entries {first:,} to {last:,}"),
            ),
        ),
        "Next: destroy exports about this person, and erase them at the engine's source. Backups keep what "
        "they hold\nuntil they are destroyed; `scoregate keys rotate-master` makes them unreadable before.",
    )


def _show_preview(admin: Admin, person: str, found: pb.PreviewErasureResponse) -> None:
    disputes = f"{found.resolved_disputes:,} answered"
    if found.open_disputes:
        disputes += f"; {found.open_disputes:,} OPEN, which would end without an answer"
    admin.show(
        {
            "erased": False,
            "entries": found.entries,
            "open_consents": found.open_consents,
            "ended_consents": found.ended_consents,
            "cells": found.cells,
            "open_disputes": found.open_disputes,
            "resolved_disputes": found.resolved_disputes,
            "frozen": found.frozen,
        },
        facts(
            f"Erasing {person} would",
            (
                ("erase", f"the key, and the private parts of {found.entries:,} entries"),
                ("end", f"{found.open_consents:,} consents that are open"),
                ("forget", f"whose {found.open_consents + found.ended_consents:,} consents these were"),
                (
                    "forget",
                    f"{found.cells:,} cells of the month's answers, and first answers kept for replays",
                ),
                ("forget", f"disputes and reviews: {disputes}"),
                ("forget", "the freeze of the file" if found.frozen else "no freeze: there is none"),
                ("keep", "the log's entries, which name nobody: others' proofs rest on them"),
                ("keep", "what each partner was allowed, and units spent: it is their contract"),
                ("keep", "the engine's records: they come from your own sources, erase them there"),
            ),
        ),
        "Nothing was erased. To erase for good, run it again with --yes.",
    )


@asks_gateway
def retention(admin: Admin) -> None:
    """Show for how long what entries say about people is kept, and what is due.

    A gateway erases what is due once an hour, and leaves a REDACTED entry.
    What an open dispute or a running consent needs is held until that ends.
    The schedule is in the settings' table `retention`.

    Example:
      scoregate audit retention
    """
    from scoregate.audit.v1 import audit_pb2 as pb

    told: pb.GetRetentionResponse = admin.audit.GetRetention(pb.GetRetentionRequest())
    rows = ((each.purpose, f"{each.days:,}", f"{each.due:,}", f"{each.held:,}") for each in told.retentions)
    admin.show(
        {
            "purposes": [
                {"purpose": each.purpose, "days": each.days, "due": each.due, "held": each.held}
                for each in told.retentions
            ],
            "backup_days": told.backup_days,
        },
        listing("Kept for", ("purpose", "days", "due", "held"), rows),
        f"Backups of the database are to be destroyed after {told.backup_days:,} days.",
    )
