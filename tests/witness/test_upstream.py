"""What others' witnesses are asked in their own tests, and answer. The vectors name source and licence."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note, VerifierKey, decode_signatures, sign
from scoregate.witness.logs import Log
from tests.witness.conftest import NAME, Place
from tests.witness.made_log import Caller, request

VECTORS = Path(__file__).parents[1] / "vectors" / "tlog"
LITEWITNESS = json.loads((VECTORS / "torchwood.json").read_text())
MONKEYS = json.loads((VECTORS / "witness.json").read_text())["monkeys"]

# The key of its tests' log: mSK in github.com/transparency-dev/witness, witness/witness_test.go at
# 54dbcdd14f82 (Apache-2.0, Google LLC).
MONKEYS_KEY = "PRIVATE+KEY+monkeys+db4d9f7e+ATWIAF3yVBG+Hv1rZFQoNt/BaURkLPtOFMAM2HrEeIr6"


def trust(place: Place, vkey: str) -> None:
    key = VerifierKey.parse(vkey)
    Log.of(place.folder, key.name).trust(key, beside=False)


def test_litewitness_s_nine_requests_are_answered_as_it_answers_them(place: Place, caller: Caller) -> None:
    """But for the unknown log: 404 in the specification now, where it still has 403."""
    trust(place, LITEWITNESS["vkey"])
    requests: list[dict[str, Any]] = LITEWITNESS["requests"]
    answers = [
        caller.submit(request(each["old"], each["hashes"], each["note"].encode())) for each in requests
    ]
    theirs = [each["answer"] for each in requests]
    assert theirs == [200, 403, 403, 422, 422, 200, 409, 200, 409]
    assert [each.status for each in answers] == [200, 403, 404, 422, 422, 200, 409, 200, 409]
    assert [each.body for each in answers if each.status == 409] == [b"3\n", b"5\n"]
    assert all(decode_signatures(each.body)[0].name == NAME for each in answers if each.status == 200)


# --- the cases of transparency-dev's TestUpdate, in its order ---------------------------------------

INIT, NEXT = (each.encode() for each in MONKEYS["notes"])
PROOF = [bytes.fromhex(each) for each in MONKEYS["consistency"]]
ROOT = "e35b268c1522014ef412d2a54fa94838862d453631617b0307e5c77dcbeefc11"
CHANGED_ROOT = "fffffffffffffffef412d2a54fa94838862d453631617b0307e5c77dcbeefc11"
EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GARBAGE = [b64encode(bytes.fromhex(each)).decode() for each in ("aaaa", "bbbb", "cccc", "dddd")]


def monkeys(size: int, root: str) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(b64decode(MONKEYS_KEY.split("+", 4)[4])[1:])
    text = Checkpoint("monkeys", size, bytes.fromhex(root)).text()
    return Note(text, (sign(text, "monkeys", key),)).encode()


CASES: dict[str, tuple[bytes, int, bytes, list[Any], int]] = {
    "growth": (monkeys(5, ROOT), 5, NEXT, PROOF, 200),
    "an old size that is not the state's": (monkeys(5, ROOT), 2, NEXT, PROOF, 409),
    "a proof from 0": (monkeys(0, EMPTY_ROOT), 0, monkeys(5, ROOT), PROOF, 422),
    "a proof from 0 that is no hash": (monkeys(0, EMPTY_ROOT), 0, monkeys(5, ROOT), ["Ag=="], 400),
    "the same again": (monkeys(5, ROOT), 5, monkeys(5, ROOT), [], 200),
    "the same with another root": (monkeys(5, ROOT), 5, monkeys(5, CHANGED_ROOT), [], 422),
    "no proof": (monkeys(4, ROOT), 4, monkeys(5, ROOT), [], 422),
    "a smaller one": (NEXT, 8, INIT, PROOF, 400),
    "a proof of garbage": (INIT, 5, NEXT, GARBAGE, 400),
}


@pytest.mark.parametrize(("first", "old", "second", "proof", "status"), CASES.values(), ids=CASES.keys())
def test_transparency_dev_s_updates_end_as_there(
    place: Place, caller: Caller, first: bytes, old: int, second: bytes, proof: list[Any], status: int
) -> None:
    """But that a line which is no hash is malformed here, and another root 422 as in the specification."""
    trust(place, MONKEYS["vkey"])
    assert caller.submit(request(0, [], first)).status == 200
    assert caller.submit(request(old, proof, second)).status == status


@pytest.mark.parametrize("start", ["10 stuff\nabc=\ndef=\n\n", "10\nZ043\n423ed\n", "10\nabc=\ndef=\n"])
def test_transparency_dev_s_malformed_bodies_are_malformed(place: Place, caller: Caller, start: str) -> None:
    trust(place, MONKEYS["vkey"])
    assert caller.submit(start.encode() + INIT).status == 400
