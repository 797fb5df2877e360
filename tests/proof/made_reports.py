"""A small log that holds entries about two people, and what one of them and an officer have of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros
from scoregate.partner.v1 import types_pb2
from scoregate.proof import leaf
from scoregate.proof.digest import spell_instant
from scoregate.proof.personal import Told, proving
from scoregate.proof.personal_report import METHOD, period_reason
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.proof import TlogProof
from tests.signing import ORIGIN, WITNESSES, signed

ANN, BOB = "uci-00001", "uci-00002"
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
OPENED = datetime(2026, 7, 1, tzinfo=UTC)


@dataclass
class PersonalLog:
    """Entries, and what opens each of them."""

    leaves: list[bytes] = field(default_factory=list)
    parts: list[tuple[bytes, bytes]] = field(default_factory=list)
    origin: str = ORIGIN
    witnesses: tuple[str, ...] = WITNESSES

    def add(self, at: datetime, part: leaf_pb2.PrivatePart, **fields: Any) -> int:
        index = len(self.leaves)
        private = part.SerializeToString()
        blind = sha256(b"blind %d" % index).digest()
        made = leaf_pb2.Leaf(
            version=1,
            time_micros=micros(at),
            salt=sha256(b"salt %d" % index).digest()[:16],
            commitment=leaf.commit(private, blind),
            **fields,
        )
        self.leaves.append(leaf.encode(made))
        self.parts.append((private, blind))
        return index

    def note(self, size: int | None = None) -> bytes:
        hashes = self.hashes[:size]
        return signed(Checkpoint(self.origin, len(hashes), merkle.root(hashes)), self.witnesses)

    @property
    def hashes(self) -> list[bytes]:
        return [merkle.leaf_hash(each) for each in self.leaves]

    def shown(self, index: int, note: bytes | None = None) -> dict[str, Any]:
        """The four members that show an entry."""
        proof = TlogProof(index, tuple(merkle.prove_inclusion(self.hashes, index)), note or self.note())
        return dict(proving(self.leaves[index], *self.parts[index], proof))

    def receipt(self, index: int) -> dict[str, Any]:
        return {"log_origin": self.origin, "leaf_index": index, **self.shown(index)}

    def line(self, index: int) -> dict[str, Any]:
        part = leaf_pb2.PrivatePart.FromString(self.parts[index][0])
        told = Told.read(index, leaf.decode(self.leaves[index]), part)
        return {**told.plain(), **self.shown(index)}

    def report(self, opening: int, indexes: Sequence[int]) -> dict[str, Any]:
        """As an officer's."""
        return {
            "log_origin": self.origin,
            "subject": ANN,
            "since": spell_instant("since", SINCE),
            "until": spell_instant("until", UNTIL),
            "opening": self.line(opening),
            "entries": [self.line(each) for each in indexes],
        }

    def year(self, indexes: Sequence[int]) -> dict[str, Any]:
        """As a person's own."""
        return {
            "year": 2026,
            "time_zone": "Asia/Shanghai",
            "made_at": "2026-12-01T00:00:00+00:00",
            "subject": ANN,
            "name": "Ada Example",
            "issuer": "https://scoregate.example",
            "log_origin": self.origin,
            "entries": [self.line(each) for each in indexes],
        }


def told_log() -> tuple[PersonalLog, int, list[int]]:
    """The log; the entry that opened a report of Ann's; and those of hers in its period, newest first.

    Entry 0 is before the period, 1 is Bob's, 4 is at the period's very end and so out of it.
    """
    log = PersonalLog()
    asked = {"partner_id": "acme", "purpose": types_pb2.PURPOSE_CREDIT_APPLICATION}
    name = {"subject": ANN, "legal_name": "Acme Lending Ltd", "consent_id": "c" * 26}
    scored = {"kind": leaf_pb2.LEAF_KIND_RELEASE, "decision": leaf_pb2.DECISION_SCORED}
    score = leaf_pb2.PrivatePart(**name, score=612, shown="SCORE")
    log.add(datetime(2026, 2, 1, tzinfo=UTC), score, partner_sequence=1, **asked, **scored)
    bobs = leaf_pb2.PrivatePart(subject=BOB, score=700, shown="SCORE")
    log.add(datetime(2026, 3, 2, tzinfo=UTC), bobs, partner_sequence=2, **asked, **scored)
    first = log.add(SINCE.replace(day=3), score, partner_sequence=3, **asked, **scored)
    refused = {"kind": leaf_pb2.LEAF_KIND_REFUSAL, "decision": leaf_pb2.DECISION_REFUSED}
    second = log.add(
        datetime(2026, 4, 1, tzinfo=UTC),
        leaf_pb2.PrivatePart(**name),
        reason="CONSENT_REVOKED",
        partner_sequence=4,
        **asked,
        **refused,
    )
    log.add(UNTIL, score, partner_sequence=5, **asked, **scored)
    opening = log.add(
        OPENED,
        leaf_pb2.PrivatePart(subject=ANN, legal_name="Compliance"),
        kind=leaf_pb2.LEAF_KIND_OFFICER_READ,
        partner_id="officer",
        partner_sequence=1,
        method=METHOD,
        reason=period_reason(SINCE, UNTIL),
        actor="officer",
    )
    return log, opening, [second, first]
