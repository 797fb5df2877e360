"""Legal entities and their thresholds, and the cells that a month's yes/no answers and bands rest on."""

import json
import time

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "partners", sa.Column("legal_entity", sa.String(length=40), server_default="", nullable=False)
    )
    op.execute("UPDATE partners SET legal_entity = partner_id")
    op.create_index(op.f("ix_partners_legal_entity"), "partners", ["legal_entity"], unique=False)
    op.create_table(
        "first_cells",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("basis", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["data_keys.key_id"]),
        sa.PrimaryKeyConstraint("subject", "basis"),
        sqlite_with_rowid=False,
    )
    entities = op.create_table(
        "entity_thresholds",
        sa.Column("legal_entity", sa.String(length=40), nullable=False),
        sa.Column("thresholds", sa.Text(), nullable=False),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("legal_entity"),
    )
    # When they were registered is not known: the year begins now.
    now = time.time_ns() // 1_000
    contracts = op.get_bind().execute(sa.text("SELECT partner_id, contract FROM partners")).all()
    listed = [(partner_id, sorted(json.loads(text)["thresholds"])) for partner_id, text in contracts]
    rows = [
        {"legal_entity": partner_id, "thresholds": json.dumps(thresholds), "changed_at_us": now}
        for partner_id, thresholds in listed
        if thresholds
    ]
    op.bulk_insert(entities, rows)


def downgrade() -> None:
    op.drop_table("entity_thresholds")
    op.drop_table("first_cells")
    op.drop_index(op.f("ix_partners_legal_entity"), table_name="partners")
    op.drop_column("partners", "legal_entity")
