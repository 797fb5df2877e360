"""What the log holds about one person: an entry, opened with what only they and compliance have, and proved.

    {"leaf": "(base64)", "private_part": "(base64)", "blind": "(base64)", "proof": "(C2SP tlog-proof)"}

These four stand in a person's receipt of one entry, and in each line of a report (personal_report.py) beside
what the entry says. Pure. Whoever checks has a policy: the log's key, and the witnesses'. The order:

 1. leaf          a leaf of the log, in its one form (leaf.py)
 2. private part  it opens the leaf's commitment with its blind
 3. proof         the leaf is at this index of the checkpoint's tree (RFC 9162, 2.1.3.2)
 4. checkpoint    signed by a log that is believed, and cosigned as the policy asks (policy.py)

What such an entry says is read from leaf and private part alone (`Told`), never from words beside them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from google.protobuf.message import DecodeError

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import JsonRefused
from scoregate.instants import moment
from scoregate.proof import leaf
from scoregate.proof.digest import Json, parse
from scoregate.proof.kept import known_lines
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.lines import read_base64, write_base64
from scoregate.tlog.merkle import leaf_hash
from scoregate.tlog.policy import Judged, Policy
from scoregate.tlog.proof import TlogProof
from scoregate.words import Purpose

PROVING = frozenset({"leaf", "private_part", "blind", "proof"})
RECEIPT = PROVING | {"log_origin", "leaf_index"}

_AGAIN = "download it again in a few seconds"


@dataclass(frozen=True, slots=True)
class Told:
    """An entry in words: those of the contract, without their prefixes."""

    leaf_index: int
    at: datetime
    kind: str
    partner_id: str
    legal_name: str  # as it was then; "" where the entry does not say it
    purpose: Purpose | None
    decision: str
    reason: str
    shown: str
    score: int | None
    consent_id: str
    actor: str

    @classmethod
    def read(
        cls, leaf_index: int, entry: leaf_pb2.Leaf, part: leaf_pb2.PrivatePart | None, **more: Any
    ) -> Self:
        """Return what an entry says; without its private part, what the leaf alone does.

        ``more`` are the fields that a class of its own adds.
        """
        private = part or leaf_pb2.PrivatePart()
        return cls(
            leaf_index=leaf_index,
            at=moment(entry.time_micros),
            kind=leaf_pb2.LeafKind.Name(entry.kind).removeprefix("LEAF_KIND_"),
            partner_id=entry.partner_id,
            legal_name=private.legal_name,
            purpose=Purpose.of(entry.purpose) if entry.purpose else None,
            decision=leaf_pb2.Decision.Name(entry.decision).removeprefix("DECISION_")
            if entry.decision
            else "",
            reason=entry.reason,
            shown=private.shown,
            score=private.score if private.HasField("score") else None,
            consent_id=private.consent_id,
            actor=entry.actor,
            **more,
        )

    def plain(self) -> dict[str, Json]:
        """Return it as reports have it."""
        said = {name: value for name, value in asdict(self).items() if name in SAID}
        purpose = None if self.purpose is None else str(self.purpose)
        return {**said, "at": self.at.isoformat(), "purpose": purpose}


SAID = frozenset(Told.__dataclass_fields__)


def proving(entry: bytes, part: bytes, blind: bytes, proof: TlogProof | None) -> dict[str, str]:
    """Return the members that show an entry; without a proof, as long as none is published."""
    shown = {"leaf": write_base64(entry), "private_part": write_base64(part), "blind": write_base64(blind)}
    return shown if proof is None else {**shown, "proof": proof.encode()}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that its private part opens, or that has none any more. Nobody has held its proof yet."""

    leaf_index: int
    data: bytes = field(repr=False)
    leaf: leaf_pb2.Leaf = field(repr=False)
    part: leaf_pb2.PrivatePart | None = field(repr=False)  # None: it is not there
    proof: TlogProof | None = field(repr=False)  # None: it was not published yet

    @classmethod
    def decode(cls, leaf_index: object, members: Mapping[str, Json], whose: str) -> Self:
        """Return the entry that these members show; ``whose`` names them in errors, such as "entry 7".

        Raises:
            LogInvalid: One of them is not what it must be, or the part does not open the leaf's commitment.
        """
        if type(leaf_index) is not int or leaf_index < 0:
            raise LogInvalid(f"{whose}: leaf_index is not an index")
        data, part, blind = (_bytes(members, name, whose) for name in ("leaf", "private_part", "blind"))
        try:
            found = leaf.decode(data)
        except leaf.LeafInvalid as error:
            raise LogInvalid(f"{whose}: leaf: {error}", index=leaf_index) from error
        opened = _open(found, part, blind, whose, leaf_index)
        proof = _proof(members, whose, leaf_index) if "proof" in members else None
        return cls(leaf_index, data, found, opened, proof)

    @property
    def told(self) -> Told:
        """What it says."""
        return Told.read(self.leaf_index, self.leaf, self.part)

    @property
    def lacks(self) -> str:
        """What it would take to check all of it, and is not there; "" where nothing is missing."""
        if self.part is None:
            return "its private part, which could not be opened or was erased"
        return "" if self.proof else f"its proof: it was not published yet; {_AGAIN}"


@dataclass(slots=True)
class Judge:
    """Holds proofs against a policy, looking at each checkpoint once."""

    policy: Policy
    _judged: dict[bytes, Judged] = field(default_factory=dict)

    def require(self, entry: Entry, log_origin: str) -> Judged:
        """Return the checkpoint, only if the policy accepts it and the entry is in that log's tree.

        Raises:
            LogInvalid: The proof, or a signature over the checkpoint.
            LogDiverged: The checkpoint is of another log than ``log_origin``, and the policy names not both.
            LogIncomplete: There is no proof, or too few witnesses cosigned the checkpoint.
        """
        proof, index = entry.proof, entry.leaf_index
        if proof is None:
            raise LogIncomplete(f"entry {index:,} lacks {entry.lacks}", index=index)
        judged = self._judged.get(proof.checkpoint)
        if judged is None:
            judged = self._judged[proof.checkpoint] = self.policy.judge(proof.checkpoint)
        proof.require_in(leaf_hash(entry.data), judged.checkpoint)
        found = judged.checkpoint.origin
        if log_origin not in (found, *(log.vkey.name for log in self.policy.logs)):
            raise LogDiverged(
                f"it is of the log {log_origin[:255]}, and the proof of entry {index:,} of {found}; if that"
                " is its name now, give the keys of both",
                index=index,
            )
        return judged

    def unchecked(self, judged: Judged) -> int:
        """How many signature lines of a checkpoint are by keys that the policy does not name."""
        return len(judged.note.signatures) - len(known_lines(judged.note, self.policy).signatures)


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A person's receipt that holds."""

    log_origin: str
    told: Told
    subject: str
    judged: Judged
    unchecked: int  # signature lines of keys that the policy does not name


def verify_receipt(members: Mapping[str, Json], policy: Policy) -> CheckedReceipt:
    """Return what a person's receipt of one entry says, only if all of it holds.

    Raises:
        LogInvalid: A member, the opening, the proof, or a signature over the checkpoint.
        LogDiverged: The checkpoint is of another log.
        LogIncomplete: Proof or private part are missing, or too few witnesses cosigned.
    """
    require_members(members, RECEIPT - {"proof"}, RECEIPT, "the receipt")
    entry = Entry.decode(members["leaf_index"], members, "the receipt")
    if entry.lacks:
        raise LogIncomplete(f"the receipt lacks {entry.lacks}", index=entry.leaf_index)
    assert entry.part is not None  # noqa: S101 - it lacks nothing
    judge, log_origin = Judge(policy), text(members, "log_origin", "the receipt")
    judged = judge.require(entry, log_origin)
    return CheckedReceipt(log_origin, entry.told, entry.part.subject, judged, judge.unchecked(judged))


def read_members(data: bytes, what: str) -> Mapping[str, Json]:
    """Return the members of a file that is one JSON object.

    Raises:
        LogInvalid: It is none.
    """
    try:
        members = parse(data)
    except JsonRefused as error:
        raise LogInvalid(f"{what} is {error}") from error
    if not isinstance(members, dict):
        raise LogInvalid(f"{what} is not a JSON object")
    return members


def require_members(
    members: Mapping[str, Json], needed: frozenset[str], allowed: frozenset[str], what: str
) -> None:
    """Return only if every needed member is there, and none that is not allowed.

    Raises:
        LogInvalid: Otherwise; the message names them.
    """
    if missing := needed - members.keys():
        raise LogInvalid(f"{what} lacks {', '.join(sorted(missing))}; {_AGAIN}")
    if unknown := members.keys() - allowed:
        raise LogInvalid(f"{what} has a member that nothing vouches for: {min(unknown)[:32]!r}")


def text(members: Mapping[str, Json], name: str, what: str) -> str:
    """Return a member that is text.

    Raises:
        LogInvalid: It is not.
    """
    value = members[name]
    if not isinstance(value, str):
        raise LogInvalid(f"{what}: {name} is not text")
    return value


def _bytes(members: Mapping[str, Json], name: str, whose: str) -> bytes:
    try:
        return read_base64(text(members, name, whose))
    except ValueError as error:
        raise LogInvalid(f"{whose}: {name}: {error}") from error


def _open(
    entry: leaf_pb2.Leaf, part: bytes, blind: bytes, whose: str, index: int
) -> leaf_pb2.PrivatePart | None:
    if not entry.commitment:
        raise LogInvalid(f"{whose}: its leaf commits to nobody", index=index)
    if not part and not blind:
        return None
    try:
        leaf.open_commitment(entry.commitment, part, blind)
        return leaf_pb2.PrivatePart.FromString(part)
    except (leaf.CommitmentInvalid, DecodeError) as error:
        raise LogInvalid(f"{whose}: {error}", index=index) from error


def _proof(members: Mapping[str, Json], whose: str, index: int) -> TlogProof:
    try:
        proof = TlogProof.decode(text(members, "proof", whose).encode(errors="surrogatepass"))
    except LogError as error:
        raise LogInvalid(f"{whose}: {error}", index=index) from error
    if proof.extra is not None:
        raise LogInvalid(f"{whose}: its proof has a line `extra`, which nothing vouches for", index=index)
    if proof.index != index:
        raise LogInvalid(f"{whose}: its proof is of entry {proof.index:,}", index=index)
    return proof
