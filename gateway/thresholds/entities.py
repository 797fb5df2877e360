"""The thresholds that legal entities have registered, in SQL."""

from __future__ import annotations

import json

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.store import metadata
from gateway.thresholds.policy import Registered
from scoregate.instants import micros, moment

entity_thresholds = sa.Table(
    "entity_thresholds",
    metadata,
    sa.Column("legal_entity", sa.String(40), primary_key=True),
    sa.Column("thresholds", sa.Text, nullable=False),
    sa.Column("changed_at_us", sa.BigInteger, nullable=False),
)


def registered(connection: Connection, legal_entity: str) -> Registered:
    """A legal entity's thresholds."""
    row = connection.execute(
        sa.select(entity_thresholds).where(entity_thresholds.c.legal_entity == legal_entity)
    ).one_or_none()
    if row is None:
        return Registered()
    return Registered(frozenset(json.loads(row.thresholds)), moment(row.changed_at_us))


def register(connection: Connection, legal_entity: str, now_registered: Registered) -> None:
    """Replace a legal entity's thresholds; the policy has allowed it."""
    if now_registered.changed_at is None:
        return
    connection.execute(sa.delete(entity_thresholds).where(entity_thresholds.c.legal_entity == legal_entity))
    connection.execute(
        sa.insert(entity_thresholds).values(
            legal_entity=legal_entity,
            thresholds=json.dumps(sorted(now_registered.thresholds)),
            changed_at_us=micros(now_registered.changed_at),
        )
    )
