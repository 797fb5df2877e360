"""What the release transaction writes, to the last field: the entry, its private part, the kept answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from consent.grant import Ask
from gateway.audit.log import private_parts
from gateway.audit.private import Sealed, owner_partner, owner_subject
from gateway.ledger import Attempt, Denied, Gone, Refusal, Release, Released, Repeat, Replayed
from gateway.ledger.answers import Answer, answer_key, first_answers, sweep
from gateway.ledger.answers import kept as keeping
from gateway.query import CHECK_THRESHOLD, GET_SCORE, Caller
from scoregate.audit.v1 import leaf_pb2
from scoregate.instants import micros
from scoregate.proof.leaf import decode, open_commitment
from scoregate.words import CalendarUnit, Disclosure, NotScoredReason, Purpose
from tests.agreed import periodic
from tests.ledger.conftest import ORIGIN, Books

OFTEN = periodic(100, CalendarUnit.DAY)
TICK = timedelta(microseconds=1)
ACME = owner_partner("acme")
PERSON = owner_subject("uci-00001")


def entered(books: Books, attempt: Attempt, index: int = -1) -> tuple[Any, leaf_pb2.Leaf]:
    """What became of an attempt, and its entry without what is drawn by lot."""
    [outcome] = books.ledger.submit([attempt])
    entry = books.leaves()[index]
    for drawn in ("salt", "commitment"):
        entry.ClearField(drawn)  # type: ignore[arg-type]
    return outcome, entry


def leaf(books: Books, sequence: int = 1, **fields: Any) -> leaf_pb2.Leaf:
    """An entry of acme's about a credit application, where nothing else is said."""
    common: dict[str, Any] = {
        "version": 1,
        "time_micros": micros(books.now),
        "partner_id": "acme",
        "partner_sequence": sequence,
        "method": GET_SCORE,
        "purpose": Purpose.CREDIT_APPLICATION.number,
    }
    return leaf_pb2.Leaf(**(common | fields))


def private_part(books: Books, owner: str) -> leaf_pb2.PrivatePart:
    """The latest entry's, opened with its owner's key and held against the entry."""
    entry = books.leaves()[-1]
    with books.store.reading() as connection:
        query = sa.select(private_parts).order_by(private_parts.c.leaf_index.desc()).limit(1)
        row = connection.execute(query).one()
        key = books.vault.keys(connection, [owner])[owner]
    assert row.leaf_index == len(books.leaves()) - 1
    part, blind = key.unbind(Sealed(row.key_id, row.sealed))
    open_commitment(entry.commitment, part, blind)
    return leaf_pb2.PrivatePart.FromString(part)


def called(caller: Caller, **fields: str) -> leaf_pb2.PrivatePart:
    return leaf_pb2.PrivatePart(legal_name=caller.legal_name, peer=caller.peer, **fields)


# --- releases


def test_a_scored_release_is_one_entry_that_says_what_was_spent(books: Books) -> None:
    acme = books.caller()
    release = books.release(acme, books.grant(acme))
    outcome, entry = entered(books, release)
    assert entry == leaf(
        books,
        kind=leaf_pb2.LEAF_KIND_RELEASE,
        decision=leaf_pb2.DECISION_SCORED,
        cost_units=1,
        quota_periods=["2026-11-23", "2026-11"],
        attestation_sha256=release.attestation_sha256,
    )
    assert outcome.leaf_index == 0
    assert decode(outcome.leaf) == books.leaves()[0]
    assert books.leaves()[0].commitment == release.private.commitment


@pytest.mark.parametrize("charged", [False, True])
def test_a_release_without_a_score_says_why_and_costs_what_the_contract_says(
    books: Books, charged: bool
) -> None:
    acme = books.caller(charge_not_scored=charged)
    release = books.release(acme, books.grant(acme), not_scored=NotScoredReason.THIN_FILE)
    outcome, entry = entered(books, release)
    assert entry == leaf(
        books,
        kind=leaf_pb2.LEAF_KIND_RELEASE,
        decision=leaf_pb2.DECISION_NOT_SCORED,
        reason="THIN_FILE",
        cost_units=int(charged),
        quota_periods=["2026-11-23", "2026-11"] if charged else [],
        attestation_sha256=release.attestation_sha256,
    )
    assert outcome.usage.used_day == outcome.usage.used_month == int(charged)


def test_the_second_release_of_a_group_counts_on_from_the_first(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    outcomes = books.submit(*(books.release(acme, grant) for _ in range(3)))
    assert [each.usage.used_day for each in outcomes if isinstance(each, Released)] == [1, 2, 3]
    assert [each.leaf_index for each in outcomes if isinstance(each, Released)] == [0, 1, 2]


# --- replays


def test_a_replay_is_an_entry_that_refers_to_the_first(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    books.submit(Refusal(GET_SCORE, acme, "FIELD_INVALID"))  # so that the first is not at 0
    release = books.release(acme, grant, query=query)
    [first] = books.submit(release)
    assert isinstance(first, Released)
    outcome, entry = entered(books, Repeat(acme, query))
    assert outcome == Replayed(release.answer, ORIGIN, 1, first.leaf, books.usage(acme))
    assert entry == leaf(books, 3, kind=leaf_pb2.LEAF_KIND_REPLAY, refers_to=1)
    assert private_part(books, PERSON) == called(
        acme, subject="uci-00001", consent_id=grant.consent_id, request_id=query.request_id
    )


# --- refusals


def test_a_denied_release_is_an_entry_with_its_reason_and_whom_it_concerned(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant, ask=Ask("acme", Purpose.COLLECTION, Disclosure.SCORE, False, ""))
    outcome, entry = entered(books, books.release(acme, grant, query=query))
    assert outcome == Denied("CONSENT_PURPOSE_MISMATCH", books.usage(acme))
    assert entry == leaf(
        books,
        kind=leaf_pb2.LEAF_KIND_REFUSAL,
        purpose=Purpose.COLLECTION.number,
        decision=leaf_pb2.DECISION_REFUSED,
        reason="CONSENT_PURPOSE_MISMATCH",
    )
    assert private_part(books, PERSON) == called(
        acme, subject="uci-00001", consent_id=grant.consent_id, request_id=query.request_id
    )


def test_a_denied_repeat_names_its_person_too(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    other = replace(query, request_sha256=b"e" * 32)
    outcome, entry = entered(books, Repeat(acme, other))
    assert outcome == Denied("REQUEST_ID_REUSED", books.usage(acme))
    assert entry.reason == "REQUEST_ID_REUSED"
    assert private_part(books, PERSON).subject == "uci-00001"


def test_a_strangers_consent_is_an_entry_about_nobody(books: Books) -> None:
    acme, rival = books.caller("acme"), books.caller("rival")
    grant = books.grant(rival)
    query = books.query(acme, grant)
    for attempt in (
        books.release(acme, grant, query=query),
        Repeat(acme, query),
        Refusal(GET_SCORE, acme, "FIELD_INVALID", None, grant.consent_id, query.request_id),
    ):
        books.ledger.submit([attempt])
        assert private_part(books, ACME) == called(
            acme, consent_id=grant.consent_id, request_id=query.request_id
        )


def test_a_release_decides_with_the_terms_of_the_very_consent_that_it_names(books: Books) -> None:
    # Whoever came with another consent's terms would have them decide.
    acme = books.caller()
    seen, named = books.grant(acme, "uci-00001"), books.grant(acme, "uci-00002")
    release = books.release(acme, seen, query=books.query(acme, named))
    outcome, _ = entered(books, release)
    assert outcome == Denied("CONSENT_NOT_USABLE", books.usage(acme))


def test_a_refusal_tells_what_was_known_of_the_call(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    told = Refusal(CHECK_THRESHOLD, acme, "FIELD_INVALID", Purpose.GUARANTOR, grant.consent_id, "r-1")
    outcome, entry = entered(books, told)
    assert outcome == Denied("FIELD_INVALID")
    assert entry == leaf(
        books,
        kind=leaf_pb2.LEAF_KIND_REFUSAL,
        method=CHECK_THRESHOLD,
        purpose=Purpose.GUARANTOR.number,
        decision=leaf_pb2.DECISION_REFUSED,
        reason="FIELD_INVALID",
    )
    assert private_part(books, PERSON) == called(
        acme, subject="uci-00001", consent_id=grant.consent_id, request_id="r-1"
    )


def test_a_refusal_of_what_named_nothing_lies_under_the_partners_key(books: Books) -> None:
    acme = books.caller()
    _, entry = entered(books, Refusal(GET_SCORE, acme, "BODY_MALFORMED"))
    assert entry == leaf(
        books,
        kind=leaf_pb2.LEAF_KIND_REFUSAL,
        purpose=0,
        decision=leaf_pb2.DECISION_REFUSED,
        reason="BODY_MALFORMED",
    )
    assert private_part(books, ACME) == called(acme)


def test_an_unknown_certificate_gets_nothing_and_no_figures(books: Books) -> None:
    acme = books.caller()
    stranger = replace(acme, fingerprint="f" * 64)
    outcome, entry = entered(books, books.release(stranger, books.grant(acme), query=None))
    assert outcome == Denied("CERTIFICATE_UNKNOWN", None)
    assert entry.reason == "CERTIFICATE_UNKNOWN"


def test_a_method_that_the_role_has_not_is_refused_under_the_lock(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme)
    query = books.query(acme, grant, method="/scoregate.admin.v1.PartnerAdminService/AddPartner")
    outcome, _ = entered(books, books.release(acme, grant, query=query))
    assert outcome == Denied("METHOD_NOT_ALLOWED", books.usage(acme))


# --- kept answers


def test_answers_are_found_by_partner_method_and_request_id() -> None:
    assert answer_key("acme", GET_SCORE, "r-1") == "acme/GetScore/r-1"
    assert answer_key("acme", CHECK_THRESHOLD, "r-1") == "acme/CheckThreshold/r-1"


def test_the_same_request_id_is_another_request_of_another_method(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    query = books.query(acme, grant)
    books.submit(books.release(acme, grant, query=query))
    [outcome] = books.submit(Repeat(acme, replace(query, method=CHECK_THRESHOLD)))
    assert outcome == Gone()


def kept(books: Books, release: Release) -> Answer | None:
    name = answer_key("acme", release.query.method, release.query.request_id)
    with books.store.reading() as connection:
        return first_answers([name, "acme/GetScore/none"], now=books.now).ask(connection).get(name)


def test_an_answer_is_kept_whole_for_a_day(books: Books) -> None:
    acme = books.caller()
    release = books.release(acme, books.grant(acme))
    [released] = books.submit(release)
    assert isinstance(released, Released)
    assert kept(books, release) == Answer(
        key=f"acme/GetScore/{release.query.request_id}",
        request_sha256=release.query.request_sha256,
        sealed=release.answer,
        log_origin=ORIGIN,
        leaf_index=0,
        leaf=released.leaf,
        expires_at=books.now + timedelta(hours=24),
    )
    books.now += timedelta(hours=24) - TICK
    assert kept(books, release) is not None
    books.now += TICK
    assert kept(books, release) is None


def test_a_sweep_takes_no_more_than_it_is_told_and_nothing_that_is_kept(books: Books) -> None:
    acme = books.caller()
    grant = books.grant(acme, terms=OFTEN)
    books.submit(*(books.release(acme, grant) for _ in range(3)))

    def swept(limit: int) -> int:
        return books.ledger.change(lambda tx: sweep(tx.connection, now=tx.now, limit=limit))

    books.now += timedelta(hours=24) - TICK
    assert swept(9) == 0
    books.now += TICK
    assert [swept(2), swept(2), swept(2)] == [2, 1, 0]


def test_an_answer_makes_room_for_its_successor_of_the_same_name(books: Books) -> None:
    acme = books.caller()
    release = books.release(acme, books.grant(acme))
    books.submit(release)
    first = kept(books, release)
    assert first is not None
    successor = replace(first, request_sha256=b"e" * 32, expires_at=books.now + timedelta(hours=1))
    books.ledger.change(lambda tx: tx.write(keeping([successor])))
    assert kept(books, release) == successor
