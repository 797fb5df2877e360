"""`scoregate audit open`: a token that opens entry bundles over HTTP, for an hour."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Admin, asks_gateway
from gateway.cli.failures import misconfigured
from gateway.cli.tables import facts, instant

MOST = 2**63 - 1


@asks_gateway
def open_(
    admin: Admin,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", dir_okay=False, help="Where the token goes, for you alone (0600)."
        ),
    ],
    begin: Annotated[
        int,
        typer.Option("--from", metavar="INDEX", min=0, max=MOST - 1, help="The first entry that it opens."),
    ] = 0,
    end: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="INDEX", min=1, max=MOST, help=r"Behind the last. \[default: as the log grows]"
        ),
    ] = None,
) -> None:
    """Get a token that opens the log's entries at its address, for an hour.

    It needs a certificate of the role COMPLIANCE, and ends with it. Asking
    for a token is an entry of the log. FILE may hold an earlier token: it is
    replaced. Whoever holds the token reads entries; nobody finds in them whom
    they are about. With it, `scoregate log verify URL` checks the whole log
    where it is served.

    Exit codes
      0  FILE holds the token.
      1  The gateway refused.
      2  The command was not called, or FILE can't be written, as it must be.

    Example:
      scoregate audit open --out token --cert officer/certificate.pem
      scoregate log verify URL --token-file token --policy policy
    """
    from scoregate.audit.v1 import bundles_pb2

    _require_ours(out)
    request = bundles_pb2.OpenEntriesRequest(start_index=begin, end_index=end or 0)
    told: bundles_pb2.OpenEntriesResponse = admin.audit.OpenEntries(request)
    _write(out, told.token)
    until = instant(told.expire_time)
    admin.show(
        {
            "file": str(out),
            "start_index": told.start_index,
            "end_index": told.end_index or None,
            "expire_time": until,
        },
        facts(
            "Token",
            (
                (
                    "opens",
                    f"entries {begin:,} {'on' if end is None else f'to {end:,}, which it does not include'}",
                ),
                ("until", until),
                ("file", out),
            ),
        ),
        f"Next: scoregate log verify URL --token-file {out} --policy POLICY",
    )


def _require_ours(out: Path) -> None:
    """Return only if a token may go here: into a new file, or over an earlier token."""
    from scoregate.bearer import PREFIX

    if not out.absolute().parent.is_dir():
        raise misconfigured("--out", f"there is no folder {out.absolute().parent}.", "Make it first.")
    try:
        with out.open("rb") as file:
            is_ours = file.read(len(PREFIX)) == PREFIX.encode()
    except FileNotFoundError:
        return
    except OSError as error:
        raise misconfigured(
            "--out", f"{out} can't be read ({error.strerror}).", "Name a new file."
        ) from error
    if not is_ours:
        raise misconfigured("--out", f"{out} holds something else than a token.", "Name a new file.")


def _write(out: Path, token: str) -> None:
    """Write the file whole, readable by its owner alone from its first byte on."""
    from gateway.pki import create_private

    draft = out.with_name(f".{out.name}.writing")
    draft.unlink(missing_ok=True)  # of one that was killed
    create_private(draft, f"{token}\n".encode())
    os.replace(draft, out)  # noqa: PTH105 - in one step, also over an earlier token
