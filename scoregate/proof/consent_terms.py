"""What a person agreed to, as a consent receipt says it: the section "processing" of ISO/IEC TS 27560:2023.

Pure. A periodic consent has a frequency and a one-time one has none; the inquiry type follows from the
purpose, so it is written and never chosen.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from scoregate.errors import ClaimInvalid
from scoregate.proof import shapes
from scoregate.proof.claims import inquiry_of
from scoregate.proof.digest import Json, spell_instant
from scoregate.proof.results import SCORE_RANGE
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, InquiryType, Purpose

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_NOTICE_VERSION = re.compile(r"[!-~]{1,16}")
_MOST_USES = 1_000_000
_LONGEST_DATA_LIFE = 100 * 366 * 86_400  # seconds

_FREQUENCY = frozenset({"uses", "unit"})
_WORDS = {"purpose": Purpose, "inquiry": InquiryType, "mode": ConsentMode}
_INSTANTS = ("not_before", "expires_at")
_SETS = {"disclosures": Disclosure, "excluded_families": InputFamily}
_PROCESSING = frozenset(
    (
        *_WORDS,
        *_INSTANTS,
        *_SETS,
        *("frequency", "time_zone", "data_life_seconds", "notice_version", "consent_sha256"),
    )
)
_LINES = frozenset({"thresholds"})


@dataclass(frozen=True, slots=True)
class Processing:
    """What the person agreed to. Immutable: what changes is among the events.

    Raises:
        ClaimInvalid: On making one that breaks a rule.
    """

    purpose: Purpose
    disclosures: frozenset[Disclosure]
    mode: ConsentMode
    frequency: tuple[int, CalendarUnit] | None  # uses in each calendar unit; None for a one-time consent
    time_zone: str  # IANA name in which the frequency's periods run
    not_before: datetime  # UTC; holds from this instant on
    expires_at: datetime  # UTC; dead at this instant
    data_life_seconds: int  # how long the partner may keep an answer
    excluded_families: frozenset[InputFamily]
    notice_version: str  # of the words that the person saw
    consent_sha256: str  # hex; in every attestation under this consent
    thresholds: tuple[int, ...] | None = None  # the lines at which a yes or no may be told, rising

    def __post_init__(self) -> None:
        shapes.require_type("purpose", self.purpose, Purpose)
        shapes.require_type("mode", self.mode, ConsentMode)
        _require_set("disclosures", self.disclosures, Disclosure)
        _require_set("excluded_families", self.excluded_families, InputFamily)
        if not self.disclosures:
            raise ClaimInvalid("disclosures", "at least one belongs here")
        self._require_frequency()
        shapes.require_text("time_zone", self.time_zone, _TIME_ZONE)
        shapes.require_instant("not_before", self.not_before)
        shapes.require_instant("expires_at", self.expires_at)
        if self.expires_at <= self.not_before:
            raise ClaimInvalid("expires_at", "must be later than not_before")
        shapes.require_integer("data_life_seconds", self.data_life_seconds, 1, _LONGEST_DATA_LIFE)
        shapes.require_text("notice_version", self.notice_version, _NOTICE_VERSION)
        shapes.require_text("consent_sha256", self.consent_sha256, _SHA256)
        if self.thresholds is not None:
            self._require_lines(self.thresholds)

    def _require_lines(self, thresholds: tuple[int, ...]) -> None:
        shapes.require_type("thresholds", thresholds, tuple)
        for line in thresholds:
            shapes.require_integer("thresholds", line, *SCORE_RANGE)
        if list(thresholds) != sorted(set(thresholds)):
            raise ClaimInvalid("thresholds", "they rise, each once")
        if Disclosure.THRESHOLD not in self.disclosures:
            raise ClaimInvalid("thresholds", "they need THRESHOLD among the disclosures")

    def _require_frequency(self) -> None:
        if (self.frequency is None) == (self.mode is ConsentMode.PERIODIC):
            raise ClaimInvalid("frequency", "a PERIODIC consent has one, a ONE_TIME consent has null")
        if self.frequency is not None:
            uses, unit = self.frequency
            shapes.require_integer("frequency.uses", uses, 1, _MOST_USES)
            shapes.require_type("frequency.unit", unit, CalendarUnit)

    @property
    def inquiry(self) -> InquiryType:
        """How an answer counts; it follows from the purpose."""
        return inquiry_of(self.purpose)

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        told: dict[str, Json] = {
            "purpose": self.purpose,
            "inquiry": self.inquiry,
            "disclosures": sorted(self.disclosures),
            "mode": self.mode,
            "frequency": self.frequency and {"uses": self.frequency[0], "unit": self.frequency[1]},
            "time_zone": self.time_zone,
            "not_before": spell_instant("not_before", self.not_before),
            "expires_at": spell_instant("expires_at", self.expires_at),
            "data_life_seconds": self.data_life_seconds,
            "excluded_families": sorted(self.excluded_families),
            "notice_version": self.notice_version,
            "consent_sha256": self.consent_sha256,
        }
        return told if self.thresholds is None else told | {"thresholds": self.thresholds}

    @classmethod
    def read(cls, value: object) -> Self:
        """Return what a JSON object says."""
        members = shapes.members("processing", value, _PROCESSING, _PROCESSING | _LINES)
        for name, kind in _WORDS.items():
            members[name] = shapes.word(name, members[name], kind)
        if members.pop("inquiry") is not inquiry_of(members["purpose"]):
            raise ClaimInvalid("inquiry", "must be the purpose's own inquiry type")
        for name, each in _SETS.items():
            members[name] = frozenset(
                shapes.word(name, item, each) for item in shapes.items(name, members[name])
            )
        for name in _INSTANTS:
            members[name] = shapes.instant(name, members[name])
        if "thresholds" in members:
            members["thresholds"] = tuple(shapes.items("thresholds", members["thresholds"]))
        return cls(**members | {"frequency": _read_frequency(members["frequency"])})


def _read_frequency(value: object) -> tuple[int, CalendarUnit] | None:
    if value is None:
        return None
    members = shapes.members("frequency", value, _FREQUENCY, _FREQUENCY)
    return members["uses"], shapes.word("frequency.unit", members["unit"], CalendarUnit)


def _require_set(claim: str, values: object, kind: type) -> None:
    shapes.require_type(claim, values, frozenset)
    for each in values:  # type: ignore[attr-defined]
        shapes.require_type(claim, each, kind)
