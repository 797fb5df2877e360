"""Each fault of a log says what is wrong, where, and what to do: sentences that an officer acts on."""

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.history import History
from scoregate.auditing.pulled import PulledLog
from scoregate.auditing.recompute import verify
from scoregate.proof import leaf
from scoregate.proof.leaf import CommitmentInvalid, LeafInvalid
from scoregate.proof.receipts import parse_receipt, read_receipts
from scoregate.tlog import files, merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.merkle import CompactRange, ProofInvalid
from scoregate.tlog.sources import Folder
from scoregate.tlog.tiles import BundleInvalid, bundle_path, decode_bundle, encode_bundle
from tests.sample_log import SampleLog
from tests.signing import ORIGIN, signed

MakeLeaf = Callable[..., leaf_pb2.Leaf]
PULL = "run `scoregate audit pull` again"
ROOT = bytes(range(32))
BEHIND_256 = 2 + len(SampleLog().fill(257).entries[256])
RELEASE = {"kind": leaf_pb2.LEAF_KIND_RELEASE, "attestation_sha256": bytes(32)}
REPLAY = {"kind": leaf_pb2.LEAF_KIND_REPLAY}


@pytest.mark.parametrize(("text", "shown"), [("Zürich 中 ✓", "Zürich 中 ✓"), ("a\tb\x1b", r"a\tb\x1b")])
def test_what_can_be_printed_is_shown_as_it_is_and_nothing_else(text: str, shown: str) -> None:
    assert str(LogInvalid(text)) == shown


# --- a leaf


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"version": 2}, "version is 2, not 1: a newer scoregate may know it"),
        ({"kind": 0}, "kind is 0, which version 1 does not know"),
        ({"kind": 999}, "kind is 999, which version 1 does not know"),
        ({"decision": 9}, "decision is 9, which version 1 does not know"),
        ({"purpose": 99}, "purpose is 99, which version 1 does not know"),
        ({"time_micros": 0}, "time_micros is 0, outside the years 1970 to 9999"),
        ({"time_micros": 253_402_300_800_000_000},
         "time_micros is 253402300800000000, outside the years 1970 to 9999"),
        ({"partner_id": "acme"}, "partner_sequence is missing beside a partner_id"),
        ({"partner_sequence": 1}, "partner_id is missing beside a partner_sequence"),
        ({"attestation_sha256": b"x"}, "attestation_sha256 has 1 bytes, neither 0 nor 32"),
        ({"commitment": b"xy"}, "commitment has 2 bytes, neither 0 nor 32"),
        ({"salt": bytes(17)}, "salt has 17 bytes instead of 16"),
        ({"reason": "x" * 4_096}, "leaf has 4130 bytes, more than 4096"),
    ],
)  # fmt: skip
def test_a_leaf_that_breaks_a_rule_says_which(make_leaf: MakeLeaf, fields: dict[str, Any], told: str) -> None:
    broken = make_leaf(**fields)
    for read in (lambda: leaf.encode(broken), lambda: leaf.decode(broken.SerializeToString())):
        with pytest.raises(LeafInvalid) as error:
            read()
        assert str(error.value) == told
        assert error.value.field == told.partition(" ")[0]


def test_bytes_that_are_no_leaf_say_so(make_leaf: MakeLeaf) -> None:
    whole = leaf.encode(make_leaf())
    for data, told in (
        (b"\xff", "is not a scoregate.audit.v1.Leaf"),
        (whole + b"\xa2\x06\x03new", "holds a field unknown to version 1"),
        (whole + whole[:2], "is not in its one form: its fields are repeated, out of order or padded"),
    ):
        with pytest.raises(LeafInvalid) as error:
            leaf.decode(data)
        assert (error.value.field, str(error.value)) == ("leaf", f"leaf {told}")


@pytest.mark.parametrize("fields", [{"time_micros": 1}, {"time_micros": 253_402_300_799_999_999}])
def test_the_first_and_the_last_microsecond_can_be_written(
    make_leaf: MakeLeaf, fields: dict[str, Any]
) -> None:
    assert leaf.decode(leaf.encode(make_leaf(**fields))) == make_leaf(**fields)


def test_a_leaf_of_exactly_the_largest_size_is_one(make_leaf: MakeLeaf) -> None:
    room = 4_096 - len(leaf.encode(make_leaf())) - 3  # a tag, and a length of two bytes
    assert len(leaf.encode(make_leaf(reason="x" * room))) == 4_096
    with pytest.raises(LeafInvalid, match=r"^leaf has 4097 bytes, more than 4096$"):
        leaf.encode(make_leaf(reason="x" * (room + 1)))


def test_a_commitment_that_does_not_open_says_so() -> None:
    with pytest.raises(CommitmentInvalid, match=r"^a blind of 31 bytes instead of 32$"):
        leaf.commit(b"part", bytes(31))
    with pytest.raises(
        CommitmentInvalid, match=r"^the private part and its blind do not open the commitment$"
    ):
        leaf.open_commitment(bytes(32), b"part", bytes(32))


# --- the tree


@pytest.mark.parametrize(
    ("show", "told"),
    [
        (lambda: CompactRange(2, []), "0 stored hashes can't belong to a tree of 2 leaves"),
        (lambda: CompactRange(-1, [ROOT]), "1 stored hashes can't belong to a tree of -1 leaves"),
        (lambda: CompactRange(1, [b"x"]), "a stored hash of 1 bytes instead of 32"),
        (lambda: CompactRange().append(b"entry"), "a leaf hash of 5 bytes instead of 32"),
        (lambda: merkle.prove_inclusion([ROOT], 1), "there is no leaf 1 in a tree of 1"),
        (lambda: merkle.prove_inclusion([ROOT], -1), "there is no leaf -1 in a tree of 1"),
        (lambda: merkle.prove_consistency([ROOT], 0), "no consistency proof leads from size 0 to size 1"),
        (lambda: merkle.prove_consistency([ROOT], 2), "no consistency proof leads from size 2 to size 1"),
        (lambda: merkle.verify_inclusion(ROOT, 0, 2, [], ROOT),
         "a proof of 0 hashes where exactly 1 belong"),
        (lambda: merkle.verify_inclusion(b"x", 0, 1, [], ROOT), "a leaf hash of 1 bytes instead of 32"),
        (lambda: merkle.verify_inclusion(ROOT, 0, 2, [b"x"], ROOT), "a proof hash of 1 bytes instead of 32"),
        (lambda: merkle.verify_inclusion(ROOT, 1, 2, [ROOT], ROOT),
         "the proof of leaf 1 in 2 leads to another root"),
        (lambda: merkle.verify_consistency(3, 3, [], ROOT, bytes(32)),
         "two different roots for the same size 3"),
        (lambda: merkle.verify_consistency(1, 2, [ROOT], b"x", ROOT), "a old root of 1 bytes instead of 32"),
        (lambda: merkle.verify_consistency(1, 2, [ROOT], ROOT, ROOT),
         "the proof from 1 to 2 leads to another new root"),
        (lambda: merkle.verify_consistency(3, 4, [ROOT, ROOT, ROOT], ROOT, ROOT),
         "the proof from 3 to 4 leads to another old root"),
    ],
)  # fmt: skip
def test_a_proof_that_shows_nothing_says_why(show: Callable[[], object], told: str) -> None:
    with pytest.raises(ProofInvalid) as error:
        show()
    assert str(error.value) == told


# --- bundles


@pytest.mark.parametrize(
    ("show", "place", "told"),
    [
        (lambda: encode_bundle([]), 0, "at byte 0: a bundle holds at least one entry"),
        (lambda: encode_bundle([b"a"] * 257), 256, "at byte 768: a bundle takes 256 entries, not 257"),
        (lambda: encode_bundle([b"a", bytes(65_536)]), 1, "at byte 3: an entry of 65536 bytes is over 65535"),
        (lambda: decode_bundle(b""), 0, "at byte 0: the bundle is empty"),
        (lambda: decode_bundle(b"\0\1a\0"), 1, "at byte 3: the bundle breaks off inside a length"),
        (lambda: decode_bundle(b"\0\1a\0\3bc"), 1, "at byte 3: an entry of 3 bytes has only 2 left"),
        (lambda: decode_bundle(b"\0\1a" * 257), 256, "at byte 768: the bundle goes on after 256 entries"),
    ],
)
def test_a_bundle_that_is_none_says_where(show: Callable[[], object], place: int, told: str) -> None:
    with pytest.raises(BundleInvalid) as error:
        show()
    assert str(error.value) == told
    assert (error.value.place, f"at byte {error.value.offset}") == (place, told.partition(":")[0])


@pytest.mark.parametrize(("number", "width"), [(-1, 256), (0, 0), (0, 257)])
def test_no_bundle_has_such_a_name(number: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"^no bundle has number {number} and width {width}$"):
        bundle_path(number, width)


# --- what entries owe each other


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"time_micros": 8}, "time_micros goes back by 2 µs"),
        ({"partner_id": "a", "partner_sequence": 3},
         "partner_sequence is 3 where partner 'a' was due 2"),
        ({"cost_units": 1}, "cost_units is 1 on an entry that releases nothing"),
        (RELEASE, "partner_id is missing on a release"),
        ({"kind": leaf_pb2.LEAF_KIND_RELEASE, "partner_id": "a", "partner_sequence": 2},
         "attestation_sha256 is missing on a release"),
        ({"partner_id": "a", "partner_sequence": 2, **REPLAY}, "refers_to is missing on a replay"),
        ({"partner_id": "a", "partner_sequence": 2, "refers_to": 1, **REPLAY},
         "refers_to is 1, which is no earlier release"),
        ({"partner_id": "b", "partner_sequence": 1, "refers_to": 0, **REPLAY},
         "refers_to is 0, a release to another partner"),
    ],
)  # fmt: skip
def test_a_leaf_in_the_wrong_place_says_what_shows_it(
    make_leaf: MakeLeaf, fields: dict[str, Any], told: str
) -> None:
    history = History()
    history.append(make_leaf(time_micros=10, partner_id="a", partner_sequence=1, **RELEASE))
    with pytest.raises(LeafInvalid) as error:
        history.append(make_leaf(**({"time_micros": 10} | fields)))
    assert str(error.value) == told
    assert error.value.field == told.partition(" ")[0]


# --- receipts


@pytest.mark.parametrize(
    ("changes", "kind", "index", "told"),
    [
        ({"leaf_index": -1}, LogInvalid, None, "r.json: leaf_index is not an index"),
        ({"log_origin": None}, LogInvalid, None, "r.json: log_origin is missing or not text"),
        ({"attestation": 5}, LogInvalid, None, "r.json: attestation is missing or not text"),
        ({"attestation": "é"}, LogInvalid, 1, "r.json: attestation is not a compact JWS"),
        ({"leaf": "?"}, LogInvalid, 1, "r.json: leaf is not a leaf in base64"),
        ({"leaf": b64encode(b"no leaf").decode()}, LogInvalid, 1, "r.json: leaf is not a leaf in base64"),
        ({"log_origin": "b/log"}, LogDiverged, 1,
         "r.json is of the log b/log, not scoregate.example/log/2026h2"),
        ({"attestation": "a.b.c"}, LogDiverged, 1,
         "r.json: its attestation is not the one that entry 1 names"),
        ({"request": {"nonce": "x"}}, LogDiverged, 1, "r.json: its attestation answers another request"),
        ({"request": 0.5}, LogInvalid, 1,
         "r.json: request has no canonical form: float has no canonical form here; use text or an integer"),
    ],
)  # fmt: skip
def test_a_receipt_that_is_none_says_why(
    log: Any, origin: str, changes: dict[str, object], kind: type[LogError], index: int | None, told: str
) -> None:
    with pytest.raises(kind) as error:
        parse_receipt(log.receipt(1, **changes), "r.json", origin)
    assert (str(error.value), error.value.index) == (f"receipt {told}", index)


@pytest.mark.parametrize(("data", "told"), [(b"{", "is not JSON"), (b"[]", "is not a JSON object")])
def test_a_file_that_is_no_receipt_says_so(data: bytes, told: str, origin: str) -> None:
    with pytest.raises(LogInvalid) as error:
        parse_receipt(data, "r.json", origin)
    assert str(error.value) == f"receipt r.json {told}; ask the client for it again"


def test_an_attestation_without_claims_is_named_with_its_entry(log: Any, origin: str) -> None:
    log.leaves[1].attestation_sha256 = sha256(b"a.?.c").digest()
    with pytest.raises(LogInvalid, match=r"^receipt r\.json: attestation is not a compact JWS$") as error:
        parse_receipt(log.receipt(1, attestation="a.?.c"), "r.json", origin)
    assert error.value.index == 1


@pytest.mark.parametrize("stray", ["\n", " ", "?", "="])
def test_no_stray_character_hides_in_a_receipts_leaf(log: Any, origin: str, stray: str) -> None:
    text = json.loads(log.receipt(1))["leaf"]
    with pytest.raises(LogInvalid, match="leaf is not a leaf in base64"):
        parse_receipt(log.receipt(1, leaf=text[:8] + stray + text[8:]), "r.json", origin)


def test_an_index_of_a_large_log_is_shown_in_groups_of_digits(log: Any, origin: str) -> None:
    with pytest.raises(LogDiverged, match=r"entry 1,234,567 names$"):
        parse_receipt(log.receipt(1, leaf_index=1_234_567, attestation="a.b.c"), "r.json", origin)


def test_a_receipt_for_the_first_entry_is_one(log: Any, origin: str) -> None:
    assert parse_receipt(log.receipt(1, leaf_index=0), "r.json", origin).leaf_index == 0


def test_a_folder_without_receipts_is_named(origin: str, tmp_path: Path) -> None:
    with pytest.raises(LogIncomplete) as error:
        read_receipts(tmp_path, origin)
    told = "holds no receipts (*.json); name the folder where the client files them"
    assert str(error.value) == f"{tmp_path} {told}"


# --- a folder


def test_a_file_is_read_up_to_its_limit_and_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000)
    assert files.read(tmp_path / "a", "a", 1_000) == b"x" * 1_000
    with pytest.raises(LogInvalid, match=r"^a has more than 999 bytes$") as error:
        files.read(tmp_path / "a", "a", 999, 5)
    assert error.value.index == 5
    with pytest.raises(LogInvalid, match=r"^it is not a file$") as error:
        files.read(Path("/dev/null"), "it", 9, 6)
    assert error.value.index == 6


def test_without_a_checkpoint_nothing_is_verified(tmp_path: Path) -> None:
    with pytest.raises(LogIncomplete) as error:
        verify(Folder(tmp_path))
    assert str(error.value) == f"checkpoint is missing; {PULL}, or name the place that holds it"


def broken(log: Any, folder: Path, break_it: Callable[[Path, Any], object]) -> LogError:
    """What a pulled log of 300 entries is refused with, once something is wrong with it."""
    log.pull(folder)
    break_it(folder, log)
    with pytest.raises(LogError) as error:
        verify(Folder(folder))
    return error.value


def said(folder: Path, log: Any, size: int = 300, root: bytes | None = None) -> None:
    """Let the log sign something else."""
    found = log.checkpoint()
    (folder / "checkpoint").write_bytes(signed(Checkpoint(ORIGIN, size, root or found.root)))


@pytest.mark.parametrize(
    ("break_it", "kind", "index", "told"),
    [
        (lambda folder, log: said(folder, log, 299), LogDiverged, 299,
         "there is something of 300 entries, and the checkpoint counts 299: it was added, or the checkpoint"
         f" is an older one; {PULL}"),
        (lambda folder, log: said(folder, log, 301), LogIncomplete, 300,
         f"tile/entries/001.p/45 is missing: 300 entries of 301 are there; {PULL}"),
        (lambda folder, log: said(folder, log, 2_000), LogIncomplete, 300,
         f"tile/entries/001 is missing: 300 entries of 2,000 are there; {PULL}"),
        (lambda folder, log: said(folder, log, root=bytes(32)), LogDiverged, None,
         "the 300 entries have another root than the checkpoint: one or the other was changed"),
        (lambda folder, _: (folder / bundle_path(0)).unlink(), LogIncomplete, 0,
         f"tile/entries/000 is missing: 0 entries of 300 are there; {PULL}"),
        (lambda folder, _: (folder / "tile/0/000").unlink(), LogIncomplete, 0,
         f"tile/0/000 is missing; {PULL}"),
        (lambda folder, _: (folder / "tile/1/000.p/1").unlink(), LogIncomplete, 0,
         f"tile/1/000.p/1 is missing; {PULL}"),
        (lambda folder, _: (folder / "tile/0/001.p/44").write_bytes(bytes(31)), LogInvalid, 256,
         f"tile/0/001.p/44 has 31 bytes, where 44 hashes belong; delete it and {PULL}"),
        (lambda folder, _: (folder / "tile/0/001.p/44").write_bytes(bytes(44 * 32)), LogDiverged, 256,
         "tile/0/001.p/44 holds another hash than entry 256 has: one or the other was changed"),
        (lambda folder, _: (folder / "tile/1/000.p/1").write_bytes(bytes(32)), LogDiverged, 0,
         "tile/1/000.p/1 holds another hash than the entries from 0 on have: one or the other was changed"),
        (lambda folder, _: (folder / bundle_path(1, 44)).write_bytes(b"\0\1"), LogInvalid, 256,
         f"tile/entries/001.p/44 at byte 0: an entry of 1 bytes has only 0 left; delete it and {PULL}"),
        (lambda folder, log: (folder / bundle_path(1, 44)).write_bytes(
            encode_bundle(log.entries[256:257]) + b"\0"), LogInvalid, 257,
         f"tile/entries/001.p/44 at byte {BEHIND_256}: the bundle breaks off inside a length; delete it and"
         f" {PULL}"),
        (lambda folder, _: (folder / "checkpoint").write_bytes(b" " * 131_073), LogInvalid, None,
         "checkpoint has more than 131,072 bytes"),
        (lambda folder, _: (folder / bundle_path(1, 44)).write_bytes(b"\0\1a"), LogInvalid, 256,
         "entry 256: leaf is not a scoregate.audit.v1.Leaf"),
        (lambda folder, log: (
            (folder / bundle_path(1, 44)).rename(folder / bundle_path(1, 45)), said(folder, log, 301)),
         LogIncomplete, 300,
         f"tile/entries/001.p/45 holds 44 entries instead of 45; delete it and {PULL}"),
        (lambda folder, _: (folder / bundle_path(1, 44)).rename(folder / bundle_path(1, 43)),
         LogInvalid, 299,
         f"tile/entries/001.p/43 holds 44 entries instead of 43; delete it and {PULL}"),
    ],
)  # fmt: skip
def test_a_folder_that_does_not_hold_says_where_and_what_to_do(
    log: Any,
    tmp_path: Path,
    break_it: Callable[[Path, Any], object],
    kind: type,
    index: int | None,
    told: str,
) -> None:
    error = broken(log, tmp_path, break_it)
    assert type(error) is kind
    assert (str(error), error.index) == (told, index)


def test_a_receipt_beyond_the_log_or_of_another_leaf_is_named(log: Any, tmp_path: Path) -> None:
    folder, receipts = log.pull(tmp_path / "log"), tmp_path / "receipts"
    receipts.mkdir()
    for index, kind, told in (
        (1_300, LogIncomplete, f"is for entry 1,300, and the log ends before it, with 300; {PULL}"),
        (2, LogDiverged, "holds another leaf than entry 2"),
    ):
        (receipts / "r.json").write_bytes(log.receipt(1, leaf_index=index))
        with pytest.raises(kind) as error:
            verify(Folder(folder), receipts=receipts)
        assert (str(error.value), error.value.index) == (f"receipt r.json {told}", index)


def test_a_bundle_larger_than_any_is_refused_with_its_first_entry(tmp_path: Path, log: Any) -> None:
    error = broken(
        log, tmp_path, lambda folder, _: (folder / bundle_path(1, 44)).write_bytes(bytes(1_049_089))
    )
    assert str(error) == "tile/entries/001.p/44 has more than 1,049,088 bytes"
    assert error.index == 256


def test_a_disk_that_refuses_names_the_file(tmp_path: Path, log: Any) -> None:
    def loop(folder: Path, _: Any) -> None:
        (folder / "checkpoint").unlink()
        (folder / "checkpoint").mkdir()

    error = broken(log, tmp_path, loop)
    assert isinstance(error, LogIncomplete)
    assert str(error) == f"{tmp_path}/checkpoint can't be read: Is a directory"


def test_an_opened_pull_says_what_is_wrong_with_the_partial_bundle(tmp_path: Path, log: Any) -> None:
    pulled = PulledLog(log.pull(tmp_path))
    (tmp_path / bundle_path(1, 44)).write_bytes(encode_bundle([b"a"] * 45))
    with pytest.raises(LogInvalid) as error:
        pulled.append([b"more"])
    assert str(error.value) == f"tile/entries/001.p/44 holds 45 entries instead of 44; delete it and {PULL}"
    assert error.value.index == 300
