"""What an export has brought so far, on disk: so that one that was broken off goes on where it stopped.

    4 bytes, big-endian: a length; so many bytes of the request; then, likewise, each page as it came

A draft lies beside the file that it becomes, 0600, and is deleted with it. A page that did not come whole is
cut off when the draft is opened again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2
    from scoregate.auditing.exports.entries import Exported

LENGTH_BYTES = 4


class Draft:
    """The pages so far. Opening it keeps those of the same request, and drops any other's.

    Raises:
        OSError: The disk refuses, here or in any method.
    """

    def __init__(self, path: Path, request: audit_pb2.ExportBundleRequest) -> None:
        self.path = path
        self._asked = request.SerializeToString(deterministic=True)
        self._file = _open(path)
        self.last: audit_pb2.ExportBundleResponse | None = None  # the page that came last
        if next(self._records(), b"") != self._asked:
            self.begin()
            return
        end = self._file.tell()
        for page in self.pages():
            self.last, end = page, self._file.tell()
        self._file.truncate(end)

    def begin(self) -> None:
        """Drop what is there."""
        self.last = None
        self._file.seek(0)
        self._file.truncate()
        self._write(self._asked)

    @property
    def is_whole(self) -> bool:
        """Whether the last page has come."""
        return self.last is not None and not self.last.next_page_token

    def append(self, page: audit_pb2.ExportBundleResponse) -> None:
        """Keep a page; durable on return."""
        self._write(page.SerializeToString())
        self.last = page

    def pages(self) -> Iterator[audit_pb2.ExportBundleResponse]:
        """Iterate over the pages, from the first."""
        from scoregate.audit.v1 import audit_pb2

        records = self._records()
        next(records, None)
        for record in records:
            yield audit_pb2.ExportBundleResponse.FromString(record)

    def entries(self) -> Iterator[Exported]:
        """Iterate over the entries in them. What a page holds is for a verifier to check."""
        from scoregate.auditing.exports.entries import Exported, PartState

        for page in self.pages():
            for each in page.entries:
                yield Exported(
                    each.leaf_index,
                    each.leaf,
                    tuple(each.hashes),
                    PartState(each.private_part_state),
                    each.private_part,
                    each.blind,
                )

    def close(self, *, done: bool) -> None:
        """Close it; done with, delete it."""
        self._file.close()
        if done:
            self.path.unlink(missing_ok=True)

    def _records(self) -> Iterator[bytes]:
        at = 0
        while True:
            self._file.seek(at)
            length = int.from_bytes(head := self._file.read(LENGTH_BYTES))
            record = self._file.read(length)
            if len(head) < LENGTH_BYTES or len(record) < length:
                return
            at += LENGTH_BYTES + length
            yield record

    def _write(self, record: bytes) -> None:
        self._file.seek(0, os.SEEK_END)
        self._file.write(len(record).to_bytes(LENGTH_BYTES) + record)
        self._file.flush()
        os.fsync(self._file.fileno())


def _open(path: Path) -> BinaryIO:
    # A link that lies there already is not followed: private parts go where they were sent.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
