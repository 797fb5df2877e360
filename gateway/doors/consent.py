"""scoregate.partner.v1.ConsentService: invitations out, a partner's own consents back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from consent import register
from consent.grant import Frequency, Terms
from consent.identity import Matcher
from consent.register import Entry, Event, Invitation, NotFound, RequestIdReused
from gateway import decisions
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.invitation import read_identity, read_return, request_digest
from gateway.doors.qr import qr_svg
from gateway.doors.wire import A_CONSENT_ID, A_HANDLE, ID, Check, duration, page_token, read, timestamp
from gateway.errors import Refused
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2, types_pb2
from scoregate.words import CalendarUnit, ConsentEventKind, ConsentMode, Disclosure, InputFamily

SERVICE = "scoregate.partner.v1.ConsentService"
EVENT_TOKEN = re.compile(r"(\d{1,18}):([a-z2-7]{26})")
OF_THE_PERSON = frozenset({ConsentEventKind.FROZEN, ConsentEventKind.UNFROZEN})
DECIDE_WITHIN = timedelta(days=7)
MINUTE, DAY, YEARS = timedelta(minutes=1), timedelta(days=1), timedelta(days=5 * 365)


class ConsentDoor:
    """Creates invitations, and shows invitations and consents to the partner whose they are."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        matcher: Matcher,
        pages_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._matcher = matcher
        self._pages_url = pages_url
        self._clock = clock

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        return by_path(
            SERVICE,
            {
                "CreateConsentInvitation": frame.admitted(self._create_invitation),
                "GetConsentInvitation": frame.admitted(self._get_invitation),
                "GetConsent": frame.admitted(self._get_consent),
                "ListConsents": frame.admitted(self._list_consents),
                "ListConsentEvents": frame.admitted(self._list_events),
                "RelinquishConsent": frame.admitted(self._relinquish),
            },
        )

    def _create_invitation(
        self, call: Call, partner: Partner, caller: Caller
    ) -> consent_pb2.CreateConsentInvitationResponse:
        request = read(consent_pb2.CreateConsentInvitationRequest, call.body)
        check = Check()
        request.request_id = request_id = check.uuid("request_id", request.request_id)
        terms = read_terms(check, request.terms, now=self._clock())
        reference = check.printable("partner_reference", request.partner_reference, least=0, most=64)
        within = DECIDE_WITHIN
        if request.HasField("decide_within"):
            within = check.duration(
                "decide_within", request.decide_within, least=MINUTE, most=timedelta(days=30)
            )
        return_address, return_state = read_return(check, request, partner.contract)
        identity = read_identity(check, request, self._matcher)
        check.finish()

        def invite(tx: Transaction) -> tuple[Invitation, str]:
            invitation, fresh = register.invite(
                tx.connection,
                partner_id=partner.partner_id,
                request_id=request_id,
                request_sha256=request_digest(request, identity),
                terms=terms,
                partner_reference=reference,
                now=tx.now,
                decide_within=within,
                return_address=return_address,
                return_state=return_state,
                identity=identity,
            )
            if fresh:
                part = leaf_pb2.PrivatePart(
                    handle=invitation.handle,
                    request_id=request_id,
                    legal_name=caller.legal_name,
                    peer=caller.peer,
                )
                leaf = leaf_pb2.Leaf(
                    kind=leaf_pb2.LEAF_KIND_INVITATION_CREATED,
                    partner_id=partner.partner_id,
                    method=call.method,
                    purpose=terms.purpose.number,
                    actor=partner.partner_id,
                )
                tx.append(leaf, tx.bind(part, partner_id=partner.partner_id))
            return invitation, subject_ref(tx, invitation)

        try:
            invitation, reference_of_subject = self._ledger.change(acting(caller, call.method, invite))
        except RequestIdReused as error:
            refusal = Refused("REQUEST_ID_REUSED")
            refusal.request_id = request_id
            raise refusal from error
        message = self._message(invitation, reference_of_subject)
        return consent_pb2.CreateConsentInvitationResponse(invitation=message, qr_svg=qr_svg(message.url))

    def _get_invitation(
        self, call: Call, partner: Partner, _: Caller
    ) -> consent_pb2.GetConsentInvitationResponse:
        request = read(consent_pb2.GetConsentInvitationRequest, call.body)
        check = Check()
        check.text("handle", request.handle, ID, A_HANDLE)
        check.finish()
        with self._store.reading() as connection:
            try:
                invitation = register.invitation(connection, request.handle, partner_id=partner.partner_id)
            except NotFound as error:
                raise Refused("NOT_FOUND") from error
            reference = ""
            if invitation.consent_id:
                reference = register.entry(connection, invitation.consent_id).grant.subject_ref
        return consent_pb2.GetConsentInvitationResponse(invitation=self._message(invitation, reference))

    def _message(self, invitation: Invitation, subject_ref: str) -> consent_pb2.ConsentInvitation:
        return invitation_message(invitation, subject_ref, pages_url=self._pages_url, now=self._clock())

    def _get_consent(self, call: Call, partner: Partner, _: Caller) -> consent_pb2.GetConsentResponse:
        request = read(consent_pb2.GetConsentRequest, call.body)
        check = Check()
        check.text("consent_id", request.consent_id, ID, A_CONSENT_ID)
        check.finish()
        with self._store.reading() as connection:
            try:
                found = register.entry(connection, request.consent_id, partner_id=partner.partner_id)
            except NotFound as error:
                raise Refused("NOT_FOUND") from error
        return consent_pb2.GetConsentResponse(consent=consent_message(found, now=self._clock()))

    def _list_events(self, call: Call, partner: Partner, _: Caller) -> consent_pb2.ListConsentEventsResponse:
        request = read(consent_pb2.ListConsentEventsRequest, call.body)
        check = Check()
        size = check.page_size(request.page_size, default=100, most=500)
        if request.start_index < 0:
            check.refuse("start_index", "must be a log index: 0 or more")
        token = check.page_token(request.page_token)
        place = EVENT_TOKEN.fullmatch(token)
        if token and not place:
            check.refuse("page_token", "must be the next_page_token of the page before")
        check.finish()
        behind = (int(place[1]), place[2]) if place else (request.start_index, "")
        with self._store.reading() as connection:
            found = register.events_of_partner(connection, partner.partner_id, behind=behind, limit=size + 1)
        page, more = found[:size], found[size:]
        last = page[-1] if page else None
        return consent_pb2.ListConsentEventsResponse(
            events=[event_message(event) for event in page],
            next_page_token=page_token(f"{last.leaf_index}:{last.consent_id}") if last and more else "",
            next_index=0 if more else last.leaf_index + 1 if last else behind[0],
        )

    def _relinquish(self, call: Call, _: Partner, caller: Caller) -> consent_pb2.RelinquishConsentResponse:
        request = read(consent_pb2.RelinquishConsentRequest, call.body)
        check = Check()
        consent_id = check.text("consent_id", request.consent_id, ID, A_CONSENT_ID)
        check.finish()

        relinquish = partial(decisions.relinquish, consent_id=consent_id, caller=caller, method=call.method)
        try:
            entry = self._ledger.change(acting(caller, call.method, relinquish))
        except NotFound as error:
            raise Refused("NOT_FOUND") from error
        return consent_pb2.RelinquishConsentResponse(consent=consent_message(entry, now=self._clock()))

    def _list_consents(self, call: Call, partner: Partner, _: Caller) -> consent_pb2.ListConsentsResponse:
        request = read(consent_pb2.ListConsentsRequest, call.body)
        check = Check()
        size = check.page_size(request.page_size, default=100, most=500)
        after = check.page_token(request.page_token)
        if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
            check.refuse("page_token", "must be the next_page_token of the page before")
        check.finish()
        with self._store.reading() as connection:
            found = register.entries_of_partner(
                connection, partner.partner_id, after=int(after or 0), limit=size + 1
            )
        page, more = found[:size], found[size:]
        return consent_pb2.ListConsentsResponse(
            consents=[consent_message(entry, now=self._clock()) for entry in page],
            next_page_token=page_token(str(page[-1].number)) if more else "",
        )


def subject_ref(tx: Transaction, invitation: Invitation) -> str:
    """The subject reference of an approved invitation; empty before."""
    if invitation.consent_id is None:
        return ""
    return register.entry(tx.connection, invitation.consent_id).grant.subject_ref


def read_terms(check: Check, given: consent_pb2.ConsentTerms, *, now: datetime) -> Terms:
    """Read the terms of an invitation; violations go to ``check``."""
    purpose = check.purpose("terms.purpose", given.purpose)
    if given.thresholds:
        check.refuse("terms.thresholds", "must be left out: the lines are those of your contract")
    disclosures = check.words("terms.disclosures", Disclosure, given.disclosures, most=4)
    if not disclosures - {Disclosure.REASONS}:
        check.refuse("terms.disclosures", "must name SCORE, BAND or THRESHOLD")
    elif Disclosure.REASONS in disclosures and not disclosures & {Disclosure.SCORE, Disclosure.BAND}:
        check.refuse("terms.disclosures", "REASONS needs SCORE or BAND beside it")
    mode = check.word("terms.mode", ConsentMode, given.mode)
    not_before = check.moment("terms.not_before", given.not_before) if given.HasField("not_before") else None
    if not_before is not None and not_before > now + YEARS:
        check.refuse("terms.not_before", "must lie within the next 5 years")
    return Terms(
        purpose=purpose,
        disclosures=disclosures,
        mode=mode or ConsentMode.ONE_TIME,
        not_before=not_before,
        valid_for=check.duration("terms.valid_for", given.valid_for, least=MINUTE, most=YEARS),
        frequency=_read_frequency(check, given, mode),
        time_zone=check.time_zone("terms.time_zone", given.time_zone),
        data_life=check.duration("terms.data_life", given.data_life, least=DAY, most=YEARS),
        excluded_families=check.words(
            "terms.excluded_families", InputFamily, given.excluded_families, most=4
        ),
    )


def _read_frequency(
    check: Check, given: consent_pb2.ConsentTerms, mode: ConsentMode | None
) -> Frequency | None:
    if mode is ConsentMode.ONE_TIME and given.HasField("frequency"):
        check.refuse("terms.frequency", "must be left out for ONE_TIME")
    if mode is not ConsentMode.PERIODIC:
        return None
    uses = check.between("terms.frequency.uses", given.frequency.uses, 1, 1_000)
    unit = check.word("terms.frequency.unit", CalendarUnit, given.frequency.unit)
    return Frequency(uses, unit or CalendarUnit.DAY)


def terms_message(terms: Terms) -> consent_pb2.ConsentTerms:
    """Terms on the wire."""
    message = consent_pb2.ConsentTerms(
        purpose=terms.purpose.number,
        disclosures=sorted(disclosure.number for disclosure in terms.disclosures),
        mode=terms.mode.number,
        valid_for=duration(terms.valid_for),
        time_zone=terms.time_zone,
        data_life=duration(terms.data_life),
        excluded_families=sorted(family.number for family in terms.excluded_families),
        thresholds=terms.thresholds or (),
    )
    if terms.not_before is not None:
        message.not_before.CopyFrom(timestamp(terms.not_before))
    if terms.frequency is not None:
        message.frequency.CopyFrom(
            types_pb2.Frequency(uses=terms.frequency.uses, unit=terms.frequency.unit.number)
        )
    return message


def invitation_message(
    invitation: Invitation, subject_ref: str, *, pages_url: str, now: datetime
) -> consent_pb2.ConsentInvitation:
    """An invitation on the wire, with its state as the clock has it and its link to the consumers' pages."""
    state = invitation.state_at(now)
    return consent_pb2.ConsentInvitation(
        handle=invitation.handle,
        state=f"INVITATION_STATE_{'IDENTITY_MISMATCH' if state == 'MISMATCH' else state}",
        terms=terms_message(invitation.terms),
        partner_reference=invitation.partner_reference,
        expires_at=timestamp(invitation.expires_at),
        consent_id=invitation.consent_id or "",
        subject_ref=subject_ref,
        url=f"{pages_url}/i/{invitation.handle}",
        return_address=invitation.return_address,
        return_state=invitation.return_state,
    )


def event_message(event: Event) -> consent_pb2.ConsentEvent:
    """An event on the wire."""
    at = event.at
    if event.what in OF_THE_PERSON:
        # Two lenders shall not know each other's people by the moment of a freeze: they are told its day.
        at = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return consent_pb2.ConsentEvent(
        log_index=event.leaf_index,
        consent_id=event.consent_id,
        kind=event.what.number,
        time=timestamp(at),
    )


def consent_message(entry: Entry, *, now: datetime) -> consent_pb2.Consent:
    """A consent on the wire, with its state as the clock has it."""
    grant = entry.grant
    return consent_pb2.Consent(
        consent_id=grant.consent_id,
        state=f"CONSENT_STATE_{grant.state_at(now)}",
        subject_ref=grant.subject_ref,
        terms=terms_message(grant.terms),
        handle=entry.handle,
        partner_reference=entry.partner_reference,
        not_before=timestamp(grant.not_before),
        expires_at=timestamp(grant.expires_at),
        consent_sha256=grant.sha256,
        notice_version=entry.notice_version,
    )
