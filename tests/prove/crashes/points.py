"""Where a gateway is struck dead: each point is named by what has just happened, as its database sees it.

A point is a statement that a driver is about to be told, is being told, or has been told, in a transaction
that holds certain others: table names, BEGIN and COMMIT outlive how the code around them is cut. Adapt this
one table where they change: a campaign breaks off, and names the point, when one doesn't come any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.prove.campaign import POSTGRESQL, SQLITE
from tests.prove.crashes.driver import COMMIT, LOCK


class When(StrEnum):
    """The blow falls."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Errand(StrEnum):
    """What the callers are about meanwhile."""

    QUERIES = "queries"  # of both methods, replays among them, two rivals for each one-time grant
    ALONE = "queries of one caller, one after the other"
    BATCH = "one batch after the other, and nothing beside"
    REVOCATION = "queries while the operator revokes the consent that they rest on"
    TURN = "queries while the operator turns the key"
    START = "nothing: the gateway is only starting"
    SWEEP = "a query now and then, a day after many answers were kept"


CHECKPOINT = "CHECKPOINT"
"""SQLite has moved its write-ahead log into the file: an act, though nobody said it."""

WIRE, CALLER = "WIRE", "CALLER"
"""An answer has left the process, and goes no further; has come to whoever asked. Struck from outside."""

BOTH = (SQLITE, POSTGRESQL)
ONCE = (1, 1)


@dataclass(frozen=True, slots=True)
class Point:
    """A moment in a gateway's life."""

    name: str
    when: When
    act: str  # as ``driver.act_of`` says it
    having: tuple[str, ...] = ()  # acts of the same transaction that came before
    lacking: tuple[str, ...] = ()  # acts that did not
    errand: Errand = Errand.QUERIES
    occurrence: tuple[int, int] = (1, 12)  # the blow falls at one of these, the first being 1
    stores: tuple[str, ...] = BOTH

    @property
    def is_outside(self) -> bool:
        """Whether the process itself can't tell."""
        return self.act in {WIRE, CALLER}


_RELEASED = ("INSERT answers",)


def _change(name: str, act: str, errand: Errand) -> tuple[Point, Point]:
    """Both sides of the COMMIT of a change that has a transaction of its own."""
    return (
        Point(f"{name} is written, not committed", When.BEFORE, COMMIT, (act,), _RELEASED, errand, ONCE),
        Point(f"{name} is committed, nobody knows", When.AFTER, COMMIT, (act,), _RELEASED, errand, ONCE),
    )


POINTS: tuple[Point, ...] = (
    Point("the ledger's lock is taken", When.AFTER, LOCK),
    Point("first answers are kept", When.AFTER, "INSERT answers"),
    Point("uses of grants are counted, one-time grants used up", When.AFTER, "UPDATE standings"),
    Point("the quota is debited", When.AFTER, "INSERT quota_usage"),
    Point("entries are written", When.AFTER, "INSERT entries"),
    Point("private parts are written", When.AFTER, "INSERT private_parts"),
    Point("the log's head is moved", When.AFTER, "UPDATE log_head"),
    Point("the lenders' sequences are moved", When.AFTER, "UPDATE partners"),
    Point("COMMIT is about to be sent", When.BEFORE, COMMIT, _RELEASED),
    Point("COMMIT is under way", When.DURING, COMMIT, _RELEASED),
    Point("COMMIT has returned, nobody knows", When.AFTER, COMMIT, _RELEASED),
    Point("an answer is on the wire", When.AFTER, WIRE),
    Point("an answer has come to its caller", When.AFTER, CALLER),
    Point("a batch is between two chunks", When.AFTER, COMMIT, _RELEASED, (), Errand.BATCH, ONCE),
    Point("a batch's second chunk is written", When.BEFORE, COMMIT, _RELEASED, (), Errand.BATCH, (2, 2)),
    *_change("a revocation", "UPDATE standings", Errand.REVOCATION),
    *_change("a key's turn", "INSERT signing_keys", Errand.TURN),
    *_change("the start's own entry", "INSERT entries", Errand.START),
    *_change("a sweep of old answers", "DELETE answers", Errand.SWEEP),
    Point("the WAL is being written back", When.DURING, CHECKPOINT, occurrence=ONCE, stores=(SQLITE,)),
    Point("the WAL was written back", When.AFTER, CHECKPOINT, occurrence=ONCE, stores=(SQLITE,)),
)

assert len({point.name for point in POINTS}) == len(POINTS)
