"""The chapter of every kind of no: each refusal is provoked over a real connection, and costs nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import grpc

from gateway.demo.opening import BORROWER, CREDIT, credit_terms, enrol
from gateway.demo.page import Page, Row, StepFailed
from gateway.demo.people import (
    Operator,
    at_once,
    contract,
    first_refusal,
    make_key,
    once,
    raw_refusal,
    refusal_of,
)
from gateway.demo.stage import Stage
from gateway.demo.strangers import strangers
from scoregate.client import Consent, ScoreQuery, Terms
from scoregate.errors import Refused
from scoregate.partner.v1 import score_pb2, score_pb2_grpc, usage_pb2, usage_pb2_grpc
from scoregate.reasons import REASONS
from scoregate.words import Disclosure, Purpose

FLOOD = 48  # calls at once, of one lender
NO_SUCH_ID = "a" * 26
GET_SCORE = "/scoregate.partner.v1.ScoreService/GetScore"


@dataclass(frozen=True, slots=True)
class Try:
    """One way to be refused, and the reason that is due; "" where TLS refuses."""

    what: str
    reason: str
    ask: Callable[[], Refused | None]


def refusals(stage: Stage, page: Page) -> None:
    """Every refusal names its reason and its remedy, and none costs a unit. Each of these has just been
    provoked by two lenders, an officer and some strangers.
    """
    stage.harbour = enrol(stage, "harbour", "Harbour Credit Ltd")
    stage.foreign = _allowed(stage, stage.harbour.client.invite(credit_terms(uses=10)).handle)
    spent, rows = 0, list[Row]()
    for title, tries in (
        ("Who is it?", strange(stage)),
        ("Too fast, or too much?", greedy(stage)),
        ("Is it a question?", garbled(stage)),
        ("Did the person allow it?", unconsented(stage)),
        ("Is there such a thing?", mistaken(stage)),
    ):
        group = list[Row]()
        for each in tries:
            before = stage.units()
            group.append(_provoke(each))
            spent += stage.units() - before
        page.refusals(title, group)
        rows += group
    codes = {row.refusal.code for row in rows if row.refusal.code}
    page.check("each refused for the reason that was due", True, f"{len(rows)} tries, {len(codes)} reasons")
    page.check("no refusal spent a contract unit", spent == 0, f"{spent} units")
    _check_links(stage, page, rows)
    _check_strangers(stage, page)
    page.gap()
    absent = sorted(REASONS.keys() - codes - {"CONSENT_REVOKED"})
    left = f"Not provoked, for it takes a broken part or a moved clock: {', '.join(absent)}."
    page.say(f"CONSENT_REVOKED follows. {left}")


def _provoke(each: Try) -> Row:
    refusal = each.ask()
    if refusal is None:
        raise StepFailed(each.what, "it was answered")
    if refusal.code != each.reason:
        raise StepFailed(each.what, f"refused as {refusal.code or refusal.status}; {each.reason} was due")
    return Row(each.what, refusal)


def strange(stage: Stage) -> Iterator[Try]:
    """Step 1: who is it?"""
    for what, reason, channel in strangers(stage.gateway, stage.home / "another-authority"):
        yield Try(what, reason, lambda channel=channel: _meter(channel))  # type: ignore[misc]
    make_key(stage.home / "leaked", "harbour")
    leaked = stage.operator.enroll("harbour", stage.home / "leaked")
    channel = stage.connect(leaked, stage.gateway.partner_address).channel
    if (refusal := _meter(channel)) is not None:
        raise StepFailed("a lender's second certificate works", str(refusal))
    stage.operator.revoke(leaked.fingerprint)
    yield Try(
        "one revoked a moment ago, on its open connection",
        "CERTIFICATE_REVOKED",
        lambda: _meter(channel),
    )
    stage.operator.suspend("harbour")
    yield Try(
        "a lender that is suspended", "PARTNER_SUSPENDED", lambda: refusal_of(stage.harbour.client.usage)
    )
    stage.operator.resume("harbour")
    officer = Operator(stage.connect(stage.officer, stage.gateway.admin_address))
    yield Try(
        "a compliance officer who suspends a lender",
        "METHOD_NOT_ALLOWED",
        lambda: refusal_of(lambda: officer.suspend("harbour")),
    )


def greedy(stage: Stage) -> Iterator[Try]:
    """Steps 2 and 7: faster, or more, than the contract allows?"""
    channel = stage.connect(stage.harbour.credentials, stage.gateway.partner_address).channel
    usage = usage_pb2_grpc.UsageServiceStub(channel)  # type: ignore[no-untyped-call]
    scores = score_pb2_grpc.ScoreServiceStub(channel)  # type: ignore[no-untyped-call]
    agree = stage.operator.set_contract
    agree("harbour", contract(calls_per_second=1, burst_calls=1))
    yield Try(
        "five calls at once, where the contract allows one a second",
        "BURST_EXCEEDED",
        lambda: first_refusal(
            "BURST_EXCEEDED", at_once(usage.ListQuotaUsage, usage_pb2.ListQuotaUsageRequest(), 5)
        ),
    )
    agree("harbour", contract())
    cap = stage.gateway.settings.limits.max_in_flight_per_partner
    yield Try(
        f"{FLOOD} calls while a backup holds the ledger; {cap} may wait",
        "CONCURRENCY_EXCEEDED",
        lambda: _flood(stage, scores),
    )
    for period, reason, limits in (
        ("day", "DAILY_QUOTA_EXHAUSTED", contract(daily_units=0)),
        ("month", "MONTHLY_QUOTA_EXHAUSTED", contract(monthly_units=0)),
    ):
        agree("harbour", limits)
        yield Try(
            f"a question when the contract's {period} has no unit left",
            reason,
            lambda: refusal_of(lambda: stage.harbour.client.score(stage.foreign.consent_id, CREDIT)),
        )
    agree("harbour", contract())


def _flood(stage: Stage, scores: score_pb2_grpc.ScoreServiceStub) -> Refused | None:
    """Hold the ledger, as a backup may, so that calls stay under way; return how the excess is refused."""
    question = ScoreQuery(NO_SUCH_ID, CREDIT).message()
    with closing(sqlite3.connect(stage.gateway.ledger, isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        calls = at_once(scores.GetScore, question, FLOOD)
        refusal = first_refusal("CONCURRENCY_EXCEEDED", calls)
        backup.execute("ROLLBACK")
    for call in calls:
        call.exception()  # wait for the rest of them
    return refusal


def garbled(stage: Stage) -> Iterator[Try]:
    """Step 3, and what a question must not repeat or ask."""
    client, consent_id = stage.meadow.client, stage.consent.consent_id
    channel = stage.connect(stage.meadow.credentials, stage.gateway.partner_address).channel
    raw: Callable[..., bytes] = channel.unary_unary(GET_SCORE)
    yield Try("bytes that are no message", "BODY_MALFORMED", lambda: once(raw, b"\x0a\xff\xff"))
    yield Try(
        "three fields that are wrong",
        "FIELD_INVALID",
        lambda: refusal_of(lambda: client.score("mine", CREDIT, request_id="1", nonce="short")),
    )
    yield Try(
        "the request id of the first question, with another nonce",
        "REQUEST_ID_REUSED",
        lambda: refusal_of(
            lambda: client.score(consent_id, CREDIT, with_reasons=True, request_id=stage.query.request_id)
        ),
    )
    yield Try(
        "a threshold that the contract does not list: 750",
        "THRESHOLD_NOT_REGISTERED",
        lambda: refusal_of(lambda: client.reaches(consent_id, CREDIT, 750)),
    )


def unconsented(stage: Stage) -> Iterator[Try]:
    """Steps 4 and 7: does the consent cover the question, now?"""

    def refused(consent: Consent, purpose: Purpose = CREDIT) -> Callable[[], Refused | None]:
        return lambda: refusal_of(lambda: stage.meadow.client.score(consent.consent_id, purpose))

    def invited(terms: Terms) -> Consent:
        return _allowed(stage, stage.meadow.client.invite(terms).handle)

    mine = stage.consent
    yield Try(
        "a consent that does not exist", "CONSENT_NOT_USABLE", refused(replace(mine, consent_id=NO_SUCH_ID))
    )
    yield Try("the borrower's consent to another lender", "CONSENT_NOT_USABLE", refused(stage.foreign))
    tomorrow = replace(credit_terms(), not_before=datetime.now(UTC) + timedelta(days=1))
    yield Try("a consent that begins tomorrow", "CONSENT_NOT_YET_VALID", refused(invited(tomorrow)))
    stage.operator.change(mine.consent_id, "PAUSE")
    yield Try("a consent that the borrower paused", "CONSENT_PAUSED", refused(mine))
    stage.operator.change(mine.consent_id, "RESUME")
    yield Try("a one-time consent that gave its answer", "CONSENT_CONSUMED", refused(stage.crowd[0]))
    yield Try(
        "a consent to a credit application, used for a review",
        "CONSENT_PURPOSE_MISMATCH",
        refused(mine, Purpose.ACCOUNT_REVIEW),
    )
    band = invited(credit_terms(disclosures=(Disclosure.BAND,)))
    yield Try("the number, where the band was allowed", "CONSENT_DISCLOSURE_NOT_ALLOWED", refused(band))
    yearly = invited(credit_terms(uses=1))
    stage.meadow.file(stage.meadow.client.score(yearly.consent_id, CREDIT))
    yield Try("a second answer, where one a year is allowed", "CONSENT_FREQUENCY_EXHAUSTED", refused(yearly))
    stage.operator.freeze(BORROWER, frozen=True)
    yield Try("a borrower who froze their file", "SUBJECT_FROZEN", refused(mine))
    stage.operator.freeze(BORROWER, frozen=False)


def mistaken(stage: Stage) -> Iterator[Try]:
    """Beside the score: names that are missing or taken, and states that do not allow it."""
    client, operator = stage.meadow.client, stage.operator
    yield Try(
        "an invitation that does not exist",
        "NOT_FOUND",
        lambda: refusal_of(lambda: client.invitation(NO_SUCH_ID)),
    )
    yield Try(
        "a second lender by a name that is taken",
        "ALREADY_EXISTS",
        lambda: refusal_of(lambda: operator.add("meadow", "Meadow Two Ltd", "PARTNER")),
    )
    yield Try(
        "an invitation that is allowed a second time",
        "STATE_CONFLICT",
        lambda: refusal_of(lambda: operator.allow(stage.consent.handle, BORROWER)),
    )


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


def _allowed(stage: Stage, handle: str) -> Consent:
    return stage.operator.allow(handle, BORROWER)


def _meter(channel: grpc.Channel) -> Refused | None:
    stub = usage_pb2_grpc.UsageServiceStub(channel)  # type: ignore[no-untyped-call]
    return once(stub.ListQuotaUsage, usage_pb2.ListQuotaUsageRequest())
