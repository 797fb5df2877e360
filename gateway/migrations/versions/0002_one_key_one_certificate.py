"""One key, one certificate."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("certificates", sa.Column("key_sha256", sa.String(length=64), nullable=True))
    op.create_index("uq_certificates_key", "certificates", ["key_sha256"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_certificates_key", table_name="certificates")
    op.drop_column("certificates", "key_sha256")
