"""scoregate.partner.v1.UsageService's other half: signed statements, and the entries that they are of."""

from __future__ import annotations

from datetime import timedelta

from gateway.audit.tree.proofs import EntryNotPublished, SizeUnknown
from gateway.doors.door import Frame, Handler
from gateway.doors.proving import LAST_INDEX, not_yet
from gateway.doors.wire import Check, page_token, read
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.statements import MonthRefused, Statements
from scoregate.partner.v1 import usage_pb2

PAGE = 1_000


class StatementDoor:
    """Serves statements. ``soon`` is when an entry that is committed will be published."""

    def __init__(self, statements: Statements, *, soon: timedelta) -> None:
        self._statements = statements
        self._soon = soon

    def methods(self, frame: Frame) -> dict[str, Handler]:
        """The methods' handlers, by name."""
        return {
            "GetStatement": frame.admitted(self._get_statement),
            "ListStatementEntries": frame.admitted(self._list_statement_entries),
        }

    def _get_statement(self, call: Call, partner: Partner, _: Caller) -> usage_pb2.GetStatementResponse:
        month = read(usage_pb2.GetStatementRequest, call.body).month
        check = Check()
        try:
            signed = self._statements.statement(partner, month)
        except EntryNotPublished as error:
            raise not_yet(error, self._soon) from error
        except MonthRefused as error:
            check.refuse("month", str(error))
            check.finish()
            raise
        return usage_pb2.GetStatementResponse(statement=signed.compact, checkpoint=signed.checkpoint)

    def _list_statement_entries(
        self, call: Call, partner: Partner, _: Caller
    ) -> usage_pb2.ListStatementEntriesResponse:
        request = read(usage_pb2.ListStatementEntriesRequest, call.body)
        check = Check()
        first = check.between("first_sequence", request.first_sequence, 1, LAST_INDEX)
        last = check.between("last_sequence", request.last_sequence, 1, LAST_INDEX)
        if last < first:
            check.refuse("last_sequence", "must not be less than first_sequence")
        size = check.between("tree_size", request.tree_size, 1, LAST_INDEX)
        limit = check.page_size(request.page_size, default=PAGE, most=PAGE)
        token = check.page_token(request.page_token)
        if token and not (token.isdecimal() and first < int(token) <= last):
            check.refuse("page_token", "must be the next_page_token of the page before")
        check.finish()
        begin = int(token) if token else first
        try:
            entries, hashes = self._statements.entries(partner, begin, last, tree_size=size, limit=limit)
        except EntryNotPublished as error:
            raise not_yet(error, self._soon) from error
        except SizeUnknown as error:
            check.refuse("tree_size", f"must be from 1 to {error.size}, the published tree's")
            check.finish()
            raise
        following = begin + len(entries)
        more = len(entries) == limit and following <= last
        return usage_pb2.ListStatementEntriesResponse(
            entries=[usage_pb2.StatementEntry(leaf_index=e.leaf_index, leaf=e.leaf) for e in entries],
            hashes=hashes,
            next_page_token=page_token(str(following)) if more else "",
        )
