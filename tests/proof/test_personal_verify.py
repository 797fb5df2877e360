"""`scoregate verify` of what a person has: no word of a receipt or a report can be changed and hold."""

from __future__ import annotations

import copy
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scoregate.audit.v1 import leaf_pb2
from scoregate.cli import app
from scoregate.proof import leaf
from scoregate.proof.personal import read_members, verify_receipt
from scoregate.proof.personal_report import METHOD, period_reason, verify_report
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid
from scoregate.tlog.note import Note
from scoregate.tlog.policy import Policy, QuorumMissing
from scoregate.tlog.proof import TlogProof
from tests.proof.made_reports import ANN, BOB, OPENED, SINCE, UNTIL, PersonalLog, told_log
from tests.signing import LATER_ORIGIN, log_vkey, policy_text, witness_vkey

POLICY = Policy.parse(policy_text("all").encode())
LOG, OPENING, OWN = told_log()
REPORT = LOG.report(OPENING, OWN)
YEAR = LOG.year([OPENING, 4, *OWN, 0])
RECEIPT = LOG.receipt(OWN[1])
OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5

Members = dict[str, Any]


def changed(members: Members, *path: str | int, to: object) -> Members:
    made = copy.deepcopy(members)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = to
    return made


# --- what holds


def test_a_report_says_what_its_leaves_and_private_parts_say() -> None:
    found = verify_report(REPORT, POLICY)
    assert [each.leaf_index for each in found.entries] == OWN
    refusal, answer = found.entries
    assert (refusal.reason, refusal.decision, refusal.shown) == ("CONSENT_REVOKED", "REFUSED", "")
    assert (answer.legal_name, answer.purpose) == ("Acme Lending Ltd", "CREDIT_APPLICATION")
    assert (answer.shown, answer.score) == ("SCORE", 612)
    assert (found.since, found.until, found.subject) == (SINCE, UNTIL, ANN)
    assert found.opening is not None
    assert (found.opening.actor, found.opening.at) == ("officer", OPENED)
    assert not found.own_words
    assert found.judged is not None
    assert set(found.judged.cosigned) == {"w1.example", "w2.example"}


def test_a_year_is_that_of_its_time_zone() -> None:
    found = verify_report(YEAR, POLICY)
    assert (found.since, found.until) == (
        datetime(2025, 12, 31, 16, tzinfo=UTC),
        datetime(2026, 12, 31, 16, tzinfo=UTC),
    )
    assert found.own_words == {name: YEAR[name] for name in ("name", "issuer", "made_at")}


def test_a_receipt_opens_and_lies_in_the_log() -> None:
    found = verify_receipt(RECEIPT, POLICY)
    assert (found.subject, found.told.score, found.told.leaf_index) == (ANN, 612, OWN[1])


def test_a_report_of_nothing_holds_and_shows_who_asked() -> None:
    found = verify_report(LOG.report(OPENING, []), POLICY)
    assert (found.entries, found.opening is None) == ((), False)


def test_a_year_of_nothing_has_nothing_to_show() -> None:
    assert verify_report(LOG.year([]), POLICY).judged is None


# --- tampering: every member, at every place, every class of byte


def paths(members: Members) -> Iterator[tuple[str | int, ...]]:
    """The way to every value that is neither an object nor a list."""
    for name, value in members.items():
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in paths(value))
        elif isinstance(value, list):
            for place, item in enumerate(value):
                yield from ((name, place, *rest) for rest in paths(item))
        else:
            yield (name,)


def at(members: Members, path: tuple[str | int, ...]) -> Any:
    holder: Any = members
    for step in path:
        holder = holder[step]
    return holder


def others(value: Any) -> Iterator[object]:
    """Values of every kind that this one is not."""
    yield from (each for each in (None, True, False, 0, -1, 1, "", "x", [], {}, [value]) if each != value)
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield from (value + 1, value - 1, str(value), 2**53 - 1)
    if isinstance(value, str) and value:
        yield from (f"{value}x", value[:-1], value.swapcase(), f" {value}", f"{value}\n", "\ud800")


OWN_WORDS = {"name", "issuer", "made_at"}
WHOLE = {"report": REPORT, "year": YEAR, "receipt": RECEIPT}


def verify(members: Members) -> object:
    return (verify_report if "entries" in members else verify_receipt)(members, POLICY)


def holds(members: Members) -> bool:
    try:
        verify(members)
    except (LogInvalid, LogDiverged, LogIncomplete):
        return False
    return True


@pytest.mark.parametrize("kind", WHOLE)
def test_no_member_can_say_anything_else(kind: str) -> None:
    tried, whole = 0, WHOLE[kind]
    for path in paths(whole):
        for other in others(at(whole, path)):
            spoilt = changed(whole, *path, to=other)
            if spoilt == whole and type(at(whole, path)) is type(other):
                continue
            if path[0] in OWN_WORDS and isinstance(other, str):
                verify(spoilt)  # nothing shows these, and the result says so
                continue
            assert not holds(spoilt), f"{path} may be {other!r}"
            tried += 1
    assert tried > 50


@pytest.mark.parametrize("name", ["leaf", "private_part", "blind"])
def test_no_byte_of_what_shows_an_entry_can_be_another(name: str) -> None:
    for whole, way in ((RECEIPT, ()), (REPORT, ("entries", 0)), (REPORT, ("opening",))):
        data = b64decode(at(whole, (*way, name)))
        for place in range(len(data)):
            flipped = bytearray(data)
            flipped[place] ^= 1
            spoilt = changed(whole, *way, name, to=b64encode(flipped).decode())
            assert not holds(spoilt), f"byte {place} of {name} at {way}"


def test_no_byte_of_a_proof_can_be_another() -> None:
    proof = RECEIPT["proof"]
    for place, letter in enumerate(proof):
        other = "A" if letter != "A" else "B"
        spoilt = changed(RECEIPT, "proof", to=proof[:place] + other + proof[place + 1 :])
        assert not holds(spoilt), f"letter {place} of the proof, behind {proof[:place][-20:]!r}"


@pytest.mark.parametrize("kind", WHOLE)
def test_no_member_can_be_left_out_or_added(kind: str) -> None:
    whole = WHOLE[kind]
    holders: list[tuple[str | int, ...]] = [()]
    holders += [("opening",)] if "opening" in whole else []
    holders += [("entries", 0)] if "entries" in whole else []
    for way in holders:
        for name in at(whole, way):
            spoilt = copy.deepcopy(whole)
            del at(spoilt, way)[name]
            assert not holds(spoilt), f"{name} may be missing"
        spoilt = copy.deepcopy(whole)
        at(spoilt, way)["more"] = "than that"
        with pytest.raises(LogInvalid, match="more"):
            verify(spoilt)


def relined(log: PersonalLog, **changes: Any) -> Members:
    """Ann's report with an opening of another content."""
    fields: Members = {
        "kind": leaf_pb2.LEAF_KIND_OFFICER_READ,
        "partner_id": "officer",
        "partner_sequence": 1,
        "method": METHOD,
        "reason": period_reason(SINCE, UNTIL),
        "actor": "officer",
    }
    subject, when = changes.pop("subject", ANN), changes.pop("at", OPENED)
    opening = log.add(when, leaf_pb2.PrivatePart(subject=subject), **(fields | changes))
    return log.report(opening, OWN)


OPENINGS: dict[str, Members] = {
    "of another kind": {"kind": leaf_pb2.LEAF_KIND_RELEASE},
    "of another method": {"method": "/scoregate.audit.v1.AuditService/ListEntries"},
    "for another period": {"reason": period_reason(SINCE, OPENED)},
    "about somebody else": {"subject": BOB},
    "before the period ended": {"at": UNTIL.replace(month=5)},
}


@pytest.mark.parametrize("how", OPENINGS)
def test_an_opening_is_that_of_this_very_report(how: str) -> None:
    log, _, _ = told_log()
    verify_report(relined(log), POLICY)
    with pytest.raises(LogInvalid):
        verify_report(relined(log, **OPENINGS[how]), POLICY)


ENTRIES: dict[str, list[int]] = {
    "of somebody else": [3, 1],
    "twice": [3, 2, 2],
    "the oldest first": [2, 3],
    "before the period": [3, 2, 0],
    "at its end": [4, 3, 2],
    "after its opening": [6, 3, 2],
}


@pytest.mark.parametrize("how", ENTRIES)
def test_an_entry_that_is_not_of_this_report_is_found(how: str) -> None:
    log, opening, own = told_log()
    part = leaf_pb2.PrivatePart(subject=ANN)
    log.add(SINCE.replace(day=9), part, kind=leaf_pb2.LEAF_KIND_SELF_INQUIRY)  # the log went back
    verify_report(log.report(opening, own), POLICY)
    with pytest.raises(LogInvalid):
        verify_report(log.report(opening, ENTRIES[how]), POLICY)


def test_an_entry_of_the_first_instant_is_in_the_period() -> None:
    log = PersonalLog()
    first = log.add(SINCE, leaf_pb2.PrivatePart(subject=ANN), kind=leaf_pb2.LEAF_KIND_SELF_INQUIRY)
    fields = {"kind": leaf_pb2.LEAF_KIND_OFFICER_READ, "partner_id": "officer", "partner_sequence": 1}
    said = {"method": METHOD, "reason": period_reason(SINCE, UNTIL)}
    opening = log.add(OPENED, leaf_pb2.PrivatePart(subject=ANN), **fields, **said)
    assert [each.at for each in verify_report(log.report(opening, [first]), POLICY).entries] == [SINCE]


def test_what_is_equal_and_of_another_kind_is_another() -> None:
    log, _, _ = told_log()
    part = leaf_pb2.PrivatePart(subject=ANN, score=1)
    index = log.add(OPENED, part, kind=leaf_pb2.LEAF_KIND_SELF_INQUIRY)
    year = log.year([index])
    verify_report(year, POLICY)
    with pytest.raises(LogInvalid, match="score"):
        verify_report(changed(year, "entries", 0, "score", to=True), POLICY)


def test_a_proof_has_no_line_that_nothing_vouches_for() -> None:
    proof = TlogProof.decode(RECEIPT["proof"])
    more = TlogProof(proof.index, proof.hashes, proof.checkpoint, b"more")
    with pytest.raises(LogInvalid, match="extra"):
        verify_receipt(changed(RECEIPT, "proof", to=more.encode()), POLICY)


def test_an_entry_about_nobody_is_nobodys() -> None:
    bare = leaf.decode(LOG.leaves[OWN[1]])
    bare.commitment = b""
    nothing = {"leaf": b64encode(leaf.encode(bare)).decode(), "private_part": "", "blind": ""}
    with pytest.raises(LogInvalid, match="commits to nobody"):
        verify_receipt(RECEIPT | nothing, POLICY)


@pytest.mark.parametrize("index", ["3", None, True, -1])
def test_an_index_that_is_none_is_found_without_a_proof_too(index: object) -> None:
    early = {name: value for name, value in RECEIPT.items() if name != "proof"}
    with pytest.raises(LogInvalid, match="leaf_index"):
        verify_receipt(early | {"leaf_index": index}, POLICY)


def test_a_receipt_that_can_not_be_opened_any_more_is_incomplete() -> None:
    with pytest.raises(LogIncomplete, match="private part"):
        verify_receipt(RECEIPT | {"private_part": "", "blind": ""}, POLICY)


def test_all_of_a_report_ends_in_one_checkpoint() -> None:
    log, opening, own = told_log()
    report = log.report(opening, own)
    log.add(OPENED, leaf_pb2.PrivatePart(subject=BOB), kind=leaf_pb2.LEAF_KIND_SELF_INQUIRY)
    later = log.line(own[0])
    with pytest.raises(LogInvalid, match="another checkpoint"):
        verify_report(changed(report, "entries", 0, to=later), POLICY)


# --- what is missing, and another log's


def test_what_can_not_be_opened_any_more_is_incomplete() -> None:
    line = REPORT["entries"][0] | {"private_part": "", "blind": "", "legal_name": "", "consent_id": ""}
    with pytest.raises(LogIncomplete, match="private part"):
        verify_report(changed(REPORT, "entries", 0, to=line), POLICY)


def test_what_was_not_published_yet_is_incomplete_but_what_was_changed_is_invalid() -> None:
    early = {name: value for name, value in YEAR["entries"][0].items() if name != "proof"}
    report = changed(YEAR, "entries", 0, to=early)
    with pytest.raises(LogIncomplete, match="again in a few seconds"):
        verify_report(report, POLICY)
    with pytest.raises(LogInvalid):
        verify_report(changed(report, "entries", 3, "shown", to="BAND 600_649"), POLICY)


def test_witnesses_that_are_missing_are_missed() -> None:
    log, opening, own = told_log()
    log.witnesses = ("w1.example",)
    with pytest.raises(QuorumMissing):
        verify_report(log.report(opening, own), POLICY)


def test_another_logs_report_is_not_this_logs() -> None:
    with pytest.raises(LogDiverged, match="of the log"):
        verify_report(changed(REPORT, "log_origin", to=LATER_ORIGIN), POLICY)
    both = Policy.of([log_vkey(), log_vkey(LATER_ORIGIN)])
    verify_report(changed(REPORT, "log_origin", to=LATER_ORIGIN), both)  # it is its name now


def test_a_checkpoint_that_nobody_signed_shows_nothing() -> None:
    proof = TlogProof.decode(RECEIPT["proof"])
    note = Note.decode(proof.checkpoint)
    bare = TlogProof(proof.index, proof.hashes, Note(note.text, note.signatures[1:]).encode())
    with pytest.raises(LogInvalid):
        verify_receipt(changed(RECEIPT, "proof", to=bare.encode()), POLICY)


# --- the command


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def ran(members: Members | bytes, *more: str, vkeys: bool = True) -> Result:
        file = tmp_path / "file.json"
        file.write_bytes(members if isinstance(members, bytes) else json.dumps(members).encode())
        keys = ("--vkey", str(log_vkey()), *(f"--vkey={witness_vkey(each)}" for each in LOG.witnesses))
        line = ["verify", str(file), *(keys if vkeys else ()), *more]
        return CliRunner().invoke(app, line, env={"COLUMNS": "200"})

    return ran


def test_the_command_takes_each_kind_of_file(run: Run) -> None:
    for members, title in (
        (REPORT, "The report holds"),
        (YEAR, "The report holds"),
        (RECEIPT, "The receipt"),
    ):
        ended = run(members)
        assert (ended.exit_code, ended.stderr) == (OK, "")
        assert title in ended.stdout
        assert "Acme Lending Ltd (acme)" in ended.stdout
    assert "NOT CHECKED: that these are all" in run(REPORT).stdout
    assert "name Ada Example" in run(YEAR).stdout
    told = json.loads(run(REPORT, "-o", "json").stdout)
    assert (told["kind"], told["subject"], len(told["entries"])) == ("subject-access-report", ANN, 2)
    assert json.loads(run(YEAR, "-o", "json").stdout)["unproved"] == ["issuer", "made_at", "name"]
    assert json.loads(run(RECEIPT, "-o", "json").stdout)["entry"]["score"] == 612


def test_each_way_to_fail_has_its_exit_code(run: Run) -> None:
    assert run(changed(REPORT, "entries", 0, "reason", to="CONSENT_PAUSED")).exit_code == INVALID
    assert run(changed(REPORT, "log_origin", to=LATER_ORIGIN)).exit_code == DIVERGED
    early = {name: value for name, value in RECEIPT.items() if name != "proof"}
    assert run(early).exit_code == INCOMPLETE
    assert run(REPORT, vkeys=False).exit_code == USAGE
    for option in ("--issuer", "--audience"):
        ended = run(REPORT, option, "somebody")
        assert (ended.exit_code, option in ended.stderr) == (USAGE, True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"entries": 7}',
        b'{"entries": [7], "opening": 7}',
        b'{"entries": [], "entries": []}',
        b'{"private_part": 1}',
        b"\xff",
        b'{"entries": ' + b"[" * 100_000,
        json.dumps(YEAR | {"time_zone": "../../etc/passwd"}).encode(),
        json.dumps(YEAR | {"time_zone": "Nowhere/At_all"}).encode(),
        json.dumps(YEAR | {"year": 2026.0}).encode(),
    ],
)
def test_rubbish_is_invalid_in_one_calm_line(run: Run, data: bytes) -> None:
    ended = run(data)
    assert (ended.exit_code, ended.stdout) == (INVALID, "")
    assert ended.stderr.startswith("Invalid: ")
    assert ended.exception is None or isinstance(ended.exception, SystemExit)


def test_what_a_file_says_can_not_steer_a_terminal(run: Run) -> None:
    ended = run(changed(YEAR, "name", to="[bold]\x1b[31mAda\x1b]0;x\x07"))
    assert ended.exit_code == OK
    assert "\x1b" not in ended.stdout
    assert "\x07" not in ended.stdout
    assert "[bold]" in ended.stdout


def test_a_file_that_is_no_object_is_refused() -> None:
    with pytest.raises(LogInvalid):
        read_members(b"7", "the file")
