"""The register of consents on both stores: what was asked, decided, used, paused, frozen, and whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Change, Grant, MoveRefused, Standing, State, Terms
from consent.identity import Trait
from consent.register import (
    Entry,
    Invitation,
    InvitationClosed,
    NotFound,
    NothingLeft,
    RequestIdReused,
    SubjectIsFrozen,
)
from consent.register.terms import NOTICE_VERSION, consent_digest
from consent.sql import write
from gateway.store import open_store
from scoregate.instants import micros
from scoregate.words import CalendarUnit, InputFamily
from tests.agreed import ONE_TIME, periodic

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
DAILY = replace(
    periodic(2, CalendarUnit.DAY, "Asia/Shanghai"),
    not_before=NOON + DAY,
    excluded_families=frozenset({InputFamily.SOCIAL}),
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    store = open_store(database_url)
    with store.writer.begin() as connection:
        register.metadata.create_all(connection)
        yield connection
    store.close()


def invited(connection: Connection, **changes: Any) -> tuple[Invitation, bool]:
    fields: dict[str, Any] = {
        "partner_id": "acme",
        "request_id": "request 1",
        "request_sha256": bytes(32),
        "terms": DAILY,
        "partner_reference": "loan 7",
        "now": NOON,
        "decide_within": DAY,
    }
    return register.invite(connection, **(fields | changes))


def allowed(
    connection: Connection, request_id: str, *, now: datetime = NOON, subject: str = "uci-1", **asked: Any
) -> Entry:
    handle = invited(connection, request_id=request_id, **asked)[0].handle
    return register.allow(connection, handle, subject=subject, subject_ref=f"s1-{subject}", now=now)


def known(connection: Connection, entry: Entry) -> Grant:
    return register.entry(connection, entry.grant.consent_id).grant


# --- invitations


@pytest.mark.parametrize("terms", [DAILY, ONE_TIME])
def test_an_invitation_is_found_as_it_was_made(connection: Connection, terms: Terms) -> None:
    made, new = invited(connection, terms=terms)
    assert new is True
    assert re.fullmatch("[a-z2-7]{26}", made.handle)
    assert made == Invitation(made.handle, "acme", terms, "loan 7", "PENDING", NOON + DAY, None)
    assert register.invitation(connection, made.handle) == made
    assert register.invitation(connection, made.handle, partner_id="acme") == made
    asked_at = connection.execute(sa.text("SELECT created_at_us FROM invitations")).scalar_one()
    assert asked_at == micros(NOON)


def test_no_partner_finds_anothers_invitation_and_nobody_one_that_is_not_there(
    connection: Connection,
) -> None:
    made, _ = invited(connection)
    with pytest.raises(NotFound):
        register.invitation(connection, made.handle, partner_id="rival")
    with pytest.raises(NotFound):
        register.invitation(connection, "h" * 26)


def test_a_repeat_is_the_first_invitation_and_another_body_is_refused(connection: Connection) -> None:
    made, _ = invited(connection)
    assert invited(connection, now=NOON + DAY, terms=ONE_TIME) == (made, False)
    with pytest.raises(RequestIdReused):
        invited(connection, request_sha256=b"d" * 32)
    for other in ({"partner_id": "rival"}, {"request_id": "request 2"}):
        another, new = invited(connection, **other)
        assert new
        assert another.handle != made.handle


def test_an_invitation_is_open_until_its_last_instant(connection: Connection) -> None:
    made, _ = invited(connection)
    assert made.state_at(NOON + DAY - TICK) == "PENDING"
    assert made.state_at(NOON + DAY) == "EXPIRED"
    assert replace(made, state="APPROVED").state_at(NOON + DAY) == "APPROVED"
    with pytest.raises(InvitationClosed, match=r"^the invitation is EXPIRED$") as closed:
        register.reject(connection, made.handle, now=NOON + DAY)
    assert closed.value.state == "EXPIRED"
    register.reject(connection, made.handle, now=NOON + DAY - TICK)


def test_a_way_back_and_an_identity_are_kept_with_it(connection: Connection) -> None:
    identity = {Trait.NAME: b"n" * 32, Trait.PHONE: b"p" * 32}
    made, _ = invited(
        connection, return_address="https://a.example/", return_state="state-of-mine", identity=identity
    )
    assert (made.return_address, made.return_state, made.identity) == (
        "https://a.example/",
        "state-of-mine",
        identity,
    )
    assert register.invitation(connection, made.handle) == made
    assert b"n" * 32 not in repr(made).encode()
    plain, _ = invited(connection, request_id="request 2")
    found = register.invitation(connection, plain.handle)
    assert (found.return_address, found.return_state, found.identity) == ("", "", {})


def test_a_mismatch_is_kept_and_is_the_last_word(connection: Connection) -> None:
    made, other = invited(connection)[0], invited(connection, request_id="request 2")[0]
    ended = replace(made, state="MISMATCH")
    assert register.mismatch(connection, made.handle, now=NOON) == ended
    assert register.invitation(connection, made.handle) == ended
    assert register.invitation(connection, other.handle) == other
    assert ended.state_at(NOON + DAY) == "MISMATCH"
    with pytest.raises(InvitationClosed, match="MISMATCH"):
        register.mismatch(connection, made.handle, now=NOON)
    with pytest.raises(InvitationClosed, match="EXPIRED"):
        register.mismatch(connection, other.handle, now=NOON + DAY)


def test_what_a_person_excludes_is_added_to_what_was_asked(connection: Connection) -> None:
    handle = invited(connection)[0].handle
    more = frozenset({InputFamily.SOCIAL, InputFamily.CAPACITY})
    grant = register.allow(
        connection, handle, subject="uci-1", subject_ref="s1-x", now=NOON, excluded=more
    ).grant
    assert grant.terms == replace(DAILY, excluded_families=more)
    assert grant.sha256 == consent_digest(grant, NOTICE_VERSION)
    assert grant.sha256 != consent_digest(replace(grant, terms=DAILY), NOTICE_VERSION)
    assert register.invitation(connection, handle).terms == DAILY


def test_excluding_every_family_is_no_consent(connection: Connection) -> None:
    handle = invited(connection)[0].handle
    others = frozenset(InputFamily) - {InputFamily.SOCIAL}
    with pytest.raises(NothingLeft):
        register.allow(connection, handle, subject="uci-1", subject_ref="s1-x", now=NOON, excluded=others)
    assert register.invitation(connection, handle).state == "PENDING"


def test_a_no_is_kept_and_is_the_last_word(connection: Connection) -> None:
    made, other = invited(connection)[0], invited(connection, request_id="request 2")[0]
    rejected = replace(made, state="REJECTED")
    assert register.reject(connection, made.handle, now=NOON) == rejected
    assert register.invitation(connection, made.handle) == rejected
    assert register.invitation(connection, other.handle) == other
    with pytest.raises(InvitationClosed, match="REJECTED"):
        register.allow(connection, made.handle, subject="uci-1", subject_ref="s1-x", now=NOON)


@pytest.mark.parametrize(("terms", "begins"), [(DAILY, NOON + DAY), (ONE_TIME, NOON + TICK)])
def test_a_yes_makes_the_grant_that_was_asked_for(
    connection: Connection, terms: Terms, begins: datetime
) -> None:
    made, _ = invited(connection, terms=terms)
    entry = register.allow(connection, made.handle, subject="uci-1", subject_ref="s1-one", now=NOON + TICK)
    grant = entry.grant
    assert re.fullmatch("[a-z2-7]{26}", grant.consent_id)
    assert grant == Grant(
        consent_id=grant.consent_id,
        partner_id="acme",
        subject="uci-1",
        subject_ref="s1-one",
        terms=terms,
        sha256=consent_digest(grant, NOTICE_VERSION),
        granted_at=NOON + TICK,
        not_before=begins,
        expires_at=begins + timedelta(days=30),
        state=State.ACTIVE,
    )
    assert entry == Entry(grant, 1, made.handle, "loan 7", NOTICE_VERSION)
    assert register.entry(connection, grant.consent_id) == entry
    approved = replace(made, state="APPROVED", consent_id=grant.consent_id)
    assert register.invitation(connection, made.handle) == approved
    with pytest.raises(InvitationClosed, match="APPROVED"):
        register.allow(connection, made.handle, subject="uci-1", subject_ref="s1-one", now=NOON)


def test_each_partner_counts_its_own_consents_from_one(connection: Connection) -> None:
    numbers = [
        allowed(connection, f"request {n}", partner_id=partner).number
        for n, partner in enumerate(["acme", "rival", "acme", "acme", "rival"])
    ]
    assert numbers == [1, 1, 2, 3, 2]


def test_while_a_file_is_frozen_its_person_can_allow_nothing(connection: Connection) -> None:
    made, _ = invited(connection)
    register.set_freeze(connection, "uci-1", frozen=True, now=NOON)
    with pytest.raises(SubjectIsFrozen):
        register.allow(connection, made.handle, subject="uci-1", subject_ref="s1-x", now=NOON)
    assert register.invitation(connection, made.handle) == made
    register.allow(connection, made.handle, subject="uci-2", subject_ref="s1-x", now=NOON)


# --- grants


def test_a_consent_is_its_own_partners(connection: Connection) -> None:
    entry = allowed(connection, "request 1")
    allowed(connection, "request 2")
    consent_id = entry.grant.consent_id
    assert register.entry(connection, consent_id, partner_id="acme") == entry
    for consent, partner in ((consent_id, "rival"), ("c" * 26, "acme"), ("c" * 26, None)):
        with pytest.raises(NotFound):
            register.entry(connection, consent, partner_id=partner)


def test_a_page_begins_behind_the_last_and_is_no_longer_than_asked(connection: Connection) -> None:
    mine = [allowed(connection, f"request {n}") for n in range(4)]
    theirs = allowed(connection, "request 1", partner_id="rival")
    assert register.entries_of_partner(connection, "acme", after=0, limit=9) == mine
    assert register.entries_of_partner(connection, "acme", after=1, limit=2) == mine[1:3]
    assert register.entries_of_partner(connection, "acme", after=4, limit=2) == []
    assert register.entries_of_partner(connection, "rival", after=0, limit=9) == [theirs]


def test_a_person_sees_their_own_consents_oldest_first(connection: Connection) -> None:
    late, early = (allowed(connection, f"request {n}", now=NOON + n * TICK) for n in (1, 0))
    allowed(connection, "request 2", subject="uci-2")
    elsewhere = allowed(connection, "request 1", partner_id="rival", now=NOON + 2 * TICK)
    mine = [early, late, elsewhere]
    assert register.entries_of_subject(connection, "uci-1", after="", limit=9) == mine
    assert register.entries_of_subject(connection, "uci-1", after="", limit=2) == mine[:2]
    for number, last in enumerate(mine, start=1):
        behind = last.grant.consent_id
        assert register.entries_of_subject(connection, "uci-1", after=behind, limit=9) == mine[number:]


def test_a_change_is_kept_and_is_one_consents_alone(connection: Connection) -> None:
    entry, other = allowed(connection, "request 1"), allowed(connection, "request 2")
    consent_id = entry.grant.consent_id
    paused = replace(entry, grant=replace(entry.grant, state=State.PAUSED))
    assert register.change(connection, consent_id, Change.PAUSE, now=NOON) == paused
    assert register.entry(connection, consent_id) == paused
    assert register.entry(connection, other.grant.consent_id) == other
    with pytest.raises(NotFound):
        register.change(connection, consent_id, Change.REVOKE, now=NOON, partner_id="rival")
    with pytest.raises(MoveRefused):
        register.change(connection, consent_id, Change.RESUME, now=entry.grant.expires_at)
    back = register.change(connection, consent_id, Change.RESUME, now=NOON, partner_id="acme")
    assert back == register.entry(connection, consent_id) == entry


def test_what_an_answer_does_to_its_grant_is_kept_to_the_last_field(connection: Connection) -> None:
    entry, other = allowed(connection, "request 1"), allowed(connection, "request 2", subject="uci-2")
    grant, consent_id = entry.grant, entry.grant.consent_id
    register.set_freeze(connection, "uci-1", frozen=True, now=NOON + TICK)
    used = Standing(State.CONSUMED, 41, NOON + TICK, "2026-11-24", 2)
    write(connection, register.uses({consent_id: used}))
    untouched = Standing(State.ACTIVE, None, None, "", 0)  # somebody else's freeze is not this one's
    theirs = {consent_id: "uci-1", other.grant.consent_id: "uci-2"}
    assert register.standings(theirs).ask(connection) == {consent_id: used, other.grant.consent_id: untouched}
    assert register.standings({"c" * 26: "uci-1"}).ask(connection) == {}
    whole = register.grants_owned([(grant.partner_id, each) for each in (consent_id, "c" * 26)]).ask(
        connection
    )
    assert whole == {consent_id: grant.standing(used)}
    assert known(connection, entry) == grant.standing(used)


def test_the_ends_of_the_register_are_two_of_its_grants(connection: Connection) -> None:
    assert register.any_grants(connection) == []
    first = allowed(connection, "request 1").grant
    assert register.any_grants(connection) == [first, first]
    grants = [first, *(allowed(connection, f"request {n}").grant for n in range(2, 6))]
    by_id = sorted(grants, key=lambda grant: grant.consent_id)
    assert register.any_grants(connection) == [by_id[0], by_id[-1]]


# --- freezes


def test_a_freeze_keeps_its_first_instant_and_is_one_persons(connection: Connection) -> None:
    entry = allowed(connection, "request 1")
    assert register.frozen_at(connection, "uci-1") is None
    assert register.set_freeze(connection, "uci-1", frozen=False, now=NOON) is False
    assert register.set_freeze(connection, "uci-1", frozen=True, now=NOON) is True
    assert register.set_freeze(connection, "uci-1", frozen=True, now=NOON + DAY) is False
    assert register.frozen_at(connection, "uci-1") == NOON
    assert known(connection, entry).frozen_at == NOON
    assert register.frozen_at(connection, "uci-2") is None
    register.set_freeze(connection, "uci-2", frozen=True, now=NOON + DAY)
    assert register.set_freeze(connection, "uci-1", frozen=False, now=NOON) is True
    assert register.frozen_at(connection, "uci-1") is None
    assert known(connection, entry).frozen_at is None
    assert register.frozen_at(connection, "uci-2") == NOON + DAY
    assert register.set_freeze(connection, "uci-1", frozen=True, now=NOON + 2 * DAY) is True
    assert register.frozen_at(connection, "uci-1") == NOON + 2 * DAY
