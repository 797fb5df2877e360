"""Which entries an export is of: a filter, its one form in JSON, and whether a leaf passes it. Pure.

    {"about_a_person":true,"decisions":["SCORED"],"kinds":["RELEASE"],"partner_id":"acme",
     "purposes":["CREDIT_APPLICATION"],"since":"2026-11-01T00:00:00.000000Z","until":…}

Only what is set stands there; `{}` lets every entry pass. Whom an export was about is not said: the log's
entry of the export holds that, in its private part.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import ClaimInvalid
from scoregate.instants import micros
from scoregate.partner.v1 import types_pb2
from scoregate.proof import shapes
from scoregate.proof.digest import Json, spell_instant

_ENUMS: Mapping[str, tuple[Any, str]] = {
    "decisions": (leaf_pb2.Decision, "DECISION_"),
    "kinds": (leaf_pb2.LeafKind, "LEAF_KIND_"),
    "purposes": (types_pb2.Purpose, "PURPOSE_"),
}
WORDS: Mapping[str, Mapping[str, int]] = {
    member: {name.removeprefix(prefix): number for name, number in kind.items() if number}
    for member, (kind, prefix) in _ENUMS.items()
}
"""Member → the contract's words without their prefixes, and their numbers."""

_SPELLED = {member: {number: word for word, number in words.items()} for member, words in WORDS.items()}
_MEMBERS = frozenset({"about_a_person", "partner_id", "since", "until", *WORDS})
_MAX_PARTNER_CHARACTERS = 40


def spell(member: str, number: int) -> str:
    """Return an enum's word, such as "RELEASE" of "kinds"; "" for 0, and a number that is new as it is."""
    return _SPELLED[member].get(number, str(number) if number else "")


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions, all of which an entry meets. Those that are not set let any entry pass."""

    partner_id: str = ""
    since: datetime | None = None  # UTC; no earlier
    until: datetime | None = None  # UTC; earlier
    decisions: frozenset[int] = frozenset()
    purposes: frozenset[int] = frozenset()
    kinds: frozenset[int] = frozenset()
    about_a_person: bool = False

    @property
    def is_by_leaf(self) -> bool:
        """Whether entries of one time differ in whether they pass: those of a range have to be read."""
        return bool(self.partner_id or self.decisions or self.purposes or self.kinds)

    def broken_by(self, leaf: leaf_pb2.Leaf) -> str:
        """Return the member that does not let a leaf pass; "" if all do, as far as a leaf tells."""
        checks = (
            ("partner_id", not self.partner_id or leaf.partner_id == self.partner_id),
            ("since", self.since is None or leaf.time_micros >= micros(self.since)),
            ("until", self.until is None or leaf.time_micros < micros(self.until)),
            ("decisions", not self.decisions or leaf.decision in self.decisions),
            ("purposes", not self.purposes or leaf.purpose in self.purposes),
            ("kinds", not self.kinds or leaf.kind in self.kinds),
            ("about_a_person", not self.about_a_person or bool(leaf.commitment)),
        )
        return next((member for member, holds in checks if not holds), "")

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        found: dict[str, Json] = {}
        if self.about_a_person:
            found["about_a_person"] = True
        if self.partner_id:
            found["partner_id"] = self.partner_id
        for member in ("since", "until"):
            at = getattr(self, member)
            if at is not None:
                found[member] = spell_instant(member, at)
        for member in WORDS:
            if getattr(self, member):
                found[member] = sorted(spell(member, number) for number in getattr(self, member))
        return found

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the filter that a JSON object is.

        Raises:
            ClaimInvalid: It is none.
        """
        given = shapes.members("filter", value, frozenset(), _MEMBERS)
        partner_id = given.get("partner_id", "")
        shapes.require_type("filter.partner_id", partner_id, str)
        if len(partner_id) > _MAX_PARTNER_CHARACTERS:
            raise ClaimInvalid(
                "filter.partner_id", f"at most {_MAX_PARTNER_CHARACTERS} characters belong here"
            )
        about = given.get("about_a_person", False)
        shapes.require_type("filter.about_a_person", about, bool)
        return cls(
            partner_id=partner_id,
            about_a_person=about,
            since=_instant("since", given),
            until=_instant("until", given),
            decisions=_numbers("decisions", given),
            purposes=_numbers("purposes", given),
            kinds=_numbers("kinds", given),
        )


def _instant(member: str, given: Mapping[str, Any]) -> datetime | None:
    return shapes.instant(f"filter.{member}", given[member]) if member in given else None


def _numbers(member: str, given: Mapping[str, Any]) -> frozenset[int]:
    items = shapes.items(f"filter.{member}", given.get(member, []))
    found = []
    for item in items:
        if type(item) is not str or item not in WORDS[member]:
            raise ClaimInvalid(
                f"filter.{member}", "words of this contract belong here; a newer scoregate may know more"
            )
        found.append(WORDS[member][item])
    return frozenset(found)
