"""The receipts that a lender's client files beside its answers, one JSON file each.

    {"log_origin": "...", "leaf_index": 7, "leaf": "(base64)", "attestation": "(compact JWS)",
     "request": {"consent_id": "...", "method": "GetScore", "nonce": "...", "request_id": "...", ...}}

A receipt ties an answer to the log twice: its leaf must be the entry at that index, and that leaf
names the SHA-256 of the attestation's compact form. `request` is the question in the form of digest.py:
its digest must be the attestation's `request_sha256`. Files that were written before there was a
`request` are receipts too. One that was kept with its proof (kept.py) says, too, which tree it was shown
in: that tree must be the beginning of the log, or the log shows different entries to different people.

`parse_receipt` is pure and checks all of it but the entry, which is for the one who reads the log. The
attestation's signature is not checked here: that takes the issuer's keys, and claims.py.
"""

import json
from base64 import b64decode, urlsafe_b64decode
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from scoregate.errors import JsonRefused
from scoregate.proof import leaf
from scoregate.proof.digest import canonical, parse
from scoregate.tlog import files, merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid
from scoregate.tlog.note import Note
from scoregate.tlog.policy import Policy
from scoregate.tlog.proof import TlogProof

MAX_RECEIPT_BYTES = 512 * 1024  # of one that was kept with its proof (kept.py)


@dataclass(frozen=True, slots=True, order=True)
class Receipt:
    """What a receipt claims: this leaf lies at this index. Sorts in the order of the log."""

    leaf_index: int
    name: str  # its file, for messages
    leaf_hash: bytes  # RFC 9162, 2.1.1; 32 bytes
    names_request: bool = False  # whether the question is there, and is the one that was answered
    shown: Checkpoint | None = field(default=None, compare=False)  # of its proof; None: it has none
    entry: bytes = field(default=b"", compare=False)  # the leaf, which keeps the rules of its form


def parse_receipt(data: bytes, name: str, origin: str, policy: Policy | None = None) -> Receipt:
    """Return the receipt in these bytes, for the log `origin`; other fields in it are ignored.

    With a `policy`, a log that it believes may have been named otherwise at the time, and the checkpoint of
    a proof must be signed.

    Raises:
        LogInvalid: It is not a receipt; the message names the field.
        LogDiverged: It is of another log, its leaf names another attestation, or that answers
            another request.
    """
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LogInvalid(f"receipt {name} is not JSON; ask the client for it again") from error
    if not isinstance(fields, dict):
        raise LogInvalid(f"receipt {name} is not a JSON object; ask the client for it again")
    index = fields.get("leaf_index")
    if type(index) is not int or index < 0:
        raise LogInvalid(f"receipt {name}: leaf_index is not an index")
    log_origin, attestation = _text(fields, "log_origin", name), _text(fields, "attestation", name)
    if not attestation.isascii():
        raise LogInvalid(f"receipt {name}: attestation is not a compact JWS", index=index)
    try:
        entry = b64decode(_text(fields, "leaf", name), validate=True)
        named = leaf.decode(entry).attestation_sha256
    except (ValueError, leaf.LeafInvalid) as error:
        raise LogInvalid(f"receipt {name}: leaf is not a leaf in base64", index=index) from error
    if log_origin not in _names(origin, policy):
        raise LogDiverged(f"receipt {name} is of the log {log_origin}, not {origin}", index=index)
    if sha256(attestation.encode("ascii")).digest() != named:
        raise LogDiverged(
            f"receipt {name}: its attestation is not the one that entry {index:,} names", index=index
        )
    if "request" in fields:
        _require_answered(fields["request"], attestation, name, index)
    leaf_hash = merkle.leaf_hash(entry)
    shown = _shown(fields["proof"], leaf_hash, name, index, policy) if "proof" in fields else None
    return Receipt(index, name, leaf_hash, "request" in fields, shown, entry)


def read_receipts(folder: Path, origin: str, policy: Policy | None = None) -> list[Receipt]:
    """Return the receipts in `folder` (`*.json`) in the order of the log.

    Raises:
        LogIncomplete: There are none: probably another folder was meant.
        LogInvalid, LogDiverged: As parse_receipt.
        OSError: The disk refuses.
    """
    receipts = []
    for path in sorted(folder.glob("*.json")):
        data = files.read(path, f"receipt {path.name}", MAX_RECEIPT_BYTES)
        receipts.append(parse_receipt(data, path.name, origin, policy))
    if not receipts:
        raise LogIncomplete(
            f"{folder} holds no receipts (*.json); name the folder where the client files them"
        )
    return sorted(receipts)


def _names(origin: str, policy: Policy | None) -> set[str]:
    return {origin, *(log.vkey.name for log in policy.logs)} if policy else {origin}


def _shown(proof: Any, leaf_hash: bytes, name: str, index: int, policy: Policy | None) -> Checkpoint:
    try:
        found = TlogProof.decode(proof if isinstance(proof, str) else "")
        if policy is not None:
            shown = replace(policy, quorum=None).judge(found.checkpoint).checkpoint
        else:
            shown = Checkpoint.decode(Note.decode(found.checkpoint).text)
        merkle.verify_inclusion(leaf_hash, index, shown.size, found.hashes, shown.root)
    except (LogInvalid, merkle.ProofInvalid) as error:
        raise LogInvalid(f"receipt {name}: its proof does not hold: {error}", index=index) from error
    return shown


def _require_answered(request: Any, attestation: str, name: str, index: int) -> None:
    try:
        asked = sha256(canonical(request)).hexdigest()
    except JsonRefused as error:
        raise LogInvalid(f"receipt {name}: request has no canonical form: {error}", index=index) from error
    try:
        _, payload, _ = attestation.split(".")
        claims = parse(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, JsonRefused) as error:
        raise LogInvalid(f"receipt {name}: attestation is not a compact JWS", index=index) from error
    if not isinstance(claims, dict) or claims.get("request_sha256") != asked:
        raise LogDiverged(f"receipt {name}: its attestation answers another request", index=index)


def _text(fields: dict[str, object], field: str, name: str) -> str:
    value = fields.get(field)
    if not isinstance(value, str):
        raise LogInvalid(f"receipt {name}: {field} is missing or not text")
    return value
