"""The published tree: what was committed, extended by one at a time, never signed below itself."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from consent.sql import write
from gateway import migrations
from gateway.audit import log
from gateway.audit.log import Appender
from gateway.audit.tree import signing
from gateway.audit.tree.integrate import Integrator, TreeRefused
from gateway.audit.tree.outside import Outside, OutsideUnusable
from gateway.audit.tree.proofs import EntryMissing, EntryNotPublished, Proofs, SizeUnknown
from gateway.audit.tree.publish import Publisher
from gateway.audit.tree.roots import committed_head
from gateway.audit.tree.steps import Reached, Step, nobody
from gateway.audit.tree.tables import begin_tree, log_tiles, log_tree, read_tree
from gateway.audit.tree.witnesses import Witnesses
from gateway.pki import FileRefused
from gateway.store import Store, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint, open_checkpoint
from scoregate.tlog.note import VerifierKey

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ORIGIN = "scoregate.test/log/2026h2"


@dataclass
class Ground:
    """A log with a key, in a database and a folder of the test's own."""

    store: Store
    folder: Path
    key: VerifierKey

    @property
    def outside(self) -> Outside:
        return Outside(self.folder / "checkpoint")

    def integrator(self, outside: Outside | None = None, reached: Reached = nobody) -> Integrator:
        return Integrator(
            self.store, key_folder=self.folder / "keys", outside=outside or self.outside, reached=reached
        )

    def publisher(self) -> Publisher:
        return Publisher(self.store, self.integrator(), Witnesses((), timeout=1))

    def append(self, count: int, *, partner_id: str = "") -> None:
        """Commit entries, as the ledger does."""
        given = Counter[str]()
        with self.store.writer.begin() as connection:
            appender = Appender(
                log.lock_head(connection), NOON, lambda name: given.update((name,)) or given[name]
            )
            for _ in range(count):
                appender.append(leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED, partner_id=partner_id))
            write(connection, *appender.appended())

    def hashes(self) -> list[bytes]:
        with self.store.reading() as connection:
            size = log.read_head(connection).size
            return [merkle.leaf_hash(each) for each in log.read_leaves(connection, 0, size)]

    def checkpoint(self) -> Checkpoint:
        """What is stored, once its signature holds."""
        with self.store.reading() as connection:
            return open_checkpoint(read_tree(connection).checkpoint, self.key)[0]

    def spoil(self, statement: sa.Executable) -> None:
        with self.store.writer.begin() as connection:
            connection.execute(statement)


@pytest.fixture
def ground(database_url: str, tmp_path: Path) -> Iterator[Ground]:
    store = open_store(database_url)
    migrations.upgrade(store)
    key = signing.create(tmp_path / "keys", ORIGIN).verifier
    with store.writer.begin() as connection:
        log.create_head(connection, origin=ORIGIN, signing_kid="k" * 43, pairwise_check=b"c" * 32)
        begin_tree(connection, key)
    yield Ground(store, tmp_path, key)
    store.close()


def test_a_checkpoint_is_signed_for_exactly_what_was_committed(ground: Ground) -> None:
    integrator = ground.integrator()
    assert integrator.step() is None or ground.checkpoint() == Checkpoint(ORIGIN, 0, merkle.empty_root())
    for count in (1, 255, 1, 300):
        ground.append(count)
        done = integrator.step()
        assert done is not None
        hashes = ground.hashes()
        assert ground.checkpoint() == Checkpoint(ORIGIN, len(hashes), merkle.root(hashes)) == done.checkpoint
        assert ground.outside.read([ground.key]) == done.checkpoint
    assert integrator.step() is None


def test_a_backlog_is_taken_in_steps_of_bounded_size(ground: Ground, request: pytest.FixtureRequest) -> None:
    ground.append(20_000)
    integrator = ground.integrator()
    sizes = []
    while (done := integrator.step()) is not None:
        sizes.append(done.checkpoint.size)
    assert sizes == [8_192, 16_384, 20_000]
    assert ground.checkpoint().root == merkle.root(ground.hashes())


def test_proofs_of_every_entry_lead_to_the_published_checkpoint(ground: Ground) -> None:
    ground.append(300, partner_id="acme")
    publisher, proofs = ground.publisher(), Proofs(ground.store)
    publisher.catch_up()
    hashes = ground.hashes()
    for index in (0, 1, 255, 256, 299):
        proof = proofs.inclusion(index, partner_id="acme")
        published = open_checkpoint(proof.published.note, ground.key)[0]
        merkle.verify_inclusion(hashes[index], index, published.size, proof.hashes, published.root)
    ground.append(100)
    publisher.catch_up()
    for old_size in (1, 256, 299, 300, 400):
        grown = proofs.consistency(old_size)
        merkle.verify_consistency(
            old_size,
            400,
            grown.hashes,
            merkle.root(hashes[:old_size] if old_size < 400 else ground.hashes()),
            grown.published.checkpoint.root,
        )


def test_a_partner_has_proofs_of_its_own_entries_alone(ground: Ground) -> None:
    ground.append(2, partner_id="acme")
    ground.append(2, partner_id="rival")
    ground.publisher().catch_up()
    proofs = Proofs(ground.store)
    assert proofs.inclusion(1, partner_id="acme").hashes == proofs.inclusion(1).hashes
    for index in (2, 3, 4, 2**63 - 1):
        with pytest.raises(EntryMissing):
            proofs.inclusion(index, partner_id="acme")
    with pytest.raises(EntryMissing):
        proofs.inclusion(4)


def test_what_is_not_published_yet_says_so_to_its_owner_alone(ground: Ground) -> None:
    proofs = Proofs(ground.store)
    ground.append(1, partner_id="acme")
    with pytest.raises(EntryNotPublished):
        proofs.inclusion(0, partner_id="acme")
    with pytest.raises(EntryNotPublished):
        proofs.published()
    ground.publisher().catch_up()
    ground.append(1, partner_id="rival")
    with pytest.raises(EntryMissing):
        proofs.inclusion(1, partner_id="acme")
    with pytest.raises(EntryNotPublished):
        proofs.inclusion(1, partner_id="rival")
    for size in (0, 2):
        with pytest.raises(SizeUnknown):
            proofs.consistency(size)


def test_the_committed_head_runs_ahead_of_the_published_tree(ground: Ground) -> None:
    assert committed_head(ground.store) == (ORIGIN, 0, merkle.empty_root())
    ground.append(5)
    assert committed_head(ground.store) == (ORIGIN, 5, merkle.root(ground.hashes()))
    ground.publisher().catch_up()
    ground.append(4_100)
    assert committed_head(ground.store) == (ORIGIN, 4_105, merkle.root(ground.hashes()))


def race(ground: Ground, integrators: list[Integrator]) -> tuple[list[Checkpoint], list[BaseException]]:
    """Each takes thirty steps while entries come in; what was signed, and what went wrong."""
    signed: list[Checkpoint] = []
    failed: list[BaseException] = []

    def run(integrator: Integrator) -> None:
        try:
            for _ in range(30):
                if (done := integrator.step()) is not None:
                    signed.append(done.checkpoint)
        except BaseException as error:
            failed.append(error)

    ground.append(1)  # of nothing, two may sign the same checkpoint
    threads = [threading.Thread(target=run, args=(each,)) for each in integrators]
    for thread in threads:
        thread.start()
    for _ in range(30):
        ground.append(7)
    for thread in threads:
        thread.join()
    return signed, failed


def test_two_integrators_write_one_history(ground: Ground) -> None:
    signed, failed = race(ground, [ground.integrator(), ground.integrator()])
    assert not failed
    hashes = ground.hashes()
    assert all(each.root == merkle.root(hashes[: each.size]) for each in signed)
    assert len({each.size for each in signed}) == len(signed), "a step that lost the race counted as done"
    ground.publisher().catch_up()
    assert ground.checkpoint() == Checkpoint(ORIGIN, len(hashes), merkle.root(hashes))


def test_on_two_machines_the_database_alone_keeps_integrators_apart(ground: Ground) -> None:
    here, there = ground.integrator(), ground.integrator(Outside(ground.folder / "of another machine"))
    signed, failed = race(ground, [here, there])
    assert not failed
    hashes = ground.hashes()
    assert all(each.root == merkle.root(hashes[: each.size]) for each in signed)
    assert len({each.size for each in signed}) == len(signed), "a step that lost the race counted as done"


def test_what_one_gateway_has_shown_another_one_that_integrates_does_not_take_back(ground: Ground) -> None:
    publisher = ground.publisher()
    ground.append(10)
    ground.integrator().step()
    ground.append(5)

    def meanwhile(step: Step) -> None:
        if step is Step.READ:
            publisher.catch_up()  # shows the ten, and may not integrate

    assert ground.integrator(reached=meanwhile).step() is not None
    with ground.store.reading() as connection:
        tree = read_tree(connection)
    assert tree.size == 15
    assert open_checkpoint(tree.published, ground.key)[0].size == 10


def test_one_machine_has_one_integrator_at_a_time(ground: Ground) -> None:
    ground.append(3)
    integrator = ground.integrator()
    with ground.outside.held() as is_ours:
        assert is_ours
        assert integrator.step() is None
        with ground.outside.held() as is_ours_too:
            assert not is_ours_too
    assert integrator.step() is not None


# --- what was signed before


def test_a_crash_after_the_checkpoint_was_remembered_loses_nothing(ground: Ground) -> None:
    ground.append(10_000)
    with ground.store.reading() as connection:
        before = read_tree(connection)
    ground.publisher().catch_up()
    said = ground.outside.read([ground.key])
    # As if the transaction had never been: the tree is where it was, and the world may know the checkpoint.
    ground.spoil(
        sa.update(log_tree).values(size=before.size, root=before.root, checkpoint=b"", published=b"")
    )
    ground.spoil(sa.delete(log_tiles))
    integrator = ground.integrator()
    steps = []
    while (done := integrator.step()) is not None:
        steps.append(done)
    assert [step.checkpoint.size for step in steps] == [8_192, 10_000]
    assert steps[0].note == b"", "a size below what was signed already was signed"
    assert ground.checkpoint() == said


def restored(ground: Ground) -> None:
    """The database of some entries ago, and the file of today."""
    ground.append(20)
    ground.publisher().catch_up()
    ground.append(20)
    ground.publisher().catch_up()
    with ground.store.writer.begin() as connection:
        connection.execute(sa.delete(log.entries).where(log.entries.c.leaf_index >= 20))
        connection.execute(sa.update(log.log_head).values(size=20))
        hashes = [merkle.leaf_hash(each) for each in log.read_leaves(connection, 0, 20)]
        connection.execute(sa.update(log_tree).values(size=20, root=merkle.root(hashes)))


def test_a_restored_older_database_is_refused_at_start(ground: Ground) -> None:
    restored(ground)
    with pytest.raises(
        TreeRefused, match=r"says that 40 entries were signed, and the ledger has only 20 entries"
    ):
        ground.integrator()


def test_a_restored_database_that_has_grown_again_is_refused_as_well(ground: Ground) -> None:
    integrator = ground.integrator()  # it was running when the database was put back
    restored(ground)
    ground.append(30)
    before = ground.outside.read([ground.key])
    with pytest.raises(TreeRefused, match=r"its first 40 entries are not those that were signed"):
        integrator.step()
    with pytest.raises(TreeRefused, match=r"its first 40 entries are not those that were signed"):
        ground.integrator()
    assert ground.outside.read([ground.key]) == before


def test_without_the_file_an_older_database_would_be_signed(ground: Ground) -> None:
    """Control: what the file is for."""
    restored(ground)
    ground.outside.path.unlink()
    with pytest.raises(TreeRefused, match=r"is missing, and with it what was signed last"):
        ground.integrator()


FORGED = "checkpoint of another key"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no checkpoint"),
        (b"rubbish\n\n\xe2\x80\x94 x y\n", "holds no checkpoint"),
        (FORGED.encode(), "holds no checkpoint"),
    ],
)
def test_a_file_that_says_nothing_signed_stops_everything(ground: Ground, content: bytes, said: str) -> None:
    ground.append(3)
    ground.publisher().catch_up()
    if content == FORGED.encode():
        forger = signing.create(ground.folder / "forged", ORIGIN)
        content = forger.sign(Checkpoint(ORIGIN, 1, ground.hashes()[0]))
    ground.outside.path.write_bytes(content)
    with pytest.raises(OutsideUnusable, match=said):
        ground.integrator()


# --- what is stored


@pytest.mark.parametrize("part", ["root", "tile", "size", "no tile"])
def test_a_stored_tree_that_was_tampered_with_is_extended_by_nobody(ground: Ground, part: str) -> None:
    ground.append(30)
    integrator, publisher = ground.integrator(), ground.publisher()
    publisher.catch_up()
    ground.append(1)
    spoil: dict[str, Callable[[], sa.Executable]] = {
        "root": lambda: sa.update(log_tree).values(root=bytes(32)),
        "tile": lambda: sa.update(log_tiles).values(hashes=bytes(30 * 32)),
        "size": lambda: sa.update(log_tree).values(size=29),
        "no tile": lambda: sa.delete(log_tiles),
    }
    ground.spoil(spoil[part]())
    said = ground.outside.read([ground.key])
    with pytest.raises(TreeRefused, match="the stored tree is broken"):
        integrator.step()
    with pytest.raises(TreeRefused, match="the stored tree is broken"):
        ground.integrator()
    assert ground.outside.read([ground.key]) == said


def test_an_entry_that_is_missing_is_never_skipped(ground: Ground) -> None:
    ground.append(10)
    integrator = ground.integrator()
    ground.spoil(sa.delete(log.entries).where(log.entries.c.leaf_index == 4))
    with pytest.raises(TreeRefused, match="entries are missing"):
        integrator.step()


def test_the_logs_key_is_one_file_that_nobody_else_reads(ground: Ground) -> None:
    (path,) = (ground.folder / "keys").glob("*.pem")
    assert path.stem == ground.key.key_id.hex()
    path.chmod(0o644)
    with pytest.raises(FileRefused, match="0644"):
        ground.integrator()
    path.unlink()
    with pytest.raises(FileRefused, match="is missing"):
        ground.integrator()
