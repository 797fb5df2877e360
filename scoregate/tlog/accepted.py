"""The checkpoint that was accepted last, on disk: what a log may never go back behind. Not pure.

It is the signed note as it was. Whoever can write this file can take the memory away: keep it where the
one who serves the log can't. One writer at a time.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from scoregate.tlog import files
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogIncomplete, LogInvalid
from scoregate.tlog.note import MAX_NOTE_BYTES, Note
from scoregate.tlog.policy import Policy

ACCEPTED = ".accepted"
"""Its name in a folder that holds a log."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The file, which need not be there yet."""

    path: Path

    def read(self, policy: Policy | None) -> Checkpoint | None:
        """Return what was accepted last, if anything. With a policy, it is signed by a log that is believed.

        Raises:
            LogInvalid: It is no checkpoint, or not signed so.
            LogIncomplete: It can't be read.
        """
        try:
            data = files.read(self.path, str(self.path), MAX_NOTE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LogIncomplete(f"{self.path} can't be read: {error.strerror}") from error
        try:
            if policy is not None:
                return replace(policy, quorum=None).judge(data).checkpoint
            return Checkpoint.decode(Note.decode(data).text)
        except LogInvalid as error:
            raise LogInvalid(
                f"{self.path}, what was accepted last: {error}. If the log goes on under another name, give"
                " the vkeys of both; else keep this file as evidence, and begin anew with another"
            ) from error

    def write(self, note: bytes) -> None:
        """Remember a checkpoint that holds, durably on return.

        Raises:
            LogIncomplete: It can't be written: nobody would notice the next time, if the log went back.
        """
        try:
            if self.path.exists() and self.path.read_bytes() == note:
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, note, self.path.with_name(f".{self.path.name}.writing"))
        except OSError as error:
            raise LogIncomplete(
                f"all of it holds, but {self.path} can't be written ({error.strerror}): the next time nobody"
                " would notice if the log had gone back; name another file with --trusted"
            ) from error


def write_whole(path: Path, data: bytes, draft: Path) -> None:
    """Write a file that is whole or not there, durably on return; `draft` is its name until then.

    Raises:
        OSError: The disk refuses; what was there stays.
    """
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
