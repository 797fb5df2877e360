"""Where a log lies: what a verifier reads from, and a folder as the first of such places.

A source has the resources of C2SP tlog-tiles under their relative paths:

    checkpoint                a signed note
    tile/<level>/<number>     hash tiles (tiles.py)
    tile/entries/<number>     entry bundles

`Folder` reads files; an http(s) address is read by `scoregate.address`. Neither is believed: whatever they
return is recomputed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from scoregate.tlog import files
from scoregate.tlog.faults import PULL_AGAIN, LogIncomplete
from scoregate.tlog.tiles import MAX_LEVEL, TILE_WIDTH

CHECKPOINT = "checkpoint"
EARLIER_FORM = "head.json"
"""What stood in a folder before logs were signed."""

ENTRIES = -1
"""The level of entry bundles, beside those of hash tiles."""

_DEEPEST = 7  # folders of a number: more digits than a log can have entries


class Resource(NamedTuple):
    """A tile or a bundle, by its name."""

    level: int  # ENTRIES for a bundle
    number: int
    width: int  # 256: a full one


class Source(Protocol):
    """Where a log is read from."""

    @property
    def again(self) -> str:
        """What to do when something is missing there, such as "run `scoregate audit pull` again"."""

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a resource, at most `limit` bytes of it; None where there is none of this name.

        Raises:
            LogInvalid: It is longer, or no file.
            LogIncomplete: It can't be read.
        """

    def expect(self, paths: Iterable[tuple[str, int]]) -> None:
        """Take notice of the paths and limits that are going to be read next, in this order."""

    def listing(self) -> Iterable[Resource]:
        """Return every tile and bundle that is there; none where a place can't be listed."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of files."""

    path: Path
    again: str = PULL_AGAIN

    def read(self, path: str, limit: int) -> bytes | None:
        """As Source has it."""
        try:
            return files.read(self.path / path, path, limit)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LogIncomplete(f"{error.filename or path} can't be read: {error.strerror}") from error

    def expect(self, paths: Iterable[tuple[str, int]]) -> None:
        """As Source has it; files need no notice."""

    def listing(self) -> Iterator[Resource]:
        """As Source has it. What is named otherwise than a tile or a bundle is nobody's, and left out."""
        for level in (ENTRIES, *range(MAX_LEVEL + 1)):
            top = self.path / "tile" / ("entries" if level == ENTRIES else str(level))
            if top.is_dir():
                for number, width in _numbers(top, 0, 0):
                    yield Resource(level, number, width)


_FOLDER, _FILE, _PARTIAL = (re.compile(each, re.ASCII) for each in (r"x(\d{3})", r"(\d{3})", r"(\d{3})\.p"))
_WIDTH = re.compile(r"[1-9]\d{0,2}", re.ASCII)


def _numbers(folder: Path, above: int, depth: int) -> Iterator[tuple[int, int]]:
    for name in _names(folder):
        if found := _FILE.fullmatch(name):
            yield 1000 * above + int(found[1]), TILE_WIDTH
        elif found := _PARTIAL.fullmatch(name):
            number = 1000 * above + int(found[1])
            yield from ((number, width) for width in _widths(folder / name))
        elif (found := _FOLDER.fullmatch(name)) and depth < _DEEPEST and (depth or name != "x000"):
            yield from _numbers(folder / name, 1000 * above + int(found[1]), depth + 1)


def _widths(folder: Path) -> Iterator[int]:
    for name in _names(folder):
        if _WIDTH.fullmatch(name) and int(name) < TILE_WIDTH:
            yield int(name)


def _names(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()] if folder.is_dir() else []
    except OSError as error:
        raise LogIncomplete(f"{error.filename} can't be read: {error.strerror}") from error
