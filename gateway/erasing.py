"""A person is erased: what the law obliges to keep stays, and nothing of it leads to them any more.

One transaction ends their consents, overwrites their key and says so in the log; from its COMMIT on nobody
can open what the key sealed, and no score leaves. The rows that hold only that are deleted afterwards, in
transactions that nobody waits long for (``finish``). One that was broken off is finished by the next
gateway's housekeeping. docs/erasure.md says what is left where, and for how long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from consent import register
from consent.grant import State
from consent.register import Event, forgetting
from consent.register.forgetting import Holdings
from gateway.audit import persons, redaction
from gateway.audit.log import private_parts
from gateway.audit.private import data_keys, owner_subject
from gateway.audit.redaction import Holding
from gateway.ledger import Ledger, Transaction, answers
from gateway.store import Store
from gateway.thresholds import cells
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros
from scoregate.values import value
from scoregate.words import ConsentEventKind, Word

SWEEP_LIMIT = 200
"""Private parts in one transaction."""

SWEPT_TABLES = (
    data_keys,
    private_parts,
    persons.person_entries,
    answers.answers,
    cells.first_cells,
    *register.metadata.sorted_tables,
)
"""Where an erasure leaves something to tidy up."""

ERASURE = "ERASURE"
"""The reason of an entry that ends a consent because its person was erased."""


class LegalBasis(Word):
    """On which legal basis something is erased. Source: protos/scoregate/audit/v1/audit.proto."""

    GDPR_ART_17_1_A = "GDPR_ART_17_1_A", 1
    GDPR_ART_17_1_B = "GDPR_ART_17_1_B", 2
    GDPR_ART_17_1_C = "GDPR_ART_17_1_C", 3
    GDPR_ART_17_1_D = "GDPR_ART_17_1_D", 4
    GDPR_ART_17_1_E = "GDPR_ART_17_1_E", 5
    PIPL_ART_47 = "PIPL_ART_47", 6
    COURT_ORDER = "COURT_ORDER", 7
    RETENTION_ENDED = "RETENTION_ENDED", 8


class Unknown(Exception):
    """Nothing is kept about this person, or all of it was erased."""

    reason = "NOT_FOUND"


@value
class Preview:
    """What erasing somebody would do."""

    entries: int
    cells: int
    register: Holdings


@value
class Erased:
    """What was erased, once it is durable."""

    entries: int
    revoked: int  # consents
    first_index: int  # of the REDACTED entries
    last_index: int


def preview(store: Store, subject: str) -> Preview:
    """Count what there is about a person.

    Raises:
        Unknown: Nothing.
        StoreUnavailable: The database does not answer.
    """
    with store.reading() as connection:
        found = redaction.sealed_by(connection, owner_subject(subject))
        of_cells = sa.select(sa.func.count()).where(cells.first_cells.c.subject == subject)
        holdings = forgetting.holdings(connection, subject)
        told = Preview(
            len(found.indexes) if found else 0, connection.execute(of_cells).scalar_one(), holdings
        )
    if found is None and holdings.is_empty:
        raise Unknown
    return told


def look_through(store: Store, subject: str) -> Holding | None:
    """What the person's key sealed so far, found without the ledger's lock; ``erase`` takes it.

    Raises:
        StoreUnavailable: The database does not answer.
    """
    persons.catch_up(store)
    with store.reading() as connection:
        return redaction.sealed_by(connection, owner_subject(subject))


def erase(
    tx: Transaction, subject: str, seen: Holding | None, basis: LegalBasis, *, actor: str, reason: str = ""
) -> Erased:
    """Erase a person; ``reason`` says more about why, and nothing about them.

    Raises:
        Unknown: Nothing is kept about them.
    """
    owner = owner_subject(subject)
    # 1  no score leaves any more, and each partner is told
    running = register.open_grants(tx.connection, subject)
    for partner_id, consent_id in running:
        _end(tx, partner_id, consent_id, actor)
    # 2  nobody opens anything any more, in any process
    redacted = redaction.erase_key(tx.connection, owner, seen, erased_at_us=micros(tx.now))
    if redacted is None and forgetting.holdings(tx.connection, subject).is_empty:
        raise Unknown
    # 3  nothing leads to them
    cells.forget(tx.connection, subject)
    forgetting.forget(tx.connection, subject)
    # 4  the log says so
    first, last = redact(tx, redacted or [], basis, actor=actor, reason=reason)
    return Erased(len(redacted or ()), len(running), first, last)


def redact(
    tx: Transaction, indexes: list[int], basis: LegalBasis, *, actor: str, reason: str = ""
) -> tuple[int, int]:
    """Say that these entries' private parts are gone; returns the first and the last entry that says it."""
    placed = []
    for count, listed in redaction.lists(tx.vault, tx.connection, indexes):
        leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_REDACTED, count=count, actor=actor)
        leaf.reason = f"{basis}: {reason}" if reason else basis
        placed.append(tx.append(leaf, listed).leaf_index)
    return placed[0], placed[-1]


def _end(tx: Transaction, partner_id: str, consent_id: str, actor: str) -> None:
    """End one consent; one whose time is up has ended by itself, and nobody has recorded it yet.

    The entry's private part names the consent and nobody, so it stays.
    """
    grant = register.entry(tx.connection, consent_id).grant
    state, kind, what = State.REVOKED, leaf_pb2.LEAF_KIND_CONSENT_REVOKED, ConsentEventKind.REVOKED
    if grant.state_at(tx.now) is State.EXPIRED:
        state, kind, what = State.EXPIRED, leaf_pb2.LEAF_KIND_CONSENT_EXPIRED, ConsentEventKind.EXPIRED
    register.set_states(tx.connection, {consent_id: state})
    leaf = leaf_pb2.Leaf(kind=kind, partner_id=partner_id, purpose=grant.terms.purpose.number)
    leaf.reason, leaf.actor = ERASURE, actor
    part = leaf_pb2.PrivatePart(consent_id=consent_id)
    placed = tx.append(leaf, tx.bind(part, partner_id=partner_id))
    tx.write(register.happened([Event(partner_id, placed.leaf_index, consent_id, what, tx.now)]))


# --- what nobody can open any more


def finish(
    store: Store,
    ledger: Ledger,
    *,
    until: float = float("inf"),
    monotonic: Callable[[], float] = time.monotonic,
    limit: int = SWEEP_LIMIT,
) -> int:
    """Delete what erased keys sealed, ``limit`` rows in a transaction; returns how many rows are left.

    Goes on until all of it is gone, or the clock says ``until``. Broken off anywhere, it is called again and
    goes on. Nothing is counted as gone before the database's own files hold none of it.

    Raises:
        StoreUnavailable, LedgerUnavailable, LedgerBusy: The database can't be read or written now.
    """
    with store.reading() as connection:
        pending = redaction.unswept(connection)
    if not pending:
        return 0
    persons.catch_up(store)  # the entries since are the erased key's too
    for key_id in pending:
        swept = limit
        while swept == limit:
            if monotonic() >= until:
                return _left(store, pending)
            swept = ledger.change(partial(_sweep, key_id=key_id, limit=limit))
        _sweep_answers(store, ledger, key_id, limit)
    # From here the rows are gone; a crash costs another look for them.
    store.forget([table.name for table in SWEPT_TABLES])
    ledger.change(partial(_set_swept, key_ids=pending))
    return 0


def _left(store: Store, pending: list[str]) -> int:
    with store.reading() as connection:
        return sum(redaction.left(connection, key_id) for key_id in pending)


def _sweep(tx: Transaction, key_id: str, limit: int) -> int:
    return redaction.sweep(tx.connection, key_id, limit=limit)


def _sweep_answers(store: Store, ledger: Ledger, key_id: str, limit: int) -> None:
    """First answers have no index by key, as each would pay for it: they are found without the lock."""
    with store.reading() as connection:
        found = answers.sealed_by(connection, key_id)
    for at in range(0, len(found), limit):
        ledger.change(partial(_delete_answers, names=found[at : at + limit]))


def _delete_answers(tx: Transaction, names: list[str]) -> None:
    answers.delete(tx.connection, names)


def _set_swept(tx: Transaction, key_ids: list[str]) -> None:
    for key_id in key_ids:
        redaction.set_swept(tx.connection, key_id, swept_at_us=micros(tx.now))
