"""Contract quotas: units per calendar day and month, in the contract's own time zone.

A period is named by its calendar id ("2026-11-23", "2026-11"), never by a time to live,
so months are calendar months and daylight saving needs no care. The figures are read
and written under the ledger's head lock; the decision itself is pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from consent.sql import Question, Row, Select, Write, Writing
from gateway.store import metadata
from scoregate.values import value

quota_usage = sa.Table(
    "quota_usage",
    metadata,
    sa.Column("partner_id", sa.String(40), primary_key=True),
    sa.Column("period", sa.String(10), primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a partner may use."""

    time_zone: str = "UTC"
    daily_units: int = 0
    monthly_units: int = 0
    calls_per_second: int = 100
    burst_calls: int = 200
    thresholds: tuple[int, ...] = ()
    charge_not_scored: bool = False
    return_addresses: tuple[str, ...] = ()  # of the partner's own, for people who have decided

    def periods(self, now: datetime) -> tuple[str, str]:
        """The ids of the day and the month that hold ``now``."""
        return _periods(self.time_zone, now)


@lru_cache(maxsize=1_024)
def _periods(time_zone: str, now: datetime) -> tuple[str, str]:
    local = now.astimezone(ZoneInfo(time_zone))
    return local.strftime("%Y-%m-%d"), local.strftime("%Y-%m")


@value
class Usage:
    """One partner's use of its contract in the periods of one instant."""

    contract: Contract
    day: str
    month: str
    used_day: int
    used_month: int

    @property
    def remaining_day(self) -> int:
        """Units left today; 0 when a contract was cut below what was used."""
        return max(0, self.contract.daily_units - self.used_day)

    @property
    def remaining_month(self) -> int:
        """Units left this month."""
        return max(0, self.contract.monthly_units - self.used_month)


class QuotaExhausted(Exception):
    """The period's units are spent. ``reason`` is DAILY_… or MONTHLY_QUOTA_EXHAUSTED."""

    def __init__(self, reason: str, usage: Usage) -> None:
        super().__init__(reason)
        self.reason = reason
        self.usage = usage


def require(usage: Usage) -> None:
    """Return only if a unit is left.

    A call needs one even if it turns out to cost none: what is asked for is not known
    before the engine has answered.

    Raises:
        QuotaExhausted: None is; the month is named first, since waiting a day won't help.
    """
    if usage.used_month >= usage.contract.monthly_units:
        raise QuotaExhausted("MONTHLY_QUOTA_EXHAUSTED", usage)
    if usage.used_day >= usage.contract.daily_units:
        raise QuotaExhausted("DAILY_QUOTA_EXHAUSTED", usage)


def spend(usage: Usage, units: int) -> Usage:
    """The usage after spending ``units`` (0 or 1).

    Raises:
        QuotaExhausted: As in ``require``.
    """
    require(usage)
    if not units:
        return usage
    return Usage(usage.contract, usage.day, usage.month, usage.used_day + units, usage.used_month + units)


def ends(contract: Contract, now: datetime) -> tuple[datetime, datetime]:
    """When the day and the month that hold ``now`` end, UTC."""
    zone = ZoneInfo(contract.time_zone)
    today = now.astimezone(zone).date()
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    # Where clocks are set at midnight, it is the first of two, or the instant at which there is none.
    begin, begin_month = (
        datetime.combine(day, time(), zone) for day in (today + timedelta(days=1), next_month)
    )
    return begin.astimezone(UTC), begin_month.astimezone(UTC)


_select = Select(
    "SELECT partner_id, period, used FROM quota_usage WHERE partner_id IN :partners AND period IN :periods"
)
_store = Write(quota_usage, replace=True)


def usages(contracts: dict[str, Contract], now: datetime) -> Question[dict[str, Usage]]:
    """Every named partner's usage at ``now``."""
    periods = {partner_id: contract.periods(now) for partner_id, contract in contracts.items()}

    def read(rows: list[Row]) -> dict[str, Usage]:
        used = {(partner_id, period): count for partner_id, period, count in rows}
        return {
            partner_id: Usage(
                contract, day, month, used.get((partner_id, day), 0), used.get((partner_id, month), 0)
            )
            for partner_id, contract in contracts.items()
            for day, month in [periods[partner_id]]
        }

    wanted = list({period for pair in periods.values() for period in pair})
    return Question(read, _select.of(partners=list(contracts), periods=wanted))


def figures(usages: Iterable[tuple[str, Usage]]) -> Writing:
    """The figures, to be written back under the head lock, so that nobody else is writing them."""
    return _store.of(
        [
            (partner_id, period, used)
            for partner_id, usage in usages
            for period, used in ((usage.day, usage.used_day), (usage.month, usage.used_month))
        ]
    )
