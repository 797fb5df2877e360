"""Changes of consents: what people decide, what partners give up, and what time ends.

Each runs under the ledger's head lock and leaves its entry, and events for partners, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consent import register
from consent.grant import OPEN, Change, State
from consent.pairwise import Pairwise
from consent.register import Entry, Event, Invitation
from gateway.audit.private import owner_subject
from gateway.ledger import Transaction
from gateway.query import Caller
from gateway.thresholds import cells
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import ConsentEventKind

CONSUMER_DECISION = "CONSUMER_DECISION"
FREEZE_LIFTED = "CONSUMER_DECISION_LIFTING_THE_FREEZE_FOR_THIS_PARTNER"
RELINQUISHED = "PARTNER_RELINQUISHED"

CHANGES = {
    Change.PAUSE: (leaf_pb2.LEAF_KIND_CONSENT_PAUSED, ConsentEventKind.PAUSED),
    Change.RESUME: (leaf_pb2.LEAF_KIND_CONSENT_RESUMED, ConsentEventKind.RESUMED),
    Change.REVOKE: (leaf_pb2.LEAF_KIND_CONSENT_REVOKED, ConsentEventKind.REVOKED),
}


def allow(
    tx: Transaction, handle: str, subject: str, pairwise: Pairwise, *, lift_freeze: bool, actor: str
) -> Entry:
    """A person allows an invitation; a consent comes of it.

    ``lift_freeze``: where their file is frozen, they lift that freeze for this lender alone.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
        SubjectIsFrozen: The person's file is frozen, and they lift nothing.
    """
    reference = pairwise.reference(register.invitation(tx.connection, handle).partner_id, subject)
    entry = register.allow(
        tx.connection,
        handle,
        subject=subject,
        subject_ref=reference,
        now=tx.now,
        lift_freeze=lift_freeze,
    )
    tx.vault.ensure(tx.connection, owner_subject(subject))
    reason = CONSUMER_DECISION if entry.grant.lifts is None else FREEZE_LIFTED
    leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_CONSENT_GRANTED, reason=reason, actor=actor)
    _append(tx, leaf, entry, ConsentEventKind.GRANTED)
    return entry


def deny(tx: Transaction, handle: str, *, actor: str) -> Invitation:
    """A person says no.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
    """
    rejected = register.reject(tx.connection, handle, now=tx.now)
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_INVITATION_REJECTED,
        partner_id=rejected.partner_id,
        purpose=rejected.terms.purpose.number,
        reason=CONSUMER_DECISION,
        actor=actor,
    )
    tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(handle=handle), partner_id=rejected.partner_id))
    return rejected


def change(tx: Transaction, consent_id: str, what: Change, *, actor: str) -> Entry:
    """A person pauses, resumes or revokes.

    Raises:
        NotFound: No such consent.
        MoveRefused: Its state does not allow it.
    """
    entry = register.change(tx.connection, consent_id, what, now=tx.now)
    kind, happening = CHANGES[what]
    _append(tx, leaf_pb2.Leaf(kind=kind, reason=CONSUMER_DECISION, actor=actor), entry, happening)
    return entry


def relinquish(tx: Transaction, consent_id: str, caller: Caller, *, method: str) -> Entry:
    """A partner gives up a consent of its own; one that has ended is left as it is.

    Raises:
        NotFound: Missing, or another partner's.
    """
    found = register.entry(tx.connection, consent_id, partner_id=caller.partner_id)
    if found.grant.state_at(tx.now) not in OPEN:
        return found
    ended = register.change(tx.connection, consent_id, Change.REVOKE, now=tx.now)
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_CONSENT_REVOKED, method=method, reason=RELINQUISHED, actor=caller.partner_id
    )
    _append(tx, leaf, ended, ConsentEventKind.REVOKED, caller)
    return ended


def set_freeze(tx: Transaction, subject: str, *, frozen: bool, actor: str) -> bool:
    """A person freezes or unfreezes their file; returns False where nothing changed."""
    if not register.set_freeze(tx.connection, subject, frozen=frozen, now=tx.now):
        return False
    kind = leaf_pb2.LEAF_KIND_SUBJECT_FROZEN if frozen else leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN
    leaf = leaf_pb2.Leaf(kind=kind, reason=CONSUMER_DECISION, actor=actor)
    placed = tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=""))
    what = ConsentEventKind.FROZEN if frozen else ConsentEventKind.UNFROZEN
    _record(tx, placed.leaf_index, register.open_grants(tx.connection, subject), what)
    return True


def reopen_month(tx: Transaction, subject: str, *, reason: str, actor: str) -> int:
    """Let a person's next answers in cells rest on a corrected score; returns how many are forgotten."""
    forgotten = cells.forget(tx.connection, subject)
    if forgotten:
        leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_MONTH_REOPENED, reason=reason, actor=actor)
        tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=""))
    return forgotten


def expire(tx: Transaction, consent_ids: Sequence[str]) -> int:
    """Record that these windows have closed, where nobody else has; returns how many."""
    count = 0
    for consent_id in consent_ids:
        found = register.entry(tx.connection, consent_id)
        if found.grant.state in OPEN and found.grant.state_at(tx.now) is State.EXPIRED:
            register.set_states(tx.connection, {consent_id: State.EXPIRED})
            leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_CONSENT_EXPIRED, actor="gateway")
            _append(tx, leaf, found, ConsentEventKind.EXPIRED)
            count += 1
    return count


def _append(
    tx: Transaction, leaf: leaf_pb2.Leaf, entry: Entry, what: ConsentEventKind, caller: Caller | None = None
) -> None:
    grant = entry.grant
    leaf.partner_id, leaf.purpose = grant.partner_id, grant.terms.purpose.number
    part = leaf_pb2.PrivatePart(subject=grant.subject, consent_id=grant.consent_id, handle=entry.handle)
    if caller is not None:
        part.legal_name, part.peer = caller.legal_name, caller.peer
    placed = tx.append(leaf, tx.bind(part, partner_id=grant.partner_id))
    _record(tx, placed.leaf_index, [(grant.partner_id, grant.consent_id)], what)


def _record(
    tx: Transaction, leaf_index: int, whose: Iterable[tuple[str, str]], what: ConsentEventKind
) -> None:
    events = [Event(partner_id, leaf_index, consent_id, what, tx.now) for partner_id, consent_id in whose]
    register.record(tx.connection, events)
