"""Grants are found by partner and id together: another partner's takes no longer to refuse than none."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_grants_owner", "grants", ["partner_id", "consent_id"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_grants_owner", table_name="grants")
