"""An officer reads the log through cursors: each leaves an entry, and none can be made up, lent or kept."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from scoregate.audit.v1 import audit_pb2, audit_pb2_grpc, leaf_pb2
from tests.journey.conftest import STORES
from tests.wire import refused
from tests.world import World

PAGE = 2


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def page(audit: audit_pb2_grpc.AuditServiceStub, token: str = "", **where: int) -> Any:
    request = audit_pb2.ListEntriesRequest(page_size=PAGE, page_token=token, **where)
    return audit.ListEntries(request)


def reread(token: str, change: Callable[[str], str]) -> str:
    """The token with its text changed."""
    return base64.urlsafe_b64encode(change(base64.urlsafe_b64decode(token).decode()).encode()).decode()


def test_a_cursor_is_one_entry_whatever_its_pages(own_world: World) -> None:
    _, audit = own_world.officer()
    size = own_world.log_size()
    with own_world.entries() as entries:
        read, token = 0, ""
        while read < size:
            found = page(audit, token, tree_size=size)
            read, token = read + len(found.leaves), found.next_page_token
    assert read == size > PAGE
    assert [(entry.kind, entry.actor) for entry in entries] == [(leaf_pb2.LEAF_KIND_OFFICER_READ, "officer")]


FORGERIES: dict[str, Callable[[str], str]] = {
    "an earlier begin": lambda said: f"0:{said.split(':', 1)[1]}",
    "a later end": lambda said: ":".join([said.split(":")[0], "999", *said.split(":")[2:]]),
    "a longer life": lambda said: ":".join([*said.split(":")[:2], "9" * 17, said.split(":")[3]]),
    "another seal": lambda said: f"{said[:-1]}{'0' if said[-1] != '0' else '1'}",
    "no seal": lambda said: said.rpartition(":")[0],
    "a seal alone": lambda said: said.rpartition(":")[2],
    "no position": lambda said: f":{said.rpartition(':')[2]}",
}


@pytest.mark.parametrize("forged", FORGERIES)
def test_a_made_up_page_token_reads_nothing(world: World, forged: str) -> None:
    _, audit = world.officer(f"officer-{list(FORGERIES).index(forged)}")
    token = page(audit).next_page_token
    assert page(audit, token).leaves  # as it came
    failure = refused(page, audit, reread(token, FORGERIES[forged]))
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", ("page_token",))


def test_another_officers_page_token_reads_nothing(world: World) -> None:
    (_, first), (_, second) = world.officer("officer-a"), world.officer("officer-b")
    token = page(first).next_page_token
    assert refused(page, second, token).violations == ("page_token",)
    assert page(first, token).leaves


def test_a_page_token_is_good_for_an_hour(own_world: World) -> None:
    _, audit = own_world.officer()
    token = page(audit).next_page_token
    own_world.clock.move(minutes=59, seconds=59)
    later = page(audit, token)
    assert later.first_index == PAGE
    own_world.clock.move(seconds=1)
    assert refused(page, audit, token).violations == ("page_token",)
    assert page(audit, later.next_page_token).first_index == 2 * PAGE  # each page begins the hour anew
