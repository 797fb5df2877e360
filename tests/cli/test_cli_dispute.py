"""An operator lists and answers disputes from a terminal, and the mark leaves the lender's answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.settings import load
from scoregate.words import Mark
from tests.cli.conftest import Desk
from tests.cli.test_cli_commands import consented
from tests.world import open_dispute

WORDS = "The card of March was never mine.\n那不是我的。"


def disputed(desk: Desk, subject: str, kind: str = "DISPUTE", words: str = WORDS) -> str:
    settings = load(desk.terminal.environ)
    return open_dispute(settings, subject, kind, words, clock=lambda: datetime.now(UTC))


def test_a_dispute_is_listed_and_resolved_and_its_mark_leaves(desk: Desk) -> None:
    with desk.lender("marked") as lender:
        asked = (consented(desk, lender, "uci-00601"), "CREDIT_APPLICATION")
        reference = disputed(desk, "uci-00601")
        assert lender.score(*asked).marks == (Mark.DISPUTED,)
        listed = desk.terminal.told("dispute", "list")["disputes"]
        [mine] = [each for each in listed if each["reference"] == reference]
        assert (mine["kind"], mine["subject"], mine["words"]) == ("DISPUTE", "uci-00601", WORDS)
        assert (mine["resolved_at"], mine["outcome"]) == (None, None)
        assert mine["due_at"] > mine["opened_at"]
        told = desk.terminal.told("dispute", "resolve", reference, "--outcome", "It was removed.")["dispute"]
        assert (told["reference"], told["outcome"]) == (reference, "It was removed.")
        assert told["resolved_at"] >= told["opened_at"]
        again = (consented(desk, lender, "uci-00601"), "CREDIT_APPLICATION")
        assert lender.score(*again).marks == ()
    listed = desk.terminal.told("dispute", "list")["disputes"]
    assert reference not in {each["reference"] for each in listed}
    listed = desk.terminal.told("dispute", "list", "--with-resolved")["disputes"]
    assert told in listed
    # Whoever is told that an answer stands finds it where they are sent.
    shown = desk.terminal.run("dispute", "list", "--with-resolved", COLUMNS="400").out
    assert "answer" in shown
    assert "It was removed." in shown
    assert "It was removed." not in desk.terminal.run("dispute", "list", COLUMNS="400").out


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_disputes_are_shown_to_people(desk: Desk, columns: int) -> None:
    reference = disputed(desk, f"uci-006{columns}", "REVIEW")
    shown = desk.terminal.run("dispute", "list", COLUMNS=str(columns)).out
    assert reference in shown
    assert f"uci-006{columns}" in shown
    assert max(map(len, shown.splitlines())) <= columns
    # As it was read to them over the phone.
    ended = desk.terminal.run("dispute", "resolve", reference.lower(), "--outcome", "Someone looked.")
    assert (ended.code, ended.err) == (0, "")
    for told in (f"Dispute {reference}", "review", "Someone looked.", "The person can read the outcome now."):
        assert told in ended.out


def test_where_there_are_none_a_sentence_says_so(desk: Desk) -> None:
    for each in desk.terminal.told("dispute", "list")["disputes"]:
        desk.terminal.told("dispute", "resolve", each["reference"], "--outcome", "Tidied up.")
    assert desk.terminal.told("dispute", "list")["disputes"] == []
    assert desk.terminal.run("dispute", "list").out == "Nothing waits for an answer.\n"


def test_a_reference_of_nobody_and_an_answer_given_twice_are_told_apart(desk: Desk) -> None:
    nobodys = ("dispute", "resolve", "K7QM2XW9RT", "--outcome", "x")
    told = desk.terminal.stopped(*nobodys)
    assert told["reason"] == "NOT_FOUND"
    assert told["problems"][0]["problem"] == "No dispute has this reference."
    reference = disputed(desk, "uci-00602")
    words = ("dispute", "resolve", reference, "--outcome", "Done.")
    desk.terminal.told(*words)
    told = desk.terminal.stopped(*words)
    assert told["reason"] == "STATE_CONFLICT"
    assert "that answer stands" in told["problems"][0]["problem"]


def test_what_is_wrong_with_a_call_is_told_by_its_option(desk: Desk) -> None:
    told = desk.terminal.stopped("dispute", "resolve", "short", "--outcome", "")
    assert told["reason"] == "FIELD_INVALID"
    assert [each["field"] for each in told["problems"]] == ["REFERENCE", "--outcome"]
