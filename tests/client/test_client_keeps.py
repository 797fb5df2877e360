"""`client.keep` files an answer with a proof that was verified, or says why there is none."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from scoregate.client import Client, Receipt, ScoreAnswer
from scoregate.errors import ClientMisconfigured, NotFound, ReceiptConflict, ScoregateError, Unavailable
from scoregate.partner.v1 import receipt_pb2
from scoregate.proof.kept import Kept
from scoregate.proof.receipts import read_receipts
from scoregate.tlog.checkpoint import CheckpointInvalid
from scoregate.tlog.faults import LogDiverged, LogInvalid
from scoregate.tlog.note import Note
from scoregate.tlog.policy import QuorumMissing
from scoregate.tlog.proof import TlogProof, TlogProofInvalid
from scoregate.words import Purpose
from tests.attestation.made_answers import ORIGIN
from tests.client.scripted_gateway import FrozenTime, ScriptedGateway, refuse, say, wait
from tests.client.scripted_log import ScriptedLog
from tests.signing import LATER_ORIGIN, log_vkey, policy_text, witness_vkey

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"


@pytest.fixture
def keeper(connect: Callable[..., Client]) -> Client:
    """A client that pins the log's key alone."""
    return connect(log=str(log_vkey()))


@pytest.fixture
def answer(keeper: Client) -> ScoreAnswer:
    return keeper.score(CONSENT, Purpose.CREDIT_APPLICATION)


@pytest.fixture
def log(answer: ScoreAnswer) -> ScriptedLog:
    return ScriptedLog(answer.receipt.leaf)


def proof_in(path: Path) -> TlogProof:
    return TlogProof.decode(json.loads(path.read_bytes())["proof"])


def not_published() -> Any:
    return refuse(grpc.StatusCode.UNAVAILABLE, "ENTRY_NOT_PUBLISHED", wait(700))


def test_what_is_kept_is_what_save_files_with_a_proof(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    gateway.script(log.serve())
    path = keeper.keep(answer, tmp_path / "kept")
    saved = json.loads(answer.save(tmp_path / "saved").read_bytes())
    members = json.loads(path.read_bytes())
    assert path == tmp_path / "kept" / "41.json"
    assert {name: members[name] for name in saved} == saved
    assert members.keys() - saved.keys() == {"proof"}
    assert Kept.decode(path.read_bytes()).proof.index == 41
    assert log.asked == [41]


def test_a_kept_file_is_a_receipt_too(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    gateway.script(log.serve())
    keeper.keep(answer, tmp_path)
    (receipt,) = read_receipts(tmp_path, ORIGIN)
    assert (receipt.leaf_index, receipt.names_request) == (41, True)


def test_without_a_pinned_log_it_says_what_to_pin(
    client: Client, gateway: ScriptedGateway, answer: ScoreAnswer, tmp_path: Path
) -> None:
    asked = len(gateway.requests)
    with pytest.raises(ClientMisconfigured, match=r"^log: pin the log's vkey, .* or a policy file"):
        client.keep(answer, tmp_path)
    assert len(gateway.requests) == asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "^log: vkeys: a log's is missing"),
        ("scoregate.example", "^log: vkey: name[+]id[+]key belongs here"),
        (str(witness_vkey("w1.example")), "^log: vkeys: a log's is missing"),
        (Path("no/such/file"), "^log: no/such/file can't be read"),
        (7, "^log: give text or a Path, not int"),
    ],
)
def test_a_log_that_is_no_key_is_refused_at_once(connect: Callable[..., Client], log: Any, told: str) -> None:
    with pytest.raises(ClientMisconfigured, match=told):
        connect(log=log)


def test_a_policy_file_names_the_witnesses_too(
    connect: Callable[..., Client],
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
) -> None:
    (tmp_path / "policy").write_text(policy_text("all"))
    gateway.script(log.serve())
    path = connect(log=tmp_path / "policy").keep(answer, tmp_path / "kept")
    names = [line.name for line in Note.decode(proof_in(path).checkpoint).signatures]
    assert names == [ORIGIN, "w1.example", "w2.example"]


def test_only_lines_that_were_verified_are_kept(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    gateway.script(log.serve())
    checkpoint = proof_in(keeper.keep(answer, tmp_path)).checkpoint
    assert [line.name for line in Note.decode(checkpoint).signatures] == [ORIGIN]


def test_an_entry_that_is_not_published_yet_is_waited_for(
    keeper: Client,
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
    time: FrozenTime,
) -> None:
    gateway.script(not_published(), not_published(), log.serve())
    keeper.keep(answer, tmp_path)
    assert [pause >= 0.7 for pause in time.pauses] == [True, True]


def test_an_entry_that_is_not_published_in_time_is_refused_by_its_reason(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, tmp_path: Path
) -> None:
    gateway.script(*[not_published()] * 9)
    with pytest.raises(Unavailable, match=r"^ENTRY_NOT_PUBLISHED: "):
        keeper.keep(answer, tmp_path, timeout=timedelta(seconds=3))
    assert list(tmp_path.iterdir()) == []


def test_witnesses_that_are_late_are_waited_for(
    connect: Callable[..., Client],
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
    time: FrozenTime,
) -> None:
    patient = connect(log=f"{log_vkey()} {witness_vkey('w1.example')}")
    gateway.script(replace(log, witnesses=()).serve(), replace(log, witnesses=("w2.example",)).serve())
    gateway.script(log.serve())
    path = patient.keep(answer, tmp_path)
    assert time.pauses == [0.5, 0.5]
    assert len(Note.decode(proof_in(path).checkpoint).signatures) == 2


def test_witnesses_that_stay_away_until_the_deadline_are_named(
    connect: Callable[..., Client],
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
    time: FrozenTime,
) -> None:
    patient = connect(log=f"{log_vkey()} {witness_vkey('w1.example')}")
    gateway.script(*[replace(log, witnesses=()).serve()] * 9)
    with pytest.raises(QuorumMissing, match=r"not by w1\.example"):
        patient.keep(answer, tmp_path, timeout=timedelta(seconds=2))
    assert time.pauses == [0.5, 0.5, 0.5]
    assert list(tmp_path.iterdir()) == []


def reorder(response: receipt_pb2.GetInclusionProofResponse) -> None:
    hashes = [*response.hashes]
    del response.hashes[:]
    response.hashes.extend(hashes[::-1])


def flip(response: receipt_pb2.GetInclusionProofResponse) -> None:
    response.hashes[0] = bytes(byte ^ 1 for byte in response.hashes[0])


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (reorder, TlogProofInvalid),
        (flip, TlogProofInvalid),
        (lambda response: response.hashes.pop(), TlogProofInvalid),
        (lambda response: response.hashes.append(b"short"), TlogProofInvalid),
        (lambda response: response.ClearField("hashes"), TlogProofInvalid),
        (lambda response: response.ClearField("checkpoint"), TlogProofInvalid),
        (lambda response: setattr(response, "checkpoint", b"no note\n"), LogInvalid),
        (
            lambda response: setattr(
                response, "checkpoint", response.checkpoint.replace(b"\n73\n", b"\n74\n")
            ),
            LogInvalid,
        ),
    ],
)
def test_a_proof_that_does_not_hold_is_not_kept(
    keeper: Client,
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
    spoil: Callable[[Any], object],
    error: type[ScoregateError],
) -> None:
    gateway.script(log.serve(spoil))
    with pytest.raises(error):
        keeper.keep(answer, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_proof_of_another_entry_is_not_kept(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, tmp_path: Path
) -> None:
    gateway.script(ScriptedLog(b"another leaf").serve())
    with pytest.raises(TlogProofInvalid, match="leads to another root"):
        keeper.keep(answer, tmp_path)


def test_a_log_that_is_not_pinned_proves_nothing(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    gateway.script(replace(log, origin=LATER_ORIGIN).serve())
    with pytest.raises(CheckpointInvalid, match="no log that is believed"):
        keeper.keep(answer, tmp_path)


def test_the_answer_of_one_log_is_not_shown_by_another_that_alone_is_pinned(
    connect: Callable[..., Client],
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
) -> None:
    later = replace(log, origin=LATER_ORIGIN)
    gateway.script(later.serve(), later.serve())
    with pytest.raises(LogDiverged, match="give the keys of both"):
        connect(log=str(log_vkey(LATER_ORIGIN))).keep(answer, tmp_path)
    # The log has gone on under another name, and the client knows both.
    connect(log=f"{log_vkey()}\n{log_vkey(LATER_ORIGIN)}").keep(answer, tmp_path)


def test_an_entry_that_is_nobodys_business_is_not_found(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, tmp_path: Path
) -> None:
    gateway.script(refuse(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"))
    with pytest.raises(NotFound):
        keeper.keep(answer, tmp_path)


# --- beside what lies there already


def test_keeping_completes_a_saved_receipt_and_saving_leaves_a_kept_one(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    gateway.script(log.serve())
    assert answer.save(tmp_path) == keeper.keep(answer, tmp_path)
    whole = (tmp_path / "41.json").read_bytes()
    assert answer.save(tmp_path).read_bytes() == whole
    assert len(list(tmp_path.iterdir())) == 1


def test_keeping_twice_asks_once(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    gateway.script(log.serve())
    kept = keeper.keep(answer, tmp_path).read_bytes()
    assert keeper.keep(answer, tmp_path).read_bytes() == kept
    assert log.asked == [41]


def test_what_was_kept_under_a_lesser_policy_is_kept_anew(
    connect: Callable[..., Client],
    keeper: Client,
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
) -> None:
    gateway.script(log.serve(), log.serve())
    keeper.keep(answer, tmp_path)
    path = connect(log=f"{log_vkey()} {witness_vkey('w2.example')}").keep(answer, tmp_path)
    assert [line.name for line in Note.decode(proof_in(path).checkpoint).signatures] == [ORIGIN, "w2.example"]


@pytest.mark.parametrize("proof", ['"rubbish"', "7", "null", "[1]"])
def test_a_proof_that_is_none_is_replaced(
    keeper: Client,
    gateway: ScriptedGateway,
    answer: ScoreAnswer,
    log: ScriptedLog,
    tmp_path: Path,
    proof: str,
) -> None:
    path = answer.save(tmp_path)
    path.write_text(f'{path.read_text()[:-1]}, "proof": {proof}}}')
    gateway.script(log.serve())
    keeper.keep(answer, tmp_path)
    assert proof_in(path).index == 41


def test_another_receipt_is_not_overwritten(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, log: ScriptedLog, tmp_path: Path
) -> None:
    other = replace(answer, receipt=Receipt("other.example/log", 41, answer.receipt.leaf))
    before = other.save(tmp_path).read_bytes()
    gateway.script(log.serve())
    with pytest.raises(ReceiptConflict):
        keeper.keep(answer, tmp_path)
    assert (tmp_path / "41.json").read_bytes() == before


def test_an_answer_that_is_no_proof_at_all_is_refused(
    keeper: Client, gateway: ScriptedGateway, answer: ScoreAnswer, tmp_path: Path
) -> None:
    gateway.script(say(b"\xff\xff"))
    with pytest.raises(ScoregateError):
        keeper.keep(answer, tmp_path)
