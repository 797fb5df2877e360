"""What the head lock means: time, and who is served, are decided under it and not before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from consent.grant import Change
from consent.sql import write
from gateway.audit.log import log_head
from gateway.ledger import Denied, LedgerBusy, Overtaken, Refusal, Released, Stale, Transaction
from gateway.thresholds import cells
from gateway.thresholds.cells import Cell
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros
from scoring.service import Family
from tests.agreed import ONE_TIME
from tests.ledger.conftest import Books


class Unheard(BaseException):
    """What nobody expects, such as a panic of an extension module."""


@contextmanager
def held(books: Books) -> Iterator[None]:
    """Somebody else holds the head."""
    with books.store.writer.connect() as other:
        transaction = other.begin()
        other.execute(sa.select(log_head).with_for_update())
        yield
        transaction.rollback()


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin some work; what is returned waits for its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()

    def wait() -> Any:
        thread.join(20)
        return results[0]

    return wait


def test_a_consent_that_ends_while_the_lock_is_awaited_gives_nothing(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=replace(ONE_TIME, valid_for=timedelta(minutes=1)))
    release = books.release(acme, grant)
    with held(books):
        wait = in_background(lambda: books.submit(release))
        threading.Event().wait(0.3)  # it stands before the lock by now
        books.now += timedelta(minutes=2)
    [outcome] = wait()
    assert isinstance(outcome, Denied)
    assert outcome.reason == "CONSENT_EXPIRED"
    assert books.leaves()[-1].time_micros >= micros(grant.expires_at)


def test_a_change_goes_before_the_scores_that_came_before_it(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    releases = [books.release(acme, grant) for _ in range(3)]
    with held(books):
        first = in_background(lambda: books.ledger.change(lambda _: None))  # the ledger is busy with it
        threading.Event().wait(0.2)
        waits = [in_background(lambda r=release: books.submit(r)) for release in releases]
        threading.Event().wait(0.2)
        revoked = in_background(lambda: books.change(grant, Change.REVOKE))
        threading.Event().wait(0.2)
    first()
    revoked()
    outcomes = [wait()[0] for wait in waits]
    assert [getattr(outcome, "reason", "released") for outcome in outcomes] == ["CONSENT_REVOKED"] * 3


def test_more_calls_than_may_wait_are_refused_at_once(books: Books) -> None:
    acme = books.caller()
    refusal = Refusal("/a.B/C", acme, "FIELD_INVALID")
    small = books.new_ledger(max_waiting=2)
    with held(books):
        waits = [in_background(lambda: small.submit([refusal]))]
        threading.Event().wait(0.2)  # the first one is being worked on, and waits for the lock
        waits += [in_background(lambda: small.submit([refusal])) for _ in range(2)]
        threading.Event().wait(0.2)
        with pytest.raises(LedgerBusy):
            small.submit([refusal])
    assert [len(wait()) for wait in waits] == [1, 1, 1]


@pytest.mark.parametrize("changed", ["signing_kid", "log_origin"])
def test_what_was_signed_for_another_key_or_log_is_signed_again(books: Books, changed: str) -> None:
    acme = books.caller()
    release = books.release(acme, books.grant(acme))
    [outcome] = books.submit(replace(release, **{changed: "another"}))
    assert isinstance(outcome, Stale)
    [outcome] = books.submit(release)
    assert isinstance(outcome, Released)


def test_whatever_goes_wrong_the_ledger_goes_on(books: Books) -> None:
    def fall(tx: Transaction) -> None:
        tx.append(leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_KEY_CHANGED, actor="gateway"))
        raise Unheard

    before = books.leaves()
    with pytest.raises(Unheard):
        books.ledger.change(fall)
    assert books.leaves() == before
    acme = books.caller()
    [outcome] = books.submit(books.release(acme, books.grant(acme)))
    assert isinstance(outcome, Released)


def test_a_cell_that_another_process_opened_meanwhile_stops_a_new_one(books: Books) -> None:
    acme = books.caller()
    release = books.release(acme, books.grant(acme))
    history = frozenset({Family.HISTORY})
    first, mine = (
        Cell("uci-00001", f"2026-11/{left_out}", release.answer, is_new=True, families=history)
        for left_out in ("", "5")
    )
    with books.store.writer.begin() as other:
        write(other, cells.kept([first]))
    mine = replace(mine, sealed=replace(mine.sealed, data=b"another score"))
    [outcome] = books.submit(replace(release, cell=mine))
    assert isinstance(outcome, Overtaken)
    [outcome] = books.submit(replace(release, cell=replace(mine, beside=frozenset({first.sealed.data}))))
    assert isinstance(outcome, Released)
    with books.store.reading() as connection:
        [kept] = cells.known([mine.month]).ask(connection).values()
    assert {basis: cell.sealed.data for basis, cell in kept.items()} == {
        "2026-11/": first.sealed.data,
        "2026-11/5": b"another score",
    }
