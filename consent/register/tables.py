"""The consent room's tables."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("handle", sa.String(26), primary_key=True),
    sa.Column("partner_id", sa.String(40), nullable=False),
    sa.Column("request_id", sa.String(36), nullable=False),
    sa.Column("request_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("partner_reference", sa.String(64), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # PENDING, APPROVED, REJECTED, MISMATCH
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("consent_id", sa.String(26)),
    sa.Column("return_address", sa.String(255), nullable=False, server_default=""),
    sa.Column("return_state", sa.String(128), nullable=False, server_default=""),
    sa.Column("identity", sa.Text, nullable=False, server_default=""),  # keyed digests, JSON; "": anybody
    sa.UniqueConstraint("partner_id", "request_id", name="uq_invitations_request"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("consent_id", sa.String(26), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),  # per partner from 1: the order of listing
    sa.Column("partner_id", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("subject_ref", sa.String(40), nullable=False),
    sa.Column("handle", sa.String(26), nullable=False),
    sa.Column("partner_reference", sa.String(64), nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("notice_version", sa.String(16), nullable=False),
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("granted_at_us", sa.BigInteger, nullable=False),
    sa.Column("not_before_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("lifts_us", sa.BigInteger),  # the freeze that was lifted for it alone
    sa.UniqueConstraint("partner_id", "number", name="uq_grants_number"),
    sa.Index("ix_grants_subject", "subject", "granted_at_us"),
    sa.Index("ix_grants_expires", "expires_at_us"),
    # Of both, so that another partner's grant is not found at all.
    sa.Index("ix_grants_owner", "partner_id", "consent_id", unique=True),
)

# What changes about a grant, apart from what was agreed to and never does: an answer writes one of these
# rows, and eighty of them share a page.
standings = sa.Table(
    "standings",
    metadata,
    sa.Column("consent_id", sa.String(26), sa.ForeignKey(grants.c.consent_id), primary_key=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("consumed_by", sa.BigInteger),  # leaf index of the answer that used up a one-time grant
    sa.Column("used_in", sa.String(10), nullable=False, server_default=""),  # period of the latest answer
    sa.Column("uses", sa.Integer, nullable=False, server_default="0"),  # scored answers in that period
    sqlite_with_rowid=False,
)

# What happened to grants, as their partner reads it; the log's entry at the index is the proof.
consent_events = sa.Table(
    "consent_events",
    metadata,
    sa.Column("partner_id", sa.String(40), primary_key=True),
    sa.Column("leaf_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("consent_id", sa.String(26), sa.ForeignKey(grants.c.consent_id), primary_key=True),
    sa.Column("what", sa.String(8), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Index("ix_consent_events_consent", "consent_id"),  # for the person, who reads one consent's
    sqlite_with_rowid=False,
)

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("frozen_at_us", sa.BigInteger),
    sa.Column("marks", sa.SmallInteger, nullable=False, server_default="0"),  # 1 disputed, 2 under review
)

# What people say is wrong about them, and the reviews that they asked for. The words lie sealed under the
# person's key.
disputes = sa.Table(
    "disputes",
    metadata,
    sa.Column("reference", sa.String(10), primary_key=True),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(8), nullable=False),  # DISPUTE, REVIEW
    sa.Column("opened_at_us", sa.BigInteger, nullable=False),
    sa.Column("due_at_us", sa.BigInteger, nullable=False, index=True),
    sa.Column("resolved_at_us", sa.BigInteger),
    sa.Column("key_id", sa.String(32), nullable=False),
    sa.Column("words", sa.LargeBinary, nullable=False),
    sa.Column("outcome", sa.LargeBinary),
)
