"""Changes of consents and disputes: what people decide or look at, what partners give up, what time ends.

Each runs under the ledger's head lock and leaves its entry, and events for partners, in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from consent import register
from consent.grant import OPEN, Change, State
from consent.identity import Matcher, Trait
from consent.pairwise import Pairwise
from consent.register import Entry, Event, Invitation, disputes
from consent.register.disputes import Dispute, DisputeKind, plain_words
from consent.register.terms import NOTICE_VERSION
from gateway import partners
from gateway.audit.log import Appended
from gateway.audit.private import Sealed, Vault, owner_subject
from gateway.ledger import Transaction
from gateway.query import Caller
from gateway.quota.contract import Contract
from gateway.thresholds import cells
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import types_pb2
from scoregate.words import ConsentEventKind, Disclosure, InputFamily
from scoring.service import EpochOutcome

CONSUMER_DECISION = "CONSUMER_DECISION"
FREEZE_LIFTED = "CONSUMER_DECISION_LIFTING_THE_FREEZE_FOR_THIS_PARTNER"
RELINQUISHED = "PARTNER_RELINQUISHED"
MISMATCHED = "IDENTITY_MISMATCH"

CHANGES = {
    Change.PAUSE: (leaf_pb2.LEAF_KIND_CONSENT_PAUSED, ConsentEventKind.PAUSED),
    Change.RESUME: (leaf_pb2.LEAF_KIND_CONSENT_RESUMED, ConsentEventKind.RESUMED),
    Change.REVOKE: (leaf_pb2.LEAF_KIND_CONSENT_REVOKED, ConsentEventKind.REVOKED),
}


class IdentityMismatch(Exception):
    """Whoever decides is not the person whom the partner named; the invitation has ended."""


class IdentityUnknown(Exception):
    """The partner named a person, and nobody who could say who they are decides."""


def new_matcher(vault: Vault, region: str) -> Matcher:
    """Compares whom partners name with what logins say, under a secret that is this installation's own.

    ``region`` is that of phone numbers without a country, such as "CN".
    """
    return Matcher(vault.derive("identity match"), region)


def meets(invitation: Invitation, traits: Mapping[Trait, str], matcher: Matcher) -> bool:
    """Whether a login says all that the partner expects; anybody meets an invitation that names nobody."""
    return matcher.matches(invitation.identity, traits)


def return_link(invitation: Invitation, contract: Contract) -> str:
    """Where the person goes back to after deciding; empty unless the contract still names it."""
    if invitation.return_address not in contract.return_addresses:
        return ""
    said = urlencode({"handle": invitation.handle, "state": invitation.return_state})
    return f"{invitation.return_address}?{said}"


def allow(
    tx: Transaction,
    handle: str,
    subject: str,
    pairwise: Pairwise,
    *,
    lift_freeze: bool,
    actor: str,
    excluded: frozenset[InputFamily] = frozenset(),
    traits: Mapping[Trait, str] | None = None,
    matcher: Matcher | None = None,
    notice_version: str = NOTICE_VERSION,
) -> Entry | None:
    """A person allows an invitation; a consent comes of it.

    None: they are not whom the partner named, and the invitation ends with this transaction. What was done
    must commit, so it is ``require_met`` that raises, on what the ledger returns.

    ``lift_freeze``: where their file is frozen, they lift that freeze for this lender alone. ``excluded``:
    input families that they exclude beyond those of the invitation. ``traits`` are what their login says,
    compared by ``matcher``; without both, nobody vouches for who they are. ``notice_version`` names the words
    that they saw.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
        SubjectIsFrozen: The person's file is frozen, and they lift nothing.
        NothingLeft: Every input family would be excluded.
        IdentityUnknown: The partner named a person, and nobody vouches.
    """
    found = register.invitation(tx.connection, handle)
    if found.identity and found.state_at(tx.now) == "PENDING":
        if traits is None or matcher is None:
            raise IdentityUnknown
        if not meets(found, traits, matcher):
            mismatch(tx, handle, actor=actor)
            return None
    reference = pairwise.reference(found.partner_id, subject)
    partner = partners.partner(tx.connection, found.partner_id)
    entry = register.allow(
        tx.connection,
        handle,
        subject=subject,
        subject_ref=reference,
        now=tx.now,
        lift_freeze=lift_freeze,
        excluded=excluded,
        thresholds=partner.contract.thresholds,
        notice_version=notice_version,
    )
    tx.vault.ensure(tx.connection, owner_subject(subject))
    reason = CONSUMER_DECISION if entry.grant.lifts is None else FREEZE_LIFTED
    leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_CONSENT_GRANTED, reason=reason, actor=actor)
    _append(tx, leaf, entry, ConsentEventKind.GRANTED)
    return entry


def require_met(entry: Entry | None) -> Entry:
    """The consent that ``allow`` made, once its transaction is durable.

    Raises:
        IdentityMismatch: It ended the invitation instead.
    """
    if entry is None:
        raise IdentityMismatch
    return entry


def deny(tx: Transaction, handle: str, *, actor: str, subject: str = "") -> Invitation:
    """A person says no. Their ``subject``, where it is known, has them find it among their own entries.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
    """
    rejected = register.reject(tx.connection, handle, now=tx.now)
    leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_INVITATION_REJECTED, reason=CONSUMER_DECISION, actor=actor)
    if subject:
        tx.vault.ensure(tx.connection, owner_subject(subject))
    _append_ending(tx, leaf, rejected, subject)
    return rejected


def mismatch(tx: Transaction, handle: str, *, actor: str) -> Invitation:
    """Whoever wants to read an invitation is not the person whom the partner named. Nothing says who it was.

    Raises:
        NotFound: No such invitation.
        InvitationClosed: It is not PENDING any more.
    """
    ended = register.mismatch(tx.connection, handle, now=tx.now)
    leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_INVITATION_MISMATCHED, reason=MISMATCHED, actor=actor)
    _append_ending(tx, leaf, ended)
    return ended


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
    what = ConsentEventKind.FROZEN if frozen else ConsentEventKind.UNFROZEN
    affected = defaultdict[str, list[tuple[str, str]]](list)
    for partner_id, consent_id in register.open_grants(tx.connection, subject):
        affected[partner_id].append((partner_id, consent_id))
    # An entry for each partner: by one that they shared, two would know that they mean the same person.
    for partner_id in sorted(affected) or [""]:
        leaf = leaf_pb2.Leaf(kind=kind, partner_id=partner_id, reason=CONSUMER_DECISION, actor=actor)
        part = leaf_pb2.PrivatePart(subject=subject, legal_name=_legal_name(tx, partner_id))
        placed = tx.append(leaf, tx.bind(part, partner_id=partner_id))
        _record(tx, placed.leaf_index, affected[partner_id], what)
    return True


def reopen_month(tx: Transaction, subject: str, *, reason: str, actor: str) -> int:
    """Let a person's next answers in cells rest on a corrected score; returns how many are forgotten."""
    forgotten = cells.forget(tx.connection, subject)
    if forgotten:
        leaf = leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_MONTH_REOPENED, reason=reason, actor=actor)
        tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=""))
    return forgotten


def open_dispute(tx: Transaction, subject: str, kind: DisputeKind, words: str, *, actor: str) -> Dispute:
    """A person disputes something, or asks for a human review; their answers are marked from now on.

    ``words`` are the person's own, 1 to 2,000 characters. Who says the same again, while it is open, has the
    one that there is: a button that was pressed twice.

    Raises:
        WordsRefused: Too few, too many, or not printable.
        TooManyOpen: As many of theirs are open as may be.
    """
    key = tx.vault.ensure(tx.connection, owner_subject(subject))
    said = plain_words(words).encode()
    mine = disputes.disputes_of_subject(tx.connection, subject, limit=disputes.MOST_OPEN, open_only=True)
    for each in mine:
        is_readable = each.key_id == key.key_id  # not sealed before they were erased
        if each.kind is kind and is_readable and key.open(Sealed(each.key_id, each.words)) == said:
            return each
    sealed = key.seal(said)
    opened = disputes.open_dispute(
        tx.connection, subject, kind, key_id=sealed.key_id, words=sealed.data, now=tx.now
    )
    _append_dispute(tx, leaf_pb2.LEAF_KIND_DISPUTE_OPENED, opened, actor)
    return opened


def resolve_dispute(tx: Transaction, reference: str, outcome: str, *, actor: str) -> Dispute:
    """An operator answers; the mark leaves the person's answers, unless another open one holds it.

    ``outcome`` is what the person reads, 1 to 1,000 printable characters.

    Raises:
        NotFound: None has this reference.
        AlreadyResolved: It was answered before.
    """
    found = disputes.dispute(tx.connection, reference)
    key = tx.vault.ensure(tx.connection, owner_subject(found.subject))
    resolved = disputes.resolve_dispute(
        tx.connection, reference, outcome=key.seal(outcome.encode()).data, now=tx.now
    )
    _append_dispute(tx, leaf_pb2.LEAF_KIND_DISPUTE_RESOLVED, resolved, actor)
    return resolved


def look_at_own_score(tx: Transaction, subject: str, newest: EpochOutcome, *, actor: str) -> Appended:
    """A person is shown their own score, or that there is none: free, no inquiry, and no partner's business.

    It is an entry like any other's look at it, and nothing that a score rests on. Shown only once it is
    durable.
    """
    part = leaf_pb2.PrivatePart(subject=subject)
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_SELF_INQUIRY, purpose=types_pb2.PURPOSE_CONSUMER_SELF, actor=actor
    )
    if newest.score is not None:
        leaf.decision = leaf_pb2.DECISION_SCORED
        part.score, part.shown = newest.score, Disclosure.SCORE
    elif newest.not_scored is not None:
        leaf.decision = leaf_pb2.DECISION_NOT_SCORED
        leaf.reason = part.shown = newest.not_scored.name
    return tx.append(leaf, tx.bind(part, partner_id=""))


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


def _append_dispute(tx: Transaction, kind: leaf_pb2.LeafKind, dispute: Dispute, actor: str) -> None:
    leaf = leaf_pb2.Leaf(kind=kind, reason=dispute.kind, actor=actor, object_id=dispute.reference)
    tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=dispute.subject), partner_id=""))


def _legal_name(tx: Transaction, partner_id: str) -> str:
    """A partner's name as it is now: whoever reads the entry later is told the one of then."""
    return partners.legal_names(tx.connection, [partner_id]).get(partner_id, "") if partner_id else ""


def _append_ending(tx: Transaction, leaf: leaf_pb2.Leaf, ended: Invitation, subject: str = "") -> None:
    leaf.partner_id, leaf.purpose = ended.partner_id, ended.terms.purpose.number
    name = _legal_name(tx, ended.partner_id)
    part = leaf_pb2.PrivatePart(handle=ended.handle, subject=subject, legal_name=name)
    tx.append(leaf, tx.bind(part, partner_id=ended.partner_id))


def _append(
    tx: Transaction, leaf: leaf_pb2.Leaf, entry: Entry, what: ConsentEventKind, caller: Caller | None = None
) -> None:
    grant = entry.grant
    leaf.partner_id, leaf.purpose = grant.partner_id, grant.terms.purpose.number
    part = leaf_pb2.PrivatePart(subject=grant.subject, consent_id=grant.consent_id, handle=entry.handle)
    if what is ConsentEventKind.GRANTED:
        part.consent_sha256 = grant.sha256
    if caller is not None:
        part.legal_name, part.peer = caller.legal_name, caller.peer
    else:
        part.legal_name = _legal_name(tx, grant.partner_id)
    placed = tx.append(leaf, tx.bind(part, partner_id=grant.partner_id))
    _record(tx, placed.leaf_index, [(grant.partner_id, grant.consent_id)], what)


def _record(
    tx: Transaction, leaf_index: int, whose: Iterable[tuple[str, str]], what: ConsentEventKind
) -> None:
    events = [Event(partner_id, leaf_index, consent_id, what, tx.now) for partner_id, consent_id in whose]
    tx.write(register.happened(events))
