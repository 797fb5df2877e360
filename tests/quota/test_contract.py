"""Contract quotas: true calendars, exact debits, on both stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.sql import write
from gateway import migrations
from gateway.quota import contract
from gateway.quota.burst import Limit, decide
from gateway.quota.contract import Contract, QuotaExhausted, Usage, ends, spend
from gateway.quota.headers import rate_limit
from gateway.store import open_store

SHANGHAI = Contract(time_zone="Asia/Shanghai", daily_units=10, monthly_units=100)
TICK = timedelta(microseconds=1)
ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo"]
ZONES += ["America/Havana", "Africa/Cairo"]  # where clocks are set at midnight


def usage(day: int, month: int, of: Contract = SHANGHAI) -> Usage:
    return Usage(of, "2026-11-23", "2026-11", day, month)


def test_days_and_months_turn_at_midnight_where_the_contract_lives() -> None:
    midnight = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # 1 December in Shanghai
    assert SHANGHAI.periods(midnight - TICK) == ("2026-11-30", "2026-11")
    assert SHANGHAI.periods(midnight) == ("2026-12-01", "2026-12")


@given(st.sampled_from(ZONES), st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31)))
def test_a_period_ends_at_the_instant_at_which_its_name_changes(zone: str, naive: datetime) -> None:
    terms, now = Contract(time_zone=zone), naive.replace(tzinfo=UTC)
    day_end, month_end = ends(terms, now)
    day, month = terms.periods(now)
    assert now < day_end <= now + timedelta(hours=49)  # Apia once skipped a day
    assert terms.periods(day_end - TICK)[0] == day
    assert terms.periods(day_end)[0] != day
    assert terms.periods(month_end - TICK)[1] == month
    assert terms.periods(month_end)[1] != month
    assert day_end.tzinfo is month_end.tzinfo is UTC


def test_a_day_with_a_change_of_clocks_is_as_long_as_it_is() -> None:
    new_york = Contract(time_zone="America/New_York")
    noon = datetime(2026, 11, 1, 12, 0, tzinfo=ZoneInfo("America/New_York"))
    start = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    assert ends(new_york, noon.astimezone(UTC))[0] - start == timedelta(hours=25)


@pytest.mark.parametrize(
    ("day", "month", "reason"),
    [
        (9, 99, None),
        (10, 99, "DAILY_QUOTA_EXHAUSTED"),
        (9, 100, "MONTHLY_QUOTA_EXHAUSTED"),
        (10, 100, "MONTHLY_QUOTA_EXHAUSTED"),
    ],
)
def test_the_last_unit_can_be_spent_and_no_other(day: int, month: int, reason: str | None) -> None:
    if reason is None:
        assert (spend(usage(day, month), 1).used_day, spend(usage(day, month), 1).used_month) == (10, 100)
        return
    with pytest.raises(QuotaExhausted, match=f"^{reason}$") as refused:
        spend(usage(day, month), 1)
    assert (refused.value.reason, refused.value.usage) == (reason, usage(day, month))


def test_a_call_that_costs_nothing_spends_nothing_but_needs_a_unit_left() -> None:
    assert spend(usage(3, 4), 0) == usage(3, 4)
    with pytest.raises(QuotaExhausted):
        spend(usage(10, 50), 0)


def test_a_contract_that_was_cut_leaves_nothing_not_less() -> None:
    assert (usage(50, 500).remaining_day, usage(50, 500).remaining_month) == (0, 0)


def test_figures_are_read_as_they_were_stored(database_url: str) -> None:
    store = open_store(database_url)
    migrations.upgrade(store)
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    contracts = {"acme": SHANGHAI, "rival": Contract()}
    with store.writer.begin() as connection:
        before = contract.usages(contracts, now).ask(connection)
        assert before["acme"].used_day == before["acme"].used_month == 0
        write(connection, contract.figures([("acme", spend(before["acme"], 1))]))
        write(connection, contract.figures([("acme", spend(spend(before["acme"], 1), 1))]))
        after = contract.usages(contracts, now).ask(connection)
        tomorrow = contract.usages(contracts, now + timedelta(days=1)).ask(connection)
        december = contract.usages(contracts, now + timedelta(days=30)).ask(connection)
    store.close()
    assert (after["acme"].used_day, after["acme"].used_month) == (2, 2)
    assert (tomorrow["acme"].used_day, tomorrow["acme"].used_month) == (0, 2)
    assert (december["acme"].used_day, december["acme"].used_month) == (0, 0)
    assert after["rival"].used_day == 0


def test_the_headers_name_every_limit_and_what_is_left() -> None:
    limit = Limit(10, 25)
    headers = dict(rate_limit(limit, decide(limit, 0, 1), usage(3, 40)))
    assert headers == {
        "ratelimit-policy": '"burst";q=25;w=3, "day";q=10;w=86400, "month";q=100;w=2592000',
        "ratelimit": '"burst";r=24;t=1, "day";r=7, "month";r=60',
    }


def test_without_a_contracts_usage_the_headers_name_the_burst_alone() -> None:
    limit = Limit(10, 10)
    assert rate_limit(limit, decide(limit, 0, 1), None) == (
        ("ratelimit-policy", '"burst";q=10;w=1'),
        ("ratelimit", '"burst";r=9;t=1'),
    )
