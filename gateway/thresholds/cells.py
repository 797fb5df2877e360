"""The cells that people are in this month, in SQL; sealed under each person's own key, and erased with it.

A row is found by the month and by the families that a consent leaves out. A lender chooses these, so they
open nothing by themselves: where a score of the same families was told as a cell in that month, the new row
repeats its seal. The row is kept all the same, so that a model that changes within the month, and with it the
families that scores rest on, finds every answer that was given before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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

MONTH = len("2026-11")
"""What every basis begins with."""

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
    # Of a new one alone:
    families: frozenset[Family] = frozenset()  # that its score rests on
    repeats: str = ""  # the basis of the one whose seal it repeats; empty: it has a seal of its own
    beside: frozenset[bytes] = frozenset()  # the seals of the month that were looked through

    @property
    def month(self) -> tuple[str, str]:
        """Whose month it is of."""
        return month_of(self.basis, self.subject)

    def is_first(self, month: Mapping[str, Cell]) -> bool:
        """Whether a new one may open, as its person's ``month`` stands now: it rests on what came first.

        Nothing is opened to tell. One that has come since it was looked for stops it, unless it is known to
        rest on other families.
        """
        if self.repeats:
            first = month.get(self.repeats)
            if first is None or first.sealed.data != self.sealed.data:
                return False  # a correction has forgotten it
        known = self.beside | {self.sealed.data}
        return all(
            each.sealed.data in known or (each.is_new and each.families != self.families)
            for each in month.values()
        )


Months = dict[tuple[str, str], dict[str, Cell]]
"""Cells by (month, subject), and there by basis."""


def basis_of(epoch: date, excluded: Iterable[InputFamily]) -> str:
    """The month, and the numbers of the families that are left out: "2026-11/5".

    A refresh within the month changes neither.
    """
    numbers = sorted(family.number for family in excluded)
    return f"{epoch.isoformat()[:MONTH]}/{','.join(map(str, numbers))}"


def month_of(basis: str, subject: str) -> tuple[str, str]:
    """The month of a basis, and whose it is."""
    return basis[:MONTH], subject


# Found by the person, whose few months lie side by side.
_cells = Select(
    "SELECT subject, basis, key_id, sealed FROM first_cells "
    "WHERE subject IN :subjects AND substr(basis, 1, 7) IN :months"
)
_keep = Write(first_cells)


def known(months: Iterable[tuple[str, str]]) -> Question[Months]:
    """All cells that are known of these (month, subject)."""
    asked = set(months)

    def read(rows: list[Row]) -> Months:
        found: Months = {each: {} for each in asked}
        for subject, basis, key_id, sealed in rows:
            cell = Cell(subject, basis, Sealed(key_id, sealed))
            if cell.month in found:  # else another person's month is asked about
                found[cell.month][basis] = cell
        return found

    subjects, names = {subject for _, subject in asked}, {month for month, _ in asked}
    return Question(read, _cells.of(subjects=list(subjects), months=list(names)))


def resting_on(month: Mapping[str, Cell], families: Iterable[Family], key: DataKey) -> Cell | None:
    """The cell of a person's month whose score rests on just these families; None: there is none.

    Raises:
        Unreadable: One is not sealed under this key.
    """
    wanted = frozenset(families)
    for basis in sorted(month):  # where an earlier version let several open, all that come rest on one
        if frozenset(opened(month[basis], key).families) == wanted:
            return month[basis]
    return None


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
