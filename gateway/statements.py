"""A partner's monthly statement: made of its entries in the published log, and held against its counters.

The counters say what was debited; the log says what was answered, and is what everybody can verify. Both are
written in one transaction, so they agree, or somebody has changed one of them: then nothing is signed.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from gateway.audit import accounts
from gateway.audit.accounts import Account, Accounts
from gateway.audit.log import log_head, read_entries, read_head, read_leaves
from gateway.audit.tree.proofs import EntryNotPublished, Proofs, Published
from gateway.keys import Signer, Signing
from gateway.metrics import STATEMENTS_CONTRADICTED
from gateway.partners import Partner
from gateway.quota.contract import quota_usage
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros, moment
from scoregate.proof import jws
from scoregate.proof.statement import MONTH, NONE, TYP, Group, Statement, Sums

log = structlog.get_logger()

TRIES = 5
"""How often accounts are read that another process brings further than the checkpoint which was read."""

MOST_UNPUBLISHED = 50_000
"""Entries that are looked through one by one; where more are not published yet, publishing has stopped."""

WESTERNMOST = timedelta(hours=12)
"""So long after UTC a day begins in the last time zone."""

SKEW = timedelta(hours=1)
"""Of the clocks of several gateways: so much later nobody makes an entry of the month before."""


class MonthRefused(Exception):
    """There is no statement of this month; the text says which there are."""


class StatementContradicted(Exception):
    """The log and the quota counters differ: nothing is signed."""

    reason = "STATEMENT_CONTRADICTED"


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement, and the checkpoint that it rests on."""

    compact: str  # RFC 7515, 7.1; ASCII
    checkpoint: bytes  # a signed note


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """An entry of the partner's own."""

    leaf_index: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class _Month:
    """A month in a time zone, as quarters of an hour since 1970."""

    name: str
    zone: str
    begin: int
    end: int

    @classmethod
    def of(cls, name: str, zone: str) -> _Month:
        """Where it lies.

        Raises:
            ValueError: There is no such month.
        """
        first = date.fromisoformat(f"{name}-01")
        following = (first + timedelta(days=32)).replace(day=1)
        return cls(name, zone, *(_quarter_of(each, zone) for each in (first, following)))

    @property
    def ends_everywhere_at(self) -> datetime:
        """From then on it is over in whatever time zone a contract takes, UTC: nothing is debited in it."""
        following = (date.fromisoformat(f"{self.name}-01") + timedelta(days=32)).replace(day=1)
        return datetime.combine(following, time(), UTC) + WESTERNMOST


class Statements:
    """Makes them, and lists what they are made of."""

    def __init__(self, store: Store, signer: Signer, *, issuer: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._proofs = Proofs(store)
        self._signer = signer
        self._issuer = issuer
        self._clock = clock

    def statement(self, partner: Partner, month: str) -> Signed:
        """The signed statement of a month, as the published log has it.

        Raises:
            MonthRefused: It is no month, or none in which this partner can have had entries.
            EntryNotPublished: Nothing is published yet, or far less than there is; or the accounts are still
                being made.
            StatementContradicted: The counters say otherwise; it was logged and counted.
            StoreUnavailable: The database does not answer.
        """
        now = self._clock()
        size = self._proofs.published().checkpoint.size
        accounts.catch_up(self._store, size)
        with self._store.reading() as connection:
            if accounts.reach(connection) < size:
                raise EntryNotPublished  # an upgrade's first minutes: nobody is told half of it
        asked = self._month(partner, month, now)
        published, found = self._accounts(partner.partner_id, asked)
        with self._store.reading() as connection:
            self._require_same(connection, partner.partner_id, asked, found)
            is_final = self._is_over(connection, asked, found.size, now)
            before = accounts.last_sequence(connection, partner.partner_id, asked.begin)
            signing = self._signing(connection)
        said = _statement(partner, asked, found.rows, published, before)
        said |= {
            "statement_id": str(uuid.uuid4()),
            "issued_at": now.astimezone(UTC),
            "issuer": self._issuer,
            "is_final": is_final,
        }
        key = signing.key
        payload = Statement(**said).encode()
        compact = jws.sign(payload, typ=TYP, kid=key.kid, algorithm=key.algorithm, private=key.private)
        return Signed(compact, published.note)

    def entries(
        self, partner: Partner, first: int, last: int, *, tree_size: int, limit: int
    ) -> tuple[list[OwnEntry], list[bytes]]:
        """Entries of the partner's own, numbered ``first`` to ``last``, and the proof of all of them.

        Raises:
            SizeUnknown: No published tree had so many entries.
            EntryNotPublished: Nothing is published yet, or the accounts are still being made.
            StoreUnavailable: The database does not answer.
        """
        self._proofs.together([], tree_size)  # before anything costs more
        accounts.catch_up(self._store, tree_size)
        with self._store.reading() as connection:
            if accounts.reach(connection) < tree_size:
                raise EntryNotPublished  # what is listed must be all that there is
            indexes = accounts.own_indexes(
                connection, partner.partner_id, first, last, below=tree_size, limit=limit
            )
            leaves = read_entries(connection, indexes)
        return [OwnEntry(index, leaves[index]) for index in indexes], self._proofs.together(
            indexes, tree_size
        )

    def _month(self, partner: Partner, month: str, now: datetime) -> _Month:
        zone = partner.contract.time_zone
        if not re.fullmatch(MONTH, month):
            raise MonthRefused("must be a month such as 2026-11")
        latest = partner.contract.periods(now)[1]
        if month > latest:
            raise MonthRefused(f"must not lie in the future: it is {latest} now, in {zone}")
        with self._store.reading() as connection:
            quarter = accounts.first_quarter(connection, partner.partner_id)
            debited = accounts.first_month(connection, partner.partner_id)
        # The entries of the last second may be the first that there are, and not published yet.
        since = now if quarter is None else moment(quarter * accounts.QUARTER_MICROS)
        first = partner.contract.periods(since)[1]
        earliest = min(first, debited or first)  # the contract's zone may have been another
        if month < earliest:
            raise MonthRefused(f"must not be before {earliest}, that of the partner's first entry")
        return _Month.of(month, zone)

    def _accounts(self, partner_id: str, month: _Month) -> tuple[Published, Accounts]:
        """What belongs to the month, in the tree of a published checkpoint to the entry."""
        for _ in range(TRIES):
            published = self._proofs.published()
            accounts.catch_up(self._store, published.checkpoint.size)
            with self._store.reading() as connection:
                found = accounts.accounts(
                    connection, partner_id, month=month.name, begin=month.begin, end=month.end
                )
            if found.size == published.checkpoint.size:
                return published, found
        raise EntryNotPublished

    def _require_same(self, connection: Connection, partner_id: str, month: _Month, found: Accounts) -> None:
        """Return only if log and counters agree: the published entries, and those that came since."""
        size, counted = _counters(connection, partner_id, month.name)
        if size - found.size > MOST_UNPUBLISHED:
            raise EntryNotPublished
        logged = Counter[str]()
        for row in found.rows:
            if row.units:
                logged.update({row.day: row.units, row.day[:7]: row.units})
        for data in read_leaves(connection, found.size, size):
            leaf = leaf_pb2.Leaf.FromString(data)
            if leaf.cost_units and leaf.partner_id == partner_id and month.name in leaf.quota_periods:
                logged.update(dict.fromkeys(leaf.quota_periods, leaf.cost_units))
        differing = sorted(
            period for period in logged.keys() | counted.keys() if logged[period] != counted[period]
        )
        if differing:
            STATEMENTS_CONTRADICTED.inc()
            period = differing[0]
            log.error(
                "the log and the quota counters differ; no statement is signed",
                partner=partner_id,
                periods=differing,
                logged=logged[period],
                counted=counted[period],
            )
            raise StatementContradicted

    def _is_over(self, connection: Connection, month: _Month, size: int, now: datetime) -> bool:
        """Whether no entry of the month can come any more, and all are published."""
        (last,) = read_leaves(connection, size - 1, size)
        if leaf_pb2.Leaf.FromString(last).time_micros >= micros(month.ends_everywhere_at):
            return True  # time never goes back along the log
        return now >= month.ends_everywhere_at + SKEW and read_head(connection).size == size

    def _signing(self, connection: Connection) -> Signing:
        """The key that signs now: another process may have turned it."""
        known = self._signer.signing()
        return known if read_head(connection).signing_kid == known.key.kid else self._signer.refresh()


def _counters(connection: Connection, partner_id: str, month: str) -> tuple[int, Counter[str]]:
    """How many entries there are, and what was debited by them in the month and its days: one snapshot."""
    used = quota_usage.c
    theirs = sa.and_(used.partner_id == partner_id, used.period.startswith(month))
    joined = log_head.outerjoin(quota_usage, theirs)
    rows = connection.execute(sa.select(log_head.c.size, used.period, used.used).select_from(joined)).all()
    return rows[0].size, Counter({row.period: row.used for row in rows if row.period is not None})


def _statement(
    partner: Partner, month: _Month, rows: tuple[Account, ...], published: Published, before: int
) -> dict[str, Any]:
    """What a statement says, but for what is its own."""
    lines: defaultdict[Group, Sums] = defaultdict(lambda: NONE)
    others = 0
    for row in rows:
        day = row.day or _day_of(row.quarter, month.zone)
        group = Group.of(day, row.kind, row.method, row.purpose, row.decision)
        if group is None:
            others += row.entries
        else:
            lines[group] = lines[group].plus(row.entries, row.calls, row.units)
    checkpoint, terms = published.checkpoint, partner.contract
    return {
        "partner_id": partner.partner_id,
        "legal_name": partner.legal_name,
        "month": month.name,
        "time_zone": month.zone,
        "daily_units": terms.daily_units,
        "monthly_units": terms.monthly_units,
        "charge_not_scored": terms.charge_not_scored,
        "count": sum(row.entries for row in rows),
        "first_sequence": min((row.first_sequence for row in rows), default=before + 1),
        "last_sequence": max((row.last_sequence for row in rows), default=before),
        "first_index": min((row.first_index for row in rows), default=None),
        "last_index": max((row.last_index for row in rows), default=None),
        "other_entries": others,
        "lines": tuple(sorted(lines.items(), key=lambda line: line[0])),
        "units": sum(row.units for row in rows),
        "origin": checkpoint.origin,
        "tree_size": checkpoint.size,
        "root_hash": checkpoint.root.hex(),
    }


def _day_of(quarter: int, zone: str) -> str:
    return moment(quarter * accounts.QUARTER_MICROS).astimezone(ZoneInfo(zone)).date().isoformat()


def _quarter_of(day: date, zone: str) -> int:
    begin = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    return max(micros(begin), 0) // accounts.QUARTER_MICROS
