"""`log verify --private`: each commitment opens, and no score follows what stopped it."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.decisions import FREEZE_LIFTED
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.openings import LIFTED
from scoregate.cli import app
from scoregate.partner.v1 import types_pb2
from scoregate.proof import leaf
from tests.sample_log import SampleLog
from tests.signing import log_vkey

OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5
GRANTED, PAUSED, RESUMED, REVOKED = (
    leaf_pb2.LEAF_KIND_CONSENT_GRANTED,
    leaf_pb2.LEAF_KIND_CONSENT_PAUSED,
    leaf_pb2.LEAF_KIND_CONSENT_RESUMED,
    leaf_pb2.LEAF_KIND_CONSENT_REVOKED,
)
FROZEN, UNFROZEN = leaf_pb2.LEAF_KIND_SUBJECT_FROZEN, leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN
RELEASE, REPLAY = leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REPLAY
REVIEW = types_pb2.PURPOSE_ACCOUNT_REVIEW

Line = dict[str, Any]


@dataclass
class Story:
    """A log about people, and their private parts."""

    place: Path
    log: SampleLog = field(default_factory=SampleLog)
    lines: list[Line] = field(default_factory=list)

    def add(
        self, kind: int, *, consent: str = "", person: str = "ada", partner: str = "acme", **fields: Any
    ) -> int:
        index = len(self.log.leaves)
        part = leaf_pb2.PrivatePart(subject=person, consent_id=consent, legal_name="Acme").SerializeToString()
        blind = sha256(b"blind %d" % index).digest()
        if kind == RELEASE:
            fields = {"decision": 1, "attestation_sha256": sha256(b"%d" % index).digest()} | fields
        self.log.add(partner, kind=kind, commitment=leaf.commit(part, blind), **fields)
        self.lines.append({"index": index, "part": spell(part), "blind": spell(blind)})
        return index

    def grant(self, consent: str, **fields: Any) -> int:
        return self.add(GRANTED, consent=consent, **fields)

    def release(self, consent: str, **fields: Any) -> int:
        return self.add(RELEASE, consent=consent, **fields)

    def verify(self, *more: str, lines: list[Line] | None = None) -> Result:
        folder = self.place / "log"
        if not folder.exists():
            self.log.pull(folder)
        private = self.place / "private"
        private.mkdir(exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in (self.lines if lines is None else lines))
        (private / "a.jsonl").write_text(text)
        words = ["log", "verify", str(folder), "--vkey", str(log_vkey()), "--private", str(private), *more]
        return CliRunner().invoke(app, words)

    def told(self, lines: list[Line] | None = None) -> dict[str, Any]:
        result = self.verify("-o", "json", lines=lines)
        told: dict[str, Any] = json.loads(result.stdout) | {"code": result.exit_code}
        return told


def spell(data: bytes) -> str:
    return b64encode(data).decode()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


@pytest.fixture
def told(story: Story) -> Story:
    """Nine entries, of which one is about nobody."""
    story.grant("c1")
    story.release("c1")
    story.log.add("")
    for number in range(6):
        story.release("c1", person="ada", time_micros=story.log.leaves[-1].time_micros + number)
    return story


def test_every_part_opens_its_entry(told: Story) -> None:
    found = told.told()
    assert (found["code"], found["opened"]) == (OK, 8)
    shown = " ".join(told.verify().stdout.split())
    assert "8; each opens its entry, and no release follows what stopped it" in shown


def test_parts_may_lie_in_several_files(told: Story) -> None:
    (told.place / "private").mkdir()
    rest = "".join(json.dumps(line) + "\n" for line in told.lines[1::2])
    (told.place / "private" / "b.jsonl").write_text(rest)
    assert told.told(told.lines[::2])["opened"] == 8


# --- tampering with a private part


def changed(at: int, **changes: Any) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [*lines[:at], lines[at] | changes, *lines[at + 1 :]]


def flipped(at: int, member: str) -> Callable[[list[Line]], list[Line]]:
    def flip(lines: list[Line]) -> list[Line]:
        text = lines[at][member]
        return changed(at, **{member: ("B" if text[0] == "A" else "A") + text[1:]})(lines)

    return flip


TAMPERED: list[tuple[str, int, int | None, str, Callable[[list[Line]], list[Line]]]] = [
    ("a flipped part", DIVERGED, 4, "line 4: entry 4: the private part", flipped(3, "part")),
    ("a flipped blind", DIVERGED, 4, "do not open the commitment", flipped(3, "blind")),
    ("another person", DIVERGED, 1, "do not open", changed(
        1, part=spell(leaf_pb2.PrivatePart(subject="eve", consent_id="c1").SerializeToString()))),
    ("a part deleted", INCOMPLETE, 4, "no private part of entry 4", lambda it: [*it[:3], *it[4:]]),
    ("the last part deleted", INCOMPLETE, 8, "no private part of entry 8", lambda it: it[:-1]),
    ("every part deleted", INCOMPLETE, 0, "no private part of entry 0", lambda it: []),
    ("a part of an entry about nobody", DIVERGED, 2, "entry 2 has no commitment to open",
     lambda it: [*it[:2], it[1] | {"index": 2}, *it[2:]]),
    ("a part beyond the log", INCOMPLETE, 9, "is for entry 20, and the log has 9",
     lambda it: [*it, it[-1] | {"index": 20}]),
    ("a part inserted twice", INVALID, 1, "line 3: indexes rise", lambda it: [*it[:2], it[1], *it[2:]]),
    ("two parts swapped", INVALID, 3, "line 4: indexes rise from line to line",
     lambda it: [*it[:2], it[3], it[2], *it[4:]]),
    ("two parts' indexes swapped", DIVERGED, 3, "do not open",
     lambda it: [*it[:2], it[3] | {"index": 3}, it[2] | {"index": 4}, *it[4:]]),
    ("a part cut short", DIVERGED, 1, "do not open", changed(1, part="CgNhZGE=")),
    ("a blind cut short", DIVERGED, 1, "a blind of 16 bytes instead of 32",
     changed(1, blind=spell(bytes(16)))),
    ("a part that is no base64", INVALID, None, "line 2 is no private part: part: canonical base64",
     changed(1, part="?")),
    ("a part that is no text", INVALID, None, "line 2 is no private part: part: canonical",
     changed(1, part=7)),
    ("an index that is none", INVALID, None, "line 2 is no private part: index is no index",
     changed(1, index="1")),
    ("a member more", INVALID, None, "index, part and blind belong here", changed(1, note="")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "code", "index", "words", "tamper"), TAMPERED, ids=[row[0] for row in TAMPERED]
)
def test_a_private_part_that_was_tampered_with_is_found(
    told: Story,
    what: str,
    code: int,
    index: int | None,
    words: str,
    tamper: Callable[[list[Line]], list[Line]],
) -> None:
    found = told.told(tamper(told.lines))
    assert (found["code"], found["index"]) == (code, index)
    assert words in found["message"]


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("member", ["part", "blind"])
def test_each_part_is_held_to_its_own_entry(told: Story, at: int, member: str) -> None:
    found = told.told(flipped(at, member)(told.lines))
    assert (found["code"], found["index"]) == (DIVERGED, told.lines[at]["index"])


@pytest.mark.parametrize("line", ["{", "[]", "7", "", '{"index": 1}', "[" * 60_000, "x" * 70_000, "\udcff"])
def test_rubbish_is_no_private_part(told: Story, line: str) -> None:
    told.verify()
    path = told.place / "private" / "a.jsonl"
    path.write_bytes((line + "\n").encode(errors="surrogateescape") + path.read_bytes())
    result = CliRunner().invoke(
        app, ["log", "verify", str(told.place / "log"), "--private", str(told.place / "private")]
    )
    assert result.exit_code == INVALID
    assert "a.jsonl, line 1" in result.stderr


def test_the_same_entry_in_two_files_is_refused(told: Story) -> None:
    (told.place / "private").mkdir()
    (told.place / "private" / "b.jsonl").write_text(json.dumps(told.lines[3]) + "\n")
    found = told.told()
    assert (found["code"], found["index"]) == (INVALID, 4)
    assert "has a part already" in found["message"]


def test_a_folder_without_parts_is_not_a_success(told: Story) -> None:
    told.verify()
    (told.place / "private" / "a.jsonl").unlink()
    result = CliRunner().invoke(
        app, ["log", "verify", str(told.place / "log"), "--private", str(told.place / "private")]
    )
    assert result.exit_code == INCOMPLETE
    assert "holds no private parts" in result.stderr


def test_bytes_that_are_committed_to_and_are_no_part_are_refused(story: Story) -> None:
    blind = bytes(32)
    story.log.add("", commitment=leaf.commit(b"\xff", blind))
    found = story.told([{"index": 0, "part": spell(b"\xff"), "blind": spell(blind)}])
    assert (found["code"], found["index"]) == (INVALID, 0)


def test_a_release_that_commits_to_nobody_is_refused(story: Story) -> None:
    story.grant("c1")
    story.log.add("acme", kind=RELEASE, attestation_sha256=bytes(32))
    found = story.told()
    assert (found["code"], found["index"]) == (INVALID, 1)
    assert "commits to nobody" in found["message"]


# --- what was promised


def test_the_reason_that_lifts_a_freeze_is_the_gateways_own() -> None:
    assert LIFTED == FREEZE_LIFTED


def revoked(s: Story) -> None:
    s.grant("c1")
    s.release("c1")
    s.add(REVOKED, consent="c1")


def after_a_revoke(s: Story) -> int:
    revoked(s)
    return s.release("c1")


def a_replay_after_a_revoke(s: Story) -> int:
    revoked(s)
    return s.add(REPLAY, consent="c1", refers_to=1)


def while_paused(s: Story) -> int:
    s.grant("c1")
    s.add(PAUSED, consent="c1")
    return s.release("c1")


def revoked_while_paused_and_resumed(s: Story) -> None:
    s.grant("c1")
    s.add(PAUSED, consent="c1")
    s.add(RESUMED, consent="c1")
    s.release("c1")


def another_consents_revoke(s: Story) -> None:
    s.grant("c1")
    s.grant("c2")
    s.add(REVOKED, consent="c2")
    s.release("c1")


def while_frozen(s: Story) -> int:
    s.grant("c1")
    s.add(FROZEN)
    return s.release("c1")


def a_replay_while_frozen(s: Story) -> int:
    s.grant("c1")
    first = s.release("c1")
    s.add(FROZEN)
    return s.add(REPLAY, consent="c1", refers_to=first)


def frozen_for_two_partners_at_once(s: Story) -> int:
    s.grant("c1")
    s.add(FROZEN, partner="acme")
    s.add(FROZEN, partner="basin")
    return s.release("c1")


def unfrozen(s: Story) -> None:
    s.grant("c1")
    s.add(FROZEN)
    s.add(UNFROZEN)
    s.release("c1")


def frozen_again(s: Story) -> int:
    unfrozen(s)
    s.add(FROZEN)
    return s.release("c1")


def another_person_frozen(s: Story) -> None:
    s.grant("c1")
    s.add(FROZEN, person="eve")
    s.release("c1")


def a_review_from_before(s: Story) -> None:
    s.grant("c1", purpose=REVIEW)
    s.add(FROZEN)
    s.release("c1", purpose=REVIEW)


def a_review_from_after(s: Story) -> int:
    s.add(FROZEN)
    s.grant("c1", purpose=REVIEW)
    return s.release("c1", purpose=REVIEW)


def lifted_for_this_one(s: Story) -> None:
    s.add(FROZEN)
    s.grant("c1", reason=LIFTED)
    s.release("c1")


def lifted_for_another(s: Story) -> int:
    s.grant("c1")
    s.add(FROZEN)
    s.grant("c2", reason=LIFTED, partner="basin")
    return s.release("c1")


def lifted_from_an_earlier_freeze(s: Story) -> int:
    lifted_for_this_one(s)
    s.add(UNFROZEN)
    s.add(FROZEN)
    return s.release("c1")


def granted_while_frozen_without_a_lift(s: Story) -> int:
    s.add(FROZEN)
    s.grant("c1", reason="CONSUMER_DECISION")
    return s.release("c1")


def called_lifted_where_nothing_was_frozen(s: Story) -> int:
    s.grant("c1", reason=LIFTED)
    s.add(FROZEN)
    return s.release("c1")


def a_refusal_while_frozen(s: Story) -> None:
    s.grant("c1")
    s.add(FROZEN)
    s.add(leaf_pb2.LEAF_KIND_REFUSAL, consent="c1", decision=3, reason="SUBJECT_FROZEN")


def their_own_look_while_frozen(s: Story) -> None:
    s.add(FROZEN)
    s.add(leaf_pb2.LEAF_KIND_SELF_INQUIRY, partner="", decision=1)


@pytest.mark.parametrize(
    "tell",
    [
        revoked,
        revoked_while_paused_and_resumed,
        another_consents_revoke,
        unfrozen,
        another_person_frozen,
        a_review_from_before,
        lifted_for_this_one,
        a_refusal_while_frozen,
        their_own_look_while_frozen,
    ],
)
def test_what_was_kept_holds(story: Story, tell: Callable[[Story], None]) -> None:
    tell(story)
    assert story.told()["code"] == OK


@pytest.mark.parametrize(
    ("tell", "words"),
    [
        (after_a_revoke, "under a consent that entry 2 had stopped"),
        (a_replay_after_a_revoke, "under a consent that entry 2 had stopped"),
        (while_paused, "under a consent that entry 1 had stopped"),
        (while_frozen, "whose file entry 1 had frozen"),
        (a_replay_while_frozen, "whose file entry 2 had frozen"),
        (frozen_for_two_partners_at_once, "whose file entry 1 had frozen"),
        (frozen_again, "whose file entry 4 had frozen"),
        (a_review_from_after, "whose file entry 0 had frozen"),
        (lifted_for_another, "whose file entry 1 had frozen"),
        (lifted_from_an_earlier_freeze, "whose file entry 4 had frozen"),
        (granted_while_frozen_without_a_lift, "whose file entry 0 had frozen"),
        (called_lifted_where_nothing_was_frozen, "whose file entry 1 had frozen"),
    ],
)
def test_what_was_broken_is_found_at_its_entry(
    story: Story, tell: Callable[[Story], int], words: str
) -> None:
    index = tell(story)
    found = story.told()
    assert (found["code"], found["index"]) == (INVALID, index)
    assert words in found["message"]
    for private in ("ada", "c1"):
        assert private not in found["message"]


def test_a_broken_promise_is_no_business_of_whoever_lacks_the_private_parts(story: Story) -> None:
    # The control arm: the leaves alone don't say whom they are about.
    after_a_revoke(story)
    folder = story.log.pull(story.place / "log")
    assert CliRunner().invoke(app, ["log", "verify", str(folder)]).exit_code == OK


# --- what was erased


def redact(story: Story, *indexes: int, gaps: list[int] | None = None, count: int | None = None) -> int:
    """An entry that says so, with its list; the lines of the entries are gone."""
    index = len(story.log.leaves)
    if gaps is None:
        gaps = [at - (indexes[place - 1] if place else 0) for place, at in enumerate(indexes)]
    part = leaf_pb2.PrivatePart(redacted=gaps).SerializeToString()
    blind = sha256(b"blind %d" % index).digest()
    kind, count = leaf_pb2.LEAF_KIND_REDACTED, len(gaps) if count is None else count
    story.log.add("", kind=kind, commitment=leaf.commit(part, blind), count=count)
    story.lines = [line for line in story.lines if line["index"] not in indexes]
    story.lines.append({"index": index, "part": spell(part), "blind": spell(blind)})
    return index


def test_what_was_redacted_needs_no_part_and_is_counted(told: Story) -> None:
    redact(told, 1, 4, 5)
    redact(told, 8)
    found = told.told()
    assert (found["code"], found["opened"], found["erased"]) == (OK, 6, 4)
    shown = " ".join(told.verify().stdout.split())
    assert "4; later entries say that their private parts were" in shown


def test_a_part_that_is_missing_beside_redacted_ones_is_still_missed(told: Story) -> None:
    redact(told, 1, 4, 5)
    found = told.told([line for line in told.lines if line["index"] != 6])
    assert (found["code"], found["index"]) == (INCOMPLETE, 6)
    assert "was not redacted" in found["message"]


def test_a_redactions_own_part_can_not_be_withheld(told: Story) -> None:
    index = redact(told, 1)
    found = told.told(told.lines[:-1])
    assert (found["code"], found["index"]) == (INCOMPLETE, index)


@pytest.mark.parametrize(
    ("gaps", "count", "code", "words"),
    [
        ([1], 2, INVALID, "redacts 2 entries, and lists 1"),
        ([1, 0], 2, INVALID, "or one twice"),
        ([9], 1, INVALID, "no earlier entry"),
        ([2**63], 1, INVALID, "no earlier entry"),
        ([2], 1, DIVERGED, "redacts entry 2"),  # which is about nobody
        ([1, 2], 2, DIVERGED, "redacts entry 3"),  # whose part is there
    ],
    ids=["another count", "twice", "itself", "far beyond", "nobody's", "kept all the same"],
)
def test_a_redaction_lists_earlier_entries_whose_parts_are_gone(
    told: Story, gaps: list[int], count: int, code: int, words: str
) -> None:
    told.lines = [line for line in told.lines if line["index"] != 1]
    index = redact(told, gaps=gaps, count=count)
    found = told.told()
    assert (found["code"], found["index"]) == (code, index)
    assert words in found["message"]


def test_the_same_entry_is_redacted_once(told: Story) -> None:
    redact(told, 1)
    again = redact(told, 1)
    found = told.told()
    assert (found["code"], found["index"]) == (DIVERGED, again)


def test_only_a_redaction_lists_entries(story: Story) -> None:
    part = leaf_pb2.PrivatePart(subject="ada", redacted=[0]).SerializeToString()
    story.log.add("acme", kind=GRANTED, commitment=leaf.commit(part, bytes(32)))
    found = story.told([{"index": 0, "part": spell(part), "blind": spell(bytes(32))}])
    assert (found["code"], found["index"]) == (INVALID, 0)


def test_a_consent_whose_yes_was_redacted_is_not_held_against_a_freeze(story: Story) -> None:
    """Its entry may have been before the freeze, or have lifted it: retention ended, nobody can say."""
    granted = story.grant("c1", purpose=REVIEW)
    story.add(FROZEN)
    story.release("c1", purpose=REVIEW)
    redact(story, granted)
    assert story.told()["code"] == OK


def test_a_consent_whose_yes_is_there_is_held_against_a_freeze_beside_redacted_ones(story: Story) -> None:
    other = story.grant("c2", person="eve")
    story.grant("c1")
    story.add(FROZEN)
    wrong = story.release("c1")
    redact(story, other)
    found = story.told()
    assert (found["code"], found["index"]) == (INVALID, wrong)
