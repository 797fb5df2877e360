"""`scoregate verify`: a kept answer holds from attestation to witnesses, and one flipped byte is found."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from consent.keys import jwks
from scoregate.cli import app
from scoregate.errors import (
    AttestationNotYetValid,
    BindingMismatch,
    KeyUnknown,
    ReceiptInvalid,
    ScoregateError,
    SignatureInvalid,
)
from scoregate.partner.v1 import score_pb2
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.kept import Checked, Kept
from scoregate.proof.results import NotScored
from scoregate.tlog.checkpoint import CheckpointInvalid
from scoregate.tlog.faults import LogDiverged, LogInvalid
from scoregate.tlog.note import NoteInvalid
from scoregate.tlog.policy import Policy, QuorumMissing
from scoregate.tlog.proof import TlogProof, TlogProofInvalid
from scoregate.words import Disclosure
from tests.attestation.made_answers import (
    ACME,
    ISSUER,
    JWKS,
    KEYS,
    NO_DATA,
    NOW,
    ORIGIN,
    answer,
    claims_for,
    score_request,
    signing_key,
    threshold_request,
)
from tests.client.scripted_log import kept
from tests.signing import LATER_ORIGIN, log_vkey, policy_text, witness_vkey

OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5
YEARS_LATER = NOW + timedelta(days=3 * 365)
LATER_STILL = int(YEARS_LATER.timestamp()) + 61


@cache
def policy(quorum: str = "all") -> Policy:
    return Policy.parse(policy_text(quorum).encode())


def check(data: bytes, **changes: Any) -> Checked:
    fields: dict[str, Any] = {"keys": KEYS, "policy": policy(), "now": YEARS_LATER}
    return Kept.decode(data).verify(**(fields | changes))


def spell(members: dict[str, Any]) -> bytes:
    return json.dumps(members).encode()


WHOLE = spell(kept())


# --- what holds


@pytest.mark.parametrize(
    "request_",
    [
        score_request(),
        score_request(with_reasons=True, subject_ref="p1-kq3w7zv5m2x4c6b8n1d0f9g7h5"),
        score_request(disclosure=Disclosure.BAND.number),
        threshold_request(),
    ],
)
def test_an_answer_of_each_kind_holds_years_later(request_: Any) -> None:
    checked = check(spell(kept(request_)), issuer=ISSUER, audience=ACME)
    assert checked.request == request_
    assert checked.claims == claims_for(request_)
    assert (checked.leaf_index, checked.judged.checkpoint.size, checked.unchecked) == (41, 73, 0)
    assert list(checked.judged.cosigned) == ["w1.example", "w2.example"]


def test_an_answer_without_a_score_holds() -> None:
    assert isinstance(check(spell(kept(result=NO_DATA))).claims.result, NotScored)


def test_with_the_logs_key_alone_the_witnesses_lines_are_counted_and_not_believed() -> None:
    checked = check(WHOLE, policy=Policy.of([log_vkey()]))
    assert (checked.unchecked, dict(checked.judged.cosigned)) == (2, {})


# --- one flipped byte


def same_but_for_spelling(data: bytes) -> bool:
    return bool(json.loads(data) == json.loads(WHOLE))


def found(data: bytes, quorum: str = "all") -> bool:
    """Whether a change is refused, told of, or one that means nothing."""
    try:
        checked = check(data, policy=policy(quorum))
    except ScoregateError:
        return True
    return checked.unchecked > 0 or same_but_for_spelling(data)


@pytest.mark.parametrize("mask", [0x01, 0x20])
def test_a_flipped_bit_anywhere_in_the_file_is_found(mask: int) -> None:
    for at in range(len(WHOLE)):
        changed = WHOLE[:at] + bytes([WHOLE[at] ^ mask]) + WHOLE[at + 1 :]
        assert found(changed), (at, WHOLE[max(0, at - 20) : at + 20])


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.sampled_from(["all", "any"]))
@settings(max_examples=400, deadline=None)
def test_any_other_byte_in_its_place_is_found(at: int, mask: int, quorum: str) -> None:
    assert found(WHOLE[:at] + bytes([WHOLE[at] ^ mask]) + WHOLE[at + 1 :], quorum)


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_bytes_put_in_or_taken_out_are_found(at: int, added: bytes, removed: int) -> None:
    assert found(WHOLE[:at] + added + WHOLE[at + removed :])


def test_a_cosignature_that_the_quorum_can_spare_is_told_of_when_its_name_is_flipped() -> None:
    renamed = WHOLE.replace(b"w1.example", b"w3.example")
    with pytest.raises(QuorumMissing):
        check(renamed)
    assert check(renamed, policy=policy("any")).unchecked == 1


# --- who changed what


def flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def change(**changes: Any) -> Callable[[], dict[str, Any]]:
    return lambda: kept() | changes


def other(name: str, request: Any = None) -> Callable[[], dict[str, Any]]:
    """One member of another answer."""
    swapped = kept(score_request(nonce="YW5vdGhlci1ub25jZS0xMjM") if request is None else request)
    return change(**{name: swapped[name]})


def proof(**changes: Any) -> Callable[[], dict[str, Any]]:
    return lambda: kept() | {"proof": replace(TlogProof.decode(kept()["proof"]), **changes).encode()}


def asked(**changes: Any) -> Callable[[], dict[str, Any]]:
    return lambda: kept() | {"request": kept()["request"] | changes}


def without(name: str) -> Callable[[], dict[str, Any]]:
    return lambda: {key: value for key, value in kept().items() if key != name}


def kept_by_another_key() -> dict[str, Any]:
    claims = claims_for(score_request())
    response = answer(claims, key=signing_key(seed=2))
    return kept() | {"attestation": response.attestation}


CHANGED: list[tuple[str, int, type[ScoregateError], str, Callable[[], dict[str, Any]]]] = [
    # the form
    ("no attestation", INVALID, LogInvalid, "lacks attestation", without("attestation")),
    ("a receipt without a proof", INVALID, LogInvalid, "lacks proof; give a file that", without("proof")),
    ("a member more", INVALID, LogInvalid, "has more than an answer", change(filed_at="2026")),
    ("an index that is none", INVALID, LogInvalid, "leaf_index", change(leaf_index="41")),
    ("a negative index", INVALID, LogInvalid, "leaf_index", change(leaf_index=-1)),
    ("a leaf in loose base64", INVALID, LogInvalid, "leaf: canonical",
     lambda: kept() | {"leaf": kept()["leaf"] + "\n"}),
    ("a leaf that is none", INVALID, ReceiptInvalid, "leaf is not", change(leaf="AAAA")),
    ("a proof that is none", INVALID, TlogProofInvalid, "an empty line", change(proof="rubbish")),
    ("a proof that is no text", INVALID, LogInvalid, "proof is not text", change(proof=7)),
    ("a proof with extra data", INVALID, LogInvalid, "nothing vouches for", proof(extra=b"hidden")),
    # attestation
    ("an attestation cut short", INVALID, ScoregateError, "three parts", change(attestation="a.b")),
    ("another attestation", INVALID, BindingMismatch, "claim nonce", other("attestation")),
    ("a threshold's attestation", INVALID, ScoregateError, "typ", other("attestation", threshold_request())),
    ("a flipped signature", INVALID, SignatureInvalid, "does not hold",
     lambda: kept() | {"attestation": flipped(kept()["attestation"], -20)}),
    ("another issuer's key", INVALID, KeyUnknown, "no trusted key", kept_by_another_key),
    ("from the future", INVALID, AttestationNotYetValid, "in the future",
     lambda: kept(iat=LATER_STILL, exp=LATER_STILL + 1)),
    # question
    ("another question", INVALID, BindingMismatch, "claim nonce", other("request")),
    ("another consent in it", INVALID, BindingMismatch, "request_sha256", asked(consent_id="a" * 26)),
    ("reasons in it", INVALID, BindingMismatch, "request_sha256", asked(with_reasons=True)),
    ("a request id in capitals", INVALID, LogInvalid, "not a question",
     asked(request_id="0B7E8A52-6C1D-4A52-9A0E-3F6F5D2B7C11")),
    ("a member more in it", INVALID, LogInvalid, "not a question", asked(note="?")),
    ("a purpose of its own", INVALID, LogInvalid, "not a question", asked(purpose="CURIOSITY")),
    ("a number for a text", INVALID, LogInvalid, "not a question", asked(nonce=7)),
    ("a list for a question", INVALID, LogInvalid, "not a question", change(request=[])),
    # leaf
    ("another answer's leaf", INVALID, ReceiptInvalid, "attestation_sha256", other("leaf")),
    ("another log's name", INVALID, ReceiptInvalid, "log_origin", change(log_origin="other/log")),
    # proof
    ("another answer's proof", INVALID, TlogProofInvalid, "another root", other("proof")),
    ("another place", INVALID, LogInvalid, "the proof is of entry 41, and the answer is entry 40",
     change(leaf_index=40)),
    ("another place in the proof, too", INVALID, TlogProofInvalid, "another root",
     lambda: proof(index=40)() | {"leaf_index": 40}),
    ("a hash too few", INVALID, TlogProofInvalid, "hashes", proof(hashes=())),
    # checkpoint
    ("an unsigned checkpoint", INVALID, NoteInvalid, "empty line",
     proof(checkpoint=TlogProof.decode(kept()["proof"]).checkpoint.split(b"\n\n")[0] + b"\n")),
    ("another log's checkpoint", INVALID, CheckpointInvalid, "no log that is believed",
     lambda: kept(log={"origin": "other.example/log"})),
    ("a larger tree", INVALID, NoteInvalid, "does not hold",
     lambda: kept() | {"proof": kept()["proof"].replace("\n73\n", "\n74\n")}),
    ("no witness", INCOMPLETE, QuorumMissing, "not by w1.example, w2.example",
     lambda: kept(log={"witnesses": ()})),
    ("one witness of two", INCOMPLETE, QuorumMissing, "cosigned by w1.example, not by w2.example",
     lambda: kept(log={"witnesses": ("w1.example",)})),
]  # fmt: skip


@pytest.mark.parametrize(("what", "code", "error", "told", "make"), CHANGED, ids=[row[0] for row in CHANGED])
def test_a_change_is_refused_by_its_name(
    what: str, code: int, error: type[ScoregateError], told: str, make: Callable[[], dict[str, Any]]
) -> None:
    with pytest.raises(error, match=re.escape(told)):
        check(spell(make()))


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"[" * 60_000, b'{"leaf": 1, "leaf": 1}', b"\xff"])
def test_rubbish_is_no_kept_answer(data: bytes) -> None:
    with pytest.raises(LogInvalid, match=r"^the file "):
        Kept.decode(data)


def test_issuer_and_audience_are_compared_where_they_are_given() -> None:
    for changes in ({"issuer": "https://other.example"}, {"audience": "basin"}):
        with pytest.raises(BindingMismatch):
            check(WHOLE, **changes)


def test_a_log_that_goes_on_under_another_name_is_believed_with_both_keys() -> None:
    later = LATER_ORIGIN
    data = spell(kept(log={"origin": later, "witnesses": ()}))
    assert check(data, policy=Policy.of([log_vkey(), log_vkey(later)])).judged.checkpoint.origin == later
    with pytest.raises(LogDiverged, match="give the keys of both"):
        check(data, policy=Policy.of([log_vkey(later)]))


# --- the command


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "41.json").write_bytes(WHOLE)
    (tmp_path / "jwks.json").write_text(JWKS)
    (tmp_path / "policy").write_text(policy_text("all"))
    return tmp_path


def run(place: Path, *more: str, policy: bool = True) -> Result:
    pinned = ["--policy", str(place / "policy")] if policy else []
    words = ["verify", str(place / "41.json"), "--jwks", str(place / "jwks.json"), *pinned, *more]
    return CliRunner().invoke(app, words)


def test_the_command_shows_what_was_checked(place: Path) -> None:
    result = run(place, "--issuer", ISSUER)
    shown = " ".join(result.stdout.split())
    assert (result.exit_code, result.stderr) == (OK, "")
    for told in (
        "The answer holds",
        "score-attestation+jwt",
        f"{ISSUER}, as expected",
        "acme; its own word, add --audience ID",
        "score 712, band 700",
        "fresh until 2026-11-24T09:30:00Z",
        f"41 of {ORIGIN}; it names this very attestation",
        "in the tree of 73 entries",
        "w1.example on 2026-11-23T09:30:02Z, w2.example on",
    ):
        assert told in shown
    assert "not checked" not in shown


def test_json_holds_what_the_table_says(place: Path) -> None:
    told = json.loads(run(place, "-o", "json").stdout)
    assert told["result"] == "ok"
    assert (told["issuer"], told["partner_id"], told["leaf_index"], told["tree_size"]) == (
        ISSUER, ACME, 41, 73,
    )  # fmt: skip
    assert told["answer"] == json.loads(claims_for(score_request()).result.form)
    assert told["cosigned"] == dict.fromkeys(["w1.example", "w2.example"], "2026-11-23T09:30:02Z")
    assert told["unchecked_signatures"] == 0


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (threshold_request(), "650 is reached"),
        (score_request(disclosure=Disclosure.BAND.number), "band 700"),
    ],
)
def test_each_kind_of_answer_is_told_in_words(place: Path, request_: Any, told: str) -> None:
    (place / "41.json").write_bytes(spell(kept(request_)))
    assert told in run(place).stdout


def test_with_vkeys_alone_it_says_what_was_not_checked(place: Path) -> None:
    result = run(place, "--vkey", str(log_vkey()), policy=False)
    assert result.exit_code == OK
    assert "none; no witness was asked for" in result.stdout
    assert "2 signatures by keys that were not given" in " ".join(result.stdout.split())
    witnessed = run(
        place, *(f"--vkey={key}" for key in (log_vkey(), witness_vkey("w1.example"))), policy=False
    )
    assert witnessed.exit_code == OK
    assert "1 signature by keys" in " ".join(witnessed.stdout.split())


@pytest.mark.parametrize(("what", "code", "error", "told", "make"), CHANGED, ids=[row[0] for row in CHANGED])
def test_a_change_has_its_exit_code_and_one_calm_sentence(
    place: Path,
    what: str,
    code: int,
    error: type[ScoregateError],
    told: str,
    make: Callable[[], dict[str, Any]],
) -> None:
    (place / "41.json").write_bytes(spell(make()))
    result = run(place)
    assert (result.exit_code, result.stdout) == (code, "")
    assert re.fullmatch(r"(Invalid|Incomplete|Diverged): [^\n]+\.\n", result.stderr)


def test_another_logs_name_is_told_as_diverged(place: Path) -> None:
    later = LATER_ORIGIN
    (place / "41.json").write_bytes(spell(kept(log={"origin": later})))
    result = run(place, "--vkey", str(log_vkey(later)), "-o", "json", policy=False)
    assert result.exit_code == DIVERGED
    assert json.loads(result.stdout)["index"] == 41


def test_a_file_larger_than_any_is_refused_unread(place: Path) -> None:
    (place / "41.json").write_bytes(b" " * 600_000)
    assert run(place).exit_code == INVALID


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give the log's --vkey, or a --policy file"),
        (["--vkey", "scoregate.example"], "name+id+key"),
        (["--vkey", str(witness_vkey("w1.example"))], "a log's is missing"),
        (["--policy", "no/such/file"], "does not exist"),
    ],
)
def test_a_wrong_call_says_what_is_needed(place: Path, words: list[str], told: str) -> None:
    result = run(place, *words, policy=False)
    assert result.exit_code == USAGE
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_a_policy_without_a_log_takes_its_vkey_beside_it(place: Path) -> None:
    (place / "policy").write_text("quorum none\n")
    missing = run(place)
    assert missing.exit_code == USAGE
    assert "names no log" in " ".join(missing.stderr.replace("│", " ").split())
    assert run(place, "--vkey", str(log_vkey())).exit_code == OK
    assert run(place, "--vkey", str(log_vkey()), "--vkey", str(log_vkey())).exit_code == OK
    witness = run(place, "--vkey", str(witness_vkey("w1.example")))
    assert witness.exit_code == USAGE
    (place / "policy").write_text("quorum nobody\n")
    assert run(place).exit_code == USAGE


def test_a_jwk_set_that_is_none_is_a_wrong_call(place: Path) -> None:
    (place / "jwks.json").write_text("{}")
    assert run(place).exit_code == USAGE
    (place / "jwks.json").write_text(jwks([signing_key(seed=2).public_jwk]))
    assert run(place).exit_code == INVALID


def test_the_keys_are_those_that_the_answer_was_signed_with() -> None:
    other_keys = VerificationKeys.from_jwks(jwks([signing_key(seed=2).public_jwk]))
    with pytest.raises(KeyUnknown):
        check(WHOLE, keys=other_keys)


def test_a_question_is_read_back_as_it_was_sent() -> None:
    decoded = Kept.decode(WHOLE).request
    assert isinstance(decoded, score_pb2.GetScoreRequest)
    assert decoded == score_request()
