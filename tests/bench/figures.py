"""The arithmetic of the bench: turns to figures, by round. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.turn import Turn

JOURNEY, BATCH = "GetScore", "BatchGetScores"
AIO, SYNC, PEER = "empty grpc.aio echo", "empty thread-pool echo", "FastAPI + ORM + PyJWT peer"
POSTGRES = "GetScore on PostgreSQL"
EMPTY, MILLION = "GetScore, empty database", "GetScore among a million"
FEW = "GetScore of a few among a million"
ONE, TWO = "GetScore, one process", "GetScore, two processes"
UNREAD, READ = "GetScore, pages idle", "GetScore, people read pages"


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm's turns, one a round."""

    turns: Sequence[Turn]
    items: int = 1  # answers in one call

    def cpu_us(self) -> list[float]:
        """Server processor time for each answer, µs, by round."""
        return [turn.server_cpu_seconds / self._count(turn) * 1e6 for turn in self.turns]

    def own_cpu_us(self) -> list[float]:
        """The same of the answering process alone, without its database's processes."""
        own = (turn.server_cpu_seconds - turn.database_cpu_seconds for turn in self.turns)
        return [used / self._count(turn) * 1e6 for used, turn in zip(own, self.turns, strict=True)]

    def per_second(self) -> list[float]:
        """Answers a second, by round."""
        return [self._count(turn) / turn.seconds for turn in self.turns]

    def busy(self) -> list[float]:
        """The share of its core that the server used, by round; of two processes it may reach two."""
        return [turn.server_cpu_seconds / turn.seconds for turn in self.turns]

    def answers(self) -> int:
        """All answers."""
        return sum(self._count(turn) for turn in self.turns)

    def refused(self) -> int:
        """All calls that were refused because their lender had too many under way; none is an answer."""
        return sum(turn.refused for turn in self.turns)

    def _count(self, turn: Turn) -> int:
        return len(turn.answers) * self.items


def quotients(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The spread of above / below, each within one round."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])


def percentile(values: Sequence[float], part: float) -> float:
    """The least of ``values`` that ``part`` of them do not exceed (nearest rank); of at least one."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a part of the bench found."""

    arms: dict[str, Arm] = field(default_factory=dict)
    figures: dict[str, Spread] = field(default_factory=dict)  # the keys of build/bench.json
    notes: dict[str, str] = field(default_factory=dict)  # how it was done, printed under the tables
    details: dict[str, Any] = field(default_factory=dict)  # more of build/bench.json
    durability: dict[str, dict[str, str]] = field(default_factory=dict)  # by store, as it says itself

    def __or__(self, other: Findings) -> Findings:
        """Both."""
        return Findings(
            self.arms | other.arms,
            self.figures | other.figures,
            self.notes | other.notes,
            self.details | other.details,
            self.durability | other.durability,
        )
