"""One key, one certificate; and which secret the subject references are made with."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("certificates", sa.Column("key_sha256", sa.String(length=64), nullable=True))
    op.create_index("uq_certificates_key", "certificates", ["key_sha256"], unique=True)
    op.add_column("log_head", sa.Column("pairwise_check", sa.LargeBinary(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("log_head", "pairwise_check")
    op.drop_index("uq_certificates_key", table_name="certificates")
    op.drop_column("certificates", "key_sha256")
