"""Reads files of a folder that nobody vouches for. Not pure."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scoregate.tlog.faults import LogInvalid


def read(path: Path, name: str, limit: int, index: int | None = None) -> bytes:
    """Return a file's bytes, at most ``limit`` of them; ``name`` and ``index`` say in errors which it was.

    Raises:
        LogInvalid: Longer, or no file: a pipe would keep whoever reads it.
        OSError: Not there, or the disk refuses.
    """
    with opened(path, name, index) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise LogInvalid(f"{name} has more than {limit:,} bytes", index=index)
    return data


@contextmanager
def opened(path: Path, name: str, index: int | None = None) -> Iterator[BinaryIO]:
    """Open a file to be read piece by piece; ``name`` and ``index`` say in errors which it was.

    Raises:
        LogInvalid: It is no file: a pipe would keep whoever reads it.
        OSError: Not there, or the disk refuses.
    """
    with open(path, "rb", opener=_unwaiting) as file:  # which takes no opener
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise LogInvalid(f"{name} is not a file", index=index)
        yield file


def _unwaiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
