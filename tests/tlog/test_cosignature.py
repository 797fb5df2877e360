"""Ed25519 cosignatures after C2SP tlog-cosignature, and those of witnesses that nobody here runs."""

from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid
from scoregate.tlog.cosignature import cosign, cosigned_at, message
from scoregate.tlog.note import KeyKind, Note, NoteInvalid, NoteSignature, sign
from tests.tlog.vectors import NAMES, as_witness, load, log_key, private, witness_key

C2SP, FORMATS = load("c2sp.json"), load("formats.json")
TORCHWOOD, DISTRIBUTOR = load("torchwood.json"), load("distributor.json")
TEXT = Checkpoint("log.example", 300, bytes(32)).text()
AT = 1_795_400_000
SECONDS = st.one_of(st.integers(1, 2**63 - 1), st.integers(1_600_000_000, 1_900_000_000))


def cosigned(*lines: NoteSignature) -> Note:
    return Note(TEXT, (sign(TEXT, "log.example", private(1)), *lines))


@pytest.mark.parametrize("which", ["firmware", "pixel"])
def test_what_armored_witnesses_cosigned_is_verified_and_dated_as_their_distributor_does(which: str) -> None:
    case = DISTRIBUTOR[which]
    note = Note.decode(case["note"].encode())
    for name, instant in case["cosigned"].items():
        key = as_witness(DISTRIBUTOR["witness_vkeys"][name])
        assert cosigned_at(note, key) == datetime.fromisoformat(instant).timestamp()
    assert note.encode().decode() == case["note"]


@pytest.mark.parametrize("which", ["firmware", "pixel"])
def test_a_witness_that_did_not_cosign_is_not_found(which: str) -> None:
    case = DISTRIBUTOR[which]
    note = Note.decode(case["note"].encode())
    for name, vkey in DISTRIBUTOR["witness_vkeys"].items():
        assert (cosigned_at(note, as_witness(vkey)) is None) is (name not in case["cosigned"])


def test_the_specification_s_example_has_the_time_that_it_tells() -> None:
    [line] = [
        each
        for each in Note.decode(C2SP["cosigned_checkpoint"].encode()).signatures
        if each.name == "witness.example.com/w1"
    ]
    assert int.from_bytes(line.signature[:8]) == C2SP["cosigned_message"]["at"]
    assert len(line.signature) == 72


def test_the_specification_s_message_is_what_is_signed() -> None:
    case = C2SP["cosigned_message"]
    text = Note.decode(C2SP["cosigned_checkpoint"].encode()).text
    assert message(text, case["at"]).decode() == case["message"]


@pytest.mark.parametrize("case", FORMATS["timestamps"], ids=lambda case: case["name"])
def test_formats_and_we_read_the_same_times(case: dict[str, Any]) -> None:
    if case["name"] == "gibberish":
        with pytest.raises(NoteInvalid, match="canonical base64"):
            NoteSignature.parse(f"\u2014 w {case['base64']}")
        return
    # Whose it is they do not say, so that only its form can be judged.
    key, line = witness_key("w", 1), NoteSignature.parse(f"\u2014 w {case['base64']}")
    with pytest.raises(
        NoteInvalid, match="does not hold" if case["at"] else "64 bytes, where 8 of time and 64"
    ):
        cosigned_at(Note(TEXT, (NoteSignature("w", key.key_id, line.signature),)), key)
    if case["at"]:
        assert int.from_bytes(line.signature[:8]) == case["at"]


@pytest.mark.parametrize("text", [FORMATS["uncosigned_text"], TORCHWOOD["text"]])
def test_the_text_that_formats_and_torchwood_cosign_is_cosigned(text: str) -> None:
    line = cosign(text, "example.com", private(3), at=AT)
    assert cosigned_at(Note(text, (line,)), witness_key("example.com", 3)) == AT
    with pytest.raises(NoteInvalid, match="does not hold"):  # "Extension lines … if present MUST be included"
        cosigned_at(Note(f"{text}Extendo\n", (line,)), witness_key("example.com", 3))


@given(NAMES, SECONDS)
def test_what_is_cosigned_is_verified_by_that_key_alone_at_that_second(name: str, at: int) -> None:
    note = cosigned(cosign(TEXT, name, private(3), at=at))
    assert cosigned_at(Note.decode(note.encode()), witness_key(name, 3)) == at
    assert cosigned_at(note, witness_key(f"{name}2", 3)) is None
    assert cosigned_at(note, witness_key(name, 4)) is None


def test_the_line_is_id_then_time_then_signature() -> None:
    line = cosign(TEXT, "w.example", private(3), at=AT)
    data = b64decode(line.line.split(" ")[2])
    assert data[:4] == witness_key("w.example", 3).key_id
    assert data[4:12] == AT.to_bytes(8, "big")
    assert data[12:] == private(3).sign(f"cosignature/v1\ntime {AT}\n{TEXT}".encode())


def test_a_witness_that_cosigned_twice_is_dated_by_its_last() -> None:
    lines = [cosign(TEXT, "w", private(3), at=at) for at in (AT, AT + 60, AT - 60)]
    assert cosigned_at(cosigned(*lines), witness_key("w", 3)) == AT + 60


@given(st.integers(0, 71), st.integers(1, 255))
def test_no_bit_of_a_cosignature_can_be_changed_and_its_time_least_of_all(at: int, change: int) -> None:
    line = cosign(TEXT, "w", private(3), at=AT)
    bad = bytearray(line.signature)
    bad[at] ^= change
    with pytest.raises(NoteInvalid, match=r"does not hold|over 2\^63"):
        cosigned_at(cosigned(NoteSignature("w", line.key_id, bytes(bad)), line), witness_key("w", 3))


@pytest.mark.parametrize("length", [1, 8, 64, 71, 73, 2428])
def test_a_cosignature_of_another_length_is_refused(length: int) -> None:
    key = witness_key("w", 3)
    with pytest.raises(NoteInvalid, match=f"by w: {length} bytes, where 8 of time and 64 of Ed25519"):
        cosigned_at(cosigned(NoteSignature("w", key.key_id, bytes(length))), key)


def test_the_largest_second_is_read_and_a_larger_one_refused() -> None:
    # "It MUST NOT exceed 2^63 - 1"
    key = witness_key("w", 3)
    assert cosigned_at(cosigned(cosign(TEXT, "w", private(3), at=2**63 - 1)), key) == 2**63 - 1
    signed = private(3).sign(f"cosignature/v1\ntime {2**63}\n{TEXT}".encode())
    late = NoteSignature("w", key.key_id, (2**63).to_bytes(8) + signed)
    with pytest.raises(NoteInvalid, match=r"its time is over 2\^63 - 1"):
        cosigned_at(cosigned(late), key)


def test_a_second_of_nought_is_verified_as_any_other() -> None:
    key = witness_key("w", 3)
    line = NoteSignature("w", key.key_id, bytes(8) + private(3).sign(message(TEXT, 0)))
    assert cosigned_at(cosigned(line), key) == 0


@pytest.mark.parametrize(
    ("at", "match"),
    [
        (0, "^a cosignature has a time, in POSIX seconds; it is not 0$"),
        (-1, "^-1 are no POSIX"),
        (2**63, "no POSIX"),
    ],
)
def test_no_witness_cosigns_at_another_second(at: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        cosign(TEXT, "w", private(3), at=at)


@pytest.mark.parametrize("at", [-1, 2**63])
def test_no_message_has_another_second(at: int) -> None:
    with pytest.raises(ValueError, match="POSIX seconds"):
        message(TEXT, at)


@pytest.mark.parametrize("text", ["", "no checkpoint\n", TEXT[:-1], f"{TEXT}\n"])
def test_only_a_checkpoint_is_cosigned(text: str) -> None:
    with pytest.raises(CheckpointInvalid):
        cosign(text, "w", private(3), at=AT)


def test_a_name_that_no_key_can_have_does_not_cosign() -> None:
    with pytest.raises(NoteInvalid, match="without spaces"):
        cosign(TEXT, "a b", private(3), at=AT)


def test_a_plain_signature_by_the_same_key_is_no_cosignature_nor_the_other_way_round() -> None:
    # Domain separation: the ids differ, and were they alike, the signed bytes would not be.
    log, witness = log_key("same", 3), witness_key("same", 3)
    plain, timed = sign(TEXT, "same", private(3)), cosign(TEXT, "same", private(3), at=AT)
    assert cosigned_at(Note(TEXT, (plain,)), witness) is None
    assert not Note(TEXT, (timed,)).verified_by(log)
    with pytest.raises(NoteInvalid, match="does not hold"):
        Note(TEXT, (NoteSignature("same", log.key_id, timed.signature[8:]),)).verified_by(log)
    forged = NoteSignature("same", witness.key_id, AT.to_bytes(8) + plain.signature)
    with pytest.raises(NoteInvalid, match="does not hold"):
        cosigned_at(Note(TEXT, (forged,)), witness)


def test_a_log_s_key_is_not_asked_for_a_cosignature() -> None:
    with pytest.raises(ValueError, match="verified_by"):
        cosigned_at(cosigned(), log_key("log.example", 1))


def test_a_key_is_a_witness_s_by_its_type() -> None:
    # The key ID for Ed25519 cosignatures: SHA-256(<name> || "\n" || 0x04 || 32-byte public key)[:4]
    key = as_witness(DISTRIBUTOR["witness_vkeys"]["ArmoredWitness-small-breeze"])
    assert key.kind is KeyKind.COSIGNATURE
    assert b64encode(key.key_id) == b"nRq5UQ=="  # how its line above begins
