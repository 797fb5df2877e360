"""A receipt is made of what the register holds, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consent.grant import Frequency, Grant, State, Terms
from consent.receipt import HistoryTooLong, HistoryUnknown, receipt_of
from consent.register import Entry
from consent.register.terms import consent_digest
from scoregate.proof.consent_receipt import MAX_EVENTS, ConsentReceipt
from scoregate.proof.consent_terms import Processing
from scoregate.words import CalendarUnit, Disclosure, InputFamily, Purpose
from tests.agreed import ONE_TIME, periodic
from tests.attestation.made_answers import ACME, ISSUER, NOW, ORIGIN, SUBJECT
from tests.attestation.made_receipts import CONSENT_ID, END, MINUTE, happened, history

RECEIPT_ID = "d9428888-122b-41e1-b85c-61ffa1f5b6a3"
OFTEN = replace(
    periodic(3, CalendarUnit.WEEK, "Asia/Shanghai"),
    purpose=Purpose.ACCOUNT_REVIEW,
    disclosures=frozenset({Disclosure.THRESHOLD}),
    data_life=timedelta(seconds=90),
    excluded_families=frozenset({InputFamily.SOCIAL}),
    thresholds=(500, 650),
)
GRANT = Grant(
    consent_id=CONSENT_ID,
    partner_id=ACME,
    subject="uci-00001",
    subject_ref=SUBJECT,
    terms=OFTEN,
    sha256=bytes(range(32)),
    granted_at=NOW,
    not_before=NOW + MINUTE,
    expires_at=END,
    state=State.ACTIVE,
)
ENTRY = Entry(GRANT, number=7, handle="h" * 26, partner_reference="loan 7", notice_version="2026-11.en")


def made(entry: Entry = ENTRY, **changes: Any) -> ConsentReceipt:
    given: dict[str, Any] = {
        "events": history(),
        "receipt_id": RECEIPT_ID,
        "legal_name": "Acme Lending Ltd",
        "issuer": ISSUER,
        "log_origin": ORIGIN,
        "now": NOW + 3 * MINUTE,
    } | changes
    return receipt_of(entry, given.pop("events"), **given)


def test_it_says_what_the_register_holds_and_nothing_of_the_operators() -> None:
    assert made() == ConsentReceipt(
        receipt_id=RECEIPT_ID,
        consent_id=CONSENT_ID,
        issued_at=NOW + 3 * MINUTE,
        processing=Processing(
            purpose=OFTEN.purpose,
            disclosures=OFTEN.disclosures,
            mode=OFTEN.mode,
            frequency=(3, CalendarUnit.WEEK),
            time_zone="Asia/Shanghai",
            not_before=NOW + MINUTE,
            expires_at=END,
            data_life_seconds=90,
            excluded_families=OFTEN.excluded_families,
            notice_version="2026-11.en",
            consent_sha256=bytes(range(32)).hex(),
            thresholds=(500, 650),
        ),
        partner_id=ACME,
        legal_name="Acme Lending Ltd",
        issuer=ISSUER,
        subject_ref=SUBJECT,
        events=history(),
        log=ORIGIN,
    )
    for unsaid in (GRANT.subject, ENTRY.handle, ENTRY.partner_reference):
        assert unsaid not in made().encode().decode()


@pytest.mark.parametrize("terms", [OFTEN, replace(OFTEN, thresholds=()), ONE_TIME])
def test_the_digest_that_attestations_repeat_follows_from_what_it_says(terms: Terms) -> None:
    grant = replace(GRANT, terms=terms)
    agreed = consent_digest(grant, ENTRY.notice_version)
    receipt = made(replace(ENTRY, grant=replace(grant, sha256=agreed)))
    assert receipt.terms_sha256() == receipt.processing.consent_sha256 == agreed.hex()


def test_once_has_no_frequency() -> None:
    once = replace(ENTRY, grant=replace(GRANT, terms=ONE_TIME))
    assert OFTEN.frequency == Frequency(3, CalendarUnit.WEEK)
    assert made(once).processing.frequency is None


def test_issued_now_or_with_its_last_event_where_the_clock_was_set_back() -> None:
    events = history(("GRANTED", "PAUSED"))
    last = events[-1].at
    for now, issued_at in ((last - MINUTE, last), (last, last), (last + MINUTE, last + MINUTE)):
        assert made(events=events, now=now).issued_at == issued_at


@pytest.mark.parametrize("kinds", [(), ("PAUSED",), ("PAUSED", "GRANTED")])
def test_without_its_beginning_there_is_none(kinds: tuple[str, ...]) -> None:
    with pytest.raises(HistoryUnknown):
        made(events=history(kinds))


def test_one_event_too_many_is_told_apart_from_a_beginning_that_is_missing() -> None:
    paused, resumed = happened("PAUSED"), happened("RESUMED")
    later = [replace((resumed, paused)[place % 2], log_index=7 + place) for place in range(1, MAX_EVENTS + 1)]
    most = [*history(), *later[:-1]]
    assert len(made(events=most).events) == MAX_EVENTS
    # Of more than that the register gives the latest, without the first.
    for events in ([*most, later[-1]], later + later[-1:]):
        with pytest.raises(HistoryTooLong):
            made(events=events)
