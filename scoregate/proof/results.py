"""What an answer found: a score, a yes or no, or nothing to score.

Pure. A result that breaks a rule cannot be made: the band is the score's own, a family or a reason
stands once, a threshold lies on the grid. Each writes itself as a JSON object and reads itself back.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Self

from scoregate.errors import ClaimInvalid
from scoregate.proof import shapes
from scoregate.proof.digest import Json, spell
from scoregate.words import Band, InputFamily, NotScoredReason

SCORE_RANGE = (350, 950)  # both ends are scores
THRESHOLD_STEP = 50
MAX_REASONS = 4

_BAND_STARTS = ((700, Band.FROM_700), (650, Band.FROM_650), (600, Band.FROM_600), (550, Band.FROM_550))
_MODEL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,64}")
_REASON_CODE = re.compile(r"[A-Z0-9_]{1,32}")
_REASON = frozenset({"code", "text"})
_NOT_SCORED = frozenset({"reason", "evaluated_at"})
_BASIS = frozenset({"model", "evaluated_at", "families"})
_SCORED = _BASIS | {"range", "band"}
_ANSWER = _BASIS | {"threshold", "reached"}


def band_of(score: int) -> Band:
    """Return the band of a score from 350 to 950; the caller has checked that it is one."""
    for start, band in _BAND_STARTS:
        if score >= start:
            return band
    return Band.FROM_350


@dataclass(frozen=True, slots=True)
class ScoreReason:
    """One thing that lowered the score most against the population's average."""

    code: str  # stable, such as "H01"
    text: str  # a sentence for lenders, at most 400 characters


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, shaped by the disclosure."""

    tag: ClassVar = "scored"

    score: int | None  # 350 to 950; None under BAND
    band: Band
    reasons: tuple[ScoreReason, ...] | None  # strongest first, at most four; None unless asked for
    model: str  # "name@version"
    evaluated_at: date  # the epoch
    families: tuple[InputFamily, ...]  # that the score rests on
    form: str = field(init=False, repr=False, compare=False)  # canonical JSON: {"scored":{…}}

    def __post_init__(self) -> None:
        shapes.require_type("band", self.band, Band)
        if self.score is not None:
            shapes.require_integer("score", self.score, *SCORE_RANGE)
            if self.band is not band_of(self.score):
                raise ClaimInvalid("band", "must be the score's own band")
        if self.reasons:
            _require_reasons(self.reasons)
        _require_basis(self.model, self.evaluated_at, self.families)
        object.__setattr__(self, "form", _form(self.tag, self.members()))

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object; what is None is left out."""
        members: dict[str, Json] = {
            "range": SCORE_RANGE,
            "band": self.band,
            "model": self.model,
            "evaluated_at": self.evaluated_at.isoformat(),
            "families": self.families,
        }
        if self.score is not None:
            members["score"] = self.score
        if self.reasons is not None:
            members["reasons"] = [{"code": reason.code, "text": reason.text} for reason in self.reasons]
        return members

    @classmethod
    def read(cls, value: object) -> Self:
        """Return what a JSON object says."""
        members = shapes.members("scored", value, _SCORED, _SCORED | {"score", "reasons"})
        if members["range"] != list(SCORE_RANGE):
            raise ClaimInvalid("range", f"{list(SCORE_RANGE)} belongs here")
        if members.get("score", 0) is None or members.get("reasons", 0) is None:
            raise ClaimInvalid("scored", "what is absent is left out, and never null")
        return cls(
            score=members.get("score"),
            band=shapes.word("band", members["band"], Band),
            reasons=_read_reasons(members["reasons"]) if "reasons" in members else None,
            model=members["model"],
            evaluated_at=shapes.day("evaluated_at", members["evaluated_at"]),
            families=_read_families(members["families"]),
        )


@dataclass(frozen=True, slots=True)
class ThresholdAnswer:
    """Whether a score reaches a threshold. Neither score nor band is here."""

    tag: ClassVar = "answer"

    threshold: int  # a multiple of 50 from 350 to 950
    reached: bool  # score >= threshold
    model: str  # "name@version"
    evaluated_at: date  # the epoch
    families: tuple[InputFamily, ...]  # that the answer rests on
    form: str = field(init=False, repr=False, compare=False)  # canonical JSON: {"answer":{…}}

    def __post_init__(self) -> None:
        shapes.require_integer("threshold", self.threshold, *SCORE_RANGE)
        if self.threshold % THRESHOLD_STEP:
            raise ClaimInvalid("threshold", f"a multiple of {THRESHOLD_STEP} belongs here")
        shapes.require_type("reached", self.reached, bool)
        _require_basis(self.model, self.evaluated_at, self.families)
        object.__setattr__(self, "form", _form(self.tag, self.members()))

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {
            "threshold": self.threshold,
            "reached": self.reached,
            "model": self.model,
            "evaluated_at": self.evaluated_at.isoformat(),
            "families": self.families,
        }

    @classmethod
    def read(cls, value: object) -> Self:
        """Return what a JSON object says."""
        members = shapes.members("answer", value, _ANSWER, _ANSWER)
        return cls(
            threshold=members["threshold"],
            reached=members["reached"],
            model=members["model"],
            evaluated_at=shapes.day("evaluated_at", members["evaluated_at"]),
            families=_read_families(members["families"]),
        )


@dataclass(frozen=True, slots=True)
class NotScored:
    """There is no score, and why. Never a low score in disguise."""

    tag: ClassVar = "not_scored"

    reason: NotScoredReason
    evaluated_at: date  # the epoch that was looked at
    form: str = field(init=False, repr=False, compare=False)  # canonical JSON: {"not_scored":{…}}

    def __post_init__(self) -> None:
        shapes.require_type("not_scored.reason", self.reason, NotScoredReason)
        shapes.require_type("evaluated_at", self.evaluated_at, date)
        object.__setattr__(self, "form", _form(self.tag, self.members()))

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {"reason": self.reason, "evaluated_at": self.evaluated_at.isoformat()}

    @classmethod
    def read(cls, value: object) -> Self:
        """Return what a JSON object says."""
        members = shapes.members("not_scored", value, _NOT_SCORED, _NOT_SCORED)
        return cls(
            reason=shapes.word("not_scored.reason", members["reason"], NotScoredReason),
            evaluated_at=shapes.day("evaluated_at", members["evaluated_at"]),
        )


def _form(tag: str, members: dict[str, Json]) -> str:
    return spell({tag: members})


def _require_basis(model: str, evaluated_at: date, families: tuple[InputFamily, ...]) -> None:
    shapes.require_text("model", model, _MODEL)
    shapes.require_type("evaluated_at", evaluated_at, date)
    for family in families:
        shapes.require_type("families", family, InputFamily)
    if len(set(families)) != len(families):
        raise ClaimInvalid("families", "each family stands once")


def _require_reasons(reasons: tuple[ScoreReason, ...]) -> None:
    if len(reasons) > MAX_REASONS or len({reason.code for reason in reasons}) != len(reasons):
        raise ClaimInvalid("reasons", f"at most {MAX_REASONS}, and each code once")
    for reason in reasons:
        shapes.require_text("reasons.code", reason.code, _REASON_CODE)
        shapes.require_type("reasons.text", reason.text, str)
        if not (0 < len(reason.text) <= 400 and reason.text.isprintable()):
            raise ClaimInvalid("reasons.text", "1 to 400 printable characters belong here")


def _read_reasons(value: object) -> tuple[ScoreReason, ...]:
    rows = [shapes.members("reasons", row, _REASON, _REASON) for row in shapes.items("reasons", value)]
    for row in rows:
        shapes.require_type("reasons.code", row["code"], str)
    return tuple(ScoreReason(row["code"], row["text"]) for row in rows)


def _read_families(value: object) -> tuple[InputFamily, ...]:
    return tuple(shapes.word("families", family, InputFamily) for family in shapes.items("families", value))
