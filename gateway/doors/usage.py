"""scoregate.partner.v1.UsageService: a partner's own meters, and its monthly statements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.doors.door import Frame, Handler
from gateway.doors.wire import Check, page_token, read, timestamp
from gateway.gate import Gate
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.quota import contract
from gateway.quota.contract import Usage
from gateway.store import Store
from scoregate.partner.v1 import usage_pb2

SERVICE = "scoregate.partner.v1.UsageService"


class UsageDoor:
    """Reads the figures that the release transaction writes."""

    def __init__(self, store: Store, gate: Gate, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock

    def methods(self, frame: Frame) -> dict[str, Handler]:
        """The methods' handlers, by name."""
        return {"ListQuotaUsage": frame.admitted(self._list_quota_usage)}

    def _list_quota_usage(self, call: Call, partner: Partner, _: Caller) -> usage_pb2.ListQuotaUsageResponse:
        request = read(usage_pb2.ListQuotaUsageRequest, call.body)
        check = Check()
        size = check.page_size(request.page_size, default=10, most=10)
        after = check.page_token(request.page_token)
        usages = self.usages(partner)
        names = [usage.limit_name for usage in usages]
        if after and after not in names:
            check.refuse("page_token", "must be the next_page_token of the page before")
        check.finish()
        begin = names.index(after) + 1 if after else 0
        page = usages[begin : begin + size]
        more = begin + size < len(usages)
        return usage_pb2.ListQuotaUsageResponse(
            usages=page, next_page_token=page_token(page[-1].limit_name) if more else ""
        )

    def usages(self, partner: Partner) -> list[usage_pb2.QuotaUsage]:
        """Burst, day and month as they stand now."""
        now = self._clock()
        with self._store.reading() as connection:
            usages = contract.usages({partner.partner_id: partner.contract}, now).ask(connection)
        return [self._burst(partner, now), *_contract_usages(usages[partner.partner_id], now)]

    def _burst(self, partner: Partner, now: datetime) -> usage_pb2.QuotaUsage:
        verdict = self._gate.look(partner)
        limit = partner.contract.burst_calls
        return usage_pb2.QuotaUsage(
            limit_name="burst",
            limit=limit,
            used=limit - verdict.remaining,
            remaining=verdict.remaining,
            resets_at=timestamp(now + timedelta(microseconds=verdict.full_after_us)),
            time_zone=partner.contract.time_zone,
        )


def _contract_usages(usage: Usage, now: datetime) -> list[usage_pb2.QuotaUsage]:
    terms = usage.contract
    ends = contract.ends(terms, now)
    rows = (
        ("day", usage.day, terms.daily_units, usage.used_day, usage.remaining_day, ends[0]),
        ("month", usage.month, terms.monthly_units, usage.used_month, usage.remaining_month, ends[1]),
    )
    return [
        usage_pb2.QuotaUsage(
            limit_name=name,
            period=period,
            limit=limit,
            used=used,
            remaining=remaining,
            resets_at=timestamp(end),
            time_zone=terms.time_zone,
        )
        for name, period, limit, used, remaining, end in rows
    ]
