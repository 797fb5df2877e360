"""What an auditor reads: leaves, bundles, kept answers, receipts, whole folders that nobody vouches for."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.history import History
from scoregate.auditing.recompute import verify
from scoregate.errors import VerificationFailed
from scoregate.proof import leaf
from scoregate.proof.kept import Kept
from scoregate.proof.personal import read_members, verify_receipt
from scoregate.proof.personal_report import is_report, verify_report
from scoregate.proof.receipts import parse_receipt
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogError, LogInvalid
from scoregate.tlog.merkle import CompactRange, ProofInvalid
from scoregate.tlog.policy import Policy
from scoregate.tlog.proof import TlogProof
from scoregate.tlog.sources import CHECKPOINT, Folder
from scoregate.tlog.tiles import BundleInvalid, bundle_path, decode_bundle, encode_bundle, tile_path
from tests.attestation.made_answers import KEYS, NOW, threshold_request
from tests.client.scripted_log import kept
from tests.proof.made_reports import told_log
from tests.prove.fuzzers.mutation import change_json, message_of
from tests.prove.fuzzers.target import Place, Take, Target, anywhere, each_of, refusing, require_same
from tests.sample_log import VECTORS, SampleLog
from tests.signing import ORIGIN, policy_text, signed

ROOM = "log"
SAMPLE = SampleLog().fill(14)
POLICY = Policy.parse(policy_text().encode())
LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(40)]
ROOTS = [merkle.root(LEAVES[:size]) for size in range(len(LEAVES))]


# --- one leaf


def take_leaf(data: bytes) -> None:
    """Nothing but its one form is a leaf."""
    require_same(leaf.encode(leaf.decode(data)), data)


def take_any_form(data: bytes) -> None:
    """The guard that is off: one form only."""
    read = leaf_pb2.Leaf()
    try:
        read.ParseFromString(data)
        spelled = leaf.encode(read)
    except Exception as error:
        raise leaf.LeafInvalid("leaf", "is none") from error
    require_same(spelled, data)


def leaf_seeds() -> Iterable[bytes]:
    yield from SAMPLE.entries
    yield bytes.fromhex((VECTORS / "leaf.hex").read_text())


# --- a bundle, and what its entries owe each other


def take_bundle(data: bytes) -> None:
    """A bundle is spelled one way; its entries are judged in their order, and hashed."""
    entries = decode_bundle(data)
    require_same(encode_bundle(entries), data)
    history, tree = History(), CompactRange()
    for entry in entries:
        tree.append(merkle.leaf_hash(entry))
        tree.root()
        history.append(leaf.decode(entry))


def take_cut_bundle(data: bytes) -> None:
    """The guard that is off: an entry must be there to its end."""
    entries, offset = list[bytes](), 0
    while offset + 2 <= len(data) and len(entries) < 256:
        stop = offset + 2 + int.from_bytes(data[offset : offset + 2])
        entries.append(data[offset + 2 : stop])
        offset = stop
    if not entries:
        raise BundleInvalid(0, 0, "empty")
    require_same(encode_bundle(entries), data)


def bundle_seeds() -> Iterable[bytes]:
    yield encode_bundle(SAMPLE.entries)
    yield bytes.fromhex((VECTORS / "bundle.hex").read_text())
    for count in (1, 3, 7):
        yield encode_bundle(SAMPLE.entries[:count])


# --- a kept answer


def take_kept(data: bytes) -> None:
    """What was read says of itself what it can be checked by; whether it holds is another question."""
    Kept.decode(data).verify(keys=KEYS, policy=POLICY, now=NOW)


def take_kept_at_its_word(data: bytes) -> None:
    """The guard that is off: each member is looked at before it is used."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LogInvalid("not JSON") from error
    TlogProof.decode(members["proof"])
    b64decode(members["leaf"])


def kept_seeds() -> Iterable[bytes]:
    yield json.dumps(kept()).encode()
    yield json.dumps(kept(threshold_request())).encode()


# --- what a person downloads, or has from an officer


def take_personal(data: bytes) -> None:
    """A file that holds, or one that is refused: a receipt, a year's report, or an officer's."""
    members = read_members(data, "the file")
    (verify_report if is_report(members) else verify_receipt)(members, POLICY)


def take_personal_at_its_word(data: bytes) -> None:
    """The guard that is off: each member is looked at before it is used."""
    members = read_members(data, "the file")
    for line in members.get("entries", ()):  # type: ignore[union-attr]
        b64decode(line["leaf"])
    leaf_pb2.Leaf.FromString(b64decode(members["leaf"]))  # type: ignore[arg-type]


def personal_seeds() -> Iterable[bytes]:
    log, opening, own = told_log()
    for members in (log.receipt(own[0]), log.year(own), log.report(opening, own)):
        yield json.dumps(members).encode()


# --- a receipt


def take_receipt(data: bytes) -> bool:
    """As it came, and with a leaf that names its attestation, or no mutation would get behind that."""
    parse = refusing(lambda given: parse_receipt(given, "fuzzed.json", ORIGIN), LogInvalid, LogDiverged)
    return parse(data) | parse(_mended(data))


def take_receipt_unwrapped(data: bytes) -> None:
    """The guard that is off: base64 and the leaf keep their own exceptions."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LogInvalid("not JSON") from error
    leaf_pb2.Leaf.FromString(b64decode(fields["leaf"], validate=True))


def _mended(data: bytes) -> bytes:
    try:
        fields = json.loads(data)
        named = sha256(fields["attestation"].encode()).digest()
        entry = leaf.decode(b64decode(fields["leaf"]))
        entry.attestation_sha256 = named
        return json.dumps(fields | {"leaf": b64encode(leaf.encode(entry)).decode()}).encode()
    except Exception:
        return data


def receipt_seeds() -> Iterable[bytes]:
    for index in SAMPLE.attestations:
        yield SAMPLE.receipt(index)
    first: Any = json.loads(SAMPLE.receipt(next(iter(SAMPLE.attestations))))
    del first["request"]
    yield json.dumps(first).encode()


# --- a pulled folder


def take_folder(place: Place) -> Take:
    """A checkpoint, a bundle and a receipt in their files; every other time the first fits the second."""
    folder = place.folder / "log"
    bundle, receipts = (folder / bundle_path(0)).with_name("000.p"), place.folder / "receipts"
    for each in (bundle, receipts):
        each.mkdir(parents=True)

    def take(data: bytes) -> None:
        flags, *parts = data.split(b"\x00\xff\x00", 3)
        note, entries, receipt = (*parts, b"", b"", b"")[:3]
        width = 1 + (flags[0] if flags else 0) % 20
        for old in bundle.iterdir():
            old.unlink()
        (bundle / str(width)).write_bytes(entries)
        fitting, hashes = _fitting(entries)
        (folder / CHECKPOINT).write_bytes(fitting if len(flags) > 1 else note)
        tile = folder / tile_path(0, 0, width)
        tile.parent.mkdir(parents=True, exist_ok=True)
        for old in tile.parent.iterdir():
            old.unlink()
        tile.write_bytes(hashes)
        (receipts / "0.json").write_bytes(receipt)
        verify(Folder(folder), receipts=receipts if len(flags) > 2 else None)

    return refusing(take, LogError)


def take_folder_unwrapped(place: Place) -> Take:
    """The guard that is off: what is wrong with a leaf is told of its entry in the log."""
    path = place.folder / "bundle"

    def take(data: bytes) -> None:
        path.write_bytes(data)
        for entry in decode_bundle(path.read_bytes()):
            leaf.decode(entry)

    return refusing(take, LogError, BundleInvalid)


def _fitting(entries: bytes) -> tuple[bytes, bytes]:
    try:
        found = decode_bundle(entries)
    except BundleInvalid:
        found = []
    hashes = [merkle.leaf_hash(each) for each in found]
    return signed(Checkpoint(ORIGIN, len(found), merkle.root(hashes))), b"".join(hashes)


def folder_seeds() -> Iterable[bytes]:
    parts = (signed(SAMPLE.checkpoint()), encode_bundle(SAMPLE.entries), SAMPLE.receipt(1))
    for flags in (b"\x0d", b"\x0dh", b"\x0dhr"):
        yield b"\x00\xff\x00".join((flags, *parts))


# --- proofs


def take_proof(data: bytes) -> bool:
    """Two sizes and some hashes, as if they proved something; and a compact range made of them."""
    old, size, proof = _sizes_and_hashes(data)
    checks: tuple[Callable[[bytes], object], ...] = (
        lambda _: merkle.verify_inclusion(LEAVES[old], old, size, proof, ROOTS[size]),
        lambda _: merkle.verify_consistency(old, size, proof, ROOTS[old], ROOTS[size]),
        lambda _: CompactRange(size, proof).root(),
    )
    return each_of(*(refusing(check, ProofInvalid) for check in checks))(data)


def take_proof_of_any_length(data: bytes) -> None:
    """The guard that is off: a proof has one length."""
    old, size, proof = _sizes_and_hashes(data)
    if not old < size:
        raise ProofInvalid("no such leaf")
    node = LEAVES[old]
    for height in range((size - 1).bit_length()):
        node = merkle.node_hash(node, proof[height])


def _sizes_and_hashes(data: bytes) -> tuple[int, int, list[bytes]]:
    sizes = [each % len(LEAVES) for each in data[:2]] + [0, 0]
    return sizes[0], sizes[1], [data[at : at + 32] for at in range(2, len(data), 32)]


def proof_seeds() -> Iterable[bytes]:
    for old in (1, 4, 6):
        yield bytes([old, 9]) + b"".join(merkle.prove_consistency(LEAVES[:9], old))
    yield bytes([0, 9]) + b"".join(merkle.prove_inclusion(LEAVES[:9], 0))
    yield bytes([9, 9])


JSON_WORDS = (
    "origin",
    "tree_size",
    "root_hash",
    "log_origin",
    "leaf_index",
    "leaf",
    "attestation",
    "request",
)
TARGETS = (
    Target(
        "leaf",
        ROOM,
        anywhere(refusing(take_leaf, leaf.LeafInvalid)),
        anywhere(refusing(take_any_form, leaf.LeafInvalid)),
        leaf_seeds,
        share=150,
        change=message_of(lambda _: leaf_pb2.Leaf),
        most_bytes=leaf.MAX_LEAF_BYTES + 64,
    ),
    Target(
        "bundle",
        ROOM,
        anywhere(refusing(take_bundle, BundleInvalid, leaf.LeafInvalid)),
        anywhere(refusing(take_cut_bundle, BundleInvalid)),
        bundle_seeds,
        share=100,
    ),
    Target(
        "kept",
        ROOM,
        anywhere(refusing(take_kept, LogError, VerificationFailed)),
        anywhere(refusing(take_kept_at_its_word, LogError)),
        kept_seeds,
        share=30,
        change=change_json,
        words=JSON_WORDS,
    ),
    Target(
        "personal",
        ROOM,
        anywhere(refusing(take_personal, LogError)),
        anywhere(refusing(take_personal_at_its_word, LogError)),
        personal_seeds,
        share=20,
        change=change_json,
        words=(*JSON_WORDS, "entries", "opening", "private_part", "blind", "proof", "year", "time_zone"),
    ),
    Target(
        "receipt",
        ROOM,
        anywhere(take_receipt),
        anywhere(refusing(take_receipt_unwrapped, LogInvalid, LogDiverged)),
        receipt_seeds,
        share=50,
        change=change_json,
        words=JSON_WORDS,
    ),
    Target("pulled-folder", ROOM, take_folder, take_folder_unwrapped, folder_seeds, share=1),
    Target(
        "merkle-proof",
        ROOM,
        anywhere(take_proof),
        anywhere(refusing(take_proof_of_any_length, ProofInvalid)),
        proof_seeds,
        share=60,
        most_bytes=512,
    ),
)
