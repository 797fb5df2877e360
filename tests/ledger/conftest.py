"""A ledger over a real database, without gRPC, engine or signatures in front of it."""

from __future__ import annotations

import hashlib
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Ask, Change, Grant, Terms
from gateway import migrations, partners
from gateway.audit.log import create_head, read_head, read_leaves
from gateway.audit.private import Vault, owner_partner, owner_subject
from gateway.ledger import Attempt, Guards, Ledger, Outcome, Release, Repeat, Transaction
from gateway.partners import Partner, Role
from gateway.query import GET_SCORE, Caller, ScoreQuery
from gateway.quota import contract
from gateway.quota.contract import Contract, Usage
from gateway.store import Store, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.proof import leaf
from scoregate.words import Disclosure, NotScoredReason, Purpose
from tests.agreed import ONE_TIME, agree

MASTER = bytes(range(32))
KID, ORIGIN = "k" * 43, "scoregate.test/log/2026h2"


@dataclass
class Books:
    """One database with a partner in it, and the ledgers that write to it."""

    url: str
    closing: ExitStack
    now: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 12, 0, tzinfo=UTC))

    def __post_init__(self) -> None:
        self.store = self.open()
        self.vault = Vault(MASTER)
        migrations.upgrade(self.store)
        with self.store.writer.begin() as connection:
            create_head(connection, origin=ORIGIN, signing_kid=KID, pairwise_check=bytes(32))
        self.ledger = self.new_ledger()

    def open(self) -> Store:
        store = open_store(self.url)
        self.closing.callback(store.close)
        return store

    def new_ledger(
        self,
        guards: Guards | None = None,
        store: Store | None = None,
        max_waiting: int = 1_024,
    ) -> Ledger:
        """Another writer over the same database, as another process would have it."""
        ledger = Ledger(
            store or self.open(),
            Vault(MASTER),
            clock=lambda: self.now,
            max_waiting=max_waiting,
            guards=guards,
        )
        self.closing.callback(ledger.close)
        return ledger

    def caller(self, partner_id: str = "acme", **terms: Any) -> Caller:
        units = {"daily_units": 1_000, "monthly_units": 10_000} | terms
        new = Partner(partner_id, f"{partner_id} Ltd", Role.PARTNER, False, Contract(**units), partner_id)
        fingerprint = hashlib.sha256(partner_id.encode()).hexdigest()

        def add(tx: Transaction) -> None:
            partners.add(tx.connection, new)
            tx.vault.ensure(tx.connection, owner_partner(partner_id))
            partners.enroll(
                tx.connection,
                key_sha256=secrets.token_hex(32),
                fingerprint=fingerprint,
                partner_id=partner_id,
                expires_at=self.now + timedelta(days=90),
                now=tx.now,
            )

        self.ledger.change(add)
        return Caller(partner_id, fingerprint, new.legal_name, "ipv4:127.0.0.1:1")

    def grant(
        self,
        caller: Caller,
        subject: str = "uci-00001",
        terms: Terms = ONE_TIME,
        *,
        lines: tuple[int, ...] | None = None,
    ) -> Grant:
        def allow(tx: Transaction) -> Grant:
            return agree(tx, caller.partner_id, subject, terms, f"ref-{subject}", lines=lines)

        return self.ledger.change(allow)

    def query(self, caller: Caller, grant: Grant, **changes: Any) -> ScoreQuery:
        fields: dict[str, Any] = {
            "method": GET_SCORE,
            "request_id": str(uuid.uuid4()),
            "consent_id": grant.consent_id,
            "ask": Ask(caller.partner_id, Purpose.CREDIT_APPLICATION, Disclosure.SCORE, False, ""),
            "threshold": None,
            "nonce": "n" * 16,
            "request_sha256": b"d" * 32,
        }
        return ScoreQuery(**(fields | changes))

    def release(
        self,
        caller: Caller,
        grant: Grant,
        *,
        query: ScoreQuery | None = None,
        not_scored: NotScoredReason | None = None,
        kid: str = KID,
        answer: bytes = b"answer",
    ) -> Release:
        """An attempt as the journey makes it, with what an optimistic read sees right now."""
        with self.store.reading() as connection:
            key = self.vault.keys(connection, [owner_subject(grant.subject)])[owner_subject(grant.subject)]
            usage = self.read_usage(connection, caller)
        return Release(
            caller=caller,
            query=query or self.query(caller, grant),
            not_scored=not_scored,
            signing_kid=kid,
            log_origin=ORIGIN,
            attestation_sha256=hashlib.sha256(answer).digest(),
            private=key.bind(leaf_pb2.PrivatePart(subject=grant.subject).SerializeToString()),
            answer=key.seal(answer),
            seen=grant,
            seen_usage=usage,
            known_at=key.known_at,
        )

    def submit(self, *attempts: Release | Repeat) -> list[Outcome]:
        return self.ledger.submit(attempts)

    def change(self, grant: Grant, what: Change) -> None:
        self.ledger.change(lambda tx: register.change(tx.connection, grant.consent_id, what, now=tx.now))

    def read_usage(self, connection: Connection, caller: Caller) -> Usage:
        terms = partners.partner(connection, caller.partner_id).contract
        usages = contract.usages({caller.partner_id: terms}, self.now).ask(connection)
        return usages[caller.partner_id]

    def usage(self, caller: Caller) -> Usage:
        with self.store.reading() as connection:
            return self.read_usage(connection, caller)

    def leaves(self) -> list[leaf_pb2.Leaf]:
        with self.store.reading() as connection:
            return [leaf.decode(data) for data in read_leaves(connection, 0, read_head(connection).size)]


def one_commit(books: Books, attempts: Sequence[Attempt]) -> list[Outcome | BaseException]:
    """Each attempt from a caller of its own, all waiting before the ledger takes the first."""
    held, go = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        held.set()
        assert go.wait(10)

    with ThreadPoolExecutor(len(attempts) + 1) as pool:
        holding = pool.submit(books.ledger.change, hold)
        assert held.wait(10)
        waiting = [pool.submit(books.ledger.submit, [attempt]) for attempt in attempts]
        while books.ledger.waiting < len(attempts):
            pass
        go.set()
        holding.result()
        return [each.exception() or each.result()[0] for each in waiting]


class Commits:
    """The COMMITs of one store's writer: counted, and a test says what befalls some of them."""

    def __init__(self, store: Store) -> None:
        self.count = 0
        self.befalls: Callable[[Connection], None] = lambda _: None
        event.listen(store.writer, "commit", self._begins)

    def _begins(self, connection: Connection) -> None:
        self.count += 1
        self.befalls(connection)


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    with ExitStack() as closing:
        yield Books(database_url, closing)


@pytest.fixture
def new_books(new_postgres: Callable[[], str], tmp_path: Any) -> Iterator[Callable[[str], Books]]:
    with ExitStack() as closing:

        def make(store: str) -> Books:
            url = new_postgres() if store == "postgresql" else f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"
            return Books(url, closing)

        yield make
