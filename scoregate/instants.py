"""Instants as integers: microseconds since 1970-01-01T00:00:00Z. Pure and exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (moment - EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The instant, UTC."""
    return EPOCH + timedelta(microseconds=micros)
