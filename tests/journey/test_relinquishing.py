"""A lender gives up a consent of its own: at once, for good, and the person sees who did it."""

from __future__ import annotations

import pytest

from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2
from tests.journey.conftest import STORES
from tests.journey.rows import answered, require_explained, turned_down
from tests.wire import refused
from tests.world import Partner, World


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def give_up(partner: Partner, consent_id: str) -> consent_pb2.Consent:
    request = consent_pb2.RelinquishConsentRequest(consent_id=consent_id)
    return partner.consents.RelinquishConsent(request).consent


def test_what_is_given_up_gives_nothing_more_replays_included(world: World, acme: Partner) -> None:
    consent = world.consent(acme, mode="CONSENT_MODE_PERIODIC")
    request = acme.query(consent)
    answered(acme, request)
    with world.entries() as entries:
        assert give_up(acme, consent.consent_id).state == consent_pb2.CONSENT_STATE_REVOKED
    assert [(e.kind, e.partner_id, e.actor, e.reason) for e in entries] == [
        (leaf_pb2.LEAF_KIND_CONSENT_REVOKED, acme.partner_id, acme.partner_id, "PARTNER_RELINQUISHED")
    ]
    for asked in (request, acme.query(consent)):
        turned_down(acme, asked, "CONSENT_REVOKED")


@pytest.mark.parametrize("ending", ["REVOKE", "PAUSE"])
def test_a_consent_that_has_ended_is_left_as_it_is(world: World, acme: Partner, ending: str) -> None:
    consent = world.change(world.consent(acme), ending)
    with world.entries() as entries:
        first, again = (give_up(acme, consent.consent_id) for _ in range(2))
    assert first.state == again.state == consent_pb2.CONSENT_STATE_REVOKED
    assert len(entries) == (ending == "PAUSE")


def test_one_that_was_used_up_stays_so(world: World, acme: Partner) -> None:
    consent = world.consent(acme)
    answered(acme, acme.query(consent))
    with world.entries() as entries:
        assert give_up(acme, consent.consent_id).state == consent_pb2.CONSENT_STATE_CONSUMED
    assert entries == []


def test_anothers_is_a_missing_one(world: World, acme: Partner, zeta: Partner) -> None:
    consent = world.consent(zeta)
    for consent_id in (consent.consent_id, "a" * 26):
        require_explained(refused(give_up, acme, consent_id), "NOT_FOUND")
    assert answered(zeta, zeta.query(consent)).HasField("scored")
