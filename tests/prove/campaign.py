"""What a campaign is given, and what it finds. One finding is one row of `make prove`'s table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@dataclass(frozen=True, slots=True)
class Finding:
    """A law, tried so many times on one store, beside a control arm with its guard off.

    A control arm without a violation means that the campaign could not have seen one; so does an
    outcome that never occurred, for then the race was never run.
    """

    law: str
    store: str  # SQLITE, POSTGRESQL, or "" where none takes part
    runs: int
    violations: int
    control: str  # what was switched off
    control_runs: int
    control_violations: int
    outcomes: Mapping[str, int] = field(default_factory=dict)  # each of which must have occurred
    figures: Mapping[str, float] = field(default_factory=dict)  # what was measured, unit in the name
    evidence: tuple[str, ...] = ()  # a line for each of the first violations: how to see it again

    @property
    def holds(self) -> bool:
        """Whether the law was kept, and a breach would have been seen."""
        seen = self.control_violations > 0 and all(self.outcomes.values())
        return self.runs > 0 and self.violations == 0 and seen


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a campaign runs, and at what size."""

    full: bool
    seed: int
    folder: Path  # of this campaign's own, on a real disk; empty at first
    engine_folder: Path  # a trained scorecard
    new_database: Callable[[str], str]  # a store's name → the URL of a fresh database
    stores: tuple[str, ...]
    step: Callable[[str, int, int], None]  # what, how many are done, of how many

    def size(self, *, full: int, small: int) -> int:
        """How many runs: all of them, or as many as a test run can afford."""
        return full if self.full else small


Campaign = Callable[[Stage], Iterator[Finding]]
"""Yields a finding as soon as it has one. What it starts, it ends."""
