"""Callers and questions that are turned away, each over a real connection, in the order of a query's steps.

Each generator yields the tries of one group, and puts back what it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.demo.breaking import held
from gateway.demo.opening import BORROWER, CREDIT, NO_SUCH_ID, consent_of, credit_terms
from gateway.demo.page import StepFailed
from gateway.demo.people import Lender, Operator, contract, make_key
from gateway.demo.stage import Stage
from gateway.demo.strangers import Fading, meter, strangers
from gateway.demo.trying import Try, at_once, first_refusal, once, refusal_of
from scoregate.client import Consent, ScoreQuery, Terms
from scoregate.errors import Refused
from scoregate.partner.v1 import (
    receipt_pb2,
    receipt_pb2_grpc,
    score_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
)
from scoregate.words import Disclosure, Purpose

RACES = 20  # against checkpoints, which come about once a second
FLOOD = 48  # calls at once, of one lender
GET_SCORE = "/scoregate.partner.v1.ScoreService/GetScore"


def strange(stage: Stage) -> Iterator[Try]:
    """Step 1: who is it?"""
    for what, reason, channel in strangers(stage.gateway, stage.home / "another-authority"):
        yield Try(what, reason, lambda channel=channel: meter(channel))  # type: ignore[misc]
    make_key(stage.home / "leaked", "harbour")
    leaked = stage.operator.enroll("harbour", stage.home / "leaked")
    channel = stage.connect(leaked, stage.gateway.partner_address).channel
    if (refusal := meter(channel)) is not None:
        raise StepFailed("a lender's second certificate works", str(refusal))
    stage.operator.revoke(leaked.fingerprint)
    yield Try(
        "one revoked a moment ago, on its open connection",
        "CERTIFICATE_REVOKED",
        lambda: meter(channel),
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
    with held(stage.gateway.ledger):
        calls = at_once(scores.GetScore, question, FLOOD)
        refusal = first_refusal("CONCURRENCY_EXCEEDED", calls)
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
        return allowed(stage, stage.meadow, terms)

    mine = stage.consent
    yield Try(
        "a consent that does not exist", "CONSENT_NOT_USABLE", refused(replace(mine, consent_id=NO_SUCH_ID))
    )
    yield Try("the borrower's consent to another lender", "CONSENT_NOT_USABLE", refused(stage.foreign))
    tomorrow = replace(credit_terms(), not_before=datetime.now(UTC) + timedelta(days=1))
    yield Try("a consent that begins tomorrow", "CONSENT_NOT_YET_VALID", refused(invited(tomorrow)))
    stage.borrower.change(mine.consent_id, "pause")
    yield Try("a consent that the borrower paused", "CONSENT_PAUSED", refused(mine))
    stage.borrower.change(mine.consent_id, "resume")
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
    stage.borrower.freeze(frozen=True)
    yield Try("a borrower who froze their file", "SUBJECT_FROZEN", refused(mine))
    stage.borrower.freeze(frozen=False)


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


def early(stage: Stage) -> Iterator[Try]:
    """Beside the score: what is committed, and not published yet."""
    yield Try(
        "the proof of an entry, in the moment in which it was committed",
        "ENTRY_NOT_PUBLISHED",
        lambda: _before_it_is_published(stage),
    )


def _before_it_is_published(stage: Stage) -> Refused | None:
    """Ask for the proof of an answer right after it; of another one where a checkpoint came in between."""
    meadow = stage.meadow
    channel = stage.connect(meadow.credentials, stage.gateway.partner_address).channel
    proofs = receipt_pb2_grpc.ReceiptServiceStub(channel)  # type: ignore[no-untyped-call]
    for _ in range(RACES):
        # Nothing is known of this person: an answer is an entry and costs no unit.
        stage.young = answer = meadow.client.score(stage.nobody.consent_id, CREDIT)
        meadow.file(answer)
        asked = receipt_pb2.GetInclusionProofRequest(leaf_index=answer.receipt.leaf_index)
        if (refusal := once(proofs.GetInclusionProof, asked)) is not None:
            return refusal
    return None


def outlived(fading: Fading) -> Iterator[Try]:
    """Step 1 again: what was in time when it began."""
    yield Try("a certificate that ran out on its open connection", "CERTIFICATE_EXPIRED", fading.again)
    yield Try("the same one, on a new connection", "", fading.anew)


def allowed(stage: Stage, lender: Lender, terms: Terms) -> Consent:
    """Have the lender invite the borrower, who allows it on their pages."""
    invitation = lender.client.invite(terms)
    stage.borrower.allow(invitation.url)
    return consent_of(lender, invitation)
