"""`make demo`, as a person runs it: a process of its own, on a real gateway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.demo.refusing import LEFT
from gateway.demo.story import CHAPTERS
from scoregate.reasons import REASONS
from tests.demo.running import DEMO, PROMISED_SECONDS, Ended, is_running, processes, run

pytestmark = pytest.mark.alone  # it promises a time


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(place: Path) -> Ended:
    """The whole demo, once."""
    return run(
        *DEMO,
        tmp=place,
        SCOREGATE_HOME="/nowhere",
        SCOREGATE_LIMITS__LINGER_MS="nonsense",
        http_proxy="http://127.0.0.1:9",  # where nobody listens
    )


def test_the_whole_story_holds_whatever_the_callers_environment_says(told: Ended) -> None:
    assert (told.code, told.errors) == (0, ""), told.text + told.errors


def test_it_takes_less_than_a_minute(told: Ended) -> None:
    assert told.seconds < PROMISED_SECONDS


def test_every_chapter_is_told_in_order(told: Ended) -> None:
    titles = [(str(number), chapter.title) for number, chapter in enumerate(CHAPTERS, 1)]
    assert re.findall(r"^(\d+)  (.+?) ─+$", told.text, re.MULTILINE) == titles


def test_every_check_in_its_table_is_ticked_and_counted(told: Ended) -> None:
    chapters, _, table = told.text.partition("What was checked")
    in_table = re.findall(r"^  ✓  (.+?)(?:  |$)", table, re.MULTILINE)
    in_chapters = re.findall(r"^  ✓ (.+?)(?:  |$)", chapters, re.MULTILINE)
    assert f"All {len(in_table)} checks held" in table
    assert in_table == in_chapters
    assert all(chapter.title in table for chapter in CHAPTERS)


def test_it_shows_a_thousand_answers(told: Ended) -> None:
    assert "1,000 of 1,000 verified" in told.text


def test_the_borrower_decides_on_the_real_pages(told: Ended) -> None:
    link = re.search(r"link +(http://127\.0\.0\.1:\d+)/i/([a-z2-7]{26}) ", told.text)
    assert link is not None
    assert re.search(rf"people's pages +{link[1]} ", told.text)
    assert "Meadow P2P Lending Ltd would like to see your credit score" in told.text
    assert "There is nothing here for you" in told.text  # what somebody else reads
    entry = re.search(r"receipt +entry (\d+) of", told.text)
    assert entry is not None
    assert re.search(rf"entry {entry[1]} +Meadow P2P Lending Ltd Answered: your number, \d+ ", told.text)


def test_every_refusal_comes_with_its_remedy(told: Ended) -> None:
    tried = re.search(r"(\d+) tries, (\d+) reasons", told.text)
    assert tried is not None
    assert (told.text.count("→"), len(REASONS) - len(LEFT)) == (int(tried[1]), int(tried[2]))


def test_every_reason_is_provoked_or_said_to_be_left(told: Ended) -> None:
    table, _, after = told.text.partition("Who is it?")[2].partition("The reasons that are left:")
    provoked = set(re.findall(r"^  ([A-Z_]+)  ", table, re.MULTILINE))
    left = re.findall(r"^  ([A-Z_]+)  +(.+?) *$", after.partition("✓")[0], re.MULTILINE)
    assert dict(left) == LEFT
    assert provoked == REASONS.keys() - LEFT.keys()


def test_it_breaks_the_ledger_the_engine_and_a_gateway_and_mends_them(told: Ended) -> None:
    house = told.text.partition("Is the house in order?")[2].partition("Is it too early?")[0]
    reasons = re.findall(r"^  ([A-Z_]+)  ", house, re.MULTILINE)
    engine = ["ENGINE_ANSWER_INVALID", "ENGINE_UNAVAILABLE"]
    assert reasons == ["AUDIT_UNAVAILABLE", *engine, "SERVER_BUSY", "DEADLINE_PASSED"]
    assert "under the request id refused three times" in told.text
    assert len(processes(told.text)) == 4  # two gateways, the pages, and the witness


def test_it_asks_for_a_proof_before_there_can_be_one_and_again(told: Ended) -> None:
    early = told.text.partition("Is it too early?")[2].partition("Is it too late?")[0]
    assert re.findall(r"^  ([A-Z_]+)  ", early, re.MULTILINE) == ["ENTRY_NOT_PUBLISHED"]
    assert re.search(r"✓ the proof that was asked for too early is there +entry [\d,]+ of ", told.text)


def test_it_ends_at_the_witness_and_then_with_a_flipped_byte(told: Ended) -> None:
    last = told.text.partition("From the lender's file to the witness")[2].partition("What was checked")[0]
    checks = re.findall(r"^  ✓ (.+?)  +(.+?) *$", last, re.MULTILINE)
    links = ["attestation", "question", "leaf", "inclusion proof", "checkpoint", "cosignature"]
    assert [what.partition(":")[0] for what, _ in checks if ":" in what] == links
    facts = dict(checks)
    assert facts["one flipped byte of the file is found"] == "exit code 3, invalid"
    size = re.search(r"receipts/\d+\.json, ([\d,]+) bytes", last)
    assert size is not None
    assert facts["so is any other"] == f"each of {size[1]} bytes, one at a time"
    assert "leads to another root" in last


def test_without_a_terminal_nothing_moves_and_nothing_is_coloured(told: Ended) -> None:
    assert "\x1b" not in told.text
    assert "\r" not in told.text


def test_nothing_is_left_behind(told: Ended, place: Path) -> None:
    assert list(place.iterdir()) == []
    assert not any(map(is_running, processes(told.text)))
