"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("master_version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(length=40), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("owner"),
    )
    op.create_table(
        "entries",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf_index"),
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("signing_kid", sa.String(length=43), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "partners",
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("legal_name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id"),
    )
    op.create_table(
        "quota_usage",
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "period"),
    )
    op.create_table(
        "answers",
        sa.Column("answer_key", sa.String(length=140), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=26), nullable=False),
        sa.Column("log_origin", sa.String(length=255), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["data_keys.key_id"],
        ),
        sa.PrimaryKeyConstraint("answer_key"),
    )
    op.create_index(op.f("ix_answers_consent_id"), "answers", ["consent_id"], unique=False)
    op.create_index(op.f("ix_answers_expires_at_us"), "answers", ["expires_at_us"], unique=False)
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("issued_at_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.partner_id"],
        ),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_index(op.f("ix_certificates_partner_id"), "certificates", ["partner_id"], unique=False)
    op.create_table(
        "private_parts",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["data_keys.key_id"],
        ),
        sa.PrimaryKeyConstraint("leaf_index"),
    )
    op.create_index(op.f("ix_private_parts_key_id"), "private_parts", ["key_id"], unique=False)
    op.create_table(
        "grant_uses",
        sa.Column("consent_id", sa.String(length=26), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("consent_id", "period"),
    )
    op.create_table(
        "grants",
        sa.Column("consent_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("subject_ref", sa.String(length=40), nullable=False),
        sa.Column("handle", sa.String(length=26), nullable=False),
        sa.Column("partner_reference", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("notice_version", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("granted_at_us", sa.BigInteger(), nullable=False),
        sa.Column("not_before_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("consumed_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("consent_id"),
        sa.UniqueConstraint("partner_id", "number", name="uq_grants_number"),
    )
    op.create_index("ix_grants_subject", "grants", ["subject", "granted_at_us"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("handle", sa.String(length=26), nullable=False),
        sa.Column("partner_id", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("partner_reference", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("consent_id", sa.String(length=26), nullable=True),
        sa.PrimaryKeyConstraint("handle"),
        sa.UniqueConstraint("partner_id", "request_id", name="uq_invitations_request"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("algorithm", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kid"),
    )
    op.create_table(
        "subjects",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("frozen_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("subject"),
    )


def downgrade() -> None:
    op.drop_table("subjects")
    op.drop_table("signing_keys")
    op.drop_table("invitations")
    op.drop_index("ix_grants_subject", table_name="grants")
    op.drop_table("grants")
    op.drop_table("grant_uses")
    op.drop_index(op.f("ix_private_parts_key_id"), table_name="private_parts")
    op.drop_table("private_parts")
    op.drop_index(op.f("ix_certificates_partner_id"), table_name="certificates")
    op.drop_table("certificates")
    op.drop_index(op.f("ix_answers_expires_at_us"), table_name="answers")
    op.drop_index(op.f("ix_answers_consent_id"), table_name="answers")
    op.drop_table("answers")
    op.drop_table("quota_usage")
    op.drop_table("partners")
    op.drop_table("log_head")
    op.drop_table("entries")
    op.drop_table("data_keys")
