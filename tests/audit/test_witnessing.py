"""The log and its witnesses: real ones, over HTTP, also those that are late, gone, or know another log."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import migrations
from gateway.audit import log
from gateway.audit.tree.publish import Publisher
from gateway.audit.tree.steps import Reached, Step, nobody
from gateway.audit.tree.tables import begin_tree, read_tree
from gateway.audit.tree.witnesses import Witnesses
from gateway.metrics import WITNESS_REFUSALS
from gateway.store import open_store
from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.note import KeyKind, Note, VerifierKey
from scoregate.tlog.policy import Policy, Witness
from scoregate.witness.folder import Folder
from scoregate.witness.logs import Log
from scoregate.witness.witness import Witness as Room
from tests.audit.test_tree import Ground, ground
from tests.witness.conftest import opened

__all__ = ["ground"]

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PATIENCE_SECONDS = 0.5


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What the store is makes no difference to a witness."""
    return f"sqlite:///{tmp_path}/ledger.db"


@contextmanager
def witness(folder: Path, name: str, *trusted: VerifierKey) -> Iterator[Witness]:
    """A running one that trusts these logs, as a policy names it."""
    made = Folder.make(folder, f"{name}.example")
    for key in trusted:
        Log.of(made, key.name).trust(key, beside=False)
    with opened(Room.open(folder, clock=lambda: NOW)) as caller:
        yield Witness(name, made.vkey, f"http://127.0.0.1:{caller.port}/")


@contextmanager
def publishing(ground: Ground, *witnesses: Witness, reached: Reached = nobody) -> Iterator[Publisher]:
    asked = Witnesses(witnesses, timeout=PATIENCE_SECONDS)
    try:
        yield Publisher(ground.store, ground.integrator(), asked, reached=reached)
    finally:
        asked.close()


def published(ground: Ground) -> Note:
    with ground.store.reading() as connection:
        return Note.decode(read_tree(connection).published)


def refusals(name: str) -> float:
    counted: Any = WITNESS_REFUSALS.labels(name)
    return float(counted._value.get())


def test_every_checkpoint_is_published_with_its_witnesses(ground: Ground, tmp_path: Path) -> None:
    with (
        witness(tmp_path / "one", "one", ground.key) as one,
        witness(tmp_path / "two", "two", ground.key) as two,
        publishing(ground, one, two) as publisher,
    ):
        for count in (3, 300, 1):
            ground.append(count)
            publisher.catch_up()
            note = published(ground)
            assert note.verified_by(ground.key)
            assert [cosigned_at(note, each.key) for each in (one, two)] == [int(NOW.timestamp())] * 2
            assert len(note.signatures) == 3
        lines = (f"log {ground.key}", f"witness one {one.key}", f"witness two {two.key}")
        policy = "\n".join((*lines, "group both all one two", "quorum both", ""))
        judged = Policy.parse(policy.encode()).judge(published(ground).encode())
        assert judged.checkpoint.size == 304


def test_who_was_missing_is_asked_again_and_signs_once(ground: Ground, tmp_path: Path) -> None:
    late = Folder.make(tmp_path / "late", "late.example")
    with opened(Room.open(tmp_path / "late", clock=lambda: NOW)) as caller:
        asked = Witness("late", late.vkey, f"http://127.0.0.1:{caller.port}")
        with publishing(ground, asked) as publisher:
            ground.append(5)
            before = refusals("late")
            publisher.catch_up()  # it does not know this log yet
            assert cosigned_at(published(ground), late.vkey) is None
            assert refusals("late") == before + 1
            Log.of(late, ground.key.name).trust(ground.key, beside=False)
            for _ in range(3):
                publisher.catch_up()
            note = published(ground)
    assert cosigned_at(note, late.vkey) is not None
    assert len(note.signatures) == 2
    assert refusals("late") == before + 1


def test_of_two_gateways_neither_takes_away_what_the_others_witness_signed(
    ground: Ground, tmp_path: Path
) -> None:
    with (
        witness(tmp_path / "one", "one", ground.key) as one,
        witness(tmp_path / "two", "two", ground.key) as two,
        publishing(ground, two) as second,
    ):
        steps = list[Step]()

        def meanwhile(step: Step) -> None:
            if step is Step.COSIGNED and step not in steps:
                second.catch_up()
            steps.append(step)

        with publishing(ground, one, reached=meanwhile) as first:
            ground.append(5)
            first.catch_up()
            assert cosigned_at(published(ground), two.key) is not None
            first.catch_up()
            note = published(ground)
    assert [cosigned_at(note, each.key) for each in (one, two)] == [int(NOW.timestamp())] * 2


@contextmanager
def silent() -> Iterator[str]:
    """It takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_silent_witness_delays_a_checkpoint_and_stops_none(ground: Ground, tmp_path: Path) -> None:
    with witness(tmp_path / "one", "one", ground.key) as one, silent() as url:
        mute = Witness("mute", VerifierKey("mute.example", KeyKind.COSIGNATURE, one.key.public), url)
        with publishing(ground, one, mute) as publisher:
            for count in (2, 2):
                ground.append(count)
                publisher.catch_up()
            note = published(ground)
    assert cosigned_at(note, one.key) is not None
    assert note.text.splitlines()[1] == "4"


def test_a_fork_is_refused_by_the_witness_and_told(ground: Ground, tmp_path: Path) -> None:
    with witness(tmp_path / "one", "one", ground.key) as one:
        ground.append(8)
        with publishing(ground, one) as publisher:
            publisher.catch_up()
        assert cosigned_at(published(ground), one.key) is not None
        # The same log in another database, with the same key: eight other entries.
        other = forked(ground, tmp_path)
        with publishing(other, one) as publisher:
            before = refusals("one")
            other.append(9)
            publisher.catch_up()
            assert cosigned_at(published(other), one.key) is None
            assert refusals("one") == before + 1
        other.store.close()
        kept = [each.name.partition("-")[0] for each in (tmp_path / "one" / "evidence").iterdir()]
    assert kept == ["unproven"]


def test_a_rollback_is_refused_by_the_witness_and_told(ground: Ground, tmp_path: Path) -> None:
    with witness(tmp_path / "one", "one", ground.key) as one:
        ground.append(8)
        with publishing(ground, one) as publisher:
            publisher.catch_up()
        other = forked(ground, tmp_path)
        with publishing(other, one) as publisher:
            other.append(3)
            publisher.catch_up()
            assert cosigned_at(published(other), one.key) is None
        other.store.close()
        kept = [each.name.partition("-")[0] for each in (tmp_path / "one" / "evidence").iterdir()]
    assert kept == ["rollback"]


def forked(ground: Ground, tmp_path: Path) -> Ground:
    """Another database and another file, and the very key."""
    folder = tmp_path / "fork"
    folder.mkdir()
    (folder / "keys").symlink_to(ground.folder / "keys")
    store = open_store(f"sqlite:///{folder}/ledger.db")
    migrations.upgrade(store)
    with store.writer.begin() as connection:
        log.create_head(connection, origin=ground.key.name, signing_kid="k" * 43, pairwise_check=b"c" * 32)
        begin_tree(connection, ground.key)
    return Ground(store, folder, ground.key)


RUBBISH = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nrubbish",
    b"HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\n-1\n",
    b"HTTP/1.1 409 Conflict\r\ncontent-length: 21\r\n\r\n99999999999999999999\n",
    b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n" + b"x" * 999_999,
    b"SSH-2.0-none\r\n",
    b"",
]


@pytest.mark.parametrize("answer", RUBBISH, ids=range(len(RUBBISH)))
def test_whatever_stands_behind_a_witness_s_address_the_log_goes_on(ground: Ground, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    with line, suppress(OSError):
                        line.recv(65_536)
                        line.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        mute = Witness("odd", VerifierKey("odd.example", KeyKind.COSIGNATURE, bytes(31) + b"\1"), url)
        with publishing(ground, mute) as publisher:
            ground.append(2)
            publisher.catch_up()
            assert len(published(ground).signatures) == 1
            ground.append(2)
            publisher.catch_up()
            assert published(ground).text.splitlines()[1] == "4"
