"""Times, as whoever types a command writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

_WHEN = "YYYY-MM-DD, which is its midnight UTC, or an instant with its zone such as 2026-03-01T09:00:00Z"


def instant(text: str) -> datetime:
    """Reads an instant; a day is its first, in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if len(text) == len("YYYY-MM-DD"):
        found = found.replace(tzinfo=UTC)
    if found.tzinfo is None or not 2000 <= found.year <= 2200:
        raise typer.BadParameter(f"{text!r} is no time of this era: {_WHEN}.")
    return found.astimezone(UTC)
