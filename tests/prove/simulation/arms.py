"""The arms of the campaign: the gateway as it is, and three with something planted that plays must see."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.ledger import Guards
from tests.prove.simulation.ground import Ground, lay
from tests.prove.simulation.play import Played, play

MEMORY = Path("/dev/shm")  # noqa: S108  # where there is one: no fault here is the disk's own
QUIET = 50
GUARDS = Guards()


@dataclass(frozen=True, slots=True)
class Arm:
    """What is played with."""

    guards: Guards = GUARDS
    lost: float = 0.0  # of COMMITs that were acknowledged


GUARDED = "guarded"
ARMS = {
    GUARDED: Arm(),
    "recheck": Arm(Guards(recheck=False)),
    "debit": Arm(Guards(debit_under_lock=False)),
    "store": Arm(lost=0.02),
}
"""By what is switched off: consent and partner checked again under the lock; the debit under it; a store that
keeps what it has acknowledged."""


@contextmanager
def grounds() -> Iterator[tuple[Ground, Path]]:
    """An installation, and a folder to play in; both are gone with the block."""
    chosen = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=chosen, prefix="scoregate-simulation-") as name:
        folder = Path(name)
        yield lay(folder), folder


def play_arm(ground: Ground, folder: Path, arm: str, seed: int) -> Played:
    """One seed of one arm. What the gateway would log stays unsaid."""
    chosen, before = ARMS[arm], structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET))
    try:
        return play(ground, seed, folder, guards=chosen.guards, lost=chosen.lost)
    finally:
        structlog.configure(**before)
