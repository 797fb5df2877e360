"""The chapters in which a lender asks: one score, less than a score, a thousand people, nobody known."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from gateway.demo.forging import as_it_came, forgeries
from gateway.demo.opening import BORROWER, CREDIT, credit_terms
from gateway.demo.page import Page, StepFailed
from gateway.demo.people import contract
from gateway.demo.stage import Stage
from gateway.demo.vouching import covered
from scoregate.client import Client, Consent, ConsentState, ScoreAnswer, ScoreQuery
from scoregate.words import Band, Disclosure, NotScoredReason
from scoring.service import Engine, Query, Scored

HANDS = 3  # people who decide at the same time: as many calls as an operator may have under way
EVERY = 29  # of the 30,000 people one in so many is in the crowd
NOBODY = "walk-in-0001"  # of whom there is no record


def score(stage: Stage, page: Page) -> None:
    """The lender asks for the borrower's score. Before it sees the number its client has checked the
    signature, that this answers this very question, and the receipt; a moment later it keeps the proof.
    """
    stage.query = ScoreQuery(stage.consent.consent_id, CREDIT, with_reasons=True)
    stage.answer = answer = ask(stage.meadow.client, stage.query)
    stage.meadow.file(answer)
    if answer.score is None or answer.band is None:
        raise StepFailed("the borrower has a score", f"there is none: {answer.not_scored}")
    page.scale(answer.score, shown(answer.band))
    page.gap()
    page.facts(
        [
            ("reasons", "\n".join(reason.text for reason in answer.reasons)),
            ("model", f"{answer.model}, on {' and '.join(answer.families)}"),
            ("epoch", f"{answer.evaluated_at}: what was known by then"),
            ("inquiry", str(answer.inquiry)),
            ("receipt", f"entry {answer.receipt.leaf_index} of {answer.receipt.log_origin}"),
        ]
    )
    page.gap()
    page.check("signature, question, result and receipt fit", True, as_it_came(stage))
    for changed, refused_as in forgeries(stage):
        page.check(f"refused: {changed}", True, refused_as)
    page.check(
        "the number is the scorecard's own",
        expected(stage, [BORROWER]) == [answer.score],
        f"{answer.score}, computed again from the public records",
    )
    stage.kept = stage.meadow.keep(answer)
    page.check(
        "kept, with the proof that the log holds it",
        True,
        f"entry {answer.receipt.leaf_index} of {covered(stage.kept):,}, cosigned by the witness",
    )


def less(stage: Stage, page: Page) -> None:
    """Often less will do: the band alone, or yes or no at a threshold of the contract. What the answer does
    not show is not in what was signed either.
    """
    client, consent_id = stage.meadow.client, stage.consent.consent_id
    before = stage.units()
    band = client.score(consent_id, CREDIT, Disclosure.BAND)
    reached, beyond = (client.reaches(consent_id, CREDIT, threshold) for threshold in (600, 650))
    for answer in (band, reached, beyond):
        stage.meadow.file(answer)
    page.facts(
        [
            ("band?", shown(band.band) if band.band else "none"),
            ("600?", "yes" if reached.reached else "no"),
            ("650?", "yes" if beyond.reached else "no"),
        ]
    )
    page.gap()
    number = stage.answer.score or 0
    page.check(
        "BAND holds no number",
        band.score is None
        and band.band is stage.answer.band
        and "score" not in signed(band.attestation)["scored"],
        "nor does the signed text",
    )
    page.check(
        "THRESHOLD holds neither number nor band",
        not {"score", "band"} & set(signed(reached.attestation)["answer"]),
        "nor does the signed text",
    )
    page.check(
        "yes and no are the score's own",
        (reached.reached, beyond.reached) == (number >= 600, number >= 650),
        f"600 and 650 against {number}",
    )
    page.check(
        "each costs one unit",
        stage.units() - before == 3,
        f"{stage.units() - before} units for three answers",
    )


def crowd(stage: Stage, page: Page) -> None:
    """Many people apply at counters, where an operator brings the yes of each. Then the lender asks about
    them in batches, and its client verifies every single answer.
    """
    subjects = [f"uci-{EVERY * number:05d}" for number in range(1, stage.people + 1)]
    began = time.monotonic()
    stage.crowd = _consents(stage, page, subjects)
    consented, before = time.monotonic(), stage.units()
    queries = [ScoreQuery(consent.consent_id, CREDIT) for consent in stage.crowd]
    with page.progress("scores", len(queries)) as done:
        outcomes = list(stage.meadow.client.scores(queries, progress=done))
    answered = time.monotonic()
    spent = stage.units() - before
    answers = [outcome for outcome in outcomes if isinstance(outcome, ScoreAnswer)]
    for answer in answers:
        stage.meadow.file(answer)
    page.facts(
        [
            (
                "consents",
                f"{len(stage.crowd):,}, each by an invitation of its own, in {consented - began:.1f} s",
            ),
            ("answers", f"{len(answers):,}, asked for and verified in {answered - consented:.1f} s"),
        ]
    )
    page.gap()
    page.histogram(_tally(answers))
    page.gap()
    page.check(
        "everybody has an answer, in order",
        [answer.request_id for answer in answers] == [query.request_id for query in queries],
        f"{len(answers):,} of {len(queries):,} verified",
    )
    page.check(
        "every number is the scorecard's own",
        expected(stage, subjects) == [answer.score for answer in answers],
        "computed again from the public records",
    )
    scored = sum(answer.score is not None for answer in answers)
    page.check("only scores cost a unit", spent == scored, f"{spent:,} units for {scored:,} scores")


def _consents(stage: Stage, page: Page, subjects: list[str]) -> list[Consent]:
    # Its own default contract would hold the operator to 100 decisions a second.
    stage.operator.set_contract("operator", contract())
    terms, consents = credit_terms(), list[Consent]()

    def decide(subject: str) -> Consent:
        return stage.operator.allow(stage.meadow.client.invite(terms).handle, subject)

    hands = ThreadPoolExecutor(HANDS)
    try:
        with page.progress("people consent", len(subjects)) as done:
            for consent in hands.map(decide, subjects):
                consents.append(consent)
                done(len(consents))
    finally:
        hands.shutdown(cancel_futures=True)
    return consents


def nobody(stage: Stage, page: Page) -> None:
    """Somebody of whom there is no record walks in and says yes, too. No data is not a low score: there is no
    number at all, and the answer says why.
    """
    client, before = stage.meadow.client, stage.units()
    stage.nobody = allowed = stage.operator.allow(client.invite(credit_terms()).handle, NOBODY)
    answer = client.score(allowed.consent_id, CREDIT)
    stage.meadow.file(answer)
    page.facts([("score", "none"), ("why", str(answer.not_scored)), ("epoch", str(answer.evaluated_at))])
    page.gap()
    page.check(
        "not scored, and it says why",
        answer.not_scored is NotScoredReason.NO_DATA and answer.score is None and answer.band is None,
        f"{answer.not_scored}, signed and logged as entry {answer.receipt.leaf_index:,}",
    )
    after = stage.units()
    page.check("it costs nothing", after == before, f"{before:,} units before, {after:,} after")
    page.check(
        "the one-time consent is not used up",
        client.consent(allowed.consent_id).state is ConsentState.ACTIVE,
        str(client.consent(allowed.consent_id).state),
    )


def retry(stage: Stage, page: Page) -> None:
    """A lender that missed an answer asks again with the same request id. It gets the first answer again,
    byte for byte.
    """
    before = stage.units()
    again = ask(stage.meadow.client, stage.query)
    after = stage.units()
    page.facts([("request id", stage.query.request_id)])
    page.gap()
    page.check("the gateway says that it repeats itself", again.replayed is True, "scoregate-replayed: true")
    page.check(
        "the same attestation",
        again.attestation == stage.answer.attestation,
        f"{len(again.attestation):,} bytes, all equal",
    )
    page.check(
        "the same receipt",
        again.receipt == stage.answer.receipt,
        f"entry {again.receipt.leaf_index} of the log",
    )
    page.check("it costs nothing", before == after, f"{before:,} units before, {after:,} after")


def ask(client: Client, query: ScoreQuery) -> ScoreAnswer:
    """Ask one question; asked again, it is a repeat."""
    return client.score(
        query.consent_id,
        query.purpose,
        query.disclosure,
        with_reasons=query.with_reasons,
        request_id=query.request_id,
        nonce=query.nonce,
    )


def expected(stage: Stage, subjects: list[str]) -> list[int | None]:
    """Return what the scorecard says of these people, computed here and not by the gateway."""
    engine = Engine.open(stage.engine)
    outcomes = engine.score([Query(subject) for subject in subjects], as_of=datetime.now(UTC).date())
    return [outcome.score if isinstance(outcome, Scored) else None for outcome in outcomes]


def signed(attestation: str) -> dict[str, dict[str, object]]:
    """Return the result in the signed text of an attestation that was verified already."""
    payload = attestation.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    result: dict[str, dict[str, object]] = claims["result"]
    return result


def shown(band: Band) -> str:
    """Return a band as people write it."""
    return band.replace("_", "–")


def _tally(answers: list[ScoreAnswer]) -> list[tuple[str, int]]:
    bands = Counter(answer.band for answer in answers)
    return [*((shown(band), bands[band]) for band in Band), ("not scored", bands[None])]
