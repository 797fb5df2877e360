"""A saved receipt is whole, is found by the log verifier, and is never overwritten by another."""

import json
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from scoregate.client import Client, Receipt, ScoreAnswer
from scoregate.errors import ReceiptConflict
from scoregate.proof import leaf
from scoregate.proof.digest import canonical
from scoregate.proof.receipts import read_receipts
from scoregate.tlog.faults import LogDiverged
from scoregate.words import Purpose
from tests.attestation.made_answers import ORIGIN
from tests.client.scripted_gateway import ScriptedGateway

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"


@pytest.fixture
def answer(client: Client) -> ScoreAnswer:
    return client.score(CONSENT, Purpose.CREDIT_APPLICATION)


def test_a_receipt_holds_what_the_log_verifier_needs(answer: ScoreAnswer, tmp_path: Path) -> None:
    path = answer.save(tmp_path)
    assert path == tmp_path / "41.json"
    members = json.loads(path.read_text())
    assert set(members) == {"log_origin", "leaf_index", "leaf", "attestation", "request"}
    assert (members["log_origin"], members["leaf_index"]) == (ORIGIN, 41)
    assert members["attestation"] == answer.attestation
    found = leaf.decode(b64decode(members["leaf"], validate=True))
    assert found.attestation_sha256 == sha256(members["attestation"].encode()).digest()


def test_a_receipt_holds_the_question_as_its_digest_covers_it(
    answer: ScoreAnswer, client: Client, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    for number, each in enumerate([answer, client.reaches(CONSENT, Purpose.PREQUALIFICATION, 650)]):
        request = json.loads(each.save(tmp_path / str(number)).read_text())["request"]
        sent = gateway.requests[number]
        assert (request["request_id"], request["nonce"]) == (sent.request_id, sent.nonce)
        assert (each.request_id, each.nonce) == (sent.request_id, sent.nonce)
        assert sha256(canonical(request)).hexdigest() == each.claims.request_sha256


def test_the_log_verifier_recomputes_the_question(answer: ScoreAnswer, tmp_path: Path) -> None:
    path = answer.save(tmp_path)
    (receipt,) = read_receipts(tmp_path, ORIGIN)
    assert receipt.names_request
    members = json.loads(path.read_text())
    members["request"]["consent_id"] = "a" * 26
    path.write_text(json.dumps(members))
    with pytest.raises(LogDiverged, match="another request"):
        read_receipts(tmp_path, ORIGIN)


def test_a_receipt_of_an_earlier_client_is_read_and_completed(answer: ScoreAnswer, tmp_path: Path) -> None:
    path = answer.save(tmp_path)
    whole = path.read_bytes()
    members = json.loads(whole)
    del members["request"]
    path.write_text(json.dumps(members))
    assert [receipt.names_request for receipt in read_receipts(tmp_path, ORIGIN)] == [False]
    assert answer.save(tmp_path).read_bytes() == whole


def test_the_log_verifier_reads_it(answer: ScoreAnswer, tmp_path: Path) -> None:
    answer.save(tmp_path)
    (receipt,) = read_receipts(tmp_path, ORIGIN)
    assert receipt.leaf_index == 41


def test_a_threshold_answer_is_filed_alike(client: Client, tmp_path: Path) -> None:
    client.reaches(CONSENT, Purpose.PREQUALIFICATION, 650).save(tmp_path)
    assert [receipt.leaf_index for receipt in read_receipts(tmp_path, ORIGIN)] == [41]


def test_the_folder_is_made_and_nothing_else_is_left_in_it(answer: ScoreAnswer, tmp_path: Path) -> None:
    path = answer.save(str(tmp_path / "a" / "b"))
    assert list(path.parent.iterdir()) == [path]


def test_a_receipt_is_for_its_owner_alone(answer: ScoreAnswer, tmp_path: Path) -> None:
    assert answer.save(tmp_path).stat().st_mode & 0o077 == 0


def test_saving_twice_is_saving_once(answer: ScoreAnswer, tmp_path: Path) -> None:
    assert answer.save(tmp_path).read_bytes() == answer.save(tmp_path).read_bytes()
    assert len(list(tmp_path.iterdir())) == 1


def test_another_receipt_is_not_overwritten(answer: ScoreAnswer, tmp_path: Path) -> None:
    kept = answer.save(tmp_path).read_bytes()
    other = replace(answer, receipt=Receipt("other.example/log", 41, answer.receipt.leaf))
    with pytest.raises(ReceiptConflict, match="one folder for each log"):
        other.save(tmp_path)
    assert (tmp_path / "41.json").read_bytes() == kept


def test_a_write_that_fails_leaves_nothing_behind(answer: ScoreAnswer, tmp_path: Path) -> None:
    (tmp_path / "41.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        answer.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["41.json"]


def test_neither_attestation_nor_leaf_is_printed(answer: ScoreAnswer) -> None:
    assert answer.attestation not in repr(answer)
    assert "leaf=" not in repr(answer)
