"""The columns of a Parquet export, and how each follows from the entry beside it. Pure.

Every one is flat: a list is joined by commas, a proof by nothing. No text begins so that a spreadsheet would
take it for a formula (cells.py). What is empty in a leaf is null.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scoregate.audit.v1 import leaf_pb2 as pb
from scoregate.auditing.exports.cells import cell
from scoregate.auditing.exports.entries import Exported, PartState
from scoregate.auditing.exports.filters import spell
from scoregate.tlog import merkle

Cell = bytes | str | int | None
Derive = Callable[[Exported, pb.Leaf], Cell]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is "binary", "string", "int64", "uint64" or "instant" (microseconds, UTC)."""

    name: str
    type: str
    derive: Derive


def _text(read: Callable[[pb.Leaf], str]) -> Derive:
    return lambda _, leaf: cell(read(leaf)) or None


def _private(name: str) -> Derive:
    def derive(entry: Exported, _: pb.Leaf) -> Cell:
        if entry.state is not PartState.OPENED:
            return None
        said = getattr(pb.PrivatePart.FromString(entry.part), name)
        return cell(said) or None if isinstance(said, str) else said

    return derive


def _score(entry: Exported, _: pb.Leaf) -> Cell:
    part = pb.PrivatePart.FromString(entry.part)
    return part.score if part.HasField("score") else None


GIVEN = (
    Column("leaf_index", "int64", lambda entry, _: entry.index),
    Column("leaf", "binary", lambda entry, _: entry.leaf),
    Column("proof", "binary", lambda entry, _: b"".join(entry.hashes)),
    Column("private_part", "string", lambda entry, _: entry.state.word),
    Column("private", "binary", lambda entry, _: entry.part if entry.state is PartState.OPENED else None),
    Column("blind", "binary", lambda entry, _: entry.blind if entry.state is PartState.OPENED else None),
)
"""What the rest follows from: the last three are empty where nobody asked for private parts."""

FROM_LEAF = (
    Column("leaf_hash", "binary", lambda entry, _: merkle.leaf_hash(entry.leaf)),
    Column("time", "instant", lambda _, leaf: leaf.time_micros),
    Column("kind", "string", lambda _, leaf: spell("kinds", leaf.kind)),
    Column("decision", "string", lambda _, leaf: spell("decisions", leaf.decision) or None),
    Column("purpose", "string", lambda _, leaf: spell("purposes", leaf.purpose) or None),
    Column("partner_id", "string", _text(lambda leaf: leaf.partner_id)),
    Column("partner_sequence", "uint64", lambda _, leaf: leaf.partner_sequence or None),
    Column("method", "string", _text(lambda leaf: leaf.method)),
    Column("reason", "string", _text(lambda leaf: leaf.reason)),
    Column("cost_units", "int64", lambda _, leaf: leaf.cost_units),
    Column("quota_periods", "string", _text(lambda leaf: ",".join(leaf.quota_periods))),
    Column("degraded", "string", _text(lambda leaf: ",".join(leaf.degraded))),
    Column("attestation_sha256", "binary", lambda _, leaf: leaf.attestation_sha256 or None),
    Column("refers_to", "uint64", lambda _, leaf: leaf.refers_to if leaf.HasField("refers_to") else None),
    Column("count", "uint64", lambda _, leaf: leaf.count or None),
    Column("actor", "string", _text(lambda leaf: leaf.actor)),
    Column("object_id", "string", _text(lambda leaf: leaf.object_id)),
)
"""What a leaf says."""

FROM_PART = (
    *(
        Column(name, "string", _private(name))
        for name in (
            *("subject", "consent_id", "event_id", "request_id"),
            *("shown", "legal_name", "peer", "handle"),
        )
    ),
    Column("score", "int64", _score),
)
"""What a private part says, null where it is not here."""

COLUMNS = (*GIVEN, *FROM_LEAF, *FROM_PART)
