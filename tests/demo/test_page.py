"""The demo's page: what it claims, and on which terminals."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.demo.page import Page, StepFailed, use_plain_letters
from gateway.demo.story import CHAPTERS


def page_of(columns: int = 100) -> tuple[Page, io.StringIO]:
    file = io.StringIO()
    return Page(Console(file=file, width=columns, highlight=False)), file


def test_a_check_that_does_not_hold_ends_the_story_by_name() -> None:
    page, file = page_of()
    with pytest.raises(StepFailed) as failed:
        page.check("the sum is right", False, "2 and 2 made 5")
    assert (failed.value.step, str(failed.value)) == ("the sum is right", "2 and 2 made 5")
    assert file.getvalue() == ""
    assert page.checks == []


def test_what_is_checked_is_never_taken_for_markup() -> None:
    page, file = page_of()
    page.check("[bold]brackets[/bold]", True, "[red]stay")
    assert "[bold]brackets[/bold]" in file.getvalue()
    assert "[red]stay" in file.getvalue()


@pytest.mark.parametrize("score", [350, 549, 550, 700, 950])
def test_a_score_stands_under_its_place_on_the_scale(score: int) -> None:
    page, file = page_of()
    page.scale(score, "its own")
    labels, bar, below = file.getvalue().splitlines()
    assert bar.index("●") == below.index(str(score)) + 1 == labels.index("350") + 1 + (score - 350) // 10


def test_it_is_never_wider_than_100_columns() -> None:
    page, file = page_of(columns=200)
    page.say("word " * 100)
    page.facts([("name", "fact " * 100)])
    page.check("what " * 100, True, "fact " * 100)
    assert max(map(len, file.getvalue().splitlines())) <= 100


def test_a_terminal_without_our_letters_gets_plain_ones_of_the_same_width() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    use_plain_letters(stream)
    stream.write("✓ 350–549 ●→·…×█ 中")
    stream.flush()
    assert raw.getvalue() == b"+ 350-549 o>-.x# ?"


def test_every_chapter_has_a_caption_of_two_sentences_at_most() -> None:
    for chapter in CHAPTERS:
        caption = " ".join((chapter.tell.__doc__ or "").split())
        assert caption.endswith("."), chapter.title
        assert caption.count(". ") <= 1, chapter.title
