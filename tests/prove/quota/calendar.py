"""The model's own calendar: the offset added to UTC, and nothing else. Pure.

It knows which period an instant falls into, and which midnights are worth a visit: the ends of months and of
years, and those of days without 24 hours, wherever a zone has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from scoregate.words import CalendarUnit

ZONES = (
    "America/Santiago",  # its summer begins at a midnight that is skipped
    "Australia/Lord_Howe",  # its summer is half an hour
    "Asia/Kolkata",  # UTC+5:30
    "America/New_York",
    "Pacific/Apia",
    "Europe/London",
    "UTC",
    "Africa/Cairo",
    "America/Havana",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Kathmandu",  # UTC+5:45
    "Asia/Shanghai",
    "Asia/Tehran",
    "Pacific/Chatham",
    "Pacific/Kiritimati",  # UTC+14
    "Pacific/Marquesas",
)
FEW_ZONES = ZONES[:2]
INSTANT, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Midnight:
    """The first instant of a local day."""

    zone: str
    at: datetime  # UTC
    why: str  # what makes it worth a visit


def today(at: datetime, zone: str) -> date:
    """The local day that holds an instant."""
    return (at + (at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta())).date()


def period(unit: CalendarUnit, at: datetime, zone: str) -> str:
    """The name of the period that holds an instant; for days and months it is that of the log's entries."""
    day = today(at, zone)
    if unit is CalendarUnit.WEEK:
        return f"the week of {day - timedelta(days=day.weekday())}"
    letters = {CalendarUnit.DAY: 10, CalendarUnit.MONTH: 7, CalendarUnit.YEAR: 4}[unit]
    return f"{day}"[:letters]


def midnights(zones: Sequence[str], begin: datetime, ahead: timedelta) -> list[list[Midnight]]:
    """Every midnight that is worth a visit, in order; those of several zones that fall together, together."""
    found = sorted(
        (each for zone in zones for each in _of_zone(zone, begin, ahead)),
        key=lambda each: (each.at, each.zone),
    )
    return [list(together) for _, together in groupby(found, key=lambda each: each.at)]


def first_of_each_kind(found: Sequence[Sequence[Midnight]]) -> list[list[Midnight]]:
    """Fewer: the first for each reason."""
    seen, few = set[str](), list[list[Midnight]]()
    for together in found:
        if any(each.why not in seen for each in together):
            few.append(together)
        seen |= {each.why for each in together}
    return few


def _of_zone(zone: str, begin: datetime, ahead: timedelta) -> Iterator[Midnight]:
    hours = [begin.replace(minute=0, second=0, microsecond=0) + n * HOUR for n in range(ahead // HOUR)]
    found = [_between(a, b, zone) for a, b in pairwise(hours) if today(a, zone) != today(b, zone)]
    for before, at, after in zip(found, found[1:], found[2:], strict=False):
        odd = sorted({at - before, after - at} - {DAY})
        if odd:
            yield Midnight(zone, at, f"beside a day of {' or '.join(f'{each / HOUR:g}' for each in odd)} h")
        elif today(at, zone).day == 1:
            yield Midnight(zone, at, "end of a year" if today(at, zone).month == 1 else "end of a month")


def _between(a: datetime, b: datetime, zone: str) -> datetime:
    """The first instant of the day of ``b``, which begins behind ``a``."""
    while b - a > INSTANT:
        middle = a + (b - a) / 2
        a, b = (middle, b) if today(middle, zone) == today(a, zone) else (a, middle)
    return b
