"""The part of a gateway that is about the log, in a process of its own: its ledger and its publisher.

Both are wired as a gateway wires them. Two callers append entries, and say which were acknowledged; one looks
at what is shown.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from gateway.audit.tree.outside import Outside
from gateway.audit.tree.proofs import EntryNotPublished, Proofs
from gateway.ledger import Ledger, LedgerBusy, LedgerUnavailable, Transaction
from gateway.server import publishing
from gateway.server.parts import Seams, open_parts
from gateway.settings import Settings
from gateway.store import Store, StoreUnavailable
from scoregate.audit.v1 import leaf_pb2
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import empty_root
from scoregate.tlog.note import VerifierKey
from tests.prove.crashes import doom, driver
from tests.prove.log.blows import Fate
from tests.prove.log.lives import Ready, Talk, Words
from tests.prove.log.points import Strike

CALLERS = 2
AT_ONCE = (1, 1, 2, 5, 40)
"""Entries of one transaction; now and then some that fill a tile."""

PAUSE_SECONDS, LOOK_SECONDS = 0.004, 0.01


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """These are durable, says the ledger: (index, leaf)."""

    entries: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Shown:
    """This checkpoint could be read by anybody."""

    note: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """What a control arm's works do not do."""

    hasty: bool = False  # a driver that says COMMIT is done, and does it with the next statement
    blind: bool = False  # nobody compares with what was remembered outside the database


def work(talk: Talk, settings: Settings, small_disk: bool, seed: int, broken: Broken) -> None:
    """Take part until killed. Told ("go",), ("rest",), ("strike", Strike), ("on",) and ("stop",)."""
    fate = Fate(lambda name: talk.say(Words(name)), settings.database.file, small_disk)
    hasty = doom.Hasty()
    driver.play(fate.trick)
    driver.play(hasty.trick)
    driver.install()
    if broken.blind:
        setattr(publishing, "Outside", _Unread)  # noqa: B010  # no seam takes a known-broken one
    with ExitStack() as closing:
        parts = open_parts(settings, Seams(), closing)
        publishing.keep_published(parts, closing, fate.reached)
        callers = _Callers(talk, parts.ledger, parts.store)
        callers.begin(random.Random(seed))  # noqa: S311
        talk.say(Ready())
        while (words := talk.told())[0] != "stop":
            _obey(words, callers, fate, hasty if broken.hasty else None)
            talk.say(Ready())
        callers.rest()
    talk.say(Ready())
    os._exit(0)


def _obey(words: tuple[object, ...], callers: _Callers, fate: Fate, hasty: doom.Hasty | None) -> None:
    match words:
        case ("go",):
            callers.go()
        case ("rest",):
            callers.rest()
        case ("strike", Strike() as strike):
            fate.meet(strike)
        case ("on",) if hasty is not None:
            hasty.is_on = True


class _Unread(Outside):
    """A file that is written, and never read: whoever compares finds that nothing was signed yet."""

    def read(self, keys: list[VerifierKey]) -> Checkpoint:
        """What is before everything."""
        return Checkpoint(keys[-1].name, 0, empty_root())


class _Callers:
    """Whoever appends, and whoever looks."""

    def __init__(self, talk: Talk, ledger: Ledger, store: Store) -> None:
        self._talk, self._ledger, self._store = talk, ledger, store
        self._going = threading.Event()
        self._resting = threading.Semaphore(0)

    def begin(self, chance: random.Random) -> None:
        """They are there, and rest."""
        works: list[Callable[[], None]] = [self._look]
        works += [partial(self._append, random.Random(chance.random())) for _ in range(CALLERS)]  # noqa: S311
        for each in works:
            threading.Thread(target=each, daemon=True).start()

    def go(self) -> None:
        """Append without pause."""
        self._going.set()

    def rest(self) -> None:
        """Append no more; returns once whatever was acknowledged has been said."""
        if self._going.is_set():
            self._going.clear()
            for _ in range(CALLERS):
                self._resting.acquire()

    def _append(self, chance: random.Random) -> None:
        pause = threading.Event()
        while True:
            self._going.wait()
            while self._going.is_set():
                count = chance.choice(AT_ONCE)
                try:
                    placed = self._ledger.change(partial(append, count=count))
                except (LedgerUnavailable, LedgerBusy):
                    pause.wait(PAUSE_SECONDS)
                else:
                    self._talk.say(Acknowledged(placed))
                pause.wait(PAUSE_SECONDS)
            self._resting.release()

    def _look(self) -> None:
        proofs, pause, before = Proofs(self._store), threading.Event(), b""
        while not pause.wait(LOOK_SECONDS):
            try:
                note = proofs.published().note
            except (EntryNotPublished, StoreUnavailable):
                continue
            if note != before:
                self._talk.say(Shown(note))
                before = note


def append(tx: Transaction, count: int) -> list[tuple[int, bytes]]:
    """So many entries of the gateway's own: (index, leaf) of each."""
    placed = [tx.append(leaf_pb2.Leaf(kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED)) for _ in range(count)]
    return [(each.leaf_index, each.leaf) for each in placed]
