"""A small disk of a campaign's own, and how it is filled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAGE_BYTES = 4_096


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path | None]:
    """A tmpfs at ``folder`` until the block ends; None where this user or machine can't mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
    with suppress(FileNotFoundError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            try:
                yield folder
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
            return
    yield None


@contextmanager
def fill(ballast: Path) -> Iterator[None]:
    """Take whatever room is left on a disk, to the last page."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(PAGE_BYTES))
    try:
        yield
    finally:
        ballast.unlink()
