"""A consent's digest is its own: it cannot be moved to another consent, partner or person."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Ask, ConsentAltered, Frequency, Grant, State, Terms
from consent.register.terms import NOTICE_VERSION, consent_digest, dump, is_intact, load
from scoregate.instants import micros
from scoregate.proof.digest import canonical, consent_form, parse
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TERMS = Terms(
    purpose=Purpose.ACCOUNT_REVIEW,
    disclosures=frozenset({Disclosure.SCORE, Disclosure.REASONS}),
    mode=ConsentMode.PERIODIC,
    not_before=None,
    valid_for=timedelta(days=30),
    frequency=Frequency(2, CalendarUnit.DAY),
    time_zone="Asia/Shanghai",
    data_life=timedelta(days=90),
    excluded_families=frozenset({InputFamily.SOCIAL}),
)
GRANT = Grant(
    consent_id="c" * 26,
    partner_id="acme",
    subject="uci-00001",
    subject_ref="s1-acme-one",
    terms=TERMS,
    sha256=b"",
    granted_at=NOON,
    not_before=NOON,
    expires_at=NOON + timedelta(days=30),
    state=State.ACTIVE,
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        register.metadata.create_all(connection)
        yield connection
    engine.dispose()


def allowed(connection: Connection, number: int, partner_id: str = "acme", ref: str = "s1-one") -> Grant:
    invitation, _ = register.invite(
        connection,
        partner_id=partner_id,
        request_id=f"request {number}",
        request_sha256=bytes(32),
        terms=TERMS,
        partner_reference="",
        now=NOON,
        decide_within=timedelta(days=1),
    )
    return register.allow(connection, invitation.handle, subject="uci-1", subject_ref=ref, now=NOON).grant


def test_the_digest_is_that_of_the_consents_canonical_form() -> None:
    form = consent_form(
        consent_id="c" * 26,
        partner_id="acme",
        subject_ref="s1-acme-one",
        purpose=Purpose.ACCOUNT_REVIEW,
        disclosures=[Disclosure.REASONS, Disclosure.SCORE],
        mode=ConsentMode.PERIODIC,
        not_before=NOON,
        expires_at=NOON + timedelta(days=30),
        frequency=(2, CalendarUnit.DAY),
        time_zone="Asia/Shanghai",
        data_life=timedelta(days=90),
        excluded_families=[InputFamily.SOCIAL],
        notice_version="2026-11",
    )
    assert consent_digest(GRANT, "2026-11") == hashlib.sha256(form).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"consent_id": "d" * 26},
        {"partner_id": "basin"},
        {"subject_ref": "s1-acme-two"},
        {"terms": replace(TERMS, purpose=Purpose.COLLECTION)},
        {"terms": replace(TERMS, thresholds=(500,))},
        {"not_before": NOON + timedelta(microseconds=1)},
        {"expires_at": NOON + timedelta(days=31)},
    ],
)
def test_what_makes_it_another_consent_makes_another_digest(change: dict[str, Any]) -> None:
    assert consent_digest(replace(GRANT, **change), NOTICE_VERSION) != consent_digest(GRANT, NOTICE_VERSION)


def test_where_a_consent_stands_is_not_what_was_agreed() -> None:
    later = replace(GRANT, state=State.REVOKED, consumed_by=7, frozen_at=NOON)
    assert consent_digest(later, NOTICE_VERSION) == consent_digest(GRANT, NOTICE_VERSION)


def test_no_two_consents_to_the_same_terms_at_the_same_instant_share_a_digest(connection: Connection) -> None:
    grants = [
        allowed(connection, 1),
        allowed(connection, 2),
        allowed(connection, 3, partner_id="basin"),
        allowed(connection, 4, ref="s1-two"),
    ]
    assert len({grant.sha256 for grant in grants}) == len(grants)
    for grant in grants:
        assert grant.sha256 == consent_digest(grant, NOTICE_VERSION)


def rewrite(connection: Connection, **columns: Any) -> None:
    connection.execute(sa.update(register.tables.grants).values(**columns))


def stored(connection: Connection, consent_id: str) -> list[Grant]:
    """A grant as each way of reading it has it."""
    owned = register.grants_owned([("acme", consent_id)]).ask(connection)
    return [register.entry(connection, consent_id).grant, *owned.values()]


def test_a_digest_of_an_earlier_form_is_kept_as_it_was_stored(connection: Connection) -> None:
    grant = allowed(connection, 1)
    form = parse(
        consent_form(
            consent_id="",
            partner_id="",
            subject_ref="",
            purpose=TERMS.purpose,
            disclosures=TERMS.disclosures,
            mode=TERMS.mode,
            not_before=grant.not_before,
            expires_at=grant.expires_at,
            frequency=(2, CalendarUnit.DAY),
            time_zone=TERMS.time_zone,
            data_life=TERMS.data_life,
            excluded_families=TERMS.excluded_families,
            notice_version=NOTICE_VERSION,
        )
    )
    assert isinstance(form, dict)
    of_terms = {name: form[name] for name in form if name not in {"consent_id", "partner_id", "subject_ref"}}
    earlier = hashlib.sha256(canonical(of_terms)).digest()
    rewrite(connection, sha256=earlier)
    assert {(each.sha256, each.is_intact) for each in stored(connection, grant.consent_id)} == {
        (earlier, True)
    }
    for text in (dump(replace(TERMS, purpose=Purpose.COLLECTION)), dump(replace(TERMS, thresholds=()))):
        rewrite(connection, terms=text)
        assert not any(each.is_intact for each in stored(connection, grant.consent_id))


@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": b"e" * 32},
        {"subject_ref": "s1-two"},
        {"notice_version": "2020-01"},
        {"granted_at_us": micros(NOON) - 1},
        {"not_before_us": micros(NOON) - 1},
        {"expires_at_us": micros(NOON + timedelta(days=31))},
        *(
            {"terms": dump(replace(TERMS, **change))}
            for change in (
                {"purpose": Purpose.COLLECTION},
                {"disclosures": frozenset({Disclosure.SCORE})},
                {"mode": ConsentMode.ONE_TIME},
                {"not_before": NOON - timedelta(days=1), "valid_for": timedelta(days=31)},
                {"not_before": NOON + timedelta(days=1)},
                {"valid_for": timedelta(days=31)},
                {"frequency": Frequency(3, CalendarUnit.DAY)},
                {"frequency": Frequency(2, CalendarUnit.WEEK)},
                {"frequency": None},
                {"time_zone": "UTC"},
                {"data_life": timedelta(days=91)},
                {"excluded_families": frozenset()},
                {"thresholds": (600,)},
            )
        ),
    ],
    ids=str,
)
def test_a_row_that_says_something_else_by_now_is_known(
    connection: Connection, changed: dict[str, Any]
) -> None:
    grant = allowed(connection, 1)
    assert [each.is_intact for each in stored(connection, grant.consent_id)] == [True, True]
    rewrite(connection, **changed)
    found = stored(connection, grant.consent_id)
    assert [each.is_intact for each in found] == [False, False]
    for each in found:
        ask = Ask("acme", each.terms.purpose, Disclosure.SCORE, False, "")
        with pytest.raises(ConsentAltered):
            each.require(ask, now=NOON)


def test_the_same_begin_said_in_another_way_changes_nothing(connection: Connection) -> None:
    grant = allowed(connection, 1)
    rewrite(connection, terms=dump(replace(TERMS, not_before=NOON)))  # it began at the decision
    assert all(each.is_intact for each in stored(connection, grant.consent_id))


def test_what_can_not_have_been_agreed_to_is_not_intact() -> None:
    ends = micros(NOON + TERMS.valid_for)
    whose = ("c" * 26, "acme", "s1-one")
    for text, notice in ((dump(TERMS), "\ud800"), (dump(replace(TERMS, time_zone="\ud800")), "2026-11")):
        assert not is_intact(*whose, text, notice, bytes(32), micros(NOON), micros(NOON), ends)


@pytest.mark.parametrize(
    "terms",
    [
        TERMS,
        replace(TERMS, not_before=NOON),
        replace(TERMS, frequency=None, mode=ConsentMode.ONE_TIME),
        replace(TERMS, disclosures=frozenset({Disclosure.BAND}), excluded_families=frozenset()),
    ],
)
def test_terms_come_back_from_their_column(terms: Terms) -> None:
    assert load(dump(terms)) == terms


def test_the_column_holds_the_same_text_as_ever() -> None:
    # Rows of every version are read: a change here needs a migration.
    assert dump(replace(TERMS, not_before=NOON)) == (
        '{"purpose": "ACCOUNT_REVIEW", "disclosures": ["REASONS", "SCORE"], "mode": "PERIODIC", '
        '"not_before_us": 1795435200000000, "valid_for_s": 2592000, "frequency": [2, "DAY"], '
        '"time_zone": "Asia/Shanghai", "data_life_s": 7776000, "excluded_families": ["SOCIAL"]}'
    )
