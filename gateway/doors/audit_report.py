"""scoregate.audit.v1.AuditService: what the log holds about one person, opened and proved, for officers.

Opening a report leaves an entry under the person's own key, so that they see it; its proof is part of the
report, and all of it ends in one checkpoint. As that entry is committed and not yet published when the report
is opened, the pages come after it: a page token is sealed (RFC 2104) to the officer, the person and the
period, and ages.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from gateway.audit.log import first_since
from gateway.audit.persons import PersonEntry, entries_about, entry_about
from gateway.audit.private import Vault
from gateway.audit.tree.proofs import EntryMissing, EntryNotPublished, Proofs, Published
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.proving import not_yet
from gateway.doors.wire import SUBJECT, Check, page_token, read, timestamp
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2, report_pb2
from scoregate.instants import EPOCH, micros
from scoregate.proof.personal_report import AN_INSTANT, METHOD, period_reason
from scoregate.values import value

A_SUBJECT = "a subject id such as uci-00001: 1 to 64 printable ASCII characters without spaces"
A_TOKEN = "must be the page before's next_page_token, for the same subject, since and until, within an hour"  # noqa: S105
TOKEN_LIFE = timedelta(hours=1)
MAC_BYTES = 16

_SERVICE, _METHOD = METHOD[1:].split("/")


@value
class Asked:
    """Whose report an officer asks for, and of which period."""

    officer_id: str
    subject: str
    since: datetime
    until: datetime | None  # None: until it is opened

    def ends(self, opened: datetime) -> datetime:
        """Where the period ends: with the microsecond of the opening, for what follows can't be told."""
        behind = opened + AN_INSTANT
        return behind if self.until is None else min(self.until, behind)


@value
class Position:
    """Where a report stands."""

    before: int  # entries below this index are left to tell
    opened: int  # index of the entry that opened it
    tree_size: int  # of the checkpoint that all proofs end in; 0: not chosen yet


POSITION = re.compile(r"\d+:\d+:\d+:\d+", re.ASCII)
"""No more and no less: a subject may hold colons too, and what is sealed is read in one way only."""


class ReportDoor:
    """Serves reports. ``soon`` is when an entry that is committed will be published."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        vault: Vault,
        *,
        cursor_secret: bytes,
        clock: Callable[[], datetime],
        soon: timedelta,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._vault = vault
        self._proofs = Proofs(store)
        self._cursor_secret = cursor_secret
        self._clock = clock
        self._soon = soon

    def service(self, frame: Frame) -> Handlers:
        """The method's handler."""
        return by_path(_SERVICE, {_METHOD: frame.admitted(self._get)})

    def _get(self, call: Call, officer: Partner, caller: Caller) -> report_pb2.GetSubjectAccessReportResponse:
        request = read(report_pb2.GetSubjectAccessReportRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        since = check.moment("since", request.since) if request.HasField("since") else EPOCH
        until = check.moment("until", request.until) if request.HasField("until") else None
        if since >= self._clock():
            check.refuse("since", "must lie in the past: nothing can be told of what is to come")
        if until is not None and until <= since:
            check.refuse("until", "must be after since; the period does not include it")
        size = check.page_size(request.page_size, default=100, most=500)
        token = check.page_token(request.page_token)
        asked = Asked(officer.partner_id, subject, since, until)
        if not token:
            check.finish()
            return self._open(call, caller, asked)
        position = self._read_position(check, asked, token)
        check.finish()
        return self._page(asked, position, size)

    def _open(self, call: Call, caller: Caller, asked: Asked) -> report_pb2.GetSubjectAccessReportResponse:
        with self._store.reading() as connection:
            held = entries_about(connection, self._vault, asked.subject, limit=1).entries
        opened, at = self._ledger.change(
            acting(caller, call.method, lambda tx: _record_read(tx, call, caller, asked))
        )
        return report_pb2.GetSubjectAccessReportResponse(
            since=timestamp(asked.since),
            until=timestamp(asked.ends(at)),
            is_held=bool(held),
            next_page_token=self._token(asked, Position(opened, opened, 0)),
        )

    def _page(self, asked: Asked, position: Position, size: int) -> report_pb2.GetSubjectAccessReportResponse:
        published = None
        if not position.tree_size:
            published = self._published(position.opened)
            position = Position(position.before, position.opened, published.checkpoint.size)
        with self._store.reading() as connection:
            opening = entry_about(connection, self._vault, asked.subject, position.opened)
            if opening is None:  # erased since
                raise EntryMissing
            until = asked.ends(opening.time)
            found, before = self._entries(connection, asked, until, position.before, size)
        shown = [opening, *found] if published else found
        hashes = self._proofs.inclusions((each.leaf_index for each in shown), position.tree_size)
        page = report_pb2.GetSubjectAccessReportResponse(
            since=timestamp(asked.since),
            until=timestamp(until),
            entries=[_message(each, hashes[each.leaf_index]) for each in found],
        )
        if published:
            page.opening.CopyFrom(_message(opening, hashes[opening.leaf_index]))
            page.checkpoint = published.note
        if before is not None:
            page.next_page_token = self._token(asked, Position(before, position.opened, position.tree_size))
        return page

    def _published(self, opened: int) -> Published:
        """The published checkpoint, if it covers the entry that opened the report."""
        try:
            published = self._proofs.published()
            if published.checkpoint.size <= opened:
                raise EntryNotPublished
        except EntryNotPublished as error:
            raise not_yet(error, self._soon) from error
        return published

    def _entries(
        self, connection: Connection, asked: Asked, until: datetime, before: int, size: int
    ) -> tuple[list[PersonEntry], int | None]:
        """A page of the period, the newest first, and where the next begins."""
        first, behind = (first_since(connection, each) for each in (asked.since, until))
        page = entries_about(connection, self._vault, asked.subject, before=min(before, behind), limit=size)
        found = [each for each in page.entries if each.leaf_index >= first]
        return found, page.before if len(found) == len(page.entries) else None

    def _token(self, asked: Asked, position: Position) -> str:
        said = (position.before, position.opened, position.tree_size, micros(self._clock() + TOKEN_LIFE))
        return page_token(self._sealed(asked, ":".join(map(str, said))))

    def _sealed(self, asked: Asked, position: str) -> str:
        until = "" if asked.until is None else micros(asked.until)
        said = f"{asked.officer_id}:{micros(asked.since)}:{until}:{position}:{asked.subject}".encode()
        mac = hmac.digest(self._cursor_secret, said, hashlib.sha256)[:MAC_BYTES]
        return f"{position}:{mac.hex()}"

    def _read_position(self, check: Check, asked: Asked, token: str) -> Position:
        position, _, _ = token.rpartition(":")
        sealed = self._sealed(asked, position)
        if POSITION.fullmatch(position) and hmac.compare_digest(token.encode(), sealed.encode()):
            before, opened, tree_size, expires_us = map(int, position.split(":"))
            if micros(self._clock()) < expires_us:
                return Position(before, opened, tree_size)
        check.refuse("page_token", A_TOKEN)
        return Position(0, 0, 0)


def _record_read(tx: Transaction, call: Call, caller: Caller, asked: Asked) -> tuple[int, datetime]:
    """Whoever asks about a person is seen by that person; returns where and when it was written."""
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
        partner_id=caller.partner_id,
        method=call.method,
        reason=period_reason(asked.since, asked.ends(tx.now)),
        actor=caller.partner_id,
    )
    part = leaf_pb2.PrivatePart(subject=asked.subject, legal_name=caller.legal_name)
    return tx.append(leaf, tx.bind(part, partner_id=caller.partner_id)).leaf_index, tx.now


def _message(entry: PersonEntry, hashes: Sequence[bytes]) -> report_pb2.ReportEntry:
    leaf, part = entry.leaf, entry.part or leaf_pb2.PrivatePart()
    return report_pb2.ReportEntry(
        leaf_index=entry.leaf_index,
        time=timestamp(entry.time),
        kind=leaf.kind,
        partner_id=leaf.partner_id,
        legal_name=part.legal_name,
        purpose=leaf.purpose,
        decision=leaf.decision,
        reason=leaf.reason,
        shown=part.shown,
        leaf=entry.data,
        private_part=part.SerializeToString(),
        blind=entry.blind,
        hashes=hashes,
    )
