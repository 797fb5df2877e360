"""A pulled log: the folder that `scoregate audit pull` writes and `scoregate log verify` checks.

    DIR/checkpoint            what the log signed (C2SP tlog-checkpoint), and its witnesses
    DIR/tile/entries/...      entry bundles (tiles.py): full ones, and at most one partial at the end
    DIR/tile/<level>/...      hash tiles, made here from the entries
    DIR/.accepted             what `log verify` accepted last (accepted.py); nothing here touches it

This is the record, on disk: a log of C2SP tlog-tiles, which any tool that knows them can read.

Writing. The bytes depend on the log alone, never on how often a pull was broken off: a file appears
whole, by renaming, and a partial one goes when a fuller one is there. Write the checkpoint first, then
the entries up to its size, then the hash tiles: a broken pull then reads as incomplete, never as
diverged. One writer at a time.
"""

from collections.abc import Sequence
from pathlib import Path

from scoregate.auditing.held import MAX_BUNDLE_BYTES
from scoregate.tlog import files, merkle
from scoregate.tlog.accepted import write_whole
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import PULL_AGAIN, LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.note import MAX_NOTE_BYTES, Note
from scoregate.tlog.sources import CHECKPOINT, EARLIER_FORM
from scoregate.tlog.tiles import (
    BUNDLE_WIDTH,
    TILE_BYTES,
    TILE_WIDTH,
    BundleInvalid,
    TileInvalid,
    bundle_path,
    decode_bundle,
    encode_bundle,
    tile_hashes,
    tile_path,
    tiles_of,
)

WRITING = ".writing"
"""The one name of whatever is half written, so that the next opening finds what a crash leaves."""


class PulledLog:
    """A folder to pull a log into. Opening it makes it, and clears away what a crash left behind.

    Raises:
        LogInvalid: It holds a checkpoint already, which is unreadable.
        LogIncomplete: An earlier scoregate pulled into it, when nothing was signed.
        OSError: The disk refuses, here or in any method; nothing half written takes effect.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / EARLIER_FORM).exists() and not (folder / CHECKPOINT).exists():
            raise LogIncomplete(
                f"{folder} was pulled by an earlier scoregate, when nothing was signed ({EARLIER_FORM});"
                " keep it, and pull into a new folder"
            )
        self._folder = folder
        self._checkpoint = _read_checkpoint(folder)
        self._size = stored_size(folder)
        (folder / WRITING).unlink(missing_ok=True)
        number, width = divmod(self._size, BUNDLE_WIDTH)
        self._drop_partials(bundle_path(number), keep=width)
        if number:
            self._drop_partials(bundle_path(number - 1), keep=0)

    def size(self) -> int:
        """How many entries it holds from index 0 on without a gap: go on with this index."""
        return self._size

    def checkpoint(self) -> Checkpoint | None:
        """Return what the checkpoint that was written last says, if any. Nobody has verified it."""
        return self._checkpoint

    def write_checkpoint(self, note: bytes) -> None:
        """Record what the log signed now; durable on return. Its signatures are for `log verify` to check.

        Raises:
            LogRolledBack: It is smaller than the recorded one.
            LogDiverged: Another origin, or another root for the recorded size.
            LogInvalid: It is no checkpoint.
        """
        checkpoint = Checkpoint.decode(Note.decode(note).text)
        if self._checkpoint is not None:
            if checkpoint.origin != self._checkpoint.origin:
                raise LogDiverged(
                    f"the folder holds the log {self._checkpoint.origin}, not {checkpoint.origin};"
                    " pull into another folder"
                )
            self._checkpoint.require_successor(checkpoint)
        self._write(CHECKPOINT, note)
        self._checkpoint = checkpoint

    def append(self, entries: Sequence[bytes]) -> None:
        """Add the entries from index `size()` on; durable on return, resumable when broken off.

        Raises:
            BundleInvalid: An entry is too long for a bundle; the ones before its bundle are kept.
            LogInvalid, LogIncomplete: The partial bundle to be filled up is damaged.
        """
        number, width = divmod(self._size, BUNDLE_WIDTH)
        held = self._bundle(number, width) if width else []
        pending = [*held, *entries] if entries else []
        for start in range(0, len(pending), BUNDLE_WIDTH):
            bundle = pending[start : start + BUNDLE_WIDTH]
            self._write(bundle_path(number, len(bundle)), encode_bundle(bundle))
            # From here the fuller bundle counts; after a crash the next opening drops the old partial.
            self._size = number * BUNDLE_WIDTH + len(bundle)
            self._drop_partials(bundle_path(number), keep=len(bundle) % BUNDLE_WIDTH)
            number += 1

    def write_tiles(self) -> None:
        """Make the hash tiles of the entries that are there; those that are there already are left alone.

        Raises:
            LogInvalid, LogIncomplete: A bundle or a tile that they follow from is damaged.
        """
        for level, number, width in tiles_of(self._size):
            path = tile_path(level, number, width)
            if not (self._folder / path).is_file():
                self._write(path, b"".join(self._hashes(level, number, width)))
            self._drop_partials(tile_path(level, number), keep=width % TILE_WIDTH)

    def _hashes(self, level: int, number: int, width: int) -> list[bytes]:
        if not level:
            return [merkle.leaf_hash(entry) for entry in self._bundle(number, width)]
        first = number * TILE_WIDTH
        return [merkle.root(self._tile(level - 1, first + place)) for place in range(width)]

    def _tile(self, level: int, number: int) -> list[bytes]:
        path = tile_path(level, number)
        data = files.read(self._folder / path, path, TILE_BYTES)
        try:
            whole = tile_hashes(data, level, number, TILE_WIDTH)
        except TileInvalid as error:
            raise LogInvalid(f"{error}; delete {path} and {PULL_AGAIN}") from error
        return [whole[at : at + merkle.HASH_BYTES] for at in range(0, TILE_BYTES, merkle.HASH_BYTES)]

    def _bundle(self, number: int, width: int) -> list[bytes]:
        path, first = bundle_path(number, width), number * BUNDLE_WIDTH
        data = files.read(self._folder / path, path, MAX_BUNDLE_BYTES, first)
        try:
            entries = decode_bundle(data)
        except BundleInvalid as error:
            place = first + error.place
            raise LogInvalid(f"{path} {error}; delete it and {PULL_AGAIN}", index=place) from error
        if len(entries) != width:
            raise _miscounted(path, first, width, len(entries))
        return entries

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, self._folder / WRITING)

    def _drop_partials(self, full: str, keep: int) -> None:
        # `keep` is the width to keep, 0 for none.
        partials = self._folder / f"{full}.p"
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
    partials = folder / f"{bundle_path(number)}.p"
    widths = (width for width in range(BUNDLE_WIDTH - 1, 0, -1) if (partials / str(width)).is_file())
    return number * BUNDLE_WIDTH + next(widths, 0)


def _read_checkpoint(folder: Path) -> Checkpoint | None:
    if not (folder / CHECKPOINT).exists():
        return None
    data = files.read(folder / CHECKPOINT, CHECKPOINT, MAX_NOTE_BYTES)
    return Checkpoint.decode(Note.decode(data).text)


def _miscounted(path: str, first: int, width: int, found: int) -> LogError:
    message = f"{path} holds {found} entries instead of {width}; delete it and {PULL_AGAIN}"
    index = first + min(found, width)
    return LogIncomplete(message, index=index) if found < width else LogInvalid(message, index=index)
