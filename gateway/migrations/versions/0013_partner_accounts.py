"""Where each partner's entries lie, and what they come to: what monthly statements are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "partner_entries",
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("partner_sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "partner_sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "partner_sums",
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("quarter", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method", sa.String(length=255), nullable=False),
        sa.Column("purpose", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("decision", sa.Integer(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("entries", "calls", "units", "first_sequence", "last_sequence")
        ),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("last_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "quarter", "day", "kind", "method", "purpose", "decision"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "partner_sums_upto",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO partner_sums_upto (id, size) VALUES (1, 0)")


def downgrade() -> None:
    for table in ("partner_sums_upto", "partner_sums", "partner_entries"):
        op.drop_table(table)
