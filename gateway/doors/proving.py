"""Checkpoints and proofs, for partners (their own entries) and officers (all): two services, one behaviour.

Each contract has messages of its own, with the same fields.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.audit.tree.proofs import EntryNotPublished, Proofs, SizeUnknown
from gateway.doors.door import Frame, Handler
from gateway.doors.wire import Check, read
from gateway.errors import Refused, refused
from gateway.partners import Partner
from gateway.query import Call, Caller

LAST_INDEX = 2**63 - 1


class Proving:
    """Serves one contract's three methods. ``soon`` is when an entry that is committed will be published."""

    def __init__(self, proofs: Proofs, messages: Any, *, own_entries: bool, soon: timedelta) -> None:
        self._proofs = proofs
        self._messages = messages
        self._own_entries = own_entries
        self._soon = soon

    def methods(self, frame: Frame) -> dict[str, Handler]:
        """The methods' handlers, by name."""
        return {
            "GetCheckpoint": frame.admitted(self._get_checkpoint),
            "GetInclusionProof": frame.admitted(self._get_inclusion_proof),
            "GetConsistencyProof": frame.admitted(self._get_consistency_proof),
        }

    def _get_checkpoint(self, call: Call, _: Partner, __: Caller) -> Any:
        read(self._messages.GetCheckpointRequest, call.body)
        try:
            published = self._proofs.published()
        except EntryNotPublished as error:
            raise self._wait(error) from error
        return self._messages.GetCheckpointResponse(checkpoint=published.note)

    def _get_inclusion_proof(self, call: Call, partner: Partner, _: Caller) -> Any:
        index = read(self._messages.GetInclusionProofRequest, call.body).leaf_index
        check = Check()
        check.between("leaf_index", index, 0, LAST_INDEX)
        check.finish()
        owner = partner.partner_id if self._own_entries else None
        try:
            proof = self._proofs.inclusion(index, partner_id=owner)
        except EntryNotPublished as error:
            raise self._wait(error) from error
        return self._messages.GetInclusionProofResponse(
            leaf_index=index, checkpoint=proof.published.note, hashes=proof.hashes
        )

    def _get_consistency_proof(self, call: Call, _: Partner, __: Caller) -> Any:
        old_size = read(self._messages.GetConsistencyProofRequest, call.body).old_size
        check = Check()
        try:
            proof = self._proofs.consistency(old_size)
        except EntryNotPublished as error:
            raise self._wait(error) from error
        except SizeUnknown as error:
            check.refuse("old_size", f"must be from 1 to {error.size}, the published tree's")
            check.finish()
            raise
        return self._messages.GetConsistencyProofResponse(
            old_size=old_size, checkpoint=proof.published.note, hashes=proof.hashes
        )

    def _wait(self, error: EntryNotPublished) -> Refused:
        return too_early(error, self._soon)


def too_early(error: EntryNotPublished, soon: timedelta) -> Refused:
    """The refusal of what is committed and not published yet, and will be so soon."""
    refusal = refused(error)
    refusal.retry_after = soon
    refusal.recorded = True  # nothing was denied: whoever asks each second is not to fill the log
    return refusal
