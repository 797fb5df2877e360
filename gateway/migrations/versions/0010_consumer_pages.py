"""What the consumer's pages keep: who is signed in, what people dispute, and where a person's entries lie."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INVITATIONS = (("return_address", sa.String(255)), ("return_state", sa.String(128)), ("identity", sa.Text()))


def upgrade() -> None:
    for name, kind in INVITATIONS:
        op.add_column("invitations", sa.Column(name, kind, nullable=False, server_default=""))
    op.add_column("subjects", sa.Column("marks", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_index("ix_consent_events_consent", "consent_events", ["consent_id"], unique=False)
    op.create_table(
        "disputes",
        sa.Column("reference", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("due_at_us", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at_us", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("reference"),
    )
    op.create_index(op.f("ix_disputes_subject"), "disputes", ["subject"], unique=False)
    op.create_index(op.f("ix_disputes_due_at_us"), "disputes", ["due_at_us"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("ix_sessions_expires", "sessions", ["expires_at_us"], unique=False)
    op.create_table(
        "person_entries",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "leaf_index"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "person_entries_upto",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO person_entries_upto (id, size) VALUES (1, 0)")


def downgrade() -> None:
    for table in ("person_entries_upto", "person_entries", "sessions", "disputes"):
        op.drop_table(table)
    op.drop_index("ix_consent_events_consent", table_name="consent_events")
    op.drop_column("subjects", "marks")
    for name, _ in INVITATIONS[::-1]:
        op.drop_column("invitations", name)
    contracts = op.get_bind().execute(sa.text("SELECT partner_id, contract FROM partners")).all()
    for partner_id, text in contracts:
        older = {name: term for name, term in json.loads(text).items() if name != "return_addresses"}
        op.get_bind().execute(
            sa.text("UPDATE partners SET contract = :contract WHERE partner_id = :partner_id"),
            {"contract": json.dumps(older), "partner_id": partner_id},
        )
