"""A pulled log: the folder that `scoregate audit pull` writes and `scoregate log verify` checks.

    DIR/head.json             what the server said (head.py)
    DIR/tile/entries/...      entry bundles (tiles.py): full ones, and at most one partial at the end

This is the record, on disk; its rules are pure and lie in leaf, history, merkle, tiles and head.

Writing. The bytes depend on the log alone, never on how often a pull was broken off: a file appears
whole, by renaming, and a partial bundle goes when a fuller one is there. Write the head first, then
the entries up to its size: a broken pull then reads as incomplete, never as diverged. One writer at
a time.

Verifying trusts nothing in the folder, but the head in it is unsigned: until checkpoints come, the
receipts that lenders hold are what ties a folder to the world.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scoregate.audit.v1 import leaf_pb2
from scoregate.proof import files, leaf, merkle
from scoregate.proof.faults import (
    PULL_AGAIN,
    LogDiverged,
    LogError,
    LogIncomplete,
    LogInvalid,
    LogRolledBack,
)
from scoregate.proof.head import HEAD_NAME, MAX_HEAD_BYTES, Head
from scoregate.proof.history import History
from scoregate.proof.receipts import Receipt, read_receipts
from scoregate.proof.tiles import BUNDLE_WIDTH, BundleInvalid, bundle_path, decode_bundle, encode_bundle

__all__ = [
    "Head",
    "LogDiverged",
    "LogError",
    "LogIncomplete",
    "LogInvalid",
    "LogRolledBack",
    "PulledLog",
    "Report",
    "stored_size",
    "verify",
]

MAX_BUNDLE_BYTES = BUNDLE_WIDTH * (2 + leaf.MAX_LEAF_BYTES)

_TEMPORARY_NAME = ".writing"


class PulledLog:
    """A folder to pull a log into. Opening it makes it, and clears away what a crash left behind.

    Raises:
        LogInvalid: It holds a head already, which is unreadable.
        OSError: The disk refuses, here or in any method; nothing half written takes effect.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._head = _read_head(folder)
        self._size = stored_size(folder)
        number, width = divmod(self._size, BUNDLE_WIDTH)
        for place in (folder, (folder / bundle_path(number)).parent):
            (place / _TEMPORARY_NAME).unlink(missing_ok=True)
        self._drop_partials(number, keep=width)
        if number:
            self._drop_partials(number - 1, keep=0)

    def size(self) -> int:
        """How many entries it holds from index 0 on without a gap: go on with this index."""
        return self._size

    def head(self) -> Head | None:
        """Return the head that was written last, if any."""
        return self._head

    def write_head(self, origin: str, size: int, root: bytes) -> None:
        """Record what the server says now; durable on return.

        Raises:
            LogRolledBack: `size` is less than the recorded one.
            LogDiverged: Another origin, or another root for the recorded size.
            LogInvalid: The values make no head.
        """
        data = Head(origin, size, root).encode()
        head = Head.decode(data)
        if self._head is not None:
            self._head.require_successor(head)
        _write(self._folder / HEAD_NAME, data)
        self._head = head

    def append(self, entries: Sequence[bytes]) -> None:
        """Add the entries from index `size()` on; durable on return, resumable when broken off.

        Raises:
            BundleInvalid: An entry is too long for a bundle; the ones before its bundle are kept.
            LogInvalid, LogIncomplete: The partial bundle to be filled up is damaged.
        """
        number, width = divmod(self._size, BUNDLE_WIDTH)
        held = _read_bundle(self._folder, number, width) if width else []
        if len(held) != width:
            raise _miscounted(number, width, len(held))
        pending = [*held, *entries] if entries else []
        for start in range(0, len(pending), BUNDLE_WIDTH):
            bundle = pending[start : start + BUNDLE_WIDTH]
            _write(self._folder / bundle_path(number, len(bundle)), encode_bundle(bundle))
            # From here the fuller bundle counts; after a crash the next opening drops the old partial.
            self._size = number * BUNDLE_WIDTH + len(bundle)
            self._drop_partials(number, keep=len(bundle) % BUNDLE_WIDTH)
            number += 1

    def _drop_partials(self, number: int, keep: int) -> None:
        # `keep` is the width to keep, 0 for none.
        partials = _partials(self._folder, number)
        if not partials.is_dir():
            return
        for file in partials.iterdir():
            if file.name != str(keep):
                file.unlink()
        if not keep:
            partials.rmdir()


def stored_size(folder: Path) -> int:
    """Return how many entries `folder` holds from index 0 on without a gap, by its bundles' names.

    Raises:
        OSError: The disk refuses.
    """
    number = 0
    while (folder / bundle_path(number)).is_file():
        number += 1
    partials = _partials(folder, number)
    widths = (width for width in range(BUNDLE_WIDTH - 1, 0, -1) if (partials / str(width)).is_file())
    return number * BUNDLE_WIDTH + next(widths, 0)


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and held."""

    head: Head
    bundles: int
    partners: int
    releases: int
    replays: int
    units: int  # contract units spent
    receipts: int | None  # None: none were given
    requests: int | None  # receipts whose question was recomputed; older ones name none
    first_micros: int  # time of the first entry since 1970; 0 in an empty log
    last_micros: int  # time of the last entry since 1970; 0 in an empty log


def verify(
    folder: Path,
    *,
    receipts: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    taken: Callable[[int, bytes], None] | None = None,
) -> Report:
    """Recompute the log in `folder` from its first byte, and return only if all of it holds.

    Every leaf decodes strictly and is in its place (history.py), the root over all of them is the
    head's, and each receipt in the folder `receipts` has its entry and answers the request that it
    holds. Receipts are read first; then the first fault in the order of the log is the one reported.
    Memory does not grow with the log, but for four bytes an entry and about 300 bytes a receipt.
    `progress(done, total)` is called after each bundle, and `taken(index, entry)` for each entry as it is
    read: whether the log that holds it is whole, the end shows.

    Raises:
        LogInvalid: Bytes are wrong.
        LogDiverged: The head or a receipt disagrees with the entries.
        LogIncomplete: Files or entries are missing or can't be read.
    """
    try:
        return _verify(folder, receipts, progress or _nothing, taken or _nothing)
    except OSError as error:
        raise LogIncomplete(f"{error.filename or folder} can't be read: {error.strerror}") from error


def _nothing(_one: int, _other: int | bytes) -> None:
    pass


def _verify(
    folder: Path,
    receipts: Path | None,
    progress: Callable[[int, int], None],
    taken: Callable[[int, bytes], None],
) -> Report:
    head = _read_head(folder)
    if head is None:
        raise LogIncomplete(f"{HEAD_NAME} is missing; {PULL_AGAIN}, or name the folder that holds it")
    awaited = read_receipts(receipts, head.origin) if receipts is not None else []
    history, tree, bundles, matched = History(), merkle.CompactRange(), 0, 0
    for entries in _bundles(folder):
        for entry in entries:
            index, entry_hash = tree.size, merkle.leaf_hash(entry)
            _take_in(history, entry, index)
            taken(index, entry)
            tree.append(entry_hash)
            while matched < len(awaited) and awaited[matched].leaf_index == index:
                _require_same(awaited[matched], entry_hash)
                matched += 1
        bundles += 1
        progress(tree.size, head.tree_size)
    _require_head(head, tree)
    if matched < len(awaited):
        raise _beyond(awaited[matched])
    return Report(
        head=head,
        bundles=bundles,
        partners=history.partners,
        releases=history.kinds[leaf_pb2.LEAF_KIND_RELEASE],
        replays=history.kinds[leaf_pb2.LEAF_KIND_REPLAY],
        units=history.units,
        receipts=None if receipts is None else len(awaited),
        requests=None if receipts is None else sum(receipt.names_request for receipt in awaited),
        first_micros=history.first_micros,
        last_micros=history.last_micros,
    )


def _take_in(history: History, entry: bytes, index: int) -> None:
    try:
        history.append(leaf.decode(entry))
    except leaf.LeafInvalid as error:
        raise LogInvalid(f"entry {index:,}: {error}", index=index) from error


def _require_same(receipt: Receipt, entry_hash: bytes) -> None:
    if receipt.leaf_hash != entry_hash:
        index = receipt.leaf_index
        raise LogDiverged(f"receipt {receipt.name} holds another leaf than entry {index:,}", index=index)


def _beyond(receipt: Receipt) -> LogIncomplete:
    index = receipt.leaf_index
    return LogIncomplete(
        f"receipt {receipt.name} is for entry {index:,}, and the log ends before it; {PULL_AGAIN}",
        index=index,
    )


def _require_head(head: Head, tree: merkle.CompactRange) -> None:
    size, told = tree.size, head.tree_size
    if size < told:
        number = size // BUNDLE_WIDTH
        path = bundle_path(number, min(BUNDLE_WIDTH, told - number * BUNDLE_WIDTH))
        raise LogIncomplete(
            f"{path} is missing: the folder holds {size:,} entries of {told:,}; {PULL_AGAIN}", index=size
        )
    if size > told:
        raise LogDiverged(f"the folder holds {size:,} entries, and {HEAD_NAME} counts {told:,}", index=told)
    if tree.root() != head.root_hash:
        raise LogDiverged(
            f"the {size:,} entries have another root than {HEAD_NAME} says: one or the other was changed"
        )


def _bundles(folder: Path) -> Iterator[list[bytes]]:
    stored = stored_size(folder)
    for first in range(0, stored, BUNDLE_WIDTH):
        number, width = first // BUNDLE_WIDTH, min(BUNDLE_WIDTH, stored - first)
        entries = _read_bundle(folder, number, width)
        yield entries[:width]
        if len(entries) != width:
            raise _miscounted(number, width, len(entries))


def _miscounted(number: int, width: int, found: int) -> LogError:
    message = (
        f"{bundle_path(number, width)} holds {found} entries instead of {width}; delete it and {PULL_AGAIN}"
    )
    index = number * BUNDLE_WIDTH + min(found, width)
    return LogIncomplete(message, index=index) if found < width else LogInvalid(message, index=index)


def _partials(folder: Path, number: int) -> Path:
    return folder / f"{bundle_path(number)}.p"


def _read_head(folder: Path) -> Head | None:
    if not (folder / HEAD_NAME).exists():
        return None
    return Head.decode(files.read(folder / HEAD_NAME, HEAD_NAME, MAX_HEAD_BYTES))


def _read_bundle(folder: Path, number: int, width: int) -> list[bytes]:
    path, first = bundle_path(number, width), number * BUNDLE_WIDTH
    data = files.read(folder / path, path, MAX_BUNDLE_BYTES, first)
    try:
        return decode_bundle(data)
    except BundleInvalid as error:
        raise LogInvalid(f"{path} {error}; delete it and {PULL_AGAIN}", index=first + error.place) from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # One fixed name, so that the next opening finds what a crash leaves half written.
    temporary = path.parent / _TEMPORARY_NAME
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
