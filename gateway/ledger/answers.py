"""First answers, kept for replays: 24 hours, sealed under the person's key like any private part."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent.sql import Question, Row, Select, Write, Writing
from gateway.audit.private import Sealed, data_keys
from gateway.store import metadata
from scoregate.instants import micros, moment
from scoregate.values import value

KEPT = timedelta(hours=24)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("answer_key", sa.String(140), primary_key=True),
    sa.Column("request_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("log_origin", sa.String(255), nullable=False),
    sa.Column("leaf_index", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.String(32), sa.ForeignKey(data_keys.c.key_id), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False, index=True),
)


class RequestIdReused(Exception):
    """Another question was answered under this request id."""

    reason = "REQUEST_ID_REUSED"


@value
class Answer:
    """A first answer: the sealed response without its receipt, and the leaf that is its receipt."""

    key: str
    request_sha256: bytes
    sealed: Sealed
    log_origin: str
    leaf_index: int
    leaf: bytes
    expires_at: datetime


def answer_key(partner_id: str, method: str, request_id: str) -> str:
    """Answers are found by partner, method and request id."""
    return f"{partner_id}/{method.rpartition('/')[2]}/{request_id}"


_by_key = Select(
    "SELECT a.answer_key, a.request_sha256, a.key_id, a.sealed, a.log_origin, a.leaf_index, e.leaf, "
    "a.expires_at_us FROM answers a JOIN entries e ON e.leaf_index = a.leaf_index "
    "WHERE a.answer_key IN :keys"
)


def first_answers(keys: Iterable[str], *, now: datetime) -> Question[dict[str, Answer]]:
    """The answers under ``keys`` that are still kept at ``now``."""
    now_us = micros(now)

    def read(rows: list[Row]) -> dict[str, Answer]:
        return {
            key: Answer(key, digest, Sealed(key_id, sealed), origin, leaf_index, leaf, moment(expires_at_us))
            for key, digest, key_id, sealed, origin, leaf_index, leaf, expires_at_us in rows
            # Asked for both, PostgreSQL may look through all that are kept, by their own index.
            if expires_at_us > now_us
        }

    return Question(read, _by_key.of(keys=list(keys)))


_keep = Write(answers, replace=True)


def kept(new: Iterable[Answer]) -> Writing:
    """First answers, to be written; one that has expired under the same key makes room."""
    return _keep.of(
        [
            (
                answer.key,
                answer.request_sha256,
                answer.log_origin,
                answer.leaf_index,
                answer.sealed.key_id,
                answer.sealed.data,
                micros(answer.expires_at),
            )
            for answer in new
        ]
    )


def sweep(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` expired answers; returns how many."""
    old = sa.select(answers.c.answer_key).where(answers.c.expires_at_us <= micros(now)).limit(limit)
    return connection.execute(sa.delete(answers).where(answers.c.answer_key.in_(old))).rowcount


def sealed_by(connection: Connection, key_id: str) -> list[str]:
    """The names of the answers that a key sealed. It looks through all that are kept."""
    query = sa.select(answers.c.answer_key).where(answers.c.key_id == key_id)
    return list(connection.execute(query).scalars().all())


def delete(connection: Connection, names: Iterable[str]) -> None:
    """Delete these answers."""
    connection.execute(sa.delete(answers).where(answers.c.answer_key.in_(list(names))))
