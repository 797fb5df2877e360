"""Between steps 5 and 6: an answer that shows a cell rests on the month's first, not on today's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from gateway.answer import Found
from gateway.audit.private import DataKey
from gateway.journey.inquiry import Inquiry
from gateway.thresholds import cells
from gateway.thresholds.cells import Cell
from gateway.thresholds.policy import TOLD_AS_CELL, in_its_cell
from scoring.service import Scored


def place(connection: Connection, inquiries: Sequence[Inquiry]) -> None:
    """Put each score that is told as a cell into the person's cell of this month.

    The look is an optimistic one: the ledger compares again under its lock.
    """
    unplaced = [
        (inquiry, found, outcome, cells.basis_of(outcome.epoch, found.grant.terms.excluded_families))
        for inquiry in inquiries
        if (found := inquiry.found) is not None
        and found.cell is None
        and found.query.ask.disclosure in TOLD_AS_CELL
        and isinstance(outcome := found.outcome, Scored)
    ]
    if not unplaced:
        return
    known = cells.known({cells.month_of(basis, f.grant.subject) for _, f, _, basis in unplaced}).ask(
        connection
    )
    for inquiry, found, scored, basis in unplaced:
        try:
            key, month = inquiry.consented.key, known[cells.month_of(basis, found.grant.subject)]
            outcome, cell = _placed(scored, basis, month, key)
            inquiry.found = Found(found.query, found.grant, outcome, cell)
        except Exception as error:  # it, and it alone
            inquiry.refuse(error)


def _placed(scored: Scored, basis: str, month: Mapping[str, Cell], key: DataKey) -> tuple[Scored, Cell]:
    """What the answer rests on, and the cell that says so."""
    cell = month.get(basis)
    if cell is not None:
        return cells.opened(cell, key), cell
    first = cells.resting_on(month, scored.families, key)
    outcome = in_its_cell(scored) if first is None else cells.opened(first, key)
    opening = Cell(
        scored.subject,
        basis,
        cells.sealed(outcome, key) if first is None else first.sealed,
        is_new=True,
        families=frozenset(outcome.families),
        repeats="" if first is None else first.basis,
        beside=frozenset(each.sealed.data for each in month.values()),
    )
    return outcome, opening
