"""scoregate.audit.v1.AuditService: the log's head, its leaves and proofs, for officers.

An opened cursor leaves an entry. So that nobody reads without one, a page token is sealed
(RFC 2104) to the officer and the range that the entry names, and ages: whoever comes back
later opens a cursor of their own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.audit.log import read_head, read_leaves
from gateway.audit.tree.roots import committed_head
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.proving import Proving
from gateway.doors.wire import Check, page_token, read
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.audit.v1 import audit_pb2, leaf_pb2
from scoregate.instants import micros

SERVICE = "scoregate.audit.v1.AuditService"
A_TOKEN = "must be the page before's next_page_token, within an hour; else begin at start_index"  # noqa: S105
TOKEN_LIFE = timedelta(hours=1)
MAC_BYTES = 16


class AuditDoor:
    """Pages through the log. Every opened cursor is an entry itself."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        proving: Proving,
        *,
        cursor_secret: bytes,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._cursor_secret = cursor_secret
        self._ledger = ledger
        self._proving = proving
        self._clock = clock

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        own = {"GetHead": frame.admitted(self._get_head), "ListEntries": frame.admitted(self._list_entries)}
        return by_path(SERVICE, own | self._proving.methods(frame))

    def _get_head(self, call: Call, _: Partner, __: Caller) -> audit_pb2.GetHeadResponse:
        read(audit_pb2.GetHeadRequest, call.body)
        origin, size, root = committed_head(self._store)
        return audit_pb2.GetHeadResponse(log_origin=origin, tree_size=size, root_hash=root)

    def _list_entries(self, call: Call, partner: Partner, caller: Caller) -> audit_pb2.ListEntriesResponse:
        request = read(audit_pb2.ListEntriesRequest, call.body)
        check = Check()
        size = check.page_size(request.page_size, default=1_024, most=2_048)
        position = check.page_token(request.page_token)
        with self._store.reading() as connection:
            committed = read_head(connection).size
        begin, end = request.start_index, request.tree_size or committed
        if position:
            begin, end = self._read_position(check, partner, position)
        elif end > committed:
            check.refuse("tree_size", "must not be more than GetHead's tree_size")
        elif begin > end:
            check.refuse("start_index", "must not lie behind tree_size")
        check.finish()
        if not position:
            opened = acting(caller, call.method, lambda tx: _record_read(tx, call, partner, begin, end))
            self._ledger.change(opened)
        last = min(begin + size, end, committed)
        with self._store.reading() as connection:
            leaves = read_leaves(connection, begin, last)
        following = page_token(self._position(partner, last, end)) if last < end else ""
        return audit_pb2.ListEntriesResponse(first_index=begin, leaves=leaves, next_page_token=following)

    def _position(self, officer: Partner, begin: int, end: int) -> str:
        """Where the next page begins, where the cursor ends, and until when it may be asked for."""
        return self._sealed(officer, f"{begin}:{end}:{micros(self._clock() + TOKEN_LIFE)}")

    def _sealed(self, officer: Partner, position: str) -> str:
        said = f"{officer.partner_id}:{position}".encode()
        mac = hmac.digest(self._cursor_secret, said, hashlib.sha256)[:MAC_BYTES]
        return f"{position}:{mac.hex()}"

    def _read_position(self, check: Check, officer: Partner, token: str) -> tuple[int, int]:
        position, _, _ = token.rpartition(":")
        if hmac.compare_digest(token.encode(), self._sealed(officer, position).encode()):
            begin, end, expires_us = map(int, position.split(":"))
            if micros(self._clock()) < expires_us:
                return begin, end
        check.refuse("page_token", A_TOKEN)
        return 0, 0


def _record_read(tx: Transaction, call: Call, officer: Partner, begin: int, end: int) -> None:
    tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
            partner_id=officer.partner_id,
            method=call.method,
            reason=f"entries {begin} to {end}",
            actor=officer.partner_id,
        )
    )
