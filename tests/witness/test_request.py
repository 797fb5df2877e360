"""The lines before the checkpoint: one spelling each, and an end to their number."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog.lines import MAX_NUMBER
from scoregate.witness.faults import RequestMalformed
from scoregate.witness.request import MAX_PROOF_HASHES, MAX_REQUEST_BYTES, Submission
from tests.witness.made_log import request

HASH = bytes(range(32))
LINE = b64encode(HASH).decode()
NOTE = b"log.example\n1\n\n"


@given(
    st.integers(0, MAX_NUMBER),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PROOF_HASHES),
    st.binary(max_size=200),
)
def test_what_is_written_is_read(old: int, proof: list[bytes], note: bytes) -> None:
    assert Submission.decode(request(old, proof, note)) == Submission(old, tuple(proof), note)


@given(st.binary(max_size=300))
def test_rubbish_is_malformed_or_has_one_spelling(data: bytes) -> None:
    try:
        found = Submission.decode(data)
    except RequestMalformed:
        return
    assert request(found.old_size, found.proof, found.note) == data


BAD: dict[str, bytes] = {
    "nothing": b"",
    "a newline": b"\n",
    "an empty line alone": b"\n\n",
    "no empty line": f"old 1\n{LINE}\n".encode() + NOTE.replace(b"\n\n", b"\n"),
    "no old size": request("", [], NOTE).replace(b"old ", b""),
    "a proof alone": f"{LINE}\n\n".encode() + NOTE,
    "old without a number": request("", [], NOTE),
    "Old": request(1, [], NOTE).replace(b"old", b"Old"),
    "two spaces": request(" 1", [], NOTE),
    "a space behind": request("1 ", [], NOTE),
    "a tab": request(1, [], NOTE).replace(b"old ", b"old\t"),
    "a carriage return": request("1\r", [], NOTE),
    "a leading zero": request("01", [], NOTE),
    "two zeros": request("00", [], NOTE),
    "a sign": request("+1", [], NOTE),
    "below zero": request(-1, [], NOTE),
    "hexadecimal": request("0x1", [], NOTE),
    "an underscore": request("1_0", [], NOTE),
    "other digits": request("١", [], NOTE),
    "2^63": request(2**63, [], NOTE),
    "2^64": request(2**64, [], NOTE),
    "a number without end": request("9" * 5000, [], NOTE),
    "a hash of 31 bytes": request(1, [HASH[:31]], NOTE),
    "a hash of 33 bytes": request(1, [HASH + b"\0"], NOTE),
    "hex instead of base64": request(1, [HASH.hex()], NOTE),
    "base64 of URLs": request(1, [b64encode(b"\xff" * 32).decode().replace("/", "_")], NOTE),
    "no padding": request(1, [LINE.rstrip("=")], NOTE),
    "unused bits": request(1, [LINE[:-2] + "9="], NOTE),
    "a space before a hash": request(1, [" " + LINE], NOTE),
    "two hashes in a line": request(1, [f"{LINE} {LINE}"], NOTE),
    "a carriage return behind a hash": request(1, [LINE + "\r"], NOTE),
    "no ASCII": request(1, ["ü" + LINE[1:]], NOTE),
    "a NUL": request(1, ["\0" + LINE[1:]], NOTE),
    "64 hashes": request(1, [HASH] * (MAX_PROOF_HASHES + 1), NOTE),
    "a byte too many": request(1, [], NOTE.ljust(MAX_REQUEST_BYTES - 7, b"x") + b"x"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(RequestMalformed):
        Submission.decode(data)


TOLD = {
    "no empty line": "an empty line between the proof and the checkpoint is missing",
    "Old": "the first line is `old`, a space and a size",
    "a leading zero": "the old size: a number has no leading zeros",
    "a hash of 31 bytes": "a proof line holds 32 bytes, not 31",
    "64 hashes": "the proof has over 63 lines",
    "a byte too many": "the request has over 65,536 bytes",
}


@pytest.mark.parametrize(("name", "words"), TOLD.items(), ids=TOLD.keys())
def test_a_refusal_says_which_part(name: str, words: str) -> None:
    with pytest.raises(RequestMalformed) as raised:
        Submission.decode(BAD[name])
    assert str(raised.value) == words


@pytest.mark.parametrize(
    "data",
    [request(1, [HASH] * MAX_PROOF_HASHES, NOTE), request(1, [], NOTE.ljust(MAX_REQUEST_BYTES - 7, b"x"))],
    ids=["63 hashes", "64 KiB"],
)
def test_the_limits_are_allowed(data: bytes) -> None:
    assert Submission.decode(data).old_size == 1


def test_the_first_empty_line_ends_the_proof() -> None:
    assert Submission.decode(request(7, [HASH], b"a\n\nb\n\n")) == Submission(7, (HASH,), b"a\n\nb\n\n")


@pytest.mark.parametrize(
    ("note", "origin"),
    [(NOTE, "log.example"), (b"", ""), (b"\xff\n", "\ufffd"), (b"no newline", "no newline")],
)
def test_the_origin_is_the_note_s_first_line_whatever_that_is(note: bytes, origin: str) -> None:
    assert Submission.decode(request(0, [], note)).origin == origin
