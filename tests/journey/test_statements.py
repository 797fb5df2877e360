"""A month's statement, as a partner fetches and recomputes it: all of what it asked, and nobody else's."""

from __future__ import annotations

import http.client
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from gateway.audit import accounts
from gateway.metrics import STATEMENTS_CONTRADICTED
from gateway.quota.contract import quota_usage
from gateway.store import open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.cli import app
from scoregate.client import Client, Clock
from scoregate.partner.v1 import score_pb2, usage_pb2
from scoregate.proof import statement
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.statement import Statement
from tests.journey.conftest import STORES
from tests.wire import refused
from tests.world import Clock as WorldClock
from tests.world import Partner, World

ZONE = "Asia/Shanghai"
PUBLISHED_SECONDS = 10
OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5
SCORED, THRESHOLD = "GetScore", "CheckThreshold"


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """Both kinds of database."""
    kind: str = request.param
    return kind


def page(world: World, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.http_port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def month_of(world: World) -> str:
    return f"{world.clock.now.astimezone(ZoneInfo(ZONE)):%Y-%m}"


def stated(partner: Partner, month: str, **enough: int) -> Statement:
    """The statement, once it covers so many entries of the partner's."""
    keys = VerificationKeys.from_jwks(page(partner.world, "/.well-known/jwks.json"))
    give_up = time.monotonic() + PUBLISHED_SECONDS
    while True:
        told = partner.usage.GetStatement(usage_pb2.GetStatementRequest(month=month), timeout=10)
        said = statement.verify(told.statement, keys)
        if said.last_sequence >= enough.get("last_sequence", 0) or time.monotonic() > give_up:
            return said
        time.sleep(0.05)


def sequence_of(world: World, partner: Partner) -> int:
    return max(each.partner_sequence for each in world.leaves() if each.partner_id == partner.partner_id)


@dataclass
class Desk:
    """The lender's own folder, and its commands."""

    partner: Partner
    folder: Path

    def __post_init__(self) -> None:
        world = self.partner.world
        self.folder.mkdir()
        (self.folder / "certificate.pem").write_bytes(self.partner.certificate)
        (self.folder / "key.pem").write_bytes(self.partner.key)
        (self.folder / "server-ca.pem").write_bytes(world.server_ca)
        (self.folder / "jwks.json").write_text(page(world, "/.well-known/jwks.json"))
        (self.folder / "policy").write_text(page(world, "/.well-known/log-policy"))
        self.receipts = self.folder / "receipts"

    def run(self, *words: str) -> Result:
        trusted = ("--jwks", str(self.folder / "jwks.json"), "--policy", str(self.folder / "policy"))
        output = () if "--output" in words else ("--output", "json")
        return CliRunner().invoke(app, ["statement", *words, *trusted, *output])

    def fetch(self, month: str, *words: str) -> Result:
        door = f"127.0.0.1:{self.partner.world.gateway.partner_port}"
        out, cert = str(self.folder / "statements"), str(self.folder / "certificate.pem")
        return self.run("fetch", month, "--out", out, "--gateway", door, "--cert", cert, *words)

    def file(self, month: str) -> Path:
        return self.folder / "statements" / f"{month}.statement"

    def client(self) -> Client:
        world = self.partner.world
        return Client(
            f"127.0.0.1:{world.gateway.partner_port}",
            certificate=self.partner.certificate,
            key=self.partner.key,
            server_ca=world.server_ca,
            jwks=self.folder / "jwks.json",
            issuer=world.settings.issuer,
            log=self.folder / "policy",
            clock=Clock(now=world.clock),
        )


def ask_everything(world: World, acme: Partner) -> None:
    """3 units: an answer, a threshold, one of a batch. Free: a replay, a not_scored, refusals."""
    consent = world.consent(acme, mode="CONSENT_MODE_PERIODIC")
    query = acme.query(consent)
    acme.scores.GetScore(query, timeout=10)
    acme.scores.GetScore(query, timeout=10)
    acme.scores.CheckThreshold(acme.threshold_query(consent), timeout=10)
    items = [acme.query(consent), acme.query("a" * 26)]
    acme.scores.BatchGetScores(score_pb2.BatchGetScoresRequest(items=items), timeout=10)
    assert acme.score(world.consent(acme, "nobody-yet")).WhichOneof("result") == "not_scored"
    refused(acme.scores.GetScore, acme.query("a" * 26))
    refused(acme.scores.GetScore, acme.query(consent, nonce="short"))


def calls_of(said: Statement) -> dict[tuple[str, str, str], tuple[int, int]]:
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for group, sums in said.lines:
        key = (group.kind, group.decision, group.method.rpartition("/")[2])
        calls, units = found.get(key, (0, 0))
        found[key] = (calls + sums.calls, units + sums.units)
    return found


def test_a_month_across_midnight_is_stated_and_recomputed(own_world: World, tmp_path: Path) -> None:
    world = own_world
    acme, zeta = world.partner("acme", time_zone=ZONE), world.partner("zeta")
    local = world.clock.now.astimezone(ZoneInfo(ZONE))
    if local.day > 25:  # so that the next day is of the same month
        world.clock.move(days=7)
    local = world.clock.now.astimezone(ZoneInfo(ZONE))
    before_midnight = local.replace(hour=23, minute=59, second=0)
    world.clock.move(seconds=(before_midnight - local).total_seconds())
    month, first_day = month_of(world), f"{before_midnight:%Y-%m-%d}"
    desk = Desk(acme, tmp_path / "acme")
    with desk.client() as client:
        kept = client.score(world.consent(acme).consent_id, "CREDIT_APPLICATION")
        client.keep(kept, desk.receipts)
    ask_everything(world, acme)
    zeta.score(world.consent(zeta))
    world.clock.move(seconds=120)
    ask_everything(world, acme)
    said = stated(acme, month, last_sequence=sequence_of(world, acme))

    assert said.units == 7 == acme.spent()["month"]
    assert not said.is_final
    next_day = f"{before_midnight + timedelta(days=1):%Y-%m-%d}"
    by_day = {day: sum(s.units for g, s in said.lines if g.day == day) for day in (first_day, next_day)}
    assert by_day == {first_day: 4, next_day: acme.spent()["day"]} == {first_day: 4, next_day: 3}
    assert calls_of(said) == {
        ("RELEASE", "SCORED", SCORED): (5, 5),
        ("RELEASE", "SCORED", THRESHOLD): (2, 2),
        ("RELEASE", "NOT_SCORED", SCORED): (2, 0),
        ("REPLAY", "UNSPECIFIED", SCORED): (2, 0),
        ("REFUSAL", "REFUSED", SCORED): (6, 0),
    }
    assert (said.partner_id, said.legal_name, said.time_zone) == ("acme", "Acme Lending Ltd", ZONE)
    assert (said.daily_units, said.monthly_units) == (1_000, 10_000)
    own = [each for each in world.leaves()[: said.tree_size] if each.partner_id == "acme"]
    assert said.count == len(own)

    # What it is of is the partner's alone.
    request = usage_pb2.ListStatementEntriesRequest(
        first_sequence=1, last_sequence=2**63 - 1, tree_size=said.tree_size
    )
    for partner in (acme, zeta):
        listed = partner.usage.ListStatementEntries(request, timeout=10)
        leaves = [leaf_pb2.Leaf.FromString(each.leaf) for each in listed.entries]
        assert {each.partner_id for each in leaves} == {partner.partner_id}
    paged, request.page_size = list(acme.usage.ListStatementEntries(request, timeout=10).entries), 4
    small: list[Any] = []
    while True:
        told = acme.usage.ListStatementEntries(request, timeout=10)
        small += told.entries
        assert len(told.entries) <= 4
        if not told.next_page_token:
            break
        request.page_token = told.next_page_token
    assert small == paged

    # One command fetches and recomputes; another does it offline.
    fetched = desk.fetch(month, "--receipts", str(desk.receipts))
    assert fetched.exit_code == OK, fetched.output
    told = json.loads(fetched.stdout)
    assert (told["statement"]["units"], told["receipts"], told["previous"]) == (7, 1, None)
    table = desk.run("verify", str(desk.file(month)), "--output", "table")
    assert table.exit_code == OK
    assert "PROVISIONAL" in table.stdout
    spoil_and_verify(desk, month, Path(desk.file(month)))

    # Once the month is over, it is final, and the next one goes on from it.
    begun = datetime.fromisoformat(f"{month}-01").replace(tzinfo=ZoneInfo(ZONE))
    following = (begun + timedelta(days=32)).replace(day=1)
    world.clock.move(seconds=(following.astimezone(UTC) - world.clock.now).total_seconds() + 7_200)
    acme.score(world.consent(acme))
    later = month_of(world)
    assert stated(acme, later, last_sequence=sequence_of(world, acme)).units == 1
    assert not stated(
        acme, month
    ).is_final  # somewhere it is still that month, and the contract may move there
    world.clock.move(hours=24)
    acme.score(world.consent(acme))
    assert stated(acme, later, last_sequence=sequence_of(world, acme)).units == 2
    final = stated(acme, month)
    assert final.is_final
    assert (final.units, final.lines) == (said.units, said.lines)
    with desk.client() as client:
        assert client.statement(month, desk.folder / "statements") == desk.file(month)
        client.statement(later, str(desk.folder / "statements"), receipts=desk.receipts)
    again = desk.run("verify", str(desk.file(later)), "--partner", "acme")
    assert json.loads(again.stdout)["previous"] == month


def spoil_and_verify(desk: Desk, month: str, file: Path) -> None:
    """Whatever is changed in a saved statement is found, with an exit code of its kind."""
    head, *pages = file.read_text().splitlines()
    entries = json.loads(pages[0])

    def verified(lines: list[str], *words: str, end: str = "\n") -> int:
        spoilt = desk.folder / "spoilt.statement"
        spoilt.write_text("\n".join(lines) + end)
        return desk.run("verify", str(spoilt), *words).exit_code

    def changed(change: Callable[[Any], None]) -> list[str]:
        told = json.loads(pages[0])
        change(told)
        return [head, json.dumps(told)]

    def flip(told: Any) -> None:
        leaf = leaf_pb2.Leaf.FromString(b64decode(told["entries"][3][1]))
        leaf.cost_units += 1
        told["entries"][3][1] = b64encode(leaf.SerializeToString(deterministic=True)).decode()

    assert verified([head, *pages]) == OK
    assert verified([head]) == INCOMPLETE
    assert verified([head, *pages], end="") == INCOMPLETE
    assert verified(changed(flip)) == INVALID
    assert verified(changed(lambda told: told["entries"].pop(2))) == INVALID
    assert verified(changed(lambda told: told["hashes"].append(told["hashes"][0]))) == INVALID
    assert verified(changed(lambda told: told.update(more=1))) == INVALID
    assert verified([head.replace("scoregate", "scorepate", 1), *pages]) == INVALID
    assert verified([*pages]) == INVALID
    assert verified(["[]"]) == INVALID
    assert verified([]) == INVALID
    assert verified([head, *pages], "--partner", "zeta") == DIVERGED
    assert verified([head, *pages], "--issuer", "https://somebody.example") == DIVERGED
    assert verified([head, *pages], "--previous", str(file)) == DIVERGED
    assert len(entries["entries"]) > 3
    # A filed answer that the statement lacks: that of another tree's entry under its index.
    foreign = desk.folder / "foreign"
    foreign.mkdir()
    (kept,) = desk.receipts.glob("*.json")
    receipt = json.loads(kept.read_bytes())
    receipt.pop("proof")
    receipt["leaf_index"] = entries["entries"][0][0]
    (foreign / "1.json").write_text(json.dumps(receipt))
    assert verified([head, *pages], "--receipts", str(foreign)) == DIVERGED
    receipt["leaf_index"] = 0
    (foreign / "1.json").write_text(json.dumps(receipt))
    assert verified([head, *pages], "--receipts", str(foreign)) == DIVERGED


@pytest.mark.parametrize(
    "month",
    ["", "2026", "2026-13", "2026-1", "26-11", "2026-11-01", "２０２６-11", "9999-12", "2000-01", "0000-01"],
)
def test_months_without_a_statement_are_refused_fields(world: World, acme: Partner, month: str) -> None:
    failure = refused(acme.usage.GetStatement, usage_pb2.GetStatementRequest(month=month))
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", ("month",))


def test_ranges_that_there_are_not_are_refused_fields(world: World, acme: Partner) -> None:
    stated(acme, f"{datetime.now(UTC):%Y-%m}")
    request = usage_pb2.ListStatementEntriesRequest(
        last_sequence=2**63, tree_size=0, page_size=-1, page_token="eA=="
    )
    failure = refused(acme.usage.ListStatementEntries, request)
    fields = ("first_sequence", "last_sequence", "tree_size", "page_size", "page_token")
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", fields)
    good = usage_pb2.ListStatementEntriesRequest(first_sequence=1, last_sequence=1, tree_size=2**62)
    failure = refused(acme.usage.ListStatementEntries, good)
    assert (failure.reason, failure.violations) == ("FIELD_INVALID", ("tree_size",))


def test_where_log_and_counters_differ_nothing_is_signed_and_the_operator_hears_of_it(
    own_world: World, tmp_path: Path
) -> None:
    acme = own_world.partner()
    acme.score(own_world.consent(acme))
    month = f"{own_world.clock.now:%Y-%m}"
    assert stated(acme, month, last_sequence=sequence_of(own_world, acme)).units == 1

    def change(used: int, period: str) -> None:
        opened = open_store(own_world.settings.database.url)
        with opened.writer.begin() as connection:
            whose = sa.and_(quota_usage.c.partner_id == "acme", quota_usage.c.period == period)
            connection.execute(sa.update(quota_usage).where(whose).values(used=used))
        opened.close()

    for number, period in enumerate((month, f"{own_world.clock.now:%Y-%m-%d}"), 1):
        change(2, period)
        counted = STATEMENTS_CONTRADICTED._value.get()
        with capture_logs() as lines:
            failure = refused(acme.usage.GetStatement, usage_pb2.GetStatementRequest(month=month))
        assert (failure.reason, failure.status) == ("STATEMENT_CONTRADICTED", grpc.StatusCode.INTERNAL)
        (told,) = [line for line in lines if line["log_level"] == "error"]
        assert (told["partner"], told["periods"], told["logged"], told["counted"]) == ("acme", [period], 1, 2)
        assert STATEMENTS_CONTRADICTED._value.get() == counted + 1
        desk = Desk(acme, tmp_path / f"acme-{number}")
        assert desk.fetch(month).exit_code == 1
        change(1, period)
    assert stated(acme, month).units == 1


def test_a_month_that_was_debited_is_stated_whatever_zone_the_contract_takes_later(
    new_world: Callable[..., World],
) -> None:
    west = "America/Los_Angeles"
    # Of the past, as TLS goes by the true time: in the west the month before is not over.
    begun = (datetime.now(UTC) - timedelta(hours=4)).replace(day=1, hour=2, minute=30)
    world = new_world(clock=WorldClock(begun))
    late = world.partner("late", time_zone=west)
    late.score(world.consent(late))
    month = f"{begun.astimezone(ZoneInfo(west)):%Y-%m}"
    assert stated(late, month, last_sequence=sequence_of(world, late)).units == 1
    world.set_contract("late", time_zone="UTC")
    assert f"{begun:%Y-%m}" != month
    assert stated(late, month).units == 1


def test_accounts_are_the_same_however_they_were_brought_up(own_world: World) -> None:
    acme = own_world.partner()
    ask_everything(own_world, acme)
    size = own_world.log_size()
    opened = open_store(own_world.settings.database.url)

    def rows() -> list[Any]:
        with opened.reading() as connection:
            tables = (accounts.partner_entries, accounts.partner_sums)
            return [sorted(map(tuple, connection.execute(sa.select(each)).all())) for each in tables]

    accounts.catch_up(opened, size)
    at_once = rows()
    for chunk in (1, 7):
        with opened.writer.begin() as connection:
            for table in (accounts.partner_entries, accounts.partner_sums):
                connection.execute(sa.delete(table))
            connection.execute(sa.update(accounts.partner_sums_upto).values(size=0))
        accounts.catch_up(opened, size, chunk=chunk, most=5)
        with opened.reading() as connection:
            assert accounts.reach(connection) == 5  # nobody waits for all of a long log
        accounts.catch_up(opened, size, chunk=chunk)
        assert rows() == at_once
    opened.close()
