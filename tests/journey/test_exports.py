"""Exports over the wire: what a filter finds, page by page, proved and signed; who may, what is recorded."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from gateway.audit import persons
from gateway.audit.log import private_parts
from gateway.audit.private import Vault, data_keys, owner_subject
from gateway.settings import read_secret
from gateway.store import open_store
from scoregate.audit.v1 import audit_pb2 as pb
from scoregate.audit.v1 import audit_pb2_grpc, leaf_pb2
from scoregate.auditing.exports import manifest as manifests
from scoregate.auditing.exports.check import Report, check
from scoregate.auditing.exports.entries import Exported, PartState
from scoregate.auditing.exports.seal import Seal
from scoregate.instants import micros
from scoregate.partner.v1 import receipt_pb2, types_pb2
from scoregate.proof import leaf
from scoregate.proof.jwk import VerificationKeys
from scoregate.tlog.policy import Policy
from tests.journey.conftest import STORES
from tests.wire import refused
from tests.world import Partner, World

Audit = audit_pb2_grpc.AuditServiceStub


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def quick_world(new_own_world: Callable[..., World]) -> World:
    """An installation of the test's own that publishes ten times a second."""
    return new_own_world(SCOREGATE_LOG__INTERVAL_MS="100")


@dataclass
class House:
    """An installation in which something happened, and an officer."""

    world: World
    audit: Audit
    acme: Partner
    zeta: Partner
    published: int


@pytest.fixture(scope="module")
def house(world: World) -> House:
    acme, zeta = world.partner("acme"), world.partner("zeta")
    _, audit = world.officer()
    for subject in ("uci-00001", "uci-00002", "uci-00003"):
        consent = world.consent(acme, subject, mode="CONSENT_MODE_PERIODIC")
        acme.score(consent)
        refused(acme.scores.GetScore, acme.query(consent, purpose="PURPOSE_COLLECTION"))
    zeta.score(world.consent(zeta, "uci-00001"))
    world.change(world.consent(zeta, "uci-00001"), "REVOKE")
    return House(world, audit, acme, zeta, published(world, audit))


def published(world: World, audit: Audit) -> int:
    """Wait until all that is committed is published; returns how many entries that are."""
    size, give_up = world.log_size(), time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            note = audit.GetCheckpoint(pb.GetCheckpointRequest()).checkpoint
            if int(note.split(b"\n")[1]) >= size:
                return size
        except grpc.RpcError:
            pass
        time.sleep(0.05)
    raise AssertionError("nothing was published")


def ask(
    audit: Audit, token: str = "", size: int = 0, *, parts: bool = False, why: str = "a test", **wanted: Any
) -> Any:
    return audit.ExportBundle(
        pb.ExportBundleRequest(
            filter=pb.EntryFilter(**wanted),
            with_private_parts=parts,
            reason=why,
            page_size=size,
            page_token=token,
        )
    )


@dataclass
class Brought:
    """All pages, as an Export to be checked."""

    pages: list[Any]

    @property
    def seal(self) -> Seal:
        last = self.pages[-1]
        texts = (last.jwks.encode(), last.manifest.encode(), last.policy.encode())
        return Seal(self.pages[0].checkpoint, *texts)

    def entries(self, manifest: Any = None) -> list[Exported]:
        return [
            Exported(
                each.leaf_index, each.leaf, tuple(each.hashes), PartState(each.private_part_state),
                each.private_part, each.blind,
            )
            for page in self.pages
            for each in page.entries
        ]  # fmt: skip

    def leaves(self) -> dict[int, leaf_pb2.Leaf]:
        return {entry.index: leaf.decode(entry.leaf) for entry in self.entries()}


def bring(audit: Audit, **asked: Any) -> Brought:
    pages = [ask(audit, **asked)]
    while pages[-1].next_page_token:
        assert not pages[-1].manifest
        pages.append(ask(audit, pages[-1].next_page_token, **asked))
    return Brought(pages)


def verified(house: House, brought: Brought) -> Report:
    """By keys that came another way."""
    jwks = house.acme.receipts.GetVerificationKeys(receipt_pb2.GetVerificationKeysRequest()).jwks
    return check(
        brought,  # type: ignore[arg-type]
        keys=VerificationKeys.from_jwks(jwks),
        policy=Policy.parse(brought.seal.policy),
    )


FILTERS: dict[str, tuple[dict[str, Any], Callable[[leaf_pb2.Leaf], bool]]] = {
    "all": ({}, lambda _: True),
    "a partner's": ({"partner_id": "acme"}, lambda each: each.partner_id == "acme"),
    "nobody's": ({"partner_id": "nobody"}, lambda _: False),
    "scored": (
        {"decisions": ["DECISION_SCORED"]}, lambda each: each.decision == leaf_pb2.DECISION_SCORED,
    ),
    "decided": (
        {"decisions": ["DECISION_SCORED", "DECISION_REFUSED"]},
        lambda each: each.decision in {leaf_pb2.DECISION_SCORED, leaf_pb2.DECISION_REFUSED},
    ),
    "of a purpose": (
        {"purposes": ["PURPOSE_COLLECTION"]}, lambda each: each.purpose == types_pb2.PURPOSE_COLLECTION,
    ),
    "of two kinds": (
        {"kinds": ["LEAF_KIND_CONSENT_GRANTED", "LEAF_KIND_CONSENT_REVOKED"]},
        lambda each: each.kind
        in {leaf_pb2.LEAF_KIND_CONSENT_GRANTED, leaf_pb2.LEAF_KIND_CONSENT_REVOKED},
    ),
    "of all of that": (
        {
            "partner_id": "acme",
            "decisions": ["DECISION_REFUSED"],
            "purposes": ["PURPOSE_COLLECTION"],
            "kinds": ["LEAF_KIND_REFUSAL"],
        },
        lambda each: each.partner_id == "acme" and each.decision == leaf_pb2.DECISION_REFUSED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", FILTERS)
def test_a_filter_finds_exactly_what_it_says(house: House, how: str) -> None:
    wanted, passes = FILTERS[how]
    brought = bring(house.audit, size=3, end_index=house.published, **wanted)
    due = {i: each for i, each in enumerate(house.world.leaves()[: house.published]) if passes(each)}
    assert brought.leaves() == due
    report = verified(house, brought)
    assert report.manifest.tally.entries == len(due)
    assert all(len(page.entries) <= 3 for page in brought.pages)


def test_times_bound_an_export_on_both_sides(quick_world: World) -> None:
    acme = quick_world.partner()
    _, audit = quick_world.officer()
    since = quick_world.clock.now
    for _ in range(3):
        quick_world.clock.move(minutes=1)
        quick_world.consent(acme)
    size, leaves = published(quick_world, audit), quick_world.leaves()
    asked = pb.EntryFilter()
    asked.since.FromDatetime(since + timedelta(minutes=1))
    asked.until.FromDatetime(since + timedelta(minutes=3))
    brought = bring(audit, since=asked.since, until=asked.until)
    low, high = (micros(since + timedelta(minutes=minutes)) for minutes in (1, 3))
    due = {i: each for i, each in enumerate(leaves) if low <= each.time_micros < high}
    assert brought.leaves() == due
    assert {each.kind for each in due.values()} == {
        leaf_pb2.LEAF_KIND_INVITATION_CREATED, leaf_pb2.LEAF_KIND_CONSENT_GRANTED,
    }  # fmt: skip
    assert len(due) == 4
    verified(House(quick_world, audit, acme, acme, size), brought)


@pytest.mark.parametrize("indexed", [False, True])
def test_a_persons_entries_are_found_through_the_index_and_behind_it(house: House, indexed: bool) -> None:
    """Somewhere the index ends; what came since is looked through."""
    if indexed:
        books = open_store(house.world.settings.database.url)
        try:
            persons.catch_up(books)
        finally:
            books.close()
    brought = bring(house.audit, size=2, parts=True, subject="uci-00001", end_index=house.published)
    parts = [leaf_pb2.PrivatePart.FromString(entry.part) for entry in brought.entries()]
    assert {part.subject for part in parts} == {"uci-00001"}
    kinds = {each.kind for each in brought.leaves().values()}
    assert kinds >= {
        leaf_pb2.LEAF_KIND_CONSENT_GRANTED, leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REFUSAL,
    }  # fmt: skip
    with house.world.reading() as connection:
        key = connection.execute(
            sa.select(data_keys.c.key_id).where(data_keys.c.owner == owner_subject("uci-00001"))
        ).scalar_one()
        rows = connection.execute(
            sa.select(private_parts.c.leaf_index).where(
                private_parts.c.key_id == key, private_parts.c.leaf_index < house.published
            )
        ).scalars()
        assert set(brought.leaves()) == set(rows)
    report = verified(house, brought)
    assert report.manifest.filter.about_a_person
    assert b"uci-00001" not in report.manifest.encode()
    narrower = bring(
        house.audit, subject="uci-00001", partner_id="zeta", kinds=["LEAF_KIND_RELEASE"],
        end_index=house.published,
    )  # fmt: skip
    assert [each.partner_id for each in narrower.leaves().values()] == ["zeta"]
    assert verified(house, narrower).manifest.tally.opened == 0


def test_an_export_is_one_entry_that_says_what_and_why_and_the_person_reads_it(house: House) -> None:
    with house.world.entries() as entries:
        brought = bring(house.audit, size=1, subject="uci-00002", why="complaint 41")
    (entry,) = entries
    assert (entry.kind, entry.actor, entry.partner_id) == (leaf_pb2.LEAF_KIND_EXPORTED, "officer", "officer")
    said = json.loads(entry.reason)
    assert (said["why"], said["filter"], said["private_parts"]) == (
        "complaint 41", {"about_a_person": True}, False,
    )  # fmt: skip
    assert len(brought.pages) > 1
    assert "uci-00002" not in entry.reason
    index = verified(house, brought).manifest.log_index
    vault = Vault(read_secret(house.world.settings.secrets.master_key))
    with house.world.reading() as connection:
        found = persons.entry_about(connection, vault, "uci-00002", index)
    assert found is not None
    assert (found.leaf, found.part) == (
        entry,
        leaf_pb2.PrivatePart(subject="uci-00002", legal_name="Officer Lending Ltd"),
    )


def test_of_somebody_who_is_not_known_nothing_is_found_and_no_key_is_made(house: House) -> None:
    brought = bring(house.audit, subject="nobody-knows")
    report = verified(house, brought)
    assert report.manifest.tally.entries == 0
    with house.world.reading() as connection:
        owners = set(connection.execute(sa.select(data_keys.c.owner)).scalars())
        own_part = sa.select(private_parts).where(private_parts.c.leaf_index == report.manifest.log_index)
        assert connection.execute(own_part).all() == []  # no erasure would ever find it
    assert owner_subject("nobody-knows") not in owners


@pytest.mark.parametrize("why", ["complaint of uci-00002", "UCI-00002 complained"])
def test_a_reason_that_names_the_person_is_refused_for_it_stays(house: House, why: str) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        ask(house.audit, subject="uci-00002", why=why)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_private_parts_come_only_when_asked_for(house: House) -> None:
    asked = {"kinds": ["LEAF_KIND_RELEASE"], "end_index": house.published}
    without = bring(house.audit, **asked)
    assert {(each.part, each.state) for each in without.entries()} == {(b"", PartState.NONE)}
    opened = bring(house.audit, parts=True, **asked)
    assert {each.state for each in opened.entries()} == {PartState.OPENED}
    assert verified(house, opened).manifest.tally.opened == len(opened.entries()) == 4


def test_what_was_erased_and_what_does_not_open_are_told_apart_and_signed(quick_world: World) -> None:
    acme = quick_world.partner()
    indexes = [
        acme.score(quick_world.consent(acme, subject)).receipt.leaf_index
        for subject in ("uci-00001", "uci-00002", "uci-00003")
    ]
    _, audit = quick_world.officer()
    size = published(quick_world, audit)
    engine = sa.create_engine(quick_world.settings.database.url)
    with engine.begin() as connection:
        part = private_parts.c
        connection.execute(sa.delete(private_parts).where(part.leaf_index == indexes[0]))
        bent = sa.update(private_parts).where(part.leaf_index == indexes[1])
        connection.execute(bent.values(sealed=bytes(60)))
    engine.dispose()
    brought = bring(audit, parts=True, kinds=["LEAF_KIND_RELEASE"], end_index=size)
    assert [(each.index, each.state) for each in brought.entries()] == [
        (indexes[0], PartState.ABSENT), (indexes[1], PartState.UNREADABLE), (indexes[2], PartState.OPENED),
    ]  # fmt: skip
    house = House(quick_world, audit, acme, acme, size)
    tally = verified(house, brought).manifest.tally
    assert (tally.opened, tally.absent, tally.unreadable) == (1, 1, 1)


def test_pages_may_be_cut_otherwise_and_the_signature_is_over_the_same(house: House) -> None:
    asked = {"partner_id": "acme", "end_index": house.published}
    one, many = bring(house.audit, size=500, **asked), bring(house.audit, size=1, **asked)
    assert (len(one.pages), len(many.pages) > 5) == (1, True)
    chains = {verified(house, each).manifest.tally.chain for each in (one, many)}
    assert len(chains) == 1


# --- between two pages


def token_of(house: House, **asked: Any) -> str:
    return str(ask(house.audit, size=1, end_index=house.published, **asked).next_page_token)


def reread(token: str, change: Callable[[str], str]) -> str:
    return base64.urlsafe_b64encode(change(base64.urlsafe_b64decode(token).decode()).encode()).decode()


FORGERIES: dict[str, Callable[[str], str]] = {
    "an earlier place": lambda said: said.replace('"next":1', '"next":0'),
    "another tally": lambda said: said.replace('"entries":1', '"entries":2'),
    "a longer life": lambda said: said.replace(":17", ":27", 1) if ":17" in said else said[:-1],
    "another seal": lambda said: f"{'0' if said[0] != '0' else '1'}{said[1:]}",
    "no seal": lambda said: said.partition(":")[2],
    "a seal alone": lambda said: said.partition(":")[0],
}


@pytest.mark.parametrize("forged", FORGERIES)
def test_a_made_up_token_brings_nothing(house: House, forged: str) -> None:
    token = token_of(house)
    bent = reread(token, FORGERIES[forged])
    assert bent != token
    failure = refused(ask, house.audit, bent, 1, end_index=house.published)
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", ("page_token",))
    assert ask(house.audit, token, 1, end_index=house.published).entries  # as it came


@pytest.mark.parametrize(
    "other",
    [
        {"partner_id": "acme"}, {"parts": True}, {"why": "another"}, {"subject": "uci-00001"},
        {"kinds": ["LEAF_KIND_RELEASE"]}, {"start_index": 1},
    ],
)  # fmt: skip
def test_a_token_is_for_its_question_alone(house: House, other: dict[str, Any]) -> None:
    token = token_of(house)
    failure = refused(ask, house.audit, token, 1, **({"end_index": house.published} | other))
    assert failure.violations == ("page_token",)


def test_another_officers_token_brings_nothing(house: House) -> None:
    _, second = house.world.officer("officer-b")
    token = token_of(house)
    assert refused(ask, second, token, 1, end_index=house.published).violations == ("page_token",)


def test_a_token_is_good_for_an_hour_and_its_checkpoint_stays(quick_world: World) -> None:
    acme = quick_world.partner()
    _, audit = quick_world.officer()
    first = quick_world.consent(acme)
    size = published(quick_world, audit)
    pages = [ask(audit, size=2)]
    acme.score(first)
    published(quick_world, audit)  # the log goes on, and the export does not
    quick_world.clock.move(minutes=59, seconds=59)
    pages.append(ask(audit, pages[0].next_page_token, 2))
    stale = pages[0].next_page_token
    quick_world.clock.move(seconds=1)
    assert refused(ask, audit, stale, 2).violations == ("page_token",)
    while pages[-1].next_page_token:
        pages.append(ask(audit, pages[-1].next_page_token, 2))
    report = verified(House(quick_world, audit, acme, acme, size), Brought(pages))
    assert report.manifest.tree_size == report.manifest.tally.entries == size


def test_a_turned_key_signs_at_once(quick_world: World) -> None:
    acme = quick_world.partner()
    _, audit = quick_world.officer()
    quick_world.rotate_keys()
    size = published(quick_world, audit)
    brought = bring(audit)
    house = House(quick_world, audit, acme, acme, size)
    verified(house, brought)
    header = json.loads(base64.urlsafe_b64decode(brought.pages[-1].manifest.split(".")[0] + "=="))
    assert (header["kid"], header["typ"]) == (quick_world.keys()["CURRENT"], manifests.TYP)
    assert sha256(brought.pages[-1].jwks.encode()).digest() == verified(house, brought).manifest.jwks_sha256


# --- what is refused


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"partner_id": "No Such"}, ("filter.partner_id",)),
        ({"subject": "a b"}, ("filter.subject",)),
        ({"why": ""}, ("reason",)),
        ({"decisions": [0]}, ("filter.decisions[0]",)),
        ({"kinds": [1, 999]}, ("filter.kinds[1]",)),
        ({"purposes": [1, 1]}, ("filter.purposes",)),
        ({"size": -1}, ("page_size",)),
        ({"end_index": 2**50}, ("filter.end_index",)),
        ({"start_index": 9, "end_index": 8}, ("filter.start_index",)),
        ({"start_index": 2**60}, ("filter.start_index",)),
        ({"since": {"seconds": 1_800_000_000, "nanos": 1}}, ("filter.since",)),
        ({"since": {"seconds": 2**40}}, ("filter.since",)),
        (
            {"since": {"seconds": 1_800_000_000}, "until": {"seconds": 1_800_000_000}},
            ("filter.until",),
        ),
        ({"why": "x" * 201, "partner_id": "-"}, ("filter.partner_id", "reason")),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_recorded_as_read(
    house: House, asked: dict[str, Any], fields: tuple[str, ...]
) -> None:
    with house.world.entries() as entries:
        failure = refused(ask, house.audit, **asked)
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", fields)
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_REFUSAL]


@pytest.mark.parametrize("role", ["ROLE_PARTNER", "ROLE_PILOT", "ROLE_OPERATOR"])
def test_nobody_but_an_officer_exports(house: House, role: str) -> None:
    """Lenders' certificates do not even open the door."""
    caller = house.world.partner(f"curious-{role[5:].lower()}", role)
    door = Audit(house.world.admin_channel(caller.certificate, caller.key))  # type: ignore[no-untyped-call]
    with house.world.entries() as entries:
        failure = refused(ask, door)
    if role == "ROLE_OPERATOR":
        assert failure.reason == "METHOD_NOT_ALLOWED"
    else:
        assert failure.status is grpc.StatusCode.UNAVAILABLE
    assert leaf_pb2.LEAF_KIND_EXPORTED not in {entry.kind for entry in entries}


def test_what_is_not_published_yet_is_told_to_come_later_and_nothing_is_recorded(own_world: World) -> None:
    own_world.partner()
    _, audit = own_world.officer()
    published(own_world, audit)
    own_world.partner("late")
    size = own_world.log_size()
    with own_world.entries() as entries:
        failure = refused(ask, audit, end_index=size)
    assert (failure.reason, failure.status) == ("ENTRY_NOT_PUBLISHED", grpc.StatusCode.UNAVAILABLE)
    assert failure.retry_after == own_world.settings.log.interval_ms / 1_000
    assert not entries
    published(own_world, audit)
    assert ask(audit, end_index=size).end_index == size
