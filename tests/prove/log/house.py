"""One installation with a witness, whoever is alive there, and whatever was seen of its log."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from gateway import founding
from gateway.audit.tree import signing
from gateway.audit.tree.proofs import Proofs
from gateway.server import wall_clock
from gateway.settings import Settings
from gateway.store import open_store
from scoregate.auditing import recompute
from scoregate.errors import ScoregateError
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.note import Note, VerifierKey
from scoregate.tlog.policy import Policy
from scoregate.tlog.sources import CHECKPOINT, Resource
from scoregate.tlog.tiles import BUNDLE_WIDTH, bundle_path, encode_bundle, tile_path, tiles_of
from scoregate.witness.folder import Folder
from scoregate.witness.logs import Log
from tests.prove.campaign import Stage
from tests.prove.crashes.house import Books
from tests.prove.log.guarding import Submitted, guard
from tests.prove.log.lives import Life
from tests.prove.log.works import Acknowledged, Broken, Shown, work
from tests.witness.made_log import Answer, Caller, request
from tests.world import settings_for

INTERVAL_MS = 25
"""A gateway may not be told to be so quick; a campaign has no second to wait."""

WITNESS = "witness.example/campaign"
COVERED_SECONDS = 20.0
ROOT = Path(__file__).parents[3]

_founding = threading.Lock()  # Alembic keeps its context in a module


@dataclass
class Seen:
    """What left the processes, in the order in which it came."""

    entries: dict[int, bytes] = field(default_factory=dict)  # acknowledged
    roots: dict[tuple[str, int], bytes] = field(default_factory=dict)  # of checkpoints, by name and size
    contradictions: list[str] = field(default_factory=list)
    shown: Note | None = None  # the latest
    forged: set[str] = field(default_factory=set)  # texts that are ours, and no log's

    def hear(self, said: object) -> None:
        """Take in what a process says."""
        match said:
            case Acknowledged(entries):
                for index, leaf in entries:
                    if self.entries.setdefault(index, leaf) != leaf:
                        self.contradictions.append(f"index {index} was acknowledged twice")
            case Shown(data):
                self.shown = Note.decode(data)
                self._checkpoint(self.shown)
            case Submitted(data):
                note = Note.decode(data)
                if note.text not in self.forged:
                    self._checkpoint(note)

    def _checkpoint(self, note: Note) -> None:
        seen = Checkpoint.decode(note.text)
        if self.roots.setdefault((seen.origin, seen.size), seen.root) != seen.root:
            self.contradictions.append(f"{seen.origin} had two roots for {seen.size} entries")


@dataclass
class House:
    """The installation. Its database is read beside whoever is alive, never after a crash."""

    settings: Settings
    small_disk: bool = False
    port: int = 0  # the witness's
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.books = Books(self.settings.database.url)
        self.home = self.settings.home
        self.roots = [merkle.empty_root()]  # of the log's first so many entries
        self._tree = merkle.CompactRange()
        self._born = 0

    @classmethod
    def found(cls, stage: Stage, url: str, *, small_disk: bool = False) -> House:
        """A fresh one, with a witness that trusts its log."""
        home = stage.folder / f"house-{uuid4().hex[:8]}"
        settings = settings_for(home, url, stage.engine_folder)
        log = settings.log.model_copy(update={"interval_ms": INTERVAL_MS})
        settings = settings.model_copy(update={"log": log})
        with _founding:
            founding.found(settings, now=wall_clock())
        house = cls(settings, small_disk)
        Folder.make(house.witness_folder, WITNESS)
        for name in house.names():
            house.trust(name)
        return house

    @property
    def witness_folder(self) -> Path:
        """The witness's."""
        return self.home / "witness"

    @property
    def witness(self) -> VerifierKey:
        """By which its cosignatures are known."""
        return Folder.open(self.witness_folder).vkey

    def names(self) -> list[VerifierKey]:
        """The keys of every name that the log has had, the newest last."""
        store = open_store(self.settings.database.url)
        try:
            return [VerifierKey.parse(each.vkey) for each in Proofs(store).origins()]
        finally:
            store.close()

    def trust(self, name: VerifierKey) -> None:
        """The witness cosigns for this name from now on."""
        Log.of(Folder.open(self.witness_folder), name.name).trust(name, beside=False)

    def begin_witness(self) -> Life:
        """Alive, at the port where it was before."""
        life = self._bear(guard, self.witness_folder, self.port)
        self.port = life.begun()
        lines = f"witness w {self.witness} http://127.0.0.1:{self.port}\nquorum w\n"
        self.settings.log.policy.write_text(lines)
        return life

    def begin_works(self, broken: Broken | None = None) -> Life:
        """Alive, at rest."""
        self._born += 1
        life = self._bear(work, self.settings, self.small_disk, self._born, broken or Broken())
        try:
            life.begun()
        except RuntimeError:
            life.stop()
            raise
        return life

    def _bear(self, living: Any, *born_with: object) -> Life:
        return Life(self.home / "lives.log", self.seen.hear, living, *born_with)

    # --- what became of it

    def is_covered(self) -> bool:
        """Whether a checkpoint is shown that the witness signed, over everything that was acknowledged."""
        note = self.seen.shown
        if note is None or cosigned_at(note, self.witness) is None:
            return False
        return Checkpoint.decode(note.text).size > max(self.seen.entries, default=-1)

    def judge(self) -> Iterator[str]:
        """What is wrong with the log, a sentence each; while somebody is alive, and at rest."""
        yield from self.books.read_on()
        for leaf in self.books.leaves[len(self.roots) - 1 :]:
            self._tree.append(merkle.leaf_hash(leaf))
            self.roots.append(self._tree.root())
        for index, leaf in self.seen.entries.items():
            if self.books.leaves[index : index + 1] != [leaf]:
                yield f"entry {index} was acknowledged, and is not in the log of {len(self.books.leaves)}"
        yield from self.seen.contradictions
        for (origin, size), root in list(self.seen.roots.items()):
            if self.roots[size : size + 1] != [root]:
                yield f"a checkpoint of {origin} with {size} entries was seen, and is none of this log"
        try:
            recompute.verify(Shelf.of(self.settings), policy=Policy.parse(self.policy().encode()))
        except ScoregateError as error:
            yield f"log verify says: {error}"

    def policy(self) -> str:
        """As whoever verifies has it: every name's key, and the witness must have signed."""
        names = "".join(f"log {name}\n" for name in self.names())
        return f"{names}witness w {self.witness}\nquorum w\n"

    def verify_by_command(self) -> list[str]:
        """The same by `scoregate log verify`, over a folder."""
        folder, policy = self.home / f"pulled-{uuid4().hex[:8]}", self.home / "verifiers-policy"
        policy.write_text(self.policy())
        Shelf.of(self.settings).write(folder)
        words = [sys.executable, "-m", "scoregate", "log", "verify", str(folder), "--policy", str(policy)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        return [f"scoregate log verify ends with {done.returncode}: {done.stderr}"] if done.returncode else []

    # --- lies

    def lie(self, latest: Checkpoint) -> Iterator[tuple[str, Answer]]:
        """Ask the witness, with the log's own key, for what contradicts the latest that it may know."""
        size = latest.size
        caller = Caller(self.port)
        said = caller.submit(self._forged(latest.origin, size, 0))
        old = int(said.body) if said.status == 409 else size
        yield "a fork from nothing", said
        yield "a fork", caller.submit(self._forged(latest.origin, size, old))
        yield "a growth that nothing proves", caller.submit(self._forged(latest.origin, size + 7, old))
        yield "a rollback", caller.submit(self._forged(latest.origin, max(1, size // 2), max(1, size // 2)))

    def _forged(self, origin: str, size: int, old: int) -> bytes:
        name = next(each for each in self.names() if each.name == origin)
        forged = Checkpoint(origin, size, merkle.leaf_hash(b"%d of another history" % size))
        self.seen.forged.add(forged.text())
        note = signing.load(self.settings.log.key_folder, name).sign(forged)
        return request(old, [], note)


@dataclass
class Shelf:
    """The log as the gateway's own tables have it: what it shows, its own tiles, its entries."""

    resources: dict[str, bytes]
    again: str = "look anew"

    @classmethod
    def of(cls, settings: Settings) -> Shelf:
        """Read it anew, all of it."""
        store = open_store(settings.database.url)
        try:
            proofs = Proofs(store)
            published = proofs.published()
            size = published.checkpoint.size
            origin = proofs.origins()[-1]
            with store.reading() as connection:
                query = "SELECT leaf FROM entries ORDER BY leaf_index"
                leaves = [bytes(leaf) for leaf in connection.exec_driver_sql(query).scalars().all()][:size]
            found = {CHECKPOINT: published.note}
            for level, number, width in tiles_of(size):
                found[tile_path(level, number, width)] = proofs.tile(origin, level, number, width) or b""
            for number, first in enumerate(range(0, size, BUNDLE_WIDTH)):
                bundle = leaves[first : first + BUNDLE_WIDTH]
                found[bundle_path(number, len(bundle))] = encode_bundle(bundle)
        finally:
            store.close()
        return cls(found)

    def read(self, path: str, limit: int) -> bytes | None:
        """As a source has it."""
        return self.resources.get(path, b"")[:limit] or None

    def expect(self, paths: Iterable[tuple[str, int]]) -> None:
        """As a source has it."""

    def listing(self) -> Iterable[Resource]:
        """As a source has it."""
        return ()

    def write(self, folder: Path) -> None:
        """As files."""
        for path, data in self.resources.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
