"""A clock that a gateway in another process goes by, and that is moved from here."""

from __future__ import annotations

from datetime import datetime
from multiprocessing import get_context
from typing import Any

from gateway.server import wall_clock
from scoregate.instants import micros, moment


class MovedClock:
    """Shows true time until it is set, and from then on stands where it was set to.

    Given to a process that is being started, it goes on showing the same there.
    """

    def __init__(self) -> None:
        self._micros: Any = get_context("spawn").Value("q", 0)

    def __call__(self) -> datetime:
        """Now, UTC."""
        shown: int = self._micros.value
        return moment(shown) if shown else wall_clock()

    def set(self, at: datetime) -> None:
        """Stand there, in every process that has this clock."""
        self._micros.value = micros(at)
