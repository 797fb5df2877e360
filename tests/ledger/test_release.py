"""The release transaction, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from consent import register
from consent.grant import Ask, Change
from gateway import partners
from gateway.ledger import (
    Denied,
    Dropped,
    Failed,
    Gone,
    Refusal,
    Released,
    Repeat,
    Replayed,
    Stale,
    Transaction,
)
from gateway.ledger.answers import sweep
from gateway.query import GET_SCORE
from scoregate.audit.v1 import leaf_pb2
from scoregate.proof.leaf import LeafInvalid
from scoregate.words import CalendarUnit, Disclosure, NotScoredReason, Purpose
from tests.agreed import ONE_TIME, periodic
from tests.ledger.conftest import Books, one_commit

MONTHLY = periodic(2, CalendarUnit.MONTH)


def test_a_release_spends_records_and_uses_up_in_one_go(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    [outcome] = books.submit(books.release(acme, grant))
    assert isinstance(outcome, Released)
    assert (outcome.usage.used_day, outcome.usage.used_month) == (1, 1)
    assert books.usage(acme) == outcome.usage
    [entry] = books.leaves()
    assert entry.kind == leaf_pb2.LEAF_KIND_RELEASE
    assert (entry.partner_sequence, entry.cost_units) == (1, 1)
    assert list(entry.quota_periods) == ["2026-11-23", "2026-11"]
    with books.store.reading() as connection:
        assert register.entry(connection, grant.consent_id).grant.state == "CONSUMED"


def test_a_one_time_grant_answers_once(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    outcomes = books.submit(books.release(acme, grant), books.release(acme, grant))
    assert isinstance(outcomes[0], Released)
    assert outcomes[1] == Denied("CONSENT_CONSUMED", books.usage(acme))
    assert books.usage(acme).used_day == 1


def test_not_scored_costs_nothing_and_leaves_the_grant_usable(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    [none] = books.submit(books.release(acme, grant, not_scored=NotScoredReason.NO_DATA))
    assert isinstance(none, Released)
    assert books.usage(acme).used_day == 0
    [scored] = books.submit(books.release(acme, grant))
    assert isinstance(scored, Released)


def test_a_repeat_of_not_scored_is_refused_once_another_answer_used_the_grant_up(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query, not_scored=NotScoredReason.NO_DATA))
    assert isinstance(books.submit(Repeat(acme, query))[0], Replayed)
    books.submit(books.release(acme, grant))
    [late] = books.submit(Repeat(acme, query))
    assert isinstance(late, Denied)
    assert late.reason == "CONSENT_CONSUMED"


def test_not_scored_costs_a_unit_where_the_contract_says_so(books: Books) -> None:
    acme = books.caller(charge_not_scored=True)
    books.submit(books.release(acme, books.grant(acme), not_scored=NotScoredReason.NO_DATA))
    assert books.usage(acme).used_month == 1


def test_a_frequency_is_counted_in_its_own_calendar(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=MONTHLY)
    outcomes = books.submit(*(books.release(acme, grant) for _ in range(3)))
    assert [type(outcome) for outcome in outcomes] == [Released, Released, Denied]
    assert isinstance(outcomes[2], Denied)
    assert outcomes[2].reason == "CONSENT_FREQUENCY_EXHAUSTED"
    books.now += timedelta(days=8)  # into December
    assert isinstance(books.submit(books.release(acme, grant))[0], Released)


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        ({"daily_units": 2}, "DAILY_QUOTA_EXHAUSTED"),
        ({"monthly_units": 2}, "MONTHLY_QUOTA_EXHAUSTED"),
    ],
)
def test_the_contract_quota_ends_exactly_where_it_says(
    books: Books, units: dict[str, int], reason: str
) -> None:
    acme = books.caller(**units)
    grants = [books.grant(acme, f"uci-0000{n}") for n in range(4)]
    outcomes = books.submit(*(books.release(acme, grant) for grant in grants))
    assert [type(outcome) for outcome in outcomes] == [Released, Released, Denied, Denied]
    assert isinstance(outcomes[2], Denied)
    assert outcomes[2].reason == reason
    assert books.usage(acme).used_day == 2


def test_a_repeat_gets_the_first_answer_and_costs_nothing(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    [first] = books.submit(books.release(acme, grant, query=query, answer=b"the first"))
    [again] = books.submit(Repeat(acme, query))
    assert isinstance(first, Released)
    assert isinstance(again, Replayed)
    assert (again.leaf_index, again.leaf) == (first.leaf_index, first.leaf)
    assert books.usage(acme).used_day == 1
    replay = books.leaves()[-1]
    assert (replay.kind, replay.refers_to, replay.cost_units) == (
        leaf_pb2.LEAF_KIND_REPLAY,
        first.leaf_index,
        0,
    )


def test_a_twin_in_the_same_commit_gets_the_first_answer(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    first, twin = books.submit(
        books.release(acme, grant, query=query, answer=b"one"),
        books.release(acme, grant, query=query, answer=b"two"),
    )
    assert isinstance(first, Released)
    assert isinstance(twin, Replayed)
    assert (twin.leaf_index, twin.leaf) == (first.leaf_index, first.leaf)
    assert books.usage(acme).used_day == 1


def test_another_body_under_the_same_request_id_is_refused(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    other = replace(query, request_sha256=b"e" * 32)
    [outcome] = books.submit(books.release(acme, grant, query=other))
    assert isinstance(outcome, Denied)
    assert outcome.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Change.REVOKE, "CONSENT_REVOKED"),
        (Change.PAUSE, "CONSENT_PAUSED"),
    ],
)
def test_a_change_ends_releases_and_replays_alike(books: Books, end: Change, reason: str) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=MONTHLY)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    prepared = books.release(acme, grant)
    books.change(grant, end)
    outcomes = books.submit(prepared, Repeat(acme, query))
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Denied)] == [reason, reason]


def test_a_revoked_certificate_ends_what_was_already_prepared(books: Books) -> None:
    acme = books.caller()
    prepared = books.release(acme, books.grant(acme))
    books.ledger.change(lambda tx: partners.revoke(tx.connection, acme.fingerprint, now=tx.now))
    [outcome] = books.submit(prepared)
    assert isinstance(outcome, Denied)
    assert outcome.reason == "CERTIFICATE_REVOKED"


def test_a_suspended_partner_gets_nothing_that_was_already_prepared(books: Books) -> None:
    acme = books.caller()
    prepared = books.release(acme, books.grant(acme))
    books.ledger.change(lambda tx: partners.set_suspended(tx.connection, "acme", suspended=True))
    [outcome] = books.submit(prepared)
    assert isinstance(outcome, Denied)
    assert outcome.reason == "PARTNER_SUSPENDED"


def test_anothers_consent_is_a_missing_one(books: Books) -> None:
    acme, rival = books.caller("acme"), books.caller("rival")
    theirs = books.grant(rival)
    missing = replace(theirs, consent_id="a" * 26)
    foreign, absent = books.submit(
        books.release(acme, theirs), books.release(acme, theirs, query=books.query(acme, missing))
    )
    assert foreign == absent
    assert isinstance(foreign, Denied)
    assert foreign.reason == "CONSENT_NOT_USABLE"


def test_an_attestation_under_a_turned_key_is_signed_again(books: Books) -> None:
    acme = books.caller()
    [outcome] = books.submit(books.release(acme, books.grant(acme), kid="o" * 43))
    assert outcome == Stale("k" * 43, "scoregate.test/log/2026h2")
    assert books.leaves() == []
    assert books.usage(acme).used_day == 0


def test_a_repeat_of_nothing_starts_over(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    [outcome] = books.submit(Repeat(acme, books.query(acme, grant)))
    assert outcome == Gone()
    assert books.leaves() == []


def test_a_first_answer_is_forgotten_after_a_day(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=MONTHLY)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    books.now += timedelta(hours=24) - timedelta(microseconds=1)
    assert isinstance(books.submit(Repeat(acme, query))[0], Replayed)
    books.now += timedelta(microseconds=1)
    assert isinstance(books.submit(Repeat(acme, query))[0], Gone)
    assert isinstance(books.submit(books.release(acme, grant, query=query))[0], Released)


def test_a_caller_that_hung_up_before_the_transaction_spends_nothing(books: Books) -> None:
    acme = books.caller()
    attempt = books.release(acme, books.grant(acme))
    assert books.ledger.submit([attempt], is_wanted=lambda: False) == [Dropped()]
    assert books.leaves() == []


def test_a_refusal_leaves_one_entry_that_costs_nothing(books: Books) -> None:
    acme = books.caller()
    [outcome] = books.ledger.submit([Refusal(GET_SCORE, acme, "FIELD_INVALID")])
    assert outcome == Denied("FIELD_INVALID")
    [entry] = books.leaves()
    assert (entry.kind, entry.reason, entry.cost_units) == (leaf_pb2.LEAF_KIND_REFUSAL, "FIELD_INVALID", 0)


@pytest.mark.parametrize("together", [True, False], ids=["of many callers", "of one batch"])
def test_a_poisoned_call_fails_alone(books: Books, together: bool) -> None:
    acme = books.caller()
    grants = [books.grant(acme, f"uci-{n:05}") for n in range(8)]
    attempts = [books.release(acme, grant) for grant in grants]
    poison = replace(attempts[3], attestation_sha256=b"31 bytes only".ljust(31))  # no leaf can hold this
    group = [*attempts[:3], poison, *attempts[4:]]
    outcomes = one_commit(books, group) if together else books.submit(*group)
    expected = [Released] * 3 + [LeafInvalid if together else Failed] + [Released] * 4
    assert [type(outcome) for outcome in outcomes] == expected
    assert len(books.leaves()) == 7
    assert books.usage(acme).used_day == 7


def test_the_poisoned_one_of_two_in_a_batch_fails_alone_and_says_why(books: Books) -> None:
    acme = books.caller()
    attempts = [books.release(acme, books.grant(acme, f"uci-{n:05}")) for n in range(2)]
    poison = replace(attempts[0], attestation_sha256=b"short")
    failed, released = books.submit(poison, attempts[1])
    assert isinstance(released, Released)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LeafInvalid)


def test_entries_of_several_partners_in_one_change_are_numbered_each_for_itself(books: Books) -> None:
    for partner_id in ("acme", "rival"):
        books.caller(partner_id)

    def note(tx: Transaction) -> None:
        for partner_id in ("acme", "rival", "acme", "rival", "acme"):
            tx.append(leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_CONTRACT_CHANGED, partner_id=partner_id))

    books.ledger.change(note)
    books.ledger.change(note)
    numbers = [(entry.partner_id, entry.partner_sequence) for entry in books.leaves()]
    assert [number for partner, number in numbers if partner == "acme"] == [1, 2, 3, 4, 5, 6]
    assert [number for partner, number in numbers if partner == "rival"] == [1, 2, 3, 4]


def test_time_in_the_log_never_goes_back(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=MONTHLY)
    books.submit(books.release(acme, grant))
    books.now -= timedelta(hours=1)
    books.submit(books.release(acme, grant))
    first, second = books.leaves()
    assert first.time_micros == second.time_micros


def test_each_partners_entries_count_without_gaps(books: Books) -> None:
    callers = [books.caller("acme"), books.caller("rival")]
    for _ in range(3):
        books.submit(*(books.release(caller, books.grant(caller)) for caller in callers))
    for caller in callers:
        mine = [entry for entry in books.leaves() if entry.partner_id == caller.partner_id]
        assert [entry.partner_sequence for entry in mine] == [1, 2, 3]


def test_expired_answers_are_swept_and_kept_ones_are_not(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=periodic(9, CalendarUnit.MONTH))
    old, young = books.query(acme, grant), books.query(acme, grant)
    books.submit(books.release(acme, grant, query=old))
    books.now += timedelta(hours=12)
    books.submit(books.release(acme, grant, query=young))
    books.now += timedelta(hours=12)
    assert books.ledger.change(lambda tx: sweep(tx.connection, now=tx.now, limit=10)) == 1
    assert isinstance(books.submit(Repeat(acme, young))[0], Replayed)
    assert isinstance(books.submit(Repeat(acme, old))[0], Gone)


@pytest.mark.parametrize(("line", "reason"), [(500, ""), (600, "CONSENT_DISCLOSURE_NOT_ALLOWED")])
def test_a_line_that_the_person_did_not_read_is_refused_under_the_lock(
    books: Books, line: int, reason: str
) -> None:
    acme = books.caller(thresholds=(500, 600))
    disclosures = frozenset({Disclosure.THRESHOLD})
    grant = books.grant(acme, terms=replace(ONE_TIME, disclosures=disclosures), lines=(500,))
    ask = Ask(acme.partner_id, ONE_TIME.purpose, Disclosure.THRESHOLD, False, "")
    query = books.query(acme, grant, ask=ask, threshold=line)
    [outcome] = books.submit(books.release(acme, grant, query=query))
    assert getattr(outcome, "reason", "") == reason
    assert isinstance(outcome, Denied if reason else Released)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_no_purpose_is_free(books: Books, purpose: Purpose) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=replace(ONE_TIME, purpose=purpose))
    ask = Ask(acme.partner_id, purpose, Disclosure.SCORE, False, "")
    [outcome] = books.submit(books.release(acme, grant, query=books.query(acme, grant, ask=ask)))
    assert isinstance(outcome, Released)
    assert (outcome.usage.used_day, outcome.usage.used_month) == (1, 1)
