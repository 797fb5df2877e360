"""The chapter of every kind of no: each refusal is provoked over a real connection, and costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.demo import provoking
from gateway.demo.breaking import House
from gateway.demo.opening import CREDIT, NO_SUCH_ID, credit_terms, enrol
from gateway.demo.page import Page, Row, StepFailed
from gateway.demo.stage import Stage
from gateway.demo.strangers import Fading
from gateway.demo.trying import Try, raw_refusal
from gateway.demo.vouching import covered
from scoregate.client import ScoreQuery
from scoregate.partner.v1 import score_pb2, score_pb2_grpc
from scoregate.reasons import REASONS

LEFT = {
    "CONSENT_REVOKED": "has a chapter of its own, the next but one.",
    "CONSENT_EXPIRED": "would take a minute of waiting: no consent is shorter.",
    "STATEMENT_CONTRADICTED": "would take a counter that somebody changed by hand.",
    "INTERNAL": "would take a bug of ours; there is no honest way to provoke it.",
}
"""The reasons that nothing here is refused for, and why not."""


def refusals(stage: Stage, page: Page) -> None:
    """Every refusal names its reason and its remedy, and none costs a unit. Each of these has just been
    provoked, by lenders, an officer and strangers, or by taking a part of the house away.
    """
    stage.harbour = enrol(stage, "harbour", "Harbour Credit Ltd")
    stage.foreign = provoking.allowed(stage, stage.harbour, credit_terms(uses=10))
    house = House(stage)
    fading = Fading.connect(stage.gateway)  # its certificate runs out while the others are tried
    stage.keep(fading.channel)
    spent, rows = 0, list[Row]()
    for title, tries in (
        ("Who is it?", provoking.strange(stage)),
        ("Too fast, or too much?", provoking.greedy(stage)),
        ("Is it a question?", provoking.garbled(stage)),
        ("Did the person allow it?", provoking.unconsented(stage)),
        ("Is there such a thing?", provoking.mistaken(stage)),
        ("Is the house in order?", house.broken()),
        ("Is it too early?", provoking.early(stage)),
        ("Is it too late?", provoking.outlived(fading)),
    ):
        group = list[Row]()
        for each in tries:
            before = stage.units()
            group.append(provoke(each))
            spent += stage.units() - before
        page.refusals(title, group)
        rows += group
    page.say("The reasons that are left:")
    page.facts(LEFT.items())
    page.gap()
    codes = {row.refusal.code for row in rows if row.refusal.code}
    page.check("each refused for the reason that was due", True, f"{len(rows)} tries, {len(codes)} reasons")
    page.check(
        "there is no reason beside these and those left",
        REASONS.keys() - codes == LEFT.keys(),
        f"{len(codes)} and {len(LEFT)} make the catalogue's {len(REASONS)}",
    )
    page.check("no refusal spent a contract unit", spent == 0, f"{spent} units")
    _check_links(stage, page, rows)
    _check_strangers(stage, page)
    _check_published(stage, page)
    house.check_mended(page)


def provoke(each: Try) -> Row:
    """Ask, and return how it was refused.

    Raises:
        StepFailed: It was answered, or refused for another reason than the one that is due.
    """
    refusal = each.ask()
    if refusal is None:
        raise StepFailed(each.what, "it was answered")
    if refusal.code != each.reason:
        raise StepFailed(each.what, f"refused as {refusal.code or refusal.status}; {each.reason} was due")
    return Row(each.what, refusal)


def _check_links(stage: Stage, page: Page, rows: Sequence[Row]) -> None:
    links = {row.refusal.code: row.refusal.help_url for row in rows if row.refusal.code}
    begin = stage.gateway.settings.public_url
    alive = [
        code
        for code, link in links.items()
        if link.startswith(begin) and code.encode() in stage.gateway.fetch(link.removeprefix(begin))[1]
    ]
    page.check(
        "each links to a page that explains it",
        len(alive) == len(links),
        f"{len(alive)} of {len(links)} pages answer",
    )


def _check_published(stage: Stage, page: Page) -> None:
    index, kept = stage.young.receipt.leaf_index, stage.meadow.keep(stage.young)
    page.check(
        "the proof that was asked for too early is there",
        True,
        f"entry {index:,} of {covered(kept):,}, cosigned by the witness",
    )


def _check_strangers(stage: Stage, page: Page) -> None:
    channel = stage.connect(stage.meadow.credentials, stage.gateway.partner_address).channel
    scores = score_pb2_grpc.ScoreServiceStub(channel)  # type: ignore[no-untyped-call]
    question = ScoreQuery(NO_SUCH_ID, CREDIT).message()
    missing = raw_refusal(scores.GetScore, question)
    foreign = score_pb2.GetScoreRequest()
    foreign.CopyFrom(question)
    foreign.consent_id = stage.foreign.consent_id
    page.check(
        "missing and another lender's look the same",
        missing == raw_refusal(scores.GetScore, foreign),
        f"{len(missing)} bytes of status and details, all equal",
    )
    references = {stage.consent.subject_ref, stage.foreign.subject_ref}
    page.check(
        "two lenders know the borrower by two references",
        len(references) == 2,
        " ".join(f"{each[:12]}…" for each in sorted(references)),
    )
