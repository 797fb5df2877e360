"""Cells are found by their month: the sweep looks for old ones every minute, under the ledger's lock."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_first_cells_basis", "first_cells", ["basis"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_first_cells_basis", table_name="first_cells")
