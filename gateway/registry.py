"""Changes of the registry: who may call, with which certificate, under which contract.

Each runs under the ledger's head lock and leaves its entry in the same transaction, so
that the log and the registry never tell different stories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway import partners, pki
from gateway.audit.private import owner_partner
from gateway.ledger import Transaction
from gateway.partners import Enrolled, Partner
from gateway.query import Caller
from gateway.quota.contract import Contract
from gateway.thresholds import entities
from scoregate.audit.v1 import leaf_pb2

T = TypeVar("T")


def acting(caller: Caller, method: str, work: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
    """``work``, if the caller may still do it once it has the lock: of two who stop each other, one is left.

    Raises:
        PartnerRefused: Stopped, or its certificate revoked, since the call came in.
    """

    def run(tx: Transaction) -> T:
        known = partners.enrolled([caller.fingerprint]).ask(tx.connection)
        known[caller.fingerprint].require(method)
        return work(tx)

    return run


def add_partner(tx: Transaction, new: Partner, *, actor: str) -> None:
    """Register a partner, with the key for entries about nobody we know.

    Raises:
        PartnerExists: The id is taken.
        ThresholdsFixed, TooManyThresholds: Its legal entity may not have these thresholds now.
    """
    partners.add(tx.connection, new)
    _list_thresholds(tx, new)
    tx.vault.ensure(tx.connection, owner_partner(new.partner_id))
    _record(tx, leaf_pb2.LEAF_KIND_PARTNER_ADDED, new.partner_id, actor, new.role)


def enroll_certificate(tx: Transaction, partner_id: str, certificate_pem: bytes, *, actor: str) -> None:
    """Register a certificate that was just signed.

    Raises:
        KeyEnrolled: Its key has had one before.
    """
    peer = pki.parse_peer(certificate_pem)
    partners.enroll(
        tx.connection,
        fingerprint=peer.fingerprint,
        key_sha256=peer.key_sha256,
        partner_id=partner_id,
        expires_at=peer.not_after,
        now=tx.now,
    )
    _record(tx, leaf_pb2.LEAF_KIND_CERTIFICATE_ISSUED, partner_id, actor, object_id=peer.fingerprint)


def revoke_certificate(tx: Transaction, fingerprint: str, *, actor: str, reason: str) -> Enrolled:
    """Refuse a certificate from now on.

    Raises:
        PartnerMissing: No such certificate.
    """
    revoked = partners.revoke(tx.connection, fingerprint, now=tx.now)
    partner_id = revoked.partner.partner_id
    _record(tx, leaf_pb2.LEAF_KIND_CERTIFICATE_REVOKED, partner_id, actor, reason, fingerprint)
    return revoked


def suspend_partner(tx: Transaction, partner_id: str, *, actor: str, reason: str) -> Partner:
    """Stop a partner.

    Raises:
        PartnerMissing: No such id.
    """
    changed = partners.set_suspended(tx.connection, partner_id, suspended=True)
    _record(tx, leaf_pb2.LEAF_KIND_PARTNER_SUSPENDED, partner_id, actor, reason)
    return changed


def resume_partner(tx: Transaction, partner_id: str, *, actor: str, reason: str) -> Partner:
    """Let a suspended partner in again.

    Raises:
        PartnerMissing: No such id.
    """
    changed = partners.set_suspended(tx.connection, partner_id, suspended=False)
    _record(tx, leaf_pb2.LEAF_KIND_PARTNER_RESUMED, partner_id, actor, reason)
    return changed


def set_contract(tx: Transaction, partner_id: str, contract: Contract, *, actor: str, reason: str) -> Partner:
    """Replace a partner's contract.

    Raises:
        PartnerMissing: No such id.
        ThresholdsFixed, TooManyThresholds: Its legal entity may not have these thresholds now.
    """
    changed = partners.set_contract(tx.connection, partner_id, contract)
    _list_thresholds(tx, changed)
    _record(tx, leaf_pb2.LEAF_KIND_CONTRACT_CHANGED, partner_id, actor, reason)
    return changed


def _list_thresholds(tx: Transaction, changed: Partner) -> None:
    """Hold the contract against the thresholds of its whole legal entity."""
    entity = changed.legal_entity
    others = [
        p for p in partners.of_legal_entity(tx.connection, entity) if p.partner_id != changed.partner_id
    ]
    listed = [threshold for other in others for threshold in other.contract.thresholds]
    before = entities.registered(tx.connection, entity)
    after = before.listing(changed.contract.thresholds, listed, now=tx.now)
    if after != before:
        entities.register(tx.connection, entity, after)


def _record(
    tx: Transaction,
    kind: leaf_pb2.LeafKind,
    partner_id: str,
    actor: str,
    reason: str = "",
    object_id: str = "",
) -> None:
    tx.append(
        leaf_pb2.Leaf(kind=kind, partner_id=partner_id, actor=actor, reason=reason, object_id=object_id)
    )
