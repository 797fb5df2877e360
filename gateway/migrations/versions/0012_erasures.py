"""Erasures, and the master key's versions, in the head that every transaction reads."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("log_head") as head:
        head.add_column(sa.Column("erasures", sa.BigInteger(), server_default="0", nullable=False))
        head.add_column(sa.Column("master_version", sa.Integer(), server_default="1", nullable=False))
        head.add_column(sa.Column("oldest_master", sa.Integer(), server_default="1", nullable=False))
    op.create_table(
        "erasures",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("erased_at_us", sa.BigInteger(), nullable=False),
        sa.Column("swept_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
    )


def downgrade() -> None:
    op.drop_table("erasures")
    with op.batch_alter_table("log_head") as head:
        for column in ("oldest_master", "master_version", "erasures"):
            head.drop_column(column)
