"""The chapters at the borrower's own pages: who asked, a pause and a freeze, and the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.demo.asking import ask
from gateway.demo.opening import CREDIT, LEGAL_NAME
from gateway.demo.page import Page, StepFailed
from gateway.demo.stage import Stage
from gateway.demo.trying import refusal_of
from scoregate.client import ConsentState, ScoreQuery
from scoregate.errors import ConsentRefused

LINES = 6  # shown of what the borrower reads
INVALID = 3  # the exit code of `scoregate consent-receipt verify`
EVENTS = ["GRANTED", "PAUSED", "RESUMED", "FROZEN", "UNFROZEN"]
LETTER = -40  # well inside the signature


def look(stage: Stage, page: Page) -> None:
    """The borrower reads the same ledger: who asked, what was answered, and which entry of the log it is. A
    look at their own score is free, and an entry like everybody's.
    """
    before, number = stage.units(), stage.answer.score
    own = stage.borrower.browser.open("/score")
    lines = stage.borrower.asked()
    page.facts((f"entry {each.leaf_index}", each.text) for each in lines[:LINES])
    page.gap()
    said = {each.leaf_index: each.text for each in lines}
    answered = said.get(stage.answer.receipt.leaf_index, "")
    page.check(
        "they see who asked, and what was answered",
        LEGAL_NAME in answered and str(number) in answered,
        f"entry {stage.answer.receipt.leaf_index}, as in the lender's receipt",
    )
    answers = [text for text in said.values() if "Answered" in text]
    page.check(
        "every answer so far is there", len(answers) == stage.meadow.answers, f"{len(answers)} answers"
    )
    page.check(
        "their own score is the one that was told",
        f"{number} of 350 to 950" in own.text,
        f"{number}",
    )
    page.check(
        "their look is an entry too, and free",
        lines[0].text.endswith("You looked at your own score") and stage.units() == before,
        f"entry {lines[0].leaf_index}",
    )


def stop(stage: Stage, page: Page) -> None:
    """One press stops the lender at once: a pause of this consent, or a freeze of the whole file. Another
    lets it go on, and each is in the receipt that the borrower downloads.
    """
    borrower, consent_id, before = stage.borrower, stage.consent.consent_id, stage.units()
    borrower.change(consent_id, "pause")
    _check_refused(stage, page, "paused, the lender is refused", "CONSENT_PAUSED")
    borrower.change(consent_id, "resume")
    _check_answered(stage, page, "resumed, it is answered")
    borrower.freeze(frozen=True)
    _check_refused(stage, page, "frozen, the lender is refused", "SUBJECT_FROZEN")
    borrower.freeze(frozen=False)
    _check_answered(stage, page, "unfrozen, it is answered")
    spent = stage.units() - before
    page.check("only the answers cost a unit", spent == 2, f"{spent} units")
    file, receipt = _verified(stage, "after-the-freeze.jws")
    events = [(each["kind"], each["log_index"]) for each in receipt["events"]]
    page.check(
        "the signed receipt holds, and tells it all",
        [kind for kind, _ in events] == EVENTS,
        ", ".join(f"{kind.lower()} {index}" for kind, index in events),
    )
    told = [(each.kind, each.log_index) for each in stage.meadow.client.events()]
    page.check("the lender was told the same", told == events, f"{len(told)} events, the same entries")
    _check_changed_letter(stage, page, file)


def revoke(stage: Stage, page: Page) -> None:
    """The borrower changes their mind. From the moment that the revocation is acknowledged nothing more
    leaves: not the next answer, and not the first one again.
    """
    before, consent_id = stage.units(), stage.consent.consent_id
    stage.borrower.change(consent_id, "revoke")
    ended = stage.meadow.client.consent(consent_id)
    page.check("the borrower revoked", ended.state is ConsentState.REVOKED, f"consent {consent_id}")
    tries = (
        ("the next question is refused", ScoreQuery(consent_id, CREDIT)),
        ("the first answer is not given again", stage.query),
    )
    for what, query in tries:
        try:
            ask(stage.meadow.client, query)
        except ConsentRefused as refusal:
            page.check(what, refusal.code == "CONSENT_REVOKED", f"{refusal.status} {refusal.code}")
        else:
            raise StepFailed(what, "it was answered")
    page.check(
        "nothing was spent", stage.units() == before, f"{before:,} units before, {stage.units():,} after"
    )
    stage.receipt, receipt = _verified(stage, "after-the-end.jws")
    page.check(
        "the last receipt says so",
        receipt["header"]["state"] == receipt["events"][-1]["kind"] == "REVOKED",
        f"entry {receipt['events'][-1]['log_index']:,}",
    )


def _check_refused(stage: Stage, page: Page, what: str, reason: str) -> None:
    refusal = refusal_of(lambda: stage.meadow.client.score(stage.consent.consent_id, CREDIT))
    code = "it was answered" if refusal is None else refusal.code
    page.check(what, code == reason, code)


def _check_answered(stage: Stage, page: Page, what: str) -> None:
    answer = stage.meadow.client.score(stage.consent.consent_id, CREDIT)
    stage.meadow.file(answer)
    page.check(what, answer.score == stage.answer.score, f"{answer.score}, entry {answer.receipt.leaf_index}")


def _verified(stage: Stage, name: str) -> tuple[Path, Any]:
    """Download the receipt of the story's consent and have the command check it; its file, and what it says.

    Raises:
        StepFailed: It does not hold.
    """
    file = stage.borrower.save_receipt(stage.consent.consent_id, stage.home / "borrower" / name)
    code, told = stage.gateway.run("consent-receipt", "verify", file, "--jwks", stage.meadow.jwks)
    if code:
        raise StepFailed("the borrower's receipt holds", f"exit code {code}: {json.dumps(told)}")
    return file, told["receipt"]


def _check_changed_letter(stage: Stage, page: Page, file: Path) -> None:
    text, changed = file.read_text(), file.with_name("changed.jws")
    letter = "A" if text[LETTER] != "A" else "B"
    changed.write_text(f"{text[:LETTER]}{letter}{text[LETTER + 1 :]}")
    code, told = stage.gateway.run("consent-receipt", "verify", changed, "--jwks", stage.meadow.jwks)
    page.check("refused: one letter of it changed", code == INVALID, f"exit code {code}, {told['result']}")
