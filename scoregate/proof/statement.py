"""What a quota statement says: what one partner used in a calendar month, and from which entries it follows.

Pure. Sources: RFC 7515 (the signature), RFC 8785 (the bytes).

    {"contract": {"charge_not_scored": false, "daily_units": …, "monthly_units": …},
     "entries": {"count": …, "first_index": …, "first_sequence": …, "last_index": …, "last_sequence": …},
     "header": {"issued_at": …, "issuer": …, "schema_version": 1, "statement_id": …},
     "lines": [{"calls": …, "day": "2026-11-30", "decision": "SCORED", "entries": …, "kind": "RELEASE",
                "method": …, "purpose": …, "units": …}, …],
     "log": {"origin": …, "root_hash": …, "tree_size": …},
     "other_entries": …,
     "partner": {"legal_name": …, "partner_id": …},
     "period": {"is_final": true, "month": "2026-11", "time_zone": …},
     "units": …}

Which entries it is of. An entry that cost units belongs to the day and month that it debited, which it names.
Any other belongs to the day on which it was made, in the statement's time zone. The first and the last that
belong to the month, by partner_sequence, and all between are what recount.py takes. A contract whose time
zone was changed may have some between that belong to another month; they are not counted here.

A line counts entries alike in all that it names. `calls` are the calls that they record: one each, and of an
entry of counted refusals as many as it says. What records no call (a consent that was given, a contract that
was changed) is in `other_entries`. The contract is the one in force when the statement was issued.

Rules, in force whenever a statement is made or read:

 1. exactly the named members, each of its type and inside its bounds;
 2. lines in order, each once, of days in the month; only a RELEASE costs units;
 3. `units` and `entries.count` are the sums of the lines, and of `other_entries`;
 4. the range holds as many entries as are counted, or more, all of them below `tree_size`;
 5. the bytes are the canonical form: one meaning, one spelling.

Every error names the member and never its value.
"""

import re
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Self

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import AttestationMalformed, ClaimInvalid, JsonRefused, SignatureInvalid
from scoregate.partner.v1 import types_pb2
from scoregate.proof import digest, jws, shapes
from scoregate.proof.digest import Json, spell_instant
from scoregate.proof.jwk import VerificationKeys
from scoregate.tlog.lines import MAX_NUMBER

TYP = "quota-statement+jwt"
SCHEMA_VERSION = 1
MAX_LINES = 10_000
MAX_COMPACT_CHARACTERS = 4 * 1024 * 1024  # so many lines have less
MOST = 2**53 - 1  # what JSON has an exact form for

_DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII)
MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_METHOD = re.compile(r"[!-~]{0,255}")
_TEXTS = {
    "statement_id": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "issuer": re.compile(r"[!-~]{1,255}"),
    "partner_id": re.compile(r"[A-Za-z0-9._-]{1,64}"),
    "month": MONTH,
    "time_zone": re.compile(r"[A-Za-z0-9._+/-]{1,64}"),
    "origin": re.compile(r"[!-~]{1,255}"),
    "root_hash": _SHA256,
}
MAX_LEGAL_NAME_CHARACTERS = 120

KINDS = ("RELEASE", "REFUSAL", "REPLAY", "COUNTED_REFUSALS")
"""Entries that record calls."""

_DECISIONS = {_name.removeprefix("DECISION_") for _name in leaf_pb2.Decision.keys()}  # noqa: SIM118
_PURPOSES = {_name.removeprefix("PURPOSE_") for _name in types_pb2.Purpose.keys()}  # noqa: SIM118

_MEMBERS: dict[str, tuple[str, ...]] = {
    "header": ("schema_version", "statement_id", "issued_at", "issuer"),
    "partner": ("partner_id", "legal_name"),
    "period": ("month", "time_zone", "is_final"),
    "contract": ("daily_units", "monthly_units", "charge_not_scored"),
    "entries": ("count", "first_sequence", "last_sequence", "first_index", "last_index"),
    "log": ("origin", "tree_size", "root_hash"),
}
_ALL = frozenset((*_MEMBERS, "lines", "other_entries", "units"))


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """In what all entries of a line are alike. Words of the leaf without their prefixes."""

    day: str  # in the month
    kind: str
    method: str
    purpose: str  # "UNSPECIFIED" where none was read
    decision: str

    @classmethod
    def of(cls, day: str, kind: Any, method: str, purpose: Any, decision: Any) -> Self | None:
        """The group of a leaf with these fields; None for one that records no call."""
        name = leaf_pb2.LeafKind.Name(kind).removeprefix("LEAF_KIND_")
        if name not in KINDS:
            return None
        return cls(
            day,
            name,
            method,
            types_pb2.Purpose.Name(purpose).removeprefix("PURPOSE_"),
            leaf_pb2.Decision.Name(decision).removeprefix("DECISION_"),
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """What the entries of a group come to."""

    entries: int
    calls: int
    units: int

    def plus(self, entries: int, calls: int, units: int) -> "Sums":
        """The sums with so much more."""
        return Sums(self.entries + entries, self.calls + calls, self.units + units)


NONE = Sums(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Statement:
    """One partner's month.

    Raises:
        ClaimInvalid: On making one that breaks a rule.
    """

    statement_id: str  # a UUID
    issued_at: datetime  # UTC
    issuer: str
    partner_id: str
    legal_name: str
    month: str  # YYYY-MM
    time_zone: str  # IANA
    is_final: bool  # False: the month still runs, or not all of its entries are published
    daily_units: int  # of the contract when this was issued
    monthly_units: int
    charge_not_scored: bool
    count: int  # entries that belong to the month
    first_sequence: int  # of the first of them; of an empty month, the one that is due next
    last_sequence: int  # of the last of them; of an empty month, the one before that
    first_index: int | None  # of the first one's leaf; None in an empty month
    last_index: int | None
    other_entries: int  # that record no call
    lines: tuple[tuple[Group, Sums], ...]
    units: int
    origin: str  # of the checkpoint that it rests on
    tree_size: int
    root_hash: str  # hex

    def __post_init__(self) -> None:
        for member, shape in _TEXTS.items():
            shapes.require_text(member, getattr(self, member), shape)
        shapes.require_instant("issued_at", self.issued_at)
        shapes.require_type("legal_name", self.legal_name, str)
        if not (0 < len(self.legal_name) <= MAX_LEGAL_NAME_CHARACTERS and self.legal_name.isprintable()):
            raise ClaimInvalid(
                "legal_name", f"1 to {MAX_LEGAL_NAME_CHARACTERS} printable characters belong here"
            )
        shapes.require_type("is_final", self.is_final, bool)
        shapes.require_type("charge_not_scored", self.charge_not_scored, bool)
        for name in ("daily_units", "monthly_units", "count", "last_sequence", "other_entries", "units"):
            shapes.require_integer(name, getattr(self, name), 0, MOST)
        shapes.require_integer("first_sequence", self.first_sequence, 1, MOST)
        shapes.require_integer("tree_size", self.tree_size, 1, min(MOST, MAX_NUMBER))
        self._require_range()
        self._require_lines()

    def _require_range(self) -> None:
        span = self.last_sequence - self.first_sequence + 1
        if span < self.count or (span != 0) != (self.count != 0):
            raise ClaimInvalid("last_sequence", "the range must hold the entries that are counted")
        for name in ("first_index", "last_index"):
            index = getattr(self, name)
            if self.count:
                shapes.require_integer(name, index, 0, self.tree_size - 1)
            elif index is not None:
                raise ClaimInvalid(name, "null belongs here where the month has no entries")
        if self.count and (self.last_index or 0) - (self.first_index or 0) < span - 1:
            raise ClaimInvalid("last_index", "the log must have room for the range")

    def _require_lines(self) -> None:
        if len(self.lines) > MAX_LINES:
            raise ClaimInvalid("lines", f"a statement has at most {MAX_LINES:,}")
        groups = [group for group, _ in self.lines]
        if any(after <= before for before, after in pairwise(groups)):
            raise ClaimInvalid("lines", "each stands once, in the order of its members")
        for group, sums in self.lines:
            _require_group(group, self.month)
            for name in ("entries", "calls", "units"):
                shapes.require_integer(f"lines.{name}", getattr(sums, name), 0, MOST)
            if sums.units and group.kind != "RELEASE":
                raise ClaimInvalid("lines.units", "only a RELEASE costs any")
        if sum(sums.units for _, sums in self.lines) != self.units:
            raise ClaimInvalid("units", "must be the sum of the lines'")
        if sum(sums.entries for _, sums in self.lines) + self.other_entries != self.count:
            raise ClaimInvalid("count", "must be the sum of the lines' entries and of other_entries")

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        plain: dict[str, Json] = {
            part: {name: self._spelled(name) for name in names} for part, names in _MEMBERS.items()
        }
        plain["lines"] = [{**asdict(group), **asdict(sums)} for group, sums in self.lines]
        plain["other_entries"], plain["units"] = self.other_entries, self.units
        return plain

    def _spelled(self, name: str) -> Json:
        if name == "schema_version":
            return SCHEMA_VERSION
        found = getattr(self, name)
        return spell_instant(name, found) if name == "issued_at" else found

    def encode(self) -> bytes:
        """Return the canonical JSON that is signed."""
        return digest.canonical(self.members())

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the statement that these bytes, and no others, are the form of.

        Raises:
            ClaimInvalid: A member is missing, unknown, of another type, or breaks a rule.
            AttestationMalformed: Not JSON, or not in canonical form.
        """
        try:
            members = shapes.members("statement", digest.parse(payload), _ALL, _ALL)
        except JsonRefused as error:
            raise AttestationMalformed(f"statement: {error}") from error
        fields: dict[str, Any] = {}
        for part, names in _MEMBERS.items():
            fields |= shapes.members(part, members[part], frozenset(names), frozenset(names))
        shapes.require_version("schema_version", fields.pop("schema_version"), SCHEMA_VERSION)
        fields["issued_at"] = shapes.instant("issued_at", fields["issued_at"])
        lines = tuple(map(_read_line, shapes.items("lines", members["lines"])))
        others, units = members["other_entries"], members["units"]
        statement = cls(**fields, lines=lines, other_entries=others, units=units)
        if statement.encode() != payload:
            raise AttestationMalformed("statement: not in the canonical form of RFC 8785")
        return statement


def verify(compact: str, keys: VerificationKeys) -> Statement:
    """Return what a signed statement says, if one of these keys signed it.

    Raises:
        AttestationMalformed, ClaimInvalid: Not a statement as this package writes them.
        KeyUnknown: The named key is not among `keys`.
        SignatureInvalid: Anything was changed.
    """
    try:
        payload = jws.verify(compact, typ=TYP, keys=keys, most=MAX_COMPACT_CHARACTERS)
    except SignatureInvalid:
        raise SignatureInvalid(
            "the signature does not hold: the statement was changed; fetch it again"
        ) from None
    return Statement.decode(payload)


_LINE = frozenset(("day", "kind", "method", "purpose", "decision", "entries", "calls", "units"))


def _read_line(value: object) -> tuple[Group, Sums]:
    line = shapes.members("lines", value, _LINE, _LINE)
    group = Group(*(line[name] for name in ("day", "kind", "method", "purpose", "decision")))
    for text in astuple(group):
        shapes.require_type("lines", text, str)
    return group, Sums(line["entries"], line["calls"], line["units"])


def _require_group(group: Group, month: str) -> None:
    shapes.require_text("lines.day", group.day, _DAY)
    shapes.day("lines.day", group.day)
    if group.day[:7] != month:
        raise ClaimInvalid("lines.day", "must be one of the month's")
    shapes.require_text("lines.method", group.method, _METHOD)
    for name, known in (("kind", set(KINDS)), ("purpose", _PURPOSES), ("decision", _DECISIONS)):
        if getattr(group, name) not in known:
            raise ClaimInvalid(f"lines.{name}", "a newer scoregate may know it")
