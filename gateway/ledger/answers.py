"""First answers, kept for replays: 24 hours, sealed under the person's key like any private part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.audit.log import entries
from gateway.audit.private import Sealed, data_keys
from gateway.store import metadata, upsert
from scoregate.instants import micros, moment

KEPT = timedelta(hours=24)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("answer_key", sa.String(140), primary_key=True),
    sa.Column("request_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("consent_id", sa.String(26), nullable=False, index=True),
    sa.Column("log_origin", sa.String(255), nullable=False),
    sa.Column("leaf_index", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.ForeignKey(data_keys.c.key_id), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False, index=True),
)


class RequestIdReused(Exception):
    """Another question was answered under this request id."""

    reason = "REQUEST_ID_REUSED"


@dataclass(frozen=True, slots=True)
class Answer:
    """A first answer: the sealed response without its receipt, and the leaf that is its receipt."""

    key: str
    request_sha256: bytes
    consent_id: str
    sealed: Sealed
    log_origin: str
    leaf_index: int
    leaf: bytes
    expires_at: datetime


def answer_key(partner_id: str, method: str, request_id: str) -> str:
    """Answers are found by partner, method and request id."""
    return f"{partner_id}/{method.rpartition('/')[2]}/{request_id}"


_by_key = (
    sa.select(answers, entries.c.leaf)
    .join_from(answers, entries, answers.c.leaf_index == entries.c.leaf_index)
    .where(
        answers.c.answer_key.in_(sa.bindparam("keys", expanding=True)),
        answers.c.expires_at_us > sa.bindparam("now_us"),
    )
)


def find(connection: Connection, keys: Iterable[str], *, now: datetime) -> dict[str, Answer]:
    """The answers among ``keys`` that are still kept at ``now``."""
    rows = connection.execute(_by_key, {"keys": list(keys), "now_us": micros(now)}).all()
    return {
        row.answer_key: Answer(
            key=row.answer_key,
            request_sha256=row.request_sha256,
            consent_id=row.consent_id,
            sealed=Sealed(row.key_id, row.sealed),
            log_origin=row.log_origin,
            leaf_index=row.leaf_index,
            leaf=row.leaf,
            expires_at=moment(row.expires_at_us),
        )
        for row in rows
    }


_keep = upsert(answers)


def keep(connection: Connection, new: list[Answer]) -> None:
    """Store first answers; one that has expired under the same key makes room."""
    connection.execute(
        _keep,
        [
            {
                "answer_key": answer.key,
                "request_sha256": answer.request_sha256,
                "consent_id": answer.consent_id,
                "log_origin": answer.log_origin,
                "leaf_index": answer.leaf_index,
                "key_id": answer.sealed.key_id,
                "sealed": answer.sealed.data,
                "expires_at_us": micros(answer.expires_at),
            }
            for answer in new
        ],
    )


def sweep(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` expired answers; returns how many."""
    old = sa.select(answers.c.answer_key).where(answers.c.expires_at_us <= micros(now)).limit(limit)
    return connection.execute(sa.delete(answers).where(answers.c.answer_key.in_(old))).rowcount
