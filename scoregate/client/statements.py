"""Fetches a month's statement with the partner's own entries, recomputes it, and files it.

Nothing of it is taken on trust: it is filed once `scoregate.statements.check` has recomputed it. What does
not hold is kept beside, as `MONTH.statement.refused`: it is evidence.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from scoregate import statements
from scoregate.client.connection import Connection
from scoregate.errors import ScoregateError, VerificationFailed
from scoregate.partner.v1 import usage_pb2, usage_pb2_grpc
from scoregate.proof import statement
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.statement import MONTH, Statement
from scoregate.statements import Checked, Page, check, head, place
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete
from scoregate.tlog.policy import Policy

REFUSED = ".refused"


def fetch(
    connection: Connection,
    month: str,
    folder: Path,
    *,
    keys: VerificationKeys,
    policy: Policy,
    issuer: str | None = None,
    partner_id: str | None = None,
    receipts: Path | None = None,
    timeout: timedelta | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, Checked]:
    """File a month's statement, and return its path with what it says.

    Raises:
        Refused: The gateway said no.
        VerificationFailed, LogError: As `scoregate.statements.check`. What came is kept beside.
        LogDiverged: A final statement of this month, which lies there already, says otherwise.
        OSError: The disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = place(folder, month if MONTH.fullmatch(month) else "month")
    unfinished = path.with_name(f".{path.name}.fetching")
    try:
        try:
            with unfinished.open("wb") as file:
                for line in _lines(connection, month, keys, timeout):
                    file.write(line)
            checked = check(
                unfinished,
                keys=keys,
                policy=policy,
                issuer=issuer,
                partner_id=partner_id,
                receipts=receipts,
                progress=progress,
            )
            if checked.statement.month != month:
                raise LogDiverged(f"the statement is of {checked.statement.month}, and {month} was asked for")
            require_same_as_before(path, checked.statement, keys)
        except (VerificationFailed, LogError):
            unfinished.replace(path.with_name(f"{path.name}{REFUSED}"))
            raise
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return path, checked


def _lines(
    connection: Connection, month: str, keys: VerificationKeys, timeout: timedelta | None
) -> Iterator[bytes]:
    stub: Any = usage_pb2_grpc.UsageServiceStub(connection.channel)  # type: ignore[no-untyped-call]
    asked = usage_pb2.GetStatementRequest(month=month)
    told = connection.call(stub.GetStatement, asked, timeout=timeout).message
    yield head(told.statement, told.checkpoint)
    said = statement.verify(told.statement, keys)
    if not said.count:
        return
    request = usage_pb2.ListStatementEntriesRequest(
        first_sequence=said.first_sequence, last_sequence=said.last_sequence, tree_size=said.tree_size
    )
    while True:
        page = connection.call(stub.ListStatementEntries, request, timeout=timeout).message
        yield Page(
            tuple((entry.leaf_index, entry.leaf) for entry in page.entries), tuple(page.hashes)
        ).encode()
        if not page.next_page_token:
            return
        if not page.entries:
            raise LogIncomplete("the gateway sent a page without entries that is not the last one")
        request.page_token = page.next_page_token


def require_same_as_before(path: Path, said: Statement, keys: VerificationKeys) -> None:
    """Return only if no final statement of this month lies there that says otherwise."""
    try:
        before = statements.said_in(path, keys)
    except (ScoregateError, OSError):
        return  # none, or nothing that anybody vouches for
    whose = (before.issuer, before.partner_id, before.time_zone)
    if before.is_final and whose == (said.issuer, said.partner_id, said.time_zone):
        same = (before.lines, before.other_entries) == (said.lines, said.other_entries)
        if not same or not said.is_final:
            raise LogDiverged(
                f"{path} is final and says otherwise; keep both as evidence, and ask the operator"
            )
