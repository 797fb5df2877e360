"""The chapter of every kind of no: each refusal is provoked over a real connection, and costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import grpc

from gateway import pki
from gateway.demo.asking import CREDIT
from gateway.demo.opening import BORROWER, credit_terms, enrol
from gateway.demo.page import Page, Row, StepFailed
from gateway.demo.people import at_once, contract, make_key, once, refusal_of
from gateway.demo.stage import Stage
from gateway.demo.strangers import Stranger, strangers
from scoregate.client import ScoreQuery
from scoregate.client.connection import Connection
from scoregate.errors import Refused
from scoregate.partner.v1 import score_pb2, score_pb2_grpc, usage_pb2, usage_pb2_grpc
from scoregate.reasons import REASONS
from scoregate.words import Disclosure, Purpose

IN_TLS = ""  # the reason of a refusal by TLS: there is none
FLOOD = 64
"""Questions at once, against 16 of one partner that may be under way."""
SCORE_METHOD = "/scoregate.partner.v1.ScoreService/GetScore"
NO_SUCH_ID = "a" * 26
UNREGISTERED_THRESHOLD = 750


@dataclass(frozen=True, slots=True)
class Try:
    """One way to be refused."""

    what: str
    reason: str  # that is due
    ask: Callable[[], Refused | None]


def refusals(stage: Stage, page: Page) -> None:
    """Every refusal names its reason and its remedy, and none costs a unit. Each of these was just provoked,
    by two lenders, strangers and an officer.
    """
    stage.harbour = enrol(stage, "harbour", "Harbour Credit Ltd")
    spent, rows = 0, list[Row]()
    for title, tries in (
        ("Who is it?", strange(stage)),
        ("Too fast, or too much?", greedy(stage)),
        ("Is it a question?", garbled(stage)),
        ("Did the person allow it?", unconsented(stage)),
        ("Is there such a thing?", mistaken(stage)),
    ):
        group = []
        for each in tries:
            before = stage.units()
            group.append(_provoke(each))
            spent += stage.units() - before
        page.refusals(title, group)
        rows += group
    reasons = {row.refusal.code for row in rows} - {IN_TLS}
    page.check("each was refused for the reason that was due", True, f"{len(rows)} tries, {len(reasons)} reasons")
    page.check("none spent a contract unit", spent == 0, f"{spent} units")
    _links(stage, page, rows)
    _indistinct(stage, page)
    page.gap()
    page.say(f"Not shown, since this gateway is healthy and the demo does not wait: {_absent(reasons)}.")


def _provoke(each: Try) -> Row:
    refusal = each.ask()
    if refusal is None:
        raise StepFailed(each.what, "it was answered")
    if refusal.code != each.reason:
        raise StepFailed(each.what, f"refused with {refusal.code or refusal.status}, due was {each.reason}")
    return Row(each.what, refusal)


def strange(stage: Stage) -> Iterator[Try]:
    """Step 1: who is it?"""
    for stranger, reason in strangers(stage):
        yield Try(stranger.what, reason, lambda stranger=stranger: _meter(stranger.channel))  # type: ignore[misc]
    make_key(stage.home / "leaked", "harbour")
    leaked = stage.operator.enroll("harbour", stage.home / "leaked")
    connection = stage.connect(leaked, stage.gateway.partner_address)
    if (refusal := _meter(connection.channel)) is not None:
        raise StepFailed("a second certificate works", str(refusal))
    stage.operator.revoke(leaked.fingerprint)
    yield Try(
        "the operator revokes a certificate; its next call, over the same connection",
        "CERTIFICATE_REVOKED",
        lambda: _meter(connection.channel),
    )
    stage.operator.suspend("harbour")
    yield Try(
        "a lender that the operator suspended", "PARTNER_SUSPENDED", lambda: refusal_of(stage.harbour.client.usage)
    )
    stage.operator.resume("harbour")
    yield Try(
        "a compliance officer adds a partner",
        "METHOD_NOT_ALLOWED",
        lambda: refusal_of(lambda: stage.officer.add("pal", "A Pal Ltd", "PARTNER")),
    )


def greedy(stage: Stage) -> Iterator[Try]:
    """Steps 2 and 7: too fast, or more than the contract gives?"""
    connection = stage.connect(stage.harbour.credentials, stage.gateway.partner_address)
    usage = usage_pb2_grpc.UsageServiceStub(connection.channel)  # type: ignore[no-untyped-call]
    scores = score_pb2_grpc.ScoreServiceStub(connection.channel)  # type: ignore[no-untyped-call]
    allowed = stage.operator.allow(stage.harbour.client.invite(credit_terms()).handle, BORROWER)
    stage.foreign = allowed

    def contracted(**changes: int) -> None:
        stage.operator.set_contract("harbour", contract(**changes))

    contracted(calls_per_second=1, burst_calls=1)
    yield Try(
        "five calls at once, where the contract allows one a second",
        "BURST_EXCEEDED",
        lambda: _first("BURST_EXCEEDED", at_once(usage.ListQuotaUsage, usage_pb2.ListQuotaUsageRequest(), 5)),
    )
    contracted()
    question = ScoreQuery(NO_SUCH_ID, CREDIT).message()
    yield Try(
        f"{FLOOD} questions at once, where 16 may be under way",
        "CONCURRENCY_EXCEEDED",
        lambda: _first("CONCURRENCY_EXCEEDED", at_once(scores.GetScore, question, FLOOD)),
    )
    for name, changes in (
        ("day", {"daily_units": 0}),
        ("month", {"monthly_units": 0}),
    ):
        contracted(**changes)
        yield Try(
            f"a question when the contract's {name} has no unit left",
            "DAILY_QUOTA_EXHAUSTED" if name == "day" else "MONTHLY_QUOTA_EXHAUSTED",
            lambda: refusal_of(lambda: stage.harbour.client.score(allowed.consent_id, CREDIT)),
        )
    contracted()
