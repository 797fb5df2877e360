"""What the entries of one log owe each other.

Pure. Feed it every leaf from index 0 on. Each leaf was held to its own rules by leaf.decode; here it
is held to its place: time never goes back; each partner's entries count from 1 without gaps; a
replay refers to an earlier release of the same partner; only a release costs units, and every
release names its attestation.

It keeps a number per partner and four bytes per entry, so a million entries take 4 MB.
"""

from array import array
from collections import Counter

from scoregate.audit.v1 import leaf_pb2
from scoregate.proof.leaf import LeafInvalid

_NO_RELEASE = 0


class History:
    """The log so far, as much of it as the next leaf must agree with.

    After LeafInvalid it is spent: the log is wrong from there on.
    """

    __slots__ = ("_partners", "_released_to", "_sequences", "first_micros", "kinds", "last_micros", "units")

    def __init__(self) -> None:
        self.first_micros = 0  # time of the first entry; 0 before it
        self.last_micros = 0  # time of the latest entry; 0 before the first
        self.kinds: Counter[int] = Counter()  # entries by LeafKind
        self.units = 0  # contract units spent
        self._partners: dict[str, int] = {}  # partner id → its number here, from 1
        self._sequences: Counter[str] = Counter()
        self._released_to = array("I")  # for each index the partner's number, if it was a release

    @property
    def size(self) -> int:
        """How many leaves it was fed: the next one's index."""
        return len(self._released_to)

    @property
    def partners(self) -> int:
        """How many partners the entries concern."""
        return len(self._partners)

    def append(self, leaf: leaf_pb2.Leaf) -> None:
        """Take in the next leaf.

        Raises:
            LeafInvalid: The leaf is in the wrong place; `field` says what shows it.
        """
        kind, time, partner = leaf.kind, leaf.time_micros, leaf.partner_id
        if time < self.last_micros:
            raise LeafInvalid("time_micros", f"goes back by {self.last_micros - time} µs")
        if partner:
            due = self._sequences[partner] + 1
            if leaf.partner_sequence != due:
                raise LeafInvalid(
                    "partner_sequence", f"is {leaf.partner_sequence} where partner {partner!r} was due {due}"
                )
            self._sequences[partner] = due
        number = self._partners.setdefault(partner, len(self._partners) + 1) if partner else 0
        if kind == leaf_pb2.LEAF_KIND_RELEASE:
            self._require_release(leaf)
        elif leaf.cost_units:
            raise LeafInvalid("cost_units", f"is {leaf.cost_units} on an entry that releases nothing")
        if kind == leaf_pb2.LEAF_KIND_REPLAY:
            self._require_release_before(leaf, number)
        self._released_to.append(number if kind == leaf_pb2.LEAF_KIND_RELEASE else _NO_RELEASE)
        self.first_micros = self.first_micros or time
        self.last_micros = time
        self.kinds[kind] += 1
        self.units += leaf.cost_units

    @staticmethod
    def _require_release(leaf: leaf_pb2.Leaf) -> None:
        if not leaf.partner_id:
            raise LeafInvalid("partner_id", "is missing on a release")
        if not leaf.attestation_sha256:
            raise LeafInvalid("attestation_sha256", "is missing on a release")

    def _require_release_before(self, leaf: leaf_pb2.Leaf, number: int) -> None:
        if not leaf.HasField("refers_to"):
            raise LeafInvalid("refers_to", "is missing on a replay")
        first = leaf.refers_to
        if first >= self.size or self._released_to[first] == _NO_RELEASE:
            raise LeafInvalid("refers_to", f"is {first}, which is no earlier release")
        if self._released_to[first] != number:
            raise LeafInvalid("refers_to", f"is {first}, a release to another partner")
