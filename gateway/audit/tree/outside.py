"""The last checkpoint, outside the database: what it says was shown to the world, and can't be taken back.

A database that was restored from an older backup, or swapped for another, knows nothing of what was signed
since. This file does: whoever signs compares first. It holds a signed note (C2SP tlog-checkpoint), so anybody
can read it; the signature keeps whoever can write the file, and has no key, from making it say less.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.audit.tree.steps import Reached, Step, nobody
from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid, open_checkpoint
from scoregate.tlog.note import NoteInvalid, VerifierKey

MAX_BYTES = 64 * 1024


class OutsideUnusable(Exception):
    """The file can't be read or written, or says what none of the log's keys has signed."""


class Outside:
    """The file, and the lock that integrators on one machine share with it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    @contextmanager
    def held(self) -> Iterator[bool]:
        """While the block runs nobody else has the file; False: somebody else has it.

        Two that compared at the same time could write one after the other, and the lower size last.

        Raises:
            OutsideUnusable: There is no place for a lock.
        """
        try:
            lock = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutsideUnusable(f"{self._path} can't be locked ({error.strerror})") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def read(self, keys: list[VerifierKey]) -> Checkpoint | None:
        """What was remembered last, signed by one of ``keys``; None where there is no file.

        Raises:
            OutsideUnusable: It can't be read, or none of them has signed it.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutsideUnusable(f"{self._path} can't be read ({error.strerror})") from error
        for key in keys:
            with suppress(CheckpointInvalid, NoteInvalid):
                return open_checkpoint(data, key)[0]
        raise OutsideUnusable(f"{self._path} holds no checkpoint that a key of this log has signed")

    def write(self, checkpoint: bytes, *, reached: Reached = nobody) -> None:
        """Remember it, durably on return. Called while it is held.

        Raises:
            OutsideUnusable: It can't be written; what was there stays.
        """
        draft = self._path.with_name(f".{self._path.name}.new")
        try:
            with draft.open("wb") as file:
                file.write(checkpoint)
                file.flush()
                reached(Step.DRAFTED)  # A crash costs the draft, which the next one writes over.
                os.fsync(file.fileno())
            reached(Step.SYNCED)  # From here the new content is durable; the name becomes so with the folder.
            draft.replace(self._path)
            reached(Step.REPLACED)  # A power cut may bring the old one back: nobody has seen the new one yet.
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise OutsideUnusable(f"{self._path} can't be written ({error.strerror})") from error
