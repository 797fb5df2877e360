"""What operators, and people through them, decide while a play runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from gateway import pki
from gateway.quota.contract import Contract
from scoregate.admin.v1 import consent_admin_pb2 as people
from scoregate.admin.v1 import operations_admin_pb2 as operations
from scoregate.admin.v1 import partner_admin_pb2 as lenders
from scoregate.audit.v1 import leaf_pb2 as pb
from tests.prove.simulation import chance
from tests.prove.simulation.entries import Entry
from tests.prove.simulation.ground import Agreed

if TYPE_CHECKING:
    from tests.prove.simulation.play import Play

PEOPLE = "/scoregate.admin.v1.ConsentAdminService/"
LENDERS = "/scoregate.admin.v1.PartnerAdminService/"
OPERATIONS = "/scoregate.admin.v1.OperationsAdminService/"

CHANGES: dict[str, tuple[str, int]] = {
    "PAUSE": ("pause", pb.LEAF_KIND_CONSENT_PAUSED),
    "RESUME": ("resume", pb.LEAF_KIND_CONSENT_RESUMED),
    "REVOKE": ("revoke", pb.LEAF_KIND_CONSENT_REVOKED),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """One of them. Where its kind is named, a decision that was acknowledged has its entry."""

    what: str
    method: str
    request: Message
    kinds: frozenset[int] = frozenset()
    reason: str = ""
    consent_id: str = ""

    def is_told_by(self, entry: Entry) -> bool:
        """Whether the entry is this decision's."""
        return (
            entry.leaf.kind in self.kinds
            and self.reason in entry.leaf.reason
            and self.consent_id in ("", entry.part.consent_id)
        )


def draw(play: Play) -> Decision:
    """One of them."""
    weights = {_change: 5, _freeze: 2, _suspend: 2, _revoke_certificate: 0.4, _set_contract: 1.5, _turn: 1}
    (made,) = play.random.choices(list(weights), list(weights.values()))
    chosen: Callable[[Play], Decision] = made
    return chosen(play)


def _change(play: Play) -> Decision:
    consent: Agreed = play.random.choice(play.drawn.consents)
    name = play.random.choice(("PAUSE", "PAUSE", "RESUME", "RESUME", "RESUME", "REVOKE"))
    word, kind = CHANGES[name]
    request = people.ChangeConsentRequest(consent_id=consent.consent_id, change=f"CONSENT_CHANGE_{name}")
    return Decision(
        f"{word} {consent.name}",
        PEOPLE + "ChangeConsent",
        request,
        frozenset({kind}),
        consent_id=consent.consent_id,
    )


def _freeze(play: Play) -> Decision:
    subject = play.random.choice(play.drawn.consents).subject
    if play.random.random() < 0.5:  # somebody new: a key is made with the entry, or neither is
        subject = f"stranger-{play.random.randrange(2)}"
    return freeze(subject, frozen=play.random.random() < 0.35)


def freeze(subject: str, *, frozen: bool) -> Decision:
    """Freeze a person's file, or let it thaw: an entry only where that changes something."""
    request = people.SetFreezeRequest(subject=subject, frozen=frozen)
    return Decision(f"{'freeze' if frozen else 'unfreeze'} {subject}", PEOPLE + "SetFreeze", request)


def _suspend(play: Play) -> Decision:
    lender = play.random.choice(play.drawn.consents).lender
    reason = f"decision {len(play.lines)}"
    if play.random.random() < 0.25:
        request: Any = lenders.SuspendPartnerRequest(partner_id=lender, reason=reason)
        method, kind = "SuspendPartner", pb.LEAF_KIND_PARTNER_SUSPENDED
    else:
        request = lenders.ResumePartnerRequest(partner_id=lender, reason=reason)
        method, kind = "ResumePartner", pb.LEAF_KIND_PARTNER_RESUMED
    return Decision(f"{method} {lender}", LENDERS + method, request, frozenset({kind}), reason)


def _revoke_certificate(play: Play) -> Decision:
    lender = play.random.choice(play.drawn.consents).lender
    fingerprint = pki.parse_peer(play.random.choice(play.ground.certificates[lender])).fingerprint
    reason = f"decision {len(play.lines)}"
    request = lenders.RevokeCertificateRequest(fingerprint=fingerprint, reason=reason)
    kinds = frozenset({int(pb.LEAF_KIND_CERTIFICATE_REVOKED)})
    return Decision(
        f"revoke a certificate of {lender}", LENDERS + "RevokeCertificate", request, kinds, reason
    )


def _set_contract(play: Play) -> Decision:
    lender = play.random.choice(play.drawn.consents).lender
    reason = f"decision {len(play.lines)}"
    new: Contract = chance.contract(play.random)
    play.planned[reason] = new
    contract = lenders.Contract(
        time_zone=new.time_zone,
        daily_units=new.daily_units,
        monthly_units=new.monthly_units,
        calls_per_second=new.calls_per_second,
        burst_calls=new.burst_calls,
        thresholds=new.thresholds,
        charge_not_scored=new.charge_not_scored,
    )
    request = lenders.SetContractRequest(partner_id=lender, contract=contract, reason=reason)
    kinds = frozenset({int(pb.LEAF_KIND_CONTRACT_CHANGED)})
    return Decision(
        f"{lender} gets {new.daily_units} a day and {new.monthly_units} a month, {new.time_zone}",
        LENDERS + "SetContract",
        request,
        kinds,
        reason,
    )


def _turn(play: Play) -> Decision:
    reason = f"decision {len(play.lines)}"
    request = operations.RotateKeysRequest(reason=reason)
    kinds = frozenset({int(pb.LEAF_KIND_KEY_CHANGED)})
    return Decision("turn the signing key", OPERATIONS + "RotateKeys", request, kinds, reason)
