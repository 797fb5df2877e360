"""Checkpoints after C2SP tlog-checkpoint: every rule by its section, and the checkpoints of others."""

from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid, open_checkpoint
from scoregate.tlog.faults import LogDiverged, LogInvalid, LogRolledBack
from scoregate.tlog.note import KeyKind, Note, NoteInvalid, VerifierKey, sign
from tests.tlog.vectors import LINES, load, log_key, private, private_of

C2SP, GO, FORMATS, WITNESS = (load(f"{each}.json") for each in ("c2sp", "go", "formats", "witness"))
TORCHWOOD, DISTRIBUTOR = load("torchwood.json"), load("distributor.json")
ORIGIN, ROOT = "scoregate.example/log/2026h2", bytes(range(32))
SPELLED = b64encode(ROOT).decode()
GOOD = f"{ORIGIN}\n300\n{SPELLED}\n"

CHECKPOINTS = st.builds(
    Checkpoint,
    LINES,
    st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)),
    st.binary(min_size=32, max_size=32),
    st.lists(LINES, max_size=3).map(tuple),
)


def refused(text: str, match: str) -> None:
    with pytest.raises(CheckpointInvalid, match=match):
        Checkpoint.decode(text)


# Checkpoints of others.


@pytest.mark.parametrize(
    ("note", "origin", "size"),
    [
        pytest.param(C2SP["checkpoint"], "example.com/behind-the-sofa", 20852163, id="C2SP tlog-checkpoint"),
        pytest.param(
            C2SP["cosigned_checkpoint"], "example.com/behind-the-sofa", 20852163, id="C2SP tlog-cosignature"
        ),
        pytest.param(
            C2SP["add_checkpoint"]["checkpoint"],
            "example.com/behind-the-sofa",
            20852163,
            id="C2SP tlog-witness",
        ),
        *(
            pytest.param(
                each["sumdb"]["note"], "go.sum database tree", each["sumdb"]["size"], id=f"sumdb in {name}"
            )
            for name, each in (("formats", FORMATS), ("torchwood", TORCHWOOD), ("witness", WITNESS))
        ),
        pytest.param(
            WITNESS["firmware"]["note"],
            "transparency.dev/armored-witness/firmware_transparency/ci/2",
            56,
            id="witness: firmware",
        ),
        pytest.param(
            DISTRIBUTOR["firmware"]["note"],
            "transparency.dev/armored-witness/firmware_transparency/ci/3",
            59,
            id="distributor: firmware",
        ),
        pytest.param(
            DISTRIBUTOR["pixel"]["note"],
            "developers.google.com/android/binary_transparency/0",
            611,
            id="pixel",
        ),
    ],
)
def test_a_checkpoint_that_others_wrote_is_read_and_keeps_its_text(note: str, origin: str, size: int) -> None:
    text = Note.decode(note.encode()).text
    checkpoint = Checkpoint.decode(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.extensions) == (origin, size, ())
    assert checkpoint.text() == text


def test_go_s_tree_is_read_and_keeps_its_text() -> None:
    tree = GO["tree"]
    checkpoint = Checkpoint.decode(tree["text"])
    assert checkpoint == Checkpoint(
        "go.sum database tree", tree["size"], merkle.leaf_hash(tree["entry"].encode())
    )
    assert checkpoint.text() == tree["text"]
    for each in GO["trees_with_more"]["accepted"]:
        text = tree["text"] + each["line"] * each["times"]
        assert Checkpoint.decode(text).extensions == (each["line"].rstrip(),) * each["times"]
        assert Checkpoint.decode(text).text() == text


def test_go_s_bad_trees_are_refused() -> None:
    for bad, match in zip(
        GO["bad_trees"], ("in line 2: a number", "in line 3: canonical base64"), strict=True
    ):
        refused(bad, match)
    for each in GO["trees_with_more"]["refused"]:  # Go passes over what follows, whatever it is
        refused(GO["tree"]["text"] + each["more"], each["why"])
    for other in GO["trees_of_another_log"]:  # Go's own reader knows one origin; here the key has it
        data = Note(other, (sign(other, "go.sum", private(1)),)).encode()
        with pytest.raises(CheckpointInvalid, match="origin"):
            open_checkpoint(data, log_key("go.sum", 1))


# Where formats accepts and we do not, the specification says why.
FORMATS_DIFFER = {
    "valid one": "7 bytes instead of 32",
    "valid with different origin": "37 bytes instead of 32",
    "valid with trailing data": "37 bytes instead of 32",
    "valid with multiple trailing data lines": "37 bytes instead of 32",
    "valid with trailing newlines": "37 bytes instead of 32",
    "extended: moon log": "16 bytes instead of 32",
}
FORMATS_REFUSES = {
    "invalid - insufficient lines": "a line each",
    "invalid - empty header": "origin: exactly one line",
    "invalid - missing newline on roothash": "last newline is missing",
    "invalid size - not a number": "in line 2: a number in the digits",
    "invalid size - negative": "in line 2: a number in the digits",
    "invalid size - too large": r"in line 2: a number is at most 2\^63 - 1",
    "invalid roothash - not base64": "in line 3: canonical base64",
}


@pytest.mark.parametrize("case", FORMATS["checkpoints"]["refused"], ids=lambda case: case["name"])
def test_every_checkpoint_that_formats_refuses_is_refused(case: dict[str, str]) -> None:
    refused(case["text"], FORMATS_REFUSES[case["name"]])


@pytest.mark.parametrize("case", FORMATS["checkpoints"]["accepted"], ids=lambda case: case["name"])
def test_a_checkpoint_that_formats_accepts_is_read_once_its_root_is_one(case: dict[str, str]) -> None:
    # Their roots are words, and a root hash is one of SHA-256: "the root of the [RFC 6962] Merkle hash tree".
    refused(case["text"], FORMATS_DIFFER[case["name"]])
    origin, size, _, *more = case["text"].split("\n")
    text = "\n".join((origin, size, SPELLED, *more))
    if case["name"] == "valid with trailing newlines":
        refused(
            text, "extension in line 4: exactly one line"
        )  # "Extension lines, if any, MUST be non-empty."
        return
    checkpoint = Checkpoint.decode(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (origin, int(size), ROOT)
    assert checkpoint.extensions == tuple(more[:-1])
    assert checkpoint.text() == text


@pytest.mark.parametrize("case", FORMATS["opening"]["cases"], ids=lambda case: case["name"])
def test_formats_and_we_open_the_same_checkpoints(case: dict[str, Any]) -> None:
    # Their log's key is named Log and has no part in the origin; here its name is the origin.
    keys, origin = FORMATS["opening"]["keys"], "TestParseCheckpoint"
    text = f"{origin}\n42\n{SPELLED}\n" if case["checkpoint"] else "then I'll eat my hat\n"
    lines = [
        sign(text, origin if name == "log" else name, private_of(keys[f"{name}SK"]))
        for name in case["signers"]
    ]
    if not lines:
        with pytest.raises(NoteInvalid, match="not 0"):
            Note(text, ())
        return
    data = Note(text, tuple(lines)).encode()
    log = VerifierKey(
        case["origin"].replace(" ", "-"), KeyKind.ED25519, VerifierKey.parse(keys["logVK"]).public
    )
    if case["refused"]:
        with pytest.raises(CheckpointInvalid):
            open_checkpoint(data, log)
    else:
        assert open_checkpoint(data, log) == (Checkpoint(origin, 42, ROOT), Note.decode(data))


def test_the_witness_s_log_is_opened_and_its_consistency_proof_holds() -> None:
    monkeys = WITNESS["monkeys"]
    key = VerifierKey.parse(monkeys["vkey"])
    old, new = (open_checkpoint(each.encode(), key)[0] for each in monkeys["notes"])
    assert [old.size, new.size] == monkeys["sizes"]
    old.require_successor(new)
    merkle.verify_consistency(
        old.size, new.size, [*map(bytes.fromhex, monkeys["consistency"])], old.root, new.root
    )


def test_torchwood_s_requests_end_as_its_witness_answers_them() -> None:
    key = VerifierKey.parse(TORCHWOOD["vkey"])
    latest = Checkpoint(key.name, 0, merkle.empty_root())
    answers = []
    for each in TORCHWOOD["requests"]:
        try:
            found, _ = open_checkpoint(each["note"].encode(), key)
            if each["old"] != latest.size:
                answers.append(409)
                continue
            hashes = [b64decode(line) for line in each["hashes"]]
            if each["old"]:
                merkle.verify_consistency(each["old"], found.size, hashes, latest.root, found.root)
            latest.require_successor(found)
        except LogInvalid:
            answers.append(403)
        except merkle.ProofInvalid:
            answers.append(422)
        else:
            latest = found
            answers.append(200)
    assert answers == [each["answer"] for each in TORCHWOOD["requests"]]


# The form (Note text).


@given(CHECKPOINTS)
def test_every_checkpoint_comes_back_from_its_text(checkpoint: Checkpoint) -> None:
    text = checkpoint.text()
    assert Checkpoint.decode(text) == checkpoint
    assert Checkpoint.decode(text).text() == text


@given(CHECKPOINTS, st.data())
def test_a_changed_text_is_refused_or_says_exactly_something_else(
    checkpoint: Checkpoint, data: st.DataObject
) -> None:
    text = checkpoint.text()
    at = data.draw(st.integers(0, len(text)))
    changed = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        found = Checkpoint.decode(changed)
    except CheckpointInvalid:
        return
    assert found.text() == changed
    assert (found == checkpoint) is (changed == text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "a line each"),
        ("\n", "a line each"),
        (f"{ORIGIN}\n", "a line each"),
        (f"{ORIGIN}\n300\n", "a line each"),
        (GOOD[:-1], "^checkpoint: the last newline is missing: it broke off$"),
        (f"{GOOD}more", "last newline is missing"),
        (f"\n300\n{SPELLED}\n", "origin: exactly one line"),
        (f"\n{GOOD}", "in line 2"),
        (f"{ORIGIN}\n\n{SPELLED}\n", "in line 2: a number in the digits"),
        (f"{ORIGIN}\n300\n\n", "0 bytes instead of 32"),
        (f"{GOOD}\n", "extension in line 4: exactly one line"),
        (f"{GOOD}one\n\nthree\n", "extension in line 5: exactly one line"),
        (GOOD.replace("300", "0300"), "in line 2: a number has no leading zeros"),
        (GOOD.replace("300", "00"), "in line 2: a number has no leading zeros"),
        (GOOD.replace("300", "+300"), "in line 2: a number in the digits"),
        (GOOD.replace("300", "-1"), "in line 2: a number in the digits"),
        (GOOD.replace("300", " 300"), "in line 2: a number in the digits"),
        (GOOD.replace("300", "300 "), "in line 2: a number in the digits"),
        (GOOD.replace("300", "3_00"), "in line 2: a number in the digits"),
        (GOOD.replace("300", "3e2"), "in line 2: a number in the digits"),
        (GOOD.replace("300", "0x12c"), "in line 2: a number in the digits"),
        (GOOD.replace("300", "\u0663\u0660\u0660"), "in line 2: a number in the digits"),
        (GOOD.replace("300", "\u00b2"), "in line 2: a number in the digits"),
        (GOOD.replace("300", str(2**63)), r"in line 2: a number is at most 2\^63 - 1"),
        (GOOD.replace("300", "9" * 5000), r"in line 2: a number is at most 2\^63 - 1"),
        (f"{ORIGIN}\n300\n{b64encode(bytes(31)).decode()}\n", "31 bytes instead of 32"),
        (f"{ORIGIN}\n300\n{b64encode(bytes(33)).decode()}\n", "33 bytes instead of 32"),
        (GOOD.replace("Hh8=", "Hh9="), "in line 3: canonical base64"),
        (GOOD.replace("Hh8=", "Hh8"), "in line 3: canonical base64"),
        (GOOD.replace("Hh8=", "Hh8= "), "in line 3: canonical base64"),
        (GOOD.replace("Hh8=", "Hh8=="), "in line 3: canonical base64"),
        (GOOD.replace("\n", "\r\n"), "in line 2: a number in the digits"),
        (f"{GOOD}cr\r\n", r"extension in line 4: character 2 is U\+000D"),
        (f"a\tb\n300\n{SPELLED}\n", r"origin: character 1 is U\+0009"),
        (f"a\ud800b\n300\n{SPELLED}\n", r"origin: character 1 is U\+D800"),
    ],
)
def test_a_checkpoint_is_refused_by_the_line_that_is_wrong(text: str, match: str) -> None:
    refused(text, match)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 2**63 - 1])
def test_sizes_up_to_the_largest_are_read(size: int) -> None:
    assert Checkpoint.decode(GOOD.replace("300", str(size))).size == size


@pytest.mark.parametrize("size", [-1, 2**63])
def test_no_checkpoint_has_another_size(size: int) -> None:
    with pytest.raises(CheckpointInvalid, match=r"not within 0 to 2\^63 - 1"):
        Checkpoint(ORIGIN, size, ROOT)


@pytest.mark.parametrize(
    ("origin", "extensions", "match"),
    [
        ("", (), "origin: exactly one line"),
        ("a\n", (), "origin: exactly one line"),
        ("a\nb", (), "origin: exactly one line"),
        ("a", ("",), "extension in line 4"),
        ("a", ("b", "c\nd"), "extension in line 5"),
    ],
)
def test_what_would_be_another_number_of_lines_makes_no_checkpoint(
    origin: str, extensions: tuple[str, ...], match: str
) -> None:
    with pytest.raises(CheckpointInvalid, match=match):
        Checkpoint(origin, 1, ROOT, extensions)


def test_an_origin_may_be_any_line_of_text() -> None:
    # "clients MUST NOT assume that the origin is following this format"
    for origin in ("go.sum database tree", "a+b", " ", "\u00e9", "https://a.example/"):
        assert Checkpoint.decode(f"{origin}\n300\n{SPELLED}\n").origin == origin


# Signed, and by whom.


def signed(text: str, name: str = ORIGIN, number: int = 1) -> bytes:
    return Note(text, (sign(text, name, private(number)),)).encode()


def test_what_the_log_signed_is_opened() -> None:
    checkpoint, note = open_checkpoint(signed(GOOD), log_key(ORIGIN, 1))
    assert checkpoint == Checkpoint(ORIGIN, 300, ROOT)
    assert note.encode() == signed(GOOD)


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"no note", NoteInvalid, "last newline"),
        (signed(GOOD, number=2), CheckpointInvalid, f"not signed by {ORIGIN}\\+"),
        (signed(GOOD, "another.example"), CheckpointInvalid, "not signed by"),
        (signed(GOOD).replace(b"300", b"301"), NoteInvalid, "does not hold"),
        (signed("no checkpoint\n"), CheckpointInvalid, "a line each"),
        (signed(GOOD.replace("2026h2", "2027h1")), CheckpointInvalid, "2027h1', where the key is of the log"),
    ],
)
def test_what_the_log_did_not_sign_as_its_own_is_refused(
    data: bytes, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        open_checkpoint(data, log_key(ORIGIN, 1))


def test_nothing_is_said_about_a_text_before_its_signature_is_known() -> None:
    # "The text MUST be ignored unless the note is signed by a trusted key" (signed-note)
    with pytest.raises(CheckpointInvalid, match="is not signed by"):
        open_checkpoint(signed("no checkpoint\n", number=2), log_key(ORIGIN, 1))


# At a later time.


@pytest.mark.parametrize("later", [Checkpoint(ORIGIN, 300, ROOT), Checkpoint(ORIGIN, 301, bytes(32))])
def test_a_log_goes_on_or_stays_as_it_is(later: Checkpoint) -> None:
    Checkpoint(ORIGIN, 300, ROOT).require_successor(later)


def test_extensions_are_nobody_s_account_of_the_tree() -> None:
    Checkpoint(ORIGIN, 300, ROOT, ("a",)).require_successor(Checkpoint(ORIGIN, 300, ROOT, ("b",)))


@pytest.mark.parametrize(
    ("later", "error", "match"),
    [
        (Checkpoint("other", 301, ROOT), LogDiverged, "of the log other where scoregate.example"),
        (Checkpoint("other", 299, ROOT), LogDiverged, "of the log other"),
        (Checkpoint(ORIGIN, 299, ROOT), LogRolledBack, "had 300 entries and now has 299: it was rolled back"),
        (Checkpoint(ORIGIN, 300, bytes(32)), LogDiverged, "two roots for the same 300 entries"),
    ],
)
def test_another_log_a_smaller_one_and_a_second_root_are_told(
    later: Checkpoint, error: type[LogDiverged], match: str
) -> None:
    with pytest.raises(error, match=match) as caught:
        Checkpoint(ORIGIN, 300, ROOT).require_successor(later)
    assert type(caught.value) is error
    assert caught.value.index == (299 if error is LogRolledBack else None)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (signed("x\n"), "checkpoint: origin, size and root belong here, in a line each"),
        (
            signed(GOOD.replace(ORIGIN, "x" * 65)),
            f"checkpoint origin: {'x' * 64!r}, where the key is of the log {ORIGIN}",
        ),
    ],
)
def test_a_refusal_names_the_part_and_what_belongs_there(data: bytes, told: str) -> None:
    with pytest.raises(CheckpointInvalid) as caught:
        open_checkpoint(data, log_key(ORIGIN, 1))
    assert str(caught.value) == told
