"""A person may lift a freeze for one new consent alone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grants", sa.Column("lifts_us", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("grants", "lifts_us")
