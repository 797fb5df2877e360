"""The commands that go through the admin door: what they do, what programs read, how they are refused."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path

import pytest

from gateway import pki
from gateway.cli.partner import Role, role_of
from scoregate.admin.v1 import partner_admin_pb2 as pb
from scoregate.client import Client, Identity
from scoregate.errors import AuthenticationRefused, ConsentRefused
from scoregate.proof.jwk import VerificationKeys
from tests.cli.conftest import Desk, Terminal, command, environment, interrupted_in, terms, unchanged


def consented(desk: Desk, lender: Client, subject: str) -> str:
    """A consent that a person gave at the desk."""
    handle = lender.invite(terms()).handle
    allowed = desk.terminal.told("consent", "allow", handle, "--subject", subject)
    assert allowed["consent"]["state"] == "ACTIVE"
    assert allowed["consent"]["handle"] == handle
    consent_id: str = allowed["consent"]["consent_id"]
    return consent_id


def test_partner_request_makes_a_key_for_its_owner_alone(terminal: Terminal, tmp_path: Path) -> None:
    told = terminal.told("partner", "request", "acme", "--out", tmp_path / "acme")
    key = Path(told["key"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"BEGIN CERTIFICATE REQUEST" in Path(told["request"]).read_bytes()


def test_partner_request_overwrites_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.told("partner", "request", "acme", "--out", tmp_path / "acme")
    with unchanged(tmp_path):
        told = terminal.stopped("partner", "request", "acme", "--out", tmp_path / "acme", code=2)
    assert told["problems"][0]["field"] == "--out"


def test_a_partner_is_added_with_the_contract_that_was_named(desk: Desk) -> None:
    told = desk.terminal.told(
        *("partner", "add", "named", "--name", "Named [bold]Ltd", "--role", "PILOT", "--entity", "LEI-7"),
        *("--daily", "5", "--monthly", "50", "--zone", "Asia/Shanghai", "--rate", "7", "--burst", "8"),
        *("--threshold", "600", "--threshold", "650", "--not-scored", "charged"),
        *("--return-address", "https://a.example/x", "--return-address", "https://a.example/y"),
    )
    assert told["partner"] == {
        "partner_id": "named",
        "legal_name": "Named [bold]Ltd",
        "legal_entity": "LEI-7",
        "role": "PILOT",
        "suspended": False,
        "contract": {
            "time_zone": "Asia/Shanghai",
            "daily_units": 5,
            "monthly_units": 50,
            "calls_per_second": 7,
            "burst_calls": 8,
            "thresholds": [600, 650],
            "charge_not_scored": True,
            "return_addresses": ["https://a.example/x", "https://a.example/y"],
        },
    }
    assert desk.terminal.told("partner", "show", "named")["partner"] == told["partner"] | {"certificates": []}
    assert told["partner"] in desk.terminal.told("partner", "list")["partners"]
    for words in (("show", "named"), ("list",)):
        assert "Named [bold]Ltd" in desk.terminal.run("partner", *words).out  # no name is taken for markup


def test_thresholds_of_a_legal_entity_change_once_a_year(desk: Desk) -> None:
    add = ("partner", "add", "--name", "One Ltd", "--entity", "LEI-8", "--threshold")
    desk.terminal.told(*add, "600", "one-of-lei-8")
    told = desk.terminal.stopped(*add, "700", "two-of-lei-8", code=1)
    (problem,) = told["problems"]
    assert problem["field"] == "--threshold"
    assert "once a year at most" in problem["problem"]
    assert "until then they are 600" in problem["problem"]


def test_a_correction_is_told(desk: Desk) -> None:
    told = desk.terminal.told("consent", "reopen", "--subject", "uci-00009", "--reason", "dispute 7")
    assert told["cells"] == 0


def test_the_partner_list_goes_on_after_its_first_page(desk: Desk) -> None:
    made = {f"many-{number}" for number in range(101)}  # a page holds 100
    for partner_id in made:
        assert desk.terminal.run("partner", "add", partner_id, "--name", "One of many").code == 0
    ids = [each["partner_id"] for each in desk.terminal.told("partner", "list")["partners"]]
    assert made <= set(ids)
    assert len(set(ids)) == len(ids)


def test_the_roles_are_those_of_the_contract() -> None:
    assert {f"ROLE_{role}" for role in Role} | {"ROLE_UNSPECIFIED"} == set(pb.Role.keys())


def test_an_enrolled_partner_gets_an_answer(desk: Desk) -> None:
    with desk.lender("enrolled") as lender:
        answer = lender.score(consented(desk, lender, "uci-00002"), "CREDIT_APPLICATION")
    assert answer.score is not None
    (certificate,) = desk.terminal.told("partner", "show", "enrolled")["partner"]["certificates"]
    assert certificate["revoked_at"] is None
    assert certificate["fingerprint"] in desk.terminal.run("partner", "show", "enrolled").out


def test_enrolling_overwrites_nothing_and_then_signs_nothing(desk: Desk) -> None:
    folder = desk.enrolled("twice")
    with unchanged(folder):
        told = desk.terminal.stopped(
            *("partner", "enroll", "twice", "--csr", folder / "request.csr", "--out", folder), code=2
        )
    assert told["problems"][0]["field"] == "--out"
    assert len(desk.terminal.told("partner", "show", "twice")["partner"]["certificates"]) == 1


def test_a_key_that_was_taken_for_a_request_goes_nowhere(desk: Desk, tmp_path: Path) -> None:
    folder = desk.enrolled("careless")
    told = desk.terminal.stopped(
        *("partner", "enroll", "careless", "--csr", folder / "key.pem", "--out", tmp_path / "new"),
        *("--gateway", "127.0.0.1:1"),
        code=2,
    )
    assert "holds a private key" in told["problems"][0]["problem"]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("written", "field"), [(None, "--csr"), (b"\xff\xfe", "--csr"), (b"no PEM at all", "--csr")]
)
def test_a_request_that_is_none_is_refused_here(
    desk: Desk, tmp_path: Path, written: bytes | None, field: str
) -> None:
    csr = tmp_path / "request.csr"
    if written is not None:
        csr.write_bytes(written)
    told = desk.terminal.stopped("partner", "enroll", "acme", "--csr", csr, "--out", tmp_path / "out", code=2)
    assert told["problems"][0]["field"] == field


@pytest.mark.parametrize(("held", "left"), [("", ()), ("mine", ("mine",))])
def test_a_refused_enrolment_leaves_no_folder_behind(
    desk: Desk, tmp_path: Path, held: str, left: tuple[str, ...]
) -> None:
    desk.terminal.told("partner", "request", "nobody", "--out", tmp_path / "nobody")
    out = tmp_path / "new" / "folder"
    if held:
        (out.parent / held).mkdir(parents=True)
    told = desk.terminal.stopped(
        *("partner", "enroll", "nobody", "--csr", tmp_path / "nobody" / "request.csr", "--out", out)
    )
    assert told["reason"] == "NOT_FOUND"
    assert tuple(each.name for each in out.parent.glob("*")) == left
    assert out.parent.exists() == bool(held)


def test_a_suspended_partner_is_out_until_it_is_resumed(desk: Desk) -> None:
    with desk.lender("wayward") as lender:
        told = desk.terminal.told("partner", "suspend", "wayward", "--reason", "a test")
        assert told["partner"]["suspended"] is True
        with pytest.raises(AuthenticationRefused):
            lender.usage()
        desk.terminal.told("partner", "resume", "wayward", "--reason", "a test")
        assert lender.usage()


def test_a_revoked_certificate_is_refused_over_an_open_connection(desk: Desk) -> None:
    with desk.lender("robbed") as lender:
        lender.usage()
        (certificate,) = desk.terminal.told("partner", "show", "robbed")["partner"]["certificates"]
        told = desk.terminal.told("partner", "revoke", certificate["fingerprint"], "--reason", "a test")
        assert told["certificate"]["revoked_at"] is not None
        with pytest.raises(AuthenticationRefused):
            lender.usage()
    assert "revoked 2" in desk.terminal.run("partner", "show", "robbed").out


def test_a_quota_change_changes_only_what_is_named(desk: Desk) -> None:
    desk.enrolled(
        "frugal", "--daily", "5", "--monthly", "50", "--threshold", "600", "--zone", "Asia/Shanghai"
    )
    before = desk.terminal.told("partner", "show", "frugal")["partner"]["contract"]
    after = desk.terminal.told("quota", "set", "frugal", "--daily", "6", "--reason", "a test")["contract"]
    assert after == before | {"daily_units": 6}
    none = desk.terminal.told("quota", "set", "frugal", "--no-thresholds", "--reason", "a test")["contract"]
    assert none == after | {"thresholds": []}
    back = "https://a.example/back"
    named = desk.terminal.told("quota", "set", "frugal", "--return-address", back, "--reason", "a test")
    assert named["contract"] == none | {"return_addresses": [back]}
    kept = desk.terminal.told("quota", "set", "frugal", "--daily", "7", "--reason", "a test")
    assert kept["contract"]["return_addresses"] == [back]
    assert re.search(rf"people go back to +{back}", desk.terminal.run("partner", "show", "frugal").out)
    gone = desk.terminal.told("quota", "set", "frugal", "--no-return-addresses", "--reason", "a test")
    assert gone["contract"]["return_addresses"] == []
    shown = desk.terminal.run("quota", "set", "frugal", "--burst", "9", "--reason", "a test").out
    assert re.search(r"burst +200 calls +9 calls *\n", shown)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--threshold", "600", "--no-thresholds"),
        ("--return-address", "https://a.example", "--no-return-addresses"),
    ],
)
def test_a_quota_change_that_says_nothing_or_two_things_is_a_mistake(
    desk: Desk, words: tuple[str, ...]
) -> None:
    desk.terminal.stopped("quota", "set", "operator", "--reason", "a test", *words, code=2)


def test_quota_show_is_what_the_partner_sees(desk: Desk) -> None:
    with desk.lender("metered") as lender:
        lender.score(consented(desk, lender, "uci-00003"), "CREDIT_APPLICATION")
        theirs = {each.limit_name: each.used for each in lender.usage()}
    ours = {
        each["limit_name"]: each["used"] for each in desk.terminal.told("quota", "show", "metered")["usages"]
    }
    assert (ours["day"], ours["month"]) == (theirs["day"], theirs["month"]) == (1, 1)
    desk.terminal.told("quota", "set", "metered", "--daily", "1", "--reason", "a test")
    shown = desk.terminal.run("quota", "show", "metered", COLUMNS="80").out
    assert re.search(r"limit +period +used +of +left +full again", shown)  # one table, also when it is spent
    assert re.search(r"day +[\d-]+ +1 +1 +none ", shown)
    assert "scoregate quota set metered " in shown


@pytest.mark.parametrize(("daily", "monthly", "noted"), [(100, 10, True), (10, 10, False), (10, 100, False)])
def test_a_month_smaller_than_its_days_is_noted(desk: Desk, daily: int, monthly: int, *, noted: bool) -> None:
    units = ("--daily", str(daily), "--monthly", str(monthly))
    added = desk.terminal.told("partner", "add", f"noted-{daily}-{monthly}", "--name", "Noted Ltd", *units)
    changed = desk.terminal.told("quota", "set", f"noted-{daily}-{monthly}", "--reason", "a test", *units)
    for told in (added, changed):
        assert ("note" in told) == noted
    if noted:
        note = "The month's 10 units are fewer than a day's 100: those are spent first."
        assert added["note"] == changed["note"] == note
        assert note in desk.terminal.run("quota", "set", "noted-100-10", "--reason", "a test", *units).out


def test_a_consent_is_paused_resumed_and_revoked(desk: Desk) -> None:
    with desk.lender("trusted") as lender:
        consent_id = consented(desk, lender, "uci-00004")
        for change, state in (("pause", "PAUSED"), ("resume", "ACTIVE"), ("revoke", "REVOKED")):
            assert desk.terminal.told("consent", change, consent_id)["consent"]["state"] == state
        with pytest.raises(ConsentRefused):
            lender.score(consent_id, "CREDIT_APPLICATION")
    assert desk.terminal.stopped("consent", "resume", consent_id)["reason"] == "STATE_CONFLICT"


def test_an_invitation_that_was_allowed_before_names_its_consent(desk: Desk) -> None:
    with desk.lender("eager") as lender:
        handle = lender.invite(terms()).handle
    words = ("consent", "allow", handle, "--subject", "uci-00008")
    consent_id = desk.terminal.told(*words)["consent"]["consent_id"]
    told = desk.terminal.stopped(*words)
    assert told["reason"] == "STATE_CONFLICT"
    assert f"consent {consent_id} is ACTIVE" in told["problems"][0]["problem"]
    # Of anybody else's consent it says nothing.
    assert consent_id not in str(desk.terminal.stopped(*words[:3], "--subject", "uci-00009"))


def test_a_person_without_a_record_is_noted_where_that_can_be_known(desk: Desk) -> None:
    with desk.lender("typing") as lender:
        told, known = (
            desk.terminal.told("consent", "allow", lender.invite(terms()).handle, "--subject", subject)
            for subject in ("uci-7", "uci-00007")
        )
    assert "has no record of this person: its 30,000 people are uci-00001 to uci-30000." in told["note"]
    assert told["consent"]["state"] == "ACTIVE"  # no refusal: the engine may learn of them tomorrow
    assert "note" not in known
    for words in (("freeze",), ("unfreeze",), ("list",)):
        assert (
            "has no record of this person" in desk.terminal.run("consent", *words, "--subject", "uci-8").out
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"SCOREGATE_ENGINE__KIND": "remote"},
        {"SCOREGATE_ENGINE__FOLDER": "nowhere"},
        {"SCOREGATE_LISTEN__ADMIN": "127.0.0.1:1"},  # what is asked here, by --gateway, is another one
    ],
)
def test_of_an_engine_elsewhere_nothing_is_noted(desk: Desk, changes: dict[str, str]) -> None:
    at = ("--gateway", desk.terminal.environ["SCOREGATE_LISTEN__ADMIN"])
    told = desk.terminal.with_(**changes).told("consent", "unfreeze", "--subject", "uci-8", *at)
    assert "note" not in told


def test_a_person_without_consents_is_told_in_a_sentence(desk: Desk) -> None:
    assert desk.terminal.told("consent", "list", "--subject", "uci-29999")["consents"] == []
    assert (
        desk.terminal.run("consent", "list", "--subject", "uci-29999").out == "This person has no consents.\n"
    )


def test_a_denied_invitation_stays_denied(desk: Desk) -> None:
    with desk.lender("denied") as lender:
        handle = lender.invite(terms()).handle
    told = desk.terminal.told("consent", "deny", handle)
    assert told["invitation"] == {"handle": handle, "state": "REJECTED"}
    refused = desk.terminal.stopped("consent", "allow", handle, "--subject", "uci-00001")
    assert refused["reason"] == "STATE_CONFLICT"


def test_a_freeze_holds_until_it_is_lifted(desk: Desk) -> None:
    with desk.lender("frozen") as lender:
        consent_id = consented(desk, lender, "uci-00005")
        assert desk.terminal.told("consent", "freeze", "--subject", "uci-00005")["frozen"] is True
        with pytest.raises(ConsentRefused):
            lender.score(consent_id, "CREDIT_APPLICATION")
        allow = ("consent", "allow", lender.invite(terms()).handle, "--subject", "uci-00005")
        assert "--lift-freeze" in desk.terminal.run(*allow).err
        desk.terminal.told(*allow, "--lift-freeze")
        assert desk.terminal.told("consent", "unfreeze", "--subject", "uci-00005")["frozen"] is False
        assert lender.score(consent_id, "CREDIT_APPLICATION").score is not None


def test_consents_are_listed_with_their_terms(desk: Desk) -> None:
    with desk.lender("listed") as lender:
        ids = [consented(desk, lender, "uci-00006") for _ in range(2)]
    listed = desk.terminal.told("consent", "list", "--subject", "uci-00006")["consents"]
    assert sorted(each["consent_id"] for each in listed) == sorted(ids)
    assert {(each["partner_id"], each["purpose"], each["mode"]) for each in listed} == {
        ("listed", "CREDIT_APPLICATION", "ONE_TIME")
    }
    shown = desk.terminal.run("consent", "list", "--subject", "uci-00006").out
    assert all(consent_id in shown for consent_id in ids)


def test_a_rotation_makes_the_next_key_current(desk: Desk) -> None:
    before = desk.terminal.told("keys", "list")["keys"]
    after = desk.terminal.told("keys", "rotate", "--reason", "a test")["keys"]
    following = next(each["kid"] for each in before if each["state"] == "NEXT")
    assert next(each["kid"] for each in after if each["state"] == "CURRENT") == following
    assert len(after) == len(before) + 1
    assert following in desk.terminal.run("keys", "list").out


def test_the_exported_keys_are_all_the_keys(desk: Desk, tmp_path: Path) -> None:
    kids = {each["kid"] for each in desk.terminal.told("keys", "list")["keys"]}
    told = desk.terminal.told("keys", "export", "--out", tmp_path / "jwks.json")
    assert set(told["kids"]) == kids
    assert set(VerificationKeys.from_jwks((tmp_path / "jwks.json").read_text()).by_kid) == kids
    assert {key["kid"] for key in json.loads(desk.terminal.run("keys", "export").out)["keys"]} == kids


def test_an_export_replaces_a_file_only_when_told_to(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "jwks.json"
    out.write_text("pinned")
    told = desk.terminal.stopped("keys", "export", "--out", out, code=2)
    assert (told["problems"][0]["field"], out.read_text()) == ("--out", "pinned")
    assert "--force" in told["problems"][0]["remedy"]
    desk.terminal.told("keys", "export", "--out", out, "--force")
    assert VerificationKeys.from_jwks(out.read_text()).by_kid


def test_an_export_from_elsewhere_is_refused(desk: Desk) -> None:
    nobody = desk.terminal.stopped("keys", "export", "--http", "127.0.0.1:1")
    assert nobody["problems"][0]["field"] == "--http"
    admin = desk.terminal.environ["SCOREGATE_LISTEN__ADMIN"]
    assert desk.terminal.stopped("keys", "export", "--http", admin)["result"] == "refused"
    assert desk.terminal.stopped("keys", "export", "--http", "no address")["result"] == "refused"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("partner", "add", "operator", "--name", "Again"), "ALREADY_EXISTS"),
        (("partner", "add", "X", "--name", ""), "FIELD_INVALID"),
        (("partner", "add", "odd", "--name", "Odd", "--threshold", "601"), "FIELD_INVALID"),
        (("partner", "add", "odd", "--name", "Odd", "--zone", "Mars/Olympus"), "FIELD_INVALID"),
        (("partner", "show", "nobody"), "NOT_FOUND"),
        (("partner", "suspend", "nobody", "--reason", "a test"), "NOT_FOUND"),
        (("partner", "suspend", "operator", "--reason", "a test"), "FIELD_INVALID"),
        (("partner", "resume", "operator", "--reason", ""), "FIELD_INVALID"),
        (("partner", "revoke", "f" * 64, "--reason", "a test"), "NOT_FOUND"),
        (("partner", "revoke", "F", "--reason", "a test"), "FIELD_INVALID"),
        (("quota", "show", "nobody"), "NOT_FOUND"),
        (("quota", "set", "nobody", "--daily", "1", "--reason", "a test"), "NOT_FOUND"),
        (("quota", "set", "operator", "--daily", "1", "--reason", "\x00"), "FIELD_INVALID"),
        (("consent", "allow", "a" * 26, "--subject", "uci-00001"), "NOT_FOUND"),
        (("consent", "allow", "short", "--subject", "spa ced"), "FIELD_INVALID"),
        (("consent", "deny", "a" * 26), "NOT_FOUND"),
        (("consent", "revoke", "a" * 26), "NOT_FOUND"),
        (("consent", "freeze", "--subject", ""), "FIELD_INVALID"),
        (("consent", "list", "--subject", "é"), "FIELD_INVALID"),
        (("keys", "rotate", "--reason", ""), "FIELD_INVALID"),
    ],
)
def test_a_refusal_is_a_sentence_with_its_reason(desk: Desk, words: tuple[str, ...], reason: str) -> None:
    told = desk.terminal.stopped(*words)
    assert (told["result"], told["reason"]) == ("refused", reason)
    if reason == "FIELD_INVALID":
        assert all(each["field"] for each in told["problems"])


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (
            ("consent", "allow", "a" * 26, "--subject", "uci-00001"),
            "No invitation has this handle.",
            "partner",
        ),
        (("consent", "deny", "a" * 26), "No invitation has this handle.", "partner"),
        (("consent", "pause", "a" * 26), "No consent has this id.", "consent list"),
        (
            ("audit", "erase", "nobody", "--basis", "COURT_ORDER", "--yes"),
            "Nothing is kept about this person, or all of it was erased.",
            "your own of the person",
        ),
        (("quota", "show", "nobody"), "Nobody is registered under this id.", "partner list"),
        (
            ("partner", "revoke", "f" * 64, "--reason", "x"),
            "No certificate has this fingerprint.",
            "partner show",
        ),
    ],
)
def test_a_refusal_names_what_was_not_found(
    desk: Desk, words: tuple[str, ...], problem: str, remedy: str
) -> None:
    (told,) = desk.terminal.stopped(*words)["problems"]
    assert told["problem"] == problem
    assert remedy in told["remedy"]


def test_a_refusal_says_which_state_would_allow_it(desk: Desk) -> None:
    with desk.lender("settled") as lender:
        handle, other = (lender.invite(terms()).handle for _ in range(2))
    consent_id = desk.terminal.told("consent", "allow", handle, "--subject", "uci-00010")["consent"][
        "consent_id"
    ]
    desk.terminal.told("consent", "deny", other)
    for words in (("deny", handle), ("deny", other), ("allow", other, "--subject", "uci-00010")):
        (told,) = desk.terminal.stopped("consent", *words)["problems"]
        assert "not open any more" in told["problem"]
    (told,) = desk.terminal.stopped("consent", "resume", consent_id)["problems"]
    assert "a paused one resumed" in told["remedy"]


def test_an_invitation_for_a_named_person_is_no_operators_to_allow(desk: Desk) -> None:
    with desk.lender("naming") as lender:
        handle = lender.invite(terms(), identity=Identity(phone="+86 138 0013 8000")).handle
    told = desk.terminal.stopped("consent", "allow", handle, "--subject", "uci-00010")
    (problem,) = told["problems"]
    assert (told["reason"], problem["field"]) == ("STATE_CONFLICT", "HANDLE")
    assert "only that person can allow it" in problem["problem"]
    desk.terminal.told("consent", "deny", handle)


def test_a_limit_that_was_met_is_told_once(desk: Desk) -> None:
    folder = desk.enrolled("hasty", "--role", "OPERATOR", "--rate", "1", "--burst", "1")
    words = ("partner", "list", "--cert", folder / "certificate.pem")
    ended = next(each for each in (desk.terminal.run(*words) for _ in range(50)) if each.code)
    assert ended.err == (
        "Refused: Calls came faster than the contract allows. Run the command again in a moment.\n"
    )


def test_every_refused_field_is_named_at_once(desk: Desk) -> None:
    words = ("partner", "add", "X", "--name", "", "--threshold", "601", "--return-address", "http://x")
    fields = ["ID", "--name", "--threshold", "--return-address"]  # as the command line calls them
    assert [each["field"] for each in desk.terminal.stopped(*words)["problems"]] == fields
    lines = desk.terminal.run(*words).err.splitlines()
    assert [line.split(":")[0].strip() for line in lines] == ["Refused", *fields]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--daily", "-1"), ("--monthly", "1000000001"), ("--rate", "0"), ("--threshold", "x")],
)
def test_a_number_out_of_its_range_is_a_usage_error(desk: Desk, option: str, value: str) -> None:
    ended = desk.terminal.run("partner", "add", "odd", "--name", "Odd", option, value)
    assert ended.code == 2
    assert f"Invalid value for '{option}': it must be a whole number from" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--role", "BANK"), "'BANK' is not one of PARTNER, PILOT, COMPLIANCE, OPERATOR."),
        (("--role", "pilot"), "OPERATOR. Did you mean PILOT?"),
        (("--not-scored", "charge"), "'charge' is not one of free, charged. Did you mean charged?"),
        (("--output", "jsn"), "'jsn' is not one of table, json. Did you mean json?"),
    ],
)
def test_a_word_that_is_none_is_told_all_of_them_and_the_nearest(
    terminal: Terminal, words: tuple[str, ...], told: str
) -> None:
    ended = terminal.run("partner", "add", "odd", "--name", "Odd", *words)
    assert ended.code == 2
    assert told in ended.err
    assert "Value error" not in ended.err


@pytest.mark.parametrize("columns", [80, 60, 160])
def test_tables_break_no_word_at_any_width(desk: Desk, columns: int) -> None:
    long = f"long-{'x' * 35}"
    name = "A Lending Partnership of Some Standing, Incorporated Elsewhere"
    if desk.terminal.run("partner", "show", long).code:
        zone = ("--zone", "America/Argentina/Buenos_Aires")
        desk.terminal.told("partner", "add", long, "--name", name, *zone, "--daily", "1000000000")
    with desk.lender(f"wide-{columns}") as lender:
        consented(desk, lender, "uci-00011")
    consents = desk.terminal.told("consent", "list", "--subject", "uci-00011")["consents"]
    kids = [each["kid"] for each in desk.terminal.told("keys", "list")["keys"]]
    days = [each["expires_at"][:10] for each in consents]
    for words, whole in {
        ("partner", "list"): [long, "1,000,000,000", "America/Argentina/Buenos_Aires"],
        ("consent", "list", "--subject", "uci-00011"): [*(each["consent_id"] for each in consents), *days],
        ("keys", "list"): [*kids, "RETIRED" if len(kids) > 2 else "CURRENT"],
        ("quota", "show", long): ["1,000,000,000", "America/Argentina/Buenos_Aires"],
    }.items():
        shown = desk.terminal.run(*words, COLUMNS=str(columns)).out
        assert [each for each in whole if each not in shown] == [], words
        assert max(map(len, shown.splitlines())) <= max(columns, 99), words  # a line to paste is 99 long


def test_the_keys_fit_a_terminal_of_80_columns_as_one_table(desk: Desk) -> None:
    shown = desk.terminal.run("keys", "list", COLUMNS="80").out
    rows = re.findall(r"(?m)^  ([\w-]{43}) +ES256 +[A-Z]+ +\d{4}-\d\d-\d\d *$", shown)
    assert rows == [each["kid"] for each in desk.terminal.told("keys", "list")["keys"]]


def test_an_argument_that_is_not_text_is_a_sentence(desk: Desk) -> None:
    desk.terminal.stopped("partner", "show", "\udcff", code=2)


@pytest.mark.parametrize(
    "address", ["localhost", "127.0.0.1", "127.0.0.1:", ":8444", "[::1]", "::1:8444", "a:0", "a:65536"]
)
def test_an_address_without_a_host_or_a_port_is_not_called(desk: Desk, address: str) -> None:
    (told,) = desk.terminal.stopped("partner", "list", "--gateway", address, code=2)["problems"]
    assert (told["field"], told["problem"]) == ("--gateway", f"{address!r} has no host and port.")


def test_why_a_door_is_silent_is_told_apart(desk: Desk) -> None:
    at = {door: f"127.0.0.1:{getattr(desk.gateway, f'{door}_port')}" for door in ("admin", "partner", "http")}
    staff_ca, lender = desk.home / "pki" / "staff-ca.pem", desk.enrolled("nosy") / "certificate.pem"
    other_name = at["admin"].replace("127.0.0.1", "127.1")  # the same host, by a name that nobody certified
    for words, field, problem in (
        (("--gateway", "127.0.0.1:1"), "--gateway", "Nothing listens at 127.0.0.1:1."),
        (("--gateway", at["http"]), "--gateway", f"{at['http']} doesn't speak TLS."),
        (("--gateway", other_name), "--gateway", f"The certificate at {other_name} is for other hosts."),
        (("--ca", staff_ca), "--ca", f"{staff_ca} doesn't vouch for the certificate at {at['admin']}."),
        (("--cert", lender), "--cert", f"What listens at {at['admin']} refuses {lender}."),
        (
            ("--gateway", at["partner"]),
            "--cert",
            f"What listens at {at['partner']} refuses {desk.home}/operator/operator.pem.",
        ),
    ):
        refused = desk.terminal.stopped("partner", "list", *words)
        (told,) = refused["problems"]
        assert (refused["reason"], told["field"], told["problem"]) == ("UNAVAILABLE", field, problem)


@pytest.mark.parametrize(
    "words", [("partner", "list"), ("partner", "list", "-o", "json"), ("keys", "export")]
)
def test_a_result_that_finds_no_room_is_one_line(desk: Desk, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        env = environment(desk.home) | desk.terminal.environ
        ended = subprocess.run(
            command(*words), stdout=full, stderr=subprocess.PIPE, env=env, text=True, check=False
        )
    assert ended.returncode == 2
    assert ended.stderr == "Failed: The result can't be written (No space left on device).\n"


def test_ctrl_c_is_one_line(desk: Desk) -> None:
    with interrupted_in(role_of):
        ended = desk.terminal.run("partner", "list")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == "Interrupted: What was done by then stays done.\n"
    with interrupted_in(role_of):
        assert desk.terminal.run("partner", "list", "-o", "json").told["result"] == "interrupted"


def test_an_officer_administers_nothing(desk: Desk) -> None:
    certificate = desk.enrolled("watcher", "--role", "COMPLIANCE") / "certificate.pem"
    told = desk.terminal.stopped("partner", "list", "--cert", certificate)
    assert told["reason"] == "METHOD_NOT_ALLOWED"


def test_a_port_that_only_the_gateway_knows_must_be_named(desk: Desk) -> None:
    told = desk.terminal.stopped("partner", "list", code=2, SCOREGATE_LISTEN__ADMIN="127.0.0.1:0")
    assert "--gateway HOST:PORT" in told["problems"][0]["remedy"]
    http = desk.terminal.stopped("keys", "export", code=2, SCOREGATE_LISTEN__HTTP="127.0.0.1:0")
    assert "--http HOST:PORT" in http["problems"][0]["remedy"]


def test_a_door_that_listens_everywhere_is_called_here(desk: Desk) -> None:
    port = desk.gateway.admin_port
    assert desk.terminal.with_(SCOREGATE_LISTEN__ADMIN=f"0.0.0.0:{port}").told("keys", "list")["keys"]


def test_with_every_option_named_no_installation_is_needed(desk: Desk, terminal: Terminal) -> None:
    operator = desk.home / "operator" / "operator.pem"
    at = ("--gateway", f"127.0.0.1:{desk.gateway.admin_port}", "--cert", operator)
    assert terminal.told("keys", "list", *at)["keys"]
    told = terminal.stopped("keys", "list", code=2)
    remedy = told["problems"][0]["remedy"]
    assert remedy.index("SCOREGATE_HOME") < remedy.index("scoregate init")  # there may be one elsewhere


@pytest.mark.parametrize("option", ["--cert", "--key", "--ca"])
@pytest.mark.parametrize("name", ["nowhere.pem", "."])
def test_a_file_that_is_not_there_is_named(desk: Desk, tmp_path: Path, option: str, name: str) -> None:
    told = desk.terminal.stopped("keys", "list", option, tmp_path / name, code=2)
    assert told["problems"][0]["field"] == option
    assert told["problems"][0]["problem"] == f"there is no file {tmp_path / name}."


def test_a_key_that_others_can_read_is_not_used(desk: Desk) -> None:
    folder = desk.enrolled("open", "--role", "OPERATOR")
    (folder / "key.pem").chmod(0o644)
    told = desk.terminal.stopped("keys", "list", "--cert", folder / "certificate.pem", code=2)
    assert "chmod 600" in told["problems"][0]["remedy"]


def test_a_key_of_another_certificate_is_refused_before_anything_is_sent(desk: Desk, tmp_path: Path) -> None:
    key_pem, _ = pki.new_key_and_request("other")
    pki.create_private(tmp_path / "other.key", key_pem)
    told = desk.terminal.stopped("keys", "list", "--key", tmp_path / "other.key", code=2)
    assert told["problems"][0]["field"] == "--key"


def test_a_request_that_names_somebody_else_is_not_sent(desk: Desk, tmp_path: Path) -> None:
    desk.terminal.told("partner", "add", "mistaken", "--name", "Mistaken Ltd")
    desk.terminal.told("partner", "request", "another", "--out", tmp_path / "another")
    told = desk.terminal.stopped(
        *("partner", "enroll", "mistaken", "--csr", tmp_path / "another" / "request.csr"),
        *("--out", tmp_path / "mistaken"),
        code=2,
    )
    assert "names somebody else than mistaken" in str(told)
    assert not (tmp_path / "mistaken").exists()
