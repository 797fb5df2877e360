"""Who may call what: everything is refused but what the map names, and other partners' ids are nobody's."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message

from gateway.partners import POLICY, Role
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.journey.contract import METHODS, Method, by_name
from tests.journey.rows import answered, require_explained, turned_down
from tests.journey.samples import NAMING
from tests.roles import CAS, ROLES, connect, enter_role
from tests.wire import Failure, outcome, refused, send
from tests.world import Partner, World, new_uuid


def test_the_method_map_names_every_method_of_the_contract_and_no_other() -> None:
    assert set(POLICY) == {method.path for method in METHODS}


def test_the_contract_is_walked_whole() -> None:
    assert len(METHODS) >= 30
    assert {method.door for method in METHODS} == {"partner", "admin"}


def test_every_method_has_somebody_who_may_call_it() -> None:
    assert all(POLICY[method.path] for method in METHODS)


# --- a generated matrix: every method × every role × the door that serves it


@pytest.fixture(scope="module")
def callers(world: World) -> Iterator[dict[tuple[str, str], grpc.Channel]]:
    """(door, role) → a channel. Each door's own CA vouches for every role, so that only the map says no."""
    channels = {
        (door, role): connect(world, door, enter_role(world, door, role)) for door in CAS for role in ROLES
    }
    yield channels
    for channel in channels.values():
        channel.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", METHODS, ids=by_name)
def test_a_method_answers_the_roles_that_the_map_lists_and_no_other(
    callers: dict[tuple[str, str], grpc.Channel], method: Method, role: str
) -> None:
    result = outcome(send, callers[method.door, role], method.path, b"")
    if Role(role) in POLICY[method.path]:
        # Nothing is asked for; of the log's entries, the first is nobody's.
        allowed = not isinstance(result, Failure) or result.reason in {"FIELD_INVALID", "NOT_FOUND"}
        assert allowed, result
    else:
        assert isinstance(result, Failure), "the call was answered"
        require_explained(result, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("method", METHODS, ids=by_name)
def test_a_method_is_served_at_one_door_alone(
    callers: dict[tuple[str, str], grpc.Channel], method: Method
) -> None:
    (other,) = CAS.keys() - {method.door}
    for role in ROLES:
        failure = refused(send, callers[other, role], method.path, b"")
        assert (failure.status, failure.reason) == (grpc.StatusCode.UNIMPLEMENTED, "")


# --- other partners' ids


def naming(caller: Partner, consent_id: str, handle: str) -> dict[str, Message]:
    """Every request of a lender that names something, naming these."""
    return {
        name: make(caller, handle if name == "GetConsentInvitation" else consent_id)
        for name, make in NAMING.items()
    }


NAMELESS = {
    "CreateConsentInvitation",
    "ListConsents",
    "ListConsentEvents",
    "ListQuotaUsage",
    "GetStatement",
    "ListStatementEntries",
    "GetVerificationKeys",
    "GetCheckpoint",
    "GetConsistencyProof",
}
BY_INDEX = {"GetInclusionProof"}  # test_published_log.py has its own, foreign and missing ones


def test_every_partner_method_is_in_the_matrix() -> None:
    assert {method.name for method in METHODS if method.door == "partner"} == NAMELESS | BY_INDEX | set(
        NAMING
    )


@pytest.mark.parametrize("method", [name for name in NAMING if name != "BatchGetScores"])
def test_a_foreign_id_looks_exactly_like_a_missing_one(
    world: World, acme: Partner, zeta: Partner, method: str
) -> None:
    foreign = world.consent(zeta)
    missing = naming(acme, "a" * 26, "a" * 26)[method]
    theirs = naming(acme, foreign.consent_id, foreign.handle)[method]
    reason = "CONSENT_NOT_USABLE" if method in ("GetScore", "CheckThreshold") else "NOT_FOUND"
    seen = [turned_down(acme, request, reason) for request in (missing, theirs)]
    assert len({(f.status, f.message, f.faceless, str(f.initial)) for f in seen}) == 1


def test_a_foreign_id_in_a_batch_looks_exactly_like_a_missing_one(
    world: World, acme: Partner, zeta: Partner
) -> None:
    foreign = world.consent(zeta)
    items = [acme.query(consent) for consent in ("a" * 26, foreign)]
    results = answered(acme, score_pb2.BatchGetScoresRequest(items=items)).results
    assert results[0].error == results[1].error
    assert results[0].error.reason == "CONSENT_NOT_USABLE"


@pytest.mark.parametrize("method", NAMING)
def test_ones_own_id_is_found(world: World, acme: Partner, method: str) -> None:
    own = world.consent(acme)
    answer = answered(acme, naming(acme, own.consent_id, own.handle)[method])
    assert own.consent_id in str(answer)


def test_lists_and_meters_are_ones_own(world: World, acme: Partner, zeta: Partner) -> None:
    mine, theirs = world.consent(acme), world.consent(zeta)
    acme.score(mine)
    listed = answered(acme, consent_pb2.ListConsentsRequest()).consents
    assert [consent.consent_id for consent in listed] == [mine.consent_id]
    assert theirs.consent_id not in str(listed)
    assert zeta.spent() == {"day": 0, "month": 0}


def test_a_foreign_page_token_shows_ones_own_list(world: World, acme: Partner, zeta: Partner) -> None:
    for partner in (acme, acme, zeta, zeta):
        world.consent(partner)
    first = answered(zeta, consent_pb2.ListConsentsRequest(page_size=1))
    page = answered(acme, consent_pb2.ListConsentsRequest(page_token=first.next_page_token)).consents
    everything = answered(acme, consent_pb2.ListConsentsRequest()).consents
    assert [consent.consent_id for consent in page] == [everything[1].consent_id]


def test_two_partners_may_choose_the_same_request_id_for_their_invitations(
    world: World, acme: Partner, zeta: Partner
) -> None:
    request_id = new_uuid()
    made = [
        answered(
            partner,
            consent_pb2.CreateConsentInvitationRequest(request_id=request_id, terms=partner.invite().terms),
        ).invitation.handle
        for partner in (acme, zeta)
    ]
    assert made[0] != made[1]
