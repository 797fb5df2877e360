"""`scoregate consent-receipt verify`: what holds, and for each fault its exit code and its sentence."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import scoregate
from consent.keys import jwks
from consent.receipt import sign
from scoregate.audit.v1 import leaf_pb2
from scoregate.cli import app
from scoregate.proof import jws, leaf
from scoregate.proof.consent_history import Beginner, event_in
from scoregate.proof.consent_receipt import MAX_COMPACT_CHARACTERS, TYP, ConsentReceipt
from scoregate.proof.jwk import Algorithm
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, Purpose
from tests.attestation.made_answers import KEY, attest, claims_for, score_request, signing_key
from tests.attestation.made_receipts import ONCE, receipt
from tests.sample_log import SampleLog
from tests.signing import LATER_ORIGIN, ORIGIN, WITNESSES, log_vkey, signed, witness_vkey

OK, USAGE, INVALID, DIVERGED, INCOMPLETE, ALTERED = 0, 2, 3, 4, 5, 6
GRANTED, FROZEN, CONSUMED = 7, 21, 28  # where their entries lie


@dataclass
class Case:
    """A receipt of three events, the issuer's keys, and a log of 300 entries that holds them."""

    sample: SampleLog
    made: ConsentReceipt
    file: Path
    keys: Path
    folder: Path

    def verify(self, *arguments: str, log: bool = True) -> Result:
        extra = ["--log", str(self.folder)] if log else []
        words = ["consent-receipt", "verify", str(self.file), "--jwks", str(self.keys)]
        return CliRunner().invoke(app, [*words, *extra, *arguments])

    def rewrite(self, **changes: Any) -> None:
        """Let the issuer sign something else."""
        self.file.write_text(sign(replace(self.made, **changes), KEY))

    def rewrite_event(self, place: int, **changes: Any) -> None:
        events = list(self.made.events)
        events[place] = replace(events[place], **changes)
        self.rewrite(events=tuple(events))

    def sign_payload(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Sign what no gateway would."""
        members = json.loads(self.made.encode())
        change(members)
        payload = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
        self.file.write_text(
            jws.sign(payload, typ=TYP, kid=KEY.kid, algorithm=KEY.algorithm, private=KEY.private)
        )

    def pull(self, length: int = 300, origin: str = ORIGIN) -> None:
        """Another pull of the log, cut at `length`."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.sample.leaves = self.sample.leaves[:length]
        self.sample.pull(self.folder)
        (self.folder / "checkpoint").write_bytes(signed(self.sample.checkpoint(origin=origin)))

    def change_leaf(self, index: int, **fields: Any) -> None:
        """Let the whole log, its checkpoint included, say something else of one entry."""
        self.sample.leaves[index].MergeFrom(leaf_pb2.Leaf(**fields))
        self.pull()


@pytest.fixture
def case(tmp_path: Path) -> Case:
    sample = SampleLog().fill(GRANTED)
    sample.add("acme", kind=leaf_pb2.LEAF_KIND_CONSENT_GRANTED, actor="consumer")
    sample.fill(FROZEN)
    sample.add("", kind=leaf_pb2.LEAF_KIND_SUBJECT_FROZEN, actor="operator-1")
    sample.fill(CONSUMED)
    sample.release("acme")
    sample.fill(300)
    events = tuple(event_in(sample.entries[index], index, "acme") for index in (GRANTED, FROZEN, CONSUMED))
    agreed = replace(ONCE, not_before=events[0].at, expires_at=events[0].at + timedelta(days=30))
    made = receipt(processing=agreed, events=events)
    made_file, keys = tmp_path / "receipt.jws", tmp_path / "jwks.json"
    made_file.write_text(sign(made, KEY))
    keys.write_text(jwks([KEY.public_jwk]))
    return Case(sample, made, made_file, keys, sample.pull(tmp_path / "log"))


# --- what holds -------------------------------------------------------------------------------------


def test_a_receipt_holds_with_public_keys_alone(case: Case) -> None:
    result = case.verify(log=False)
    assert (result.exit_code, result.stderr) == (OK, "")
    shown = " ".join(result.stdout.split())
    for expected in (
        "The consent receipt holds",
        "Acme Lending Ltd (acme)",
        "CREDIT_APPLICATION, a HARD inquiry",
        "CONSUMED on 2026-11-23T10:30:00Z",
        "REASONS, SCORE",
        "entry 7 GRANTED",
        "begun by the operator",
        "answers kept 90 days",
        "not looked at; add --log DIR",
        "which follows from the above",
    ):
        assert expected in shown, expected


def test_it_holds_with_the_log_that_holds_its_events(case: Case) -> None:
    result = case.verify()
    assert result.exit_code == OK
    assert "each event is in it, and says the same" in " ".join(result.stdout.split())


def test_json_is_the_receipt_and_what_was_found_of_it(case: Case) -> None:
    unsigned = {"tree_size": 300, "signed_by": None, "cosigned": None}
    for log, found in ((True, unsigned), (False, None)):
        result = case.verify("-o", "json", log=log)
        assert json.loads(result.stdout) == {
            "result": "ok",
            "receipt": json.loads(case.made.encode()),
            "digest_recomputed": True,
            "log": found,
        }
        assert result.stderr == ""


def test_a_digest_of_the_earlier_form_is_told_apart(case: Case) -> None:
    earlier = case.made.earlier_terms_sha256()
    assert earlier is not None
    case.rewrite(processing=replace(case.made.processing, consent_sha256=earlier))
    assert json.loads(case.verify("-o", "json").stdout)["digest_recomputed"] is False
    assert "of the earlier form, which follows from the terms" in " ".join(case.verify().stdout.split())


@pytest.mark.parametrize("is_earlier", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"purpose": Purpose.ACCOUNT_REVIEW},
        {"disclosures": frozenset({Disclosure.BAND})},
        {"disclosures": frozenset({*ONCE.disclosures, Disclosure.THRESHOLD}), "thresholds": (600,)},
        {"mode": ConsentMode.PERIODIC, "frequency": (1, CalendarUnit.YEAR)},
        {"time_zone": "Asia/Shanghai"},
        {"not_before": timedelta(seconds=1)},
        {"expires_at": timedelta(seconds=1)},
        {"data_life_seconds": 7_776_001},
        {"excluded_families": frozenset()},
        {"notice_version": "2026-12"},
    ],
)
def test_terms_that_the_digest_is_not_of_are_told_without_a_log_too(
    case: Case, change: dict[str, Any], is_earlier: bool
) -> None:
    events = (case.made.events[0],)  # of any mode, and of any window
    digest = case.made.earlier_terms_sha256() if is_earlier else case.made.terms_sha256()
    moved = {
        name: getattr(case.made.processing, name) + value if isinstance(value, timedelta) else value
        for name, value in change.items()
    }
    agreed = replace(case.made.processing, consent_sha256=digest, **moved)
    case.rewrite(processing=agreed, events=events)
    table, machine = case.verify(log=False), case.verify("-o", "json", log=False)
    assert (table.exit_code, machine.exit_code, table.stdout) == (ALTERED, ALTERED, "")
    assert table.stderr.startswith("Altered: its terms are not those that consent_sha256 is of")
    assert json.loads(machine.stdout)["result"] == "altered"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_lines_end_that_an_editor_adds_is_no_fault(case: Case, end: str) -> None:
    case.file.write_bytes(case.file.read_bytes() + end.encode())
    assert case.verify(log=False).exit_code == OK


def test_a_key_of_the_other_kind_signs_too(case: Case) -> None:
    key = signing_key(Algorithm.ED25519, seed=2)
    case.keys.write_text(jwks([KEY.public_jwk, key.public_jwk]))
    case.file.write_text(sign(case.made, key))
    assert case.verify().exit_code == OK


# --- what does not ----------------------------------------------------------------------------------


def flip(case: Case) -> None:
    compact = case.file.read_text()
    middle = len(compact) // 2
    case.file.write_text(compact[:middle] + ("A" if compact[middle] != "A" else "B") + compact[middle + 1 :])


def write(data: bytes) -> Callable[[Case], object]:
    return lambda case: case.file.write_bytes(data)


def other_leaf_hash(case: Case) -> None:
    case.rewrite_event(1, leaf_hash=bytes(32))


def moved_event(case: Case) -> None:
    case.rewrite_event(1, log_index=FROZEN - 1)


def later_event(case: Case) -> None:
    case.rewrite_event(1, at=case.made.events[1].at + timedelta(microseconds=1))


def redo(case: Case) -> None:
    """A server that rewrote its log, checkpoint included."""
    case.change_leaf(GRANTED, reason="another")


FAULTS: list[tuple[str, int, int | None, str, Callable[[Case], object]]] = [
    # the file
    ("a changed character", INVALID, None, "the receipt was changed; download it again", flip),
    ("an empty file", INVALID, None, "a consent-receipt+jwt has three parts joined by dots", write(b"")),
    ("no ASCII", INVALID, None, "a consent receipt is ASCII text", write("ü.ü.ü".encode())),
    ("two line ends", INVALID, None, "signature: not base64url",
     lambda c: c.file.write_text(c.file.read_text() + "\n\n")),
    ("a huge file", INVALID, None, "the consent receipt has more than 4,194,304 bytes",
     write(b"A" * (MAX_COMPACT_CHARACTERS + 1))),
    ("an attestation", INVALID, None, "header typ: only consent-receipt+jwt is accepted here",
     lambda c: c.file.write_text(attest(claims_for(score_request())).compact)),
    ("a receipt of an answer", INVALID, None, "three parts", write(b64encode(b'{"leaf_index": 7}'))),
    ("another issuer's", INVALID, None, "no trusted key has kid",
     lambda c: c.keys.write_text(jwks([signing_key(seed=9).public_jwk]))),
    # what it says
    ("a state that does not follow", INVALID, None, "claim state: must be the one that the events lead to",
     lambda c: c.sign_payload(lambda members: members["header"].update(state="ACTIVE"))),
    ("an event too many", INVALID, None, "claim events: they stand in the order of the log",
     lambda c: c.sign_payload(lambda members: members["events"].append(members["events"][0]))),
    ("a section too many", INVALID, None, "claim 'remarks': unknown in receipt",
     lambda c: c.sign_payload(lambda members: members.update(remarks=""))),
    ("a name that moves the cursor", INVALID, None, "claim legal_name: 1 to 120 printable characters",
     lambda c: c.sign_payload(
         lambda members: members["parties"]["controller"].update(legal_name="\x1b[31m"))),
    ("a member that moves the cursor", INVALID, None, r"claim '\x1b[31m': unknown in header",
     lambda c: c.sign_payload(lambda members: members["header"].update({"\x1b[31m": 1}))),
    # the log
    ("another log", DIVERGED, None, "the receipt is of the log scoregate.example/log/2026h2, not other/log",
     lambda c: c.pull(origin="other/log")),
    ("another leaf", DIVERGED, FROZEN, "the receipt's event FROZEN: it has another leaf_hash",
     other_leaf_hash),
    ("another entry", DIVERGED, FROZEN - 1, "entry 20 is not the receipt's event FROZEN: kind", moved_event),
    ("another time", DIVERGED, FROZEN, "it has another time", later_event),
    ("another hand", DIVERGED, FROZEN, "it has another by",
     lambda c: c.rewrite_event(1, by=Beginner.CONSUMER)),
    ("another partner's", DIVERGED, GRANTED, "entry 7 is not the receipt's event GRANTED: partner_id names",
     lambda c: c.rewrite(partner_id="rival")),
    ("a log rewritten", DIVERGED, GRANTED, "the receipt's event GRANTED: it has another leaf_hash",
     redo),
    ("a log that ends before", INCOMPLETE, CONSUMED, "CONSUMED is entry 28, and the log ends before it",
     lambda c: c.pull(CONSUMED)),
    ("a log spoilt elsewhere", DIVERGED, None, "have another root than the checkpoint",
     lambda c: (c.folder / "checkpoint").write_bytes(signed(Checkpoint(ORIGIN, 300, bytes(32))))),
    ("no log", INCOMPLETE, None, "checkpoint is missing", lambda c: (c.folder / "checkpoint").unlink()),
    # the digest
    ("another digest", ALTERED, None, "are not those that consent_sha256 is of",
     lambda c: c.rewrite(processing=replace(c.made.processing, consent_sha256="0" * 64))),
    ("another person", ALTERED, None, "hold it beside an answer's attestation, and ask the issuer",
     lambda c: c.rewrite(subject_ref="s1-somebody-else")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "code", "index", "told", "spoil"), FAULTS, ids=[row[0] for row in FAULTS])
def test_each_fault_has_its_code_and_its_sentence(
    case: Case, what: str, code: int, index: int | None, told: str, spoil: Callable[[Case], object]
) -> None:
    spoil(case)
    table, machine = case.verify(), case.verify("-o", "json")
    assert table.exit_code == machine.exit_code == code
    name = {INVALID: "invalid", DIVERGED: "diverged", INCOMPLETE: "incomplete", ALTERED: "altered"}[code]
    assert re.fullmatch(rf"{name.capitalize()}: [^\n\x1b]+\.\n", table.stderr)
    assert told in table.stderr
    assert (table.stdout, machine.stderr) == ("", "")
    answer = json.loads(machine.stdout)
    assert (answer["result"], answer["index"]) == (name, index)
    assert answer["message"] in table.stderr


def test_a_fault_of_the_log_alone_is_none_without_it(case: Case) -> None:
    redo(case)
    assert case.verify(log=False).exit_code == OK


def test_what_can_not_be_opened_is_said_so(case: Case) -> None:
    case.file.unlink()
    os.mkfifo(case.file)
    result = case.verify()
    assert result.exit_code == INVALID
    assert "the consent receipt is not a file" in result.stderr


# --- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "JWK Set: not JSON"),
        ("\udcff", "JWK Set: not JSON"),
        ("{}", "give the issuer's whole document"),
        (json.dumps({"keys": [json.loads(KEY.public_jwk) | {"d": "AA"}]}), "holds a private key"),
        (" " * 262_145, "the JWK Set has more than 262,144 bytes"),
    ],
)
def test_what_is_no_jwk_set_is_a_wrong_call(case: Case, text: str, told: str) -> None:
    case.keys.write_bytes(text.encode(errors="surrogateescape"))
    result = case.verify()
    assert (result.exit_code, result.stdout) == (USAGE, "")
    shown = " ".join(re.sub("[│╭╮╰╯─]", " ", result.stderr).split())
    assert "--jwks" in shown
    assert told in shown


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["receipt.jws"],
        ["no/such/file", "--jwks", __file__],
        [__file__, "--jwks", "no/such/file"],
        [__file__, "--jwks", __file__, "--log", "no/such/folder"],
        [__file__, "--jwks", __file__, "-o", "yaml"],
    ],
)
def test_a_wrong_call_exits_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["consent-receipt", "verify", *arguments])
    assert result.exit_code == USAGE
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


# --- as a process of its own ------------------------------------------------------------------------


def test_the_command_runs_as_a_process(case: Case) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        words = ("consent-receipt", "verify", str(case.file), "--jwks", str(case.keys), *more)
        return subprocess.run(
            [sys.executable, "-m", "scoregate", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(scoregate.__file__).parents[1],
        )

    good = run("--log", str(case.folder))
    assert (good.returncode, good.stderr) == (OK, "")
    assert "The consent receipt holds" in good.stdout
    flip(case)
    bad = run()
    assert (bad.returncode, bad.stdout) == (INVALID, "")
    assert bad.stderr == (
        "Invalid: the signature does not hold: the receipt was changed; download it again.\n"
    )


def test_the_sample_log_is_one_that_holds(case: Case) -> None:
    verified = CliRunner().invoke(app, ["log", "verify", str(case.folder)])
    assert verified.exit_code == OK
    assert merkle.leaf_hash(leaf.encode(case.sample.leaves[FROZEN])) == case.made.events[1].leaf_hash


# --- who signed the log's checkpoint


def test_whose_log_it_is_is_not_checked_without_its_key_and_that_is_said(case: Case) -> None:
    result = case.verify()
    assert result.exit_code == OK
    assert "no signature of the log was checked" in result.stdout
    assert "NOT CHECKED" in result.stdout
    assert json.loads(case.verify("-o", "json").stdout)["log"]["signed_by"] is None


def test_a_log_that_its_key_signed_is_told_with_its_witnesses(case: Case) -> None:
    checkpoint = signed(case.sample.checkpoint(), WITNESSES)
    (case.folder / "checkpoint").write_bytes(checkpoint)
    keys = [f"--vkey={each}" for each in (log_vkey(), *map(witness_vkey, WITNESSES))]
    result = case.verify(*keys)
    assert (result.exit_code, "NOT CHECKED" in result.stdout) == (OK, False)
    told = json.loads(case.verify(*keys, "-o", "json").stdout)["log"]
    assert (told["signed_by"], set(told["cosigned"])) == (str(log_vkey()), set(WITNESSES))
    (case.folder / "checkpoint").write_bytes(signed(case.sample.checkpoint(), WITNESSES[:1]))
    assert case.verify(*keys).exit_code == INCOMPLETE


def test_a_log_that_somebody_else_signed_is_refused(case: Case) -> None:
    (case.folder / "checkpoint").write_bytes(signed(case.sample.checkpoint(), by=LATER_ORIGIN))
    assert case.verify().exit_code == OK  # nobody looked
    assert case.verify(f"--vkey={log_vkey()}").exit_code == INVALID


def test_a_log_under_its_later_name_holds_with_the_keys_of_both(case: Case) -> None:
    case.pull(origin=LATER_ORIGIN)
    keys = [f"--vkey={log_vkey(each)}" for each in (ORIGIN, LATER_ORIGIN)]
    assert case.verify(*keys).exit_code == OK
    assert case.verify(keys[1]).exit_code == DIVERGED


def test_a_logs_key_without_a_log_is_wrong_usage(case: Case) -> None:
    assert case.verify(f"--vkey={log_vkey()}", log=False).exit_code == USAGE
