"""scoregate.admin.v1.ConsentAdminService: a consumer's decisions, brought by an operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from consent import register
from consent.grant import Change, MoveRefused
from consent.pairwise import Pairwise
from consent.register import Entry, Invitation, InvitationClosed, NotFound, SubjectIsFrozen
from gateway.audit.private import owner_subject
from gateway.doors.consent import consent_message, invitation_message
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.wire import ID, SUBJECT, Check, page_token, read
from gateway.errors import Refused
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from gateway.thresholds import cells
from scoregate.admin.v1 import consent_admin_pb2 as pb
from scoregate.audit.v1 import leaf_pb2

SERVICE = "scoregate.admin.v1.ConsentAdminService"
CONSUMER_DECISION = "CONSUMER_DECISION"
A_HANDLE = "an invitation's handle: 26 characters of a-z and 2-7"
A_SUBJECT = "a subject id such as uci-00001: 1 to 64 printable ASCII characters without spaces"

CHANGES = {
    pb.CONSENT_CHANGE_PAUSE: (Change.PAUSE, leaf_pb2.LEAF_KIND_CONSENT_PAUSED),
    pb.CONSENT_CHANGE_RESUME: (Change.RESUME, leaf_pb2.LEAF_KIND_CONSENT_RESUMED),
    pb.CONSENT_CHANGE_REVOKE: (Change.REVOKE, leaf_pb2.LEAF_KIND_CONSENT_REVOKED),
}

T = TypeVar("T")


class ConsentAdminDoor:
    """Records decisions under the head lock: effective for every call that begins after the answer."""

    def __init__(
        self, store: Store, ledger: Ledger, pairwise: Pairwise, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._pairwise = pairwise
        self._clock = clock

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        return by_path(
            SERVICE,
            {
                "AllowInvitation": frame.admitted(self._allow),
                "DenyInvitation": frame.admitted(self._deny),
                "ChangeConsent": frame.admitted(self._change_consent),
                "SetFreeze": frame.admitted(self._set_freeze),
                "ReopenMonth": frame.admitted(self._reopen_month),
                "ListSubjectConsents": frame.admitted(self._list),
            },
        )

    def _allow(self, call: Call, operator: Partner, caller: Caller) -> pb.AllowInvitationResponse:
        request = read(pb.AllowInvitationRequest, call.body)
        check = Check()
        handle = check.text("handle", request.handle, ID, A_HANDLE)
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        check.finish()

        def allow(tx: Transaction) -> Entry:
            partner_id = register.invitation(tx.connection, handle).partner_id
            entry = register.allow(
                tx.connection,
                handle,
                subject=subject,
                subject_ref=self._pairwise.reference(partner_id, subject),
                now=tx.now,
            )
            tx.vault.ensure(tx.connection, owner_subject(subject))
            _append(tx, leaf_pb2.LEAF_KIND_CONSENT_GRANTED, operator, entry)
            return entry

        return pb.AllowInvitationResponse(
            consent=consent_message(self._change(call, caller, allow), now=self._clock())
        )

    def _deny(self, call: Call, operator: Partner, caller: Caller) -> pb.DenyInvitationResponse:
        request = read(pb.DenyInvitationRequest, call.body)
        check = Check()
        handle = check.text("handle", request.handle, ID, A_HANDLE)
        check.finish()

        def deny(tx: Transaction) -> Invitation:
            rejected = register.reject(tx.connection, handle, now=tx.now)
            part = leaf_pb2.PrivatePart(handle=handle)
            leaf = leaf_pb2.Leaf(
                kind=leaf_pb2.LEAF_KIND_INVITATION_REJECTED,
                partner_id=rejected.partner_id,
                purpose=rejected.terms.purpose.number,
                reason=CONSUMER_DECISION,
                actor=operator.partner_id,
            )
            tx.append(leaf, tx.bind(part, partner_id=rejected.partner_id))
            return rejected

        rejected = self._change(call, caller, deny)
        return pb.DenyInvitationResponse(invitation=invitation_message(rejected, "", now=self._clock()))

    def _change_consent(self, call: Call, operator: Partner, caller: Caller) -> pb.ChangeConsentResponse:
        request = read(pb.ChangeConsentRequest, call.body)
        check = Check()
        consent_id = check.text(
            "consent_id", request.consent_id, ID, "a consent id: 26 characters of a-z and 2-7"
        )
        if request.change not in CHANGES:
            check.refuse("change", "must be PAUSE, RESUME or REVOKE")
        check.finish()
        what, kind = CHANGES[request.change]

        def change(tx: Transaction) -> Entry:
            entry = register.change(tx.connection, consent_id, what, now=tx.now)
            _append(tx, kind, operator, entry)
            return entry

        return pb.ChangeConsentResponse(
            consent=consent_message(self._change(call, caller, change), now=self._clock())
        )

    def _set_freeze(self, call: Call, operator: Partner, caller: Caller) -> pb.SetFreezeResponse:
        request = read(pb.SetFreezeRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        check.finish()
        kind = leaf_pb2.LEAF_KIND_SUBJECT_FROZEN if request.frozen else leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN

        def set_freeze(tx: Transaction) -> None:
            if register.set_freeze(tx.connection, subject, frozen=request.frozen, now=tx.now):
                leaf = leaf_pb2.Leaf(kind=kind, reason=CONSUMER_DECISION, actor=operator.partner_id)
                tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=""))

        self._change(call, caller, set_freeze)
        return pb.SetFreezeResponse(frozen=request.frozen)

    def _reopen_month(self, call: Call, operator: Partner, caller: Caller) -> pb.ReopenMonthResponse:
        request = read(pb.ReopenMonthRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        reason = check.printable("reason", request.reason, least=1, most=200)
        check.finish()

        def reopen(tx: Transaction) -> int:
            forgotten = cells.forget(tx.connection, subject)
            leaf = leaf_pb2.Leaf(
                kind=leaf_pb2.LEAF_KIND_MONTH_REOPENED, reason=reason, actor=operator.partner_id
            )
            if forgotten:
                tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=""))
            return forgotten

        return pb.ReopenMonthResponse(cells=self._change(call, caller, reopen))

    def _list(self, call: Call, operator: Partner, caller: Caller) -> pb.ListSubjectConsentsResponse:
        request = read(pb.ListSubjectConsentsRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        size = check.page_size(request.page_size, default=100, most=500)
        after = check.page_token(request.page_token)
        check.finish()
        self._change(call, caller, lambda tx: _record_read(tx, call, operator, subject))
        with self._store.reading() as connection:
            found = register.entries_of_subject(connection, subject, after=after, limit=size + 1)
        page, more = found[:size], found[size:]
        return pb.ListSubjectConsentsResponse(
            consents=[
                pb.SubjectConsent(
                    partner_id=entry.grant.partner_id, consent=consent_message(entry, now=self._clock())
                )
                for entry in page
            ],
            next_page_token=page_token(page[-1].grant.consent_id) if more else "",
        )

    def _change(self, call: Call, caller: Caller, work: Callable[[Transaction], T]) -> T:
        try:
            return self._ledger.change(acting(caller, call.method, work))
        except NotFound as error:
            raise Refused("NOT_FOUND") from error
        except (InvitationClosed, MoveRefused) as error:
            raise Refused("STATE_CONFLICT") from error
        except SubjectIsFrozen as error:
            raise Refused("SUBJECT_FROZEN") from error


def _record_read(tx: Transaction, call: Call, operator: Partner, subject: str) -> None:
    """Whoever looks into a person's file is seen by that person."""
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
        partner_id=operator.partner_id,
        method=call.method,
        reason="CONSENTS_OF_A_PERSON",
        actor=operator.partner_id,
    )
    tx.append(leaf, tx.bind(leaf_pb2.PrivatePart(subject=subject), partner_id=operator.partner_id))


def _append(tx: Transaction, kind: leaf_pb2.LeafKind, operator: Partner, entry: Entry) -> None:
    grant = entry.grant
    part = leaf_pb2.PrivatePart(subject=grant.subject, consent_id=grant.consent_id, handle=entry.handle)
    leaf = leaf_pb2.Leaf(
        kind=kind,
        partner_id=grant.partner_id,
        purpose=grant.terms.purpose.number,
        reason=CONSUMER_DECISION,
        actor=operator.partner_id,
    )
    tx.append(leaf, tx.bind(part, partner_id=grant.partner_id))
