"""Which attestation key signs: NEXT is published before use, RETIRED verifies for ever.

Rows only; the private halves are files (``consent.keys``). Changes happen under the
ledger's head lock, which also holds the current kid, so that a signature made with a
key that was replaced meanwhile is noticed before it is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent.register.tables import metadata
from scoregate.instants import micros, moment

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", sa.String(43), primary_key=True),
    sa.Column("algorithm", sa.String(8), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # NEXT, CURRENT, RETIRED
    sa.Column("public_jwk", sa.Text, nullable=False),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One attestation key as the world sees it."""

    kid: str
    algorithm: str
    state: str
    public_jwk: str  # JSON
    created_at: datetime


def publish(connection: Connection, key: PublicKey) -> None:
    """Add a key."""
    connection.execute(
        sa.insert(signing_keys).values(
            kid=key.kid,
            algorithm=key.algorithm,
            state=key.state,
            public_jwk=key.public_jwk,
            created_at_us=micros(key.created_at),
        )
    )


def turn(connection: Connection) -> str:
    """NEXT becomes CURRENT, CURRENT becomes RETIRED; returns the new current kid."""
    for old, new in (("CURRENT", "RETIRED"), ("NEXT", "CURRENT")):
        connection.execute(sa.update(signing_keys).where(signing_keys.c.state == old).values(state=new))
    kid: str = connection.execute(
        sa.select(signing_keys.c.kid).where(signing_keys.c.state == "CURRENT")
    ).scalar_one()
    return kid


def published(connection: Connection) -> list[PublicKey]:
    """Every key there ever was, newest first."""
    rows = connection.execute(
        sa.select(signing_keys).order_by(signing_keys.c.created_at_us.desc(), signing_keys.c.kid)
    ).all()
    return [
        PublicKey(row.kid, row.algorithm, row.state, row.public_jwk, moment(row.created_at_us))
        for row in rows
    ]
