"""Receipt files: what a lender holds, against what the log holds."""

import json
import os
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from scoregate.proof import leaf
from scoregate.proof.receipts import Receipt, parse_receipt, read_receipts
from scoregate.tlog import merkle
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid


def test_a_receipt_says_which_leaf_lies_where(log: Any, origin: str) -> None:
    receipt = parse_receipt(log.receipt(1), "one.json", origin)
    assert receipt == Receipt(1, "one.json", merkle.leaf_hash(log.entries[1]), names_request=True)


def test_a_receipt_from_before_requests_were_filed_is_one_too(log: Any, origin: str) -> None:
    fields = json.loads(log.receipt(1))
    del fields["request"]
    receipt = parse_receipt(json.dumps(fields).encode(), "one.json", origin)
    assert receipt == Receipt(1, "one.json", merkle.leaf_hash(log.entries[1]), names_request=False)


def test_a_request_may_be_spelled_in_any_order(log: Any, origin: str) -> None:
    turned = dict(reversed(log.request(1).items()))
    assert parse_receipt(log.receipt(1, request=turned), "one.json", origin).names_request


@pytest.mark.parametrize("change", [{"nonce": "Zm9yLXRlc3RzLW9ubHkhISF"}, {"threshold": 650}])
def test_a_request_that_was_not_the_one_answered_diverges(
    log: Any, origin: str, change: dict[str, object]
) -> None:
    with pytest.raises(LogDiverged, match=r"one\.json: its attestation answers another request") as caught:
        parse_receipt(log.receipt(1, request=log.request(1) | change), "one.json", origin)
    assert caught.value.index == 1


@pytest.mark.parametrize("request_", [None, {}, [], "text", 7])
def test_a_request_of_another_kind_was_never_answered(log: Any, origin: str, request_: object) -> None:
    with pytest.raises(LogDiverged, match="another request"):
        parse_receipt(log.receipt(1, request=request_), "one.json", origin)


@pytest.mark.parametrize("request_", [{"with_reasons": 0.5}, {"threshold": 2**53}, {"nonce": "\ud800"}])
def test_a_request_without_one_form_is_refused(log: Any, origin: str, request_: object) -> None:
    with pytest.raises(LogInvalid, match=r"one\.json: request has no canonical form"):
        parse_receipt(log.receipt(1, request=request_), "one.json", origin)


@pytest.mark.parametrize("attestation", ["", "a.b", "a.?.c", "a.bm8.c", "a.W10.c.d"])
def test_an_attestation_without_claims_answers_no_request(log: Any, origin: str, attestation: str) -> None:
    log.leaves[1].attestation_sha256 = sha256(attestation.encode()).digest()
    with pytest.raises(LogInvalid, match=r"one\.json: attestation is not a compact JWS"):
        parse_receipt(log.receipt(1, attestation=attestation), "one.json", origin)


def test_claims_that_are_no_object_answer_no_request(log: Any, origin: str) -> None:
    log.leaves[1].attestation_sha256 = sha256(b"a.W10.c").digest()
    with pytest.raises(LogDiverged, match="another request"):
        parse_receipt(log.receipt(1, attestation="a.W10.c"), "one.json", origin)


def test_receipts_come_in_the_order_of_the_log(log: Any, origin: str, tmp_path: Path) -> None:
    for name, index in [("a", 8), ("b", 1), ("c", 4), ("d", 1)]:
        (tmp_path / f"{name}.json").write_bytes(log.receipt(index))
    (tmp_path / "notes.txt").write_text("not a receipt")
    found = [(each.leaf_index, each.name) for each in read_receipts(tmp_path, origin)]
    assert found == [(1, "b.json"), (1, "d.json"), (4, "c.json"), (8, "a.json")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("leaf_index", None),
        ("leaf_index", -1),
        ("leaf_index", True),
        ("leaf_index", "1"),
        ("leaf_index", 1.0),
        ("leaf", None),
        ("leaf", "?"),
        ("leaf", "é"),
        ("leaf", b64encode(b"no leaf").decode()),
        ("attestation", None),
        ("attestation", ["a.b.c"]),
        ("attestation", "é"),
        ("log_origin", None),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(log: Any, origin: str, field: str, value: object) -> None:
    with pytest.raises(LogInvalid, match=rf"one\.json: {field}"):
        parse_receipt(log.receipt(1, **{field: value}), "one.json", origin)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'"text"', b"[" * 60_000, b"{"])
def test_any_other_rubbish_is_no_receipt(data: bytes, origin: str) -> None:
    with pytest.raises(LogInvalid, match=r"one\.json"):
        parse_receipt(data, "one.json", origin)


def test_a_receipt_of_another_log_diverges(log: Any, origin: str) -> None:
    with pytest.raises(LogDiverged, match="of the log other/log"):
        parse_receipt(log.receipt(1, log_origin="other/log"), "one.json", origin)


def test_a_swapped_attestation_diverges(log: Any, origin: str) -> None:
    for swap in (log.attestations[2], f"{log.attestations[1]} ", ""):
        with pytest.raises(LogDiverged, match="attestation") as caught:
            parse_receipt(log.receipt(1, attestation=swap), "one.json", origin)
        assert caught.value.index == 1


def test_a_leaf_without_an_attestation_is_nobodys_receipt(log: Any, origin: str) -> None:
    refusal = b64encode(leaf.encode(log.leaves[3])).decode()
    with pytest.raises(LogDiverged, match="attestation"):
        parse_receipt(log.receipt(1, leaf=refusal), "one.json", origin)


def test_fields_that_a_later_client_adds_are_ignored(log: Any, origin: str) -> None:
    parse_receipt(log.receipt(1, filed_at="2026-11-23"), "one.json", origin)


def test_a_folder_without_receipts_is_not_a_success(origin: str, tmp_path: Path) -> None:
    with pytest.raises(LogIncomplete, match="no receipts"):
        read_receipts(tmp_path, origin)


def test_an_oversize_file_is_refused_unread(origin: str, tmp_path: Path) -> None:
    (tmp_path / "big.json").write_bytes(b" " * (512 * 1024 + 1))
    with pytest.raises(LogInvalid, match=r"big\.json has more than 524,288 bytes"):
        read_receipts(tmp_path, origin)


def test_a_hostile_file_name_is_shown_escaped(origin: str, tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J\n.json").write_bytes(b"rubbish")
    with pytest.raises(LogInvalid) as caught:
        read_receipts(tmp_path, origin)
    assert str(caught.value).isprintable()
    assert r"\x1b[2J\n.json" in str(caught.value)


def test_a_pipe_in_a_receipts_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(LogInvalid, match=r"receipt pipe\.json is not a file"):
        read_receipts(tmp_path, "origin")
