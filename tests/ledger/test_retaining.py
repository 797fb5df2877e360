"""What entries say about people is kept for as long as their purpose lets it, and what is needed longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from consent.grant import Change, Grant
from consent.register.disputes import DisputeKind
from gateway import decisions, erasing, retention
from gateway.audit import persons
from gateway.audit.log import private_parts
from gateway.audit.private import LOG, Sealed
from gateway.ledger import Transaction
from gateway.query import Caller
from gateway.retention import OTHER, Schedule
from gateway.settings.schema import Retention
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import CalendarUnit, Purpose
from tests.agreed import periodic
from tests.ledger.conftest import Books

ADA, BOB = "uci-00001", "uci-00002"
KEPT: Schedule = retention.schedule(
    Retention(prequalification_days=30, credit_application_days=100, other_days=200)
)
SECOND = timedelta(seconds=1)


def add(books: Books, purpose: Purpose | None, subject: str = ADA, consent_id: str = "") -> int:
    """An entry about somebody, for a purpose; returns its index."""

    def write(tx: Transaction) -> int:
        leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_OFFICER_READ, purpose=purpose.number if purpose else 0)
        part = leaf_pb2.PrivatePart(subject=subject, consent_id=consent_id)
        return tx.append(leaf, tx.bind(part, partner_id="acme")).leaf_index

    return books.ledger.change(write)


def run(books: Books) -> int:
    return retention.run(books.store, books.ledger, books.vault, KEPT, now=books.now)


def counted(books: Books) -> dict[str, tuple[int, int]]:
    """(due, held) of the purposes that have some."""
    tallies = retention.tally(books.store, books.vault, KEPT, now=books.now)
    assert [each.purpose for each in tallies] == [*Purpose, OTHER]
    return {each.purpose: (each.due, each.held) for each in tallies if each.due or each.held}


def there(books: Books) -> list[int]:
    """The entries whose private parts are there, but for redactions."""
    with books.store.reading() as connection:
        log = books.vault.fresh(connection, [LOG]).get(LOG)
        query = sa.select(private_parts.c.leaf_index, private_parts.c.key_id)
        rows = connection.execute(query.order_by(private_parts.c.leaf_index)).all()
    return [row.leaf_index for row in rows if log is None or row.key_id != log.key_id]


def listed(books: Books) -> list[int]:
    """What the REDACTED entries list, all of them."""
    found = list[int]()
    with books.store.reading() as connection:
        key = books.vault.fresh(connection, [LOG])[LOG]
        rows = connection.execute(sa.select(private_parts).where(private_parts.c.key_id == key.key_id))
        for row in rows.all():
            part, _ = key.unbind(Sealed(row.key_id, row.sealed))
            at = 0
            for gap in leaf_pb2.PrivatePart.FromString(part).redacted:
                at += gap
                found.append(at)
    return sorted(found)


def test_each_purpose_has_a_time_of_its_own_to_the_second(books: Books) -> None:
    short, long, other = add(books, Purpose.PREQUALIFICATION), add(books, Purpose.CREDIT_APPLICATION), 2
    assert add(books, None) == other
    persons.catch_up(books.store)
    began = books.now
    for days, purpose, left in (
        (30, Purpose.PREQUALIFICATION, [long, other]),
        (100, Purpose.CREDIT_APPLICATION, [other]),
        (200, OTHER, []),
    ):
        before = there(books)
        books.now = began + timedelta(days=days) - SECOND
        assert counted(books) == {}
        assert run(books) == 0
        assert there(books) == before
        books.now += SECOND
        assert counted(books) == {purpose: (1, 0)}
        assert run(books) == 1
        assert there(books) == left
    last = books.leaves()[-1]
    assert (last.kind, last.reason, last.actor, last.count) == (
        leaf_pb2.LEAF_KIND_REDACTED,
        "RETENTION_ENDED",
        "gateway",
        1,
    )
    assert listed(books) == [short, long, other]
    with books.store.reading() as connection:
        assert persons.entries_about(connection, books.vault, ADA, limit=9).entries == ()
        assert connection.execute(sa.select(persons.person_entries)).all() == []
    assert run(books) == 0


def test_an_open_dispute_holds_all_that_is_about_its_person(books: Books) -> None:
    mine, other = add(books, Purpose.PREQUALIFICATION), add(books, Purpose.PREQUALIFICATION, BOB)
    dispute = books.ledger.change(
        lambda tx: decisions.open_dispute(tx, ADA, DisputeKind.DISPUTE, "Not me.", actor="consumer")
    )
    books.now += timedelta(days=31)
    assert counted(books) == {"PREQUALIFICATION": (1, 1)}
    assert run(books) == 1
    assert other not in there(books)
    assert mine in there(books)
    books.ledger.change(
        lambda tx: decisions.resolve_dispute(tx, dispute.reference, "Done.", actor="operator")
    )
    assert counted(books) == {"PREQUALIFICATION": (1, 0)}
    assert run(books) == 1
    assert mine not in there(books)


def test_a_dispute_that_is_opened_after_the_look_holds_it_too(books: Books) -> None:
    mine = add(books, Purpose.PREQUALIFICATION)
    books.now += timedelta(days=31)
    [chunk] = list(retention._over(books.store, books.vault, KEPT, books.now))
    assert [part.is_held for part in chunk] == [False]
    books.ledger.change(
        lambda tx: decisions.open_dispute(tx, ADA, DisputeKind.REVIEW, "Look again.", actor="consumer")
    )
    assert books.ledger.change(lambda tx: retention._erase(tx, chunk)) == 0
    assert mine in there(books)


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_running_consent_holds_what_concerns_it_and_nothing_else(books: Books, end: str) -> None:
    acme = books.caller()
    grant = grant_for_long(books, acme)
    held = add(books, Purpose.PREQUALIFICATION, consent_id=grant.consent_id)
    free = add(books, Purpose.PREQUALIFICATION, consent_id="a" * 26)
    books.now += timedelta(days=31)
    books.change(grant, Change.PAUSE)
    assert counted(books) == {"PREQUALIFICATION": (1, 1)}
    assert run(books) == 1
    assert there(books) == [held]
    assert free != held
    if end == "revoked":
        books.change(grant, Change.REVOKE)
    else:
        books.now = grant.expires_at
    assert run(books) == 1
    assert there(books) == []


def grant_for_long(books: Books, acme: Caller) -> Grant:
    terms = replace(periodic(9, CalendarUnit.DAY), valid_for=timedelta(days=300))
    return books.grant(acme, ADA, terms)


def test_many_are_erased_chunk_by_chunk_each_with_its_entry(books: Books) -> None:
    count = retention.CHUNK + 3

    def write(tx: Transaction) -> None:
        for number in range(count):
            leaf = leaf_pb2.Leaf(
                kind=leaf_pb2.LEAF_KIND_OFFICER_READ, purpose=Purpose.PREQUALIFICATION.number
            )
            part = leaf_pb2.PrivatePart(subject=f"person-{number % 7}")
            tx.append(leaf, tx.bind(part, partner_id=""))

    books.ledger.change(write)
    books.now += timedelta(days=31)
    assert run(books) == count
    redactions = [leaf.count for leaf in books.leaves() if leaf.kind == leaf_pb2.LEAF_KIND_REDACTED]
    assert redactions == [retention.CHUNK, 3]
    assert listed(books) == list(range(count))


def test_what_another_gateway_or_an_erasure_took_first_is_redacted_once(books: Books) -> None:
    add(books, Purpose.PREQUALIFICATION)
    add(books, Purpose.PREQUALIFICATION, BOB)
    books.now += timedelta(days=31)
    [chunk] = list(retention._over(books.store, books.vault, KEPT, books.now))
    seen = erasing.look_through(books.store, ADA)
    books.ledger.change(
        lambda tx: erasing.erase(tx, ADA, seen, erasing.LegalBasis.COURT_ORDER, actor="operator")
    )
    assert books.ledger.change(lambda tx: retention._erase(tx, chunk)) == 1
    assert books.ledger.change(lambda tx: retention._erase(tx, chunk)) == 0
    assert listed(books) == [0, 1]
    assert erasing.finish(books.store, books.ledger) == 0
    assert there(books) == []


def test_a_part_that_nobody_can_open_is_erased_as_well(books: Books) -> None:
    index = add(books, Purpose.PREQUALIFICATION)
    with books.store.writer.begin() as connection:
        connection.execute(
            sa.update(private_parts).where(private_parts.c.leaf_index == index).values(sealed=bytes(80))
        )
    books.now += timedelta(days=31)
    assert run(books) == 1
