"""scoregate.admin.v1.ConsentAdminService, its disputes: read and resolved by an operator."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from consent.register import NotFound, disputes
from consent.register.disputes import ALPHABET, REFERENCE_LENGTH, Dispute, Place
from gateway import decisions
from gateway.audit.private import Vault
from gateway.disputes import Told, told
from gateway.doors.admin_consents import SERVICE
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.wire import Check, page_token, read, timestamp
from gateway.errors import Refused
from gateway.ledger import Ledger, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.admin.v1 import consent_admin_pb2 as pb
from scoregate.audit.v1 import leaf_pb2

REFERENCE = re.compile(f"[{ALPHABET}]{{{REFERENCE_LENGTH}}}")
A_REFERENCE = f"a dispute's reference: {REFERENCE_LENGTH} of 2-9 and A-Z without I, L and O"
TOKEN = re.compile(rf"([01]):(\d{{1,16}}):({REFERENCE.pattern})", re.ASCII)


class DisputeDoor:
    """Shows what people wrote to who is to answer them, and takes the answer."""

    def __init__(self, store: Store, ledger: Ledger, vault: Vault) -> None:
        self._store = store
        self._ledger = ledger
        self._vault = vault

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers for disputes."""
        return by_path(
            SERVICE,
            {"ListDisputes": frame.admitted(self._list), "ResolveDispute": frame.admitted(self._resolve)},
        )

    def _list(self, call: Call, operator: Partner, caller: Caller) -> pb.ListDisputesResponse:
        request = read(pb.ListDisputesRequest, call.body)
        check = Check()
        size = check.page_size(request.page_size, default=100, most=500)
        behind = _place(check, request.page_token)
        check.finish()
        with self._store.reading() as connection:
            found = disputes.disputes_by_due(
                connection, behind=behind, limit=size + 1, with_resolved=request.with_resolved
            )
            shown = told(connection, self._vault, found[:size])
        subjects = {each.dispute.subject for each in shown}
        self._ledger.change(
            acting(caller, call.method, lambda tx: _record_reads(tx, call, operator, subjects))
        )
        more = len(found) > size
        return pb.ListDisputesResponse(
            disputes=map(_message, shown), next_page_token=_token(found[size - 1]) if more else ""
        )

    def _resolve(self, call: Call, operator: Partner, caller: Caller) -> pb.ResolveDisputeResponse:
        request = read(pb.ResolveDisputeRequest, call.body)
        check = Check()
        reference = check.text("reference", request.reference, REFERENCE, A_REFERENCE)
        outcome = check.printable("outcome", request.outcome, least=1, most=1_000)
        check.finish()
        resolve = partial(
            decisions.resolve_dispute, reference=reference, outcome=outcome, actor=operator.partner_id
        )
        try:
            resolved = self._ledger.change(acting(caller, call.method, resolve))
        except NotFound as error:
            raise Refused("NOT_FOUND") from error
        with self._store.reading() as connection:
            (shown,) = told(connection, self._vault, [resolved])
        return pb.ResolveDisputeResponse(dispute=_message(shown))


def _place(check: Check, given: str) -> Place | None:
    token = check.page_token(given)
    place = TOKEN.fullmatch(token)
    if token and not place:
        check.refuse("page_token", "must be the next_page_token of the page before")
    return (place[1] == "1", int(place[2]), place[3]) if place else None


def _token(last: Dispute) -> str:
    is_resolved, due_us, reference = disputes.place_of(last)
    return page_token(f"{int(is_resolved)}:{due_us}:{reference}")


def _message(shown: Told) -> pb.Dispute:
    dispute = shown.dispute
    message = pb.Dispute(
        reference=dispute.reference,
        kind=dispute.kind.number,
        subject=dispute.subject,
        words=shown.words,
        opened_at=timestamp(dispute.opened_at),
        due_at=timestamp(dispute.due_at),
        outcome=shown.outcome,
    )
    if dispute.resolved_at is not None:
        message.resolved_at.CopyFrom(timestamp(dispute.resolved_at))
    return message


def _record_reads(tx: Transaction, call: Call, operator: Partner, subjects: Iterable[str]) -> None:
    """Each person sees who read what they wrote; a page without anybody is an entry too."""
    for subject in sorted(subjects) or [""]:
        leaf = leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
            partner_id=operator.partner_id,
            method=call.method,
            reason="DISPUTES_OF_A_PERSON" if subject else "NO_DISPUTES",
            actor=operator.partner_id,
        )
        part = leaf_pb2.PrivatePart(subject=subject)
        is_about = tx.bind_known(part) if subject else tx.bind(part, partner_id=operator.partner_id)
        tx.append(leaf, is_about)
