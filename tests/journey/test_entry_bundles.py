"""Entry bundles over HTTP: for officers with a token, an hour, and no longer than they may read the log."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.audit.bearer import NO_END, Pass, Passes, PassRefused
from gateway.pages.bundles import FOR_OFFICERS
from gateway.partners import certificates, partners
from gateway.store import open_store
from scoregate.address import Address
from scoregate.audit.v1 import audit_pb2, audit_pb2_grpc, bundles_pb2, leaf_pb2
from scoregate.auditing.recompute import verify
from scoregate.partner.v1 import score_pb2
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note
from scoregate.tlog.policy import Policy
from scoregate.tlog.tiles import bundle_path, decode_bundle
from tests.journey.conftest import STORES, new_name
from tests.journey.test_published_log import PREFIX, vkey
from tests.wire import refused
from tests.world import World

FIRST = "tile/entries/000.p/3"
Audit = audit_pb2_grpc.AuditServiceStub


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own_world(new_own_world: Callable[..., World]) -> Iterator[World]:
    own = new_own_world(SCOREGATE_LOG__INTERVAL_MS="100")
    yield own
    own.require_balanced()


def get(world: World, path: str, *shown: str, prefix: str = PREFIX) -> tuple[int, dict[str, str], bytes]:
    """A page of the log, with these Authorization headers."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.http_port, timeout=10)
    try:
        connection.putrequest("GET", f"{prefix}/{path}")
        for each in shown:
            connection.putheader("Authorization", each)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def opened(audit: Audit, **given: int) -> str:
    token: str = audit.OpenEntries(bundles_pb2.OpenEntriesRequest(**given), timeout=10).token
    return token


def require_refused(seen: tuple[int, dict[str, str], bytes]) -> None:
    """The one answer to whoever may not: it tells nothing of what they asked for."""
    status, headers, said = seen
    assert (status, said) == (401, FOR_OFFICERS.encode())
    assert headers["www-authenticate"].startswith("Bearer ")
    assert headers["cache-control"] == "private, no-store"


def published(world: World, size: int) -> Checkpoint:
    give_up = time.monotonic() + 10
    while True:
        status, _, note = get(world, "checkpoint")
        if status == 200 and (found := Checkpoint.decode(Note.decode(note).text)).size >= size:
            return found
        assert time.monotonic() < give_up
        time.sleep(0.05)


def fill(world: World) -> None:
    """More than a full bundle: refusals, each an entry."""
    acme = world.partner("acme")
    items = [acme.query("a" * 26) for _ in range(300)]
    acme.scores.BatchGetScores(score_pb2.BatchGetScoresRequest(items=items), timeout=30)


def test_an_officer_checks_the_whole_log_where_it_is_served(own_world: World) -> None:
    fill(own_world)
    _, audit = own_world.officer()
    with own_world.entries() as entered:
        token = opened(audit)
    published(own_world, own_world.log_size())
    url = f"http://127.0.0.1:{own_world.gateway.http_port}{PREFIX}"
    before, policy = own_world.log_size(), Policy.of([vkey(own_world)])
    with Address(url, token=token) as address:
        report = verify(address, policy=policy)
    assert (report.bundles, report.checkpoint.size) == (2, before)
    assert report.judged is not None
    assert own_world.log_size() == before  # asking was the entry
    (read,) = entered
    assert (read.kind, read.actor) == (leaf_pb2.LEAF_KIND_OFFICER_READ, "officer")
    assert read.reason.startswith("entries 0 over HTTP until ")


def test_a_bundle_is_the_entries_and_for_nobody_else_to_keep(own_world: World) -> None:
    fill(own_world)
    _, audit = own_world.officer()
    bearer = f"bearer {opened(audit)}"  # a scheme is read in any case (RFC 9110, 11.1)
    size = published(own_world, own_world.log_size()).size
    leaves = own_world.leaf_bytes()
    for number, width in ((0, 256), (0, 1), (0, 255), (1, size - 256), (1, 1)):
        status, headers, data = get(own_world, bundle_path(number, width), bearer)
        assert (status, headers["content-type"]) == (200, "application/octet-stream")
        assert headers["cache-control"] == "private, no-store"
        assert decode_bundle(data) == leaves[256 * number : 256 * number + width]
    for path in (
        "001",
        "002",
        "x001/000",
        f"001.p/{size - 256 + 9}",
        "000.p/0",
        "000.p/257",
        "rubbish",
        "../0",
    ):
        status, headers, _ = get(own_world, f"tile/entries/{path}", bearer)
        assert (status, headers["cache-control"]) == (404, "private, no-store"), path


@pytest.mark.parametrize("path", [FIRST, "tile/entries/000", "tile/entries/999", "tile/entries/rubbish"])
def test_whoever_shows_no_token_that_holds_gets_one_answer(world: World, path: str) -> None:
    _, audit = world.officer(new_name("officer"))
    token = opened(audit)
    body, _, seal = token.rpartition(".")
    other = "A" if seal[0] != "A" else "B"
    shown: list[tuple[str, ...]] = [
        (),
        ("",),
        ("Bearer",),
        ("Bearer ",),
        (f"Basic {token}",),
        (token,),
        (f"Bearer {token}x",),
        (f"Bearer {token[1:]}",),
        (f"Bearer {body}.{other}{seal[1:]}",),
        (f"Bearer {body}",),
        (f"Bearer {body}.",),
        (f"Bearer {token}", f"Bearer {token}"),
        ("Bearer " + "A" * 60_000,),
    ]
    for each in shown[:-1]:
        require_refused(get(world, path, *each))
    assert get(world, path, *shown[-1])[0] in (400, 401, 431)  # the HTTP server's own bound, or ours
    assert get(world, FIRST, f"Bearer {token}")[0] == 200  # the control arm


CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "another officer": lambda said: ["officer-9", *said[1:]],
    "another certificate": lambda said: [said[0], "0" * 64, *said[2:]],
    "more entries": lambda said: [*said[:2], "0", *said[3:]],
    "more entries behind": lambda said: [*said[:3], str(NO_END), said[4]],
    "a longer life": lambda said: [*said[:4], "9" * 17],
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_token_that_was_changed_opens_nothing(world: World, how: str) -> None:
    _, audit = world.officer(new_name("officer"))
    token = opened(audit, start_index=1, end_index=300)
    text, _, seal = token.removeprefix("sge1_").partition(".")
    said = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(":")
    changed = base64.urlsafe_b64encode(":".join(CHANGES[how](said)).encode()).rstrip(b"=").decode()
    require_refused(get(world, FIRST, f"Bearer sge1_{changed}.{seal}"))


def test_a_token_opens_its_range_alone(own_world: World) -> None:
    fill(own_world)
    _, audit = own_world.officer()
    size = published(own_world, own_world.log_size()).size
    ranges = {
        (256, 0): {bundle_path(0): False, bundle_path(0, 3): False, bundle_path(1, size - 256): True},
        (0, 256): {bundle_path(0): True, bundle_path(0, 3): True, bundle_path(1, 1): False},
        (1, 255): {bundle_path(0): False, bundle_path(0, 3): False},
        (0, 3): {bundle_path(0, 3): True, bundle_path(0, 4): False},
    }
    for (begin, end), paths in ranges.items():
        bearer = f"Bearer {opened(audit, start_index=begin, end_index=end)}"
        for path, is_open in paths.items():
            seen = get(own_world, path, bearer)
            if is_open:
                assert seen[0] == 200
            else:
                require_refused(seen)


def test_a_token_is_good_for_an_hour(own_world: World) -> None:
    _, audit = own_world.officer()
    told = audit.OpenEntries(bundles_pb2.OpenEntriesRequest(), timeout=10)
    published(own_world, 3)
    assert told.expire_time.ToDatetime().astimezone() - own_world.clock() == timedelta(hours=1)
    own_world.clock.move(minutes=59, seconds=59)
    assert get(own_world, FIRST, f"Bearer {told.token}")[0] == 200
    own_world.clock.move(seconds=1)
    require_refused(get(own_world, FIRST, f"Bearer {told.token}"))


def change(world: World, statement: Any) -> None:
    opened_store = open_store(world.settings.database.url)
    with opened_store.writer.begin() as connection:
        connection.execute(statement)
    opened_store.close()


ENDINGS: dict[str, Callable[[World, str, str], None]] = {
    "suspended": lambda world, officer_id, _: world.suspend(officer_id),
    "revoked": lambda world, _, fingerprint: world.revoke(fingerprint),
    "expired": lambda world, _, fingerprint: change(
        world,
        sa.update(certificates).where(certificates.c.fingerprint == fingerprint).values(expires_at_us=1),
    ),
    "no officer any more": lambda world, officer_id, _: change(
        world, sa.update(partners).where(partners.c.partner_id == officer_id).values(role="OPERATOR")
    ),
    "unknown": lambda world, _, fingerprint: change(
        world, sa.delete(certificates).where(certificates.c.fingerprint == fingerprint)
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_token_ends_with_what_its_officer_may(world: World, how: str) -> None:
    officer, audit = world.officer(new_name("officer"))
    bearer = f"Bearer {opened(audit)}"
    assert get(world, FIRST, bearer)[0] == 200
    ENDINGS[how](world, officer.partner_id, officer.fingerprint)
    require_refused(get(world, FIRST, bearer))


def test_any_gateway_of_the_installation_reads_a_token_and_no_other_does(
    own_world: World, world: World
) -> None:
    _, audit = own_world.officer()
    token = opened(audit)
    with own_world.replica() as other:
        assert get(other, FIRST, f"Bearer {token}")[0] == 200
    require_refused(get(world, FIRST, f"Bearer {token}"))


def test_where_the_registry_can_not_be_read_nothing_is_served(own_world: World) -> None:
    _, audit = own_world.officer()
    bearer = f"Bearer {opened(audit)}"
    assert get(own_world, FIRST, bearer)[0] == 200
    change(own_world, sa.text("ALTER TABLE certificates RENAME TO hidden"))
    try:
        status, _, said = get(own_world, FIRST, bearer)
        assert status in (500, 503)
        assert not said.startswith(b"\x00")
    finally:
        change(own_world, sa.text("ALTER TABLE hidden RENAME TO certificates"))


def test_a_token_is_in_no_line_of_any_log_and_in_no_entry(
    own_world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    _, audit = own_world.officer()
    token = opened(audit)
    for path in (FIRST, "tile/entries/999", "tile/entries/rubbish"):
        get(own_world, path, f"Bearer {token}")
    get(own_world, FIRST, f"Bearer {token}x")
    own_world.gateway.stop(timedelta(seconds=1))
    seen = "".join(capfd.readouterr())
    secret = token.rpartition(".")[2]
    assert secret not in seen
    assert not any(secret.encode() in each for each in own_world.leaf_bytes())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start_index": 2**63}, "start_index"),
        ({"end_index": 2**64 - 1}, "end_index"),
        ({"start_index": 5, "end_index": 5}, "end_index"),
        ({"start_index": 5, "end_index": 4}, "end_index"),
    ],
)
def test_a_range_that_is_none_names_its_field_and_opens_nothing(
    world: World, given: dict[str, int], field: str
) -> None:
    _, audit = world.officer(new_name("officer"))
    with world.entries() as entered:
        failure = refused(audit.OpenEntries, bundles_pb2.OpenEntriesRequest(**given))
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", (field,))
    assert [each.kind for each in entered] == [leaf_pb2.LEAF_KIND_REFUSAL]


def test_a_page_token_of_the_log_is_no_token_for_its_entries(world: World) -> None:
    _, audit = world.officer(new_name("officer"))
    cursor = audit.ListEntries(audit_pb2.ListEntriesRequest(page_size=1)).next_page_token
    require_refused(get(world, FIRST, f"Bearer {cursor}"))


# --- the seal


def test_what_is_sealed_is_read_and_dies_at_its_instant(world: World) -> None:
    passes, now = Passes(b"s" * 32), world.clock()
    granted = Pass("officer", "f" * 64, 0, NO_END, now + timedelta(microseconds=1))
    token = passes.seal(granted)
    assert passes.read(token, now=now) == granted
    for other, when in ((passes, granted.expires_at), (Passes(b"t" * 32), now)):
        with pytest.raises(PassRefused):
            other.read(token, now=when)
