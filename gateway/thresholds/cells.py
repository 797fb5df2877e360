"""The cells that people are in this month, in SQL; sealed under each person's own key, and erased with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent.sql import Question, Row, Select, Write, Writing
from gateway.audit.private import DataKey, Sealed, data_keys
from gateway.store import metadata
from scoregate.values import value
from scoregate.words import InputFamily
from scoring.service import Family, Scored

KEPT = timedelta(days=400)
"""How long cells of months that are over stay."""

first_cells = sa.Table(
    "first_cells",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("basis", sa.String(40), primary_key=True),
    sa.Column("key_id", sa.String(32), sa.ForeignKey(data_keys.c.key_id), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Index("ix_first_cells_basis", "basis"),  # the sweep is in a hurry: it holds the lock
    sqlite_with_rowid=False,
)


@value
class Cell:
    """What all of a person's answers in cells rest on, for one basis."""

    subject: str
    basis: str
    sealed: Sealed
    is_new: bool = False  # of this very answer, unless another one turns out to be first

    @property
    def name(self) -> tuple[str, str]:
        """Under which it is kept."""
        return self.basis, self.subject


def basis_of(epoch: date, excluded: Iterable[InputFamily]) -> str:
    """The month, and the numbers of the families that are left out: "2026-11/5".

    A refresh within the month changes neither.
    """
    numbers = sorted(family.number for family in excluded)
    return f"{epoch:%Y-%m}/{','.join(map(str, numbers))}"


_cells = Select(
    "SELECT subject, basis, key_id, sealed FROM first_cells WHERE (basis, subject) IN PAIRS :names"
)
_keep = Write(first_cells)


def known(names: Iterable[tuple[str, str]]) -> Question[dict[tuple[str, str], Cell]]:
    """The cells that are known of these (basis, subject)."""
    return Question(_read, _cells.of(names=list(names)))


def _read(rows: list[Row]) -> dict[tuple[str, str], Cell]:
    return {
        (basis, subject): Cell(subject, basis, Sealed(key_id, sealed))
        for subject, basis, key_id, sealed in rows
    }


def kept(new: Iterable[Cell]) -> Writing:
    """First cells, to be written under the head lock, with names that were found free there."""
    return _keep.of([(cell.subject, cell.basis, cell.sealed.key_id, cell.sealed.data) for cell in new])


def forget(connection: Connection, subject: str) -> int:
    """Let the person's next answers rest on a score again; returns how many cells are forgotten."""
    return connection.execute(sa.delete(first_cells).where(first_cells.c.subject == subject)).rowcount


def sweep(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` cells of months that nobody is asked about any more; returns how many.

    A person's newest month stays, however old: an engine may have had no later epoch.
    """
    begins, later = f"{now - KEPT:%Y-%m}", first_cells.alias()
    months = [sa.func.substr(each.c.basis, 1, len(begins)) for each in (first_cells, later)]
    is_over = sa.exists().where(later.c.subject == first_cells.c.subject, months[1] > months[0])
    names = sa.tuple_(first_cells.c.subject, first_cells.c.basis)
    old = sa.select(first_cells.c.subject, first_cells.c.basis).where(first_cells.c.basis < begins, is_over)
    return connection.execute(sa.delete(first_cells).where(names.in_(old.limit(limit)))).rowcount


def sealed(outcome: Scored, key: DataKey) -> Sealed:
    """An outcome in its cell, as it is kept."""
    families = [family.value for family in outcome.families]
    facts = [outcome.epoch.isoformat(), outcome.score, outcome.reason_codes, families, outcome.model]
    return key.seal(json.dumps(facts).encode())


def opened(cell: Cell, key: DataKey) -> Scored:
    """What was kept.

    Raises:
        Unreadable: Not sealed under this key.
    """
    epoch, score, reasons, families, model = json.loads(key.open(cell.sealed))
    families = tuple(Family(number) for number in families)
    return Scored(cell.subject, date.fromisoformat(epoch), score, tuple(reasons), families, model)
