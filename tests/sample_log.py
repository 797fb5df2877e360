"""Small logs that keep every rule, for the tests to pull, break and verify."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.pulled import PulledLog
from scoregate.proof import leaf
from scoregate.proof.digest import canonical
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from tests.signing import ORIGIN, signed

START_MICROS = 1_795_400_000_000_000
VECTORS = Path(__file__).parent / "vectors" / "log"


def fresh_leaf(index: int = 0, **fields: object) -> leaf_pb2.Leaf:
    """A leaf that is valid by itself unless `fields` say otherwise."""
    defaults: dict[str, object] = {
        "version": 1,
        "kind": leaf_pb2.LEAF_KIND_MODEL_CHANGED,
        "time_micros": START_MICROS + index // 2 * 1000,  # every second entry shares its time
        "salt": sha256(index.to_bytes(8, "big")).digest()[:16],
    }
    return leaf_pb2.Leaf(**(defaults | fields))  # type: ignore[arg-type]


@dataclass
class SampleLog:
    """Entries by three partners: releases, replays, refusals, counted refusals, and the gateway's own."""

    leaves: list[leaf_pb2.Leaf] = field(default_factory=list)
    attestations: dict[int, str] = field(default_factory=dict)
    sequences: Counter[str] = field(default_factory=Counter)

    @property
    def entries(self) -> list[bytes]:
        return [leaf.encode(each) for each in self.leaves]

    def add(self, partner: str, **fields: object) -> int:
        index = len(self.leaves)
        if partner:
            self.sequences[partner] += 1
            fields |= {"partner_id": partner, "partner_sequence": self.sequences[partner]}
        self.leaves.append(fresh_leaf(index, **fields))
        return index

    def release(self, partner: str) -> int:
        index = len(self.leaves)
        asked = sha256(canonical(self.request(index))).hexdigest()
        claims = urlsafe_b64encode(canonical({"request_sha256": asked})).rstrip(b"=").decode()
        self.attestations[index] = f"header.{claims}.signature-{index}"
        return self.add(
            partner,
            kind=leaf_pb2.LEAF_KIND_RELEASE,
            method="/scoregate.partner.v1.ScoreService/GetScore",
            purpose=1,
            decision=leaf_pb2.DECISION_SCORED,
            cost_units=1,
            quota_periods=["2026-11-23", "2026-11"],
            attestation_sha256=sha256(self.attestations[index].encode()).digest(),
            commitment=sha256(b"commitment %d" % index).digest(),
        )

    def fill(self, count: int) -> "SampleLog":
        """Go on to `count` entries; every seventh repeats a pattern with all kinds of rows in it."""
        first = {}
        while (index := len(self.leaves)) < count:
            partner = ("acme", "basin", "cedar")[index // 7 % 3]
            match index % 7:
                case 0:
                    self.add("")
                case 1 | 2 | 4:
                    first[partner] = self.release(partner)
                case 3:
                    refused = {"decision": leaf_pb2.DECISION_REFUSED, "reason": "CONSENT_REVOKED"}
                    self.add(partner, kind=leaf_pb2.LEAF_KIND_REFUSAL, **refused)
                case 5:
                    self.add(partner, kind=leaf_pb2.LEAF_KIND_REPLAY, refers_to=first[partner])
                case 6:
                    self.add("", kind=leaf_pb2.LEAF_KIND_COUNTED_REFUSALS, count=9, reason="BURST_EXCEEDED")
        return self

    def checkpoint(self, size: int | None = None, origin: str = ORIGIN) -> Checkpoint:
        """What the log says that it holds, or held when it had `size` entries."""
        entries = self.entries[:size]
        return Checkpoint(origin, len(entries), merkle.root(map(merkle.leaf_hash, entries)))

    def pull(self, folder: Path, witnesses: tuple[str, ...] = ()) -> Path:
        """Write the whole log into `folder`, as `scoregate audit pull` does."""
        pulled = PulledLog(folder)
        pulled.write_checkpoint(signed(self.checkpoint(), witnesses))
        pulled.append(self.entries)
        pulled.write_tiles()
        return folder

    def request(self, index: int) -> dict[str, str]:
        """The question that the release at `index` answers; its form is the digest's own affair."""
        return {"request_id": f"request {index}", "nonce": "Zm9yLXRlc3RzLW9ubHkhISE"}

    def receipt(self, index: int, **changes: object) -> bytes:
        """The file that a client would have written for the release at `index`."""
        fields = {
            "log_origin": ORIGIN,
            "leaf_index": index,
            "leaf": b64encode(leaf.encode(self.leaves[index])).decode(),
            "attestation": self.attestations[index],
            "request": self.request(index),
        }
        return json.dumps(fields | changes).encode()

    def file_receipts(self, folder: Path) -> Path:
        folder.mkdir()
        for index in self.attestations:
            (folder / f"{index}.json").write_bytes(self.receipt(index))
        return folder


@pytest.fixture
def log() -> SampleLog:
    """Three hundred entries: one full bundle and a partial one of 44."""
    return SampleLog().fill(300)


@pytest.fixture
def make_log() -> Callable[[int], SampleLog]:
    return lambda count: SampleLog().fill(count)


@pytest.fixture
def make_leaf() -> Callable[..., leaf_pb2.Leaf]:
    return fresh_leaf


@pytest.fixture
def origin() -> str:
    return ORIGIN


@pytest.fixture
def vectors() -> Path:
    return VECTORS
