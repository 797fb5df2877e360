"""Recomputes a statement from the partner's own entries, one after the other, and believes none of its sums.

Pure. Which entry belongs to which day is said in statement.py. Fed every entry from the statement's first to
its last, in order, it holds each to its format (leaf.py) and its place: the partner's own, numbered without
gaps, further along the log than the one before, no earlier, and below the tree's size. Whether they are in
that tree is for whoever has the proofs.

A RELEASE that cost something names an answer of its own, so none is charged twice, and the day and month
that it debited: they are those of its own time, give or take the day by which clocks on earth differ, so no
charge can be moved into another month's statement.
"""

from collections import defaultdict
from datetime import timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import ClaimInvalid, ScoregateError
from scoregate.instants import moment
from scoregate.proof import leaf as leaves
from scoregate.proof.leaf import LeafInvalid
from scoregate.proof.shapes import day as read_day
from scoregate.proof.statement import NONE, Group, Statement, Sums
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid

_A_DAY = timedelta(days=1)
_QUARTER_MICROS = 900_000_000  # of an hour: no clock on earth is set by less


class ZoneUnknown(ScoregateError):
    """The statement's time zone is not known on this machine."""


def day_of(leaf: leaf_pb2.Leaf, time_zone: str) -> str:
    """Return the day that an entry belongs to, in a statement of this time zone.

    Raises:
        LeafInvalid: It names other periods than a day and its month, or a day that was not then.
        ZoneUnknown: There is no such time zone here.
    """
    made = _local(time_zone, leaf.time_micros // _QUARTER_MICROS)
    if not leaf.cost_units:
        return made
    if len(leaf.quota_periods) != 2 or leaf.quota_periods[1] != leaf.quota_periods[0][:7]:
        raise LeafInvalid("quota_periods", "are not a day and its month")
    try:
        named = read_day("quota_periods", leaf.quota_periods[0])
    except ClaimInvalid as error:
        raise LeafInvalid("quota_periods", "are not a day and its month") from error
    if abs(named - moment(leaf.time_micros).date()) > _A_DAY:
        raise LeafInvalid("quota_periods", "name another day than the entry's own")
    return leaf.quota_periods[0]


@lru_cache(maxsize=4_096)
def _local(time_zone: str, quarter: int) -> str:
    made = moment(quarter * _QUARTER_MICROS)
    try:
        return made.astimezone(ZoneInfo(time_zone)).date().isoformat()
    except OverflowError:  # the last hours of the year 9999
        return made.date().isoformat()
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ZoneUnknown(
            f"the time zone {time_zone} is not known here; install the system's tzdata, or pip's"
        ) from error


class Recount:
    """Takes a statement's entries. After an error it is spent."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._due = statement.first_sequence
        self._index = -1
        self._time_micros = 0
        self._first_index: int | None = None
        self._last_index: int | None = None
        self._belonging: list[int] = []  # the first and the last sequence of those that are counted
        self._lines: defaultdict[Group, Sums] = defaultdict(lambda: NONE)
        self._others = 0
        self._charged: set[bytes] = set()  # digests of the attestations that cost something

    def add(self, index: int, data: bytes) -> None:
        """Take the next entry.

        Raises:
            LogInvalid: It is no leaf, or breaks a rule of its place.
            LogIncomplete: An entry before it is missing.
            LogDiverged: It is not of this partner, or not of this statement's entries.
        """
        said = self._statement
        try:
            leaf = leaves.decode(data)
            self._require_place(index, leaf)
            day = day_of(leaf, said.time_zone)
        except LeafInvalid as error:
            raise LogInvalid(f"entry {index:,}: {error}", index=index) from error
        self._index, self._time_micros, self._due = index, leaf.time_micros, self._due + 1
        if day[:7] != said.month:
            return
        self._belonging = [*self._belonging[:1], leaf.partner_sequence]
        self._first_index = index if self._first_index is None else self._first_index
        self._last_index = index
        group = Group.of(day, leaf.kind, leaf.method, leaf.purpose, leaf.decision)
        if group is None:
            self._others += 1
            return
        calls = leaf.count if leaf.kind == leaf_pb2.LEAF_KIND_COUNTED_REFUSALS else 1
        self._lines[group] = self._lines[group].plus(1, calls, leaf.cost_units)

    def _require_place(self, index: int, leaf: leaf_pb2.Leaf) -> None:
        said = self._statement
        if leaf.partner_id != said.partner_id:
            raise LogDiverged(f"entry {index:,} is another partner's", index=index)
        if leaf.partner_sequence > self._due:
            raise LogIncomplete(f"the partner's entry number {self._due:,} is missing", index=index)
        if leaf.partner_sequence < self._due:
            raise LeafInvalid("partner_sequence", f"is {leaf.partner_sequence} where {self._due} was due")
        if leaf.partner_sequence > said.last_sequence:
            raise LogDiverged(f"entry {index:,} is behind the statement's last one", index=index)
        if not self._index < index < said.tree_size:
            raise LogInvalid(f"entry {index:,} is not where the log goes on, or not in its tree", index=index)
        if leaf.time_micros < self._time_micros:
            raise LeafInvalid("time_micros", "goes back")
        if leaf.cost_units and leaf.kind != leaf_pb2.LEAF_KIND_RELEASE:
            raise LeafInvalid("cost_units", f"is {leaf.cost_units} on an entry that releases nothing")
        if leaf.cost_units:
            if not leaf.attestation_sha256 or leaf.attestation_sha256 in self._charged:
                raise LeafInvalid("attestation_sha256", "is missing on a charge, or was charged before")
            self._charged.add(leaf.attestation_sha256)

    def finish(self) -> None:
        """Return only if every entry came, and they come to what the statement says.

        Raises:
            LogIncomplete: Entries are missing at the end.
            LogDiverged: A line, a sum or a bound is another one.
        """
        said = self._statement
        if self._due != said.last_sequence + 1:
            raise LogIncomplete(
                f"the partner's entries {self._due:,} to {said.last_sequence:,} are missing; fetch them again"
            )
        lines = dict(said.lines)
        for group in sorted(lines.keys() | self._lines.keys()):
            told, found = lines.get(group, NONE), self._lines.get(group, NONE)
            if told != found:
                what = f"{group.day} {group.kind} {group.decision} {group.method} {group.purpose}"
                raise LogDiverged(
                    f"{what}: the statement has {told.entries:,} entries, {told.calls:,} calls and"
                    f" {told.units:,} units, and the log {found.entries:,}, {found.calls:,} and"
                    f" {found.units:,}; ask the gateway's operator, and keep this file as evidence"
                )
        if self._others != said.other_entries:
            raise LogDiverged(
                f"the statement has {said.other_entries:,} other entries, and the log {self._others:,}"
            )
        ends = (self._first_index, self._last_index)
        if ends != (said.first_index, said.last_index):
            raise LogDiverged("first_index or last_index is not that of the month's first or last entry")
        if said.count and self._belonging[:1] + self._belonging[-1:] != [
            said.first_sequence,
            said.last_sequence,
        ]:
            raise LogDiverged("the range does not begin and end with entries of the month")
