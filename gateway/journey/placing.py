"""Between steps 5 and 6: an answer that shows a cell rests on the month's first, not on today's score."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from gateway.answer import Found
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
        (inquiry, found, outcome, _name(found, outcome))
        for inquiry in inquiries
        if (found := inquiry.found) is not None
        and found.cell is None
        and found.query.ask.disclosure in TOLD_AS_CELL
        and isinstance(outcome := found.outcome, Scored)
    ]
    if not unplaced:
        return
    known = cells.known({name for *_, name in unplaced}).ask(connection)
    for inquiry, found, scored, (basis, subject) in unplaced:
        try:
            key, cell = inquiry.consented.key, known.get((basis, subject))
            if cell is None:
                outcome = in_its_cell(scored)
                cell = Cell(subject, basis, cells.sealed(outcome, key), is_new=True)
            else:
                outcome = cells.opened(cell, key)
            inquiry.found = Found(found.query, found.grant, outcome, cell)
        except Exception as error:  # it, and it alone
            inquiry.refuse(error)


def _name(found: Found, outcome: Scored) -> tuple[str, str]:
    return cells.basis_of(outcome.epoch, found.grant.terms.excluded_families), found.grant.subject
