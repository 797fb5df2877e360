"""A consent whose time is up is recorded as ended: once, and by whichever gateway comes first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from consent import register
from consent.grant import Change, State
from gateway.server.housekeeping import Windows
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import CalendarUnit
from tests.agreed import ONE_TIME, periodic
from tests.ledger.conftest import Books

OFTEN = periodic(9, CalendarUnit.DAY)


def state(books: Books, consent_id: str) -> State:
    with books.store.reading() as connection:
        return register.entry(connection, consent_id).grant.state


@pytest.mark.parametrize("many", [1, 250])
def test_whatever_is_open_when_its_time_is_up_ends_once(books: Books, many: int) -> None:
    acme = books.caller()
    opened = [books.grant(acme, terms=OFTEN) for _ in range(many)]
    paused, revoked, used = books.grant(acme), books.grant(acme), books.grant(acme, terms=ONE_TIME)
    books.change(paused, Change.PAUSE)
    books.change(revoked, Change.REVOKE)
    books.submit(books.release(acme, used))
    first, second = Windows(books.store), Windows(books.store)
    before = len(books.leaves())

    assert first.close_overdue(books.ledger) == 0
    books.now = opened[0].expires_at - timedelta(microseconds=1)
    assert first.close_overdue(books.ledger) == 0
    books.now += timedelta(seconds=1)
    later = books.grant(acme, terms=OFTEN)
    assert first.close_overdue(books.ledger) == many + 1
    assert first.close_overdue(books.ledger) == second.close_overdue(books.ledger) == 0

    ended = books.leaves()[before:]
    assert [leaf.kind for leaf in ended] == [leaf_pb2.LEAF_KIND_CONSENT_EXPIRED] * (many + 1)
    assert state(books, opened[-1].consent_id) is state(books, paused.consent_id) is State.EXPIRED
    assert state(books, revoked.consent_id) is State.REVOKED
    assert state(books, used.consent_id) is State.CONSUMED
    assert state(books, later.consent_id) is State.ACTIVE
