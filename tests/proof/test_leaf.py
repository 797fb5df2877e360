"""The leaf codec: one form, every field within bounds, and commitments that open one way only."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.audit.v1 import leaf_pb2
from scoregate.proof import leaf
from scoregate.proof.leaf import CommitmentInvalid, LeafInvalid

MakeLeaf = Callable[..., leaf_pb2.Leaf]
BAD_VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "log" / "bad").glob("leaf.*.hex"))

hashes = st.one_of(st.just(b""), st.binary(min_size=32, max_size=32))
words = st.text(st.characters(codec="utf-8"), max_size=40)
partners = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"partner_id": words.filter(bool), "partner_sequence": st.integers(1, 2**64 - 1)}),
)
leaves = st.builds(
    lambda fields, partner: leaf_pb2.Leaf(**fields, **partner),
    st.fixed_dictionaries(
        {
            "version": st.just(1),
            "kind": st.sampled_from([kind for kind in leaf_pb2.LeafKind.values() if kind]),
            "time_micros": st.integers(1, leaf.LATEST_TIME_MICROS),
            "salt": st.binary(min_size=16, max_size=16),
        },
        optional={
            "method": words,
            "purpose": st.integers(0, 8),
            "decision": st.integers(0, 3),
            "reason": words,
            "cost_units": st.integers(0, 2**32 - 1),
            "quota_periods": st.lists(words, max_size=2),
            "degraded": st.lists(words, max_size=2),
            "attestation_sha256": hashes,
            "commitment": hashes,
            "refers_to": st.integers(0, 2**64 - 1),
            "count": st.integers(0, 2**64 - 1),
            "actor": words,
            "object_id": words,
        },
    ),
    partners,
)


@given(leaves)
@settings(max_examples=200, deadline=None)
def test_every_valid_leaf_comes_back_from_its_bytes(each: leaf_pb2.Leaf) -> None:
    data = leaf.encode(each)
    assert leaf.decode(data) == each
    assert leaf.encode(leaf.decode(data)) == data


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_refused_or_are_the_one_form(data: bytes) -> None:
    try:
        decoded = leaf.decode(data)
    except LeafInvalid:
        return
    assert leaf.encode(decoded) == data


@given(leaves, st.data())
@settings(max_examples=200, deadline=None)
def test_no_two_byte_strings_are_the_same_leaf(each: leaf_pb2.Leaf, data: st.DataObject) -> None:
    good = leaf.encode(each)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([good[at] ^ 1 << data.draw(st.integers(0, 7))]) + good[at + 1 :]
    with suppress(LeafInvalid):
        assert leaf.decode(changed) != each


def test_the_golden_leaf_keeps_its_bytes(vectors: Path) -> None:
    golden = leaf_pb2.Leaf(
        version=1,
        kind=leaf_pb2.LEAF_KIND_RELEASE,
        time_micros=1_795_401_000_123_456,
        partner_id="acme",
        partner_sequence=300,
        method="/scoregate.partner.v1.ScoreService/GetScore",
        purpose=1,
        decision=leaf_pb2.DECISION_NOT_SCORED,
        reason="NO_DATA",
        cost_units=1,
        quota_periods=["2026-11-23", "2026-11"],
        degraded=["burst"],
        attestation_sha256=bytes(range(32)),
        commitment=bytes(range(32, 64)),
        salt=bytes(range(64, 80)),
        refers_to=0,
        count=2,
        actor="gateway",
        object_id="a-model",
    )
    data = bytes.fromhex((vectors / "leaf.hex").read_text())
    assert leaf.encode(golden) == data
    assert leaf.decode(data) == golden


@pytest.mark.parametrize("path", BAD_VECTORS, ids=lambda path: path.name)
def test_each_bad_leaf_is_refused_by_its_field(path: Path) -> None:
    with pytest.raises(LeafInvalid) as caught:
        leaf.decode(bytes.fromhex(path.read_text()))
    assert caught.value.field == path.name.split(".")[2]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("version", {"version": 0}),
        ("version", {"version": 2}),
        ("kind", {"kind": 0}),
        ("kind", {"kind": 6}),
        ("kind", {"kind": -1}),
        ("decision", {"decision": 4}),
        ("purpose", {"purpose": 9}),
        ("time_micros", {"time_micros": 0}),
        ("time_micros", {"time_micros": -1}),
        ("time_micros", {"time_micros": leaf.LATEST_TIME_MICROS + 1}),
        ("partner_sequence", {"partner_id": "acme"}),
        ("partner_id", {"partner_sequence": 1}),
        ("attestation_sha256", {"attestation_sha256": bytes(31)}),
        ("attestation_sha256", {"attestation_sha256": bytes(33)}),
        ("commitment", {"commitment": bytes(1)}),
        ("commitment", {"commitment": bytes(33)}),
        ("salt", {"salt": b""}),
        ("salt", {"salt": bytes(15)}),
        ("salt", {"salt": bytes(17)}),
        ("leaf", {"reason": "x" * 4096}),
    ],
)
def test_a_field_outside_its_bounds_is_refused_in_both_directions(
    make_leaf: MakeLeaf, field: str, fields: dict[str, object]
) -> None:
    bad = make_leaf(**fields)
    with pytest.raises(LeafInvalid, match=f"^{field} ") as writing:
        leaf.encode(bad)
    with pytest.raises(LeafInvalid) as reading:
        leaf.decode(bad.SerializeToString(deterministic=True))
    assert writing.value.field == reading.value.field == field


@pytest.mark.parametrize("time", [1, leaf.LATEST_TIME_MICROS])
def test_the_first_and_the_last_microsecond_are_times(make_leaf: MakeLeaf, time: int) -> None:
    assert leaf.decode(leaf.encode(make_leaf(time_micros=time))).time_micros == time


def test_4096_bytes_are_a_leaf_and_one_more_is_not(make_leaf: MakeLeaf) -> None:
    room = 4096 - len(make_leaf(reason="x" * 3000).SerializeToString()) + 3000
    assert len(leaf.encode(make_leaf(reason="x" * room))) == 4096
    with pytest.raises(LeafInvalid, match="4097 bytes"):
        leaf.encode(make_leaf(reason="x" * (room + 1)))


def test_every_kind_of_the_contract_is_known(make_leaf: MakeLeaf) -> None:
    for kind in leaf_pb2.LeafKind.values():
        if kind != leaf_pb2.LEAF_KIND_UNSPECIFIED:
            leaf.decode(leaf.encode(make_leaf(kind=kind)))


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("an unknown field", lambda data: data + b"\xa0\x06\x01"),
        ("an unknown group", lambda data: data + b"\xa3\x06\xa4\x06"),
        ("a default spelled out", lambda data: data + b"\x8a\x01\x00"),
        ("a field given twice", lambda data: data + data[:2]),
        ("fields out of order", lambda data: data[2:] + data[:2]),
        ("an over-long varint", lambda data: data[:1] + b"\x81\x00" + data[2:]),
        ("a broken end", lambda data: data[:-1]),
        ("bad UTF-8", lambda data: data + b"\x92\x01\x01\xff"),
        ("a wrong wire type", lambda data: data + b"\x90\x01\x01"),
        ("nothing but noise", lambda data: b"\xff" * 40),
    ],
)
def test_a_leaf_has_one_form_only(make_leaf: MakeLeaf, what: str, change: Callable[[bytes], bytes]) -> None:
    data = leaf.encode(make_leaf())
    with pytest.raises(LeafInvalid) as caught:
        leaf.decode(change(data))
    assert caught.value.field == "leaf"


def test_no_bytes_are_not_a_leaf() -> None:
    with pytest.raises(LeafInvalid, match="version"):
        leaf.decode(b"")


# --- commitments ------------------------------------------------------------------------------------

BLIND = bytes(range(32))


def test_a_commitment_is_hmac_sha_256() -> None:
    # printf 'a private part' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001...1f
    expected = "f6ddcb9c0d8a249bd159791eaf2fecb14d738b6a4e9c8d928de7a87c4bd0716c"
    assert leaf.commit(b"a private part", BLIND).hex() == expected


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_a_commitment_opens_with_its_own_part_and_blind(part: bytes, blind: bytes) -> None:
    leaf.open_commitment(leaf.commit(part, blind), part, blind)


@given(
    st.binary(min_size=1, max_size=60),
    st.integers(0, 10_000),
    st.sampled_from(["part", "blind", "commitment"]),
)
def test_any_flipped_bit_keeps_a_commitment_shut(part: bytes, bit: int, where: str) -> None:
    given_parts = {"part": part, "blind": BLIND, "commitment": leaf.commit(part, BLIND)}
    victim = given_parts[where]
    flipped = int.from_bytes(victim, "big") ^ 1 << bit % (8 * len(victim))
    given_parts[where] = flipped.to_bytes(len(victim), "big")
    with pytest.raises(CommitmentInvalid):
        leaf.open_commitment(given_parts["commitment"], given_parts["part"], given_parts["blind"])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_blind_has_32_bytes(length: int) -> None:
    with pytest.raises(CommitmentInvalid, match="blind"):
        leaf.commit(b"", bytes(length))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_commitment_of_another_length_opens_nothing(length: int) -> None:
    commitment = (leaf.commit(b"part", BLIND) + b"\x00")[:length]
    with pytest.raises(CommitmentInvalid):
        leaf.open_commitment(commitment, b"part", BLIND)


def test_a_short_blind_can_not_be_passed_off_as_a_padded_one() -> None:
    padded = leaf.commit(b"part", b"k" * 31 + b"\x00")
    with pytest.raises(CommitmentInvalid):
        leaf.open_commitment(padded, b"part", b"k" * 31)
