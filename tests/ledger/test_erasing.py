"""A person is erased: at once by key, then row by row; whoever comes meanwhile meets nobody."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from consent import register
from consent.grant import Change, Grant, State
from consent.identity import Trait
from consent.pairwise import Pairwise
from consent.register import Invitation, disputes
from consent.register.disputes import DisputeKind
from consent.register.forgetting import Holdings, holdings
from consent.register.tables import consent_events, grants
from gateway import decisions, erasing, retention
from gateway.audit import persons, redaction
from gateway.audit.log import private_parts, read_head
from gateway.audit.persons import entries_about
from gateway.audit.private import LOG, DataKey, Sealed, Vault, data_keys, owner_partner, owner_subject
from gateway.audit.redaction import erasures
from gateway.erasing import Erased, LegalBasis, Unknown
from gateway.ledger import (
    Denied,
    Guards,
    Ledger,
    LedgerUnavailable,
    Outcome,
    Refusal,
    Release,
    Released,
    Repeat,
    Transaction,
    answers,
)
from gateway.query import GET_SCORE, Caller
from gateway.server import housekeeping
from gateway.settings.schema import Retention
from gateway.store import StoreUnavailable, open_store
from gateway.thresholds.cells import first_cells
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.history import History
from scoregate.proof.leaf import open_commitment
from scoregate.words import CalendarUnit, Purpose
from tests.agreed import periodic
from tests.ledger.conftest import MASTER, Books

ADA, BOB = "uci-00001", "uci-00002"
WITHDRAWN = LegalBasis.GDPR_ART_17_1_B
REDACTED = leaf_pb2.LEAF_KIND_REDACTED
PERIODIC = periodic(1_000, CalendarUnit.DAY)


def erase(books: Books, subject: str = ADA, *, catch_up: bool = True, reason: str = "") -> Erased:
    if catch_up:
        seen = erasing.look_through(books.store, subject)
    else:
        with books.store.reading() as connection:
            seen = redaction.sealed_by(connection, owner_subject(subject))
    return books.ledger.change(
        lambda tx: erasing.erase(tx, subject, seen, WITHDRAWN, actor="operator", reason=reason)
    )


def finish(books: Books, limit: int = erasing.SWEEP_LIMIT) -> int:
    return erasing.finish(books.store, books.ledger, limit=limit)


def looks(books: Books, subject: str, count: int) -> None:
    """So many entries about somebody, in one transaction."""

    def look(tx: Transaction) -> None:
        for _ in range(count):
            leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_SELF_INQUIRY, actor="consumer")
            tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=""))

    books.ledger.change(look)


def key_of(books: Books, subject: str) -> DataKey:
    with books.store.reading() as connection:
        return books.vault.fresh(connection, [owner_subject(subject)])[owner_subject(subject)]


def parts_of(books: Books, key_id: str) -> list[int]:
    with books.store.reading() as connection:
        query = sa.select(private_parts.c.leaf_index).where(private_parts.c.key_id == key_id)
        return sorted(connection.execute(query).scalars().all())


def told(books: Books, first: int, last: int) -> list[int]:
    """What the REDACTED entries list, opened with the log's own key and held against each commitment."""
    found = list[int]()
    with books.store.reading() as connection:
        key = books.vault.fresh(connection, [LOG])[LOG]
        for index in range(first, last + 1):
            row = connection.execute(
                sa.select(private_parts).where(private_parts.c.leaf_index == index)
            ).one()
            part, blind = key.unbind(Sealed(row.key_id, row.sealed))
            leaf = books.leaves()[index]
            open_commitment(leaf.commitment, part, blind)
            gaps = leaf_pb2.PrivatePart.FromString(part).redacted
            assert (leaf.kind, leaf.count, leaf.partner_id) == (REDACTED, len(gaps), "")
            at = 0
            for gap in gaps:
                at += gap
                found.append(at)
    return found


def test_an_erased_person_is_nowhere_any_more_and_the_others_are(books: Books) -> None:
    acme, zeta = books.caller(), books.caller("zeta")
    grant = books.grant(acme, ADA)
    other = books.grant(zeta, BOB)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    [kept] = books.submit(books.release(zeta, other))
    open_one, paused = books.grant(zeta, ADA, PERIODIC), books.grant(acme, ADA, PERIODIC)
    books.change(paused, Change.PAUSE)
    books.ledger.change(
        lambda tx: decisions.open_dispute(tx, ADA, DisputeKind.DISPUTE, "Not me.", actor="consumer")
    )
    books.ledger.change(lambda tx: decisions.set_freeze(tx, ADA, frozen=True, actor="consumer"))
    with books.store.reading() as connection:
        assert holdings(connection, ADA) == Holdings(2, 1, 1, 0, frozen=True)
    key, sealed = key_of(books, ADA), parts_of(books, key_of(books, ADA).key_id)
    before = books.leaves()

    erased = erase(books, reason="asked by letter")

    assert (erased.entries, erased.revoked) == (len(sealed), 2)
    assert told(books, erased.first_index, erased.last_index) == sealed
    leaves = books.leaves()
    assert leaves[: len(before)] == before  # nothing of the log changed
    *ends, redacted = leaves[len(before) :]
    assert (redacted.reason, redacted.actor) == ("GDPR_ART_17_1_B: asked by letter", "operator")
    assert {(leaf.kind, leaf.partner_id, leaf.reason) for leaf in ends} == {
        (leaf_pb2.LEAF_KIND_CONSENT_REVOKED, "acme", "ERASURE"),
        (leaf_pb2.LEAF_KIND_CONSENT_REVOKED, "zeta", "ERASURE"),
    }
    assert finish(books) == 0
    assert parts_of(books, key.key_id) == []
    with books.store.reading() as connection:
        for table in (grants, disputes.disputes, register.tables.subjects, first_cells):
            assert ADA not in connection.execute(sa.select(table.c.subject)).scalars().all()
        for table in (answers.answers, first_cells, persons.person_entries):
            assert key.key_id not in connection.execute(sa.select(table.c.key_id)).scalars().all()
        row = connection.execute(sa.select(data_keys).where(data_keys.c.key_id == key.key_id)).one()
        assert (row.owner, bytes(row.wrapped)) == (f"erased:{key.key_id}", b"")
        assert holdings(connection, ADA).is_empty
        assert entries_about(connection, Vault(MASTER), ADA, limit=9).is_known is False
        # What partners were allowed is left, and that it ended: they are told by their events.
        left = [register.entry(connection, each.consent_id) for each in (grant, open_one, paused)]
        assert [each.grant.state for each in left] == [State.CONSUMED, State.REVOKED, State.REVOKED]
        assert {(each.grant.subject, each.grant.subject_ref, each.partner_reference) for each in left} == {
            ("", "", "")
        }
        whats = sa.select(consent_events.c.what).where(consent_events.c.consent_id == open_one.consent_id)
        assert (
            connection.execute(whats.order_by(consent_events.c.leaf_index)).scalars().all()[-1] == "REVOKED"
        )
    # Bob is as he was.
    assert isinstance(kept, Released)
    assert kept.leaf_index in parts_of(books, key_of(books, BOB).key_id)
    history = History()
    for leaf in books.leaves():
        history.append(leaf)


def test_whoever_is_erased_is_met_as_nobody(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, ADA, PERIODIC)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    erase(books)
    assert books.submit(Repeat(acme, query)) == [Denied("CONSENT_NOT_USABLE", books.usage(acme))]
    refusal = Refusal(GET_SCORE, acme, "CONSENT_NOT_USABLE", Purpose.CREDIT_APPLICATION, grant.consent_id)
    books.ledger.submit([refusal])
    require_nobody(books)
    assert finish(books) == 0
    require_nobody(books)


def require_nobody(books: Books, subject: str = ADA) -> None:
    """No key, and no private part that names them."""
    with books.store.reading() as connection:
        owners = connection.execute(sa.select(data_keys.c.owner)).scalars().all()
        assert owner_subject(subject) not in owners
        keys = books.vault.fresh(connection, [owner_partner("acme"), LOG]).values()
        by_id = {key.key_id: key for key in keys}
        rows = connection.execute(sa.select(private_parts)).all()
    for row in rows:
        if row.key_id in by_id:
            part, _ = by_id[row.key_id].unbind(Sealed(row.key_id, row.sealed))
            assert leaf_pb2.PrivatePart.FromString(part).subject != subject


# --- races


@pytest.fixture
def sealed_before(books: Books) -> tuple[Caller, Grant]:
    acme = books.caller()
    return acme, books.grant(acme, ADA, PERIODIC)


def race(books: Books, acme: Caller, grant: Grant, guards: Guards) -> object:
    """An answer that another process sealed before the erasure comes to its ledger after it."""
    other = books.new_ledger(guards)
    attempts = [books.release(acme, grant) for _ in range(2)]
    other.submit([attempts[0]])  # it remembers the person's key
    other.change(lambda tx: tx.vault.keys(tx.connection, [owner_subject(ADA)]))
    erase(books)
    [outcome] = other.submit([attempts[1]])
    return outcome


def test_an_answer_sealed_before_the_erasure_is_refused_and_leaves_nothing(
    books: Books, sealed_before: tuple[Caller, Grant]
) -> None:
    acme, grant = sealed_before
    outcome = race(books, acme, grant, Guards())
    assert isinstance(outcome, Denied)
    assert outcome.reason == "CONSENT_NOT_USABLE"
    assert finish(books) == 0
    require_nobody(books)
    assert orphans(books) == 0


def test_with_the_guard_off_the_person_comes_back(books: Books, sealed_before: tuple[Caller, Grant]) -> None:
    """The control arm: the refusal's entry begins their file anew."""
    acme, grant = sealed_before
    race(books, acme, grant, Guards(erased=False))
    with pytest.raises(AssertionError):
        require_nobody(books)


def answer_all(ledger: Ledger, attempts: list[Release], go: threading.Event) -> list[Outcome]:
    outcomes = list[Outcome]()
    for attempt in attempts:
        outcomes += ledger.submit([attempt])
        go.set()
    return outcomes


def orphans(books: Books) -> int:
    """Rows that only an erased key opened."""
    gone = sa.select(data_keys.c.key_id).where(data_keys.c.wrapped == b"")
    with books.store.reading() as connection:
        return sum(
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.key_id.in_(gone))
            ).scalar_one()
            for table in (private_parts, answers.answers, first_cells, persons.person_entries)
        )


def test_no_process_seals_under_a_key_that_was_erased_in_another(books: Books) -> None:
    books.caller()
    looks(books, ADA, 1)
    store, vault = books.open(), Vault(MASTER)
    owner = owner_subject(ADA)
    with store.reading() as connection:
        dead = vault.keys(connection, [owner])[owner]
        assert vault.keys(connection, [owner])[owner].key_id == dead.key_id
    erase(books)
    with store.reading() as connection:
        assert vault.fresh(connection, [owner]) == {}  # who shows something asks for this
        assert owner in vault.keys(connection, [owner])  # the control arm: nobody has told it yet
    with store.writer.begin() as connection:
        tx = Transaction(connection, lambda: books.now, vault)
        assert tx.vault.ensure(connection, owner).key_id != dead.key_id
        connection.rollback()
    with store.reading() as connection:
        assert vault.keys(connection, [owner]) == {}


def test_a_key_that_was_read_while_its_owner_was_erased_is_not_remembered(books: Books) -> None:
    """The row was read before, and would be remembered after what was remembered was forgotten."""
    looks(books, ADA, 1)
    vault, owner = Vault(MASTER), owner_subject(ADA)
    with books.store.reading() as connection:
        read = vault._load(connection, [owner])
        erase(books)
        vault.follow(1, 1)
        vault._remember(read, 0)
        assert vault.keys(connection, [owner]) == {}
        vault._remember(read, 1)  # the control arm
        assert owner in vault.keys(connection, [owner])


def test_erasing_and_answering_at_once_in_two_processes_leaves_no_orphan(books: Books) -> None:
    """Answers of one ledger race an erasure of another; each is given before it, or refused after."""
    acme = books.caller(daily_units=1_000_000, monthly_units=1_000_000)
    for number in range(10):
        subject = f"racer-{number}"
        grant = books.grant(acme, subject, PERIODIC)
        other = books.new_ledger()
        attempts = [books.release(acme, grant) for _ in range(30)]
        go = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            answering = pool.submit(answer_all, other, attempts, go)
            assert go.wait(10)
            erased = erase(books, subject)
            outcomes = answering.result()
        assert {type(each) for each in outcomes} <= {Released, Denied}
        released = [each for each in outcomes if isinstance(each, Released)]
        assert all(each.leaf_index < erased.first_index for each in released)
        assert erased.entries == len(released)
        other.close()
        require_nobody(books, subject)
    assert finish(books) == 0
    assert orphans(books) == 0


# --- many entries, and what breaks off


@pytest.mark.parametrize("catch_up", [True, False], ids=["index up to date", "index behind"])
def test_every_entry_is_listed_wherever_the_index_stands(books: Books, catch_up: bool) -> None:
    looks(books, ADA, 3)
    persons.catch_up(books.store)
    looks(books, BOB, 2)
    looks(books, ADA, 2)
    erased = erase(books, catch_up=catch_up)
    assert told(books, erased.first_index, erased.last_index) == [0, 1, 2, 5, 6]
    assert finish(books, limit=2) == 0
    assert orphans(books) == 0
    assert len(parts_of(books, key_of(books, BOB).key_id)) == 2


def test_what_came_between_the_look_and_the_lock_is_listed_too(books: Books) -> None:
    looks(books, ADA, 2)
    seen = erasing.look_through(books.store, ADA)
    looks(books, ADA, 2)
    erased = books.ledger.change(lambda tx: erasing.erase(tx, ADA, seen, WITHDRAWN, actor="operator"))
    assert told(books, erased.first_index, erased.last_index) == [0, 1, 2, 3]


def test_whoever_was_erased_and_came_back_between_loses_what_is_new(books: Books) -> None:
    looks(books, ADA, 2)
    seen = erasing.look_through(books.store, ADA)
    erase(books)
    looks(books, ADA, 1)
    erased = books.ledger.change(lambda tx: erasing.erase(tx, ADA, seen, WITHDRAWN, actor="operator"))
    assert told(books, erased.first_index, erased.last_index) == [3]


def test_many_entries_take_several_lists_and_one_short_transaction(books: Books) -> None:
    """However many, the lock is held for the lists alone; the rows go in small transactions."""
    count = redaction.MOST_LISTED + 5
    looks(books, ADA, count)
    erased = erase(books)
    assert (erased.entries, erased.last_index - erased.first_index) == (count, 1)
    assert told(books, erased.first_index, erased.last_index) == list(range(count))
    assert len(parts_of(books, first_erased(books))) == count  # not one row has gone yet
    left = erasing.finish(books.store, books.ledger, until=3, monotonic=iter(range(99)).__next__, limit=100)
    assert left == count - 300
    assert finish(books, limit=5_000) == 0
    assert orphans(books) == 0


def first_erased(books: Books) -> str:
    with books.store.reading() as connection:
        key_id: str = connection.execute(sa.select(erasures.c.key_id)).scalars().one()
        return key_id


@pytest.mark.parametrize("at", range(1, 7))
def test_an_erasure_that_a_crash_broke_off_is_finished_by_the_next_process(books: Books, at: int) -> None:
    """Whatever transaction of the sweep is the last one: nobody could open anything meanwhile."""
    acme = books.caller()
    grant = books.grant(acme, ADA)
    books.submit(books.release(acme, grant))
    looks(books, ADA, 5)
    erase(books)

    class Crash(BaseException):
        pass

    class Crashing:
        """A ledger whose process dies before its ``at``-th change."""

        count = 0

        def change(self, work: Callable[[Transaction], int]) -> int:
            self.count += 1
            if self.count == at:
                raise Crash
            return books.ledger.change(work)

    crashing = Crashing()
    try:
        erasing.finish(books.store, crashing, limit=2)  # type: ignore[arg-type]
    except Crash:
        with books.store.reading() as connection:
            assert redaction.unswept(connection) == [first_erased(books)]
        require_nobody(books)
        assert finish(books, limit=2) == 0
    assert orphans(books) == 0
    with books.store.reading() as connection:
        assert redaction.unswept(connection) == []


def test_a_transaction_that_breaks_off_erases_nothing(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, ADA, PERIODIC)
    looks(books, ADA, 2)
    before = books.leaves()

    def break_off(tx: Transaction) -> None:
        erasing.erase(tx, ADA, None, WITHDRAWN, actor="operator")
        raise OSError("the disk is full")

    with pytest.raises((OSError, LedgerUnavailable)):
        books.ledger.change(break_off)
    assert books.leaves() == before
    with books.store.reading() as connection:
        assert read_head(connection).erasures == 0
        assert register.entry(connection, grant.consent_id).grant.state is State.ACTIVE
    assert isinstance(books.submit(books.release(acme, grant))[0], Released)


def test_nobody_can_not_be_erased(books: Books) -> None:
    with pytest.raises(Unknown):
        erase(books, "nobody")
    looks(books, ADA, 1)
    erase(books)
    with pytest.raises(Unknown):
        erase(books)
    with pytest.raises(Unknown):
        erasing.preview(books.store, ADA)
    assert [leaf.kind for leaf in books.leaves()].count(REDACTED) == 1


def test_somebody_who_only_froze_their_file_is_erased_too(books: Books) -> None:
    with books.store.writer.begin() as connection:
        register.set_freeze(connection, ADA, frozen=True, now=books.now)
    assert erasing.preview(books.store, ADA).register.frozen
    erased = erase(books)
    assert (erased.entries, told(books, erased.first_index, erased.last_index)) == (0, [])
    with books.store.reading() as connection:
        assert register.frozen_at(connection, ADA) is None


def test_a_consent_whose_time_is_up_ends_as_expired(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, ADA)
    books.now += timedelta(days=400)
    erased = erase(books)
    assert books.leaves()[erased.first_index - 1].kind == leaf_pb2.LEAF_KIND_CONSENT_EXPIRED
    with books.store.reading() as connection:
        assert register.entry(connection, grant.consent_id).grant.state is State.EXPIRED


def test_an_erased_person_may_begin_anew(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, ADA)
    erase(books)
    again = books.grant(acme, ADA)
    assert again.subject == grant.subject
    assert isinstance(books.submit(books.release(acme, again))[0], Released)
    finish(books)
    with books.store.reading() as connection:
        assert len(entries_about(connection, books.vault, ADA, limit=9).entries) >= 1


# --- what the database's own files hold


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_file_of_the_database_holds_what_was_erased(books: Books, tmp_path: Path) -> None:
    """Neither the wrapped key nor what it sealed, nor whom it was of; in the file, its log or its index."""
    canary = "canary-7f3a91c2e5"
    acme = books.caller()
    grant = books.grant(acme, canary)
    books.submit(books.release(acme, grant))
    books.ledger.change(
        lambda tx: decisions.open_dispute(tx, canary, DisputeKind.DISPUTE, "Not me.", actor="consumer")
    )
    looks(books, canary, 200)
    persons.catch_up(books.store)
    with books.store.reading() as connection:
        owner = data_keys.c.owner == owner_subject(canary)
        row = connection.execute(sa.select(data_keys).where(owner)).one()
        sealed = connection.execute(
            sa.select(private_parts.c.sealed).where(private_parts.c.key_id == row.key_id)
        ).scalars()
        secret = [bytes(row.wrapped), canary.encode(), *(bytes(each) for each in sealed)]
        secret += [bytes(each) for each in connection.execute(sa.select(answers.answers.c.sealed)).scalars()]
        secret.append(bytes(connection.execute(sa.select(disputes.disputes.c.words)).scalar_one()))
    assert found_in_files(tmp_path, secret) == len(secret)  # the control arm: now they hold all of it
    erase(books, canary)
    assert found_in_files(tmp_path, secret) > 0  # in the write-ahead log at least
    assert finish(books) == 0
    assert found_in_files(tmp_path, secret) == 0


def found_in_files(folder: Path, secrets: list[bytes]) -> int:
    files = [path.read_bytes() for path in folder.iterdir() if path.name.startswith("ledger.db")]
    assert len(files) == 3
    return sum(any(secret in content for content in files) for secret in secrets)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reader_that_stays_keeps_the_erasure_unfinished_and_not_undone(
    books: Books, tmp_path: Path
) -> None:
    looks(books, ADA, 3)
    impatient = open_store(books.url, patience=1)
    books.closing.callback(impatient.close)
    erase(books)
    with books.store.reader.connect() as reading:
        reading.exec_driver_sql("BEGIN")
        reading.exec_driver_sql("SELECT count(*) FROM entries").all()
        with pytest.raises(StoreUnavailable, match="somebody reads in it"):
            erasing.finish(impatient, books.ledger)
        reading.exec_driver_sql("ROLLBACK")
    with books.store.reading() as connection:
        assert len(redaction.unswept(connection)) == 1
    assert finish(books) == 0
    assert (tmp_path / "ledger.db-wal").stat().st_size < 100_000


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_has_no_dead_rows_of_it_left(books: Books) -> None:
    looks(books, ADA, 50)
    erase(books)
    finish(books)
    with books.store.reading() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        dead = connection.exec_driver_sql(
            "SELECT sum(n_dead_tup), min(vacuum_count) FROM pg_stat_user_tables "
            "WHERE relname IN ('private_parts', 'data_keys', 'person_entries')"
        ).one()
    assert int(dead[0]) == 0
    assert dead[1] >= 1


# --- whom an invitation was for


def test_an_invitation_forgets_whom_it_was_for_and_is_nobodys_then(books: Books) -> None:
    """An erased person's at once, and any other's a while after its time; a stranger still reads nothing."""
    matcher = decisions.new_matcher(books.vault, "CN")
    mine = {Trait.NAME: "Ada Example", Trait.PHONE: "+44 7700 900001"}
    acme = books.caller()

    def invited(tx: Transaction) -> str:
        return register.invite(
            tx.connection,
            partner_id=acme.partner_id,
            request_id=str(uuid.uuid4()),
            request_sha256=bytes(32),
            terms=PERIODIC,
            partner_reference="their file 7",
            now=tx.now,
            decide_within=timedelta(days=1),
            return_address="https://lender.example/back",
            return_state="s" * 22,
            identity=matcher.digests(mine),
        )[0].handle

    def found(handle: str) -> Invitation:
        with books.store.reading() as connection:
            return register.invitation(connection, handle)

    def allow(tx: Transaction) -> None:
        pairwise = Pairwise(bytes(32))
        more = {"lift_freeze": False, "actor": "consumer", "traits": mine, "matcher": matcher}
        assert decisions.allow(tx, taken, ADA, pairwise, **more) is not None  # type: ignore[arg-type]

    taken, left = books.ledger.change(invited), books.ledger.change(invited)
    books.ledger.change(allow)
    assert matcher.matches(found(taken).identity, mine)
    erase(books)
    for traits in (mine, {}, {Trait.NAME: ""}):
        assert not matcher.matches(found(taken).identity, traits)
    assert (found(taken).partner_reference, found(taken).return_state) == ("", "")
    assert matcher.matches(found(left).identity, mine)
    books.now = found(left).expires_at + retention.NAMED
    assert retention.unname(books.store, books.ledger, now=books.now) == 0
    books.now += timedelta(microseconds=1)
    assert retention.unname(books.store, books.ledger, now=books.now) == 1
    assert not matcher.matches(found(left).identity, mine)
    assert retention.unname(books.store, books.ledger, now=books.now) == 0


# --- and what a gateway does by itself


def test_housekeeping_finishes_what_was_broken_off(books: Books) -> None:
    looks(books, ADA, 3)
    erase(books)
    assert orphans(books) > 0
    housekeeping.finish(books.store, books.ledger)
    assert orphans(books) == 0
    with books.store.reading() as connection:
        assert redaction.unswept(connection) == []


def test_housekeeping_outlives_a_ledger_that_is_gone(books: Books) -> None:
    looks(books, ADA, 3)
    erase(books)
    books.ledger.close()
    housekeeping.finish(books.store, books.ledger)
    housekeeping.retain(books.store, books.ledger, books.vault, retention.schedule(Retention()))
    assert orphans(books) > 0


def test_what_retention_took_between_the_look_and_the_lock_is_redacted_once(books: Books) -> None:
    """A second redaction of the same entry is what verifiers refuse."""
    looks(books, ADA, 3)
    seen = erasing.look_through(books.store, ADA)
    books.now += timedelta(days=3_000)
    looks(books, ADA, 1)
    housekeeping.retain(books.store, books.ledger, books.vault, retention.schedule(Retention()))
    retained = [index for index, leaf in enumerate(books.leaves()) if leaf.kind == REDACTED]
    assert told(books, retained[0], retained[-1]) == [0, 1, 2]
    erased = books.ledger.change(lambda tx: erasing.erase(tx, ADA, seen, WITHDRAWN, actor="operator"))
    assert told(books, erased.first_index, erased.last_index) == [3]


def test_a_part_that_retention_took_while_the_index_was_made_is_redacted_once(books: Books) -> None:
    """PostgreSQL lets the index take in a row that is deleted just then; it stays there, of nothing."""
    looks(books, ADA, 2)
    persons.catch_up(books.store)
    with books.store.writer.begin() as connection:
        connection.execute(sa.delete(private_parts).where(private_parts.c.leaf_index == 0))
    erased = erase(books)
    assert told(books, erased.first_index, erased.last_index) == [1]
