"""What the database itself says of a lender, by SQL beside the gateways: entries, meters, grants.

``Watch`` looks again and again while calls are under way, each time into one snapshot.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gateway.audit.log import read_head, read_leaves
from gateway.ledger.answers import answers
from gateway.quota.contract import quota_usage
from gateway.store import open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.proof import leaf
from tests.world import World

WATCH_SECONDS = 0.05  # between two looks
SNAPSHOT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


@dataclass(frozen=True, slots=True)
class Books:
    """A lender's entries, by index, and the figures that are kept of them."""

    released: dict[int, leaf_pb2.Leaf]
    refused: list[leaf_pb2.Leaf]
    replayed: list[leaf_pb2.Leaf]
    metered: dict[str, int]  # units used, by period
    kept: int  # first answers

    @property
    def units(self) -> int:
        """What all entries together cost."""
        return sum(entry.cost_units for entry in (*self.released.values(), *self.refused, *self.replayed))

    @property
    def charged(self) -> dict[str, int]:
        """What the entries say about each period; the meters must say the same."""
        return dict(Counter(period for entry in self.released.values() for period in entry.quota_periods))


def open_books(world: World, lenders: Sequence[str], begin: int = 0) -> dict[str, Books]:
    """These lenders' books; the entries are those from index ``begin`` on."""
    with world.reading() as connection:
        leaves = _leaves(connection, begin, read_head(connection).size)
        metered = connection.execute(sa.select(quota_usage)).all()
        kept = Counter(key.partition("/")[0] for key in connection.scalars(sa.select(answers.c.answer_key)))

    def entries(lender: str, kind: Any) -> dict[int, leaf_pb2.Leaf]:
        return {n: entry for n, entry in leaves.items() if (entry.partner_id, entry.kind) == (lender, kind)}

    return {
        each: Books(
            entries(each, leaf_pb2.LEAF_KIND_RELEASE),
            list(entries(each, leaf_pb2.LEAF_KIND_REFUSAL).values()),
            list(entries(each, leaf_pb2.LEAF_KIND_REPLAY).values()),
            {row.period: row.used for row in metered if row.partner_id == each},
            kept[each],
        )
        for each in lenders
    }


def unbalanced(world: World) -> Iterator[str]:
    """Why no verifier would accept the log as a whole, or that its costs are not the meters' figures."""
    try:
        world.require_balanced()
    except (AssertionError, leaf.LeafInvalid) as error:
        yield f"the log as a whole: {str(error) or 'its costs are not what the meters say'}"


def _leaves(connection: sa.Connection, begin: int, end: int) -> dict[int, leaf_pb2.Leaf]:
    return dict(enumerate(map(leaf.decode, read_leaves(connection, begin, end)), begin))


@dataclass(slots=True)
class Watch:
    """Whether a lender's meters and entries agreed, and neither was above its contract, at every look."""

    lender: str
    units: int
    looks: int = 0
    broken: list[str] = field(default_factory=list)
    _size: int = 0  # entries read so far
    _costs: int = 0

    @contextmanager
    def over(self, world: World) -> Iterator[None]:
        """While the block runs, and once more behind it."""
        enough = threading.Event()
        store = open_store(world.settings.database.url)

        def look() -> None:
            with store.reading() as connection:
                while not enough.wait(WATCH_SECONDS):
                    self._look(connection)
                self._look(connection)

        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(look)
            try:
                yield
            finally:
                enough.set()
                looking.result()
                store.close()

    def _look(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(SNAPSHOT[connection.dialect.name])
        size = read_head(connection).size
        new = _leaves(connection, self._size, size)
        used = sa.select(quota_usage.c.used).where(quota_usage.c.partner_id == self.lender)
        metered = set(connection.scalars(used))
        connection.exec_driver_sql("COMMIT")
        self._costs += sum(entry.cost_units for entry in new.values() if entry.partner_id == self.lender)
        self._size = size
        self.looks += 1
        if (metered or {0}) != {self._costs} or self._costs > self.units:
            self.broken.append(
                f"at size {size} meters of {sorted(metered)} units, entries of {self._costs}, "
                f"and a contract of {self.units}"
            )
