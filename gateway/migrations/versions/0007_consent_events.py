"""What happened to grants, as their partners read it. It begins with the upgrade."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_events",
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consent_id", sa.String(length=26), nullable=False),
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["grants.consent_id"]),
        sa.PrimaryKeyConstraint("partner_id", "leaf_index", "consent_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_grants_expires", "grants", ["expires_at_us"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_grants_expires", table_name="grants")
    op.drop_table("consent_events")
