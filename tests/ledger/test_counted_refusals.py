"""Calls that were turned away are counted once, however late the ledger gets round to it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from gateway.audit.private import Vault
from gateway.gate import Gate
from gateway.ledger import Ledger, LedgerUnavailable
from gateway.query import GET_SCORE
from gateway.quota.burst import Admission
from scoregate.audit.v1 import leaf_pb2
from tests.ledger.conftest import MASTER, Books


class Late:
    """A ledger whose turns the test takes: at first nobody's patience is enough."""

    def __init__(self, books: Books) -> None:
        self.is_late = True
        self.ledger = Ledger(books.open(), Vault(MASTER), clock=lambda: books.now, wait=self._wait)
        books.closing.callback(self.ledger.close)

    def _wait(self, told: Future[Any], seconds: float | None) -> Any:
        del seconds
        if self.is_late:
            raise TimeoutError
        while not told.done():
            self.ledger.turn()
        return told.result()


@pytest.fixture
def late(books: Books) -> Late:
    return Late(books)


@pytest.fixture
def gate(books: Books, late: Late) -> Gate:
    admission = Admission(max_in_flight=1, monotonic_us=lambda: 0)
    return Gate(books.store, late.ledger, admission, clock=lambda: books.now)


def counted(books: Books) -> int:
    kind = leaf_pb2.LEAF_KIND_COUNTED_REFUSALS
    return sum(leaf.count for leaf in books.leaves() if leaf.kind == kind)


@pytest.mark.parametrize("turns", [0, 1])
def test_a_flush_that_nobody_waited_for_counts_no_call_twice(
    books: Books, late: Late, gate: Gate, turns: int
) -> None:
    gate.turn_away(b"", GET_SCORE, is_own_crowd=False)
    with pytest.raises(LedgerUnavailable):
        gate.flush()
    for _ in range(turns):
        late.ledger.turn()  # what nobody waits for any more is done all the same

    late.is_late = False
    gate.flush()
    gate.flush()

    assert counted(books) == 1


def test_calls_that_were_turned_away_meanwhile_are_counted_too(books: Books, late: Late, gate: Gate) -> None:
    gate.turn_away(b"", GET_SCORE, is_own_crowd=False)
    with pytest.raises(LedgerUnavailable):
        gate.flush()
    gate.turn_away(b"", GET_SCORE, is_own_crowd=False)
    late.ledger.turn()

    late.is_late = False
    gate.flush()
    gate.flush()

    assert counted(books) == 2
