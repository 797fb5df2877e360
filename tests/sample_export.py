"""Exports of a small synthetic log, in all forms, for the tests to check and to bend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.exports import bundle, events, parquet
from scoregate.auditing.exports.check import Report, check
from scoregate.auditing.exports.entries import Exported, PartState, Tally
from scoregate.auditing.exports.filters import Filter
from scoregate.auditing.exports.manifest import TYP, Manifest
from scoregate.auditing.exports.seal import Seal
from scoregate.proof import jws, leaf
from scoregate.proof.digest import canonical
from scoregate.proof.jwk import Algorithm, VerificationKeys, public_jwk
from scoregate.tlog import merkle
from scoregate.tlog.policy import Policy
from tests.sample_log import SampleLog
from tests.signing import ORIGIN, WITNESSES, policy_text, private_key, signed

ISSUER_KEY = private_key("issuer")
FORMS = ("bundle", "ocsf", "parquet")
ENDINGS = {"bundle": ".zip", "ocsf": ".jsonl", "parquet": ".parquet"}


PUBLIC = public_jwk(ISSUER_KEY.public_key())


def jwks() -> str:
    return canonical({"keys": [PUBLIC]}).decode()


def keys() -> VerificationKeys:
    return VerificationKeys.from_jwks(jwks())


def policy() -> Policy:
    return Policy.parse(policy_text().encode())


@dataclass
class SampleExport:
    """What a gateway would have served: `entries`, and a manifest over them that `changes` bend."""

    log: SampleLog
    entries: list[Exported]
    filter: Filter
    private_parts: bool
    witnesses: tuple[str, ...] = WITNESSES

    def manifest(self, **changes: Any) -> Manifest:
        tally = Tally()
        for entry in self.entries:
            tally = tally.add(entry)
        size = len(self.log.leaves)
        made = Manifest(
            issuer="https://scoregate.example",
            officer="officer",
            log=ORIGIN,
            log_index=size,
            tree_size=size,
            first_index=0,
            end_index=size,
            checkpoint_sha256=sha256(self.checkpoint).digest(),
            policy_sha256=sha256(policy_text().encode()).digest(),
            jwks_sha256=sha256(jwks().encode()).digest(),
            filter=self.filter,
            private_parts=self.private_parts,
            tally=tally,
            exported_at=datetime(2026, 11, 24, tzinfo=UTC),
        )
        return replace(made, **changes)

    @property
    def checkpoint(self) -> bytes:
        return signed(self.log.checkpoint(), self.witnesses)

    def seal(self, **changes: Any) -> Seal:
        said = self.manifest(**changes).encode()
        compact = jws.sign(said, typ=TYP, kid=PUBLIC["kid"], algorithm=Algorithm.ED25519, private=ISSUER_KEY)
        return Seal(self.checkpoint, jwks().encode(), compact.encode(), policy_text().encode())

    def write(self, folder: Path, form: str, seal: Seal | None = None) -> Path:
        file, seal = folder / f"export{ENDINGS[form]}", seal or self.seal()
        with file.open("w+b") as out:
            if form == "bundle":
                bundle.write(out, seal, lambda: self.entries, private_parts=self.private_parts)
            elif form == "ocsf":
                events.write(out, self.entries, ORIGIN)
                events.seal_of(file).write_bytes(seal.encode())
            else:
                parquet.write(out, seal, self.entries)
        return file


def opened(file: Path) -> AbstractContextManager[Any]:
    ways: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
        ".zip": bundle.opened,
        ".jsonl": events.opened,
        ".parquet": parquet.opened,
    }
    return ways[file.suffix](file)


def checked(file: Path, believed: Policy | None = None) -> Report:
    with opened(file) as export:
        return check(export, keys=keys(), policy=believed or policy())


def part_of(index: int) -> tuple[bytes, bytes]:
    """The private part and blind of an entry; the people are made up."""
    said = leaf_pb2.PrivatePart(
        subject=f"synthetic-{index % 3}", consent_id="c" * 26, score=600 + index, shown="SCORE"
    )
    return said.SerializeToString(), sha256(b"blind %d" % index).digest()


def sample_log(size: int = 40) -> SampleLog:
    """A log whose commitments open."""
    made = SampleLog().fill(size)
    for index, each in enumerate(made.leaves):
        if each.commitment:
            each.commitment = leaf.commit(*part_of(index))
    return made


def sample(
    wanted: Filter | None = None, *, private_parts: bool = True, size: int = 40, log: SampleLog | None = None
) -> SampleExport:
    log, wanted = log or sample_log(size), wanted or Filter()
    return SampleExport(log, list(_found(log, wanted, private_parts)), wanted, private_parts)


def _found(log: SampleLog, wanted: Filter, private_parts: bool) -> Iterator[Exported]:
    hashes = [merkle.leaf_hash(each) for each in log.entries]
    for index, (each, data) in enumerate(zip(log.leaves, log.entries, strict=True)):
        if wanted.broken_by(each):
            continue
        entry = Exported(index, data, tuple(merkle.prove_inclusion(hashes, index)))
        if private_parts and each.commitment:
            # Every fifth was erased, and one does not open.
            if index % 5 == 0 or index == 2:
                entry = replace(entry, state=PartState.UNREADABLE if index == 2 else PartState.ABSENT)
            else:
                part, blind = part_of(index)
                entry = replace(entry, state=PartState.OPENED, part=part, blind=blind)
        yield entry
