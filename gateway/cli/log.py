"""`scoregate log open`: what an operator does to the log itself. What anybody may do is in scoregate.cli."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.console import settings
from gateway.cli.ending import ending_calmly, show
from gateway.cli.failures import misconfigured
from gateway.cli.tables import facts
from scoregate.cli import Output, Shown


def open_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as scoregate.example/log/2027h1.")],
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit log; no personal data.")],
    after_restore: Annotated[
        bool,
        typer.Option(
            "--after-restore",
            help="The ledger was restored from an older backup: go on from what it holds.",
        ),
    ] = False,
    output: Shown = Output.TABLE,
) -> None:
    """Let the audit log go on under another name, with a key of its own.

    A log whose name ends with a half-year, such as 2026h2, goes on under the
    next one by itself. Run this where the installation lies; a gateway may run
    meanwhile. Entries keep their indexes, and the last checkpoint of the old
    name and the first of the new one have the same size and root.

    After a restore of an older backup a gateway refuses to start: more was
    signed than the ledger holds. If no newer backup is left, open another name
    with --after-restore. The last checkpoint of the old one is set aside; keep
    it, for whoever asks what was lost. Witnesses have to be given the new key.

    Example:
      scoregate log open scoregate.example/log/2027h1 --reason "a new half-year"
    """
    with ending_calmly(output):
        from datetime import UTC, datetime

        from gateway.audit.tree.integrate import TreeRefused
        from gateway.audit.tree.outside import OutsideUnusable
        from gateway.renaming import NameTaken
        from gateway.reopening import open_name

        there = settings()
        try:
            opened = open_name(
                there,
                _name(name),
                reason=reason,
                after_restore=after_restore,
                clock=lambda: datetime.now(UTC),
            )
        except NameTaken as error:
            raise misconfigured(
                "NAME", f"the log has, or had, the name {name}.", "Choose another."
            ) from error
        except (TreeRefused, OutsideUnusable) as error:
            what, _, _ = str(error).partition("; ")
            remedy = "Restore the newest backup, or, if there is none, add --after-restore."
            raise misconfigured("log.checkpoint", f"{what}.", remedy) from error
    aside = "" if opened.set_aside is None else str(opened.set_aside)
    show(
        output,
        {"before": opened.before, "name": opened.name, "vkey": opened.vkey, "set_aside": aside or None},
        facts(
            "The log goes on",
            (
                ("before", opened.before),
                ("name", opened.name),
                ("vkey", opened.vkey),
                *((("set aside", aside),) if aside else ()),
            ),
        ),
        "Next: give the vkey to the log's witnesses, and to whoever verifies the log.",
    )


def _name(given: str) -> str:
    from gateway.settings.schema import LOG_NAME

    if len(given) > 255 or LOG_NAME.fullmatch(given) is None:
        raise misconfigured(
            "NAME", "it is not host and path without a scheme.", "scoregate.example/log/2027h1"
        )
    return given
