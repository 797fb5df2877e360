"""The log's entries as files: entry bundles, after C2SP tlog-tiles ("Log entries", "Merkle Tree").

Pure: names and bytes, no disk. Bundle N holds the entries 256·N to 256·N + 255, each behind its
length as a big-endian uint16. Only the last bundle of a log may be partial; its width, 1 to 255, is
then part of its name. Entry 315,146 of a log lies in bundle 1,231, for example, whose name is
`tile/entries/x001/231`, or `tile/entries/x001/231.p/11` while the log holds 315,147 entries.

Of the specification's resources this is the one that a pulled log needs. The hash tiles
(`tile/<level>/<N>`) share its numbering and belong here, and the checkpoint beside it in
checkpoint.py, when the log is published for witnesses.
"""

from collections.abc import Sequence

from scoregate.errors import ScoregateError

BUNDLE_WIDTH = 256
MAX_ENTRY_BYTES = 0xFFFF


class BundleInvalid(ScoregateError):
    """Bytes that are no entry bundle, or entries that fit in none.

    `offset` is where the bad entry begins, in bytes; `place` is which entry of the bundle it is, from 0.
    """

    def __init__(self, place: int, offset: int, problem: str) -> None:
        super().__init__(f"at byte {offset}: {problem}")
        self.place = place
        self.offset = offset


def bundle_path(number: int, width: int = BUNDLE_WIDTH) -> str:
    """Return the relative path of bundle `number` when it holds `width` entries.

    Raises:
        ValueError: `number` is negative or `width` outside 1 to 256.
    """
    if number < 0 or not 1 <= width <= BUNDLE_WIDTH:
        raise ValueError(f"no bundle has number {number} and width {width}")
    rest, last = divmod(number, 1000)
    path = f"{last:03}"
    while rest:
        rest, digits = divmod(rest, 1000)
        path = f"x{digits:03}/{path}"
    partial = "" if width == BUNDLE_WIDTH else f".p/{width}"
    return f"tile/entries/{path}{partial}"


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
