"""What a target is made of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.prove.fuzzers.mutation import Change

Take: TypeAlias = Callable[[bytes], bool]
"""Takes one input. True: accepted; False: refused as documented; whatever it raises is a fault."""


class BrokenRoundTrip(Exception):
    """What was taken is not spelled as it came."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target runs."""

    folder: Path  # its own; empty at first
    engine_folder: Path  # a trained scorecard


@dataclass(frozen=True, slots=True)
class Target:
    """One parser, or one door with all its methods."""

    name: str
    room: str  # the row of the table that it counts for
    open: Callable[[Place], Take]  # called once, in the process that fuzzes
    unguarded: Callable[[Place], Take]  # the control arm: a guard is off
    seeds: Callable[[], Iterable[bytes]]  # where mutation starts: golden vectors and valid messages
    share: int  # of the inputs, in thousandths
    most_bytes: int = 4_096
    words: tuple[str, ...] = ()  # that the format is made of
    change: Change | None = None  # a mutation that knows the format


def refusing(parse: Callable[[bytes], object], *documented: type[Exception]) -> Take:
    """A target out of a parser and the exceptions that it documents."""

    def take(data: bytes) -> bool:
        try:
            parse(data)
        except documented:
            return False
        return True

    return take


def each_of(*takes: Take) -> Take:
    """Gives an input to all of them; it is accepted if one of them accepts it."""

    def take(data: bytes) -> bool:
        accepted = [each(data) for each in takes]
        return any(accepted)

    return take


def anywhere(take: Take) -> Callable[[Place], Take]:
    """For a parser that needs no place."""
    return lambda _place: take


def require_same(spelled: object, came: object) -> None:
    """Return only if what was taken is spelled as it came."""
    if spelled != came:
        raise BrokenRoundTrip(f"{str(spelled)[:200]!r} where {str(came)[:200]!r} came")
