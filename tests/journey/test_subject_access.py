"""A subject access report: what the log holds about one person, with proofs; the person sees who asked."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.audit.persons import entries_about
from gateway.audit.private import Vault
from gateway.partners import partners
from gateway.settings import read_secret
from gateway.store import open_store
from scoregate.audit.v1 import audit_pb2_grpc, leaf_pb2, report_pb2
from scoregate.proof.digest import spell_instant
from scoregate.proof.personal import Entry, proving
from scoregate.proof.personal_report import AN_INSTANT, METHOD, Checked, verify_report
from scoregate.tlog.policy import Policy
from scoregate.tlog.proof import TlogProof
from tests.journey.conftest import STORES, new_name
from tests.journey.test_published_log import vkey
from tests.wire import Failure, outcome, refused
from tests.world import World

Audit = audit_pb2_grpc.AuditServiceStub
Page = report_pb2.GetSubjectAccessReportResponse
PATIENCE_SECONDS = 5


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own_world(new_own_world: Callable[..., World]) -> Iterator[World]:
    """Its log is published ten times a second: each report waits for that."""
    own = new_own_world(SCOREGATE_LOG__INTERVAL_MS="100")
    yield own
    own.require_balanced()


def stamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made


def ask(audit: Audit, subject: str, token: str = "", **given: Any) -> Page:
    request = report_pb2.GetSubjectAccessReportRequest(subject=subject, page_token=token, **given)
    return audit.GetSubjectAccessReport(request, timeout=10)


def published(audit: Audit, subject: str, token: str, **given: Any) -> Page:
    """The page behind the first, as soon as the log is published that far."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        page = outcome(ask, audit, subject, token, **given)
        if not isinstance(page, Failure):
            return page
        assert page.reason == "ENTRY_NOT_PUBLISHED", page
        assert time.monotonic() < give_up
        time.sleep(0.05)


def report(audit: Audit, subject: str, **given: Any) -> list[Page]:
    """Every page."""
    pages = [ask(audit, subject, **given)]
    while pages[-1].next_page_token:
        pages.append(published(audit, subject, pages[-1].next_page_token, **given))
    return pages


def line(entry: report_pb2.ReportEntry, checkpoint: bytes) -> dict[str, Any]:
    index = entry.leaf_index
    proof = TlogProof(index, tuple(entry.hashes), checkpoint)
    shown = proving(entry.leaf, entry.private_part, entry.blind, proof)
    return {**Entry.decode(index, shown, "entry").told.plain(), **shown}


def checked(world: World, subject: str, pages: list[Page]) -> Checked:
    """The report that these pages make, held against the log's key."""
    first = pages[1]
    document = {
        "log_origin": world.settings.log_origin,
        "subject": subject,
        "since": spell_instant("since", first.since.ToDatetime().astimezone()),
        "until": spell_instant("until", first.until.ToDatetime().astimezone()),
        "opening": line(first.opening, first.checkpoint),
        "entries": [line(each, first.checkpoint) for page in pages for each in page.entries],
    }
    return verify_report(document, Policy.of([vkey(world)]))


def of_person(world: World, subject: str) -> list[int]:
    """The person's entries as their own page reads them, the newest first."""
    opened = open_store(world.settings.database.url)
    try:
        with opened.reading() as connection:
            vault = Vault(read_secret(world.settings.secrets.master_key))
            found = entries_about(connection, vault, subject, limit=1_000)
    finally:
        opened.close()
    return [each.leaf_index for each in found.entries]


def test_a_report_is_all_that_the_person_sees_and_holds_offline(own_world: World) -> None:
    acme, bravo = own_world.partner("acme"), own_world.partner("bravo")
    consent = own_world.consent(acme, "uci-00001", mode="CONSENT_MODE_PERIODIC")
    told = acme.score(consent).scored.score
    for changes in ({"purpose": "PURPOSE_COLLECTION"}, {"request_id": "x"}):
        with pytest.raises(grpc.RpcError):
            acme.score(consent, **changes)
    own_world.freeze("uci-00001")
    bravo.score(own_world.consent(bravo, "uci-00002"))
    before = of_person(own_world, "uci-00001")
    _, audit = own_world.officer()

    with own_world.entries() as entered:
        pages = report(audit, "uci-00001", page_size=2)

    assert [(each.kind, each.method) for each in entered] == [(leaf_pb2.LEAF_KIND_OFFICER_READ, METHOD)]
    assert (pages[0].is_held, len(pages[0].entries), len(pages)) == (True, 0, 1 + -(-len(before) // 2))
    assert [bool(page.checkpoint) for page in pages] == [False, True] + [False] * (len(pages) - 2)
    found = checked(own_world, "uci-00001", pages)
    assert [each.leaf_index for each in found.entries] == before
    by_kind = {each.kind: each for each in found.entries}
    release, refusal = by_kind["RELEASE"], by_kind["REFUSAL"]
    assert (release.legal_name, release.purpose, release.score) == (
        "Acme Lending Ltd",
        "CREDIT_APPLICATION",
        told,
    )
    assert (refusal.decision, refusal.reason) == ("REFUSED", "CONSENT_PURPOSE_MISMATCH")
    assert {each.legal_name for each in found.entries if each.partner_id} == {"Acme Lending Ltd"}
    assert found.opening is not None
    assert of_person(own_world, "uci-00001") == [found.opening.leaf_index, *before]


def test_what_stands_beside_the_proof_is_what_leaf_and_private_part_say(own_world: World) -> None:
    acme = own_world.partner("acme")
    acme.score(own_world.consent(acme, "uci-00001"))
    _, audit = own_world.officer()
    pages = report(audit, "uci-00001")
    for entry in [pages[1].opening, *pages[1].entries]:
        leaf = leaf_pb2.Leaf.FromString(entry.leaf)
        part = leaf_pb2.PrivatePart.FromString(entry.private_part)
        assert entry.time.ToMicroseconds() == leaf.time_micros
        for name in ("kind", "partner_id", "purpose", "decision", "reason"):
            assert getattr(entry, name) == getattr(leaf, name)
        assert (entry.legal_name, entry.shown) == (part.legal_name, part.shown)
    assert any(entry.shown == "SCORE" for entry in pages[1].entries)


def test_a_name_is_that_of_the_time(own_world: World) -> None:
    acme = own_world.partner("acme")
    acme.score(own_world.consent(acme, "uci-00001"))
    opened = open_store(own_world.settings.database.url)
    with opened.writer.begin() as connection:
        connection.execute(sa.update(partners).values(legal_name="Renamed"))
    opened.close()
    _, audit = own_world.officer()
    found = checked(own_world, "uci-00001", report(audit, "uci-00001"))
    assert {each.legal_name for each in found.entries if each.partner_id == "acme"} == {"Acme Lending Ltd"}


def test_a_period_has_its_beginning_and_not_its_end(own_world: World) -> None:
    acme = own_world.partner("acme")
    consent = own_world.consent(acme, "uci-00001", mode="CONSENT_MODE_PERIODIC")
    _, audit = own_world.officer()
    asked = []
    for _ in range(4):
        own_world.clock.move(hours=1)
        acme.score(consent)
        asked.append(own_world.clock())
    own_world.clock.move(hours=1)
    given = {"since": stamp(asked[1]), "until": stamp(asked[3])}
    found = checked(own_world, "uci-00001", report(audit, "uci-00001", **given))
    assert [each.at for each in found.entries] == [asked[2], asked[1]]
    given["until"] = stamp(own_world.clock() + timedelta(days=1))  # to come: it ends when it is opened
    found = checked(own_world, "uci-00001", report(audit, "uci-00001", page_size=1, **given))
    answers = [each.at for each in found.entries if each.kind == "RELEASE"]
    assert answers == [asked[3], asked[2], asked[1]]
    assert found.opening is not None
    assert found.until - AN_INSTANT == found.opening.at == own_world.clock()


def test_an_id_of_nobody_is_answered_with_nothing_and_recorded(own_world: World) -> None:
    _, audit = own_world.officer()
    pages = report(audit, "nobody-at-all")
    found = checked(own_world, "nobody-at-all", pages)
    assert (pages[0].is_held, found.entries) == (False, ())
    again = report(audit, "nobody-at-all")  # by now it is held that somebody asked
    assert again[0].is_held
    assert [each.kind for each in checked(own_world, "nobody-at-all", again).entries] == ["OFFICER_READ"]


def test_a_report_is_recorded_before_anything_of_it_is_told(own_world: World) -> None:
    acme = own_world.partner("acme")
    acme.score(own_world.consent(acme, "uci-00001"))
    _, audit = own_world.officer()
    with own_world.entries() as entered:
        failure = refused(ask, audit, "uci-00001", base64.urlsafe_b64encode(b"0:0:0:0:0").decode())
        page = ask(audit, "uci-00001")
    assert failure.violations == ("page_token",)
    assert (len(page.entries), page.HasField("opening"), page.checkpoint) == (0, False, b"")
    assert [each.kind for each in entered] == [
        leaf_pb2.LEAF_KIND_REFUSAL,
        leaf_pb2.LEAF_KIND_OFFICER_READ,
    ]


def test_a_suspended_officer_opens_nothing_and_goes_on_with_nothing(own_world: World) -> None:
    _, audit = own_world.officer()
    token = ask(audit, "uci-00001").next_page_token
    own_world.suspend("officer")
    for given in ("", token):
        assert refused(ask, audit, "uci-00001", given).reason == "PARTNER_SUSPENDED"


BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no subject": ({"subject": ""}, ("subject",)),
    "a subject that is none": ({"subject": "a b"}, ("subject",)),
    "a beginning to come": ({"since": Timestamp(seconds=4_000_000_000)}, ("since",)),
    "an end before its beginning": (
        {"since": Timestamp(seconds=1_700_000_001), "until": Timestamp(seconds=1_700_000_001)},
        ("until",),
    ),
    "times of no era": (
        {"since": Timestamp(seconds=2**40), "until": Timestamp(seconds=-(2**40))},
        ("since", "until"),
    ),
    "a size below nothing": ({"page_size": -1}, ("page_size",)),
}


@pytest.mark.parametrize("how", BAD)
def test_a_wrong_question_names_its_fields_and_leaves_no_read(world: World, how: str) -> None:
    _, audit = world.officer(new_name("officer"))
    given, fields = BAD[how]
    with world.entries() as entered:
        failure = refused(ask, audit, **({"subject": "uci-00001"} | given))
    assert (failure.reason, set(failure.violations)) == ("FIELD_INVALID", set(fields))
    assert [each.kind for each in entered] == [leaf_pb2.LEAF_KIND_REFUSAL]


FORGERIES: dict[str, Callable[[str], str]] = {
    "another place": lambda said: f"9{said}",
    "another opening": lambda said: ":".join([said.split(":")[0], "0", *said.split(":")[2:]]),
    "another tree": lambda said: ":".join([*said.split(":")[:2], "7", *said.split(":")[3:]]),
    "a longer life": lambda said: ":".join([*said.split(":")[:3], "9" * 17, said.split(":")[4]]),
    "no seal": lambda said: said.rpartition(":")[0],
    "no position": lambda said: f":{said.rpartition(':')[2]}",
}


@pytest.mark.parametrize("forged", FORGERIES)
def test_a_made_up_page_token_tells_nothing(world: World, forged: str) -> None:
    _, audit = world.officer(new_name("officer"))
    said = base64.urlsafe_b64decode(ask(audit, "uci-00001").next_page_token).decode()
    token = base64.urlsafe_b64encode(FORGERIES[forged](said).encode()).decode()
    assert refused(ask, audit, "uci-00001", token).violations == ("page_token",)


def test_a_page_token_is_for_one_officer_one_person_and_one_period(world: World) -> None:
    (_, first), (_, second) = (world.officer(new_name("officer")) for _ in range(2))
    since, other = Timestamp(seconds=1_700_000_000), Timestamp(seconds=1_700_000_001)
    token = ask(first, "uci-00001", since=since).next_page_token
    for audit, subject, given in (
        (second, "uci-00001", {"since": since}),
        (first, "uci-00002", {"since": since}),
        (first, "uci-00001", {"since": other}),
        (first, "uci-00001", {}),
        (first, "uci-00001", {"since": since, "until": other}),
    ):
        assert refused(ask, audit, subject, token, **given).violations == ("page_token",)
    assert published(first, "uci-00001", token, since=since).checkpoint


def test_a_page_token_is_good_for_an_hour(own_world: World) -> None:
    _, audit = own_world.officer()
    token = ask(audit, "uci-00001").next_page_token
    own_world.clock.move(minutes=59, seconds=59)
    assert published(audit, "uci-00001", token).checkpoint
    own_world.clock.move(seconds=1)
    assert refused(ask, audit, "uci-00001", token).violations == ("page_token",)


def test_a_report_is_not_for_whoever_is_no_officer(world: World) -> None:
    operator = Audit(world.admin_channel(world.operator_certificate, world.operator_key))
    assert refused(ask, operator, "uci-00001").reason == "METHOD_NOT_ALLOWED"
