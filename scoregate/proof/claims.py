"""What an attestation says: the claims of a score answer and of a threshold answer.

Pure. Sources: RFC 7519 4.1 (iss, aud, jti, iat, exp), RFC 8785 (their bytes).

    score-attestation+jwt       ScoreClaims      a score or a band, or why there is none
    threshold-attestation+jwt   ThresholdClaims  yes or no; holds no score and no band

Rules, in force whenever claims are made or read, so that none exist that break them:

 1. exactly the named claims, each of its type and inside its bounds;
 2. the inquiry type follows from the purpose, and the band from the score (results.py);
 3. under SCORE there is a number, under BAND none;
 4. marks stand once each, in the contract's order; a file without any has no such claim;
 5. the bytes are the canonical form: one meaning, one spelling.

Every error names the claim and never its value.
"""

import re
from datetime import UTC, datetime
from typing import ClassVar, Self, TypeAlias

from scoregate.errors import AttestationMalformed, ClaimInvalid, JsonRefused
from scoregate.proof import shapes
from scoregate.proof.digest import parse, quote, spell
from scoregate.proof.results import NotScored, Scored, ScoreReason, ThresholdAnswer, band_of
from scoregate.values import value
from scoregate.words import Disclosure, InquiryType, Mark, Purpose

__all__ = [
    "Claims",
    "NotScored",
    "ScoreClaims",
    "ScoreReason",
    "Scored",
    "ThresholdAnswer",
    "ThresholdClaims",
    "band_of",
    "inquiry_of",
]

Outcomes: TypeAlias = tuple[type[Scored | ThresholdAnswer], type[NotScored]]

LATEST_TIME = 253_402_300_799  # the last second of the year 9999

_HARD = frozenset({Purpose.CREDIT_APPLICATION, Purpose.GUARANTOR})
_TEXTS = {
    "iss": re.compile(r"[!-~]{1,255}"),
    "aud": re.compile(r"[A-Za-z0-9._-]{1,64}"),
    "jti": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "nonce": re.compile(r"[A-Za-z0-9_-]{16,128}"),
    "request_sha256": re.compile(r"[0-9a-f]{64}"),
    "consent_id": re.compile(r"[A-Za-z0-9_-]{26}"),
    "consent_sha256": re.compile(r"[0-9a-f]{64}"),
    "subject_ref": re.compile(r"[!-~]{1,128}"),
    "log": re.compile(r"[!-~]{1,255}"),
}
_ALL_TEXTS = re.compile("\n".join(shape.pattern for shape in _TEXTS.values()))
"""Every text at once: none of them may hold a line's end."""

_STR = {str}
_TIMES = ("iat", "exp")
_WORDS = {"purpose": Purpose, "disclosure": Disclosure, "inquiry": InquiryType}
_NAMES = frozenset((*_TEXTS, *_TIMES, *_WORDS, "result"))
_KNOWN = _NAMES | {"marks"}


def inquiry_of(purpose: Purpose) -> InquiryType:
    """Return how an answer for this purpose counts. The caller has no say in it."""
    return InquiryType.HARD if purpose in _HARD else InquiryType.SOFT


@value
class Claims:
    """What both kinds of attestation say; each field is named as its claim.

    Raises:
        ClaimInvalid: On making one that breaks a rule.
    """

    typ: ClassVar[str]  # the JWS header's
    disclosures: ClassVar[frozenset[Disclosure]]
    outcomes: ClassVar[Outcomes]

    iss: str  # who answers
    aud: str  # the one partner that it is for
    jti: str  # the release's event id, a UUID
    iat: int  # seconds since 1970, UTC
    exp: int  # from this second on no longer accepted as fresh
    nonce: str  # the caller's own
    request_sha256: str  # digest.request_sha256, hex
    consent_id: str
    consent_sha256: str  # SHA-256 of digest.consent_form, hex
    purpose: Purpose
    disclosure: Disclosure
    inquiry: InquiryType
    subject_ref: str  # this partner's reference for the person
    log: str  # origin of the log that holds the receipt's leaf
    result: Scored | ThresholdAnswer | NotScored
    marks: tuple[Mark, ...] = ()  # what the person has said about their own file; by number, each once

    def __post_init__(self) -> None:
        self._require_texts()
        shapes.require_integer("iat", self.iat, 0, LATEST_TIME)
        shapes.require_integer("exp", self.exp, 0, LATEST_TIME)
        shapes.require_type("purpose", self.purpose, Purpose)
        shapes.require_type("disclosure", self.disclosure, Disclosure)
        shapes.require_type("inquiry", self.inquiry, InquiryType)
        if self.exp <= self.iat:
            raise ClaimInvalid("exp", "must be later than iat")
        if self.inquiry is not inquiry_of(self.purpose):
            raise ClaimInvalid("inquiry", "must be the purpose's own inquiry type")
        if self.disclosure not in self.disclosures:
            raise ClaimInvalid("disclosure", f"one of {', '.join(sorted(self.disclosures))} belongs here")
        if not isinstance(self.result, self.outcomes):
            raise ClaimInvalid("result", f"{self.outcomes[0].tag} or not_scored belongs here")
        if isinstance(self.result, Scored) and (self.result.score is None) == (
            self.disclosure is Disclosure.SCORE
        ):
            raise ClaimInvalid("score", "there is a number under SCORE, and none under BAND")
        if self.marks != ():
            self._require_marks()

    def _require_texts(self) -> None:
        texts = (
            self.iss,
            self.aud,
            self.jti,
            self.nonce,
            self.request_sha256,
            self.consent_id,
            self.consent_sha256,
            self.subject_ref,
            self.log,
        )
        if set(map(type, texts)) == _STR and _ALL_TEXTS.fullmatch("\n".join(texts)):
            return
        for claim, shape in _TEXTS.items():  # which one is it?
            shapes.require_text(claim, getattr(self, claim), shape)

    def _require_marks(self) -> None:
        shapes.require_type("marks", self.marks, tuple)
        for mark in self.marks:
            shapes.require_type("marks", mark, Mark)
        numbers = [mark.number for mark in self.marks]
        if numbers != sorted(set(numbers)):
            raise ClaimInvalid("marks", "each mark stands once, in the contract's order")

    def encode(self) -> bytes:
        """Return the canonical JSON that is signed."""
        # Members in the order of RFC 8785, 3.2.3; only what is quoted here can need an escape.
        marks = f'"marks":{spell(self.marks)},' if self.marks else ""
        return (
            f'{{"aud":"{self.aud}","consent_id":"{self.consent_id}","consent_sha256":"{self.consent_sha256}",'
            f'"disclosure":"{self.disclosure}","exp":{self.exp},"iat":{self.iat},"inquiry":"{self.inquiry}",'
            f'"iss":{quote(self.iss)},"jti":"{self.jti}","log":{quote(self.log)},{marks}"nonce":"{self.nonce}",'
            f'"purpose":"{self.purpose}","request_sha256":"{self.request_sha256}","result":{self.result.form},'
            f'"subject_ref":{quote(self.subject_ref)}}}'
        ).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the claims of this kind that these bytes, and no others, are the form of.

        Raises:
            ClaimInvalid: A claim is missing, unknown, of another type, or out of bounds.
            AttestationMalformed: Not JSON, or not in canonical form.
        """
        try:
            members = shapes.members("claims", parse(payload), _NAMES, _KNOWN)
        except JsonRefused as error:
            raise AttestationMalformed(f"claims: {error}") from error
        for claim, kind in _WORDS.items():
            members[claim] = shapes.word(claim, members[claim], kind)
        members["result"] = _read_result(cls.outcomes, members["result"])
        if "marks" in members:
            members["marks"] = _read_marks(members["marks"])
        claims = cls(**members)
        if claims.encode() != payload:
            raise AttestationMalformed("claims: not in the canonical form of RFC 8785")
        return claims

    @property
    def issued_at(self) -> datetime:
        """`iat` as an instant, UTC."""
        return datetime.fromtimestamp(self.iat, UTC)

    @property
    def expires_at(self) -> datetime:
        """`exp` as an instant, UTC: from then on no longer accepted as fresh."""
        return datetime.fromtimestamp(self.exp, UTC)


@value
class ScoreClaims(Claims):
    """The answer to GetScore."""

    typ = "score-attestation+jwt"
    disclosures = frozenset({Disclosure.SCORE, Disclosure.BAND})
    outcomes = (Scored, NotScored)

    result: Scored | NotScored


@value
class ThresholdClaims(Claims):
    """The answer to CheckThreshold."""

    typ = "threshold-attestation+jwt"
    disclosures = frozenset({Disclosure.THRESHOLD})
    outcomes = (ThresholdAnswer, NotScored)

    result: ThresholdAnswer | NotScored


def _read_result(outcomes: Outcomes, value: object) -> Scored | ThresholdAnswer | NotScored:
    readers = {outcome.tag: outcome.read for outcome in outcomes}
    tagged = shapes.members("result", value, frozenset(), frozenset(readers))
    if len(tagged) != 1:
        raise ClaimInvalid("result", f"exactly one of {', '.join(sorted(readers))} belongs here")
    ((tag, found),) = tagged.items()
    return readers[tag](found)


def _read_marks(value: object) -> tuple[Mark, ...]:
    marks = tuple(shapes.word("marks", mark, Mark) for mark in shapes.items("marks", value))
    if not marks:
        raise ClaimInvalid("marks", "without any, the claim is left out")
    return marks
