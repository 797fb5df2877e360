"""A clock that was ahead is set right: the ledger's time is the clock's, or an entry's that is there."""

from __future__ import annotations

from datetime import timedelta

from gateway.ledger import Refusal
from gateway.query import GET_SCORE
from tests.ledger.conftest import Books

HOUR = timedelta(hours=1)


def test_a_change_without_an_entry_leaves_no_time_behind(books: Books) -> None:
    right = books.now
    books.now = right + HOUR
    books.ledger.change(lambda _: None)
    books.now = right

    assert books.ledger.now() == right


def test_an_entry_leaves_its_time_behind(books: Books) -> None:
    acme = books.caller()
    right = books.now
    books.now = right + HOUR
    books.ledger.submit([Refusal(GET_SCORE, acme, "FIELD_INVALID")])
    books.now = right

    assert books.ledger.now() == right + HOUR
