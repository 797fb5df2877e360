"""Uses are counted in the grant's own row; entries lie in SQLite's own order; answers name no consent."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # INTEGER, and no other word, is SQLite's row id


def upgrade() -> None:
    op.add_column("grants", sa.Column("used_in", sa.String(length=10), server_default="", nullable=False))
    op.add_column("grants", sa.Column("uses", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE grants SET used_in = latest.period, uses = latest.uses FROM ("
        "SELECT u.consent_id, u.period, u.uses FROM grant_uses u WHERE u.period = "
        "(SELECT max(period) FROM grant_uses WHERE consent_id = u.consent_id)"
        ") AS latest WHERE grants.consent_id = latest.consent_id"
    )
    op.drop_table("grant_uses")
    op.drop_index("ix_answers_consent_id", table_name="answers")
    op.drop_column("answers", "consent_id")
    op.drop_index("ix_private_parts_key_id", table_name="private_parts")
    if op.get_bind().dialect.name == "sqlite":
        _key_by_row_id(INDEX)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _key_by_row_id(sa.BigInteger())
    op.create_index("ix_private_parts_key_id", "private_parts", ["key_id"], unique=False)
    op.add_column("answers", sa.Column("consent_id", sa.String(length=26), server_default="", nullable=False))
    op.create_index("ix_answers_consent_id", "answers", ["consent_id"], unique=False)
    op.create_table(
        "grant_uses",
        sa.Column("consent_id", sa.String(length=26), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("consent_id", "period"),
    )
    op.execute("INSERT INTO grant_uses SELECT consent_id, used_in, uses FROM grants WHERE used_in <> ''")
    op.drop_column("grants", "uses")
    op.drop_column("grants", "used_in")


def _key_by_row_id(index: sa.types.TypeEngine[int]) -> None:
    """SQLite changes no column's type in place: copy both tables, in order."""
    op.rename_table("entries", "old_entries")
    op.create_table(
        "entries",
        sa.Column("leaf_index", index, autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf_index"),
    )
    op.execute("INSERT INTO entries SELECT leaf_index, leaf FROM old_entries ORDER BY leaf_index")
    op.drop_table("old_entries")
    op.rename_table("private_parts", "old_private_parts")
    op.create_table(
        "private_parts",
        sa.Column("leaf_index", index, autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["data_keys.key_id"]),
        sa.PrimaryKeyConstraint("leaf_index"),
    )
    op.execute(
        "INSERT INTO private_parts "
        "SELECT leaf_index, key_id, sealed FROM old_private_parts ORDER BY leaf_index"
    )
    op.drop_table("old_private_parts")
