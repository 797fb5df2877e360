"""Where the published log is struck: each point named by what has just happened, or is about to.

Three seams: the drivers' statements (``crashes.driver``), for what the database sees; the steps that the tree
names (``gateway.audit.tree.steps``); those that a witness names (``scoregate.witness.durable``). A campaign
breaks off, and names the point, when one doesn't come any more.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum

from gateway.audit.tree.steps import Step
from scoregate.witness import durable
from tests.prove.crashes.driver import COMMIT, LOCK
from tests.prove.crashes.points import Point, When


class Blow(StrEnum):
    """What happens there."""

    KILL = "kill -9"
    FULL = "ENOSPC"
    FAULT = "EIO"

    @property
    def errno(self) -> int:
        """What a disk says."""
        return errno.ENOSPC if self is Blow.FULL else errno.EIO


KILL, FULL, FAULT = Blow
DISK = (FULL, FAULT)
ALL = (KILL, *DISK)


class Room(StrEnum):
    """Who takes the step."""

    APPEND = "append"
    INTEGRATE = "integrate"
    PUBLISH = "publish"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True)
class Spot:
    """A point, and what can happen there: a disk refuses only where one is written to."""

    name: str
    room: Room
    at: Point | Step | durable.Step
    blows: tuple[Blow, ...] = (KILL,)
    most: int = 3  # the blow falls at one of so many occurrences

    def __str__(self) -> str:
        return self.name


def _statement(
    name: str,
    room: Room,
    when: When,
    act: str,
    *having: str,
    lacking: tuple[str, ...] = (),
    blows: tuple[Blow, ...] = (KILL,),
) -> Spot:
    return Spot(name, room, Point(name, when, act, having, lacking), blows)


_ENTRIES, _TREE, _TILES = "INSERT entries", "UPDATE log_tree", "INSERT log_tiles"
APPEND, INTEGRATE, PUBLISH, WITNESS = Room

OF_THE_LOG: tuple[Spot, ...] = (
    _statement("the ledger's lock is taken", APPEND, When.AFTER, LOCK),
    _statement("entries are to be written", APPEND, When.BEFORE, _ENTRIES, blows=DISK),
    _statement("entries are written", APPEND, When.AFTER, _ENTRIES),
    _statement("the log's head is moved", APPEND, When.AFTER, "UPDATE log_head"),
    _statement("entries are about to be committed", APPEND, When.BEFORE, COMMIT, _ENTRIES, blows=ALL),
    _statement("entries are being committed", APPEND, When.DURING, COMMIT, _ENTRIES),
    _statement("entries are committed, nobody knows", APPEND, When.AFTER, COMMIT, _ENTRIES),
    Spot("the stored tree is read", INTEGRATE, Step.READ),
    Spot("the tree is extended in memory", INTEGRATE, Step.EXTENDED),
    Spot("it is compared with what was signed last", INTEGRATE, Step.COMPARED),
    Spot("a checkpoint is signed in memory", INTEGRATE, Step.SIGNED),
    Spot("a checkpoint is drafted outside", INTEGRATE, Step.DRAFTED, ALL),
    Spot("the draft outside is durable", INTEGRATE, Step.SYNCED, ALL),
    Spot("the draft has its name, which may be lost", INTEGRATE, Step.REPLACED, ALL),
    Spot("a checkpoint is remembered outside", INTEGRATE, Step.REMEMBERED),
    _statement("the tree is to be swapped", INTEGRATE, When.BEFORE, _TREE, blows=DISK),
    Spot("the tree is swapped, not committed", INTEGRATE, Step.SWAPPED),
    _statement("tiles are to be written", INTEGRATE, When.BEFORE, _TILES, blows=DISK),
    Spot("tiles are written, not committed", INTEGRATE, Step.WRITTEN),
    _statement("the tree is about to be committed", INTEGRATE, When.BEFORE, COMMIT, _TILES, blows=DISK),
    _statement("the tree is being committed", INTEGRATE, When.DURING, COMMIT, _TILES),
    Spot("the tree is committed, no witness knows", INTEGRATE, Step.INTEGRATED),
    Spot("witnesses have signed, nobody has seen it", PUBLISH, Step.COSIGNED),
    Spot("signatures are entered, not committed", PUBLISH, Step.ENTERED),
    _statement(
        "signatures are about to be committed",
        PUBLISH,
        When.BEFORE,
        COMMIT,
        _TREE,
        lacking=(_TILES,),
        blows=DISK,
    ),
    Spot("a checkpoint is shown", PUBLISH, Step.SHOWN),
)

OF_A_WITNESS: tuple[Spot, ...] = (
    Spot("it may be cosigned", WITNESS, durable.Step.JUDGED, ALL),
    Spot("the one before is kept", WITNESS, durable.Step.REMEMBERED, ALL),
    Spot("the new one is drafted", WITNESS, durable.Step.DRAFTED, ALL),
    Spot("the new draft is durable", WITNESS, durable.Step.SYNCED, ALL),
    Spot("the new one is in its place, which may be lost", WITNESS, durable.Step.REPLACED, ALL),
    Spot("the new one is durable, nobody has the cosignature", WITNESS, durable.Step.DURABLE, ALL),
)

assert len({spot.name for spot in (*OF_THE_LOG, *OF_A_WITNESS)}) == len(OF_THE_LOG) + len(OF_A_WITNESS)


@dataclass(frozen=True, slots=True)
class Strike:
    """One run: what happens where, and the how-manieth time that the point is reached."""

    spot: Spot
    blow: Blow
    nth: int
    errors: int  # a disk refuses so often, then it is well again

    def __str__(self) -> str:
        return f"{self.blow}, {self.spot}"
