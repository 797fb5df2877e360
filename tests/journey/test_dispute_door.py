"""Operators read what people dispute, by due date, and answer it once; whom they read about can see it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.audit.private import owner_subject
from scoregate.admin.v1 import consent_admin_pb2 as pb
from scoregate.audit.v1 import leaf_pb2
from tests.journey.conftest import STORES
from tests.journey.rows import require_explained
from tests.journey.samples import token
from tests.journey.test_private_parts import opened
from tests.wire import refused
from tests.world import World

NOBODYS = "K7QM2XW9RT"


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def listed(world: World, size: int = 0, *, with_resolved: bool = False) -> list[pb.Dispute]:
    """Every page."""
    request = pb.ListDisputesRequest(page_size=size, with_resolved=with_resolved)
    found = list[pb.Dispute]()
    while True:
        page = world.people.ListDisputes(request)
        found += page.disputes
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def test_disputes_are_listed_by_due_date_and_those_resolved_last(own_world: World) -> None:
    assert listed(own_world) == []
    first = own_world.dispute("uci-00501", words="Line one.\n第二行")
    own_world.clock.move(days=1)
    review = own_world.dispute("uci-00502", "REVIEW")
    done = own_world.dispute("uci-00502")
    own_world.resolve(done)
    for size in (0, 1, 2):
        assert [each.reference for each in listed(own_world, size)] == [review, first]
        everything = [each.reference for each in listed(own_world, size, with_resolved=True)]
        assert everything == [review, first, done]


def test_a_dispute_is_shown_whole(own_world: World) -> None:
    begun = own_world.clock().replace(microsecond=0)
    reference = own_world.dispute("uci-00501", "REVIEW", words="Line one.\n第二行")
    [shown] = listed(own_world)
    assert (shown.reference, shown.kind) == (reference, pb.DISPUTE_KIND_REVIEW)
    assert (shown.subject, shown.words, shown.outcome) == ("uci-00501", "Line one.\n第二行", "")
    assert not shown.HasField("resolved_at")
    assert shown.due_at.ToDatetime() - shown.opened_at.ToDatetime() == timedelta(days=15)
    assert shown.opened_at.ToDatetime(begun.tzinfo) >= begun
    own_world.clock.move(days=2)
    resolved = own_world.resolve(reference, "Someone looked: 没有错。")
    assert resolved.outcome == "Someone looked: 没有错。"
    assert resolved.resolved_at.ToDatetime() - resolved.opened_at.ToDatetime() == timedelta(days=2)
    assert listed(own_world) == []
    assert listed(own_world, with_resolved=True) == [resolved]


def test_each_person_whose_words_are_read_has_an_entry_of_it(own_world: World) -> None:
    people = ["uci-00501", "uci-00502"]
    for person in (*people, people[0]):
        own_world.dispute(person)
    index = own_world.log_size()
    with own_world.entries() as entries:
        own_world.people.ListDisputes(pb.ListDisputesRequest())
    assert [(entry.kind, entry.actor, entry.reason) for entry in entries] == [
        (leaf_pb2.LEAF_KIND_OFFICER_READ, "operator", "DISPUTES_OF_A_PERSON")
    ] * 2
    for place, person in enumerate(people):
        assert opened(own_world, owner_subject(person), index + place).subject == person


def test_a_look_at_nothing_is_an_entry_of_the_operators(own_world: World) -> None:
    with own_world.entries() as entries:
        assert listed(own_world) == []
    assert [(entry.kind, entry.reason) for entry in entries] == [
        (leaf_pb2.LEAF_KIND_OFFICER_READ, "NO_DISPUTES")
    ]


def test_a_dispute_is_answered_once(world: World) -> None:
    reference = world.dispute("uci-00503")
    with world.entries() as entries:
        world.resolve(reference)
    assert [(e.kind, e.object_id, e.actor) for e in entries] == [
        (leaf_pb2.LEAF_KIND_DISPUTE_RESOLVED, reference, "operator")
    ]
    again = refused(world.resolve, reference, "Something else.")
    require_explained(again, "STATE_CONFLICT")
    assert "It was put right." in {each.outcome for each in listed(world, with_resolved=True)}


def test_one_that_is_not_there_is_not_found(world: World) -> None:
    require_explained(refused(world.resolve, NOBODYS), "NOT_FOUND")


@pytest.mark.parametrize(
    "reference", ["", "K7QM2XW9R", "K7QM2XW9RTT", "k7qm2xw9rt", "K7QM2XW9R0", "K7QM2XW9R\n"]
)
@pytest.mark.parametrize("outcome", ["", "x" * 1_001, "a\nb", "a\x00"])
def test_every_wrong_field_is_named_at_once(world: World, reference: str, outcome: str) -> None:
    failure = refused(world.resolve, reference, outcome)
    require_explained(failure, "FIELD_INVALID")
    assert failure.violations == ("reference", "outcome")


@pytest.mark.parametrize(
    "request_",
    [
        pb.ListDisputesRequest(page_token="bm9uZQ=="),
        pb.ListDisputesRequest(page_token=token("2:1:K7QM2XW9RT")),
        pb.ListDisputesRequest(page_token=token("0:99999999999999999:K7QM2XW9RT")),
        pb.ListDisputesRequest(page_token=token("0:1:K7QM2XW9R0")),
        pb.ListDisputesRequest(page_size=-1),
    ],
)
def test_a_place_that_is_none_is_refused(world: World, request_: pb.ListDisputesRequest) -> None:
    require_explained(refused(world.people.ListDisputes, request_), "FIELD_INVALID")
