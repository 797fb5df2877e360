"""scoregate.admin.v1.PartnerAdminService: the registry, for operators."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar

from gateway import partners, pki, registry
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.invitation import read_return_addresses
from gateway.doors.wire import FINGERPRINT, Check, page_token, read, timestamp
from gateway.errors import Refused, Violation
from gateway.ledger import Ledger, Transaction
from gateway.partners import Enrolled, KeyEnrolled, Partner, PartnerExists, PartnerMissing, Role
from gateway.pki import PARTNER_ID, Authority, RequestRefused
from gateway.query import Call, Caller
from gateway.quota.contract import Contract
from gateway.store import Store
from gateway.thresholds.policy import (
    CELL,
    HIGHEST,
    LOWEST,
    MOST,
    ThresholdsFixed,
    TooManyThresholds,
    is_threshold,
)
from scoregate.admin.v1 import partner_admin_pb2 as pb

SERVICE = "scoregate.admin.v1.PartnerAdminService"
MAX_UNITS = 1_000_000_000
DEFAULT_VALID_DAYS, MAX_VALID_DAYS = 90, 397
A_PARTNER_ID = "2 to 40 of a-z, 0-9 and '-', beginning with a letter"
TAKEN = frozenset({"consumer", "gateway"})
"""By which entries name who acts for themselves, and what happens by itself."""

A_FINGERPRINT = "a certificate's SHA-256: 64 hexadecimal digits in lower case"
LEGAL_ENTITY = re.compile(r"[!-~]{1,40}")
A_LEGAL_ENTITY = "1 to 40 printable ASCII characters without spaces, such as an LEI (ISO 17442)"
A_NEW_KEY = "its key has had a certificate before; make a new key, and a request for it"

T = TypeVar("T")


class PartnerAdminDoor:
    """Adds, enrols, suspends and contracts partners; each change is an entry."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        authorities: Mapping[str, Authority],
        server_ca_pem: bytes,
        trust_domain: str,
        development: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._authorities = authorities  # "partner" and "staff"
        self._server_ca_pem = server_ca_pem
        self._trust_domain = trust_domain
        self._development = development
        self._clock = clock

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        return by_path(
            SERVICE,
            {
                "AddPartner": frame.admitted(self._add),
                "EnrollPartner": frame.admitted(self._enroll),
                "GetPartner": frame.admitted(self._get),
                "ListPartners": frame.admitted(self._list),
                "SuspendPartner": frame.admitted(self._suspend),
                "ResumePartner": frame.admitted(self._resume),
                "RevokeCertificate": frame.admitted(self._revoke),
                "SetContract": frame.admitted(self._set_contract),
            },
        )

    def _add(self, call: Call, operator: Partner, caller: Caller) -> pb.AddPartnerResponse:
        request = read(pb.AddPartnerRequest, call.body)
        check = Check()
        new = Partner(
            partner_id=check.text("partner.partner_id", request.partner.partner_id, PARTNER_ID, A_PARTNER_ID),
            legal_name=check.printable("partner.legal_name", request.partner.legal_name, least=1, most=120),
            role=_read_role(check, request.partner.role),
            suspended=False,
            contract=self._read_contract(check, "partner.contract.", request.partner.contract),
            legal_entity=_read_legal_entity(check, request.partner),
        )
        if new.partner_id in TAKEN:
            check.refuse(
                "partner.partner_id", f"{new.partner_id} is a name that the log uses itself; take another"
            )
        check.finish()
        try:
            with _thresholds_of("partner.contract."):
                self._change(call, caller, partial(registry.add_partner, new=new, actor=operator.partner_id))
        except PartnerExists as error:
            raise Refused("ALREADY_EXISTS") from error
        return pb.AddPartnerResponse(partner=_message(new))

    def _enroll(self, call: Call, operator: Partner, caller: Caller) -> pb.EnrollPartnerResponse:
        request = read(pb.EnrollPartnerRequest, call.body)
        check = Check()
        partner_id = check.text("partner_id", request.partner_id, PARTNER_ID, A_PARTNER_ID)
        days = check.between("valid_days", request.valid_days or DEFAULT_VALID_DAYS, 1, MAX_VALID_DAYS)
        check.finish()
        partner = self._find(partner_id)
        kind: pki.RolePath = "staff" if partner.role.is_staff else "partner"
        try:
            certificate_pem = self._authorities[kind].sign_request(
                request.csr_pem.encode(),
                spiffe_uri=pki.spiffe_uri(self._trust_domain, kind, partner_id),
                now=self._clock(),
                days=days,
            )
        except RequestRefused as error:
            violation = Violation(error.field, f"{error.why}; {error.remedy}")
            raise Refused("FIELD_INVALID", violations=(violation,)) from error
        change = partial(
            registry.enroll_certificate,
            partner_id=partner_id,
            certificate_pem=certificate_pem,
            actor=operator.partner_id,
        )
        try:
            self._change(call, caller, change)
        except KeyEnrolled as error:
            raise Refused("FIELD_INVALID", violations=(Violation("csr_pem", A_NEW_KEY),)) from error
        return pb.EnrollPartnerResponse(
            certificate_pem=certificate_pem.decode(),
            server_ca_pem=self._server_ca_pem.decode(),
            fingerprint=pki.parse_peer(certificate_pem).fingerprint,
        )

    def _get(self, call: Call, _: Partner, __: Caller) -> pb.GetPartnerResponse:
        request = read(pb.GetPartnerRequest, call.body)
        partner = self._find(_read_partner_id(request.partner_id))
        with self._store.reading() as connection:
            certificates = partners.certificates_of(connection, partner.partner_id)
        message = _message(partner)
        message.certificates.extend(_certificate(certificate) for certificate in certificates)
        return pb.GetPartnerResponse(partner=message)

    def _list(self, call: Call, _: Partner, __: Caller) -> pb.ListPartnersResponse:
        request = read(pb.ListPartnersRequest, call.body)
        check = Check()
        size = check.page_size(request.page_size, default=100, most=500)
        after = check.page_token(request.page_token)
        check.finish()
        with self._store.reading() as connection:
            found = partners.partners_after(connection, after, size + 1)
        page, more = found[:size], found[size:]
        return pb.ListPartnersResponse(
            partners=[_message(partner) for partner in page],
            next_page_token=page_token(page[-1].partner_id) if more else "",
        )

    def _suspend(self, call: Call, operator: Partner, caller: Caller) -> pb.SuspendPartnerResponse:
        request = read(pb.SuspendPartnerRequest, call.body)
        partner_id, reason = _read_stop(request, operator)
        change = partial(
            registry.suspend_partner, partner_id=partner_id, actor=operator.partner_id, reason=reason
        )
        return pb.SuspendPartnerResponse(partner=_message(self._change(call, caller, change)))

    def _resume(self, call: Call, operator: Partner, caller: Caller) -> pb.ResumePartnerResponse:
        request = read(pb.ResumePartnerRequest, call.body)
        partner_id, reason = _read_stop(request, operator)
        change = partial(
            registry.resume_partner, partner_id=partner_id, actor=operator.partner_id, reason=reason
        )
        return pb.ResumePartnerResponse(partner=_message(self._change(call, caller, change)))

    def _revoke(self, call: Call, operator: Partner, caller: Caller) -> pb.RevokeCertificateResponse:
        request = read(pb.RevokeCertificateRequest, call.body)
        check = Check()
        fingerprint = check.text("fingerprint", request.fingerprint, FINGERPRINT, A_FINGERPRINT)
        reason = check.printable("reason", request.reason, least=1, most=200)
        if fingerprint == caller.fingerprint:
            check.refuse("fingerprint", "must be another certificate than the one that asks")
        check.finish()
        change = partial(
            registry.revoke_certificate, fingerprint=fingerprint, actor=operator.partner_id, reason=reason
        )
        return pb.RevokeCertificateResponse(certificate=_certificate(self._change(call, caller, change)))

    def _set_contract(self, call: Call, operator: Partner, caller: Caller) -> pb.SetContractResponse:
        request = read(pb.SetContractRequest, call.body)
        check = Check()
        partner_id = check.text("partner_id", request.partner_id, PARTNER_ID, A_PARTNER_ID)
        reason = check.printable("reason", request.reason, least=1, most=200)
        new = self._read_contract(check, "contract.", request.contract)
        check.finish()
        change = partial(
            registry.set_contract,
            partner_id=partner_id,
            contract=new,
            actor=operator.partner_id,
            reason=reason,
        )
        with _thresholds_of("contract."):
            return pb.SetContractResponse(partner=_message(self._change(call, caller, change)))

    def _read_contract(self, check: Check, prefix: str, given: pb.Contract) -> Contract:
        return _read_contract(check, prefix, given, development=self._development)

    def _find(self, partner_id: str) -> Partner:
        try:
            with self._store.reading() as connection:
                return partners.partner(connection, partner_id)
        except PartnerMissing as error:
            raise Refused("NOT_FOUND") from error

    def _change(self, call: Call, caller: Caller, work: Callable[[Transaction], T]) -> T:
        try:
            return self._ledger.change(registry.acting(caller, call.method, work))
        except PartnerMissing as error:
            raise Refused("NOT_FOUND") from error


@contextmanager
def _thresholds_of(prefix: str) -> Iterator[None]:
    """Name the field of thresholds that the legal entity may not have now."""
    try:
        yield
    except ThresholdsFixed as error:
        known = ", ".join(map(str, sorted(error.registered.thresholds)))
        why = f"change once a year at most, next on {error.again:%Y-%m-%d}; until then they are {known}"
    except TooManyThresholds as error:
        known = ", ".join(map(str, sorted(error.thresholds)))
        why = f"must be at most {MOST} for a legal entity's partners together; these would be {known}"
    else:
        return
    raise Refused("FIELD_INVALID", violations=(Violation(f"{prefix}thresholds", why),))


def _read_partner_id(partner_id: str) -> str:
    check = Check()
    check.text("partner_id", partner_id, PARTNER_ID, A_PARTNER_ID)
    check.finish()
    return partner_id


def _read_stop(
    request: pb.SuspendPartnerRequest | pb.ResumePartnerRequest, operator: Partner
) -> tuple[str, str]:
    """Whom to stop or let in, and why."""
    check = Check()
    partner_id = check.text("partner_id", request.partner_id, PARTNER_ID, A_PARTNER_ID)
    reason = check.printable("reason", request.reason, least=1, most=200)
    if partner_id == operator.partner_id:
        check.refuse("partner_id", "must be another partner than the operator who asks")
    check.finish()
    return partner_id, reason


def _read_role(check: Check, number: int) -> Role:
    for role in Role:
        if number == pb.Role.Value(f"ROLE_{role}"):
            return role
    check.refuse("partner.role", f"must be one of {', '.join(Role)}")
    return Role.PARTNER


def _read_legal_entity(check: Check, given: pb.Partner) -> str:
    """As given; a partner of which nothing is said is a legal entity of its own."""
    if not given.legal_entity:
        return given.partner_id
    return check.text("partner.legal_entity", given.legal_entity, LEGAL_ENTITY, A_LEGAL_ENTITY)


def _read_contract(check: Check, prefix: str, given: pb.Contract, *, development: bool) -> Contract:
    thresholds = tuple(given.thresholds)
    good = len(set(thresholds)) == len(thresholds) <= MOST
    if not good or not all(map(is_threshold, thresholds)):
        most = f"at most {MOST} different multiples of {CELL} from {LOWEST} to {HIGHEST}"
        check.refuse(f"{prefix}thresholds", f"must be {most}")
    default = Contract()
    return Contract(
        time_zone=check.time_zone(f"{prefix}time_zone", given.time_zone),
        daily_units=check.between(f"{prefix}daily_units", given.daily_units, 0, MAX_UNITS),
        monthly_units=check.between(f"{prefix}monthly_units", given.monthly_units, 0, MAX_UNITS),
        calls_per_second=check.between(
            f"{prefix}calls_per_second", given.calls_per_second or default.calls_per_second, 1, 100_000
        ),
        burst_calls=check.between(
            f"{prefix}burst_calls", given.burst_calls or default.burst_calls, 1, 100_000
        ),
        thresholds=thresholds,
        charge_not_scored=given.charge_not_scored,
        return_addresses=read_return_addresses(
            check, f"{prefix}return_addresses", given.return_addresses, development=development
        ),
    )


def _message(partner: Partner) -> pb.Partner:
    contract = partner.contract
    return pb.Partner(
        partner_id=partner.partner_id,
        legal_name=partner.legal_name,
        role=f"ROLE_{partner.role}",
        suspended=partner.suspended,
        legal_entity=partner.legal_entity,
        contract=pb.Contract(
            time_zone=contract.time_zone,
            daily_units=contract.daily_units,
            monthly_units=contract.monthly_units,
            calls_per_second=contract.calls_per_second,
            burst_calls=contract.burst_calls,
            thresholds=contract.thresholds,
            charge_not_scored=contract.charge_not_scored,
            return_addresses=contract.return_addresses,
        ),
    )


def _certificate(enrolled: Enrolled) -> pb.Certificate:
    message = pb.Certificate(fingerprint=enrolled.fingerprint, expires_at=timestamp(enrolled.expires_at))
    if enrolled.revoked_at is not None:
        message.revoked_at.CopyFrom(timestamp(enrolled.revoked_at))
    return message
