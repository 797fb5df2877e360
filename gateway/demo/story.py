"""The story: its chapters in order, and the one who tells them.

A chapter is a function of the stage and the page; its docstring is the caption under its title. The first
check that does not hold ends the story.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from gateway.demo import asking, auditing, deciding, opening, refusing, vouching
from gateway.demo.page import Page, StepFailed
from gateway.demo.stage import Stage
from gateway.pki import FileRefused
from gateway.settings import SettingsInvalid
from scoregate.errors import ScoregateError
from scoring.errors import ScoringError

TITLE = "Scoregate, from the first key to the last proof"
BELOW = "Every line with a tick is a check that has just run, here, on a gateway of its own."


@dataclass(frozen=True, slots=True)
class Chapter:
    """One chapter."""

    title: str
    tell: Callable[[Stage, Page], None]


CHAPTERS = (
    Chapter("The scorecard", opening.scorecard),
    Chapter("The gateway", opening.gateway),
    Chapter("A lender is onboarded", opening.lender),
    Chapter("A borrower is asked, and allows it", opening.consent),
    Chapter("Somebody else opens such a link", opening.stranger),
    Chapter("One score", asking.score),
    Chapter("Less than a score", asking.less),
    Chapter("The borrower sees who asked", deciding.look),
    Chapter("The borrower pauses and freezes", deciding.stop),
    Chapter("A crowd", asking.crowd),
    Chapter("No data is not a low score", asking.nobody),
    Chapter("Every kind of no", refusing.refusals),
    Chapter("A retry costs nothing", asking.retry),
    Chapter("The borrower revokes", deciding.revoke),
    Chapter("Compliance recomputes the log", auditing.audit),
    Chapter("From the lender's file to the witness", vouching.vouch),
)

EXPECTED = (
    ScoregateError,
    ScoringError,
    SettingsInvalid,
    FileRefused,
    OSError,
)
"""What a step may fail with; anything else is a bug, and shows its trace."""


def perform(stage: Stage, page: Page) -> bool:
    """Tell the story and close the stage; return whether every check held. The page says what did not."""
    try:
        page.title(TITLE, BELOW)
        for number, chapter in enumerate(CHAPTERS, 1):
            if not _tell(number, chapter, stage, page):
                return False
        page.summary()
        return True
    finally:
        stage.close()


def _tell(number: int, chapter: Chapter, stage: Stage, page: Page) -> bool:
    name = f"{number}  {chapter.title}"
    try:
        with page.chapter(number, chapter.title, chapter.tell.__doc__ or ""):
            chapter.tell(stage, page)
    except StepFailed as failure:
        page.failure(name, failure.step, f"{failure}")
    except EXPECTED as error:
        page.failure(name, "a call that should have worked", f"{error}")
    except Exception as error:
        page.failure(name, "a bug, here or below", f"{type(error).__name__}: {error}")
        traceback.print_exc()
    else:
        return True
    return False
