"""Checks an export, whatever its form, and believes nothing that it reads. Pure but for what it is read from.

The order:

 1. manifest      signed by one of the issuer's keys, which are given
 2. checkpoint    signed by a log that is believed; the one that the manifest names
 3. keys beside   the policy and the JWK Set of that time are those that the manifest names
 4. entries       each one's place, form, filter, proof, and private part; in the order of their indexes
 5. tally         they are as many as the manifest counts, and the very same
 6. witnesses     the policy's quorum

The first fault in this order is the one reported. Memory does not grow with the export.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from google.protobuf.message import DecodeError

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.exports import manifest as manifests
from scoregate.auditing.exports.entries import MAX_PROOF_HASHES, Exported, PartState, Tally
from scoregate.auditing.exports.manifest import Manifest
from scoregate.auditing.exports.seal import Seal
from scoregate.proof import leaf
from scoregate.proof.jwk import VerificationKeys
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid
from scoregate.tlog.policy import Judged, Policy

EVERY = 256  # entries between two looks at the bar


class Export(Protocol):
    """An export in any form."""

    @property
    def seal(self) -> Seal:
        """What stands beside the entries."""

    def entries(self, manifest: Manifest) -> Iterator[Exported]:
        """Read the entries, one by one; the manifest was signed by whom it must be.

        Raises:
            LogInvalid: The form is broken, or says another thing than the leaf beside it.
            LogIncomplete: It ends early, or can't be read.
        """


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and held."""

    manifest: Manifest
    judged: Judged


def check(
    export: Export,
    *,
    keys: VerificationKeys,
    policy: Policy,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Return only if all of an export holds.

    Raises:
        VerificationFailed: The manifest is none, or not signed by one of these keys.
        LogInvalid: Bytes or a signature are wrong, or an entry does not belong here.
        LogDiverged: Two that are signed, or one and an entry, disagree.
        LogIncomplete: Entries, private parts or witnesses are missing.
    """
    seal = export.seal
    found = manifests.verify(seal.manifest.decode("ascii", "replace"), keys)
    judged = replace(policy, quorum=None).judge(seal.checkpoint)
    _require_sealed(seal, found, judged.checkpoint)
    tally, last = Tally(), found.first_index - 1
    for entry in export.entries(found):
        _require_placed(entry.index, last, found)
        _require_proved(entry, judged.checkpoint)
        _require_allowed(entry, found)
        tally, last = tally.add(entry), entry.index
        if progress is not None and tally.entries % EVERY == 0:
            progress(tally.entries, found.tally.entries)
    _require_all(tally, found.tally)
    return Report(found, policy.judge(seal.checkpoint))


def _require_sealed(seal: Seal, found: Manifest, checkpoint: Checkpoint) -> None:
    for name in ("checkpoint", "policy", "jwks"):
        if sha256(getattr(seal, name)).digest() != getattr(found, f"{name}_sha256"):
            raise LogDiverged(f"the {name} is not the one that the manifest was signed with; export again")
    if (found.log, found.tree_size) != (checkpoint.origin, checkpoint.size):
        raise LogDiverged("the manifest says another log or size than the checkpoint that it names")


def _require_placed(index: int, last: int, found: Manifest) -> None:
    if not found.first_index <= index < found.end_index:
        raise LogInvalid(
            f"entry {index:,} lies outside {found.first_index:,} to {found.end_index:,}, which were exported",
            index=index,
        )
    if index <= last:
        raise LogInvalid(
            f"entry {index:,} comes after entry {last:,}: indexes rise in an export", index=index
        )


def _require_proved(entry: Exported, checkpoint: Checkpoint) -> None:
    index = entry.index
    if len(entry.hashes) > MAX_PROOF_HASHES:
        raise LogInvalid(f"entry {index:,}: no proof has more than {MAX_PROOF_HASHES} hashes", index=index)
    try:
        merkle.verify_inclusion(
            merkle.leaf_hash(entry.leaf), index, checkpoint.size, entry.hashes, checkpoint.root
        )
    except merkle.ProofInvalid as error:
        raise LogDiverged(f"entry {index:,} is not in the checkpoint's log: {error}", index=index) from error


def _require_allowed(entry: Exported, found: Manifest) -> None:
    """Return only if the leaf passes the filter, and its private part is what the leaf commits to."""
    index = entry.index
    try:
        said = leaf.decode(entry.leaf)
    except leaf.LeafInvalid as error:
        raise LogInvalid(f"entry {index:,}: {error}", index=index) from error
    if broken := found.filter.broken_by(said):
        raise LogInvalid(f"entry {index:,} does not pass the filter: {broken}", index=index)
    due = found.private_parts and bool(said.commitment)
    if due == (entry.state is PartState.NONE):
        told = "says nothing of its private part" if due else "has a private part that nobody asked for"
        raise LogInvalid(f"entry {index:,} {told}", index=index)
    if entry.state is PartState.OPENED:
        _require_opened(entry, said.commitment)
    elif entry.part or entry.blind:
        raise LogInvalid(
            f"entry {index:,} has a private part, and says that it is {entry.state.word}", index=index
        )


def _require_opened(entry: Exported, commitment: bytes) -> None:
    index = entry.index
    try:
        leaf.open_commitment(commitment, entry.part, entry.blind)
    except leaf.CommitmentInvalid as error:
        raise LogDiverged(f"entry {index:,}: {error}", index=index) from error
    try:
        leaf_pb2.PrivatePart.FromString(entry.part)
    except DecodeError as error:
        raise LogInvalid(f"entry {index:,} commits to what is no private part", index=index) from error


def _require_all(tally: Tally, promised: Tally) -> None:
    if tally.entries < promised.entries:
        raise LogIncomplete(
            f"{tally.entries:,} entries are here, and the manifest counts {promised.entries:,}; export again"
        )
    if tally.entries > promised.entries:
        raise LogInvalid(
            f"{tally.entries:,} entries are here, more than the {promised.entries:,} that the manifest counts"
        )
    if tally != promised:
        raise LogDiverged(
            "these are not the entries, or what became of their private parts is not what the manifest was"
            " signed over. Keep the file as evidence, and export again"
        )
