"""What happened to a lender's consents: all of it, in the log's order, nothing twice, restarts or not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import pytest

from scoregate.audit.v1 import leaf_pb2
from scoregate.client import Client
from scoregate.partner.v1 import consent_pb2, receipt_pb2, types_pb2
from scoregate.proof import leaf
from tests.journey.conftest import STORES
from tests.journey.rows import answered, require_explained
from tests.wire import refused
from tests.world import Partner, World, seconds

OFTEN = {"mode": "CONSENT_MODE_PERIODIC"}
KIND = types_pb2.ConsentEventKind
DAY_MICROS = 86_400_000_000


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pages(
    partner: Partner, start: int = 0, size: int = 100
) -> Iterator[consent_pb2.ListConsentEventsResponse]:
    token = ""
    while True:
        request = consent_pb2.ListConsentEventsRequest(start_index=start, page_size=size, page_token=token)
        page = partner.consents.ListConsentEvents(request)
        yield page
        if not (token := page.next_page_token):
            return


def events(partner: Partner, start: int = 0, size: int = 100) -> list[consent_pb2.ConsentEvent]:
    return [event for page in pages(partner, start, size) for event in page.events]


def told(partner: Partner, start: int = 0, size: int = 100) -> list[tuple[str, str]]:
    return [
        (event.consent_id, KIND.Name(event.kind).removeprefix("CONSENT_EVENT_KIND_"))
        for event in events(partner, start, size)
    ]


def live(world: World, acme: Partner) -> list[tuple[str, str]]:
    """A little of everything; returns what a lender is told of it."""
    often, once = world.consent(acme, "uci-00301", **OFTEN), world.consent(acme)
    for change in ("PAUSE", "RESUME"):
        world.change(often, change)
    answered(acme, acme.query(often))
    answered(acme, acme.query(once))
    second = world.consent(acme, "uci-00301", **OFTEN)
    world.freeze("uci-00301")
    world.freeze("uci-00301", frozen=False)
    world.change(often, "REVOKE")
    acme.consents.RelinquishConsent(consent_pb2.RelinquishConsentRequest(consent_id=second.consent_id))
    both = sorted([often.consent_id, second.consent_id])
    return [
        (often.consent_id, "GRANTED"),
        (once.consent_id, "GRANTED"),
        (often.consent_id, "PAUSED"),
        (often.consent_id, "RESUMED"),
        (once.consent_id, "CONSUMED"),
        (second.consent_id, "GRANTED"),
        *((consent_id, "FROZEN") for consent_id in both),
        *((consent_id, "UNFROZEN") for consent_id in both),
        (often.consent_id, "REVOKED"),
        (second.consent_id, "REVOKED"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_all_of_it_comes_once_and_in_order_in_pages_of_any_size(
    world: World, acme: Partner, size: int
) -> None:
    assert told(acme, size=size) == []
    expected = live(world, acme)
    assert told(acme, size=size) == expected


def test_who_follows_from_the_last_index_misses_and_repeats_nothing(own_world: World) -> None:
    acme = own_world.partner()
    heard, begin, expected = list[tuple[str, str]](), 0, list[tuple[str, str]]()
    for _ in range(2):
        expected += live(own_world, acme)
        heard += told(acme, begin, size=4)
        begin = list(pages(acme, begin, size=4))[-1].next_index
        assert told(acme, begin) == []
        own_world.restart()
        acme = acme.at(own_world)
    assert heard == expected
    assert next(iter(pages(acme, begin))).next_index == begin


def test_whoever_stops_anywhere_goes_on_after_the_last_ones_cursor(own_world: World) -> None:
    acme = own_world.partner()
    live(own_world, acme)
    expected = [(event.log_index, event.consent_id) for event in events(acme)]
    assert len({index for index, _ in expected}) < len(expected)  # an entry of several
    with Client(
        f"localhost:{own_world.gateway.partner_port}",
        certificate=acme.certificate,
        key=acme.key,
        server_ca=own_world.server_ca,
        jwks=acme.receipts.GetVerificationKeys(receipt_pb2.GetVerificationKeysRequest()).jwks,
        issuer=own_world.settings.issuer,
    ) as client:
        assert [(event.log_index, event.consent_id) for event in client.events()] == expected
        heard, cursor = list[tuple[int, str]](), ""
        while read := list(islice(client.events(after=cursor), 1)):
            heard += [(event.log_index, event.consent_id) for event in read]
            cursor = read[-1].cursor
    assert heard == expected


def test_the_entry_at_the_index_says_the_same(world: World, acme: Partner) -> None:
    live(world, acme)
    kinds = {
        "GRANTED": leaf_pb2.LEAF_KIND_CONSENT_GRANTED,
        "PAUSED": leaf_pb2.LEAF_KIND_CONSENT_PAUSED,
        "RESUMED": leaf_pb2.LEAF_KIND_CONSENT_RESUMED,
        "REVOKED": leaf_pb2.LEAF_KIND_CONSENT_REVOKED,
        "CONSUMED": leaf_pb2.LEAF_KIND_RELEASE,
        "FROZEN": leaf_pb2.LEAF_KIND_SUBJECT_FROZEN,
        "UNFROZEN": leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN,
    }
    for event, (_, what) in zip(events(acme), told(acme), strict=True):
        entry = leaf.decode(world.leaf_bytes(event.log_index)[0])
        assert entry.kind == kinds[what]
        # Of a freeze only the day is told: all lenders of a person would know them by the moment.
        day = entry.time_micros // DAY_MICROS * DAY_MICROS
        is_freeze = KIND.Name(event.kind).endswith("FROZEN")
        assert event.time.ToMicroseconds() == (day if is_freeze else entry.time_micros)


def test_an_end_by_time_is_told(own_world: World) -> None:
    acme, zeta = own_world.partner(), own_world.partner("zeta")
    brief, long = (own_world.consent(acme, valid_for=seconds(span)) for span in (60, 7_200))
    used = own_world.consent(acme, valid_for=seconds(60))
    answered(acme, acme.query(used))
    theirs = own_world.consent(zeta, valid_for=seconds(60))
    own_world.clock.move(seconds=61)
    until = time.monotonic() + 15
    while told(zeta)[-1][1] != "EXPIRED" and time.monotonic() < until:
        time.sleep(0.1)
    assert told(zeta)[-1] == (theirs.consent_id, "EXPIRED")
    ended = [event for event in told(acme) if event[1] == "EXPIRED"]
    assert ended == [(brief.consent_id, "EXPIRED")]  # neither what goes on nor what was used up
    assert (long.consent_id, "GRANTED") in told(acme)


def test_a_lender_hears_of_its_own_alone(world: World, acme: Partner, zeta: Partner) -> None:
    live(world, acme)
    assert told(zeta) == []


def test_a_freeze_tells_no_two_lenders_that_they_mean_the_same_person(
    world: World, acme: Partner, zeta: Partner
) -> None:
    for partner in (acme, zeta):
        world.consent(partner, "uci-00302", **OFTEN)
    starts = world.log_size()
    world.freeze("uci-00302")
    world.freeze("uci-00302", frozen=False)
    indexes = [[event.log_index for event in events(partner, starts)] for partner in (acme, zeta)]
    assert [len(each) for each in indexes] == [2, 2]
    assert not set(indexes[0]) & set(indexes[1])


def test_a_place_that_is_none_is_refused(acme: Partner) -> None:
    for request in (
        consent_pb2.ListConsentEventsRequest(start_index=-1),
        consent_pb2.ListConsentEventsRequest(page_token="bm9uZQ=="),
    ):
        require_explained(refused(acme.consents.ListConsentEvents, request), "FIELD_INVALID")
