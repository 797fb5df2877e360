"""One installation and its books: what a client holds, set beside what the ledger's tables say.

Read by SQL beside a gateway that serves, never while none does: whoever opens an SQLite file after a crash
recovers it, and that is the gateway's to do.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa

from gateway import founding
from gateway.server import wall_clock
from gateway.settings import Settings
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing import pulled, recompute
from scoregate.auditing.history import History
from scoregate.errors import ScoregateError
from scoregate.partner.v1 import score_pb2
from scoregate.proof import leaf
from scoregate.proof.digest import request_form
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.verify import verify_score, verify_threshold
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import CompactRange, leaf_hash
from scoregate.tlog.sources import Folder
from tests.prove.campaign import Stage
from tests.prove.crashes.nursery import Life
from tests.prove.crashes.traffic import Single, answer_of
from tests.prove.stagehands import ENDLESS, OPERATOR, hang_up, meet
from tests.signing import signed
from tests.world import Partner, World, settings_for

LENDER = "acme"

_founding = Lock()  # Alembic keeps its context in a module


@dataclass
class Books:
    """The log as far as it was read, held to what a verifier holds it to, and the meters beside it."""

    url: str

    def __post_init__(self) -> None:
        self.leaves: list[bytes] = []
        self.entries: list[leaf_pb2.Leaf] = []
        self.tree = CompactRange()
        self._history = History()
        self._costs: Counter[tuple[str, str]] = Counter()
        self.metered = 0  # units of the lender's days
        self.origin = ""

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One snapshot of the tables; nobody is connected afterwards."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    connection.execution_options(isolation_level="REPEATABLE READ")
                else:
                    connection.exec_driver_sql("BEGIN")
                yield connection
        finally:
            engine.dispose()

    def read_on(self) -> list[str]:
        """Read what is new; returns what is wrong with it, a sentence each."""
        try:
            return self._read_on()
        except sa.exc.DBAPIError as error:
            return [f"the tables can't be read: {error.orig}"]

    def _read_on(self) -> list[str]:
        with self.reading() as connection:
            head = connection.exec_driver_sql("SELECT size, origin FROM log_head").one()
            places = connection.exec_driver_sql("SELECT count(*), min(leaf_index) FROM entries").one()
            query = sa.text("SELECT leaf_index, leaf FROM entries WHERE leaf_index >= :i ORDER BY leaf_index")
            fresh = connection.execute(query, {"i": len(self.leaves)}).all()
            meters = connection.exec_driver_sql("SELECT partner_id, period, used FROM quota_usage").all()
        self.origin = head.origin
        wrong = list(self._take_in(fresh))
        if (head.size, *places) != (len(self.leaves), len(self.leaves), 0):
            wrong.append(f"the head counts {head.size} entries, the table {places[0]} from {places[1]} on")
        if {(row.partner_id, row.period): row.used for row in meters} != self._costs:
            wrong.append("the meters are not what the entries cost")
        self.metered = sum(row.used for row in meters if row.partner_id == LENDER and len(row.period) == 10)
        return wrong

    def _take_in(self, fresh: Sequence[Any]) -> Iterator[str]:
        for index, data in fresh:
            if index != len(self.leaves):
                yield f"entry {index} stands where {len(self.leaves)} was due"
            try:
                entry = leaf.decode(data)
                self._history.append(entry)
            except leaf.LeafInvalid as error:
                yield f"entry {index}: {error}"
                continue
            self._costs.update(
                {(entry.partner_id, period): entry.cost_units for period in entry.quota_periods}
            )
            self.leaves.append(data)
            self.entries.append(entry)
            self.tree.append(leaf_hash(data))

    def missing(self, item: Single, body: bytes) -> str:
        """What is wrong with an answer that somebody holds; nothing if it is in the log."""
        receipt = answer_of(item, body).receipt
        index = receipt.leaf_index
        if index >= len(self.leaves):
            return f"an answer is held whose entry {index} is not in the log of {len(self.leaves)}"
        if self.leaves[index] != receipt.leaf or self.entries[index].kind != leaf_pb2.LEAF_KIND_RELEASE:
            return f"an answer is held whose entry {index} is another one"
        return ""

    def kept(self, items: Sequence[Single]) -> int:
        """How many of these have a first answer in the ledger."""
        ends = {f"/{item.request_id}" for item in items}
        with self.reading() as connection:
            keys = connection.exec_driver_sql("SELECT answer_key FROM answers").scalars().all()
        return sum(key[-37:] in ends for key in keys)

    def verify_offline(self, folder: Path, held: Sequence[tuple[Single, bytes]]) -> list[str]:
        """Read the log anew, as far as it was read, and give it to the offline verifier with all receipts.

        The root that it is verified against is the one that was made bit by bit while reading on.
        """
        with self.reading() as connection:
            query = sa.text("SELECT leaf FROM entries WHERE leaf_index < :size ORDER BY leaf_index")
            leaves = list(connection.execute(query, {"size": len(self.leaves)}).scalars().all())
        log, receipts = pulled.PulledLog(folder), folder / "receipts"
        receipts.mkdir()
        for item, body in held:
            file = receipts / f"{item.request_id}.json"
            file.write_text(json.dumps(_receipt(item, body)))
        try:
            log.write_checkpoint(signed(Checkpoint(self.origin, len(self.leaves), self.tree.root())))
            log.append(leaves)
            log.write_tiles()
            recompute.verify(Folder(folder), receipts=receipts)
        except ScoregateError as error:
            return [f"the offline verifier says: {error}"]
        return []


def verify_signatures(settings: Settings, held: Sequence[tuple[Single, bytes]], jwks: str) -> list[str]:
    """Hold every answer to its question and to the keys that the gateway publishes."""
    terms: Any = {
        "keys": VerificationKeys.from_jwks(jwks),
        "issuer": settings.issuer,
        "audience": LENDER,
        "now": wall_clock() + timedelta(days=2),  # some gateways are a day ahead
        "archival": True,
    }
    try:
        for item, body in held:
            answer: Any = answer_of(item, body)
            if isinstance(item, score_pb2.GetScoreRequest):
                verify_score(answer, item, **terms)
            else:
                verify_threshold(answer, item, **terms)
    except ScoregateError as error:
        return [f"an answer does not verify: {error}"]
    return []


def _receipt(item: Single, body: bytes) -> dict[str, object]:
    """What a lender's client files."""
    answer = answer_of(item, body)
    return {
        "log_origin": answer.receipt.log_origin,
        "leaf_index": answer.receipt.leaf_index,
        "leaf": b64encode(answer.receipt.leaf).decode(),
        "attestation": answer.attestation,
        "request": json.loads(request_form(item)),
    }


@dataclass
class House:
    """An installation with one lender."""

    settings: Settings
    books: Books
    lender: Partner | None = None

    @classmethod
    def found(cls, stage: Stage, url: str, **overrides: str) -> House:
        """On a fresh database; ``overrides`` are settings."""
        home = stage.folder / f"home-{uuid.uuid4().hex[:8]}"
        settings = settings_for(home, url, stage.engine_folder, **overrides)
        with _founding:
            founding.found(settings, now=wall_clock())
        return cls(settings, Books(url))

    @contextmanager
    def meet(self, life: Life) -> Iterator[tuple[World, Partner]]:
        """The operator's side and the lender's, connected to a gateway."""
        world = meet(self.settings, life)  # type: ignore[arg-type]  # one gateway elsewhere is like another
        try:
            if self.lender is None:
                world.set_contract(OPERATOR, **ENDLESS)
                self.lender = world.partner(LENDER, **ENDLESS)
            yield world, self.lender.at(world)
        finally:
            hang_up(world)
