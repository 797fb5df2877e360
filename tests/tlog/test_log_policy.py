"""Policies after C2SP tlog-policy: every rule by its section, and the policies of others."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid
from scoregate.tlog.cosignature import cosign
from scoregate.tlog.faults import LogIncomplete
from scoregate.tlog.note import Note, NoteInvalid, NoteSignature, VerifierKey, sign
from scoregate.tlog.policy import (
    MAX_POLICY_BYTES,
    Group,
    LogKey,
    Policy,
    PolicyInvalid,
    QuorumMissing,
    Witness,
)
from tests.tlog.vectors import as_witness, load, log_key, private, private_of, witness_key

FORMATS, WITNESS, DISTRIBUTOR = (load(f"{each}.json") for each in ("formats", "witness", "distributor"))
ORIGIN, AT = "scoregate.example/log/2026h2", 1_795_400_000
LOG = log_key(ORIGIN, 1)
WITNESSES = {name: witness_key(f"{name}.example", number) for number, name in enumerate("ABCDEF", 10)}
TEXT = Checkpoint(ORIGIN, 300, bytes(32)).text()
HEAD = f"log {LOG}\n" + "".join(f"witness {name} {key}\n" for name, key in WITNESSES.items())


LINES = (
    "`log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k> <name>...` or"
    " `quorum <name>` belongs here; a comment has a line of its own"
)


def policy(rules: str, head: str = HEAD) -> Policy:
    return Policy.parse(f"{head}{rules}".encode())


def refused(data: str | bytes, match: str, line: int | None) -> None:
    with pytest.raises(PolicyInvalid, match=match) as caught:
        Policy.parse(data.encode() if isinstance(data, str) else data)
    assert caught.value.line == line
    assert str(caught.value).startswith("policy line ") is (line is not None)


def cosigned(*names: str, text: str = TEXT, log: VerifierKey = LOG) -> bytes:
    """The checkpoint, signed by the log and by these witnesses, at seconds that tell them apart."""
    numbers = {name: number for number, name in enumerate(WITNESSES, 10)}
    lines = [cosign(text, f"{name}.example", private(numbers[name]), at=AT + numbers[name]) for name in names]
    return Note(text, (sign(text, log.name, private(1)), *lines)).encode()


# Policies of others. All their witnesses' keys are of type 0x01, which they turn into 0x04 themselves.


def with_types(text: str) -> str:
    """The same policy with its witnesses' keys as the specification has them."""
    return re.sub(r"\S+\+[0-9a-f]{8}\+\S+", lambda found: str(as_witness(found[0])), text)


FORMATS_DIFFER = {
    "tidy": None,
    "whitespace and comments": ("a comment has a line of its own", 4),
    "group numerical": ("public key that was given before", 4),
    "group all": ("public key that was given before", 4),
    "group any": ("public key that was given before", 4),
}


@pytest.mark.parametrize("case", FORMATS["policies"]["accepted"], ids=lambda case: case["name"])
def test_a_policy_that_formats_accepts_is_read_where_it_keeps_the_specification(case: dict[str, Any]) -> None:
    first = (
        case["policy"]
        .split("\n")
        .index(next(line for line in case["policy"].split("\n") if "witness" in line))
    )
    differs = FORMATS_DIFFER[case["name"]]
    comment = differs is not None and "comment" in differs[0]
    refused(
        case["policy"], differs[0] if comment and differs else "no witness's vkey, of type 0x04", first + 1
    )
    text = with_types(case["policy"])
    if differs:
        refused(text, *differs)
        if comment:  # "comment lines (lines starting with "#", possibly preceded by whitespace)"
            text = re.sub(r"(\S[ \t]*)#comment", r"\1", text)
        else:  # "multiple witness lines with the same public key, are not allowed"
            text = "".join(
                line for line in text.splitlines(keepends=True) if not line.startswith("witness w3")
            )
            text = text.replace(" w3", "")
    found = Policy.parse(text.encode())
    [group] = found.groups.values()
    expected = len(group.members) if "all" in text else case["threshold"]
    assert (found.quorum, group.name, group.threshold) == ("g1", "g1", expected)
    assert found.witnesses["w1"].url == "https://sigsum.org/witness/"


FORMATS_REFUSES = {
    "policy file must define a quorum": ("its newline is missing", "the policy has no quorum", None),
    'quorum component "unknown" not found': ("its newline is missing", "defines unknown", 1),
    "duplicate component name": ("its newline is missing", "the name w1 is taken", 2),
    "invalid threshold": ("its newline is missing", "a number in the digits", 4),
    "invalid witness name": ("its newline is missing", "the policy has no quorum", None),
    "invalid group name": ("its newline is missing", "the name none is taken", 1),
}


@pytest.mark.parametrize("case", FORMATS["policies"]["refused"], ids=lambda case: case["theirs"])
def test_every_policy_that_formats_refuses_is_refused(case: dict[str, str]) -> None:
    broken_off, match, line = FORMATS_REFUSES[case["theirs"]]
    refused(case["policy"], broken_off, case["policy"].count("\n") + 1)
    text = with_types(case["policy"]) + "\n"
    if case["theirs"] == "invalid threshold":  # the third witness is not the point
        lines = text.split("\n")
        lines[2] = ""
        text = "\n".join(lines)
    refused(text, match, line)


@pytest.mark.parametrize("case", FORMATS["quorums"]["cases"], ids=lambda case: case["name"])
def test_formats_and_we_find_the_same_quorums(case: dict[str, Any]) -> None:
    keys = FORMATS["quorums"]["keys"]
    names = [f"wit{number}" for number in (1, 2, 3)]
    rules = "".join(f"witness {name} {as_witness(keys[f'{name}vkey'])}\n" for name in names)
    expression, groups = case["group"], 0
    while found := re.search(r"\((\d), ([^()]+)\)", expression):  # the innermost first
        groups += 1
        rules += f"group g{groups} {found[1]} {found[2].replace(',', ' ')}\n"
        expression = expression.replace(found[0], f"g{groups}", 1)
    rules += f"quorum {expression}\n"
    if "(0," in case["group"]:  # "it is required that 1 <= k <= n"; `quorum none` is how nobody is asked for
        with pytest.raises(PolicyInvalid, match="0 of 1 members"):
            policy(rules, head=f"log {LOG}\n")
        rules = rules[: rules.index("group")] + "quorum none\n"
    judging = policy(rules, head=f"log {LOG}\n")
    lines = [
        cosign(TEXT, keys[f"{name}vkey"].split("+")[0], private_of(keys[f"{name}skey"]), at=AT)
        for name in case["signers"]
    ]
    data = Note(TEXT, (sign(TEXT, ORIGIN, private(1)), *lines)).encode()
    if case["satisfied"]:
        assert set(judging.judge(data).cosigned) == set(case["signers"])
    else:
        with pytest.raises(QuorumMissing):
            judging.judge(data)


def test_armored_witnesses_make_the_quorum_of_a_log_whose_origin_is_not_its_key_s_name() -> None:
    # "This name MUST correspond to the log's origin line", and this log's does not.
    case = DISTRIBUTOR["firmware"]
    keys = [as_witness(DISTRIBUTOR["witness_vkeys"][name]) for name in case["cosigned"]]
    with pytest.raises(CheckpointInvalid, match="origin"):
        Policy.of([VerifierKey.parse(case["vkey"]), *keys]).judge(case["note"].encode())


def test_the_witness_s_log_is_judged_by_its_vkey_alone() -> None:
    key = VerifierKey.parse(WITNESS["monkeys"]["vkey"])
    for note, size in zip(WITNESS["monkeys"]["notes"], WITNESS["monkeys"]["sizes"], strict=True):
        judged = Policy.of([key]).judge(note.encode())
        assert (judged.log, judged.checkpoint.size, judged.cosigned) == (key, size, {})


# The file (Policy file syntax and structure).


def test_the_specification_s_example_asks_for_two_of_x_and_one_of_y() -> None:
    example = (
        "log {log}\n\nwitness X1 {0}\nwitness X2 {1}\nwitness X3 {2}\ngroup X-witnesses 2 X1 X2 X3\n\n"
        "witness Y1 {3}\nwitness Y2 {4}\nwitness Y3 {5}\ngroup Y-witnesses any Y1 Y2 Y3\n\n"
        "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    ).format(*WITNESSES.values(), log=LOG)
    found = Policy.parse(example.encode())
    assert found.logs == (LogKey(LOG, None),)
    assert found.groups["X-witnesses"] == Group("X-witnesses", 2, ("X1", "X2", "X3"))
    assert found.groups["Y-witnesses"].threshold == 1
    assert found.groups["X-and-Y"].threshold == 2
    assert set(found.judge(cosigned("A", "C", "F")).cosigned) == {"X1", "X3", "Y3"}
    with pytest.raises(QuorumMissing, match="cosigned by X1, X2, X3, not by Y1, Y2, Y3"):
        found.judge(cosigned("A", "B", "C"))
    with pytest.raises(QuorumMissing, match="not by X2, X3, Y2, Y3"):
        found.judge(cosigned("A", "D"))


def test_everything_that_a_line_can_say_is_kept() -> None:
    found = Policy.parse(f"log {LOG} https://log\nwitness A {WITNESSES['A']} https://a\nquorum A\n".encode())
    assert found.logs == (LogKey(LOG, "https://log"),)
    assert found.witnesses == {"A": Witness("A", WITNESSES["A"], "https://a")}
    assert (found.groups, found.quorum) == ({}, "A")


def test_blanks_and_comments_say_nothing() -> None:
    # "sequences of ASCII space and tab characters *only*"; "possibly preceded by whitespace"
    text = f"\n \t \n# x\n\t #quorum none\n  log\t \t{LOG} \t\nwitness A {WITNESSES['A']}\t\n\tquorum A \n#\n"
    assert Policy.parse(text.encode()) == policy("quorum A\n", f"log {LOG}\nwitness A {WITNESSES['A']}\n")


@pytest.mark.parametrize(
    ("data", "match", "line"),
    [
        ("", "^the policy has no quorum; `quorum none` asks for no witness$", None),
        ("# nothing\n", "the policy has no quorum", None),
        (HEAD, "the policy has no quorum", None),
        ("quorum none", "^policy line 1: its newline is missing$", 1),
        ("\n\nquorum none\n ", "its newline is missing", 4),
        ("quorum none\nquorum none\n", "^policy line 2: a second quorum; a policy has one$", 2),
        ("quorum\n", f"^policy line 1: {re.escape(LINES)}$", 1),
        ("quorum none none\n", "belongs here", 1),
        ("quorum none # comment\n", "belongs here", 1),
        ("Quorum none\n", "belongs here", 1),
        ("logs x\n", "belongs here", 1),
        ("log\n", "belongs here", 1),
        (f"log {LOG} https://a https://b\n", "belongs here", 1),
        (f"log {LOG} # comment\n", "belongs here", 1),
        ("log nonsense\n", "vkey: name.id.key belongs here", 1),
        (f"log {WITNESSES['A']}\n", "is a witness's vkey, of type 0x04; a log's is of type 0x01", 1),
        (f"log {LOG}\nlog {LOG} https://log\n", "public key that was given before", 2),
        (f"log {LOG}\nlog {log_key('another.example', 1)}\n", "the log another.example has a public key", 2),
        ("witness A\n", "belongs here", 1),
        (f"witness {WITNESSES['A']}\n", "belongs here", 1),
        (f"witness A {WITNESSES['A']} https://a https://b\n", "belongs here", 1),
        (f"witness A {LOG}\n", "no witness's vkey, of type 0x04", 1),
        (f"witness none {WITNESSES['A']}\n", "the name none is taken", 1),
        (f"{HEAD}witness A {witness_key('new.example', 9)}\n", "the name A is taken", 8),
        (f"{HEAD}witness G {witness_key('new.example', 10)}\n", "the witness G has a public key", 8),
        (f"{HEAD}group A all B\n", "the name A is taken", 8),
        (f"{HEAD}group none all B\n", "the name none is taken", 8),
        (f"{HEAD}group g all A\ngroup g all B\n", "the name g is taken", 9),
        (f"{HEAD}group g all A\nwitness g {witness_key('new.example', 9)}\n", "the name g is taken", 9),
        (f"{HEAD}group g all\n", "belongs here", 8),
        (f"{HEAD}group g 1\n", "belongs here", 8),
        (f"{HEAD}group g\n", "belongs here", 8),
        (f"{HEAD}group g all none\n", "no line before this one defines none", 8),
        (f"{HEAD}group g all g\n", "no line before this one defines g", 8),
        (f"{HEAD}group g all h\ngroup h all A\n", "no line before this one defines h", 8),
        (f"{HEAD}group g all A A\n", "A is a member already", 8),
        (f"{HEAD}group g all A\ngroup h all A B\n", "A is a member already", 9),
        (f"{HEAD}group g all A\ngroup h all g\ngroup i all g\n", "g is a member already", 10),
        (f"{HEAD}group g 0 A B\n", "0 of 2 members", 8),
        (f"{HEAD}group g 3 A B\n", "3 of 2 members", 8),
        (f"{HEAD}group g 01 A B\n", "no leading zeros", 8),
        (f"{HEAD}group g +1 A B\n", "a number in the digits", 8),
        (f"{HEAD}group g two A B\n", "a number in the digits", 8),
        (f"{HEAD}group g ALL A B\n", "a number in the digits", 8),
        ("quorum A\n" + HEAD, "no line before this one defines A", 1),
        (f"{HEAD}quorum Z\n", "no line before this one defines Z", 8),
        ("quorum none\r\n", "byte 0x0d is a control character", 1),
        ("\nquorum\x0bnone\n", "byte 0x0b is a control character", 2),
        ("# \x00\nquorum none\n", "byte 0x00 is a control character", 1),
        ("# \x7f\nquorum none\n", "byte 0x7f is a control character", 1),
    ],
)
def test_a_policy_is_refused_at_its_line(data: str, match: str, line: int | None) -> None:
    refused(data, match, line)


def test_only_the_specification_s_bytes_are_read() -> None:
    # "the allowed octet values are 0x09 (tab), 0x0A (newline), 0x20-0x7E, and 0x80-0xFF"
    for octet in range(256):
        data = b"#" + bytes((octet,)) + b"#\nquorum none\n"
        if octet in (0x09, 0x0A, *range(0x20, 0x7F), *range(0x80, 0x100)):
            assert Policy.parse(data).quorum is None
        else:
            refused(data, f"byte 0x{octet:02x}", 1)


def test_names_are_bytes_and_no_two_spellings_are_one() -> None:
    # 'the name 0x4B (ASCII "K") is different from the name 0xE2 0x84 0xAA (a Kelvin sign …)'
    names = [
        b"K",
        b"\xe2\x84\xaa",
        b"k",
        b"\xff",
        b"\xfe",
        b"\xc3\xa9",
        b"e\xcc\x81",
        b"\xc2\xa0",
        b"#K",
        b"all",
    ]
    lines = [
        b"witness " + name + b" " + str(witness_key("w.example", number)).encode()
        for number, name in enumerate(names, 20)
    ]
    lines[8] = (
        b" ".join(reversed(lines[8].split(b" ")[1:])) + b" #K"
    )  # a name may begin with #; a line may not
    lines[8] = b"witness #K " + str(witness_key("w.example", 28)).encode()
    found = Policy.parse(b"\n".join((*lines, b"group g all " + b" ".join(names), b"quorum g", b"")))
    assert [name.encode(errors="surrogateescape") for name in found.witnesses] == names
    assert [name.encode(errors="surrogateescape") for name in found.groups["g"].members] == names
    with pytest.raises(PolicyInvalid) as caught:
        Policy.parse(b"quorum \xff\x1b\n".replace(b"\x1b", b"\xc2\x9b"))
    assert str(caught.value).isprintable()


def test_what_all_and_any_and_a_number_ask_for() -> None:
    for threshold, least in (("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)):
        found = policy(f"group g {threshold} A B C\nquorum g\n")
        assert found.groups["g"].threshold == least
        for names in ("", "A", "AB", "ABC", "DEF"):
            if len(set(names) & set("ABC")) >= least:
                assert list(found.judge(cosigned(*names)).cosigned) == list(names)
            else:
                with pytest.raises(QuorumMissing):
                    found.judge(cosigned(*names))


def test_32_of_each_are_read_and_a_policy_of_262145_bytes_is_not() -> None:
    # "supports at least up to 32 logs, 32 witnesses, and 32 groups"
    lines = [
        f"log {log_key(f'log{each}.example', 100 + each)} https://log{each}.example" for each in range(32)
    ]
    lines += [f"witness w{each} {witness_key('w.example', 200 + each)} https://w{each}" for each in range(32)]
    lines += [f"group g{each} any {f'g{each - 1} ' if each else ''}w{each}" for each in range(32)]
    text = "\n".join((*lines, "quorum g31", ""))
    found = Policy.parse(text.encode())
    assert (len(found.logs), len(found.witnesses), len(found.groups)) == (32, 32, 32)
    padded = text + "#" * (MAX_POLICY_BYTES - len(text) - 1) + "\n"
    assert Policy.parse(padded.encode()) == found
    refused(f"\n{padded}", "at most 262,144 bytes, not 262,145", None)


@given(st.text(alphabet="logwitnesquruABg #\t\n+1", max_size=80), st.booleans())
def test_arbitrary_lines_are_refused_or_are_a_policy(text: str, behind: bool) -> None:
    data = (HEAD if behind else "") + text
    try:
        found = Policy.parse(data.encode())
    except PolicyInvalid as error:
        assert error.line is None or 1 <= error.line <= data.count("\n") + 1  # noqa: PT017
        return
    assert found.quorum is None or found.quorum in {*found.witnesses, *found.groups}


@given(st.data())
def test_a_quorum_is_met_exactly_when_counting_says_so(data: st.DataObject) -> None:
    """Groups over groups, against counting from the top down as the specification words it."""
    free, rules, groups = list(WITNESSES), "", {}
    for number in range(data.draw(st.integers(0, 4))):
        members = data.draw(st.lists(st.sampled_from(free), min_size=1, unique=True)) if free else []
        if not members:
            break
        least = data.draw(st.integers(1, len(members)))
        groups[f"g{number}"] = (least, members)
        rules += f"group g{number} {least} {' '.join(members)}\n"
        free = [name for name in free if name not in members] + [f"g{number}"]
    quorum = data.draw(st.sampled_from([*WITNESSES, *groups]))
    have = data.draw(st.sets(st.sampled_from(list(WITNESSES))))

    def witnessed(name: str) -> bool:
        if name not in groups:
            return name in have
        least, members = groups[name]
        return sum(map(witnessed, members)) >= least

    def counted(name: str) -> set[str]:
        return set().union(*map(counted, groups[name][1])) if name in groups else {name}

    judging = policy(f"{rules}quorum {quorum}\n")
    if witnessed(quorum):
        assert set(judging.judge(cosigned(*have)).cosigned) == have
    else:
        with pytest.raises(QuorumMissing) as caught:
            judging.judge(cosigned(*have))
        assert set(caught.value.missing) == counted(quorum) - have


# Judging.


def test_what_was_judged_is_told() -> None:
    judged = policy("quorum B\n").judge(cosigned("A", "B"))
    assert judged.checkpoint == Checkpoint(ORIGIN, 300, bytes(32))
    assert judged.note.encode() == cosigned("A", "B")
    assert judged.log == LOG
    assert judged.cosigned == {"A": AT + 10, "B": AT + 11}


def test_a_missing_witness_is_named_and_one_that_does_not_count_is_not() -> None:
    with pytest.raises(QuorumMissing, match=r"cosigned by A, not by B\. Get a later checkpoint") as caught:
        policy("quorum B\n").judge(cosigned("A"))
    assert caught.value.missing == ("B",)
    assert isinstance(caught.value, LogIncomplete)
    with pytest.raises(QuorumMissing, match="cosigned by nobody, not by A, C"):
        policy("group g all A C\nquorum g\n").judge(cosigned())


def test_no_quorum_needs_no_witness_and_still_dates_those_that_there_are() -> None:
    assert policy("quorum none\n").judge(cosigned()).cosigned == {}
    assert policy("quorum none\n").judge(cosigned("F")).cosigned == {"F": AT + 15}


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"no note", NoteInvalid, "last newline"),
        (cosigned(log=log_key("another.example", 1)), CheckpointInvalid, "no log that is believed signed"),
        (cosigned(text="no checkpoint\n").replace(b"no c", b"on c"), NoteInvalid, "does not hold"),
        (Note("no\n", (sign("no\n", ORIGIN, private(1)),)).encode(), CheckpointInvalid, "a line each"),
        (cosigned("A").replace(b"300", b"301"), NoteInvalid, "does not hold"),
        (
            cosigned(text=TEXT.replace("2026h2", "2027h1")),
            CheckpointInvalid,
            "2027h1', where the signature is of",
        ),
    ],
)
def test_what_no_listed_log_signed_as_its_own_is_refused(
    data: bytes, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        policy("quorum none\n").judge(data)


def test_a_forged_cosignature_spoils_the_checkpoint_though_the_quorum_has_no_need_of_it() -> None:
    good = Note.decode(cosigned("A", "B"))
    *lines, last = good.signatures
    forged = NoteSignature(last.name, last.key_id, last.signature[:-1] + bytes((last.signature[-1] ^ 1,)))
    data = Note(TEXT, (*lines, forged)).encode()
    with pytest.raises(NoteInvalid, match=r"B.example\+[0-9a-f]{8} does not hold"):
        policy("quorum A\n").judge(data)
    # To a policy without this witness it is an unknown key's line: passed over, as it has to be.
    head = f"log {LOG}\nwitness A {WITNESSES['A']}\n"
    assert set(policy("quorum A\n", head).judge(data).cosigned) == {"A"}


def test_a_policy_without_a_log_judges_nothing() -> None:
    with pytest.raises(CheckpointInvalid, match="believed: no log at all"):
        Policy.parse(b"quorum none\n").judge(cosigned())


def test_the_logs_that_would_be_believed_are_told() -> None:
    judging = Policy.parse(f"log {log_key('a', 8)}\nlog {log_key('b', 9)}\nquorum none\n".encode())
    with pytest.raises(CheckpointInvalid) as caught:
        judging.judge(cosigned())
    assert str(caught.value) == (
        f"no log that is believed signed this checkpoint; believed: {log_key('a', 8)}, {log_key('b', 9)}"
    )


def test_any_of_the_listed_logs_will_do_and_it_is_told_which() -> None:
    old, new = log_key(ORIGIN, 8), LOG  # a key that the log turned
    other = log_key("another.example", 9)
    judging = Policy.parse(f"log {other}\nlog {old}\nlog {new}\nquorum none\n".encode())
    assert judging.judge(cosigned()).log == new
    text = Checkpoint("another.example", 1, bytes(32)).text()
    assert judging.judge(Note(text, (sign(text, "another.example", private(9)),)).encode()).log == other


def test_a_second_listed_log_s_signature_does_not_hide_whose_the_checkpoint_is() -> None:
    other = log_key("another.example", 9)
    judging = Policy.parse(f"log {other}\nlog {LOG}\nquorum none\n".encode())
    both = Note(TEXT, (sign(TEXT, "another.example", private(9)), sign(TEXT, ORIGIN, private(1)))).encode()
    assert judging.judge(both).log == LOG
    alone = Note(TEXT, (sign(TEXT, "another.example", private(9)),)).encode()
    with pytest.raises(CheckpointInvalid, match=r"the signature is of the log another\.example"):
        judging.judge(alone)


def test_a_log_that_signs_as_its_own_witness_too_is_believed_as_often_as_it_has_keys() -> None:
    # Duplicates are counted among logs and among witnesses, and a policy's author may list a key as both.
    text = f"log {LOG}\nwitness self {witness_key(ORIGIN, 1)}\nquorum self\n"
    line = cosign(TEXT, ORIGIN, private(1), at=AT)
    data = Note(TEXT, (sign(TEXT, ORIGIN, private(1)), line)).encode()
    assert Policy.parse(text.encode()).judge(data).cosigned == {"self": AT}


# From keys alone.


def test_a_log_s_key_alone_asks_for_no_witness() -> None:
    found = Policy.of([LOG])
    assert found == Policy.parse(f"log {LOG}\nquorum none\n".encode())
    assert found.judge(cosigned("A")).cosigned == {}


def test_every_witness_given_is_needed_under_its_key_s_name() -> None:
    found = Policy.of([WITNESSES["A"], LOG, WITNESSES["B"]])
    assert found.judge(cosigned("A", "B", "C")).cosigned == {"A.example": AT + 10, "B.example": AT + 11}
    with pytest.raises(QuorumMissing) as caught:
        found.judge(cosigned("B", "C"))
    assert caught.value.missing == ("A.example",)


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ([], "^vkeys: a log's is missing, of type 0x01; ask the log's operator for it$"),
        ([WITNESSES["A"]], "a log's is missing"),
        ([LOG, LOG], "public key that was given before"),
        ([LOG, WITNESSES["A"], WITNESSES["A"]], "the name A.example is taken"),
        ([LOG, WITNESSES["A"], witness_key("other", 10)], "the witness other has a public key"),
        ([LOG, witness_key("none", 10)], "the name none is taken"),
    ],
)
def test_keys_that_make_no_policy_are_refused(keys: list[VerifierKey], match: str) -> None:
    with pytest.raises(PolicyInvalid, match=match) as caught:
        Policy.of(keys)
    assert caught.value.line is None
