"""Proofs after C2SP tlog-proof: every rule by its section, the proofs of others, all of small trees."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid
from scoregate.tlog.cosignature import cosign
from scoregate.tlog.note import MAX_NOTE_BYTES, Note, NoteInvalid, sign
from scoregate.tlog.policy import Policy, QuorumMissing
from scoregate.tlog.proof import MAX_EXTRA_BYTES, TlogProof, TlogProofInvalid
from tests.tlog.vectors import CHARACTERS, load, log_key, private, witness_key

C2SP, FORMATS = load("c2sp.json"), load("formats.json")
ORIGIN, AT = "scoregate.example/log/2026h2", 1_795_400_000
LOG, WITNESS = log_key(ORIGIN, 1), witness_key("w.example", 2)
HASH = b64encode(bytes(range(32))).decode()
HEADER = "c2sp.org/tlog-proof@v1\n"
GOOD = f"{HEADER}extra AAEC\nindex 5\n{HASH}\n\ncheckpoint\n"

PROOFS = st.builds(
    TlogProof,
    st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)),
    st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
    st.text(st.one_of(CHARACTERS, st.just("\n")), max_size=40).map(lambda text: f"{text}\n".encode()),
    st.none() | st.binary(min_size=1, max_size=40),
)


def refused(data: str | bytes, match: str) -> None:
    with pytest.raises(TlogProofInvalid, match=match):
        TlogProof.decode(data)


# Proofs of others.


@pytest.mark.parametrize("case", FORMATS["proofs"]["accepted"], ids=lambda case: case["name"])
def test_a_proof_that_formats_writes_is_read_and_keeps_its_bytes(case: dict[str, Any]) -> None:
    proof = TlogProof.decode(case["proof"])
    assert proof.encode() == case["proof"]
    assert TlogProof.decode(case["proof"].encode()) == proof
    assert (proof.index, len(proof.hashes), proof.checkpoint.decode()) == (
        case["index"],
        case["hashes"],
        case["checkpoint"],
    )
    assert proof.extra == (case["extra"].encode() if case["extra"] else None)


FORMATS_REFUSES = {
    "missing header": "its first line is c2sp.org/tlog-proof@v1",
    "invalid extra data encoding": "proof extra: canonical base64",
    "missing index": "a line `index <number>` belongs",
    "invalid index - not a number": "proof index: a number in the digits",
    "invalid index - negative": "proof index: a number in the digits",
    "invalid hash base64": "proof hash 1: canonical base64",
    "incorrect hash length": "proof hash 1: 64 bytes instead of 32",
}


@pytest.mark.parametrize("case", FORMATS["proofs"]["refused"], ids=lambda case: case["name"])
def test_every_proof_that_formats_refuses_is_refused(case: dict[str, str]) -> None:
    refused(case["proof"], FORMATS_REFUSES[case["name"]])


def test_formats_line_that_is_too_long_is_refused() -> None:
    case = FORMATS["proofs"]["too_long"]
    refused(case["before"] + case["repeated"] * case["times"] + case["after"], "an empty line belongs")


def test_the_specification_s_example_keeps_its_bytes_and_shows_nothing() -> None:
    # Its checkpoint is abridged ("[...]"), and so it is a proof by its form alone.
    proof = TlogProof.decode(C2SP["proof"])
    assert (proof.index, len(proof.hashes)) == (73894, 5)
    assert proof.extra is not None
    assert proof.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.gz")
    assert proof.encode() == C2SP["proof"]
    with pytest.raises(NoteInvalid, match="canonical base64"):
        proof.require(bytes(32), Policy.of([LOG]))


# The form (Format).


@given(PROOFS)
def test_every_proof_comes_back_from_its_lines(proof: TlogProof) -> None:
    text = proof.encode()
    assert TlogProof.decode(text) == proof == TlogProof.decode(text.encode())
    assert TlogProof.decode(text).encode() == text


@given(PROOFS, st.data())
def test_a_changed_proof_is_refused_or_says_exactly_something_else(
    proof: TlogProof, data: st.DataObject
) -> None:
    text = proof.encode()
    at = data.draw(st.integers(0, len(text)))
    changed = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        found = TlogProof.decode(changed)
    except TlogProofInvalid:
        return
    assert found.encode() == changed
    assert (found == proof) is (changed == text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "^proof: an empty line belongs before the checkpoint; copy it whole$"),
        (HEADER, "an empty line belongs"),
        (
            f"{HEADER}\ncheckpoint\n",
            "^proof: a line `index <number>` belongs after the first, or after `extra`$",
        ),
        ("x" * 65 + "\n\n", f"^proof: its first line is c2sp.org/tlog-proof@v1, not '{'x' * 64}'$"),
        (f"{HEADER}extra AAEC\n\ncheckpoint\n", "a line `index <number>` belongs"),
        (f"{HEADER}index 5\n{HASH}\ncheckpoint\n", "an empty line belongs"),
        (f"\n{GOOD}", "its first line is"),
        (f" {GOOD}", "its first line is"),
        (GOOD.replace("@v1", "@v2"), "its first line is"),
        (GOOD.replace("@v1", "@v1 "), "its first line is"),
        (GOOD.replace("@v1", "@V1"), "its first line is"),
        (GOOD.replace("extra AAEC\n", "extra AAEC\nextra AAEC\n"), "a line `index <number>` belongs"),
        (GOOD.replace("index 5\n", "index 5\nindex 5\n"), "proof hash 1: canonical base64"),
        (GOOD.replace("index 5\n", "index 5\nextra AAEC\n"), "proof hash 1: canonical base64"),
        (GOOD.replace("extra AAEC", "extra AAED=="), "proof extra: canonical base64"),
        (GOOD.replace("extra AAEC", "extra  AAEC"), "proof extra: canonical base64"),
        (GOOD.replace("extra AAEC", "extra\u00a0AAEC"), "a line `index <number>` belongs"),
        (GOOD.replace("extra AAEC", "Extra AAEC"), "a line `index <number>` belongs"),
        (
            GOOD.replace("extra AAEC", "extra "),
            "^proof extra: 1 to 65,536 bytes, not 0; its line is left out where there is none$",
        ),
        (GOOD.replace("extra AAEC", "extra"), "a line `index <number>` belongs"),
        (GOOD.replace("index 5", "index"), "a line `index <number>` belongs"),
        (GOOD.replace("index 5", "index "), "proof index: a number in the digits"),
        (GOOD.replace("index 5", "index  5"), "proof index: a number in the digits"),
        (GOOD.replace("index 5", "index 5 "), "proof index: a number in the digits"),
        (GOOD.replace("index 5", "index 05"), "proof index: a number has no leading zeros"),
        (GOOD.replace("index 5", "index 00"), "proof index: a number has no leading zeros"),
        (GOOD.replace("index 5", f"index {2**63}"), r"proof index: a number is at most 2\^63 - 1"),
        (GOOD.replace(HASH, HASH[:-1]), "proof hash 1: canonical base64"),
        (GOOD.replace(HASH, f"{HASH}\n{HASH[:-2]}9="), "proof hash 2: canonical base64"),
        (GOOD.replace(HASH, f"{HASH} "), "proof hash 1: canonical base64"),
        (
            GOOD.replace(HASH, f"{HASH}\n{b64encode(bytes(31)).decode()}"),
            "proof hash 2: 31 bytes instead of 32",
        ),
        (GOOD.replace(HASH, "\n".join([HASH] * 64)), "64 hashes are over 63"),
        (GOOD.replace(HASH, "\n".join([HASH] * 63 + ["?"])), "64 hashes are over 63"),
        (GOOD[:-1], "^proof checkpoint: the last newline is missing: it broke off$"),
        (f"{HEADER}index 5\n\n", "proof checkpoint: the last newline is missing"),
        (GOOD.replace("\n", "\r\n"), r"proof file: character 22 is U\+000D"),
        (GOOD.replace("checkpoint", "check\tpoint"), r"U\+0009"),
        (GOOD.replace("checkpoint", "check\ud800point"), r"U\+D800"),
    ],
)
def test_a_proof_is_refused_by_the_part_that_is_wrong(text: str, match: str) -> None:
    refused(text, match)


def test_what_is_not_utf_8_is_refused_at_its_byte() -> None:
    refused(GOOD.encode() + b"\xff\n", f"proof file: byte {len(GOOD)} is not UTF-8")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"index": -1}, r"not within 0 to 2\^63 - 1"),
        ({"index": 2**63}, r"not within 0 to 2\^63 - 1"),
        ({"hashes": (bytes(32), bytes(33))}, "proof hash 2: 33 bytes"),
        ({"hashes": (bytes(32),) * 64}, "64 hashes are over 63"),
        ({"extra": b""}, "1 to 65,536 bytes, not 0"),
        ({"extra": bytes(MAX_EXTRA_BYTES + 1)}, "1 to 65,536 bytes, not 65,537"),
        ({"checkpoint": b""}, "last newline is missing"),
        ({"checkpoint": b"x" * MAX_NOTE_BYTES + b"\n"}, "131,073 bytes are over 131,072"),
        ({"checkpoint": b"\xff\n"}, "proof checkpoint: byte 0 is not UTF-8"),
        ({"checkpoint": b"a\r\n"}, r"proof checkpoint: character 1 is U\+000D"),
    ],
)
def test_what_could_not_be_read_back_makes_no_proof(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(TlogProofInvalid, match=match):
        TlogProof(**({"index": 0, "hashes": (), "checkpoint": b"x\n"} | fields))


def test_the_largest_proof_is_read_and_what_is_larger_is_not_looked_at() -> None:
    largest = TlogProof(
        2**63 - 1, (bytes(32),) * 63, b"x" * (MAX_NOTE_BYTES - 1) + b"\n", bytes(MAX_EXTRA_BYTES)
    )
    assert TlogProof.decode(largest.encode()) == largest
    refused("x" * 262_144, "an empty line belongs")
    refused("x" * 262_145, "262,145 are over 262,144 bytes")


# Verifying (Verifying a tlog proof).


def signed(checkpoint: Checkpoint, *, witnessed: bool = True) -> bytes:
    text = checkpoint.text()
    note = Note(text, (sign(text, LOG.name, private(1)),))
    return note.with_signatures([cosign(text, WITNESS.name, private(2), at=AT)] if witnessed else []).encode()


LEAVES = [merkle.leaf_hash(b"entry %d" % index) for index in range(20)]


def proof_of(index: int, size: int) -> TlogProof:
    leaves = LEAVES[:size]
    checkpoint = signed(Checkpoint(ORIGIN, size, merkle.root(leaves)))
    return TlogProof(index, tuple(merkle.prove_inclusion(leaves, index)), checkpoint)


def test_every_leaf_of_every_small_tree_is_shown_and_no_other_is() -> None:
    policy = Policy.of([LOG, WITNESS])
    for size in range(1, len(LEAVES) + 1):
        for index in range(size):
            proof = TlogProof.decode(replace(proof_of(index, size), extra=b"context").encode())
            judged = proof.require(LEAVES[index], policy)
            assert (judged.checkpoint.size, judged.log, judged.cosigned) == (size, LOG, {"w.example": AT})
            with pytest.raises(
                TlogProofInvalid, match=f"the proof of leaf {index} in {size} leads to another root"
            ):
                proof.require(merkle.leaf_hash(b"another entry"), policy)


@pytest.mark.parametrize(
    ("proof", "match"),
    [
        (replace(proof_of(5, 11), index=4), "leads to another root"),
        (replace(proof_of(5, 11), index=11), "there is no leaf 11 in a tree of 11"),
        (replace(proof_of(5, 11), hashes=()), "a proof of 0 hashes where exactly 4 belong"),
        (replace(proof_of(5, 11), hashes=proof_of(5, 11).hashes[:-1]), "a proof of 3 hashes"),
        (replace(proof_of(5, 11), hashes=(*proof_of(5, 11).hashes, bytes(32))), "a proof of 5 hashes"),
        (replace(proof_of(5, 11), hashes=proof_of(5, 11).hashes[::-1]), "leads to another root"),
        (
            replace(proof_of(5, 11), checkpoint=signed(Checkpoint(ORIGIN, 11, bytes(32)))),
            "leads to another root",
        ),
        (
            replace(proof_of(0, 1), checkpoint=signed(Checkpoint(ORIGIN, 0, merkle.empty_root()))),
            "no leaf 0 in a tree of 0",
        ),
    ],
)
def test_a_proof_that_does_not_lead_to_the_signed_root_is_refused(proof: TlogProof, match: str) -> None:
    with pytest.raises(TlogProofInvalid, match=match) as caught:
        proof.require(LEAVES[5], Policy.of([LOG, WITNESS]))
    assert caught.value.index == proof.index
    assert "keep both as evidence" in str(caught.value)


def test_an_entry_in_the_place_of_its_hash_is_refused() -> None:
    with pytest.raises(TlogProofInvalid, match="a leaf hash of 7 bytes"):
        proof_of(5, 11).require(b"entry 5", Policy.of([LOG, WITNESS]))


def test_no_proof_is_looked_at_before_its_checkpoint_is_believed() -> None:
    wrong = replace(proof_of(5, 11), hashes=())
    with pytest.raises(CheckpointInvalid, match="no log that is believed"):
        wrong.require(LEAVES[5], Policy.of([log_key("another.example", 9)]))
    unseen = signed(Checkpoint(ORIGIN, 11, merkle.root(LEAVES[:11])), witnessed=False)
    lonely = replace(proof_of(5, 11), checkpoint=unseen)
    with pytest.raises(QuorumMissing, match=r"not by w\.example"):
        lonely.require(LEAVES[5], Policy.of([LOG, WITNESS]))
    assert lonely.require(LEAVES[5], Policy.of([LOG])).cosigned == {}


def test_a_checkpoint_that_goes_on_after_its_signatures_is_refused() -> None:
    proof = proof_of(5, 11)
    longer = TlogProof(proof.index, proof.hashes, proof.checkpoint + b"trailing\n")
    with pytest.raises(NoteInvalid, match="em dash"):
        longer.require(LEAVES[5], Policy.of([LOG, WITNESS]))


@given(st.binary(min_size=1, max_size=40))
def test_extra_data_is_carried_and_changes_nothing(extra: bytes) -> None:
    # "MUST NOT implicitly trust the extra data, as it is not authenticated"
    proof = TlogProof.decode(replace(proof_of(5, 11), extra=extra).encode())
    assert proof.extra == extra
    assert proof.require(LEAVES[5], Policy.of([LOG, WITNESS])) == proof_of(5, 11).require(
        LEAVES[5], Policy.of([LOG, WITNESS])
    )
