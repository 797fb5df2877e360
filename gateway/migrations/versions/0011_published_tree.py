"""The published tree: how far it reaches, its hash tiles, and the names that the log has had."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tree = op.create_table(
        "log_tree",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.Column("published", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number"),
    )
    op.create_table(
        "log_origins",
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("begins", sa.BigInteger(), nullable=False),
        sa.Column("vkey", sa.String(length=400), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("final", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("origin"),
    )
    nothing = {"id": 1, "size": 0, "root": hashlib.sha256().digest(), "checkpoint": b"", "published": b""}
    op.bulk_insert(tree, [nothing])


def downgrade() -> None:
    for table in ("log_origins", "log_tiles", "log_tree"):
        op.drop_table(table)
