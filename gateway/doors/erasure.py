"""scoregate.audit.v1.AuditService, its erasures: what is kept about a person, and an end to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from gateway import erasing, retention
from gateway.audit.private import Vault
from gateway.doors.admin_consents import A_SUBJECT
from gateway.doors.audit import SERVICE
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.wire import SUBJECT, Check, read
from gateway.erasing import Erased, LegalBasis
from gateway.errors import Refused
from gateway.ledger import Ledger, LedgerBusy, LedgerUnavailable, Transaction
from gateway.partners import Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.settings.schema import Retention
from gateway.store import Store, StoreUnavailable
from scoregate.audit.v1 import audit_pb2 as pb
from scoregate.audit.v1 import leaf_pb2

log = structlog.get_logger()

PATIENCE_SECONDS = 15.0
"""How long a call waits for rows to be deleted; housekeeping goes on with the rest."""


class ErasureDoor:
    """Shows what an erasure would do, and does it."""

    def __init__(
        self, store: Store, ledger: Ledger, vault: Vault, kept: Retention, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._vault = vault
        self._kept = kept
        self._clock = clock

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers for erasures."""
        return by_path(
            SERVICE,
            {
                "PreviewErasure": frame.admitted(self._preview),
                "EraseSubject": frame.admitted(self._erase),
                "GetRetention": frame.admitted(self._get_retention),
            },
        )

    def _preview(self, call: Call, staff: Partner, caller: Caller) -> pb.PreviewErasureResponse:
        request = read(pb.PreviewErasureRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        check.finish()
        record = partial(_record_read, call=call, staff=staff, subject=subject)
        self._ledger.change(acting(caller, call.method, record))
        found = erasing.preview(self._store, subject)
        register = found.register
        return pb.PreviewErasureResponse(
            entries=found.entries,
            open_consents=register.open_consents,
            ended_consents=register.ended_consents,
            cells=found.cells,
            open_disputes=register.open_disputes,
            resolved_disputes=register.resolved_disputes,
            frozen=register.frozen,
        )

    def _erase(self, call: Call, staff: Partner, caller: Caller) -> pb.EraseSubjectResponse:
        request = read(pb.EraseSubjectRequest, call.body)
        check = Check()
        subject = check.text("subject", request.subject, SUBJECT, A_SUBJECT)
        basis = check.word("basis", LegalBasis, request.basis)
        if basis is LegalBasis.RETENTION_ENDED:
            check.refuse("basis", "RETENTION_ENDED is the schedule's own; name why this person is erased")
        reason = check.printable("reason", request.reason, least=0, most=200)
        check.nameless("reason", reason, subject)
        check.finish()
        if basis is None:
            raise Refused("FIELD_INVALID")  # finish has said so
        seen = erasing.look_through(self._store, subject)
        work = partial(
            erasing.erase, subject=subject, seen=seen, basis=basis, actor=staff.partner_id, reason=reason
        )
        erased = self._ledger.change(acting(caller, call.method, work))
        return pb.EraseSubjectResponse(
            entries=erased.entries,
            revoked_consents=erased.revoked,
            rows_left=self._finish(erased),
            first_leaf_index=erased.first_index,
            last_leaf_index=erased.last_index,
        )

    def _finish(self, erased: Erased) -> int:
        """How many rows are left. Nobody can open them, so what keeps them from going is no failure."""
        try:
            return erasing.finish(self._store, self._ledger, until=time.monotonic() + PATIENCE_SECONDS)
        except (StoreUnavailable, LedgerUnavailable, LedgerBusy):
            log.warning("rows of an erasure put off: the ledger can't be written")
            return max(erased.entries, 1)

    def _get_retention(self, call: Call, _: Partner, __: Caller) -> pb.GetRetentionResponse:
        read(pb.GetRetentionRequest, call.body)
        kept = retention.schedule(self._kept)
        found = retention.tally(self._store, self._vault, kept, now=self._clock())
        return pb.GetRetentionResponse(
            retentions=[
                pb.Retention(purpose=each.purpose, days=each.kept.days, due=each.due, held=each.held)
                for each in found
            ],
            backup_days=self._kept.backup_days,
        )


def _record_read(tx: Transaction, call: Call, staff: Partner, subject: str) -> None:
    """Whoever looks into a person's file is seen by that person; of nobody, no file is begun by a look."""
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
        partner_id=staff.partner_id,
        method=call.method,
        reason="ERASURE_OF_A_PERSON",
        actor=staff.partner_id,
    )
    tx.append(leaf, tx.bind_known(leaf_pb2.PrivatePart(subject=subject)))
