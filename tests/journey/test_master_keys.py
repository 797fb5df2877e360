"""The master key is turned under load: no call fails, processes follow, and the old one opens nothing."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from gateway import masters
from gateway.audit.private import LOG, PURPOSES, Unreadable, data_keys, owner_subject
from gateway.decisions import new_matcher
from gateway.ledger import Ledger
from gateway.masters import Masters
from gateway.pki import FileRefused
from gateway.settings import SettingsInvalid, read_secret
from gateway.store import open_store
from scoregate.admin.v1 import operations_admin_pb2 as pb
from scoregate.audit.v1 import audit_pb2, leaf_pb2
from tests.journey.conftest import STORES
from tests.wire import refused
from tests.world import Partner, World

PEOPLE = [f"uci-{number:05}" for number in range(1, 31)]


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """Both kinds of database."""
    kind: str = request.param
    return kind


def turn(world: World) -> pb.MasterKey:
    return world.operations.RotateMasterKey(pb.RotateMasterKeyRequest(reason="yearly")).master_key


def versions(world: World) -> set[int]:
    """By which everybody's keys are wrapped."""
    with world.reading() as connection:
        return set(connection.execute(sa.select(data_keys.c.master_version)).scalars().all())


def ask_all_the_time(
    caller: Partner, consents: list[object], over: threading.Event, answered: threading.Semaphore
) -> int:
    count = 0
    while not over.is_set():
        caller.score(consents[count % len(consents)])  # type: ignore[arg-type]
        answered.release()
        count += 1
    return count


def test_no_call_fails_while_the_master_key_is_turned_and_the_old_one_can_be_destroyed(
    own_world: World,
) -> None:
    world = own_world
    acme = world.partner("acme")
    consents = [world.consent(acme, person, mode="CONSENT_MODE_PERIODIC") for person in PEOPLE]
    secrets = world.settings.secrets.master_key
    with world.reading() as connection:
        vault = Masters(secrets).open(connection)
        derived_before = {purpose: vault.derive(purpose) for purpose in PURPOSES}
        wrapped = connection.execute(sa.select(data_keys.c.wrapped)).scalars().all()
    over, answered = threading.Event(), threading.Semaphore(0)
    with world.replica() as replica, ThreadPoolExecutor(2) as pool:
        there = acme.at(replica)
        there.connect()
        asking = [pool.submit(ask_all_the_time, each, consents, over, answered) for each in (acme, there)]
        try:
            for _ in range(20):
                assert answered.acquire(timeout=10)
            turned = turn(world)
            for _ in range(20):
                assert answered.acquire(timeout=10)
            # A process that was there before makes keys under the new one.
            newcomer = replica.consent(there, "uci-00031")
            assert there.score(newcomer).WhichOneof("result") is not None
        finally:
            over.set()
        assert all(each.result() > 10 for each in asking)
    assert (turned.version, turned.oldest_version, turned.file) == (2, 2, "master-2.key")
    assert list(turned.older_files) == ["master.key"]
    assert versions(world) == {2}
    kinds = [(leaf.object_id, leaf.reason) for leaf in world.leaves() if leaf.object_id.startswith("master-")]
    assert kinds == [("master-2", "current: yearly"), ("master-1", "retired: nothing is wrapped with it")]
    assert {leaf.kind for leaf in world.leaves() if leaf.object_id.startswith("master-")} == {
        leaf_pb2.LEAF_KIND_KEY_CHANGED
    }
    with world.reading() as connection:
        assert {bytes(each) for each in wrapped}.isdisjoint(
            bytes(each) for each in connection.execute(sa.select(data_keys.c.wrapped)).scalars()
        )
    # The old one is destroyed: everything goes on, and what was derived from it is what it was.
    secrets.unlink()
    world.restart()
    again = acme.at(world)
    again.connect()
    assert again.score(consents[0]).WhichOneof("result") is not None
    with world.reading() as connection:
        vault = Masters(secrets).open(connection)
        assert {purpose: vault.derive(purpose) for purpose in PURPOSES} == derived_before
        assert len(vault.fresh(connection, map(owner_subject, PEOPLE))) == len(PEOPLE)
    # And so it is once more.
    assert turn(world).version == 3
    (secrets.parent / "master-2.key").unlink()
    world.restart()
    with world.reading() as connection:
        assert Masters(secrets).open(connection).derive("login") == derived_before["login"]


def test_an_invitation_that_names_somebody_is_met_after_the_key_was_turned(own_world: World) -> None:
    """Its digests are keyed by a secret that was derived from the first master key."""
    with own_world.reading() as connection:
        before = new_matcher(Masters(own_world.settings.secrets.master_key).open(connection), "CN")
    turn(own_world)
    with own_world.reading() as connection:
        after = new_matcher(Masters(own_world.settings.secrets.master_key).open(connection), "CN")
    assert before == after


@pytest.mark.parametrize("own_limit", [1, 3])
def test_a_rotation_that_was_broken_off_is_finished_later_and_both_keys_open_meanwhile(
    own_world: World, own_limit: int
) -> None:
    world = own_world
    acme = world.partner("acme")
    consents = [world.consent(acme, person, mode="CONSENT_MODE_PERIODIC") for person in PEOPLE[:5]]
    secrets = Masters(world.settings.secrets.master_key)
    store = open_store(world.settings.database.url)
    with store.reading() as connection:
        vault = secrets.open(connection)
    ledger = Ledger(store, vault, clock=world.clock)
    try:
        ledger.change(secrets.turning(store, actor="operator", reason="a test"))
        clock = iter(range(99))
        done = masters.wrap_anew(store, ledger, until=2, monotonic=lambda: next(clock), limit=own_limit)
        assert not done
        assert versions(world) == {1, 2}
        for consent in consents:
            assert acme.score(consent).WhichOneof("result") is not None
        world.restart()  # a process that begins in the middle needs both
        acme = acme.at(world)
        acme.connect()
        standing = world.operations.GetMasterKey(pb.GetMasterKeyRequest()).master_key
        assert (standing.version, standing.oldest_version) == (2, 1)
        failure = refused(world.operations.RotateMasterKey, pb.RotateMasterKeyRequest(reason="too soon"))
        assert failure.reason == "STATE_CONFLICT"
        for consent in consents:
            assert acme.score(consent).WhichOneof("result") is not None
        assert masters.wrap_anew(store, ledger, limit=own_limit)
        assert versions(world) == {2}
        assert masters.wrap_anew(store, ledger)
    finally:
        ledger.close()
        store.close()


def test_whoever_was_erased_is_not_wrapped_anew(own_world: World) -> None:
    world = own_world
    acme = world.partner("acme")
    world.consent(acme, PEOPLE[0])
    with world.reading() as connection:
        row = connection.execute(
            sa.select(data_keys.c.key_id).where(data_keys.c.owner == owner_subject(PEOPLE[0]))
        ).one()
    _, officer = world.officer()
    officer.EraseSubject(
        audit_pb2.EraseSubjectRequest(subject=PEOPLE[0], basis=audit_pb2.LEGAL_BASIS_PIPL_ART_47)
    )
    assert turn(world).oldest_version == 2
    with world.reading() as connection:
        left = connection.execute(sa.select(data_keys).where(data_keys.c.key_id == row.key_id)).one()
        assert bytes(left.wrapped) == b""
        assert Masters(world.settings.secrets.master_key).open(connection).fresh(connection, [LOG])


def test_an_older_copy_of_the_database_does_not_open_with_the_new_key_alone(own_world: World) -> None:
    world = own_world
    acme = world.partner("acme")
    world.consent(acme, PEOPLE[0])
    file, secrets = world.settings.database.file, world.settings.secrets.master_key
    with world.reading() as connection:  # what any copy holds, of either store
        rows = connection.execute(sa.select(data_keys.c.wrapped)).scalars().all()
    copy = world.settings.home / "backup.db"
    if file is not None:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    old = read_secret(secrets)
    turn(world)
    secrets.unlink()
    new = read_secret(secrets.with_name("master-2.key"))
    assert len(rows) >= 2
    for wrapped in rows:
        with pytest.raises(InvalidUnwrap):
            aes_key_unwrap(new, bytes(wrapped))
        aes_key_unwrap(old, bytes(wrapped))  # the control arm: with the old one, all of it opens
    if file is not None:
        store = open_store(f"sqlite:///{copy}")
        with store.reading() as connection, pytest.raises(FileRefused, match="is missing"):
            Masters(secrets).open(connection)
        store.close()


def test_without_the_key_that_wraps_nobody_starts(own_world: World) -> None:
    world = own_world
    turn(world)
    file = world.settings.secrets.master_key.with_name("master-2.key")
    aside = file.rename(file.with_name("aside"))
    with pytest.raises(SettingsInvalid) as caught:
        world.restart()
    [problem] = caught.value.problems
    assert problem.field == "secrets.master_key"
    assert "master-2.key" in f"{problem.problem}"
    aside.rename(file)
    world.restart()
    assert world.operations.GetMasterKey(pb.GetMasterKeyRequest()).master_key.version == 2


def test_a_vault_without_the_version_says_so(own_world: World) -> None:
    turn(own_world)
    with own_world.reading() as connection:
        lone = Masters(own_world.settings.secrets.master_key)
        vault = lone.open(connection)
        stranger = type(vault)(lone.read(1))
        with pytest.raises(Unreadable, match="no master key of version 2"):
            stranger.fresh(connection, ["partner:operator"])
