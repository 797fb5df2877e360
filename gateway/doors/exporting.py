"""scoregate.audit.v1.AuditService, its exports: entries that a filter finds, proved, and signed as a whole.

An export is an entry before anything of it leaves. What was served so far is tallied, and the tally travels
in the page token, sealed (RFC 2104) to the officer, the question and the range, for an hour: so the last
page signs exactly what all pages held, however they were cut, and nothing is kept here in between.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Self

from sqlalchemy.engine import Connection

from consent.keys import SigningKey
from gateway.audit.finding import Opened, find, open_parts
from gateway.audit.log import first_since, read_head
from gateway.audit.persons import key_of
from gateway.audit.private import Vault
from gateway.audit.tree.proofs import EntryNotPublished, Proofs, Published
from gateway.audit.tree.tables import Origin, tiles_of
from gateway.doors.audit import SERVICE, TOKEN_LIFE
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.proving import not_yet
from gateway.doors.wire import SUBJECT, Check, page_token, read
from gateway.keys import Signer
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.pki import PARTNER_ID
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.audit.v1 import audit_pb2 as pb
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.exports.entries import Exported, PartState, Tally
from scoregate.auditing.exports.filters import WORDS, Filter
from scoregate.auditing.exports.manifest import TYP, Manifest
from scoregate.instants import micros
from scoregate.proof import digest, jws
from scoregate.proof.digest import Json
from scoregate.tlog import tree_tiles

DEFAULT_PAGE, MOST_PAGE = 256, 512
MOST_TOKEN_CHARACTERS = 2_048
MOST_REASON_CHARACTERS = 200
LAST_INDEX = 2**53 - 1
A_PARTNER_ID = "2 to 40 of a-z, 0-9 and '-', beginning with a letter"
A_SUBJECT = "1 to 64 printable ASCII characters without spaces"
A_TOKEN = "must be the page before's next_page_token, with the same question, within an hour; else begin anew"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Question:
    """What an officer asks for, checked."""

    filter: Filter
    subject: str
    start: int
    end: int | None
    with_private_parts: bool
    reason: str

    def sha256(self) -> str:
        """In hex, over all of it."""
        members = self.filter.members() | {"subject": self.subject, "start": self.start, "end": self.end}
        return hashlib.sha256(
            digest.canonical({"filter": members, "parts": self.with_private_parts, "why": self.reason})
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an export has come, and what it is of."""

    next: int
    first: int
    end: int
    size: int  # of the checkpoint's tree
    log: str  # its origin
    checkpoint_sha256: str  # in hex
    log_index: int  # of the export's own entry
    question_sha256: str  # in hex
    tally: Tally

    def packed(self) -> str:
        """As the token holds it."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return digest.canonical(plain | {"tally": self.tally.members()}).decode()

    @classmethod
    def unpacked(cls, text: str) -> Self:
        """What ``packed`` packed, and nobody else: it was sealed."""
        members: Any = digest.parse(text)
        return cls(**(members | {"tally": Tally.read(members["tally"])}))


class ExportDoor:
    """Serves ``ExportBundle``."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        vault: Vault,
        signer: Signer,
        *,
        issuer: str,
        policy: Callable[[Sequence[Origin]], str],
        cursor_secret: bytes,
        soon: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._vault = vault
        self._signer = signer
        self._issuer = issuer
        self._policy = policy
        self._cursor_secret = cursor_secret
        self._soon = soon
        self._clock = clock
        self._proofs = Proofs(store)

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers for exports."""
        return by_path(SERVICE, {"ExportBundle": frame.admitted(self._export)})

    def _export(self, call: Call, officer: Partner, caller: Caller) -> pb.ExportBundleResponse:
        request = read(pb.ExportBundleRequest, call.body)
        check = Check()
        asked = _question(check, request)
        size = check.page_size(request.page_size, default=DEFAULT_PAGE, most=MOST_PAGE)
        given = check.page_token(request.page_token, most=MOST_TOKEN_CHARACTERS)
        check.finish()
        page = pb.ExportBundleResponse()
        if given:
            cursor = self._read_cursor(check, officer, asked, given)
            check.finish()
        else:
            cursor, page.checkpoint = self._open(check, call, officer, caller, asked)
        served, cursor = self._look(asked, cursor, size)
        page.entries.extend(map(_message, served))
        page.looked_up_to, page.end_index = cursor.next, cursor.end
        if cursor.next < cursor.end:
            page.next_page_token = page_token(self._sealed(officer, cursor))
        else:
            self._seal(page, officer, asked, cursor)
        return page

    # --- opening

    def _open(
        self, check: Check, call: Call, officer: Partner, caller: Caller, asked: Question
    ) -> tuple[Cursor, bytes]:
        try:
            published = self._proofs.published()
            first, end = self._range(check, asked, published.checkpoint.size)
        except EntryNotPublished as error:
            raise not_yet(error, self._soon) from error
        record = partial(_record, call=call, officer=officer, asked=asked, first=first, end=end)
        opened = self._ledger.change(acting(caller, call.method, record))
        return _begin(asked, published, first, end, opened), published.note

    def _range(self, check: Check, asked: Question, size: int) -> tuple[int, int]:
        wanted = asked.filter
        with self._store.reading() as connection:
            committed = read_head(connection).size
            if asked.end is not None and asked.end > committed:
                check.refuse("filter.end_index", "must not be more than GetHead's tree_size")
            end = size if asked.end is None else asked.end
            if asked.start > end:
                check.refuse("filter.start_index", "must not lie behind what is published, or end_index")
            check.finish()
            if end > size:
                raise EntryNotPublished
            first = asked.start
            if wanted.since is not None:
                first = max(first, first_since(connection, wanted.since))
            if wanted.until is not None:
                end = min(end, first_since(connection, wanted.until))
        return min(first, end), end

    # --- one page

    def _look(self, asked: Question, cursor: Cursor, size: int) -> tuple[list[Exported], Cursor]:
        """The entries of the page, and the cursor behind it."""
        with self._store.reading() as connection:
            key = key_of(connection, self._vault, asked.subject) if asked.subject else None
            found, looked = find(
                connection,
                asked.filter,
                None if key is None else key.key_id,
                begin=cursor.next,
                end=cursor.end,
                limit=size,
            )
            parts = open_parts(connection, self._vault, found) if asked.with_private_parts else {}
            served = _proved(connection, found, parts, cursor.size)
        tally = cursor.tally
        for entry in served:
            tally = tally.add(entry)
        return served, replace(cursor, next=looked, tally=tally)

    def _seal(self, page: pb.ExportBundleResponse, officer: Partner, asked: Question, cursor: Cursor) -> None:
        """Sign what was served on all pages."""
        key: SigningKey = self._signer.refresh().key
        page.jwks = self._signer.jwks()
        page.policy = self._policy(self._proofs.origins())
        manifest = Manifest(
            issuer=self._issuer,
            officer=officer.partner_id,
            log=cursor.log,
            log_index=cursor.log_index,
            tree_size=cursor.size,
            first_index=cursor.first,
            end_index=cursor.end,
            checkpoint_sha256=bytes.fromhex(cursor.checkpoint_sha256),
            policy_sha256=hashlib.sha256(page.policy.encode()).digest(),
            jwks_sha256=hashlib.sha256(page.jwks.encode()).digest(),
            filter=asked.filter,
            private_parts=asked.with_private_parts,
            tally=cursor.tally,
            exported_at=self._clock().astimezone(UTC),
        )
        page.manifest = jws.sign(
            manifest.encode(), typ=TYP, kid=key.kid, algorithm=key.algorithm, private=key.private
        )

    # --- between two pages

    def _sealed(self, officer: Partner, cursor: Cursor) -> str:
        text = f"{micros(self._clock() + TOKEN_LIFE)}:{cursor.packed()}"
        return f"{self._mac(officer, text)}:{text}"

    def _mac(self, officer: Partner, text: str) -> str:
        return hmac.digest(self._cursor_secret, f"{officer.partner_id}:{text}".encode(), "sha256").hex()

    def _read_cursor(self, check: Check, officer: Partner, asked: Question, token: str) -> Cursor:
        mac, _, text = token.partition(":")
        if hmac.compare_digest(mac.encode(), self._mac(officer, text).encode()):
            expires_us, _, packed = text.partition(":")
            cursor = Cursor.unpacked(packed)
            if micros(self._clock()) < int(expires_us) and cursor.question_sha256 == asked.sha256():
                return cursor
        check.refuse("page_token", A_TOKEN)
        check.finish()
        raise AssertionError("a refusal was finished")


def _question(check: Check, request: pb.ExportBundleRequest) -> Question:
    given = request.filter
    partner_id, subject = given.partner_id, given.subject
    if partner_id:
        check.text("filter.partner_id", partner_id, PARTNER_ID, A_PARTNER_ID)
    if subject:
        check.text("filter.subject", subject, SUBJECT, A_SUBJECT)
    wanted = Filter(
        partner_id=partner_id,
        since=_instant(check, given, "since"),
        until=_instant(check, given, "until"),
        about_a_person=bool(subject),
        **{member: _numbers(check, member, getattr(given, member)) for member in WORDS},
    )
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        check.refuse("filter.until", "must be later than since")
    check.nameless("reason", request.reason, subject)
    for member in ("start_index", "end_index"):
        check.between(f"filter.{member}", getattr(given, member), 0, LAST_INDEX)
    return Question(
        wanted,
        subject,
        start=given.start_index,
        end=given.end_index or None,
        with_private_parts=request.with_private_parts,
        reason=check.printable("reason", request.reason, least=1, most=MOST_REASON_CHARACTERS),
    )


def _instant(check: Check, given: Any, member: str) -> datetime | None:
    if not given.HasField(member):
        return None
    at = getattr(given, member)
    if at.nanos % 1_000:
        check.refuse(f"filter.{member}", "must be in whole microseconds, as the log's times are")
    return check.moment(f"filter.{member}", at)


def _numbers(check: Check, member: str, numbers: Sequence[int]) -> frozenset[int]:
    known = set(WORDS[member].values())
    for place, number in enumerate(numbers):
        if number not in known:
            check.refuse(f"filter.{member}[{place}]", f"must be one of {', '.join(WORDS[member])}")
    if len(set(numbers)) != len(numbers):
        check.refuse(f"filter.{member}", "must name none twice")
    return frozenset(numbers)


def _record(tx: Transaction, *, call: Call, officer: Partner, asked: Question, first: int, end: int) -> int:
    """Enter the export; returns the entry's index. A person who was asked about finds it among their own."""
    said: dict[str, Json] = {
        "filter": asked.filter.members(),
        "first_index": first,
        "end_index": end,
        "private_parts": asked.with_private_parts,
        "why": asked.reason,
    }
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_EXPORTED,
        partner_id=officer.partner_id,
        method=call.method,
        reason=digest.canonical(said).decode(),
        actor=officer.partner_id,
    )
    bound = None
    if asked.subject:
        # Of whom nothing is kept, nothing is kept here either: no erasure would find it again.
        part = leaf_pb2.PrivatePart(subject=asked.subject, legal_name=officer.legal_name)
        bound = tx.bind_known(part)
    return tx.append(leaf, bound).leaf_index


def _begin(asked: Question, published: Published, first: int, end: int, log_index: int) -> Cursor:
    return Cursor(
        next=first,
        first=first,
        end=end,
        size=published.checkpoint.size,
        log=published.checkpoint.origin,
        checkpoint_sha256=hashlib.sha256(published.note).hexdigest(),
        log_index=log_index,
        question_sha256=asked.sha256(),
        tally=Tally(),
    )


def _proved(
    connection: Connection, found: dict[int, bytes], parts: dict[int, Opened], size: int
) -> list[Exported]:
    tiles = cache(tiles_of(connection))  # neighbours share most of theirs
    served = []
    for index, leaf in found.items():
        opened = parts.get(index, Opened(PartState.NONE))
        hashes = tuple(tree_tiles.inclusion(index, size, tiles))
        served.append(Exported(index, leaf, hashes, opened.state, opened.part, opened.blind))
    return served


def _message(entry: Exported) -> pb.ExportedEntry:
    return pb.ExportedEntry(
        leaf_index=entry.index,
        leaf=entry.leaf,
        hashes=entry.hashes,
        private_part_state=int(entry.state),  # type: ignore[arg-type]
        private_part=entry.part,
        blind=entry.blind,
    )
