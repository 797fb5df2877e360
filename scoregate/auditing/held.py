"""What a source holds of a log of a given size: its bundles, and its hash tiles against those that are known.

Pure but for its source. A resource is read under the name that is due for the size; where that is missing,
under the full one's, since a log that grows may drop a partial tile for the full one (tlog-tiles, Partial
Tiles); else under the widest of another size, so that what is missing is told to the entry. Whatever else is
there of another size is held to the same entries.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from scoregate.proof import leaf
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.merkle import HASH_BYTES
from scoregate.tlog.sources import ENTRIES, Source
from scoregate.tlog.tiles import (
    BUNDLE_WIDTH,
    MAX_ENTRY_BYTES,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    BundleInvalid,
    bundle_path,
    decode_bundle,
    edges,
    encode_bundle,
    tile_path,
)

MAX_BUNDLE_BYTES = BUNDLE_WIDTH * (2 + leaf.MAX_LEAF_BYTES)
MAX_FOREIGN_BUNDLE_BYTES = BUNDLE_WIDTH * (2 + MAX_ENTRY_BYTES)

PathOf: TypeAlias = Callable[[int, int], str]  # of number and width


class Held:
    """The tiles and bundles of one log, read once and in order.

    Raises:
        LogDiverged: In one of our logs there is more than its size.
        LogIncomplete: The place can't be read; here or in any method.
    """

    def __init__(self, source: Source, size: int, *, foreign: bool) -> None:
        self.size = size
        self.again = source.again
        self.tiles = 0  # hash tiles that were compared
        self._source = source
        self._limit = MAX_FOREIGN_BUNDLE_BYTES if foreign else MAX_BUNDLE_BYTES
        # Partial tiles and bundles that are there, of any size that the log had: by level and number, widths.
        self._partials: dict[tuple[int, int], list[int]] = {}
        furthest = self._look_around()
        # A log of another kind may be copied while it grows. Into ours nobody but a pull puts anything.
        if furthest > size and not foreign:
            raise LogDiverged(
                f"there is something of {furthest:,} entries, and the checkpoint counts {size:,}: it was"
                f" added, or the checkpoint is an older one; {self.again}",
                index=size,
            )
        source.expect(self._plan())

    def _look_around(self) -> int:
        furthest = 0
        for level, number, width in self._source.listing():
            reach = (number * TILE_WIDTH + width) << TILE_HEIGHT * max(level, 0)
            furthest = max(furthest, reach)
            if width < TILE_WIDTH:
                self._partials.setdefault((level, number), []).append(width)
        return furthest

    def widths(self) -> Iterator[int]:
        """Iterate over how many entries each bundle is to hold."""
        for first in range(0, self.size, BUNDLE_WIDTH):
            yield min(BUNDLE_WIDTH, self.size - first)

    def _plan(self) -> Iterator[tuple[str, int]]:
        """Paths in the order in which they are read, with their limits."""
        for number, width in enumerate(self.widths()):
            yield bundle_path(number, width), self._limit
            yield tile_path(0, number, width), TILE_BYTES
            level, above = 1, number + 1
            while width == TILE_WIDTH and above % TILE_WIDTH == 0:
                above //= TILE_WIDTH
                yield tile_path(level, above - 1), TILE_BYTES
                level += 1
        for level, (number, width) in enumerate(edges(self.size)):
            if level and width:
                yield tile_path(level, number, width), TILE_BYTES

    def _find(
        self, path: PathOf, level: int, number: int, width: int, limit: int
    ) -> tuple[int, bytes] | None:
        """What is there of a tile or bundle, and the width that its name says."""
        others = sorted(self._partials.get((level, number), ()), reverse=True)
        try:
            for named in dict.fromkeys((width, TILE_WIDTH, *others)):
                data = self._source.read(path(number, named), limit)
                if data is not None:
                    return named, data
        except LogInvalid as error:
            index = number << TILE_HEIGHT * (max(level, 0) + 1)
            raise LogInvalid(str(error), index=index) from error
        return None

    def bundle(self, number: int, width: int) -> tuple[list[bytes], LogError | None]:
        """Return the entries of a bundle, and what is wrong with how many they are: tell it after them.

        Raises:
            LogInvalid: It is no bundle, from its first entry on.
            LogDiverged: A bundle of an earlier size holds other entries.
            LogIncomplete: Nothing is there of it.
        """
        first = number * BUNDLE_WIDTH
        found = self._find(bundle_path, ENTRIES, number, width, self._limit)
        if found is None:
            raise self._missing(bundle_path(number, width), first)
        named, data = found
        path = bundle_path(number, named)
        try:
            entries = decode_bundle(data)
        except BundleInvalid as error:
            broken = LogInvalid(f"{path} {error}; delete it and {self.again}", index=first + error.place)
            if not error.place:
                raise broken from error
            # A changed length shifts what is behind it: the entries before tell where it began.
            return decode_bundle(data[: error.offset])[:width], broken
        for narrower in self._partials.get((ENTRIES, number), ()):
            if narrower != named:
                self._require_beginning(number, narrower, entries)
        if len(entries) != named:
            return entries[:width], self._miscounted(path, first, named, len(entries))
        fault = self._missing(bundle_path(number, width), first + named) if named < width else None
        return entries[:width], fault

    def _require_beginning(self, number: int, width: int, entries: list[bytes]) -> None:
        path = bundle_path(number, width)
        data = self._source.read(path, self._limit)
        if data is not None and len(entries) >= width and data != encode_bundle(entries[:width]):
            index = number * BUNDLE_WIDTH
            raise LogDiverged(f"{path} holds other entries than the fuller bundle beside it", index=index)

    def _miscounted(self, path: str, first: int, width: int, found: int) -> LogError:
        message = f"{path} holds {found} entries instead of {width}; delete it and {self.again}"
        index = first + min(found, width)
        return LogIncomplete(message, index=index) if found < width else LogInvalid(message, index=index)

    def _missing(self, path: str, have: int) -> LogIncomplete:
        message = f"{path} is missing: {have:,} entries of {self.size:,} are there; {self.again}"
        return LogIncomplete(message, index=have)

    def tile_fault(self, level: int, number: int, known: bytes, *, is_due: bool = True) -> LogError | None:
        """Return what is wrong with a tile whose hashes are known, at the first hash that is wrong, if any.

        Where it is not due, since its entries are not all there, it may be missing.
        """
        width, first = len(known) // HASH_BYTES, number << TILE_HEIGHT * (level + 1)
        path = partial(tile_path, level)
        found = self._find(path, level, number, width, TILE_BYTES)
        if is_due and (found is None or found[0] < width):
            return LogIncomplete(f"{path(number, width)} is missing; {self.again}", index=first)
        tiles = {} if found is None else dict([found])
        for narrower in self._partials.get((level, number), ()):
            if narrower not in tiles and (data := self._source.read(path(number, narrower), TILE_BYTES)):
                tiles[narrower] = data
        self.tiles += len(tiles)
        faults = [
            self._hash_fault(level, first, path(number, each), each, tiles[each], known) for each in tiles
        ]
        return min((fault for fault in faults if fault is not None), key=_place, default=None)

    def _hash_fault(
        self, level: int, first: int, path: str, width: int, data: bytes, known: bytes
    ) -> LogError | None:
        if len(data) != width * HASH_BYTES:
            return LogInvalid(
                f"{path} has {len(data):,} bytes, where {width} hashes belong; delete it and {self.again}",
                index=first,
            )
        shared = min(len(data), len(known))
        if data[:shared] == known[:shared]:
            return None
        places = range(0, shared, HASH_BYTES)
        at = next(at for at in places if data[at : at + HASH_BYTES] != known[at : at + HASH_BYTES])
        index = first + (at // HASH_BYTES << TILE_HEIGHT * level)
        what = f"entry {index:,} has" if level == 0 else f"the entries from {index:,} on have"
        return LogDiverged(
            f"{path} holds another hash than {what}: one or the other was changed", index=index
        )


def _place(fault: LogError) -> int:
    return fault.index or 0
