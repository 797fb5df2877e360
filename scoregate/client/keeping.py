"""Brings the proof that an answer's entry is in the log, for `Client.keep`.

Nothing of it is taken on trust: the proof is verified against the pinned policy before it is filed. Of the
checkpoint's signature lines those are filed that were verified, the ones of the policy's own keys: whoever
gives the client a policy that names more witnesses has their cosignatures kept, too.
"""

import json
from pathlib import Path
from typing import Any

from scoregate.client.answers import Answer
from scoregate.client.connection import Connection, Deadline
from scoregate.client.filing import file_receipt, place
from scoregate.partner.v1 import receipt_pb2, receipt_pb2_grpc
from scoregate.proof.kept import known_lines, require_logged
from scoregate.tlog.faults import LogError
from scoregate.tlog.policy import Policy, QuorumMissing
from scoregate.tlog.proof import TlogProof

QUORUM_PAUSE_SECONDS = 0.5  # checkpoints come about once a second


def keep(answer: Answer, folder: Path, connection: Connection, policy: Policy, deadline: Deadline) -> Path:
    """File an answer with its proof, and return the path. Kept under this policy before, it is left as it is.

    Raises:
        Refused: The gateway said no, or did not publish the entry before the deadline.
        QuorumMissing: Too few witnesses had cosigned at the deadline.
        LogError: The proof does not show what it must: do not take the answer for logged.
        ReceiptConflict: Another receipt lies there under this index.
        OSError: The disk refuses.
    """
    form = answer.form()
    path = place(folder, form)
    if path.exists() and _holds(path, answer, policy):
        return file_receipt(folder, form)
    proof = _proven(answer, connection, policy, deadline)
    return file_receipt(folder, form | {"proof": proof.encode()})


def _holds(path: Path, answer: Answer, policy: Policy) -> bool:
    """Whether the proof that lies there already is one of this answer, and enough for this policy."""
    try:
        proof = TlogProof.decode(json.loads(path.read_bytes())["proof"])
        require_logged(proof, answer.receipt.leaf, answer.receipt.log_origin, policy)
    except (LogError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return proof.index == answer.receipt.leaf_index


def _proven(answer: Answer, connection: Connection, policy: Policy, deadline: Deadline) -> TlogProof:
    stub: Any = receipt_pb2_grpc.ReceiptServiceStub(connection.channel)  # type: ignore[no-untyped-call]
    place = answer.receipt
    request = receipt_pb2.GetInclusionProofRequest(leaf_index=place.leaf_index)
    while True:
        # The connection itself waits for an entry that is not published yet.
        reply = connection.call(stub.GetInclusionProof, request, timeout=deadline.left()).message
        proof = TlogProof(place.leaf_index, tuple(reply.hashes), reply.checkpoint)
        try:
            judged = require_logged(proof, place.leaf, place.log_origin, policy)
        except QuorumMissing:
            if deadline.pause(QUORUM_PAUSE_SECONDS):
                continue
            raise
        return TlogProof(proof.index, proof.hashes, known_lines(judged.note, policy).encode())
