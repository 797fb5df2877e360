"""What the demo takes for a refusal that was provoked, and how it puts back what it breaks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.demo.breaking import away, held
from gateway.demo.page import StepFailed
from gateway.demo.refusing import LEFT, provoke
from gateway.demo.trying import Try
from scoregate.errors import Refused
from scoregate.reasons import REASONS


def refused(code: str) -> Refused:
    return Refused("said so", status="UNAVAILABLE", code=code)


def test_a_try_that_is_answered_ends_the_story() -> None:
    with pytest.raises(StepFailed, match="it was answered") as failed:
        provoke(Try("a question", "AUDIT_UNAVAILABLE", lambda: None))
    assert failed.value.step == "a question"


@pytest.mark.parametrize(
    ("due", "came"), [("AUDIT_UNAVAILABLE", "SERVER_BUSY"), ("SERVER_BUSY", ""), ("", "INTERNAL")]
)
def test_a_try_that_is_refused_for_another_reason_ends_the_story(due: str, came: str) -> None:
    with pytest.raises(StepFailed, match=f"{due} was due"):
        provoke(Try("a question", due, lambda: refused(came)))


def test_a_try_that_is_refused_as_is_due_is_a_row() -> None:
    refusal = refused("SERVER_BUSY")
    row = provoke(Try("a question", "SERVER_BUSY", lambda: refusal))
    assert (row.tried, row.refusal) == ("a question", refusal)


def test_what_is_left_are_reasons_each_with_a_sentence() -> None:
    assert REASONS.keys() >= LEFT.keys()
    assert all(why.endswith(".") for why in LEFT.values())


def test_a_ledger_that_was_away_is_back_whatever_happens(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(b"entries")

    def interrupted() -> None:
        with away(ledger):
            assert not ledger.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ledger.read_bytes() == b"entries"


def test_a_ledger_that_is_held_takes_no_writes_until_it_is_let_go(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"

    def interrupted() -> None:
        with held(ledger):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                writer.execute("CREATE TABLE entry (leaf BLOB)")
            raise KeyboardInterrupt

    with closing(sqlite3.connect(ledger, timeout=0, isolation_level=None)) as writer:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        writer.execute("CREATE TABLE entry (leaf BLOB)")
