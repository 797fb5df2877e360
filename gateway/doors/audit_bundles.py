"""scoregate.audit.v1.AuditService: lets an officer read entry bundles over HTTP, for an hour.

The token is given out behind its entry. What it opens is served beside the published log (pages/bundles.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.audit.bearer import LIFE, NO_END, Pass, Passes
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.wire import Check, read, timestamp
from gateway.ledger import Ledger, Transaction
from gateway.partners import OPEN_ENTRIES, Partner
from gateway.query import Call, Caller
from gateway.registry import acting
from scoregate.audit.v1 import bundles_pb2, leaf_pb2
from scoregate.proof.digest import spell_instant

_SERVICE, _METHOD = OPEN_ENTRIES[1:].split("/")


class BundlesDoor:
    """Gives out tokens. Each is an entry."""

    def __init__(self, ledger: Ledger, passes: Passes, *, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._passes = passes
        self._clock = clock

    def service(self, frame: Frame) -> Handlers:
        """The method's handler."""
        return by_path(_SERVICE, {_METHOD: frame.admitted(self._open)})

    def _open(self, call: Call, officer: Partner, caller: Caller) -> bundles_pb2.OpenEntriesResponse:
        request = read(bundles_pb2.OpenEntriesRequest, call.body)
        check = Check()
        begin = check.between("start_index", request.start_index, 0, NO_END - 1)
        end = check.between("end_index", request.end_index, 0, NO_END) or NO_END
        if not check.violations and end <= begin:
            check.refuse("end_index", "must be more than start_index, or 0 for an open range")
        check.finish()
        granted = Pass(officer.partner_id, caller.fingerprint, begin, end, self._clock() + LIFE)
        self._ledger.change(acting(caller, call.method, lambda tx: _record_read(tx, call, granted)))
        return bundles_pb2.OpenEntriesResponse(
            token=self._passes.seal(granted),
            expire_time=timestamp(granted.expires_at),
            start_index=begin,
            end_index=request.end_index,
        )


def _record_read(tx: Transaction, call: Call, granted: Pass) -> None:
    until = spell_instant("expire_time", granted.expires_at)
    end = "" if granted.end == NO_END else f"to {granted.end} "
    tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
            partner_id=granted.officer_id,
            method=call.method,
            reason=f"entries {granted.begin} {end}over HTTP until {until}",
            actor=granted.officer_id,
        )
    )
