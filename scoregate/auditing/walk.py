"""One pass over the entries of a log, in order: each is held to whatever must agree with it.

Pure but for what it is given. Which fault is told is the first in the order of the log: what costs little
(tiles, receipts) is compared for a whole bundle at once, and the leaves are read up to what that found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from scoregate.auditing.held import Held
from scoregate.auditing.history import History
from scoregate.auditing.openings import Openings
from scoregate.proof import leaf
from scoregate.proof.receipts import Receipt
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.tiles import BUNDLE_WIDTH, TILE_BYTES, TILE_HEIGHT
from scoregate.tlog.tree_tiles import Frontier


@dataclass(frozen=True, slots=True)
class Due:
    """A tree that somebody was shown: this log must begin with it."""

    tree: Checkpoint
    by: str  # who says so, such as "receipt 41.json"


class Walk:
    """The pass. A foreign log has no history, and neither receipts nor openings."""

    def __init__(
        self,
        held: Held,
        history: History | None,
        receipts: Sequence[Receipt],
        openings: Openings | None,
        due: Sequence[Due],
    ) -> None:
        self.history = history
        self.bundles = 0
        self._held = held
        self._receipts, self._matched = receipts, 0
        self._openings = openings
        self._due = sorted(due, key=lambda each: each.tree.size)
        self._frontier = Frontier()

    def go(
        self,
        root: bytes,
        progress: Callable[[int, int], None],
        taken: Callable[[int, bytes], None] | None,
    ) -> None:
        """Go over all of it, and return only if it holds and has this root.

        Raises:
            LogInvalid, LogDiverged, LogIncomplete: As recompute.verify.
        """
        for number, width in enumerate(self._held.widths()):
            entries, fault = self._held.bundle(number, width)
            self._take_in(number, entries, is_whole=fault is None)
            if taken is not None:
                for index, entry in enumerate(entries, number * BUNDLE_WIDTH):
                    taken(index, entry)
            if fault is not None:
                raise fault
            progress(self._frontier.size, self._held.size)
        self._finish(root)

    def _take_in(self, number: int, entries: list[bytes], *, is_whole: bool) -> None:
        first = number * BUNDLE_WIDTH
        hashes = [sha256(b"\x00" + entry).digest() for entry in entries]  # leaf_hash(), in the inner loop
        faults = (
            self._held.tile_fault(0, number, b"".join(hashes), is_due=is_whole),
            self._receipt_fault(first, hashes),
        )
        fault = min((each for each in faults if each is not None), key=_place, default=None)
        self._read_leaves(first, entries if fault is None else entries[: _place(fault) - first + 1])
        if fault is not None:
            raise fault
        self._require_begun(hashes)
        growth = self._frontier.grow(hashes)
        self._frontier = growth.frontier
        self.bundles += 1
        for (level, place), tile in growth.tiles.items():
            if level and len(tile) == TILE_BYTES:
                self._require_tile(level, place, tile)

    def _read_leaves(self, first: int, entries: list[bytes]) -> None:
        history, openings = self.history, self._openings
        if history is None:
            return
        index = first
        try:
            for index, entry in enumerate(entries, first):
                found = leaf.decode(entry)
                history.append(found)
                if openings is not None:
                    openings.take(index, found)
        except leaf.LeafInvalid as error:
            hint = "" if index else "; if this log is of another kind than Scoregate's, add --foreign"
            raise LogInvalid(f"entry {index:,}: {error}{hint}", index=index) from error

    def _receipt_fault(self, first: int, hashes: list[bytes]) -> LogDiverged | None:
        beyond = first + len(hashes)
        while self._matched < len(self._receipts):
            receipt = self._receipts[self._matched]
            index = receipt.leaf_index
            if index >= beyond:
                break
            if receipt.leaf_hash != hashes[index - first]:
                told = f"receipt {receipt.name} holds another leaf than entry {index:,}"
                return LogDiverged(told, index=index)
            self._matched += 1
        return None

    def _require_begun(self, hashes: list[bytes]) -> None:
        """Return only if each tree that was shown, and ends among these entries, is how this log begins."""
        before = self._frontier
        while self._due and self._due[0].tree.size <= before.size + len(hashes):
            due = self._due.pop(0)
            size = due.tree.size
            if before.grow(hashes[: size - before.size]).frontier.root() != due.tree.root:
                raise LogDiverged(
                    f"the first {size:,} entries have another root than {due.by} says: different entries were"
                    " shown to different people, or at different times. Keep both as evidence"
                )

    def _require_tile(self, level: int, number: int, known: bytes) -> None:
        fault = self._held.tile_fault(level, number, known)
        if fault is not None:
            raise fault

    def _finish(self, root: bytes) -> None:
        size = self._held.size
        self._require_begun([])  # of an empty log, no bundle came along
        for level, known in enumerate(self._frontier.partials):
            if level and known:
                self._require_tile(level, size >> TILE_HEIGHT * (level + 1), known)
        if self._frontier.root() != root:
            raise LogDiverged(
                f"the {size:,} entries have another root than the checkpoint: one or the other was changed"
            )
        if self._matched < len(self._receipts):
            receipt = self._receipts[self._matched]
            raise self._beyond(f"receipt {receipt.name}", f"entry {receipt.leaf_index:,}", receipt.leaf_index)
        if self._due:
            raise self._beyond(self._due[0].by, f"{self._due[0].tree.size:,} entries", size)
        if self._openings is not None:
            self._openings.finish(size)

    def _beyond(self, whose: str, what: str, index: int) -> LogIncomplete:
        told = f"{whose} is for {what}, and the log ends before it, with {self._held.size:,}"
        return LogIncomplete(f"{told}; {self._held.again}", index=index)


def _place(fault: LogError) -> int:
    return fault.index or 0
