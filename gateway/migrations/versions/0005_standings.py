"""What changes about a grant lies in narrow rows of its own: state, uses, and the answer that used it up."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOVED = "state, consumed_by, used_in, uses"


def upgrade() -> None:
    op.create_table(
        "standings",
        sa.Column("consent_id", sa.String(length=26), nullable=False),
        *_columns(),
        sa.ForeignKeyConstraint(["consent_id"], ["grants.consent_id"]),
        sa.PrimaryKeyConstraint("consent_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO standings (consent_id, {MOVED}) "  # noqa: S608
        f"SELECT consent_id, {MOVED} FROM grants ORDER BY consent_id"
    )
    for column in _columns():
        op.drop_column("grants", column.name)


def downgrade() -> None:
    for column in _columns(state="ACTIVE"):  # rows that are there need a value meanwhile
        op.add_column("grants", column)
    op.execute(
        f"UPDATE grants SET ({MOVED}) = "  # noqa: S608
        f"(SELECT {MOVED} FROM standings WHERE standings.consent_id = grants.consent_id)"
    )
    op.drop_table("standings")
    with op.batch_alter_table("grants") as grants:
        grants.alter_column("state", server_default=None)


def _columns(state: str | None = None) -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("state", sa.String(length=8), server_default=state, nullable=False),
        sa.Column("consumed_by", sa.BigInteger(), nullable=True),
        sa.Column("used_in", sa.String(length=10), server_default="", nullable=False),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
    )
