"""ZIP archives of one form, for bundles: whatever unpacks ZIP reads them, and only this form is read here.

Source: PKWARE APPNOTE.TXT 6.3, 4.3.7 (local file headers), 4.3.12 (central directory) and 4.3.16 (its end).
Members are stored, not packed, in a given order, dated 1980-01-01, mode 0600; nothing lies between, before or
behind them, and an archive is shorter than 4 GiB. So one content has one form, a reader is never made to
unpack more than it was given, no name is read but those it expects, and no tool sees other members than it.

Not pure: it reads and writes open files.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO
from zlib import crc32

from scoregate.tlog.faults import LogIncomplete, LogInvalid

MAX_ARCHIVE_BYTES = 2**32 - 2  # 2^32 - 1 means ZIP64
PIECE = 1 << 16

_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_NEEDED, _MADE_BY = 20, 3 << 8 | 20  # version 2.0; by a Unix
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01
_MODE = 0o100600 << 16
_LOCAL_FORM, _CENTRAL_FORM, _END_FORM = "<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"
_LOCAL_BYTES = struct.calcsize(_LOCAL_FORM)


class ArchiveTooLong(Exception):
    """More than an archive of this form holds."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member as its headers have it."""

    name: str  # ASCII
    at: int  # where its header begins
    size: int
    crc: int

    @property
    def begin(self) -> int:
        """Where its bytes begin."""
        return self.at + _LOCAL_BYTES + len(self.name)

    @property
    def end(self) -> int:
        """Where they end."""
        return self.begin + self.size

    def header(self) -> bytes:
        """The local file header."""
        fields = (_NEEDED, 0, 0, _TIME, _DATE, self.crc, self.size, self.size, len(self.name), 0)
        return struct.pack(_LOCAL_FORM, _LOCAL, *fields) + self.name.encode()

    def entry(self) -> bytes:
        """Its place in the central directory."""
        dated = (_MADE_BY, _NEEDED, 0, 0, _TIME, _DATE, self.crc, self.size, self.size)
        fields = (*dated, len(self.name), 0, 0, 0, 0, _MODE, self.at)
        return struct.pack(_CENTRAL_FORM, _CENTRAL, *fields) + self.name.encode()


def directory(members: list[Member]) -> bytes:
    """The central directory of these members, and its end."""
    entries = b"".join(member.entry() for member in members)
    at, count = members[-1].end if members else 0, len(members)
    return entries + struct.pack(_END_FORM, _END, 0, 0, count, count, len(entries), at, 0)


def write(file: BinaryIO, members: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write an archive into a file that can be sought in: name by name, each with its bytes in pieces.

    Raises:
        ArchiveTooLong: It would have 4 GiB or more.
        OSError: The disk refuses.
    """
    written: list[Member] = []
    for name, pieces in members:
        at = written[-1].end if written else 0
        size, crc = 0, 0
        file.seek(Member(name, at, 0, 0).begin)
        for piece in pieces:
            size, crc = size + len(piece), crc32(piece, crc)
            if at + size > MAX_ARCHIVE_BYTES - PIECE:
                raise ArchiveTooLong
            file.write(piece)
        member = Member(name, at, size, crc)
        file.seek(at)
        file.write(member.header())
        written.append(member)
    file.seek(written[-1].end if written else 0)
    file.write(directory(written))


def read(file: BinaryIO, size: int, names: tuple[str, ...], *, needed: int) -> list[Member]:
    """Return the members of an archive of so many bytes: the first ``needed`` of these names, or more.

    Raises:
        LogInvalid: It is another archive, or of another form.
        LogIncomplete: It ends early.
    """
    found: list[Member] = []
    for name in names:
        at = found[-1].end if found else 0
        file.seek(at)
        header = file.read(_LOCAL_BYTES + len(name))
        if len(found) >= needed and header.startswith(_CENTRAL):
            break
        if len(header) < _LOCAL_BYTES + len(name):
            raise LogIncomplete(f"the bundle ends before its member {name}; export again")
        crc, length = struct.unpack(_LOCAL_FORM, header[:_LOCAL_BYTES])[6:8]
        member = Member(name, at, length, crc)
        if member.header() != header:
            raise LogInvalid(f"the bundle's member {len(found) + 1} is not {name} as an export writes it")
        if member.end > size:
            raise LogIncomplete(f"the bundle ends inside its member {name}; export again")
        found.append(member)
    end = directory(found)
    at = found[-1].end
    file.seek(at)
    given = file.read(len(end) + 1)
    if given != end:
        if len(given) < len(end) and end.startswith(given):
            raise LogIncomplete("the bundle ends inside its directory; export again")
        raise LogInvalid("the bundle's directory is not that of its members as an export writes it")
    return found


def whole(file: BinaryIO, member: Member, limit: int) -> bytes:
    """Return a member's bytes.

    Raises:
        LogInvalid: More than `limit`, or damaged.
    """
    if member.size > limit:
        raise LogInvalid(f"{member.name} has more than {limit:,} bytes")
    file.seek(member.begin)
    data = file.read(member.size)
    if crc32(data) != member.crc:
        raise LogInvalid(f"{member.name} is damaged: its checksum does not hold")
    return data


def lines(file: BinaryIO, member: Member, limit: int) -> Iterator[bytes]:
    """Iterate over a member's lines, without their ends, of at most `limit` bytes each.

    Other members may be read in between. That all of it came undamaged is known at the end alone.

    Raises:
        LogInvalid: A line is longer, the last has no end, or the member is damaged.
    """
    at, crc, number = member.begin, 0, 0
    while at < member.end:
        number += 1
        file.seek(at)
        line = file.readline(min(limit + 1, member.end - at))
        if not line.endswith(b"\n"):
            told = f"has more than {limit:,} bytes" if len(line) > limit else "has no end"
            raise LogInvalid(f"{member.name}, line {number:,} {told}")
        at, crc = at + len(line), crc32(line, crc)
        yield line[:-1]
    if crc != member.crc:
        raise LogInvalid(f"{member.name} is damaged: its checksum does not hold")
