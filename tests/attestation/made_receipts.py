"""Consent receipts as a gateway would make them, with fixed keys, times and entries."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from consent.keys import SigningKey
from consent.receipt import sign
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros
from scoregate.proof import leaf
from scoregate.proof.consent_history import ConsentEvent, event_in
from scoregate.proof.consent_receipt import ConsentReceipt
from scoregate.proof.consent_terms import Processing
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose
from tests.attestation.made_answers import ACME, ISSUER, KEY, NOW, ORIGIN, SUBJECT

CONSENT_ID = "mfrggzdfmztwq2lknnwg23tpob"
MINUTE = timedelta(minutes=1)
END = NOW + timedelta(days=30)

LEAF_KINDS = {
    "GRANTED": leaf_pb2.LEAF_KIND_CONSENT_GRANTED,
    "PAUSED": leaf_pb2.LEAF_KIND_CONSENT_PAUSED,
    "RESUMED": leaf_pb2.LEAF_KIND_CONSENT_RESUMED,
    "REVOKED": leaf_pb2.LEAF_KIND_CONSENT_REVOKED,
    "EXPIRED": leaf_pb2.LEAF_KIND_CONSENT_EXPIRED,
    "CONSUMED": leaf_pb2.LEAF_KIND_RELEASE,
    "FROZEN": leaf_pb2.LEAF_KIND_SUBJECT_FROZEN,
    "UNFROZEN": leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN,
}
STORY = ("GRANTED", "PAUSED", "RESUMED", "FROZEN", "UNFROZEN", "CONSUMED", "REVOKED")

ONCE = Processing(
    purpose=Purpose.CREDIT_APPLICATION,
    disclosures=frozenset({Disclosure.SCORE, Disclosure.REASONS}),
    mode=ConsentMode.ONE_TIME,
    frequency=None,
    time_zone="UTC",
    not_before=NOW,
    expires_at=END,
    data_life_seconds=7_776_000,
    excluded_families=frozenset({InputFamily.SOCIAL}),
    notice_version="2026-11",
    consent_sha256="0" * 64,
)
OFTEN = replace(
    ONCE,
    purpose=Purpose.ACCOUNT_REVIEW,
    mode=ConsentMode.PERIODIC,
    frequency=(4, CalendarUnit.MONTH),
    time_zone="Asia/Shanghai",
    excluded_families=frozenset(),
)


def entry(kind: str, at: datetime, **changes: Any) -> bytes:
    """The entry of an event, begun by the person, or by the one who alone can begin it."""
    freeze, alone = kind.endswith("FROZEN"), {"CONSUMED": "", "EXPIRED": "gateway"}
    fields: dict[str, Any] = {
        "version": 1,
        "kind": LEAF_KINDS[kind],
        "time_micros": micros(at),
        "partner_id": "" if freeze else ACME,
        "partner_sequence": 0 if freeze else 7,
        "actor": alone.get(kind, "consumer"),
        "commitment": sha256(b"commitment").digest(),
        "salt": sha256(kind.encode()).digest()[:16],
    }
    return leaf.encode(leaf_pb2.Leaf(**(fields | changes)))


def happened(kind: str, at: datetime = NOW, index: int = 7, **changes: Any) -> ConsentEvent:
    return event_in(entry(kind, at, **changes), index, ACME)


def history(kinds: Iterable[str] = ("GRANTED",)) -> tuple[ConsentEvent, ...]:
    """These events, a minute and ten entries apart; an end by time where it belongs."""
    ends = {"EXPIRED": END}
    return tuple(
        happened(kind, ends.get(kind, NOW + place * MINUTE), 7 + 10 * place)
        for place, kind in enumerate(kinds)
    )


def receipt(**changes: Any) -> ConsentReceipt:
    """A sound receipt; `changes` replace fields."""
    fields: dict[str, Any] = {
        "receipt_id": "d9428888-122b-41e1-b85c-61ffa1f5b6a3",
        "consent_id": CONSENT_ID,
        "issued_at": NOW + timedelta(hours=1),
        "processing": ONCE,
        "partner_id": ACME,
        "legal_name": "Acme Lending Ltd",
        "issuer": ISSUER,
        "subject_ref": SUBJECT,
        "events": history(),
        "log": ORIGIN,
    }
    made = ConsentReceipt(**(fields | changes))
    if made.processing.consent_sha256 == "0" * 64:
        agreed = replace(made.processing, consent_sha256=made.terms_sha256())
        return replace(made, processing=agreed)
    return made


def signed(made: ConsentReceipt, key: SigningKey = KEY) -> str:
    return sign(made, key)
