"""scoregate.admin.v1.ConsentAdminService: a consumer's decisions, brought by an operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from consent import register
from consent.grant import Change, MoveRefused
from consent.pairwise import Pairwise
from consent.register import InvitationClosed, NotFound, SubjectIsFrozen
from gateway import decisions
from gateway.decisions import IdentityUnknown
from gateway.doors.consent import consent_message, invitation_message
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.wire import A_CONSENT_ID, A_HANDLE, ID, SUBJECT, Check, page_token, read
from gateway.errors import Refused, Violation
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.admin.v1 import consent_admin_pb2 as pb
from scoregate.audit.v1 import leaf_pb2

SERVICE = "scoregate.admin.v1.ConsentAdminService"
A_SUBJECT = "a subject id such as uci-00001: 1 to 64 printable ASCII characters without spaces"
FOR_A_PERSON = "names whom it is for: only that person can allow it, signed in on the consumers' pages"

CHANGES = {
    pb.CONSENT_CHANGE_PAUSE: Change.PAUSE,
    pb.CONSENT_CHANGE_RESUME: Change.RESUME,
    pb.CONSENT_CHANGE_REVOKE: Change.REVOKE,
}

T = TypeVar("T")


class ConsentAdminDoor:
    """Records decisions under the head lock: effective for every call that begins after the answer."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        pairwise: Pairwise,
        *,
        pages_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._pairwise = pairwise
        self._pages_url = pages_url
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

        allow = partial(
            decisions.allow,
            handle=handle,
            subject=subject,
            pairwise=self._pairwise,
            lift_freeze=request.lift_freeze,
            actor=operator.partner_id,
        )
        entry = decisions.require_met(self._change(call, caller, allow))
        return pb.AllowInvitationResponse(consent=consent_message(entry, now=self._clock()))

    def _deny(self, call: Call, operator: Partner, caller: Caller) -> pb.DenyInvitationResponse:
        request = read(pb.DenyInvitationRequest, call.body)
        check = Check()
        handle = check.text("handle", request.handle, ID, A_HANDLE)
        check.finish()

        deny = partial(decisions.deny, handle=handle, actor=operator.partner_id)
        rejected = self._change(call, caller, deny)
        message = invitation_message(rejected, "", pages_url=self._pages_url, now=self._clock())
        return pb.DenyInvitationResponse(invitation=message)

    def _change_consent(self, call: Call, operator: Partner, caller: Caller) -> pb.ChangeConsentResponse:
        request = read(pb.ChangeConsentRequest, call.body)
        check = Check()
        consent_id = check.text("consent_id", request.consent_id, ID, A_CONSENT_ID)
        if request.change not in CHANGES:
            check.refuse("change", "must be PAUSE, RESUME or REVOKE")
        check.finish()
        change = partial(
            decisions.change,
            consent_id=consent_id,
            what=CHANGES[request.change],
            actor=operator.partner_id,
        )
        return pb.ChangeConsentResponse(
            consent=consent_message(self._change(call, caller, change), now=self._clock())
        )

    def _set_freeze(self, call: Call, operator: Partner, caller: Caller) -> pb.SetFreezeResponse:
        request = read(pb.SetFreezeRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        check.finish()
        set_freeze = partial(
            decisions.set_freeze, subject=subject, frozen=request.frozen, actor=operator.partner_id
        )
        self._change(call, caller, set_freeze)
        return pb.SetFreezeResponse(frozen=request.frozen)

    def _reopen_month(self, call: Call, operator: Partner, caller: Caller) -> pb.ReopenMonthResponse:
        request = read(pb.ReopenMonthRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        reason = check.printable("reason", request.reason, least=1, most=200)
        check.finish()

        reopen = partial(decisions.reopen_month, subject=subject, reason=reason, actor=operator.partner_id)
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
        except IdentityUnknown as error:
            raise Refused("STATE_CONFLICT", violations=(Violation("handle", FOR_A_PERSON),)) from error
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
    tx.append(leaf, tx.bind_known(leaf_pb2.PrivatePart(subject=subject)))
