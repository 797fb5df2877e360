"""The log's names: each half-year one, one that an operator opens, and one after a restore."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.audit.tree.integrate import TreeRefused
from gateway.renaming import NameTaken, following
from gateway.reopening import open_name
from gateway.server import Gateway, Seams
from gateway.settings import SettingsInvalid
from scoregate.audit.v1 import leaf_pb2
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint, open_checkpoint
from scoregate.tlog.note import VerifierKey
from tests.journey.conftest import STORES
from tests.journey.test_published_log import get, proof_of, vkey
from tests.world import Clock, World

OLD, NEW = "scoregate.local/log/2026h2", "scoregate.local/log/2027h1"


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """Both kinds of database."""
    kind: str = request.param
    return kind


@pytest.mark.parametrize(
    ("name", "now", "next_name"),
    [
        ("a.example/log/2026h2", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), None),
        ("a.example/log/2026h2", datetime(2027, 1, 1, tzinfo=UTC), "a.example/log/2027h1"),
        ("a.example/log/2027h1", datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC), None),
        ("a.example/log/2027h1", datetime(2027, 7, 1, tzinfo=UTC), "a.example/log/2027h2"),
        ("a.example/log/2026h2", datetime(2031, 8, 1, tzinfo=UTC), "a.example/log/2031h2"),
        ("a.example/log/2026h2", datetime(2020, 1, 1, tzinfo=UTC), None),
        ("a.example/log", datetime(2031, 1, 1, tzinfo=UTC), None),
        ("a.example/log/2026h3", datetime(2031, 1, 1, tzinfo=UTC), None),
    ],
)
def test_a_name_that_ends_with_a_half_year_is_followed_by_the_next(
    name: str, now: datetime, next_name: str | None
) -> None:
    assert following(name, now) == next_name


def until(what: Callable[[], bool]) -> None:
    """Return once it is so; the log's own pace is about a second."""
    give_up = time.monotonic() + 10
    while not what():
        assert time.monotonic() < give_up, "that never came"
        time.sleep(0.05)


def checkpoint(world: World, prefix: str) -> Checkpoint | None:
    """The checkpoint under a prefix, once there is one, with its signature verified."""
    status, _, key = get(world, f"{prefix}/vkey")
    if status != 200:
        return None
    status, _, note = get(world, f"{prefix}/checkpoint")
    return open_checkpoint(note, VerifierKey.parse(key.decode().strip()))[0] if status == 200 else None


def require_handed_over(world: World, old: str, new: str) -> None:
    """The last of the old name is the entry that says so, and both names vouch for the same tree."""
    until(lambda: checkpoint(world, f"/{new.partition('/')[2]}") is not None)
    last = checkpoint(world, f"/{old.partition('/')[2]}")
    first = checkpoint(world, f"/{new.partition('/')[2]}")
    assert last is not None
    assert first is not None
    assert (last.origin, first.origin) == (old, new)
    hashes = [merkle.leaf_hash(each) for each in world.leaf_bytes()]
    assert last.root == merkle.root(hashes[: last.size])
    assert first.root == merkle.root(hashes[: first.size])
    assert first.size >= last.size
    entry = world.leaves()[last.size - 1]
    assert entry.kind == leaf_pb2.LEAF_KIND_LOG_RENAMED
    assert VerifierKey.parse(entry.object_id).name == new


def test_at_the_turn_of_a_half_year_the_log_goes_on_under_the_next_name(own_world: World) -> None:
    world = own_world
    acme = world.partner()
    before = acme.score(world.consent(acme)).receipt
    assert before.log_origin == OLD
    proof_of(acme, before.leaf_index)
    first_key = vkey(world)
    world.clock.move(days=(datetime(2027, 1, 2, tzinfo=UTC) - world.clock()).days + 1)
    until(lambda: world.leaves()[-1].kind == leaf_pb2.LEAF_KIND_LOG_RENAMED)
    after = acme.score(world.consent(acme, "uci-00002")).receipt
    assert after.log_origin == NEW
    require_handed_over(world, OLD, NEW)
    # Each answer is proved under the name that its receipt says.
    later_key = VerifierKey.parse(get(world, "/log/2027h1/vkey")[2].decode().strip())
    assert later_key != first_key
    for receipt, key in ((before, first_key), (after, later_key)):
        proof = proof_of(acme, receipt.leaf_index)
        told, _ = open_checkpoint(proof.checkpoint, key)
        merkle.verify_inclusion(
            merkle.leaf_hash(receipt.leaf), receipt.leaf_index, told.size, proof.hashes, told.root
        )
    world.restart()
    again = acme.at(world)
    again.connect()
    assert again.score(world.consent(again, "uci-00003")).receipt.log_origin == NEW


def test_an_operator_renames_a_log_beside_its_running_gateway(own_world: World) -> None:
    world = own_world
    acme = world.partner()
    name = "scoregate.local/log/of-an-operator"
    opened = open_name(world.settings, name, reason="a test", after_restore=False, clock=world.clock)
    assert (opened.before, opened.name, opened.set_aside) == (OLD, name, None)
    # The gateway signs for the name that the ledger has, whatever it knew.
    assert acme.score(world.consent(acme)).receipt.log_origin == name
    require_handed_over(world, OLD, name)
    for taken in (OLD, name):
        with pytest.raises(NameTaken):
            open_name(world.settings, taken, reason="a test", after_restore=False, clock=world.clock)


def test_after_a_restore_the_log_goes_on_under_a_new_name_alone(
    new_world: Callable[..., World], tmp_path: Path
) -> None:
    world = new_world(clock=Clock())
    acme = world.partner()
    acme.score(world.consent(acme))
    world.gateway.stop(timedelta(seconds=1))
    ledger, backup = world.settings.database.file, tmp_path / "backup.db"
    assert ledger is not None
    with sqlite3.connect(ledger) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    world.restart()
    acme = acme.at(world)
    acme.connect()
    lost = acme.score(world.consent(acme, "uci-00002")).receipt
    world.gateway.stop(timedelta(seconds=1))
    for end in ("", "-wal", "-shm"):
        ledger.with_name(f"{ledger.name}{end}").unlink(missing_ok=True)
    with sqlite3.connect(backup) as source, sqlite3.connect(ledger) as target:
        source.backup(target)
    with pytest.raises(SettingsInvalid, match=r"log\.checkpoint: .* the ledger has only"):
        Gateway.start(world.settings, Seams(clock=world.clock))
    name = "scoregate.local/log/after-the-fire"
    with pytest.raises(TreeRefused, match="restored"):
        open_name(world.settings, name, reason="a test", after_restore=False, clock=world.clock)
    opened = open_name(world.settings, name, reason="a fire", after_restore=True, clock=world.clock)
    assert opened.set_aside is not None
    said = opened.set_aside.read_bytes().decode().partition("\n\n")[0] + "\n"
    assert Checkpoint.decode(said).size > lost.leaf_index, "what was signed can't be shown any more"
    world.restart()
    acme = acme.at(world)
    acme.connect()
    receipt = acme.score(world.consent(acme, "uci-00002")).receipt
    assert receipt.log_origin == name
    proof = proof_of(acme, receipt.leaf_index)
    key = VerifierKey.parse(opened.vkey)
    now, _ = open_checkpoint(proof.checkpoint, key)
    merkle.verify_inclusion(
        merkle.leaf_hash(receipt.leaf), receipt.leaf_index, now.size, proof.hashes, now.root
    )
