"""The campaign, small; and the model's calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from scoregate.words import CalendarUnit
from tests.prove.campaign import POSTGRESQL, SQLITE, Stage
from tests.prove.quota import quota
from tests.prove.quota.calendar import period
from tests.prove.quota.contracts import zone_at_noon


@pytest.mark.alone
def test_quota_is_what_contracts_and_grants_say_on_either_store(stage: Stage) -> None:
    found = list(quota(stage))

    assert [finding for finding in found if not finding.holds] == []
    assert [finding.store for finding in found] == [SQLITE] * 5 + [POSTGRESQL] * 5


@pytest.mark.parametrize(
    ("at", "zone", "day", "week"),
    [
        # By the published rules of each zone, worked out by hand.
        ("2026-03-08T04:59:59.999999", "America/New_York", "2026-03-07", "the week of 2026-03-02"),
        ("2026-03-08T05:00:00", "America/New_York", "2026-03-08", "the week of 2026-03-02"),
        ("2026-03-09T04:00:00", "America/New_York", "2026-03-09", "the week of 2026-03-09"),  # after 23 hours
        ("2026-04-05T13:29:59", "Australia/Lord_Howe", "2026-04-05", "the week of 2026-03-30"),
        ("2026-04-05T13:30:00", "Australia/Lord_Howe", "2026-04-06", "the week of 2026-04-06"),  # after 24½
        ("2026-12-31T18:15:00", "Asia/Kathmandu", "2027-01-01", "the week of 2026-12-28"),
        ("2026-12-31T10:00:00", "Pacific/Kiritimati", "2027-01-01", "the week of 2026-12-28"),
    ],
)
def test_the_models_calendar_is_that_on_the_wall(at: str, zone: str, day: str, week: str) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert period(CalendarUnit.DAY, instant, zone) == day
    assert period(CalendarUnit.WEEK, instant, zone) == week
    assert period(CalendarUnit.MONTH, instant, zone) == day[:7]
    assert period(CalendarUnit.YEAR, instant, zone) == day[:4]


@pytest.mark.parametrize("hour", [0, 11, 12, 13, 23])
def test_in_the_zone_of_a_round_it_is_noon(hour: int) -> None:
    now = datetime(2026, 11, 23, hour, 30, tzinfo=UTC)

    assert now.astimezone(ZoneInfo(zone_at_noon(now))).hour == 12
