"""Contract quotas: units per calendar day and month, in the contract's own time zone.

A period is named by its calendar id ("2026-11-23", "2026-11"), never by a time to live,
so months are calendar months and daylight saving needs no care. The figures are read
and written under the ledger's head lock; the decision itself is pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.store import metadata, upsert

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

    def periods(self, now: datetime) -> tuple[str, str]:
        """The ids of the day and the month that hold ``now``."""
        local = now.astimezone(ZoneInfo(self.time_zone))
        return local.strftime("%Y-%m-%d"), local.strftime("%Y-%m")


@dataclass(frozen=True, slots=True)
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


def spend(usage: Usage, units: int) -> Usage:
    """The usage after spending ``units`` (0 or 1).

    A call needs one unit left even if it turns out to cost none: what is asked for is
    not known before the engine has answered.

    Raises:
        QuotaExhausted: No unit left; the month is named first, since waiting a day won't help.
    """
    if usage.remaining_month < 1:
        raise QuotaExhausted("MONTHLY_QUOTA_EXHAUSTED", usage)
    if usage.remaining_day < 1:
        raise QuotaExhausted("DAILY_QUOTA_EXHAUSTED", usage)
    return Usage(usage.contract, usage.day, usage.month, usage.used_day + units, usage.used_month + units)


def ends(contract: Contract, now: datetime) -> tuple[datetime, datetime]:
    """When the day and the month that hold ``now`` end, UTC."""
    zone = ZoneInfo(contract.time_zone)
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    tomorrow = (midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    next_month = (midnight.replace(day=1, tzinfo=None) + timedelta(days=32)).replace(day=1, tzinfo=zone)
    return tomorrow.astimezone(UTC), next_month.astimezone(UTC)


_select = sa.select(quota_usage).where(
    quota_usage.c.partner_id.in_(sa.bindparam("partners", expanding=True)),
    quota_usage.c.period.in_(sa.bindparam("periods", expanding=True)),
)
_store = upsert(quota_usage)


def read(connection: Connection, contracts: dict[str, Contract], now: datetime) -> dict[str, Usage]:
    """Every named partner's usage at ``now``."""
    if not contracts:
        return {}
    periods = {partner_id: contract.periods(now) for partner_id, contract in contracts.items()}
    rows = connection.execute(
        _select,
        {"partners": list(contracts), "periods": list({p for pair in periods.values() for p in pair})},
    ).all()
    used = {(row.partner_id, row.period): row.used for row in rows}
    return {
        partner_id: Usage(
            contract, day, month, used.get((partner_id, day), 0), used.get((partner_id, month), 0)
        )
        for partner_id, contract in contracts.items()
        for day, month in [periods[partner_id]]
    }


def store(connection: Connection, usages: Iterable[tuple[str, Usage]]) -> None:
    """Write the figures back; called under the head lock, so nobody else is writing them."""
    rows = [
        {"partner_id": partner_id, "period": period, "used": used}
        for partner_id, usage in usages
        for period, used in ((usage.day, usage.used_day), (usage.month, usage.used_month))
    ]
    if rows:
        connection.execute(_store, rows)
