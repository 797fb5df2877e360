"""The log as files: hash tiles and entry bundles, after C2SP tlog-tiles ("Merkle Tree", "Log entries").

Pure: names, numbers and bytes, no disk. Both resources are numbered alike and hold 256 of their kind:

    tile/<level>/<number>     32-byte hashes. On level 0 those of leaves; above, each hash is the root over
                              one full tile of the level below, so that a tile spans 256 times as much.
    tile/entries/<number>     entries, each behind its length as a big-endian uint16

Only the last of each level, and the last bundle, may be partial; its width, 1 to 255, is then part of
its name. Entry 315,146 of a log lies in bundle 1,231, for example, whose name is
`tile/entries/x001/231`, or `tile/entries/x001/231.p/11` while the log holds 315,147 entries; its leaf
hash lies in `tile/0/x001/231.p/11` then, and the root over the 256 leaves before in `tile/1/004.p/207`,
as the last hash of it.

What follows from the hashes, roots and proofs, is in tree_tiles.py.
"""

from collections.abc import Iterator, Sequence

from scoregate.errors import ScoregateError
from scoregate.tlog.merkle import HASH_BYTES

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_LEVEL = 63
BUNDLE_WIDTH = TILE_WIDTH
MAX_ENTRY_BYTES = 0xFFFF


class TileInvalid(ScoregateError):
    """Bytes that are not the hash tile they were read as; `level` and `number` say which one."""

    def __init__(self, level: int, number: int, problem: str) -> None:
        super().__init__(f"hash tile {number} of level {level}: {problem}")
        self.level = level
        self.number = number


class BundleInvalid(ScoregateError):
    """Bytes that are no entry bundle, or entries that fit in none.

    `offset` is where the bad entry begins, in bytes; `place` is which entry of the bundle it is, from 0.
    """

    def __init__(self, place: int, offset: int, problem: str) -> None:
        super().__init__(f"at byte {offset}: {problem}")
        self.place = place
        self.offset = offset


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Return the relative path of the hash tile `number` of `level` when it holds `width` hashes.

    Raises:
        ValueError: `level` is outside 0 to 63, `number` negative, or `width` outside 1 to 256.
    """
    if not 0 <= level <= MAX_LEVEL or number < 0 or not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"no hash tile has level {level}, number {number} and width {width}")
    return f"tile/{level}/{_numbered(number, width)}"


def bundle_path(number: int, width: int = BUNDLE_WIDTH) -> str:
    """Return the relative path of bundle `number` when it holds `width` entries.

    Raises:
        ValueError: `number` is negative or `width` outside 1 to 256.
    """
    if number < 0 or not 1 <= width <= BUNDLE_WIDTH:
        raise ValueError(f"no bundle has number {number} and width {width}")
    return f"tile/entries/{_numbered(number, width)}"


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Iterate over level, number and width of every hash tile of a tree of `size` leaves, from the left.

    Level 0 comes first; a partial tile is the last of its level; the tree without leaves has none. The
    bundles of the same log have the numbers and widths of level 0.

    Raises:
        ValueError: `size` is negative.
    """
    for level, (full, width) in enumerate(edges(size)):
        for number in range(full):
            yield level, number, TILE_WIDTH
        if width:
            yield level, full, width


def tile_width(level: int, number: int, size: int) -> int:
    """Return how many hashes this tile has in a tree of `size` leaves: 1 to 256, or 0: there is no such tile.

    Raises:
        ValueError: `size`, `level` or `number` is negative.
    """
    if level < 0 or number < 0:
        raise ValueError(f"no hash tile has level {level} and number {number}")
    levels = edges(size)
    if level >= len(levels):
        return 0
    full, width = levels[level]
    return TILE_WIDTH if number < full else width if number == full else 0


def edges(size: int) -> list[tuple[int, int]]:
    """Return the right edge of a tree of `size` leaves: for each level its full tiles, and what comes after.

    Of each pair the first is how many tiles are full, and so the number of the partial one; the second is the
    partial one's width, 0 where the level has none.

    Raises:
        ValueError: `size` is negative.
    """
    if size < 0:
        raise ValueError(f"no tree has {size} leaves")
    levels = []
    while size:
        levels.append(divmod(size, TILE_WIDTH))
        # Only full tiles are hashed into the level above.
        size >>= TILE_HEIGHT
    return levels


def tile_hashes(data: bytes, level: int, number: int, width: int) -> bytes:
    """Return the first `width` hashes of what was read as this tile: a fuller tile serves for a partial one.

    Raises:
        TileInvalid: Fewer hashes, more than 256, or a part of one.
    """
    if len(data) % HASH_BYTES or not width * HASH_BYTES <= len(data) <= TILE_BYTES:
        raise TileInvalid(level, number, f"{len(data)} bytes where {width} hashes of {HASH_BYTES} belong")
    return data[: width * HASH_BYTES]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bundle of 1 to 256 entries, each of at most 65,535 bytes.

    Raises:
        BundleInvalid: None or too many entries, or one too long.
    """
    parts: list[bytes] = []
    offset = 0
    for place, entry in enumerate(entries):
        if place == BUNDLE_WIDTH:
            raise BundleInvalid(place, offset, f"a bundle takes {BUNDLE_WIDTH} entries, not {len(entries)}")
        if len(entry) > MAX_ENTRY_BYTES:
            raise BundleInvalid(place, offset, f"an entry of {len(entry)} bytes is over {MAX_ENTRY_BYTES}")
        parts += (len(entry).to_bytes(2, "big"), entry)
        offset += 2 + len(entry)
    if not parts:
        raise BundleInvalid(0, 0, "a bundle holds at least one entry")
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle, 1 to 256 of them.

    Raises:
        BundleInvalid: It is empty, breaks off inside an entry, or goes on after 256 entries.
    """
    entries: list[bytes] = []
    offset, end = 0, len(data)
    while offset < end:
        if len(entries) == BUNDLE_WIDTH:
            raise BundleInvalid(len(entries), offset, f"the bundle goes on after {BUNDLE_WIDTH} entries")
        start = offset + 2
        if start > end:
            raise BundleInvalid(len(entries), offset, "the bundle breaks off inside a length")
        stop = start + (data[offset] << 8 | data[offset + 1])
        if stop > end:
            problem = f"an entry of {stop - start} bytes has only {end - start} left"
            raise BundleInvalid(len(entries), offset, problem)
        entries.append(data[start:stop])
        offset = stop
    if not entries:
        raise BundleInvalid(0, 0, "the bundle is empty")
    return entries


def _numbered(number: int, width: int) -> str:
    rest, last = divmod(number, 1000)
    path = f"{last:03}"
    while rest:
        rest, digits = divmod(rest, 1000)
        path = f"x{digits:03}/{path}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
