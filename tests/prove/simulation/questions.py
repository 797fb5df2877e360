"""What clients ask about a consent: mostly what it allows, now and then what it does not."""

from __future__ import annotations

from random import Random
from typing import Any

from scoregate.partner.v1 import score_pb2
from scoregate.words import Disclosure, Purpose
from tests.prove.simulation.ground import THRESHOLDS, Agreed

NONCE = "simulated-nonce-22-chars"
MISSING = "a" * 26


def draw_question(random: Random, consent: Agreed, request_id: str) -> score_pb2.GetScoreRequest:
    """For a score or a band."""
    allowed = consent.terms.disclosures & {Disclosure.SCORE, Disclosure.BAND}
    disclosure = random.choice(sorted(allowed)) if random.random() < 0.93 else Disclosure.SCORE
    return score_pb2.GetScoreRequest(
        request_id=request_id,
        consent_id=_consent_id(random, consent),
        subject_ref=_subject_ref(random, consent),
        purpose=_purpose(random, consent),
        disclosure=disclosure.number,
        with_reasons=random.random() < 0.3,
        nonce=NONCE,
    )


def draw_threshold(random: Random, consent: Agreed, request_id: str) -> score_pb2.CheckThresholdRequest:
    """For a yes or no."""
    return score_pb2.CheckThresholdRequest(
        request_id=request_id,
        consent_id=_consent_id(random, consent),
        subject_ref=_subject_ref(random, consent),
        purpose=_purpose(random, consent),
        threshold=random.choice(THRESHOLDS),
        nonce=NONCE,
    )


def _consent_id(random: Random, consent: Agreed) -> str:
    return consent.consent_id if random.random() < 0.98 else MISSING


def _subject_ref(random: Random, consent: Agreed) -> str:
    chosen = random.random()
    if chosen < 0.7:
        return ""
    return consent.subject_ref if chosen < 0.98 else "s1-somebody-else"


def _purpose(random: Random, consent: Agreed) -> Any:
    purpose = consent.terms.purpose if random.random() < 0.96 else Purpose.COLLECTION
    return purpose.number
