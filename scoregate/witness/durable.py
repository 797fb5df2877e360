"""Files that a crash can't take back, or leave half done. Not pure.

A file is written beside its place, synced, and put there by its new name; then the folder is synced, for a
name is the folder's. Whoever looks meanwhile sees the old file or the new one, whole.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

OWNER_ONLY = 0o600


class Step(StrEnum):
    """Where a crash is a different crash, in the order in which a submission comes by."""

    JUDGED = "judged"  # it may be cosigned; nothing is written
    REMEMBERED = "remembered"  # the latest note is kept as the one before, too
    DRAFTED = "drafted"  # the new note is written beside the old one
    SYNCED = "synced"  # and durable there
    REPLACED = "replaced"  # it has the old one's name
    DURABLE = "durable"  # for good; nobody has the cosignature yet
    REFUSED = "refused"  # it contradicts the latest; nothing is on record yet
    FILED = "filed"  # the evidence is complete, without its name yet
    RECORDED = "recorded"  # on record for good; nobody has the answer yet


class NotDurable(OSError):
    """The new file has its name, and may lose it in a power cut: nothing can be built on either."""


Reached = Callable[[Step], None]
"""Is told each step as it is reached: where tests let a witness wait, or die."""


def nobody(_: Step) -> None:
    """Nobody is told."""


def write(path: Path, content: bytes, *, reached: Reached = nobody) -> None:
    """Put this content in ``path``, mode 0600, instead of what is there. Durable on return.

    One writer at a time for each path.

    Raises:
        NotDurable: The disk refuses when the new file is in its place already.
        OSError: The disk refuses; what was there stays.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb") as file:
            file.write(content)
            file.flush()
            reached(Step.DRAFTED)
            os.fsync(file.fileno())
        reached(Step.SYNCED)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    try:
        reached(Step.REPLACED)
        sync(path.parent)
    except OSError as error:
        raise NotDurable(error.errno, error.strerror) from error


def write_folder(path: Path, files: Mapping[str, bytes], *, reached: Reached = nobody) -> None:
    """Make this folder with these files in it, all or nothing. Durable on return.

    One writer at a time for each parent.

    Raises:
        OSError: The disk refuses, or the folder exists and is not empty.
    """
    draft = path.with_name(".draft")
    draft.mkdir(mode=0o700, exist_ok=True)
    for left in draft.iterdir():  # by a crash
        left.unlink()
    for name, content in files.items():
        write(draft / name, content)
    reached(Step.FILED)
    draft.rename(path)
    sync(path.parent)


def make_folder(path: Path) -> None:
    """Make this folder, mode 0700, if it is not there. Durable on return.

    Raises:
        OSError: It can't be made.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Let what was written to this file, or named in this folder, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
