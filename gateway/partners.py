"""The registry: client certificate → Partner, and what each role may call.

A fingerprint is looked up on every call, so a certificate revoked a moment ago is
refused on its next call over an open connection. The method map denies by default: a
method without an entry can be called by nobody, and fails CI.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from consent import sql
from consent.sql import Question, Select, Update, Writing
from gateway.quota.contract import Contract
from gateway.store import metadata
from scoregate.instants import micros, moment
from scoregate.values import value

partners = sa.Table(
    "partners",
    metadata,
    sa.Column("partner_id", sa.String(40), primary_key=True),
    sa.Column("legal_name", sa.String(120), nullable=False),
    sa.Column("legal_entity", sa.String(40), nullable=False, server_default="", index=True),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("suspended", sa.Boolean, nullable=False),
    sa.Column("contract", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # of this partner's last log entry
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("partner_id", sa.ForeignKey("partners.partner_id"), nullable=False, index=True),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("issued_at_us", sa.BigInteger, nullable=False),
    sa.Column("revoked_at_us", sa.BigInteger),
    # Of its public key. Unknown for those that were enrolled before revision 0002.
    sa.Column("key_sha256", sa.String(64)),
    sa.Index("uq_certificates_key", "key_sha256", unique=True),
)


class Role(StrEnum):
    """What a caller is."""

    PARTNER = "PARTNER"
    PILOT = "PILOT"
    COMPLIANCE = "COMPLIANCE"
    OPERATOR = "OPERATOR"

    @property
    def is_staff(self) -> bool:
        """Staff certificates come from the staff CA and open the admin door alone."""
        return self in {Role.COMPLIANCE, Role.OPERATOR}


LENDERS = frozenset({Role.PARTNER, Role.PILOT})
OFFICERS = frozenset({Role.COMPLIANCE})
OPERATORS = frozenset({Role.OPERATOR})
STAFF = OFFICERS | OPERATORS

_PARTNER = "/scoregate.partner.v1."
_ADMIN = "/scoregate.admin.v1."
_AUDIT = "/scoregate.audit.v1."

OPEN_ENTRIES = _AUDIT + "AuditService/OpenEntries"
"""Whoever may call it may read what it opens, too."""

POLICY: dict[str, frozenset[Role]] = {
    _PARTNER + "ConsentService/CreateConsentInvitation": LENDERS,
    _PARTNER + "ConsentService/GetConsentInvitation": LENDERS,
    _PARTNER + "ConsentService/GetConsent": LENDERS,
    _PARTNER + "ConsentService/ListConsents": LENDERS,
    _PARTNER + "ConsentService/ListConsentEvents": LENDERS,
    _PARTNER + "ConsentService/RelinquishConsent": LENDERS,
    _PARTNER + "ScoreService/GetScore": LENDERS,
    _PARTNER + "ScoreService/CheckThreshold": LENDERS,
    _PARTNER + "ScoreService/BatchGetScores": LENDERS,
    _PARTNER + "UsageService/ListQuotaUsage": LENDERS,
    _PARTNER + "UsageService/GetStatement": LENDERS,
    _PARTNER + "UsageService/ListStatementEntries": LENDERS,
    _PARTNER + "ReceiptService/GetVerificationKeys": LENDERS,
    _PARTNER + "ReceiptService/GetCheckpoint": LENDERS,
    _PARTNER + "ReceiptService/GetInclusionProof": LENDERS,
    _PARTNER + "ReceiptService/GetConsistencyProof": LENDERS,
    _AUDIT + "AuditService/GetHead": OFFICERS,
    _AUDIT + "AuditService/ListEntries": OFFICERS,
    _AUDIT + "AuditService/GetCheckpoint": OFFICERS,
    _AUDIT + "AuditService/GetInclusionProof": OFFICERS,
    _AUDIT + "AuditService/GetConsistencyProof": OFFICERS,
    _AUDIT + "AuditService/GetSubjectAccessReport": OFFICERS,
    OPEN_ENTRIES: OFFICERS,
    _AUDIT + "AuditService/PreviewErasure": STAFF,
    _AUDIT + "AuditService/EraseSubject": STAFF,
    _AUDIT + "AuditService/GetRetention": STAFF,
    _AUDIT + "AuditService/ExportBundle": OFFICERS,
    _ADMIN + "PartnerAdminService/AddPartner": OPERATORS,
    _ADMIN + "PartnerAdminService/EnrollPartner": OPERATORS,
    _ADMIN + "PartnerAdminService/GetPartner": OPERATORS,
    _ADMIN + "PartnerAdminService/ListPartners": OPERATORS,
    _ADMIN + "PartnerAdminService/SuspendPartner": OPERATORS,
    _ADMIN + "PartnerAdminService/ResumePartner": OPERATORS,
    _ADMIN + "PartnerAdminService/RevokeCertificate": OPERATORS,
    _ADMIN + "PartnerAdminService/SetContract": OPERATORS,
    _ADMIN + "ConsentAdminService/AllowInvitation": OPERATORS,
    _ADMIN + "ConsentAdminService/DenyInvitation": OPERATORS,
    _ADMIN + "ConsentAdminService/ChangeConsent": OPERATORS,
    _ADMIN + "ConsentAdminService/SetFreeze": OPERATORS,
    _ADMIN + "ConsentAdminService/ReopenMonth": OPERATORS,
    _ADMIN + "ConsentAdminService/ListDisputes": OPERATORS,
    _ADMIN + "ConsentAdminService/ResolveDispute": OPERATORS,
    _ADMIN + "ConsentAdminService/ListSubjectConsents": OPERATORS,
    _ADMIN + "OperationsAdminService/ListKeys": OPERATORS,
    _ADMIN + "OperationsAdminService/RotateKeys": OPERATORS,
    _ADMIN + "OperationsAdminService/GetMasterKey": OPERATORS,
    _ADMIN + "OperationsAdminService/RotateMasterKey": OPERATORS,
    _ADMIN + "OperationsAdminService/GetPartnerUsage": OPERATORS,
    _ADMIN + "OperationsAdminService/GetActiveModel": OPERATORS,
}
"""Who may call what. Methods that are not here can be called by nobody."""


class PartnerRefused(Exception):
    """This caller may not go on; ``reason`` is an ErrorReason name."""

    def __init__(self, reason: str, partner_id: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.partner_id = partner_id


class PartnerMissing(Exception):
    """No partner, or no certificate, of this name."""


class KeyEnrolled(Exception):
    """A certificate was issued for this key before; a revoked one must not come back under another."""


class PartnerExists(Exception):
    """The partner id is taken."""


@value
class Partner:
    """One registered caller."""

    partner_id: str
    legal_name: str
    role: Role
    suspended: bool
    contract: Contract
    legal_entity: str  # partners of one share its thresholds


@value
class Enrolled:
    """A certificate in the registry and whose it is."""

    fingerprint: str
    partner: Partner
    sequence: int
    expires_at: datetime
    revoked_at: datetime | None

    def require(self, method: str) -> Partner:
        """Return the partner only if it may call ``method`` with this certificate.

        Raises:
            PartnerRefused: Revoked certificate, suspended partner, or a method of another role.
        """
        if self.revoked_at is not None:
            raise PartnerRefused("CERTIFICATE_REVOKED", self.partner.partner_id)
        if self.partner.suspended:
            raise PartnerRefused("PARTNER_SUSPENDED", self.partner.partner_id)
        if self.partner.role not in POLICY.get(method, frozenset()):
            raise PartnerRefused("METHOD_NOT_ALLOWED", self.partner.partner_id)
        return self.partner


_enrolled = sa.select(certificates, partners).join_from(certificates, partners)
_by_fingerprint = Select(
    "SELECT c.fingerprint, c.expires_at_us, c.revoked_at_us, "
    "p.partner_id, p.legal_name, p.role, p.suspended, p.contract, p.legal_entity, p.sequence "
    "FROM certificates c JOIN partners p ON p.partner_id = c.partner_id WHERE c.fingerprint IN :fingerprints"
)


def enrolled(fingerprints: Iterable[str]) -> Question[dict[str, Enrolled]]:
    """The registered certificates among ``fingerprints``, each with its partner as it stands now."""
    return Question(_read_enrolled, _by_fingerprint.of(fingerprints=list(fingerprints)))


def _read_enrolled(rows: list[sql.Row]) -> dict[str, Enrolled]:
    return {
        fingerprint: Enrolled(
            fingerprint,
            Partner(partner_id, legal_name, Role(role), bool(suspended), _load(contract), legal_entity),
            sequence,
            moment(expires_at_us),
            None if revoked_at_us is None else moment(revoked_at_us),
        )
        for (
            fingerprint,
            expires_at_us,
            revoked_at_us,
            partner_id,
            legal_name,
            role,
            suspended,
            contract,
            legal_entity,
            sequence,
        ) in rows
    }


def partner(connection: Connection, partner_id: str) -> Partner:
    """One partner.

    Raises:
        PartnerMissing: No such id.
    """
    row = connection.execute(sa.select(partners).where(partners.c.partner_id == partner_id)).one_or_none()
    if row is None:
        raise PartnerMissing
    return _partner(row)


def partners_after(connection: Connection, after: str, limit: int) -> list[Partner]:
    """Partners in order of their ids, behind ``after``."""
    query = sa.select(partners).where(partners.c.partner_id > after)
    rows = connection.execute(query.order_by(partners.c.partner_id).limit(limit)).all()
    return [_partner(row) for row in rows]


def legal_names(connection: Connection, partner_ids: Iterable[str]) -> dict[str, str]:
    """The verified names of partners, by id."""
    query = sa.select(partners.c.partner_id, partners.c.legal_name)
    rows = connection.execute(query.where(partners.c.partner_id.in_(list(partner_ids)))).all()
    return {row.partner_id: row.legal_name for row in rows}


def of_legal_entity(connection: Connection, legal_entity: str) -> list[Partner]:
    """The partners that are one legal entity."""
    query = sa.select(partners).where(partners.c.legal_entity == legal_entity)
    return [_partner(row) for row in connection.execute(query).all()]


def certificates_of(connection: Connection, partner_id: str) -> list[Enrolled]:
    """A partner's certificates, newest first."""
    query = _enrolled.where(certificates.c.partner_id == partner_id)
    rows = connection.execute(query.order_by(certificates.c.issued_at_us.desc())).all()
    return [_enrolled_row(row) for row in rows]


def add(connection: Connection, new: Partner) -> None:
    """Register a partner.

    Raises:
        PartnerExists: The id is taken.
    """
    taken = sa.select(partners.c.partner_id).where(partners.c.partner_id == new.partner_id)
    if connection.execute(taken).one_or_none() is not None:
        raise PartnerExists
    connection.execute(
        sa.insert(partners).values(
            partner_id=new.partner_id,
            legal_name=new.legal_name,
            legal_entity=new.legal_entity,
            role=new.role.value,
            suspended=new.suspended,
            contract=_dump(new.contract),
            sequence=0,
        )
    )


def enroll(
    connection: Connection,
    *,
    fingerprint: str,
    key_sha256: str,
    partner_id: str,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Register a certificate for an existing partner.

    Raises:
        KeyEnrolled: Its key has had one before.
    """
    same_key = sa.select(certificates.c.fingerprint).where(certificates.c.key_sha256 == key_sha256)
    if connection.execute(same_key).one_or_none() is not None:
        raise KeyEnrolled
    connection.execute(
        sa.insert(certificates).values(
            fingerprint=fingerprint,
            key_sha256=key_sha256,
            partner_id=partner_id,
            expires_at_us=micros(expires_at),
            issued_at_us=micros(now),
        )
    )


def revoke(connection: Connection, fingerprint: str, *, now: datetime) -> Enrolled:
    """Refuse a certificate from now on; a second revocation keeps the first one's time.

    Raises:
        PartnerMissing: No such certificate.
    """
    connection.execute(
        sa.update(certificates)
        .where(certificates.c.fingerprint == fingerprint, certificates.c.revoked_at_us.is_(None))
        .values(revoked_at_us=micros(now))
    )
    found = enrolled([fingerprint]).ask(connection)
    if fingerprint not in found:
        raise PartnerMissing
    return found[fingerprint]


def set_suspended(connection: Connection, partner_id: str, *, suspended: bool) -> Partner:
    """Stop a partner or let it in again.

    Raises:
        PartnerMissing: No such id.
    """
    connection.execute(
        sa.update(partners).where(partners.c.partner_id == partner_id).values(suspended=suspended)
    )
    return partner(connection, partner_id)


def set_contract(connection: Connection, partner_id: str, contract: Contract) -> Partner:
    """Replace a partner's contract.

    Raises:
        PartnerMissing: No such id.
    """
    connection.execute(
        sa.update(partners).where(partners.c.partner_id == partner_id).values(contract=_dump(contract))
    )
    return partner(connection, partner_id)


_sequences = Select("SELECT partner_id, sequence FROM partners WHERE partner_id IN :ids")
_set_sequence = Update(partners.c.partner_id, partners.c.sequence)


def sequences(connection: Connection, partner_ids: Iterable[str]) -> dict[str, int]:
    """Each partner's last sequence number in the log."""
    return dict(_sequences.rows(connection, ids=list(partner_ids)))


def moved(numbers: dict[str, int]) -> Writing:
    """New last numbers, by partner; written under the head lock."""
    return _set_sequence.of([(number, partner_id) for partner_id, number in numbers.items()])


def _dump(contract: Contract) -> str:
    return json.dumps(asdict(contract))


def _partner(row: Row[Any]) -> Partner:
    return Partner(
        row.partner_id,
        row.legal_name,
        Role(row.role),
        row.suspended,
        _load(row.contract),
        row.legal_entity,
    )


@lru_cache(maxsize=4_096)
def _load(text: str) -> Contract:
    raw = json.loads(text)
    # A contract of before revision 0010 names no return addresses.
    lists = {name: tuple(raw.get(name, ())) for name in ("thresholds", "return_addresses")}
    return Contract(**{**raw, **lists})


def _enrolled_row(row: Row[Any]) -> Enrolled:
    return Enrolled(
        fingerprint=row.fingerprint,
        partner=_partner(row),
        sequence=row.sequence,
        expires_at=moment(row.expires_at_us),
        revoked_at=None if row.revoked_at_us is None else moment(row.revoked_at_us),
    )
